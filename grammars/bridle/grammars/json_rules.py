"""JSON values as rules in one layout: texts, objects, arrays, and values that no schema describes.

Whitespace is exactly what `JsonLayout.dump` writes: a written value and its rules agree byte for byte.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from bridle.grammars.bounds import Bounds
from bridle.grammars.digits import any_number
from bridle.grammars.ir import EMPTY, Lit, Node, Ref, Repeat, alt, optional, seq
from bridle.grammars.json_text import ANY_CHAR, literal, quoted
from bridle.wrappers.syntax import JsonLayout

__all__ = ["ONE_LINE", "JsonRules"]

ONE_LINE = JsonLayout()


class JsonRules:
    """Builds nodes that share rules: `rules` holds what the returned nodes refer to."""

    def __init__(self, layout: JsonLayout, bounds: Bounds) -> None:
        self.layout = layout
        self.bounds = bounds
        self.rules: dict[str, Node] = {}
        self._names: dict[Node, str] = {}
        self._taken: Counter[str] = Counter()

    def share(self, kind: str, node: Node) -> Node:
        """Return a reference to a rule for the node; equal nodes are one rule."""
        if isinstance(node, Lit | Ref):
            return node
        if node not in self._names:
            self._taken[kind] += 1
            self._names[node] = f"{kind}-{self._taken[kind]}"
            self.rules[self._names[node]] = node
        return Ref(self._names[node])

    def text(self, least: int, most: int) -> Node:
        """Return rules for a JSON string of any characters, in its quotation marks."""
        if most == 0:
            return Lit('""')
        return self.share("string", quoted(Repeat(self.share("char", ANY_CHAR), least, most)))

    def any_value(self, depth: int, level: int | None = None) -> Node:
        """Return rules for any JSON value with at most `level` levels below it."""
        left = self.bounds.depth if level is None else level
        string = self.text(0, self.bounds.string_chars)
        number = self.share("number", any_number(self.bounds.integer_digits, self.bounds.fraction_digits))
        scalars = (string, number, Lit("true"), Lit("false"), Lit("null"))
        if left == 0:
            return self.share("value", alt(*scalars, Lit("{}"), Lit("[]")))
        inner = self.any_value(depth + 1, left - 1)
        array = self.array((), inner, 0, self.bounds.array_items, depth)
        return self.share(
            "value", alt(*scalars, self.free_object(inner, self.bounds.object_members, depth), array)
        )

    def free_object(self, value: Node, most: int, depth: int) -> Node:
        """Return rules for an object of at most `most` members with any keys."""
        key = quoted(Repeat(self.share("char", ANY_CHAR), 0, self.bounds.key_chars))
        member = self.share("member", seq(Lit(self.layout.newline(depth + 1)), key, Lit(": "), value))
        if most == 0:
            return Lit("{}")
        more = Repeat(seq(Lit(self.layout.comma), member), 0, most - 1)
        return alt(Lit("{}"), seq(Lit("{"), member, more, Lit(self.layout.newline(depth) + "}")))

    def object(self, members: Sequence[tuple[str, Node, bool]], depth: int) -> Node:
        """Return rules for an object with these members (key, value, required) in this order."""
        inner, close = self.layout.newline(depth + 1), self.layout.newline(depth) + "}"
        texts = [seq(Lit(inner), literal(key), Lit(": "), value) for key, value, _ in members]
        wanted = [required for _, _, required in members]
        first_wanted = wanted.index(True) if True in wanted else len(members)
        if first_wanted > 0:  # several members can be the first one: write each of them once
            texts = [self.share("member", text) for text in texts]
        tails: list[Node] = [Lit(close)]
        for text, required in zip(reversed(texts), reversed(wanted), strict=True):
            part = seq(Lit(self.layout.comma), text)
            tail = seq(part if required else optional(part), tails[0])
            tails.insert(0, self.share("rest", tail) if first_wanted > 0 else tail)
        starts = [seq(texts[i], tails[i + 1]) for i in range(min(first_wanted + 1, len(members)))]
        whole = [seq(Lit("{"), alt(*starts))] if starts else []
        return alt(*whole) if True in wanted else alt(*whole, Lit("{}"))

    def array(self, fixed: Sequence[Node], item: Node | None, least: int, most: int, depth: int) -> Node:
        """Return rules for an array: the `fixed` items, then more of `item`; `least` to `most` in all."""
        inner, close = self.layout.newline(depth + 1), self.layout.newline(depth) + "]"
        separator = Lit(self.layout.comma + inner)
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
