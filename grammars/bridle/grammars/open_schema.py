"""The JSON texts that a schema accepts, as open rules: nothing is bounded that the schema does not bound.

Texts are as Python's `json.dumps(value, ensure_ascii=False)` writes them. Members of an object may stand in
any order, as long as the orders of those that are required can be told apart (`MOST_STATES`: eight members);
beyond that the required ones stand in declared order, which is noted as the keyword `x-order`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from math import isfinite

from bridle.errors import SchemaError
from bridle.grammars.formats import EXACT_FORMATS, STANDARD_FORMATS
from bridle.grammars.ir import ENDLESS, Lit, Node, OpenGrammar, Ref, Repeat, alt
from bridle.grammars.json_text import ANY_CHAR, quoted
from bridle.grammars.open_lists import Lists
from bridle.grammars.open_numbers import multiples, open_integers, open_numbers
from bridle.grammars.open_store import NOTHING, OpenStore
from bridle.grammars.pattern_syntax import branches_of, check_pattern, whole_text
from bridle.grammars.patterns import TextRule, exact_text, texts_node
from bridle.grammars.quote_rules import QUOTED_FROM
from bridle.grammars.regular import TooLarge
from bridle.grammars.schema_cases import KINDS, Case, Demand, Impossible, Schema, same
from bridle.grammars.schema_demands import text_rules
from bridle.grammars.schema_keywords import check_schema, pointer_to
from bridle.grammars.schema_reader import Note, Reader
from bridle.grammars.schema_source import Source
from bridle.messages import JSON

__all__ = ["open_grammar"]

_LARGEST = 20_000  # parts of one schema; a schema of that size is a mistake


def open_grammar(schema: Schema | bool, note: Note) -> OpenGrammar:
    """Return the grammar of one JSON value that a schema accepts; `note` hears of each keyword left out.

    Raises:
        SchemaError: for a schema that is invalid, that nothing satisfies, or that cannot be held at all.
    """
    check_schema(schema)
    rules = _Open(Source(schema), note)
    grammar = rules.store.finished(rules.value(schema))
    if grammar is None:
        raise Impossible("nothing satisfies the schema", hint="remove what contradicts itself")
    return grammar


class _Open:
    """Writes the values of all parts of one schema."""

    def __init__(self, source: Source, note: Note) -> None:
        self.store = OpenStore()
        self.source = source
        self.reader = Reader(source, note)
        self._note = note
        self._lists = Lists(self.store, self.reader, self.value)
        self._made: dict[object, str] = {}

    def value(self, schema: JSON | Schema) -> Node:
        """Return a reference to the rule for the values of a schema."""
        if schema is False:
            return NOTHING
        key = self.source.key(schema) if isinstance(schema, Mapping) and schema else True
        if key not in self._made:
            if len(self._made) > _LARGEST:
                raise SchemaError("the schema is too large once its references are followed")
            self._made[key] = self.store.name("value")
            self.store.rules[self._made[key]] = NOTHING  # keeps its place while it is being made
            cases = self.reader.cases(schema)
            self.store.rules[self._made[key]] = alt(*self._cases(cases))
        return Ref(self._made[key])

    def _cases(self, cases: list[Case]) -> list[Node]:
        listed: list[JSON] = []
        found: list[Node] = []
        for case in cases:
            values = self.reader.admitted(case)
            if values is None:
                found += [self._kind(case, kind) for kind in KINDS if kind in case.kinds]
                if case.nullable and "null" not in case.kinds:
                    self._leave_out(case, "nullable", "only OpenAPI knows it")
                    found.append(self.store.text("null"))
            else:
                excluded = [value for value, _ in case.excluded]
                listed += [value for value in values if not any(same(value, one) for one in excluded)]
                listed += [None] if case.nullable and None not in listed else []
        return [node for node in [*self._values(listed), *found] if node != NOTHING]

    def _values(self, values: list[JSON]) -> list[Node]:
        texts = [form for value in values for form in _forms(value)]
        found = [self.store.token("enum", alt(*map(Lit, texts)))] if texts else []
        return found + [
            self._lists.exactly(value, self._values) for value in values if isinstance(value, dict | list)
        ]

    def _kind(self, case: Case, kind: str) -> Node:
        excluded = [value for value, _ in case.excluded]
        match kind:
            case "object":
                return self._lists.object(case)
            case "array":
                return self._lists.array(case)
            case "string":
                return self._string(case)
            case "number":
                return self._number(case)
            case "boolean":
                flags = [flag for flag in (True, False) if not any(flag is one for one in excluded)]
                return alt(*(self.store.text(json.dumps(flag)) for flag in flags)) if flags else NOTHING
            case _:
                return NOTHING if any(one is None for one in excluded) else self.store.text("null")

    def _number(self, case: Case) -> Node:
        holes = sorted(
            {
                float(one)
                for one, _ in case.excluded
                if isinstance(one, int | float) and not isinstance(one, bool)
            }
        )
        parts: list[Node] = []
        cuts = [hole for hole in holes if isfinite(hole)]
        lows = [case.low, *((_decimal(cut), True) for cut in cuts)]
        highs = [*((_decimal(cut), True) for cut in cuts), case.high]
        for low, high in zip(lows, highs, strict=True):
            low = low if case.low is None or low is None else max(low, case.low)  # noqa: PLW2901
            high = high if case.high is None or high is None else min(high, case.high)  # noqa: PLW2901
            node = open_integers(low, high) if case.whole else open_numbers(low, high, broken=case.broken)
            parts += [] if node is None else [node]
        if not parts:
            return NOTHING
        whole = alt(*parts)
        if case.step is not None:
            try:
                found = multiples(case.step, whole, whole=case.whole)
                return NOTHING if found is None else self.store.token("number", found)
            except TooLarge:
                self._leave_out(case, "multipleOf", "its multiples need too many rules")
        return self.store.token("integer" if case.whole else "number", whole)

    def _string(self, case: Case) -> Node:
        if any(QUOTED_FROM in schema for schema in case.sources):
            self._leave_out(case, QUOTED_FROM, "there are no texts to quote from here")
        rules = [rule for demand in case.texts for rule in self._understood(demand)]
        rules += [TextRule(exact_text(one), False) for one, _ in case.excluded if isinstance(one, str)]
        least, most = case.least_chars, ENDLESS if case.most_chars is None else case.most_chars
        if not rules:
            return self._plain(least, most)
        bounded = least > 0 or most < ENDLESS
        formats = _formats(case)
        patterns = rules if not formats else [rule for rule in rules if rule not in set(text_rules(formats))]
        tries = [(rules, least, most)]
        tries += [(patterns, least, most)] if formats and patterns else []
        for low in dict.fromkeys((least, 0)) if bounded else ():
            tries += [(rules, low, ENDLESS)] if (low, ENDLESS) != (least, most) else []
            tries += [(patterns, low, ENDLESS)] if formats and patterns else []
        why = ""
        for texts, low, high in tries:
            try:
                node = self.store.token("string", quoted(self._texts(texts, low, high)))
            except Impossible:
                return self._without_formats(case)
            except SchemaError as error:
                why = why or error.message
                continue
            lengths = ["minLength"] * (low < least) + ["maxLength"] * (high > most)
            self._lost(case, [] if texts is rules else formats, lengths, why)
            return node
        self._lost(case, case.texts, [], why)
        if any(isinstance(one, str) for one, _ in case.excluded):
            self.reader.leave_out_of(case, None, why)
        return self._plain(least, most)

    def _lost(self, case: Case, texts: Sequence[Demand], lengths: Sequence[str], why: str) -> None:
        """Note which demands had to be left out for others to be held."""
        for demand in texts:
            self.reader.leave_out(demand.pointer, demand.keyword, why)
        for keyword in lengths:
            self._leave_out(case, keyword, why)

    def _without_formats(self, case: Case) -> Node:
        """Write strings whose formats contradict what else is demanded: formats only describe there."""
        formats = _formats(case)
        for demand in formats:
            self.reader.leave_out(
                demand.pointer, "format", "no value of the format satisfies the other keywords"
            )
        kept = tuple(demand for demand in case.texts if demand not in formats)
        return self._string(replace(case, texts=kept)) if formats else NOTHING

    def _texts(self, rules: list[TextRule], least: int, most: int) -> Node:
        return texts_node(rules, least, most, leaf=self.store.char, share=self.store.token, exact=True)

    def _plain(self, least: int, most: int) -> Node:
        char = self.store.token("char", ANY_CHAR)
        return self.store.token("string", quoted(Repeat(char, least, most)))

    def _understood(self, demand: Demand) -> list[TextRule]:
        """Return the rule of a pattern or format, if there is one that is understood."""
        if demand.keyword == "format":
            if demand.text not in EXACT_FORMATS:
                if demand.text in STANDARD_FORMATS:
                    self.reader.leave_out(demand.pointer, "format", "it cannot be written as a pattern")
                return []
            return list(text_rules([demand]))
        check_pattern(demand.text, pointer_to(demand.pointer, "pattern"))
        try:
            whole_text(branches_of(demand.text, exact=True), demand.text)
        except SchemaError as error:
            self.reader.leave_out(demand.pointer, "pattern", error.message)
            return []
        return list(text_rules([demand]))

    def _leave_out(self, case: Case, keyword: str, why: str) -> None:
        self.reader.leave_out_of(case, keyword, why)


def _formats(case: Case) -> list[Demand]:
    return [demand for demand in case.texts if demand.keyword == "format" and demand.text in EXACT_FORMATS]


def _forms(value: JSON) -> list[str]:
    """Return all texts of a scalar that are equal to it."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return [] if isinstance(value, dict | list) else [json.dumps(value, ensure_ascii=False)]
    forms = [json.dumps(value)]
    if isinstance(value, int):
        with suppress(OverflowError):  # larger than any float
            forms.append(json.dumps(float(value)) if float(value) == value else forms[0])
    elif value.is_integer():
        forms.append(str(int(value)))
    return [*dict.fromkeys(forms), *(["-0.0"] if value == 0 else [])]


def _decimal(value: float) -> Decimal:
    return Decimal(repr(value))
