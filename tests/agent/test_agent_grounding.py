"""What a grounded agent may think, write down and search for: only what was said, or what is in memory."""

from __future__ import annotations

import re
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridle.agent.functions import narrow
from bridle.agent.grounding import answer_schema, fact_schema, query_schema, runs_of_words, thought_schema
from bridle.agent.memory import Core
from bridle.agent.prompt import COMPACT
from bridle.grammars import Bounds, call_grammar, matches
from bridle.wrappers import get_wrapper

SAID = "Hi! I'm Ana-Lúcia, and my locker code is 44(b)."
KNOWN = (
    COMPACT.core().append("human", "Name: Ana").append("human", "Likes: tea").append("human", "Likes: jazz")
)


def allows(schema: object, text: str) -> bool:
    assert isinstance(schema, dict)
    return re.search(str(cast("dict[str, object]", schema)["pattern"]), text) is not None


@pytest.mark.parametrize(
    ("thought", "is_allowed"),
    [
        ("Name: Ana", True),
        ("Name: Bob", False),
        ("Name: ?", False),
        ("Age: ?", True),
        ("Likes: ?", True),
        ("Likes: tea, jazz", True),
        ("Likes: tea; Name: Ana", True),
        ("Locker code: ? > 44(b)", True),
        ("Locker code: ? > 55", False),
        ("Name: Ana > Ana-Lúcia", True),
        ("Name: Ana > Bob", False),
        ("My name is Sam. > My name is Ana-Lúcia.", True),
        ("saved", True),
        ("human: ?", False),
        ("whatever comes", False),
    ],
)
def test_thoughts_name_what_exists(thought: str, is_allowed: bool) -> None:
    assert allows(thought_schema(KNOWN, SAID), thought) is is_allowed


def test_facts_are_quoted() -> None:
    assert allows(fact_schema(SAID), "Locker code: 44(b)")
    assert allows(fact_schema(SAID), "Name: Ana-Lúcia")
    assert not allows(fact_schema(SAID), "Name: Ana-Lucia")
    assert not allows(fact_schema(SAID), "")
    assert allows(fact_schema(SAID, may_be_empty=True), "")


def test_queries_are_words_of_the_message() -> None:
    schema = query_schema(SAID)
    assert schema is not None
    allowed = schema["enum"]
    assert isinstance(allowed, list)
    assert "locker code" in allowed
    assert "hi" in allowed
    assert "locket" not in allowed


def test_a_list_of_what_was_told_is_true() -> None:
    schema = answer_schema(KNOWN)
    assert allows(schema, "You told me: Name: Ana; Likes: tea; Likes: jazz.")
    assert not allows(schema, "You told me: Name: Ana; Likes: tea.")
    assert not allows(schema, "You told me: Name: Bob.")
    assert not allows(schema, "You told me: Name: Ana; Name: Ana.")
    assert not allows(schema, "You told me: Likes: tea.")
    assert allows(schema, "You live in Bonn.")
    assert answer_schema(COMPACT.core()) is None
    long = COMPACT.core().append("human", "Name: Ana").append("human", "Likes: " + "x" * 200)
    assert allows(answer_schema(long), "You told me: Name: Ana.")
    only = COMPACT.core().append("human", "Likes: " + "x" * 200)
    assert not allows(answer_schema(only), "You told me: Likes: x.")


@pytest.mark.parametrize("said", ["", "  ", "word " * 41])
def test_without_words_to_quote_nothing_is_held(said: str) -> None:
    assert runs_of_words(said, 3) == ()
    assert query_schema(said) is None
    assert fact_schema(said) is None
    assert thought_schema(KNOWN, said) is None


@given(st.text(max_size=60))
def test_any_message_makes_a_grammar_that_holds_its_own_words(said: str) -> None:
    core = Core(KNOWN.blocks)
    grammar = call_grammar(
        narrow(core, line_edits=True, said=said),
        get_wrapper("chatml-compact").syntax.shape,
        "call",
        bounds=Bounds(thoughts_chars=120, string_chars=240),
        thoughts=thought_schema(core, said),
    )
    text = '{"inner_thoughts": "saved", "function": "send_message", "params": {"message": "Hello."}}'
    assert matches(grammar, text)
