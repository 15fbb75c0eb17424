"""How values are written where arguments stand one by one: as Python, as Gemma does, raw, or as JSON inside
marks. Each is what `bridle.wrappers.values` writes and reads; schemas mean the same in all of them.
"""

from __future__ import annotations

from bridle.grammars.ir import Chars, Lit, Node, Repeat, seq
from bridle.grammars.json_rules import ONE_LINE
from bridle.grammars.json_text import escaped, quoted
from bridle.grammars.marked_text import marked_text, unlike_json, without_mark
from bridle.grammars.schema import SchemaRules
from bridle.messages import JSON
from bridle.wrappers.syntax import Members, ValueStyle
from bridle.wrappers.values import GEMMA_QUOTE, escape_mark, write_member

__all__ = ["WORD", "GemmaRules", "MarkedJson", "PythonRules", "RawText"]

WORD = Chars(((0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A)))
"""The characters of keys that no schema names, where keys stand bare."""
_KNOWN = (
    4  # characters of a closing mark that strings in JSON may begin to write: `</art` is no `</arg_value>`
)


class PythonRules(SchemaRules):
    """Python literals; strings and numbers are spelled as in JSON."""

    true, false, null = Lit("True"), Lit("False"), Lit("None")

    def __init__(self, base: SchemaRules) -> None:
        super().__init__(ONE_LINE, base.bounds, loosen=base.loosen, store=base.store)

    def dump(self, value: JSON, depth: int) -> str:
        """Write one value."""
        return _written(value, "python")


class GemmaRules(SchemaRules):
    """JSON with bare keys, strings between marks, and no blanks."""

    def __init__(self, base: SchemaRules) -> None:
        super().__init__(ONE_LINE, base.bounds, loosen=base.loosen, store=base.store)
        self.comma = ","

    def dump(self, value: JSON, depth: int) -> str:
        """Write one value."""
        return _written(value, "gemma")

    def string(self, inside: Node) -> Node:
        """Return rules for a string, from rules about its characters."""
        return seq(Lit(GEMMA_QUOTE), without_mark(inside, GEMMA_QUOTE), Lit(GEMMA_QUOTE))

    def text(self, least: int, most: int, *, exact: bool = False) -> Node:
        """Return rules for a string of any characters."""
        mark = Lit(GEMMA_QUOTE)
        return self.store.once(
            "string",
            (least, most, exact),
            lambda: seq(mark, marked_text(mark.text, least, most, exact=exact), mark),
        )

    def lead(self, key: str) -> Node:
        """Return what stands before a member's value."""
        return Lit(_member(key, 0, Members("", ":", "", values="gemma"))[:-1])

    def any_lead(self) -> Node:
        """Return `lead` for any key."""
        return seq(Repeat(WORD, 1, max(1, self.bounds.key_chars)), Lit(":"))


class MarkedJson(SchemaRules):
    """JSON on one line that does not hold a closing mark."""

    def __init__(self, base: SchemaRules, mark: str) -> None:
        super().__init__(ONE_LINE, base.bounds, loosen=base.loosen, store=base.store)
        self.mark = mark

    def dump(self, value: JSON, depth: int) -> str:
        """Write one value."""
        return escape_mark(super().dump(value, depth), self.mark)

    def string(self, inside: Node) -> Node:
        """Return rules for a string, from rules about its characters."""
        return quoted(escaped(without_mark(inside, self.mark)))

    def text(self, least: int, most: int, *, exact: bool = False) -> Node:
        """Return rules for a string of any characters."""
        return self.store.once(
            "string",
            (least, most, exact),
            lambda: quoted(escaped(marked_text(self.mark, least, most, exact=exact, known=_KNOWN))),
        )

    def lead(self, key: str) -> Node:
        """Return what stands before a member's value."""
        return Lit(self.dump(key, 0) + ": ")

    def any_lead(self) -> Node:
        """Return `lead` for any key."""
        return seq(self.text(0, self.bounds.key_chars), Lit(": "))


class RawText(MarkedJson):
    """Strings as they are; nothing else is written by these rules."""

    def dump(self, value: JSON, depth: int) -> str:
        """Write one string."""
        return escape_mark(str(value), self.mark)

    def string(self, inside: Node) -> Node:
        """Return rules for a string, from rules about its characters."""
        return without_mark(inside, self.mark)

    def text(self, least: int, most: int, *, exact: bool = False) -> Node:
        """Return rules for a string of any characters."""
        return self.store.once(
            "raw", (least, most, exact), lambda: marked_text(self.mark, least, most, exact=exact)
        )

    def unlike_json(self) -> Node:
        """Return rules for a string that nobody takes for JSON."""
        rest = self.text(0, self.bounds.string_chars)
        return self.store.once("text", "unlike JSON", lambda: unlike_json(self.mark, rest))


def _written(value: JSON, style: ValueStyle) -> str:
    return _member("k", value, Members("", "", "", values=style))[1:]


def _member(key: str, value: JSON, members: Members) -> str:
    return "".join(piece for piece, _ in write_member(members, key, value, None))
