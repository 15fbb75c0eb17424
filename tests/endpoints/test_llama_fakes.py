"""The fakes of llama.cpp's servers answer as the real ones were recorded: same status, same members.

They play a server in its usual settings. What one in other settings declines (without a key, say, or without
a template) is not compared, and an answer may have the members of any recording of its route.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import requests

from servers.fake_llama_cpp_server import FakeLlamaCppServer
from servers.fake_llama_server import FakeLlamaServer
from servers.llama_exchange import FILES, Body, Exchange
from servers.transcripts import name_of

NOT_FAKED = dict.fromkeys(
    ("/v1/responses", "/extras/detokenize", "/openapi.json"), "no fake has it, and no driver asks for it"
)
PLAYED = ("context size", "context length", "grammar", "Grammar")
"""Words of the refusals that the fakes play in all settings."""
EXCHANGES = [one for one in map(Exchange, FILES) if one.answered is not None]
LOOSE = {"generation_settings", "chat_template_caps", "default_generation_settings", "models",
         "top_logprobs", "modalities", "timings"}  # fmt: skip
"""Members of which the fakes have only a part, or whose members are the data."""
EXTRA = {"modalities", "media_marker", "endpoint_slots", "endpoint_props", "endpoint_metrics", "ui",
         "ui_settings", "model_ftype", "cors_proxy_enabled", "webui", "webui_settings", "id_task",
         "n_prompt_tokens", "n_prompt_tokens_processed", "n_prompt_tokens_cache", "next_token",
         "params"}  # fmt: skip
"""Members of `/props` and `/slots` that nobody here reads."""


def shape(value: object) -> object:
    """The names of all members, without the values."""
    if isinstance(value, dict):
        members: Body = value  # pyright: ignore[reportUnknownVariableType]
        return {
            name: "…" if name in LOOSE else shape(one) for name, one in members.items() if name not in EXTRA
        }
    if isinstance(value, list):
        items: list[object] = value  # pyright: ignore[reportUnknownVariableType]
        return [shape(items[0])] if items else []
    return "" if value is None or isinstance(value, (str, bool)) else 0


def prepared(exchange: Exchange) -> FakeLlamaServer | FakeLlamaCppServer:
    """A fake in the state that the recorded one was in."""
    fake = FakeLlamaCppServer("No JSON.") if exchange.is_python else FakeLlamaServer("No JSON.")
    said = json.dumps(exchange.parts[0]) if exchange.parts else ""
    if "available context size" in said or "maximum context length" in said:
        fake.context_tokens = 8
    if isinstance(fake, FakeLlamaServer):
        fake.supports_tools = "tool_calls" in said
    return fake


def is_odd(exchange: Exchange) -> str:
    """Why an exchange is not compared; empty where it is."""
    if exchange.answered is None:
        return "the server died of it, which a fake only plays"
    if "embedding" in exchange.route and exchange.status == 200:
        return "the fakes' model makes no embeddings"
    if exchange.route in NOT_FAKED:
        return NOT_FAKED[exchange.route]
    if not exchange.parts or (not exchange.asked and exchange.method == "POST"):
        return "the request was no JSON"
    if "std::exception" in json.dumps(exchange.parts[0]):
        return "that depends on the vocabulary"
    if not isinstance(exchange.asked.get("prompt", ""), str):
        return "no tokens are sent"
    return ""


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_fake_answers_in_the_shape_of_the_real_one(path: Path) -> None:
    exchange = Exchange(path)
    if why := is_odd(exchange):
        pytest.skip(why)
    fake = prepared(exchange)
    with requests.Session() as session:
        session.trust_env = False
        reply = session.request(
            exchange.method, fake.url + exchange.route, json=exchange.asked or None, timeout=20
        )
        found = parts_of(reply)
    fake.close()
    if reply.status_code != exchange.status:
        assert not any(word in exchange.said for word in PLAYED)
        if exchange.status >= 400 or reply.status_code in (404, 501):
            pytest.skip(f"a server in its usual settings answers {reply.status_code}")
    assert reply.status_code == exchange.status
    assert shape(found[0]) in shapes_like(exchange, 0)
    if exchange.is_stream and not exchange.is_aborted:
        assert reply.headers["content-type"].startswith("text/event-stream")
        assert shape(found[-1]) in shapes_like(exchange, -1)
        assert reply.text.rstrip().endswith("[DONE]") is exchange.is_over


def shapes_like(exchange: Exchange, place: int) -> list[object]:
    """The shapes that one part of an answer has in the recordings of the same route."""
    alike = (one for one in EXCHANGES if kind_of(one) == kind_of(exchange) and one.parts)
    return [shape(one.parts[place]) for one in alike]


def kind_of(exchange: Exchange) -> tuple[object, ...]:
    return exchange.is_python, exchange.route, exchange.status, exchange.is_stream


def parts_of(reply: requests.Response) -> list[Body]:
    reply.encoding = "utf-8"
    if not reply.headers["content-type"].startswith("text/event-stream"):
        return [reply.json()]
    said = [line.removeprefix("data: ") for line in reply.text.split("\n") if line.startswith("data: ")]
    return [json.loads(one) for one in said if one != "[DONE]"]
