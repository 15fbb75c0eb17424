"""The words of OpenAI's completion and chat API, as many servers speak them: written and read.

Format: the types of openai 3.52.0. What servers do differently was taken from
recorded traffic of llama-server, llama-cpp-python, text-generation-webui, Ollama, vLLM and Azure.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from bridle.endpoints.base import Answer, Embeddings, Request, Scored
from bridle.endpoints.driver import CallPiece, Piece
from bridle.endpoints.json_paths import integer_at, list_at, text_at, value_at
from bridle.errors import ContentFiltered
from bridle.messages import JSON, Usage, message_to_dict, tool_to_dict

__all__ = [
    "call_pieces",
    "chat_body",
    "read_embeddings",
    "read_piece",
    "read_refusal",
    "read_usage",
    "tool_choice",
    "withheld_error",
]

_NOT_PLAIN = ("name", "reasoning_content")
"""Members of a message that strict services refuse."""
_MEMBERS = ("choices", "id", "object", "usage")
"""Members by which a chunk without a choice is known."""
FILTERED = "content_filter"
"""The finish reason of an answer of which a service's filter has left nothing, or only the beginning."""


def chat_body(request: Request, *, plain: bool = False) -> dict[str, JSON]:
    """Write the members for messages and native tools; `plain` messages have only what OpenAI's have."""
    messages = [message_to_dict(message) for message in request.messages]
    if plain:
        messages = [{k: v for k, v in one.items() if k not in _NOT_PLAIN} for one in messages]
    body: dict[str, JSON] = {"messages": [*messages]}
    if request.tools:
        body["tools"] = [tool_to_dict(tool) for tool in request.tools]
        body["tool_choice"] = tool_choice(request.tool_choice)
    return body


def tool_choice(choice: str) -> JSON:
    """Write which tool is to be called.

    >>> tool_choice("auto"), tool_choice("add")
    ('auto', {'type': 'function', 'function': {'name': 'add'}})
    """
    if choice in ("auto", "required", "none"):
        return choice
    return {"type": "function", "function": {"name": choice}}


def read_piece(body: JSON) -> Piece | None:
    """Read a completion, a chat completion, or one chunk of either; None for anything else.

    What a model says in declining is text like any other.
    """
    choices = value_at(body, "choices")
    if not isinstance(choices, list):
        # A chunk may have `null` here or nothing at all, as the last ones of Azure and of proxies.
        known = isinstance(body, dict) and any(name in body for name in _MEMBERS)
        return Piece(usage=read_usage(body)) if known else None
    choice = choices[0] if choices and isinstance(choices[0], dict) else {}
    message = choice.get("message") or choice.get("delta")
    said = message if isinstance(message, dict) else {}  # else it is not looked into: this is once a token
    return Piece(
        text_at(choice, "text") or (_text(said) if said else ""),
        _finish_reason(body, choice),
        read_usage(body),
        _thoughts(said) if said else "",
        call_pieces(said, whole=isinstance(choice.get("message"), dict)) if said else (),
        _scored(choice["logprobs"]) if choice.get("logprobs") else (),
    )


def _text(message: JSON) -> str:
    return text_at(message, "content") or _parts(message, "text") or text_at(message, "refusal")


def _finish_reason(body: JSON, choice: dict[str, JSON]) -> str | None:
    """Read why it ended; None for a whole answer that has none in it, and names no filter that took it."""
    reason = text_at(choice, "finish_reason")
    if not reason or reason == FILTERED or text_at(body, "object").endswith(".chunk"):
        return reason or None
    return reason if any(name in choice for name in ("message", "delta", "text")) else None


def read_refusal(body: JSON) -> str:
    """Read what a model says in declining, or a part of it; empty where it does not decline."""
    choice = value_at(body, "choices", 0)
    return text_at(choice, "message", "refusal") or text_at(choice, "delta", "refusal")


