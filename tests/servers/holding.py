"""What fake servers say under a constraint: their text where it fits, else the shortest that does."""

from __future__ import annotations

import json
from collections.abc import Mapping

from bridle.grammars import for_schema, shortest
from bridle.grammars.gbnf_dialects import Dialect
from bridle.grammars.gbnf_matching import GbnfMatcher
from bridle.grammars.gbnf_syntax import Item, Rule, read_gbnf
from bridle.grammars.schema_keywords import validator_of
from bridle.messages import JSON

__all__ = ["held_by_gbnf", "held_by_schema"]

LONG = "x" * 10_000


def held_by_gbnf(gbnf: str, text: str, dialect: Dialect = "llama.cpp") -> str:
    """Return the text if it is a sentence of the grammar, else a short one that is.

    Raises:
        GrammarError: for a grammar that cannot be read.
    """
    matcher = GbnfMatcher(gbnf, dialect)
    if matcher.matches(text):
        return text
    found = _Shortest(read_gbnf(gbnf, dialect)).of_rule("root")
    assert matcher.matches(found), found
    return found


def held_by_schema(schema: Mapping[str, JSON], text: str) -> str:
    """Return the text if it is JSON of the schema, else a short one that is."""
    try:
        if validator_of(dict(schema)).is_valid(json.loads(text)):
            return text
    except ValueError:
        return shortest(for_schema(dict(schema), loosen=True))
    return shortest(for_schema(dict(schema), loosen=True))


class _Shortest:
    """Finds short sentences; rules that name each other are looked at until nothing gets shorter."""

    def __init__(self, rules: Mapping[str, Rule]) -> None:
        self._known = dict.fromkeys(rules, LONG)
        changed = True
        while changed:
            changed = False
            for name, rule in rules.items():
                found = self._of_options(rule.options)
                if len(found) < len(self._known[name]):
                    self._known[name], changed = found, True

    def of_rule(self, name: str) -> str:
        return self._known[name]

    def _of_options(self, options: list[list[Item]]) -> str:
        return min(("".join(self._of(item) for item in items)[: len(LONG)] for items in options), key=len)

    def _of(self, item: Item) -> str:
        times = 1
        for least, _ in item.counts:
            times *= least
        return self._once(item) * times if times else ""

    def _once(self, item: Item) -> str:
        if item.rule:
            return self._known[item.rule]
        if item.group:
            return self._of_options(item.group)
        return "".join(chr(ranges[0][0]) for ranges in item.chars)
