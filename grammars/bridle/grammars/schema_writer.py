"""Writes the values of a schema as bounded rules: one part of the schema after the other, by its cases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from bridle.errors import SchemaError
from bridle.grammars.formats import FORMATS
from bridle.grammars.ir import Chars, Lit, Node, alt
from bridle.grammars.json_rules import JsonRules
from bridle.grammars.json_text import escaped, quoted
from bridle.grammars.number_rules import integer_rules, number_rules
from bridle.grammars.pattern_syntax import branches_of, check_pattern, whole_text
from bridle.grammars.patterns import TextRule, direct_node, exact_text, texts_node
from bridle.grammars.quote_rules import QUOTED_FROM, quote_node, unquotable
from bridle.grammars.regular import TooLarge
from bridle.grammars.schema_cases import KINDS, Case, Demand, Impossible, Schema, same
from bridle.grammars.schema_demands import text_rules
from bridle.grammars.schema_keywords import ANNOTATIONS, RESTRICTING, pointer_to
from bridle.grammars.schema_lists import ListWriter
from bridle.grammars.schema_reader import Reader
from bridle.grammars.schema_source import Source
from bridle.messages import JSON

if TYPE_CHECKING:
    from bridle.grammars.schema import Frame, SchemaRules

__all__ = ["Writer"]

_LARGEST = 20_000  # parts of one schema, references followed; a schema of that size is a mistake


class Writer:
    """Writes the rules of one schema: knows where it is and which references it is inside of."""

    def __init__(
        self,
        out: SchemaRules,
        source: Source,
        place: str,
        reader: Reader | None = None,
        inside: Counter[str] | None = None,
    ) -> None:
        self.out = out
        self.source = source
        self.reader = Reader(source, self.leave_out) if reader is None else reader
        self.place = place
        self.inside: Counter[str] = Counter() if inside is None else inside
        self._lists = ListWriter(self)
        self._known: dict[object, Node | Impossible] = {}

    def node(self, schema: JSON | Schema, depth: int, frame: Frame | None = None) -> Node:
        """Write one part; `frame` says how an object's members are written."""
        if schema is False:
            raise Impossible("nothing satisfies a schema that is false")
        if not isinstance(schema, Mapping):
            return self.any_value(self.place, depth)
        inside = tuple(sorted(self.inside.items()))
        key = (self.source.key(schema), depth if self.out.layout.indent else 0, inside, frame is not None)
        if key not in self._known:
            if len(self._known) >= _LARGEST:
                raise SchemaError("the schema is too large once its references are followed")
            try:
                self._known[key] = self._cases(schema, depth, frame)
            except Impossible as error:
                self._known[key] = error
        found = self._known[key]
        if isinstance(found, Impossible):
            raise found
        return found

    def with_rules(self, rules: SchemaRules) -> Writer:
        """Return who writes parts of the same schema by other rules."""
        return Writer(rules, self.source, self.place, self.reader, self.inside)

    def _cases(self, schema: Schema, depth: int, frame: Frame | None) -> Node:
        pointer = self.reader.pointer(schema)
        cases = self.reader.cases(schema)
        if not cases:
            words = ", ".join(word for word in schema if word in RESTRICTING)
            raise Impossible(
                f"no value satisfies the keywords {words} at {self.at(pointer)} together",
                pointer=pointer,
                hint="remove what contradicts itself",
            )
        if QUOTED_FROM in schema and not any("string" in _meant(case) for case in cases):
            self.leave_out(pointer, QUOTED_FROM, "only strings are quoted")
        return self.possible([partial(self._inside, case, pointer, depth, frame) for case in cases], pointer)

    def _inside(self, case: Case, pointer: str, depth: int, frame: Frame | None) -> Node:
        if len(case.followed) == 1 and case.followed[0].startswith("#"):
            pointer = case.followed[0][1:]
        self.inside.update(case.followed)
        try:
            if any(self.inside[place] > self.out.bounds.depth + 1 for place in case.followed):
                raise Impossible(
                    f"{case.followed[0]!r} must hold itself without end",
                    pointer=pointer,
                    hint="make a member on the way optional",
                )
            return self._case(case, pointer, depth, frame)
        finally:
            self.inside.subtract(case.followed)
            self.inside += Counter()

    def _case(self, case: Case, pointer: str, depth: int, frame: Frame | None) -> Node:
        for schema in case.sources:
            for keyword in schema:
                if (
                    keyword not in RESTRICTING
                    and keyword not in ANNOTATIONS
                    and keyword[:2] not in ("x-", "\0f")
                ):
                    self.out.note(f"{self.at(self.reader.pointer(schema))} {keyword}")
        kinds = _meant(case)
        if not kinds:
            words = ", ".join(word for schema in case.sources for word in schema if word in RESTRICTING)
            raise Impossible(
                f"no value satisfies the keywords {words} at {self.at(pointer)}", pointer=pointer
            )
        if frame is not None:
            if (
                case.values is not None
                or "object" not in kinds
                or not (case.typed or case.objects or case.required)
            ):
                raise SchemaError("this must be an object with members of its own", pointer=pointer)
            return self._lists.object(case, pointer, depth, frame)
        if case.values is not None:
            return self._values(case, pointer, depth)
        if kinds == frozenset(KINDS) and not case.speaks_of and not case.excluded:
            return self.any_value(self.at(pointer), depth)
        node = self.possible(
            [partial(self._kind, case, kind, pointer, depth) for kind in KINDS if kind in kinds],
            pointer,
        )
        return alt(node, self.out.null) if case.nullable else node

    def any_value(self, place: str, depth: int) -> Node:
        """Write any value."""
        self.out.note(
            f"{place if '#' in place else place + '#'} additionalProperties"
        )  # a key may come twice
        return self.out.any_value(depth)

    def possible(self, writers: Sequence[Callable[[], Node]], pointer: str) -> Node:
        """Return the choice of all parts that something satisfies."""
        found: list[Node] = []
        reason: Impossible | None = None
        for write in writers:
            try:
                found.append(write())
            except Impossible as error:
                reason = error
        if not found:
            raise reason or Impossible("no alternative can be satisfied", pointer=pointer)
        return alt(*found)

    def _values(self, case: Case, pointer: str, depth: int) -> Node:
        excluded = [value for value, _ in case.excluded]
        admitted = self.reader.admitted(case) or ()
        values = [value for value in admitted if not any(same(value, other) for other in excluded)]
        if case.nullable and None not in values:
            values.append(None)
        if not values:
            raise Impossible("no value of the enum satisfies the schema around it", pointer=pointer)
        return self.out.share("enum", alt(*(Lit(self.out.dump(value, depth)) for value in values)))

    def _kind(self, case: Case, kind: str, pointer: str, depth: int) -> Node:
        match kind:
            case "object":
                return self._lists.object(case, pointer, depth, None)
            case "array":
                return self._lists.array(case, pointer, depth)
            case "string":
                return self._string(case, pointer)
            case "number":
                return self._number(case, pointer)
            case "boolean":
                flags = [flag for flag in (True, False) if not any(flag is one for one, _ in case.excluded)]
                if not flags:
                    raise Impossible("neither true nor false is left", pointer=pointer)
                return alt(*(self.out.true if flag else self.out.false for flag in flags))
            case _:
                if any(one is None for one, _ in case.excluded):
                    raise Impossible("null is left out", pointer=pointer)
                return self.out.null

    def _number(self, case: Case, pointer: str) -> Node:
        make = integer_rules if case.whole else number_rules
        kind = "integer" if case.whole else "number"
        holes = tuple(sorted({float(one) for one, _ in case.excluded if isinstance(one, int | float)}))
        key = (case.low, case.high, case.step, case.broken, holes)

        def made() -> Node:
            try:
                found = make(case, self.out.bounds, self.out.share)
            except TooLarge:
                self.unexpressed(case, "multipleOf", "its multiples need too many rules")
                found = make(case, self.out.bounds, self.out.share, stepless=True)
            if found is None:
                raise Impossible(f"no {kind} lies between the bounds", pointer=pointer)
            return found

        step = case.step
        if step is not None and not case.whole and step.denominator & (step.denominator - 1):
            self.note(case, "multipleOf")  # floats that are multiples may not seem so to who divides floats
        return self.out.store.once(kind, key, made)

    def _string(self, case: Case, pointer: str) -> Node:
        bounds, least = self.out.bounds, case.least_chars
        most = max(bounds.string_chars, least)
        if case.most_chars is not None:
            most = min(case.most_chars, max(bounds.declared_chars, least))
        # Without a maxLength a pattern whose texts end by themselves needs no bound.
        ended = 0 if case.most_chars is not None else bounds.declared_chars
        formats, patterns = self._texts(case)
        quoting = next((schema for schema in case.sources if QUOTED_FROM in schema), None)
        if quoting is not None:
            node = self._quote(quoting, [*patterns, *formats], least, most, pointer)
            if node is not None:
                return node
        if formats:
            try:
                return self._matched([*patterns, *formats], least, most, ended, pointer)
            except SchemaError:
                for demand in case.texts:
                    if demand.keyword == "format":
                        self.out.note(f"{self.at(demand.pointer)} format")
        if patterns:
            try:
                return self._matched(patterns, least, most, ended, pointer_to(pointer, "pattern"))
            except SchemaError as error:
                demands = [demand for demand in case.texts if demand.keyword == "pattern"]
                if isinstance(error, Impossible) and not demands:
                    raise
                for demand in demands:
                    self.leave_out(demand.pointer, "pattern", error.message)
                if any(isinstance(one, str) for one, _ in case.excluded):
                    self.reader.leave_out_of(case, None, error.message)
        return self.out.text(least, most, exact=case.most_chars is not None)

    def _texts(self, case: Case) -> tuple[list[TextRule], list[TextRule]]:
        """Return the rules of formats, and those of patterns and of strings that are left out."""
        formats: list[TextRule] = []
        patterns: list[TextRule] = []
        for demand in case.texts:
            if demand.keyword == "pattern":
                patterns += self._pattern(demand)
            elif demand.text in FORMATS:
                formats += text_rules([demand], exact=False)
            else:
                self.out.note(f"{self.at(demand.pointer)} format")
        patterns += [TextRule(exact_text(one), False) for one, _ in case.excluded if isinstance(one, str)]
        return formats, patterns

    def _pattern(self, demand: Demand) -> list[TextRule]:
        check_pattern(demand.text, pointer_to(demand.pointer, "pattern"))
        try:
            whole_text(branches_of(demand.text), demand.text)
        except SchemaError as error:
            self.leave_out(demand.pointer, "pattern", error.message)
            return []
        return list(text_rules([demand], exact=False))

    def _matched(self, rules: list[TextRule], least: int, most: int, ended: int, pointer: str) -> Node:
        if len(rules) == 1 and rules[0].positive:
            inside = direct_node(rules[0].pattern, least, most, ended=ended, pointer=pointer)
            if inside is not None:
                return self.out.share("string", self.out.string(inside))
        if type(self.out).string is JsonRules.string:
            found = texts_node(rules, least, most, leaf=escaped, share=self.out.share, pointer=pointer)
            return self.out.share("string", quoted(found))
        inside = texts_node(rules, least, most, leaf=_same, pointer=pointer)
        return self.out.share("string", self.out.string(inside))

    def _quote(
        self, schema: Schema, rules: list[TextRule], least: int, most: int, pointer: str
    ) -> Node | None:
        """Write a string that is quoted from given texts; None where that is left out."""
        pattern = rules[0].pattern if len(rules) == 1 and rules[0].positive else ""
        why = "several patterns cannot be tried on quotes" if rules and not pattern else ""
        if not (why := why or unquotable(self.out, schema, pattern, pointer)):
            return quote_node(self.out, schema, least, most, pattern, pointer)
        self.leave_out(self.reader.pointer(schema), QUOTED_FROM, why)
        return None

    def at(self, pointer: str) -> str:
        """Return how a place is called in notes."""
        return f"{self.place}#{pointer}"

    def note(self, case: Case, keyword: str) -> None:
        """Note a keyword of a case as not fully held."""
        for schema in case.sources:
            if keyword in schema:
                self.out.note(f"{self.at(self.reader.pointer(schema))} {keyword}")

    def unexpressed(self, case: Case, keyword: str, why: str) -> None:
        """Leave out a keyword of a case, if that is allowed."""
        self.reader.leave_out_of(case, keyword, why)

    def leave_out(self, pointer: str, keyword: str, why: str) -> None:
        """Note what is not expressed, or refuse it."""
        if not self.out.loosen:
            raise SchemaError(
                f"the keyword {keyword!r} at {self.at(pointer)} cannot be enforced: {why}",
                pointer=pointer_to(pointer, keyword),
                hint="remove it, or allow it to be loosened; values are still checked after reading",
                keyword=keyword,
            )
        self.out.note(f"{self.at(pointer)} {keyword}")


def _meant(case: Case) -> frozenset[str]:
    """Return the types that are written: where none are named, those that the keywords speak about."""
    return case.kinds if case.typed or not case.speaks_of else case.kinds & case.speaks_of


def _same(chars: Chars) -> Node:
    return chars