def withheld_error(base: str, answer: Answer, categories: Sequence[str] = ()) -> ContentFiltered | None:
    """Make the error for an answer that a service's filter took or cut; None for any other answer.

    What had come before the cut is the fact `partial`.
    """
    if answer.finish_reason != FILTERED:
        return None
    cut = bool(answer.text or answer.calls)
    return ContentFiltered(
        f"{base} {'cut the answer in the middle' if cut else 'withheld the whole answer'} (content_filter)",
        hint="the service's own filter did not like the answer: change what is asked for",
        url=base,
        side="answer",
        categories=tuple(categories),
        partial=answer.text,
    )


def _thoughts(message: JSON) -> str:
    """Read the thoughts, which each server calls as it likes."""
    names = ("reasoning_content", "reasoning", "thinking")
    return next((text for name in names if (text := text_at(message, name))), "") or _parts(
        message, "thinking"
    )


def _parts(message: JSON, kind: str) -> str:
    """Join the texts of one kind where the content comes in parts, as Mistral's reasoning models have it."""
    found: list[str] = []
    for part in list_at(message, "content"):
        if text_at(part, "type") == kind:
            found.append(text_at(part, kind))
            found += [text_at(inner, "text") for inner in list_at(part, kind)]
    return "".join(found)


def call_pieces(message: JSON, *, whole: bool) -> tuple[CallPiece, ...]:
    """Read the calls, or the parts of calls, of a message or a delta."""
    found = list_at(message, "tool_calls")
    if not found and isinstance(value_at(message, "function_call"), dict):
        found = [{"function": value_at(message, "function_call")}]  # what it was called until 2023
    return tuple(
        CallPiece(
            text_at(one, "function", "name"),
            _arguments(value_at(one, "function", "arguments")),
            text_at(one, "id"),
            _index(one),
            whole or isinstance(value_at(one, "function", "arguments"), dict),
        )
        for one in found
        if isinstance(one, dict)
    )


def _index(call: JSON) -> int | None:
    own = integer_at(call, "index")
    return integer_at(call, "function", "index") if own is None else own


def _arguments(value: JSON) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def read_usage(body: JSON) -> Usage | None:
    """Read the token counts; None where there are none."""
    if not isinstance(value_at(body, "usage"), dict):
        return None
    return Usage(
        prompt_tokens=integer_at(body, "usage", "prompt_tokens") or 0,
        completion_tokens=integer_at(body, "usage", "completion_tokens") or 0,
        cached_tokens=integer_at(body, "usage", "prompt_tokens_details", "cached_tokens")
        or integer_at(body, "usage", "prompt_cache_hit_tokens")  # DeepSeek
        or 0,
    )


def _scored(logprobs: JSON) -> tuple[Scored, ...]:
    """Read the logarithms of probabilities in the shape of the chat API, or that of completions."""
    if isinstance(value_at(logprobs, "content"), list):
        return tuple(
            Scored(
                text_at(one, "token"),
                _number(value_at(one, "logprob")),
                {text_at(o, "token"): _number(value_at(o, "logprob")) for o in list_at(one, "top_logprobs")},
            )
            for one in list_at(logprobs, "content")
        )
    values, others = list_at(logprobs, "token_logprobs"), list_at(logprobs, "top_logprobs")
    return tuple(
        Scored(token, _number(values[at]) if at < len(values) else 0.0, _others(value_at(others, at)))
        for at, token in enumerate(list_at(logprobs, "tokens"))
        if isinstance(token, str)
    )


def _number(value: JSON) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _others(value: JSON) -> dict[str, float]:
    return {token: _number(p) for token, p in value.items()} if isinstance(value, dict) else {}


def read_embeddings(body: JSON) -> Embeddings | None:
    """Read the answer of `/v1/embeddings`, sorted by its indexes; None for anything else."""
    listed = value_at(body, "data")
    if not isinstance(listed, list):
        return None
    ordered = sorted(enumerate(listed), key=lambda item: _order(item[1], item[0]))
    vectors = [list_at(one, "embedding") for _, one in ordered]
    if not all(vector and all(isinstance(x, int | float) for x in vector) for vector in vectors):
        return None
    return Embeddings(
        tuple(tuple(_number(x) for x in vector) for vector in vectors),
        text_at(body, "model"),
        read_usage(body) or Usage(),
    )


def _order(one: JSON, place: int) -> int:
    index = integer_at(one, "index")
    return place if index is None else index
