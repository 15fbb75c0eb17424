"""The fake text-generation-webui answers in the shapes that were recorded from the real one."""

from __future__ import annotations

import json

import pytest
import requests

from bridle.endpoints.json_paths import text_at
from bridle.messages import JSON
from servers.fake import TRANSCRIPTS
from servers.fake_webui import FakeWebUI
from servers.webui_exchanges import FILES, NAMES, Exchange


def _shape(value: JSON) -> JSON:
    """The names and types of a JSON value; of lists the first member's."""
    if isinstance(value, dict):
        return {key: _shape(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_shape(value[0])] if value else []
    return "number" if isinstance(value, int | float) else type(value).__name__


def _is_played(exchange: Exchange) -> bool:
    """Whether the fake plays this: it knows what the driver sends, and does not validate whole bodies."""
    asked = exchange.asked
    other_routes = ("/v1/messages", "/v1/internal/logits", "/api/v1/generate")
    if exchange.answered is None or exchange.route in other_routes or {"logprobs", "functions"} & set(asked):
        return False
    is_whole = exchange.status != 422 or bool(asked.get("messages", asked))
    return is_whole and all("function" in tool for tool in asked.get("tools", ()))


PLAYED = [name for name, path in zip(NAMES, FILES, strict=True) if _is_played(Exchange(path))]


@pytest.mark.parametrize("name", PLAYED)
def test_the_fake_answers_in_the_recorded_shapes(name: str) -> None:
    exchange = Exchange(TRANSCRIPTS / f"{name}.json")
    fake = FakeWebUI()
    fake.has_embeddings = False
    fake.model = _model_then(exchange)
    if exchange.route.endswith("/model/info"):
        fake.loader = exchange.said["loader"]
    fake.text = '<tool_call>\n{"name": "send_message", "arguments": {"message": "hi"}}\n</tool_call>'
    try:
        _compare(exchange, fake)
    finally:
        fake.close()


def _model_then(exchange: Exchange) -> str:
    """Which model the server must have had to answer so."""
    failed = exchange.said is None and exchange.status == 500
    is_empty = exchange.said == {"object": "list", "data": []}
    return "None" if failed or is_empty or text_at(exchange.said, "model_name") == "None" else "tiny.gguf"


def _compare(exchange: Exchange, fake: FakeWebUI) -> None:
    host = "example.com" if exchange.said == {"detail": "Invalid host header"} else "127.0.0.1"
    fake.files = ["tiny.gguf"]
    body = dict(exchange.asked)
    if exchange.answered is not None and "tool_calls" in json.dumps(exchange.answered):
        body["max_tokens"] = 500  # the fake's tokens are characters
    reply = requests.request(
        exchange.method,
        fake.url + exchange.route,
        json=body if exchange.method == "POST" else None,
        headers={"Host": host, "Connection": "close"},
        timeout=5,
    )
    assert exchange.answered is not None
    assert reply.status_code == exchange.status
    recorded_type: str = exchange.answered["headers"]["content-type"]
    assert reply.headers["content-type"].split(";")[0] == recorded_type.split(";", maxsplit=1)[0]
    if exchange.said is not None:
        assert _shape(reply.json()) == _shape(exchange.said)
    elif "lines" in exchange.answered:
        shapes = [_shape(part) for part in exchange.parts]
        lines = [line.removeprefix("data: ") for line in reply.text.split("\n") if line.startswith("data: {")]
        assert _shape(json.loads(lines[0])) == shapes[0]
        assert _shape(json.loads(lines[-1])) in shapes or "client_aborted_after_lines" in exchange.answered
    else:
        assert reply.text == exchange.answered["text"]
