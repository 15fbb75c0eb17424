"""A grammar is made once for the same question, and anew for another one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent_scripts import WRAPPER
from bridle.endpoints.made_grammars import GrammarCache
from bridle.grammars import Grammar, call_grammar
from bridle.messages import JSON, ToolSpec

CALL = ToolSpec(
    "dial", "", {"type": "object", "properties": {"who": {"type": "string"}}, "required": ["who"]}
)
QUOTED_CALL = replace(
    CALL, parameters={**CALL.parameters, "properties": {"who": {"type": "string", "x-quoted-from": "memory"}}}
)


class Made:
    """Counts what is made."""

    def __init__(self) -> None:
        self.cache = GrammarCache(3)
        self.count = 0

    def get(
        self, tool: ToolSpec, quotes: dict[str, list[str]], thoughts: dict[str, JSON] | None, how: object
    ) -> Grammar:
        def make() -> Grammar:
            self.count += 1
            return call_grammar([tool], WRAPPER.syntax.shape, "call", quotes=quotes, thoughts=thoughts)

        return self.cache.get(make, [tool], thoughts, quotes, how)


def test_the_same_question_gets_the_same_grammar() -> None:
    made = Made()
    first = made.get(CALL, {"user": ["Ada"]}, None, 1)
    assert made.get(CALL, {"user": ["something else"]}, None, 1) is first
    assert made.count == 1


@pytest.mark.parametrize(
    ("quotes", "thoughts", "how"),
    [
        ({"memory": ["Bea"]}, None, 1),
        ({"memory": ["Ada"]}, {"type": "string", "maxLength": 5}, 1),
        ({"memory": ["Ada"]}, None, 2),
    ],
)
def test_another_question_gets_another_grammar(
    quotes: dict[str, list[str]], thoughts: dict[str, JSON] | None, how: int
) -> None:
    made = Made()
    first = made.get(QUOTED_CALL, {"memory": ["Ada"], "user": ["x"]}, None, 1)
    assert made.get(QUOTED_CALL, {"memory": ["Ada"], "user": ["y"]}, None, 1) is first
    made.get(QUOTED_CALL, quotes, thoughts, how)
    assert made.count == 2


def test_what_was_not_used_lately_is_made_again() -> None:
    made = Made()
    for how in (1, 2, 3, 1, 4, 1, 2):
        made.get(CALL, {}, None, how)
    assert made.count == 5
