"""Following an answer through the rules, and the shortest way to its end: laws against our own recogniser."""

from __future__ import annotations

import random

import pytest

from bridle.grammars import (
    EMPTY,
    Alt,
    Chars,
    Grammar,
    Lit,
    Mode,
    Ref,
    Repeat,
    Seq,
    call_grammar,
    matches,
    sample,
    schema_grammar,
)
from bridle.grammars.distances import furthest
from bridle.grammars.following import Follower, label_of
from bridle.grammars.places import State
from bridle.wrappers import get_wrapper
from noise import BOUNDS, random_tools

LETTER = Chars(((97, 122),))
ANY = Chars((), negated=True)
WRAPPERS = ("chatml", "hermes", "qwen3-coder", "glm4.5", "gemma4", "lfm2")
MODES: tuple[Mode, ...] = ("call", "text_or_call")


def ways(follower: Follower, state: State) -> list[str]:
    return [end.decode() for end in follower.ends(state)]


def follow(grammar: Grammar, text: str) -> list[str]:
    """All shortest ends after a text, the shortest first; read byte by byte and in one piece."""
    follower = Follower(grammar)
    whole = follower.advance(follower.start(), text.encode())
    state = follower.start()
    for byte in text.encode():
        state = follower.advance(state, bytes((byte,)))
    assert sorted(ways(follower, state)) == sorted(ways(follower, whole))
    return ways(follower, whole)


@pytest.mark.parametrize(
    ("node", "text", "end"),
    [
        (Lit("abc"), "", "abc"),
        (Lit("abc"), "ab", "c"),
        (Lit("aé"), "a", "é"),
        (EMPTY, "", ""),
        (Alt((Lit("long one"), Lit("short"))), "", "short"),
        (Alt((Lit("long one"), Lit("lo"))), "l", "o"),
        (Seq((Lit("["), Repeat(LETTER, 2, 9), Lit("]"))), "[x", "a]"),
        (Seq((Lit("["), Repeat(LETTER, 2, 9), Lit("]"))), "[xyz", "]"),
        (Repeat(Seq((Lit("a"), Lit("b"))), 0, 3), "aba", "b"),
        (Repeat(Repeat(Lit("a"), 0, 1), 3, 900), "aa", ""),
        (Seq((Repeat(ANY, 0, 50), Lit("."))), "some text", "."),
        (Seq((Repeat(ANY, 20, 50), Lit("."))), "some text of", "aaaaaaaa."),
        (Seq((Repeat(ANY, 0, 3), Repeat(Lit("b"), 2, 4), Lit("!"))), "xbb", "!"),
        (Chars(((48, 48), (0x20AC, 0x20AC))), "", "0"),
    ],
)
def test_the_shortest_end_is_known_anywhere(
    node: Lit | Alt | Seq | Repeat | Chars, text: str, end: str
) -> None:
    assert follow(Grammar(node), text)[0] == end


@pytest.mark.parametrize("text", ["b", "abcd", "ab" * 5, "é"])
def test_what_is_not_allowed_has_no_place(text: str) -> None:
    follower = Follower(Grammar(Repeat(Alt((Lit("abc"), Lit("ab"))), 1, 4)))
    assert follower.advance(follower.start(), text.encode()) == ()


def test_a_character_may_come_in_pieces() -> None:
    follower = Follower(Grammar(Repeat(Chars(((0xE9, 0xE9), (0x20A0, 0x20AF))), 1, 2)))
    half = follower.advance(follower.start(), "€".encode()[:2])
    assert follower.in_char(half)
    assert next(follower.ends(half)) == chr(0x20A0).encode()[2:]
    assert follower.may_end(follower.advance(half, "€".encode()[2:]))
    assert follower.advance(follower.start(), b"\xe2\x81") == ()  # begins no allowed character
    assert follower.advance(follower.start(), b"\x82") == ()
    assert follower.advance(half, b"a") == ()


def test_overlong_forms_and_halves_of_pairs_are_no_characters() -> None:
    follower = Follower(Grammar(Repeat(ANY, 1, 9)))
    for wrong in (b"\xe0\x80", b"\xc0\xaf", b"\xed\xa0", b"\xf0\x80", b"\xff"):
        assert follower.advance(follower.start(), wrong) == (), wrong


def test_random_answers_can_be_ended_anywhere() -> None:
    """The end that is offered makes a sentence, weighs what is said, and no more than the furthest."""
    for seed in range(60):
        rng = random.Random(seed)
        shape = get_wrapper(rng.choice(WRAPPERS)).syntax.shape
        mode = rng.choice(MODES)
        grammar = call_grammar(random_tools(rng), shape, mode, bounds=BOUNDS, think=True, parallel=2)
        follower, most = Follower(grammar), furthest(grammar)
        raw = sample(grammar, rng).encode()
        at, state = 0, follower.start()
        while at < len(raw):
            step = rng.randrange(1, 12)
            state = follower.advance(state, raw[at : at + step])
            at += step
            end = next(follower.ends(state))
            assert len(end) == follower.weight(state) <= most
            if rng.random() < 0.1:
                assert matches(grammar, (raw[:at] + end).decode())
        assert follower.may_end(state)


def test_free_text_read_at_once_is_that_read_by_characters() -> None:
    items = (Repeat(ANY, 1, 30), Lit("|"), Repeat(Alt((LETTER, Lit("é"))), 0, 4), Repeat(ANY, 0, 9))
    grammar = Grammar(Repeat(Seq((*items, Lit("."))), 1, 2))
    rng = random.Random(5)
    for _ in range(200):
        text = "".join(rng.choice("ab é日|.") for _ in range(rng.randrange(3, 40)))
        follow(grammar, text)


def test_fields_are_told() -> None:
    rules = {"field:1:city": Repeat(ANY, 0, 9), "field:2:day": Repeat(Lit("7"), 1, 3)}
    grammar = Grammar(Seq((Lit('"'), Ref("field:1:city"), Lit('", '), Ref("field:2:day"), Lit("!"))), rules)
    follower = Follower(grammar)
    state = follower.advance(follower.start(), b'"Po')
    assert follower.fields(state) == ("city",)
    assert follower.free(state)
    assert follower.end_of(state, "city") == b""  # what follows it may come now
    state = follower.advance(state, b'rto", ')
    assert "day" in follower.fields(state)
    longer = Follower(
        Grammar(
            Seq((Ref("field:1:x"), Lit("!"))), {"field:1:x": Seq((Lit("<"), Repeat(ANY, 0, 9), Lit(">")))}
        )
    )
    assert longer.end_of(longer.advance(longer.start(), b"<a"), "x") == b">"


def test_labels() -> None:
    assert [label_of(rule) for rule in ("field:3:a:b", "turn-text-1", "string-1")] == ["a:b", "turn-text", ""]


def test_a_string_can_be_ended_by_its_mark() -> None:
    grammar = schema_grammar({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]})
    assert follow(grammar, '{"a": "x')[0] == '"}'
    assert follow(grammar, '{"a": "x\\')[0] in ('""}', '\\"}', 'b"}')
