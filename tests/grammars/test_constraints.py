"""Grammars for choices, schemas, pydantic models and patterns."""

from __future__ import annotations

import random
import re
import subprocess
import sys
from enum import Enum

import pytest
from pydantic import BaseModel, TypeAdapter

from bridle.errors import InputError, SchemaError
from bridle.grammars import for_choice, for_regex, for_schema, matches, sample
from bridle.grammars.constraints import schema_of
from bridle.wrappers import JsonLayout


class Mood(Enum):
    CALM = "calm"
    LOUD = "loud"


class Reply(BaseModel):
    mood: Mood
    words: list[str]
    parent: Reply | None = None


def test_a_choice_is_one_of_the_texts() -> None:
    grammar = for_choice(["Ana", "Anabel", "böb"])
    assert [text for text in ("Ana", "Anab", "Anabel", "böb", "") if matches(grammar, text)] == [
        "Ana", "Anabel", "böb",
    ]  # fmt: skip
    assert matches(for_choice(("x",)), "x")


@pytest.mark.parametrize(
    ("choices", "what"),
    [
        ("Ana", "the one text 'Ana'"),
        ([], "at least one"),
        (["a", ""], "none that is empty"),
        (["a", 3], "the choice 3 is no text"),
    ],
)
def test_what_is_no_choice_is_refused(choices: list[str], what: str) -> None:
    with pytest.raises(InputError, match=what):
        for_choice(choices)


def test_a_model_s_class_and_a_type_adapter_are_schemas() -> None:
    grammar = for_schema(Reply)
    text = '{"mood": "calm", "words": ["a"], "parent": {"mood": "loud", "words": [], "parent": null}}'
    assert matches(grammar, text)
    assert not matches(grammar, text.replace("calm", "cold"))
    assert isinstance(Reply.model_validate_json(sample(grammar, random.Random(3))).mood, Mood)
    assert matches(for_schema(TypeAdapter(dict[str, int])), '{"a": 1}')
    assert matches(for_schema({"enum": [[1]]}, JsonLayout(2)), "[\n  1\n]")
    assert matches(for_schema(True), "null")


def test_pydantic_is_not_imported() -> None:
    asked = "from bridle.grammars import for_schema; print('pydantic' in sys.modules)"
    code = f"import sys; sys.path[:0] = {sys.path!r}; {asked}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


class Odd:
    """Has a method of that name, which makes no schema."""

    def json_schema(self) -> str:
        return "none"


@pytest.mark.parametrize(
    ("given", "what", "hint"),
    [
        ('{"type": "null"}', "the schema is a text", "json.loads"),
        (Reply(mood=Mood.CALM, words=[]), "a value of Reply", "give Reply itself"),
        (int, "no JSON Schema", "TypeAdapter"),
        (None, "no JSON Schema", "TypeAdapter"),
        (Odd(), "makes the schema 'none'", "an object"),
    ],
)  # fmt: skip
def test_what_has_no_schema_is_refused_with_the_way_out(given: object, what: str, hint: str) -> None:
    with pytest.raises(InputError, match=what) as caught:
        schema_of(given)
    assert hint in caught.value.hint


def test_a_schema_that_cannot_be_held_is_refused_or_loosened() -> None:
    with pytest.raises(SchemaError, match="not valid"):
        for_schema({"type": "text"})


def test_quotes_go_through() -> None:
    schema = {"type": "string", "x-quoted-from": "user"}
    grammar = for_schema(schema, quotes={"user": ["call Ana today"]})
    assert matches(grammar, '"call Ana"')
    assert not matches(grammar, '"call Bob"')


def test_a_pattern_matches_as_a_whole() -> None:
    grammar = for_regex(r"[A-Z]\d{2,3}|none")
    found = [text for text in ("A12", "A1234", "none", "nonesuch", "xA12") if matches(grammar, text)]
    assert found == ["A12", "none"]
    assert matches(for_regex("^a+$"), "aaa")
    assert for_regex("a*").longest_bytes == 400


@pytest.mark.parametrize(
    ("pattern", "what"),
    [("(", "cannot be held.*wrong"), (r"(a)\1", "cannot be held"), ("a{500}b", "cannot be held")],
)
def test_a_pattern_that_cannot_be_held_is_refused(pattern: str, what: str) -> None:
    with pytest.raises(InputError, match=what):
        for_regex(pattern)


def test_a_compiled_pattern_is_refused_with_the_way_out() -> None:
    with pytest.raises(InputError, match="the pattern is") as caught:
        for_regex(re.compile("a"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert ".pattern" in caught.value.hint
