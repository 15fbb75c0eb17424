"""From JSON Schema (draft 2020-12) to rules: which JSON texts a constraint lets a model write.

Everything that is written is valid for the schema; the reverse need not hold. Objects have their members in
declared order and no others, whitespace is the layout's, and whatever a schema leaves open is bounded
(`Bounds`). A keyword that restricts and cannot be expressed is a `SchemaError`, or is noted in `weakened`
when the caller loosens; formats without a pattern and unknown keywords are annotations, and are always noted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bridle.grammars.bounds import DEFAULT_BOUNDS, Bounds
from bridle.grammars.ir import Node
from bridle.grammars.json_rules import ONE_LINE, JsonRules, Member, Store
from bridle.grammars.schema_cases import Schema
from bridle.grammars.schema_keywords import check_schema
from bridle.grammars.schema_source import Source
from bridle.grammars.schema_writer import Writer
from bridle.wrappers.syntax import JsonLayout

__all__ = ["Frame", "SchemaRules"]


class Frame:
    """How the arguments of a call are written: as a JSON object, with the members `first` before its own."""

    def __init__(self, rules: SchemaRules, first: Sequence[Member] = ()) -> None:
        self.rules = rules
        self.first = first

    def rules_of(self, key: str) -> SchemaRules:
        """Return the rules for the value of one argument."""
        return self.rules

    def value(self, key: str, node: Node) -> Node:
        """Add what else may stand for the value of one argument."""
        return node

    def object(self, members: Sequence[tuple[str, Node, bool]], depth: int) -> Node:
        """Return rules for these members (key, value, required) in this order."""
        return self.rules.object(members, depth)

    def free_object(self, value: Node, most: int, depth: int) -> Node:
        """Return rules for at most `most` members with any keys."""
        return self.rules.free_object(value, most, depth)


class SchemaRules(JsonRules):
    """Collects the rules of any number of schemas that go into one grammar."""

    def __init__(
        self,
        layout: JsonLayout = ONE_LINE,
        bounds: Bounds = DEFAULT_BOUNDS,
        *,
        loosen: bool = False,
        store: Store | None = None,
        quotes: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        super().__init__(layout, bounds, store)
        self.loosen = loosen
        if quotes is not None:
            self.store.quotes = quotes

    @property
    def weakened(self) -> tuple[str, ...]:
        """What the rules do not express, as `POINTER KEYWORD`, in the order it was met."""
        return tuple(self.store.notes)

    def node(
        self, schema: Schema | bool, *, depth: int = 0, place: str = "", frame: Frame | None = None
    ) -> Node:
        """Return rules for the values of a schema that stand `depth` levels deep.

        `place` is put before pointers in `weakened`. With a `frame` the schema is that of an object, whose
        members are written as the frame says.

        Raises:
            SchemaError: for a schema that is invalid, cannot be satisfied, or cannot be expressed.
        """
        check_schema(schema)
        return Writer(self, Source(schema), place).node(schema, depth, frame)

    def note(self, entry: str) -> None:
        """Remember what is not expressed."""
        self.store.notes[entry] = None
