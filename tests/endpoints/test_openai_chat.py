"""OpenAI's words as many servers speak them: each dialect that was seen is read into the same pieces."""

from __future__ import annotations

from typing import Any

import pytest

from bridle.endpoints.base import Request, Scored
from bridle.endpoints.driver import CallPiece, Piece
from bridle.endpoints.drivers.openai_chat import chat_body, read_embeddings, read_piece, tool_choice
from bridle.messages import JSON, Message, ToolCall, ToolSpec, Usage


@pytest.mark.parametrize(
    ("body", "piece"),
    [
        ({"choices": [], "usage": None}, Piece()),
        ({"choices": None}, Piece()),
        ({"object": "chat.completion.chunk", "choices": [{"finish_reason": "length"}]}, Piece("", "length")),
        ({"choices": [{"finish_reason": "stop"}]}, Piece()),
        ({"choices": [{"delta": {"content": None}, "finish_reason": ""}]}, Piece()),
        ({"choices": [{"message": None}]}, Piece()),
        ({"choices": [{"text": 5}]}, Piece()),
        ({"model": "m"}, None),
        ([1], None),
        ("text", None),
        (None, None),
    ],
)
def test_odd_chunks_are_read_or_refused(body: JSON, piece: Piece | None) -> None:
    assert read_piece(body) == piece


def test_cached_tokens_are_counted() -> None:
    usage: JSON = {"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 8}}
    piece = read_piece({"choices": [{"text": "x"}], "usage": usage})
    assert piece is not None
    assert piece.usage is not None
    assert piece.usage.cached_tokens == 8


def delta(**members: JSON) -> JSON:
    return {"choices": [{"index": 0, "delta": {**members}, "finish_reason": None}]}


@pytest.mark.parametrize(
    ("message", "text", "thoughts"),
    [
        ({"content": "a"}, "a", ""),
        ({"content": None, "reasoning_content": "b"}, "", "b"),
        ({"content": "a", "reasoning": "b"}, "a", "b"),
        ({"content": "a", "thinking": "b"}, "a", "b"),
        ({"content": "a", "reasoning": None, "reasoning_content": None}, "a", ""),
        ({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "c"}]}, "ac", ""),
        (
            {
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "b"}]},
                    {"type": "text", "text": "a"},
                ]
            },
            "a",
            "b",
        ),
        ({"content": [{"type": "thinking", "thinking": "b"}]}, "", "b"),
        ({"content": [{"type": "image_url"}, None, 3]}, "", ""),
        ({"role": "assistant"}, "", ""),
    ],
)
def test_text_and_thoughts_are_told_apart_under_each_name(
    message: dict[str, JSON], text: str, thoughts: str
) -> None:
    whole: JSON = {"choices": [{"message": {**message}, "finish_reason": None}]}
    for body in (delta(**message), whole):
        assert read_piece(body) == Piece(text, thoughts=thoughts)


@pytest.mark.parametrize(
    ("call", "piece"),
    [
        (
            {"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": ""}},
            CallPiece("f", "", "c1", 0),
        ),
        (
            {"index": 0, "id": None, "type": None, "function": {"name": None, "arguments": "{}"}},
            CallPiece("", "{}", "", 0),
        ),
        ({"function": {"name": "f", "arguments": {"a": 1}}}, CallPiece("f", '{"a": 1}', "", None, True)),
        ({"function": {"index": 2, "name": "f", "arguments": "{}"}}, CallPiece("f", "{}", "", 2)),
        ({"id": "", "index": None, "function": {"name": "f"}}, CallPiece("f")),
        ({"id": "null", "index": 1, "function": {"arguments": "1"}}, CallPiece("", "1", "null", 1)),
    ],
)
def test_a_part_of_a_call_is_read_as_it_came(call: JSON, piece: CallPiece) -> None:
    read = read_piece(delta(content=None, tool_calls=[call]))
    assert read is not None
    assert read.calls == (piece,)


@pytest.mark.parametrize("calls", [None, [], [None], "x"])
def test_no_calls_are_no_calls(calls: JSON) -> None:
    assert read_piece(delta(content="a", tool_calls=calls, function_call=None)) == Piece("a")


