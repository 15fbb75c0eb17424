"""The words of Ollama's own API: messages as it takes them, and answers as it gives them.

Format: server/routes.go and api/types.go of Ollama 0.33 (2026-08), and traffic recorded from versions of 2024
and 2025. Older versions leave members out; nothing here asks for one that only a new one has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bridle.endpoints.base import Embeddings, Scored
from bridle.endpoints.driver import Piece
from bridle.endpoints.drivers.openai_chat import call_pieces
from bridle.endpoints.json_paths import integer_at, list_at, text_at, value_at
from bridle.messages import JSON, Message, Usage

__all__ = ["read_answer", "read_embeddings", "write_messages"]


def write_messages(messages: Sequence[Message]) -> list[JSON]:
    """Write messages in Ollama's shape: arguments as objects, and results with the function's name.

    >>> write_messages([Message("tool", "4", name="add")])
    [{'role': 'tool', 'content': '4', 'tool_name': 'add'}]
    """
    names: dict[str, str] = {}
    written: list[JSON] = []
    for message in messages:
        ids = [one for one in list_at(dict(message.extra), "call_ids") if isinstance(one, str)]
        names.update(zip(ids, (call.name for call in message.calls), strict=False))
        written.append(_message(message, ids, names))
    return written


def _message(message: Message, ids: Sequence[str], names: Mapping[str, str]) -> dict[str, JSON]:
    out: dict[str, JSON] = {"role": message.role, "content": message.content}
    if message.thoughts:
        out["thinking"] = message.thoughts
    if message.calls:
        with_ids = len(ids) == len(message.calls)  # versions until 2025 know no ids, and pass over them
        calls: list[JSON] = []
        for at, call in enumerate(message.calls):
            function: dict[str, JSON] = {"name": call.name, "arguments": dict(call.arguments)}
            calls.append({"id": ids[at], "function": function} if with_ids else {"function": function})
        out["tool_calls"] = calls
    call_id = text_at(dict(message.extra), "tool_call_id")
    name = message.name or names.get(call_id, "")
    if message.role == "tool" and name:
        out["tool_name"] = name
    if message.role == "tool" and call_id:
        out["tool_call_id"] = call_id
    return out


def read_answer(body: JSON) -> Piece | None:
    """Read an answer of `/api/generate` or `/api/chat`, or one line of it; None for anything else.

    >>> read_answer({"response": "Hi", "done": True, "eval_count": 1}).finish_reason
    'stop'
    """
    if not isinstance(body, dict) or not isinstance(body.get("done"), bool):
        return None
    message = body.get("message")
    holder = message if list_at(message, "tool_calls") else body
    done = body["done"] is True
    return Piece(
        text_at(body, "response") or text_at(message, "content"),
        (text_at(body, "done_reason") or "stop") if done else None,
        _usage(body) if done else None,
        text_at(body, "thinking") or text_at(message, "thinking"),
        call_pieces(holder, whole=True),
        tuple(_scored(one) for one in list_at(body, "logprobs")),
    )


def _usage(body: JSON) -> Usage:
    return Usage(
        prompt_tokens=integer_at(body, "prompt_eval_count") or 0,
        completion_tokens=integer_at(body, "eval_count") or 0,
        cached_tokens=integer_at(body, "prompt_eval_cached_count") or 0,
    )


def _scored(one: JSON) -> Scored:
    others = {text_at(o, "token"): _number(value_at(o, "logprob")) for o in list_at(one, "top_logprobs")}
    return Scored(text_at(one, "token"), _number(value_at(one, "logprob")), others)


def _number(value: JSON) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def read_embeddings(body: JSON) -> Embeddings | None:
    """Read an answer of `/api/embed`; None for anything else."""
    vectors = [one if isinstance(one, list) else [] for one in list_at(body, "embeddings")]
    if not vectors or not all(v and all(isinstance(x, int | float) for x in v) for v in vectors):
        return None
    usage = Usage(prompt_tokens=integer_at(body, "prompt_eval_count") or 0)
    return Embeddings(tuple(tuple(map(_number, v)) for v in vectors), text_at(body, "model"), usage)
