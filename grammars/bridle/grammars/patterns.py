"""Patterns and lengths of strings, as rules over characters.

A pattern with anchors at its ends becomes rules part by part. Everything else that is regular (look-ahead,
anchors inside, several patterns at once, excluded ones, a length beside a pattern) goes through an automaton.
Where rules must be finite, quantifiers without an end are cut so that the longest text still fits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from bridle.errors import SchemaError
from bridle.grammars.automata import is_empty, lengths, rules_of, trimmed
from bridle.grammars.ir import EMPTY, ENDLESS, Alt, Chars, Lit, Node, Repeat, Seq, alt, optional, seq
from bridle.grammars.pattern_syntax import Branch, branches_of, check_pattern, whole_text
from bridle.grammars.regular import (
    LARGEST,
    Assertion,
    Automaton,
    Cat,
    Or,
    Regular,
    Set,
    Times,
    TooLarge,
    automaton,
    complement,
    intersection,
)
from bridle.grammars.schema_cases import Impossible
from bridle.grammars.sized_texts import compact, sized_rules, within

__all__ = [
    "Share",
    "TextRule",
    "check_pattern",
    "cut_to_fit",
    "direct_node",
    "exact_text",
    "pattern_node",
    "text_automaton",
    "texts_node",
]

_ANY = Chars((), negated=True)
_FREE = 64  # characters beside an unanchored match: each place the match could start at is a state to follow
_START, _END = Assertion("start"), Assertion("end")
_DEEPEST = 80  # rules inside rules where a grammar is finite: whoever walks one calls itself for each
_LAYERS = 300  # states beyond which lengths are kept by cutting quantifiers, not by counting
Share = Callable[[str, Node], Node]


@dataclass(frozen=True, slots=True)
class TextRule:
    """A pattern that a string must have a match of, or must not."""

    pattern: str
    positive: bool = True


@lru_cache(maxsize=32)
def pattern_node(pattern: str, least: int, most: int, *, pointer: str = "") -> Node:
    """Return rules for the texts of `least` to `most` characters that a pattern finds a match in.

    Raises:
        SchemaError: for a pattern that is wrong, not understood, or that no text of such a length matches.

    >>> pattern_node("^a{2}$", 0, 9)
    Repeat(item=Lit(text='a'), least=2, most=2)
    """
    found = direct_node(pattern, least, most, pointer=pointer)
    return (
        texts_node((TextRule(pattern),), least, most, leaf=_same, pointer=pointer) if found is None else found
    )


@lru_cache(maxsize=32)
def direct_node(pattern: str, least: int, most: int, *, ended: int = 0, pointer: str = "") -> Node | None:
    """Return rules for a pattern part by part; None for one that takes an automaton.

    A pattern whose texts end by themselves, after `ended` characters at the latest, is not cut at `most`.

    Raises:
        SchemaError: for a pattern that is wrong or not understood.
    """
    branches = [_written(branch) for branch in branches_of(pattern, pointer=pointer)]
    whole = _cut_to_fit(branches, ENDLESS) if ended else None
    if whole is not None and _lengths(whole)[1] <= ended:
        found: Node | None = whole
    else:
        found = _cut_to_fit(branches, most)
    if found is not None and _lengths(found)[0] < least:
        return _at_least(found, least, most)
    return found


def texts_node(
    rules: Sequence[TextRule],
    least: int,
    most: int,
    *,
    leaf: Callable[[Chars], Node],
    share: Share | None = None,
    exact: bool = False,
    pointer: str = "",
) -> Node:
    """Return rules for the texts of `least` to `most` characters (or `ENDLESS`) that satisfy all `rules`.

    `leaf` writes a character. With `share` parts may become rules of their own.

    Raises:
        SchemaError: when there is no such text, or the rules become too large.
    """
    if exact and len(rules) == 1 and rules[0].positive and _fits(rules[0], least, most, pointer):
        direct = [_written(branch) for branch in branches_of(rules[0].pattern, exact=True, pointer=pointer)]
        node = _cut_to_fit(direct, ENDLESS)
        if node is not None:
            return _leaves(node, leaf)
    patterns = " and ".join(repr(rule.pattern) for rule in rules)
    try:
        whole = text_automaton(tuple(rules), exact=exact, pointer=pointer)
        node = None if is_empty(whole) else _sized(whole, least, most, leaf, share, exact=exact)
    except TooLarge as error:
        raise SchemaError(
            f"the pattern {patterns} with a length of {least} to {most} needs too many rules",
            pointer=pointer,
            hint="simplify it, or allow it to be loosened",
        ) from error
    if node is None:
        raise Impossible(
            f"the pattern {patterns} cannot be held together with a length of {least} to {most}",
            pointer=pointer,
            hint="put the length into the pattern's quantifiers",
        )
    return node


@lru_cache(maxsize=64)
def text_automaton(rules: tuple[TextRule, ...], *, exact: bool = False, pointer: str = "") -> Automaton:
    """Return the automaton of the texts that satisfy all rules.

    Raises:
        SchemaError: for a pattern that is wrong or not understood.
        TooLarge: when it has too many states.
    """
    whole = Automaton((((0, 0xD7FF, 0), (0xE000, 0x10FFFF, 0)),), frozenset([0]))
    for rule in rules:
        tree = whole_text(branches_of(rule.pattern, exact=exact, pointer=pointer), rule.pattern, pointer)
        part = trimmed(automaton(tree))
        whole = trimmed(intersection(whole, part if rule.positive else complement(part)))
    return whole


def exact_text(text: str) -> str:
    """Return the pattern of one text.

    >>> exact_text("a")
    '^\\\\u{61}$'
    """
    return "^" + "".join(f"\\u{{{ord(char):X}}}" for char in text) + "$"


def cut_to_fit(node: Node, most: int) -> Node | None:
    """Cut repetitions without an end so that no text is longer than `most`; None when that is not enough."""
    return _cut_to_fit([node], most)


def _fits(rule: TextRule, least: int, most: int, pointer: str) -> bool:
    """Tell whether all texts of a pattern have a length between two anyway."""
    if least == 0 and most >= ENDLESS:
        return True
    try:
        whole = text_automaton((rule,), exact=True, pointer=pointer)
    except TooLarge:
        return False
    shortest, longest = (0, 0) if is_empty(whole) else lengths(whole)
    return least <= shortest and (most >= ENDLESS or (longest is not None and longest <= most))


def _sized(
    whole: Automaton,
    least: int,
    most: int,
    leaf: Callable[[Chars], Node],
    share: Share | None,
    *,
    exact: bool,
) -> Node | None:
    """Write an automaton whose texts must have a length; unless `exact`, some of them will do."""
    shortest, longest = lengths(whole)
    if shortest > most or (longest is not None and longest < least):
        return None
    fits = longest is not None and longest <= most
    whole, back = compact(whole)
    deepest = LARGEST if exact else _DEEPEST

    def written(chars: Chars) -> Node:
        return leaf(back(chars))

    layered = share is not None and (most + 1) * len(whole.moves) <= _LAYERS
    if exact or most >= ENDLESS or fits or layered:
        if shortest < least or not (fits or most >= ENDLESS):
            return sized_rules(whole, least, most, written, share, deepest=deepest)
        return rules_of(whole, written, share, deepest=deepest)
    loose = rules_of(within(whole, least, None) if shortest < least else whole, back)
    found = None if loose is None else _cut_to_fit([loose], most)
    if found is not None:
        return _leaves(found, leaf)
    return sized_rules(whole, least, most, written, share, deepest=deepest)


def _same(chars: Chars) -> Node:
    return chars


def _leaves(node: Node, leaf: Callable[[Chars], Node]) -> Node:
    match node:
        case Chars():
            return leaf(node)
        case Lit(text):
            return seq(*(leaf(Chars(((ord(char), ord(char)),))) for char in text))
        case Seq(items):
            return seq(*(_leaves(item, leaf) for item in items))
        case Alt(items):
            return alt(*(_leaves(item, leaf) for item in items))
        case Repeat(item, least, most):
            return Repeat(_leaves(item, leaf), least, most)
        case _:
            return node


@dataclass(frozen=True, slots=True)
class _Written:
    """One branch as rules without an end, and where it is anchored."""

    node: Node
    starts: bool
    ends: bool


def _written(branch: Branch) -> _Written | None:
    """Return the rules of a branch with anchors at its ends only; None when it needs an automaton."""
    items = list(branch)
    starts = bool(items) and items[0] == _START
    items = items[1:] if starts else items
    ends = bool(items) and items[-1] == _END
    nodes: list[Node] = []
    for item in items[:-1] if ends else items:
        node = _plain(item) if isinstance(item, Set | Cat | Or | Times) else None
        if node is None:
            return None
        nodes.append(node)
    return _Written(seq(*nodes), starts, ends)


def _plain(tree: Regular) -> Node | None:
    match tree:
        case Set(ranges):
            single = len(ranges) == 1 and ranges[0][0] == ranges[0][1]
            return Lit(chr(ranges[0][0])) if single else Chars(ranges)
        case Cat(items) | Or(items):
            nodes = [node for node in map(_plain, items) if node is not None]
            if len(nodes) < len(items):
                return None
            return seq(*nodes) if isinstance(tree, Cat) else alt(*nodes)
        case Times(item, least, most):
            node = _plain(item)
            if node is None or node == EMPTY or most == 0:
                return None if node is None else EMPTY
            return Repeat(node, least, ENDLESS if most is None else most)
        case _:
            return None


def _cut_to_fit(branches: Sequence[_Written | Node | None], most: int) -> Node | None:
    """Return all branches, with the widest cut of quantifiers whose longest text still fits."""
    if any(branch is None for branch in branches):
        return None
    if most >= ENDLESS:
        return alt(*(_beside(branch, ENDLESS, ENDLESS) for branch in branches))
    low, high = 0, max(most, 1)
    best: Node | None = None
    while low <= high:
        cut = (low + high) // 2
        node = alt(*(_beside(branch, cut, most) for branch in branches))
        if _lengths(node)[1] <= most:
            best, low = node, cut + 1
        else:
            high = cut - 1
    return best


def _beside(branch: _Written | Node | None, cut: int, most: int) -> Node:
    """Write one branch; where it has no anchor, other text may stand."""
    if not isinstance(branch, _Written):
        return EMPTY if branch is None else _cut(branch, cut)
    node = _cut(branch.node, cut)
    if branch.starts and branch.ends:
        return node
    if most >= ENDLESS:
        free: Node = Repeat(_ANY, 0, ENDLESS)
        return seq(EMPTY if branch.starts else free, node, EMPTY if branch.ends else free)
    room = max(0, most - _lengths(node)[1])
    before = 0 if branch.starts else min(_FREE, room if branch.ends else room // 2)
    after = 0 if branch.ends else min(_FREE, room - before)
    return seq(_free(before), node, _free(after))


def _cut(node: Node, cut: int) -> Node:
    match node:
        case Seq(items):
            return seq(*(_cut(item, cut) for item in items))
        case Alt(items):
            return alt(*(_cut(item, cut) for item in items))
        case Repeat(item, least, most):
            inner, most = _cut(item, cut), most if cut >= ENDLESS else min(most, max(least, cut))
            if most == 0 or inner == EMPTY:
                return EMPTY
            return optional(inner) if (least, most) == (0, 1) else Repeat(inner, least, most)
        case _:
            return node


def _lengths(node: Node) -> tuple[int, int]:
    match node:
        case Lit(text):
            return len(text), len(text)
        case Seq(items):
            sizes = [_lengths(item) for item in items]
            return sum(low for low, _ in sizes), sum(high for _, high in sizes)
        case Alt(items):
            sizes = [_lengths(item) for item in items]
            return min(low for low, _ in sizes), max(high for _, high in sizes)
        case Repeat(item, least, most):
            low, high = _lengths(item)
            return low * least, high * most
        case _:
            return 1, 1


def _at_least(node: Node, least: int, most: int) -> Node | None:
    """Raise the only repetition of single characters so that no text is shorter; None if there is none."""
    items = node.items if isinstance(node, Seq) else (node,)
    loose = [i for i, item in enumerate(items) if _lengths(item)[0] != _lengths(item)[1]]
    if len(loose) != 1:
        return None
    item = items[loose[0]]
    if not isinstance(item, Repeat) or _lengths(item.item) != (1, 1):
        return None
    fixed = sum(_lengths(other)[0] for i, other in enumerate(items) if i != loose[0])
    if not item.least <= least - fixed <= item.most or least > most:
        return None
    raised = Repeat(item.item, least - fixed, item.most)
    return seq(*items[: loose[0]], raised, *items[loose[0] + 1 :])


def _free(room: int) -> Node:
    return Repeat(_ANY, 0, room) if room else EMPTY
