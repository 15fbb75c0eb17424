"""The names that `propertyNames` allows, as an automaton."""

from __future__ import annotations

from bridle.grammars.automata import trimmed
from bridle.grammars.formats import EXACT_FORMATS, STANDARD_FORMATS
from bridle.grammars.patterns import TextRule, text_automaton
from bridle.grammars.regular import Automaton, Cat, Or, Set, automaton, complement, intersection
from bridle.grammars.schema_cases import Case
from bridle.grammars.schema_demands import text_rules
from bridle.grammars.schema_negation import Inexact
from bridle.grammars.schema_reader import Reader
from bridle.grammars.sized_texts import within
from bridle.messages import JSON

__all__ = ["names_automaton"]


def names_automaton(reader: Reader, schema: JSON, *, exact: bool = True) -> Automaton:
    """Return the strings that a schema accepts.

    Raises:
        Inexact, SchemaError, TooLarge: when they are not the texts of an automaton.
    """
    parts = [_texts(reader, case, exact=exact) for case in reader.exactly(schema) if "string" in case.kinds]
    # Neither of two languages: their union is the opposite of what both do not hold.
    neither = automaton(Or(()))
    neither = complement(neither)
    for part in parts:
        neither = trimmed(intersection(neither, complement(part)))
    return trimmed(complement(neither))


def _texts(reader: Reader, case: Case, *, exact: bool) -> Automaton:
    values = reader.admitted(case)
    if values is not None:
        return _words([one for one in values if isinstance(one, str)])
    for demand in case.texts:
        if (
            demand.keyword == "format"
            and demand.text not in EXACT_FORMATS
            and demand.text in STANDARD_FORMATS
        ):
            raise Inexact("a format cannot be written as a pattern")
    rules: tuple[TextRule, ...] = tuple(text_rules(case.texts, exact=exact))
    whole = text_automaton(rules, exact=exact)
    words = _words([one for one, _ in case.excluded if isinstance(one, str)])
    whole = trimmed(intersection(whole, complement(words)))
    if case.least_chars or case.most_chars is not None:
        whole = within(whole, case.least_chars, case.most_chars)
    return whole


def _words(words: list[str]) -> Automaton:
    return automaton(Or(tuple(Cat(tuple(Set(((ord(char), ord(char)),)) for char in word)) for word in words)))
