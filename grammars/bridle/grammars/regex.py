"""Writes a grammar as one regular expression: its rules are finite, so that there always is one.

Kept to what Python's `re`, the Rust crate `regex` (outlines_core, llguidance) and xgrammar's converter (vLLM,
SGLang) read alike: literals, classes of ranges, `(?:…)`, `|`, `?`, counts, and `\\uHHHH` for what is not
plain. There are no anchors: the whole text has to match (`re.fullmatch`), which is what servers mean.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from bridle.errors import GrammarError
from bridle.grammars.ir import EMPTY, Alt, Chars, Grammar, Lit, Node, Repeat, Seq

__all__ = ["LARGEST_REGEX", "json_pattern", "to_regex"]

LARGEST_REGEX = 200_000
"""Characters. Rules are written out wherever they are used, so that nested values grow fast."""
_META = frozenset("\\.+*?()|[]{}^$")
_CONTROLS = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_PLAIN_IN_CLASS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 _")
_UNESCAPED = Chars(((0x00, 0x1F), (0x22, 0x22), (0x5C, 0x5C)), negated=True).allowed()
_EVERY = "[\\u0000-\U0010ffff]"


def to_regex(grammar: Grammar) -> str:
    """Return an expression that matches exactly the sentences of a grammar.

    Raises:
        GrammarError: when it would have more than `LARGEST_REGEX` characters, or holds a lone surrogate.

    >>> to_regex(Grammar(Seq((Lit("a."), Repeat(Alt((Lit("b"), Chars(((48, 57),)))), 0, 3)))))
    'a\\\\.(?:b|[0-9]){0,3}'
    """
    size = _Sizes(grammar.rules).of(grammar.root)
    if size > LARGEST_REGEX:
        raise GrammarError(
            f"the regular expression would have about {size} characters",
            hint=f"the most are {LARGEST_REGEX}; give values a schema, lower `Bounds.depth`, or send GBNF",
        )
    return _Writer(grammar.rules).alternatives(grammar.root)


def json_pattern(node: Node) -> tuple[str, bool] | None:
    """Return a `pattern` for the texts of a node that JSON writes without escapes, and whether that is all.

    None where there are no such texts. Servers apply a pattern to what stands between the quotation marks,
    and some read no more of an expression than groups, classes, counts and `|`. What is special is therefore
    written as a class.

    >>> json_pattern(Seq((Lit("a."), Repeat(Lit("b"), 0, 2))))
    ('^a[\\\\u002E][b]{0,2}$', True)
    """
    plain = _unescaped(node)
    return None if plain is None else (f"^{_Writer({}, simple=True).part(plain)}$", plain == node)


def _unescaped(node: Node) -> Node | None:
    """Leave out what JSON writes with a backslash; None where nothing is left."""
    match node:
        case Lit(text):
            return node if json.dumps(text, ensure_ascii=False) == f'"{text}"' else None
        case Chars():
            ranges = tuple(
                (max(first, low), min(last, high))
                for first, last in node.allowed()
                for low, high in _UNESCAPED
                if max(first, low) <= min(last, high)
            )
            whole = ranges == node.allowed()
            return node if whole else Chars(ranges) if ranges else None
        case Seq(items):
            found = [_unescaped(item) for item in items]
            kept = [item for item in found if item is not None]
            return Seq(tuple(kept)) if len(kept) == len(found) else None
        case Alt(items):
            options = [item for item in map(_unescaped, items) if item is not None]
            return Alt(tuple(options)) if options else None
        case Repeat(item, least, most):
            inner = _unescaped(item)
            return Repeat(inner, least, most) if inner is not None else EMPTY if least == 0 else None
        case _:
            return None


class _Writer:
    """Writes nodes; each rule is written once and then repeated as text. `simple` is for `json_pattern`."""

    def __init__(self, rules: Mapping[str, Node], *, simple: bool = False) -> None:
        self._rules = rules
        self._simple = simple
        self._group = "(" if simple else "(?:"
        self._known: dict[str, str] = {}

    def alternatives(self, node: Node) -> str:
        """Write a node that may stand alone."""
        match node:
            case Lit(text):
                return "".join(self._char(char, text) for char in text)
            case Chars():
                return _class(node)
            case Seq(items):
                return "".join(self.part(item) for item in items)
            case Alt(items):
                return self._choice([self.alternatives(item) for item in items])
            case Repeat(item, least, most):
                return self._repeated(item, least, most)
            case _:
                if node.name not in self._known:
                    self._known[node.name] = self.alternatives(self._rules[node.name])
                return self._known[node.name]

    def part(self, node: Node) -> str:
        """Write a node that stands beside others."""
        text = self.alternatives(node)
        return f"{self._group}{text})" if _is_choice(node, self._rules) and text else text

    def _char(self, char: str, text: str) -> str:
        if self._simple and not (char.isascii() and (char.isalnum() or char in " _")):
            return _class(Chars(((ord(char), ord(char)),)))
        return _literal(char, text)

    def _choice(self, texts: list[str]) -> str:
        # Not every reader takes an alternative of nothing.
        found = list(dict.fromkeys(text for text in texts if text))
        if "" not in texts or not found:
            return "|".join(found)
        return f"{self._group}{'|'.join(found)})?"

    def _repeated(self, item: Node, least: int, most: int) -> str:
        text = self.alternatives(item)
        if not text or most == 0:
            return ""
        if self._simple and len(text) == 1:
            text = f"[{text}]"  # llama.cpp's converter repeats a character together with those before it
        whole = text if _is_one(item, self._rules) else f"{self._group}{text})"
        return whole + _count(least, most)


def _is_one(node: Node, rules: Mapping[str, Node]) -> bool:
    """Whether what is written for a node is a single character or class."""
    while not isinstance(node, Lit | Chars | Seq | Alt | Repeat):
        node = rules[node.name]
    return isinstance(node, Chars) or (isinstance(node, Lit) and len(node.text) == 1)


def _is_choice(node: Node, rules: Mapping[str, Node]) -> bool:
    while not isinstance(node, Lit | Chars | Seq | Alt | Repeat):
        node = rules[node.name]
    return isinstance(node, Alt)


def _count(least: int, most: int) -> str:
    if (least, most) == (0, 1):
        return "?"
    if least == most:
        return f"{{{least}}}" if least != 1 else ""
    return f"{{{least},{most}}}"


def _literal(char: str, text: str) -> str:
    if char in _META:
        return "\\" + char
    if "\ud800" <= char <= "\udfff":
        raise GrammarError(f"the text {text!r} holds half a character", hint="remove the surrogate")
    return _CONTROLS.get(char) or (char if char.isprintable() else _hex(ord(char)))


def _class(chars: Chars) -> str:
    negated = chars.negated and bool(chars.ranges)
    if chars.negated and not negated:
        return _EVERY
    ranges = chars.ranges if negated else chars.allowed()
    return f"[{'^' if negated else ''}{''.join(_range(first, last) for first, last in ranges)}]"


def _range(first: int, last: int) -> str:
    return _point(first) if first == last else f"{_point(first)}-{_point(last)}"


def _point(point: int) -> str:
    char = chr(point)
    return char if char in _PLAIN_IN_CLASS else _hex(point)


def _hex(point: int) -> str:
    return f"\\u{point:04X}" if point <= 0xFFFF else chr(point)  # xgrammar does not know `\\U`


class _Sizes:
    """Measures what would be written, before it is, in characters; never less than that."""

    def __init__(self, rules: Mapping[str, Node]) -> None:
        self._rules = rules
        self._known: dict[str, int] = {}

    def of(self, node: Node) -> int:
        match node:
            case Lit(text):
                return sum(len(_literal(char, text)) for char in text)
            case Chars():
                return len(_class(node))
            case Seq(items):
                return sum(self.of(item) for item in items)
            case Alt(items):
                return sum(self.of(item) + 1 for item in items) + 5
            case Repeat(item, least, most):
                return self.of(item) + 4 + len(_count(least, most))
            case _:
                if node.name not in self._known:
                    self._known[node.name] = self.of(self._rules[node.name])
                return self._known[node.name]
