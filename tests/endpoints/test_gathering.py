"""The dialects of one API: sixteen habits of servers, and what an answer is made of all the same.

Each habit is pinned by the chunks that show it, read as OpenAI-compatible servers are read. Laws: text and
calls do not depend on how they were cut.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridle.endpoints.base import Answer, NativeCall
from bridle.endpoints.driver import CallPiece, Piece
from bridle.endpoints.drivers.openai_chat import read_piece
from bridle.endpoints.gathering import CUT_REASONS, Gathered, gather_calls
from bridle.endpoints.stops import StopCutter
from bridle.messages import JSON, Usage

ADD = NativeCall("add", '{"a": 1}', "c1")
SUB = NativeCall("sub", '{"b": 2}', "c2")


def gathered(bodies: Sequence[JSON], stops: tuple[str, ...] = ()) -> Answer:
    found = Gathered(StopCutter(stops), None)
    for body in bodies:
        piece = read_piece(body)
        assert piece is not None
        found.take(piece)
    return found.answer(False, (), {})


def delta(**members: JSON) -> JSON:
    return {"choices": [{"index": 0, "delta": members, "finish_reason": None}]}


def part(
    index: JSON = None, id: JSON = None, name: JSON = None, arguments: JSON = None, **more: JSON
) -> dict[str, JSON]:
    """A part of a call in a delta; members that are None are left out."""
    function: JSON = {
        key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None
    }
    own = {key: value for key, value in (("index", index), ("id", id)) if value is not None}
    return {**own, "function": function, **more}


def calls(*parts: dict[str, JSON]) -> list[JSON]:
    """Deltas with one part of a call each."""
    return [delta(tool_calls=[one]) for one in parts]


ADD_WITHOUT: JSON = {"name": "add", "arguments": None}
SUB_AGAIN: JSON = part(1, "c2", "sub", {"b": 2})

DIALECTS: dict[str, tuple[list[JSON], list[NativeCall]]] = {
    "arguments are an object": (calls(part(0, "c1", "add", {"a": 1})), [ADD]),
    "no id and no type": (calls(part(0, None, "add", '{"a": 1}')), [NativeCall("add", '{"a": 1}')]),
    "the same index for two calls": (
        calls(part(0, "c1", "add", '{"a": 1}'), part(0, "c2", "sub", '{"b": 2}')),
        [ADD, SUB],
    ),
    "the same index, in fragments": (
        calls(
            part(0, "c1", "add", '{"a"'),
            part(0, None, None, ": 1}"),
            part(0, "c2", "sub", '{"b'),
            part(0, None, None, '": 2}'),
        ),
        [ADD, SUB],
    ),
    "no index": (
        calls(
            part(None, "c1", "add", '{"a"'),
            part(None, None, None, ": 1}"),
            part(None, "c2", "sub", '{"b": 2}'),
        ),
        [ADD, SUB],
    ),
    "neither index nor id": (
        calls(
            part(None, None, "add", ""),
            part(None, None, None, '{"a": 1}'),
            part(None, None, "sub", ""),
            part(None, None, None, '{"b": 2}'),
        ),
        [NativeCall("add", '{"a": 1}'), NativeCall("sub", '{"b": 2}')],
    ),
    "neither index nor id, the same function": (
        calls(
            part(None, None, "add", '{"a": 1}'),
            part(None, None, "add", ""),
            part(None, None, None, '{"a": 2}'),
        ),
        [NativeCall("add", '{"a": 1}'), NativeCall("add", '{"a": 2}')],
    ),
    "indexes out of order": (
        calls(part(0, "c1", "add", '{"a"'), part(1, "c2", "sub", '{"b": 2}'), part(0, None, None, ": 1}")),
        [ADD, SUB],
    ),
    "the index inside the function": (
        calls({"id": "c1", "function": {"index": 0, "name": "add", "arguments": {"a": 1}}}),
        [ADD],
    ),
    "empty ids in what goes on": (
        calls(part(0, "c1", "add", '{"a"'), part(0, "", None, ": 1}")),
        [ADD],
    ),
    "ids of the text null in what goes on": (
        calls(part(0, "c1", "add", '{"a"'), part(0, "null", None, ": 1}")),
        [ADD],
    ),
    "ids that are repeated": (calls(part(0, "c1", "add", '{"a"'), part(0, "c1", None, ": 1}")), [ADD]),
    "an id that comes later": (calls(part(0, None, "add", '{"a"'), part(0, "c1", None, ": 1}")), [ADD]),
    "names that are repeated": (
        calls(part(0, "c1", "add", '{"a"'), part(0, None, "add", ": 1}"), part(0, None, "add", "")),
        [ADD],
    ),
    "names that are empty later": (calls(part(0, "c1", "add", '{"a"'), part(0, None, "", ": 1}")), [ADD]),
    "members that are null": (
        [
            delta(role=None, content=None, tool_calls=None, function_call=None),
            delta(
                content=None,
                tool_calls=[{"index": 0, "id": "c1", "function": {"name": "add", "arguments": None}}],
            ),
            delta(tool_calls=[{"index": 0, "id": None, "function": {"name": None, "arguments": '{"a": 1}'}}]),
        ],
        [ADD],
    ),
    "the name first, then an object": (
        calls(part(0, "c1", "add", ""), part(0, None, None, {"a": 1})),
        [ADD],
    ),
    "all calls again in the last chunk": (
        [
            *calls(part(0, "c1", "add", '{"a": 1}'), part(1, "c2", "sub", '{"b": 2}')),
            {
                "choices": [
                    {
                        "message": {
                            "tool_calls": [part(0, "c1", "add", {"a": 1}), part(1, "c2", "sub", {"b": 2})]
                        }
                    }
                ]
            },
        ],
        [ADD, SUB],
    ),
    "a single function call, as until 2023": (
        [
            delta(function_call={"name": "add", "arguments": '{"a"'}),
            delta(function_call={"arguments": ": 1}"}),
        ],
        [NativeCall("add", '{"a": 1}')],
    ),
    "no arguments": (calls(part(0, "c1", "add", "")), [NativeCall("add", "{}", "c1")]),
    "arguments that were cut": (calls(part(0, "c1", "add", '{"a": ')), [NativeCall("add", '{"a":', "c1")]),
    "arguments that are no object": (calls(part(0, "c1", "add", "[1]")), [NativeCall("add", "[1]", "c1")]),
    "no name at all": (calls(part(0, "c1", None, '{"a": 1}')), [NativeCall("", '{"a": 1}', "c1")]),
    "nothing at all": (calls({"index": 0}), []),
}


@pytest.mark.parametrize(("bodies", "found"), DIALECTS.values(), ids=DIALECTS)
def test_calls_are_put_together_in_each_dialect(bodies: list[JSON], found: list[NativeCall]) -> None:
    assert list(gathered(bodies).calls) == found


@pytest.mark.parametrize("own", ["", "c1"])
@pytest.mark.parametrize("index", [0, None])
def test_a_name_may_come_in_pieces(own: str, index: int | None) -> None:
    pieces = [
        CallPiece("get_", "", own, index),
        CallPiece("wea", "", own, index),
        CallPiece("ther", '{"a"', own, index),
        CallPiece("", ": 1}", own, index),
    ]
    assert gather_calls(pieces, ["get_weather", "get_time"]) == (NativeCall("get_weather", '{"a": 1}', own),)
    whole = [CallPiece("get_time", "{}", "", 0), CallPiece("get_weather", "{}", "", 0)]
    assert [call.name for call in gather_calls(whole, ["get_weather", "get_time"])] == [
        "get_time",
        "get_weather",
    ]
    repeated = [CallPiece("get", '{"a"', "", 0), CallPiece("get", ": 1}", "", 0)]
    assert gather_calls(repeated, ["get", "getget"]) == (NativeCall("get", '{"a": 1}'),)


@pytest.mark.parametrize("empty", [[], None, [{}], [{"index": 0}], [{"delta": None}], [{"delta": {}}]])
def test_a_chunk_without_a_message_says_nothing(empty: JSON) -> None:
    answer = gathered([{"choices": empty}, delta(content="a"), {"choices": empty}, delta(content="b")])
    assert (answer.text, answer.calls) == ("ab", ())


@pytest.mark.parametrize("member", ["reasoning_content", "reasoning"])
def test_thoughts_have_several_names(member: str) -> None:
    answer = gathered([delta(**{member: "h"}), delta(**{member: "m"}), delta(content="a")])
    assert (answer.thoughts, answer.text) == ("hm", "a")
    whole = gathered([{"choices": [{"message": {member: "hm", "content": "a"}, "finish_reason": "stop"}]}])
    assert (whole.thoughts, whole.text) == ("hm", "a")


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        *[(reason, "stop") for reason in ("stop", "eos", "eos_token", "word", "tool_calls", "function_call")],
        *[(reason, "length") for reason in (*sorted(CUT_REASONS), "", None)],
    ],
)
def test_an_end_is_understood_in_each_spelling(reason: str | None, finish: str) -> None:
    answer = gathered([{"choices": [{"text": "a", "finish_reason": reason}]}])
    assert (answer.finish, answer.finish_reason) == (finish, reason or "")


def test_a_stop_string_ends_an_answer_whatever_the_server_says() -> None:
    answer = gathered([{"choices": [{"text": "a</s>b", "finish_reason": "length"}]}], ("</s>",))
    assert (answer.text, answer.finish, answer.finish_reason) == ("a", "stop", "stop")


@pytest.mark.parametrize(
    ("usages", "found"),
    [
        ([None, None], Usage()),
        ([{"prompt_tokens": 0, "completion_tokens": 0}], Usage()),
        ([None, {"prompt_tokens": 3, "completion_tokens": 4}, None], Usage(3, 4)),
        (
            [{"prompt_tokens": 3, "completion_tokens": 1}, {"prompt_tokens": 3, "completion_tokens": 2}],
            Usage(3, 2),
        ),
        ([{"prompt_tokens": 3, "prompt_tokens_details": {"cached_tokens": 2}}], Usage(3, 0, 2)),
        ([{"prompt_tokens": None}], Usage()),
    ],
)
def test_usage_comes_anywhere_or_not_at_all(usages: list[JSON], found: Usage) -> None:
    assert gathered([{"choices": [], "usage": usage} for usage in usages]).usage == found


def test_what_was_shown_before_a_cancel_is_the_answer() -> None:
    shown: list[str] = []
    found = Gathered(StopCutter(("END",)), shown.append)
    found.take(Piece("some EN"))
    answer = found.answer(True, ("x",), {"model": "m"})
    assert (answer.text, answer.finish, answer.finish_reason) == ("some EN", "cancelled", "cancelled")
    assert "".join(shown) == answer.text
    assert (answer.dropped, answer.sent) == (("x",), {"model": "m"})


ARGUMENTS = st.dictionaries(st.text('ab{}"\\', max_size=3), st.integers() | st.text(max_size=4))
CALLS = st.lists(st.tuples(st.sampled_from(["add", "sub"]), ARGUMENTS), max_size=4)
STOPS = st.lists(st.text("ab<|", min_size=1, max_size=4), max_size=3)


def fragments(text: str, cuts: list[int]) -> list[str]:
    places = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    return [text[a:b] for a, b in pairwise(places)]


@given(CALLS, st.lists(st.integers(0, 1000), max_size=5), st.booleans(), st.booleans())
def test_calls_do_not_depend_on_how_they_were_cut(
    said: list[tuple[str, dict[str, int | str]]], cuts: list[int], has_index: bool, repeats: bool
) -> None:
    """With an id at the beginning of each; the index may be missing, and the name repeated."""
    pieces: list[CallPiece] = []
    for at, (name, given_) in enumerate(said):
        index = at if has_index else None
        pieces.append(CallPiece(name, "", f"c{at}", index))
        later = name if repeats else ""
        pieces += [CallPiece(later, one, "", index) for one in fragments(json.dumps(given_), cuts)]
    found = gather_calls(pieces)
    expected = [NativeCall(name, json.dumps(given_), f"c{at}") for at, (name, given_) in enumerate(said)]
    assert list(found) == expected


@given(CALLS, st.booleans())
def test_calls_without_index_and_id_are_told_apart(
    said: list[tuple[str, dict[str, int | str]]], in_one: bool
) -> None:
    pieces: list[CallPiece] = []
    for name, given_ in said:
        text = json.dumps(given_)
        pieces += [CallPiece(name, text)] if in_one else [CallPiece(name), CallPiece("", text)]
    assert [(one.name, json.loads(one.arguments)) for one in gather_calls(pieces)] == said


@given(st.text("ab<|", max_size=30), STOPS, st.integers(1, 5))
def test_text_does_not_depend_on_how_it_was_cut(text: str, stops: list[str], size: int) -> None:
    shown: list[str] = []
    found = Gathered(StopCutter(stops), shown.append)
    for at in range(0, len(text), size):
        if found.take(Piece(text[at : at + size])):
            break
    found.take(Piece("", "stop"))
    whole = gathered([{"choices": [{"text": text, "finish_reason": "stop"}]}], tuple(stops))
    answer = found.answer(False, (), {})
    assert answer == whole
    assert "".join(shown) == answer.text
