"""Writes a grammar in GBNF, llama.cpp's notation (grammars/README.md of llama.cpp), or in a dialect of it.

Kept to what every version of a reader parses: names of letters, digits and dashes; one repetition of one rule
or class (llama.cpp multiplies the count by the rules that a group holds); no left recursion, which finite
rules cannot have. A repetition that a dialect cannot say, or that is longer than it takes, becomes rules that
read each text in one way only: readers follow each way to read a text as a state of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bridle.errors import GrammarError
from bridle.grammars.gbnf_dialects import Dialect, Notation, notation
from bridle.grammars.ir import ENDLESS, Alt, Chars, Grammar, Lit, Node, OpenGrammar, Ref, Repeat, Seq

__all__ = ["to_gbnf"]


_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def to_gbnf(grammar: Grammar | OpenGrammar, dialect: Dialect = "llama.cpp") -> str:
    """Return the grammar's text for one reader, with the root rule first.

    Raises:
        GrammarError: for a text with U+0000, which no reader can match, or with a lone surrogate, and when
            the text becomes longer than the reader should be given.
        InputError: for an unknown dialect.

    >>> to_gbnf(Grammar(Lit("a")))
    'root ::= "a"\\n'
    >>> print(to_gbnf(Grammar(Repeat(Lit("a"), 0, 2)), "webui"), end="")
    root ::= start
    start ::= part-2
    part-1 ::= "a"
    part-2 ::= (part-1 part-1?)?
    """
    reader = notation(dialect)
    text = _Writer(grammar, reader).text()
    if len(text) > reader.largest_text:
        raise GrammarError(
            f"the grammar has {len(text)} characters in the dialect of {dialect}",
            hint=f"at most {reader.largest_text} can be read; offer fewer tools, or lower the bounds",
        )
    return text


class _Writer:
    def __init__(self, grammar: Grammar | OpenGrammar, reader: Notation) -> None:
        self._grammar = grammar
        self._reader = reader
        self._names = _names(grammar.rules, reader)
        self._helpers: dict[str, str] = {}

    def text(self) -> str:
        bodies = {"root": self._alternatives(self._grammar.root)}
        if self._reader.root_alone:
            bodies = {"root": "start", "start": bodies["root"]}
        for name, node in self._grammar.rules.items():
            bodies[self._names[name]] = self._alternatives(node)
        bodies.update({name: body for body, name in self._helpers.items()})
        return "".join(f"{name} ::= {body}\n" for name, body in bodies.items())

    def _alternatives(self, node: Node) -> str:
        items = node.items if isinstance(node, Alt) else (node,)
        return " | ".join(self._sequence(item) for item in items)

    def _sequence(self, node: Node) -> str:
        items = node.items if isinstance(node, Seq) else (node,)
        return " ".join(self._item(item) for item in items) or '""'

    def _item(self, node: Node) -> str:
        match node:
            case Lit(text):
                return _text(text, self._reader)
            case Chars():
                return _chars(node, self._reader)
            case Ref(name):
                return self._names[name]
            case Repeat(item, least, most):
                return " ".join(self._repeated(item, least, most)) or '""'
            case _:
                return f"({self._alternatives(node)})"

    def _repeated(self, item: Node, least: int, most: int) -> Iterator[str]:
        if most == 0:
            return
        if (least, most) == (1, 1):
            yield self._item(item)
            return
        if (least, most) == (0, 1):
            yield f"{self._optional(item)}?"
            return
        one = self._item(item) if isinstance(item, Ref | Chars) else self._helper(self._alternatives(item))
        if most >= ENDLESS:
            yield f"{self._exactly(one, least)} {one}*" if least > 1 else one + "*+"[least]
            return
        if self._reader.counts and most <= self._reader.block:
            yield f"{one}{{{most}}}" if least == most else f"{one}{{{least},{most}}}"
            return
        if least:
            yield self._exactly(one, least)
        if most > least:
            yield self._up_to(one, most - least)

    def _exactly(self, one: str, count: int) -> str:
        """Write so many of one, in pieces of `block` where there are counts, else by doubling."""
        if count == 1:
            return one
        if self._reader.counts:
            whole, rest = divmod(count, self._reader.block)
            pieces = [f"{one}{{{self._reader.block}}}"] * whole + ([f"{one}{{{rest}}}"] if rest else [])
            return " ".join(pieces)
        half = self._exactly(one, count // 2)
        half = half if " " not in half else self._helper(half)
        return f"{half} {half} {one}" if count % 2 else f"{half} {half}"

    def _up_to(self, one: str, most: int) -> str:
        """Write none to so many of one: in whole blocks, and then a rest that is less than a block."""
        block = self._reader.block
        if most <= block:
            return self._in_block(one, most)
        body = self._in_block(one, most % block) if most % block else ""
        full, less = self._exactly(one, block), self._in_block(one, block - 1)
        for _ in range(most // block):
            body = self._helper(f"{full} {body}".rstrip() + f" | {less}")
        return body

    def _in_block(self, one: str, most: int) -> str:
        if self._reader.counts:
            return f"{one}{{0,{most}}}"
        body = f"{one}?"
        for _ in range(most - 1):
            body = self._helper(f"({one} {body})?")
        return body

    def _optional(self, item: Node) -> str:
        if isinstance(item, Ref | Chars | Lit):
            return self._item(item)
        body = self._alternatives(item)
        return self._helper(body) if "{" in body else f"({body})"

    def _helper(self, body: str) -> str:
        if body not in self._helpers:
            self._helpers[body] = f"part-{len(self._helpers) + 1}"
        return self._helpers[body]


def _names(rules: Iterable[str], reader: Notation) -> dict[str, str]:
    """Return names that every dialect can spell, all different, and none that is a helper's or the root's."""
    names: dict[str, str] = {}
    for name in rules:
        plain = "".join(c if c.isascii() and c.isalnum() else "-" for c in name) or "-"
        spelled, taken = plain, {"root", "start", *names.values(), *reader.reserved}
        while (
            spelled in taken or spelled.startswith("part-") or not (reader.digit_first or _is_letter(spelled))
        ):
            spelled = f"r-{spelled}"
        names[name] = spelled
    return names


def _is_letter(name: str) -> bool:
    return name[0].isalpha()


def _text(text: str, reader: Notation) -> str:
    return '"' + "".join(_escape(char, text, reader) for char in text) + '"'


def _escape(char: str, text: str, reader: Notation) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    point = ord(char)
    if point == 0 or 0xD800 <= point <= 0xDFFF:
        raise GrammarError(
            f"the text {text!r} holds U+{point:04X}", hint="readers of GBNF cannot match it; remove it"
        )
    return char if char.isprintable() else _hex(point, reader)


def _hex(point: int, reader: Notation) -> str:
    if point <= 0xFF and "x" in reader.hex:
        return f"\\x{point:02X}"
    return f"\\u{point:04X}" if point <= 0xFFFF else f"\\U{point:08X}"


def _chars(chars: Chars, reader: Notation) -> str:
    # Written as what is allowed, even where it was "all but": llama.cpp takes bytes that are no UTF-8 for
    # "all but", and U+0000 is what it never takes.
    ranges = [(max(first, 1), last) for first, last in chars.allowed() if last > 0]
    if not ranges:
        raise GrammarError("a class holds U+0000 alone", hint="readers of GBNF cannot match it; remove it")
    return f"[{''.join(_range(first, last, reader) for first, last in ranges)}]"


def _range(first: int, last: int, reader: Notation) -> str:
    return _point(first, reader) if first == last else f"{_point(first, reader)}-{_point(last, reader)}"


def _point(point: int, reader: Notation) -> str:
    char = chr(point)
    return char if 0x20 <= point < 0x7F and char not in "\\[]^-" else _hex(point, reader)
