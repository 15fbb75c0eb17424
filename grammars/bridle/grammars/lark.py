"""Writes a grammar for llguidance, in its dialect of Lark (llguidance 1.x, docs/syntax.md).

Each rule becomes a terminal and the whole grammar one lexeme: it is finite and therefore regular, so the
language is exactly that of the rules, with no greedy lexing between parts. Measured on MemGPT's functions
that is as fast as grammar rules over small lexemes, in compiling and per token. In an `OpenGrammar`, which
may recurse, the tokens are terminals and the rest are grammar rules.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from bridle.errors import GrammarError
from bridle.grammars.ir import ENDLESS, Alt, Chars, Grammar, Lit, Node, OpenGrammar, Ref, Repeat, Seq

__all__ = ["to_lark"]


def to_lark(grammar: Grammar | OpenGrammar) -> str:
    """Return the grammar's text.

    Raises:
        GrammarError: for a text that holds a lone surrogate.

    >>> print(to_lark(Grammar(Lit("a"))))
    start: ROOT
    ROOT: "a"
    <BLANKLINE>
    """
    names = {name: _name(i, name) for i, name in enumerate(grammar.rules)}
    if isinstance(grammar, OpenGrammar):
        names = {
            name: spelled if name in grammar.tokens else spelled.lower() for name, spelled in names.items()
        }
        lines = [f"start: {_node(grammar.root, names)}"]
    else:
        lines = ["start: ROOT", f"ROOT: {_node(grammar.root, names)}"]
    lines += [f"{names[name]}: {_node(node, names)}" for name, node in grammar.rules.items()]
    return "\n".join(lines) + "\n"


def _name(i: int, name: str) -> str:
    """Return a terminal's name, which is in upper case; the number keeps similar names apart."""
    return f"R{i}_" + "".join(c.upper() if c.isascii() and c.isalnum() else "_" for c in name)


def _node(node: Node, names: Mapping[str, str]) -> str:
    match node:
        case Lit(text):
            return _text(text)
        case Chars():
            return _chars(node)
        case Seq(items):
            return " ".join(_inner(item, names) for item in items) or '""'
        case Alt(items):
            return " | ".join(_node(item, names) for item in items)
        case Repeat(_, _, 0):
            return '""'  # a count of none is an error to llguidance
        case Repeat(item, least, most):
            inner = _node(item, names)
            whole = inner if isinstance(item, Ref | Chars) else f"({inner})"
            return whole + (_endless(least) if most >= ENDLESS else f"{{{least},{most}}}")
        case _:
            return names[node.name]


def _endless(least: int) -> str:
    return {0: "*", 1: "+"}.get(least, f"{{{least},}}")


def _inner(node: Node, names: Mapping[str, str]) -> str:
    return f"({_node(node, names)})" if isinstance(node, Alt) else _node(node, names)


def _text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise GrammarError(
            f"the text {text!r} holds half a character", hint="remove the surrogate"
        ) from error
    return json.dumps(text)  # all in ASCII: U+007F is an error to llguidance's lexer


def _chars(chars: Chars) -> str:
    negated = chars.negated and bool(chars.ranges)
    ranges = chars.ranges if negated else chars.allowed()
    return f"/[{'^' if negated else ''}{''.join(_range(first, last) for first, last in ranges)}]/"


def _range(first: int, last: int) -> str:
    return _point(first) if first == last else f"{_point(first)}-{_point(last)}"


def _point(point: int) -> str:
    char = chr(point)
    return char if char.isascii() and char.isalnum() else f"\\x{{{point:X}}}"
