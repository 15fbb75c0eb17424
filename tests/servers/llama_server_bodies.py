"""The bodies and events that llama.cpp's server writes, as recorded in August 2026, for its fake."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bridle.errors import GrammarError
from bridle.grammars import check_gbnf
from servers.fake import Response, json_response
from servers.holding import held_by_gbnf, held_by_schema

__all__ = [
    "DONE",
    "bad_grammar",
    "chat_ending",
    "chat_scores",
    "delta_event",
    "event",
    "failed",
    "held",
    "openai_body",
    "probabilities",
    "text_event",
    "timings_of",
    "usage_of",
]

DONE = b"data: [DONE]\n\n"


def event(body: object) -> bytes:
    return b"data: " + json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"


def failed(status: int, said: str, kind: str) -> Response:
    return json_response({"error": {"code": status, "message": said, "type": kind}}, status)


def bad_grammar(body: Mapping[str, Any]) -> Response | None:
    """It survives a bad grammar, whatever is wrong with it."""
    try:
        check_gbnf(body.get("grammar") or 'root ::= "x"')
    except GrammarError:
        said = "Failed to initialize samplers: failed to parse grammar"
        return failed(400, said, "invalid_request_error")
    if "http" in json.dumps(body.get("json_schema", "")):
        said = "Field 'json_schema': \"json_schema\": JSON schema conversion failed:\nJSON schema error"
        return failed(400, said, "invalid_request_error")
    return None


def held(body: Mapping[str, Any], text: str) -> str:
    """A grammar beats a schema without a word."""
    if body.get("grammar"):
        return held_by_gbnf(body["grammar"], text)
    return held_by_schema(body["json_schema"], text) if "json_schema" in body else text


def probabilities(body: Mapping[str, Any], text: str) -> dict[str, Any]:
    wanted = body.get("n_probs", 0)
    if not wanted:
        return {}
    listed: list[dict[str, Any]] = []
    for char in text:
        token = {"id": ord(char), "token": char, "bytes": list(char.encode()), "logprob": -0.5}
        listed.append(token | {"top_logprobs": [token] * wanted})
    return {"completion_probabilities": listed}


def timings_of(n_prompt: int, n_said: int) -> dict[str, Any]:
    return {"cache_n": 0, "prompt_n": n_prompt, "prompt_ms": 1.5, "prompt_per_token_ms": 0.5,
            "prompt_per_second": 2.5, "predicted_n": n_said, "predicted_ms": 1.5,
            "predicted_per_token_ms": 0.5, "predicted_per_second": 2.5}  # fmt: skip


def usage_of(n_prompt: int, n_said: int) -> dict[str, Any]:
    return {"completion_tokens": n_said, "prompt_tokens": n_prompt, "total_tokens": n_prompt + n_said,
            "prompt_tokens_details": {"cached_tokens": 0}}  # fmt: skip


def openai_body(kind: str, choices: list[Any]) -> dict[str, Any]:
    return {"choices": choices, "created": 1, "model": "m", "system_fingerprint": "b9999-1652066",
            "object": kind, "id": "chatcmpl-fQp1zJ5hxSUJ9m8C"}  # fmt: skip


def delta_event(delta: Mapping[str, Any], reason: str | None = None) -> bytes:
    choice = {"finish_reason": reason, "index": 0, "delta": delta}
    return event(openai_body("chat.completion.chunk", [choice]))


def text_event(text: str, reason: str | None, usage: dict[str, Any] | None = None) -> bytes:
    """The last event of the completion route has the usage, where it was asked for, and the timings."""
    choice = {"text": text, "index": 0, "logprobs": None, "finish_reason": reason}
    counted: dict[str, Any] = {} if usage is None else {"usage": usage, "timings": timings_by(usage)}
    return event(openai_body("text_completion", [choice]) | counted)


def chat_ending(reason: str, body: Mapping[str, Any], usage: dict[str, Any]) -> list[bytes]:
    """The last events of the chat route: the usage has one of its own, where it was asked for."""
    choice: dict[str, Any] = {"finish_reason": reason, "index": 0, "delta": {}}
    last, timings = openai_body("chat.completion.chunk", [choice]), {"timings": timings_by(usage)}
    if "include_usage" not in (body.get("stream_options") or ()):
        return [event(last | timings), DONE]
    counted = openai_body("chat.completion.chunk", []) | {"usage": usage} | timings
    return [event(last), event(counted), DONE]


def timings_by(usage: Mapping[str, Any]) -> dict[str, Any]:
    return timings_of(usage["prompt_tokens"], usage["completion_tokens"])


def chat_scores(body: Mapping[str, Any], text: str) -> dict[str, Any]:
    if not body.get("logprobs"):
        return {}
    scored = probabilities({"n_probs": body.get("top_logprobs", 1)}, text)["completion_probabilities"]
    return {"logprobs": {"content": scored}}
