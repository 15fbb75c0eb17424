"""JSON values as rules in one layout: texts, objects, arrays, and values that no schema describes.

Whitespace is exactly what `JsonLayout.dump` writes: a written value and its rules agree byte for byte. What
the other ways to write a value do differently stands in a few methods; see `notations.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from bridle.grammars.bounds import Bounds
from bridle.grammars.digits import any_number
from bridle.grammars.ir import EMPTY, Lit, Node, Ref, Repeat, alt, optional, seq
from bridle.grammars.json_text import ANY_CHAR, escaped, literal, quoted
from bridle.messages import JSON
from bridle.wrappers.syntax import JsonLayout

__all__ = ["ONE_LINE", "JsonRules", "Member", "Store", "listed"]

Member = tuple[str, Node]
"""A key and the rules of its value."""

ONE_LINE = JsonLayout()


@dataclass(slots=True)
class Store:
    """The rules of one grammar, and notes on what they do not express; several notations may share it.

    `quotes` are the texts that strings may be quoted from, by the names that schemas call them. The values of
    `fields` are rules of their own, so that whoever follows an answer can tell them (`following.py`); `named`
    are the names of all fields there are.
    """

    rules: dict[str, Node] = field(default_factory=dict[str, Node])
    notes: dict[str, None] = field(default_factory=dict[str, None])
    quotes: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    fields: frozenset[str] = frozenset()
    named: dict[str, None] = field(default_factory=dict[str, None])
    _names: dict[Node, str] = field(default_factory=dict[Node, str])
    _taken: Counter[str] = field(default_factory=Counter[str])
    _made: dict[object, Node] = field(default_factory=dict[object, Node])

    def share(self, kind: str, node: Node) -> Node:
        """Return a reference to a rule for the node; equal nodes are one rule."""
        if isinstance(node, Lit | Ref):
            return node
        if node not in self._names:
            self._taken[kind] += 1
            self._names[node] = f"{kind}-{self._taken[kind]}"
            self.rules[self._names[node]] = node
        return Ref(self._names[node])

    def field(self, value: Node, *names: str) -> Node:
        """Return the value of a field that goes by any of these names."""
        self.named |= dict.fromkeys(names)
        for name in names:
            if name in self.fields:
                rule = f"field:{len(self.rules)}:{name}"
                known = self._made.setdefault(("field", name, value), Ref(rule))
                if known == Ref(rule):
                    self.rules[rule] = value
                return known
        return value

    def once(self, kind: str, key: object, make: Callable[[], Node]) -> Node:
        """Return the rule that was made for a key of this kind, or make it now."""
        if (kind, key) not in self._made:
            self._made[kind, key] = self.share(kind, make())
        return self._made[kind, key]


class JsonRules:
    """Builds nodes that share rules: `rules` holds what the returned nodes refer to."""

    true, false, null = Lit("true"), Lit("false"), Lit("null")

    def __init__(self, layout: JsonLayout, bounds: Bounds, store: Store | None = None) -> None:
        self.layout = layout
        self.bounds = bounds
        self.comma = layout.comma
        self.store = Store() if store is None else store
        self.share = self.store.share

    @property
    def rules(self) -> dict[str, Node]:
        """All rules so far."""
        return self.store.rules

    def dump(self, value: JSON, depth: int) -> str:
        """Write one value that stands `depth` levels deep."""
        return self.layout.dump(value, depth)

    def string(self, inside: Node) -> Node:
        """Return rules for a string, from rules about its characters."""
        return _in_quotes(inside)

    def lead(self, key: str) -> Node:
        """Return what stands before a member's value: its key and the sign between."""
        return seq(literal(key), Lit(": "))

    def any_lead(self) -> Node:
        """Return `lead` for any key."""
        return seq(quoted(Repeat(self.share("char", ANY_CHAR), 0, self.bounds.key_chars)), Lit(": "))

    def text(self, least: int, most: int, *, exact: bool = False) -> Node:
        """Return rules for a string of any characters; unless `exact`, a little more than `most` will do."""
        if most == 0:
            return Lit('""')
        return self.share("string", quoted(Repeat(self.share("char", ANY_CHAR), least, most)))

    def any_value(self, depth: int, level: int | None = None) -> Node:
        """Return rules for any JSON value with at most `level` levels below it."""
        left = self.bounds.depth if level is None else level
        string = self.text(0, self.bounds.string_chars)
        number = self.share("number", any_number(self.bounds.integer_digits, self.bounds.fraction_digits))
        scalars = (string, number, self.true, self.false, self.null)
        if left == 0:
            return self.share("value", alt(*scalars, Lit("{}"), Lit("[]")))
        inner = self.any_value(depth + 1, left - 1)
        array = self.array((), inner, 0, self.bounds.array_items, depth)
        return self.share(
            "value", alt(*scalars, self.free_object(inner, self.bounds.object_members, depth), array)
        )

    def free_object(self, value: Node, most: int, depth: int) -> Node:
        """Return rules for an object of at most `most` members with any keys."""
        member = self.share("member", seq(Lit(self.layout.newline(depth + 1)), self.any_lead(), value))
        if most == 0:
            return Lit("{}")
        more = Repeat(seq(Lit(self.comma), member), 0, most - 1)
        return alt(Lit("{}"), seq(Lit("{"), member, more, Lit(self.layout.newline(depth) + "}")))

    def object(self, members: Sequence[tuple[str, Node, bool]], depth: int) -> Node:
        """Return rules for an object with these members (key, value, required) in this order."""
        inner, close = self.layout.newline(depth + 1), self.layout.newline(depth) + "}"
        items = [
            (seq(Lit(inner), self.lead(key), self.store.field(value, key)), required)
            for key, value, required in members
        ]
        body = listed(items, self.comma, close, self.share)
        whole = [] if body is None else [seq(Lit("{"), body)]
        return alt(*whole) if any(required for _, required in items) else alt(*whole, Lit("{}"))

    def array(self, fixed: Sequence[Node], item: Node | None, least: int, most: int, depth: int) -> Node:
        """Return rules for an array: the `fixed` items, then more of `item`; `least` to `most` in all."""
        inner, close = self.layout.newline(depth + 1), self.layout.newline(depth) + "]"
        separator = Lit(self.comma + inner)
        places = list(fixed[:most])
        tail: Node = EMPTY
        if item is not None and most > len(places):
            if not places:
                places, least_more = [item], max(0, least - 1)
            else:
                least_more = max(0, least - len(places))
            if most > len(places):
                tail = Repeat(seq(separator, item), least_more, most - len(places))
        if not places:
            return Lit("[]")
        for i in range(len(places) - 1, 0, -1):
            part = seq(separator, places[i], tail)
            tail = part if i < least else optional(part)
        whole = seq(Lit("[" + inner), places[0], tail, Lit(close))
        return whole if least > 0 else alt(Lit("[]"), whole)


@lru_cache(maxsize=512)
def _in_quotes(inside: Node) -> Node:
    return quoted(escaped(inside))


def listed(
    items: Sequence[tuple[Node, bool]], comma: str, close: str, share: Callable[[str, Node], Node]
) -> Node | None:
    """Return rules for items in this order, each with whether it must come, and for `close` behind them.

    There is at least one, with `comma` between two; None where there are no items at all.
    """
    if not items:
        return None
    texts, wanted = [text for text, _ in items], [required for _, required in items]
    first_wanted = wanted.index(True) if True in wanted else len(items)
    if first_wanted > 0:  # several items can be the first one: write each of them once
        texts = [share("member", text) for text in texts]
    tails: list[Node] = [Lit(close)]
    for text, required in zip(reversed(texts), reversed(wanted), strict=True):
        part = seq(Lit(comma), text)
        tail = seq(part if required else optional(part), tails[0])
        tails.insert(0, share("rest", tail) if first_wanted > 0 else tail)
    return alt(*(seq(texts[i], tails[i + 1]) for i in range(min(first_wanted + 1, len(items)))))