def test_a_whole_message_has_whole_calls_also_under_the_old_name() -> None:
    function: dict[str, JSON] = {"name": "f", "arguments": "{}"}
    new: JSON = {"choices": [{"message": {"tool_calls": [{"id": "c", "function": function}]}}]}
    old: JSON = {"choices": [{"message": {"content": None, "function_call": function}}]}
    for body, name in ((new, "c"), (old, "")):
        read = read_piece(body)
        assert read is not None
        assert read.calls == (CallPiece("f", "{}", name, None, True),)


@pytest.mark.parametrize(
    ("logprobs", "tokens"),
    [
        (
            {"content": [{"token": "a", "logprob": -1, "top_logprobs": [{"token": "b", "logprob": -2.5}]}]},
            (Scored("a", -1.0, {"b": -2.5}),),
        ),
        (
            {"tokens": ["a", "b"], "token_logprobs": [-1, None], "top_logprobs": [{"a": -1}, None]},
            (Scored("a", -1.0, {"a": -1.0}), Scored("b", 0.0)),
        ),
        ({"tokens": ["a"], "token_logprobs": [-1], "top_logprobs": None}, (Scored("a", -1.0),)),
        ({"content": None}, ()),
        (None, ()),
    ],
)
def test_probabilities_come_in_the_shape_of_either_route(logprobs: JSON, tokens: tuple[Scored, ...]) -> None:
    read = read_piece({"choices": [{"text": "x", "logprobs": logprobs}]})
    assert read is not None
    assert read.tokens == tokens


@pytest.mark.parametrize(
    ("usage", "read"),
    [
        ({"prompt_tokens": 9, "completion_tokens": 2}, Usage(prompt_tokens=9, completion_tokens=2)),
        (
            {"prompt_tokens": 9, "completion_tokens": 2, "prompt_cache_hit_tokens": 7},
            Usage(prompt_tokens=9, completion_tokens=2, cached_tokens=7),
        ),
        ({"prompt_tokens": None, "completion_tokens": "2"}, Usage()),
        (None, None),
    ],
)
def test_usage_is_read_wherever_it_stands(usage: JSON, read: Usage | None) -> None:
    for body in ({"choices": [], "usage": usage}, {"choices": None, "usage": usage}):
        assert read_piece(body) == Piece(usage=read)


def test_vectors_are_put_in_the_order_of_their_texts() -> None:
    def row(index: int | None, *vector: float) -> dict[str, JSON]:
        made: dict[str, JSON] = {"embedding": [*vector]}
        return made if index is None else made | {"index": index}

    told: JSON = {"data": [row(1, 3, 4), row(0, 1, 2)], "model": "e", "usage": {"prompt_tokens": 5}}
    read = read_embeddings(told)
    assert read is not None
    assert (read.vectors, read.model, read.usage.prompt_tokens) == (((1.0, 2.0), (3.0, 4.0)), "e", 5)
    unnumbered = read_embeddings({"data": [row(None, 1), row(None, 2)]})
    assert unnumbered is not None
    assert unnumbered.vectors == ((1.0,), (2.0,))


def test_what_are_no_vectors_is_not_read() -> None:
    empty: JSON = {"data": [{"embedding": []}]}
    packed: JSON = {"data": [{"embedding": "AAA="}]}
    for body in (empty, packed, {}, None):
        assert read_embeddings(body) is None


def test_plain_messages_have_only_what_openais_have() -> None:
    messages = (
        Message("assistant", calls=(ToolCall("f", {"x": "é"}),), thoughts="hm"),
        Message("tool", "done", name="f"),
    )
    tool = ToolSpec("f", "Does.", {"type": "object", "properties": {}})
    request = Request(messages=messages, tools=(tool,), tool_choice="f")
    body: Any = chat_body(request, plain=True)
    assert [sorted(one) for one in body["messages"]] == [
        ["content", "role", "tool_calls"],
        ["content", "role", "tool_call_id"],
    ]
    full: Any = chat_body(request)
    assert full["messages"][0]["reasoning_content"] == "hm"
    assert full["messages"][1]["name"] == "f"
    assert full["tool_choice"] == tool_choice("f")
    assert full["messages"][0]["tool_calls"][0]["function"]["arguments"] == '{"x": "é"}'
