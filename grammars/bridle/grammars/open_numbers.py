"""Numbers between bounds as Python's `json` writes them: without end, with exponents where floats have them.

A float is written with an exponent from 1e16 on and below 1e-4, as one digit, maybe a fraction, and an
exponent of at least two digits. An integer may be written as a float: `1.0` and `1e+16` are integers.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from fractions import Fraction
from functools import lru_cache

from bridle.grammars.automata import rules_of, trimmed
from bridle.grammars.digits import integers, numbers
from bridle.grammars.ir import EMPTY, ENDLESS, Alt, Chars, Lit, Node, Repeat, Seq, alt, optional, seq
from bridle.grammars.regular import Automaton, Cat, Or, Regular, Set, Times, TooLarge, automaton, intersection

__all__ = ["End", "Share", "multiples", "no_integers", "open_integers", "open_numbers"]

End = tuple[Decimal, bool] | None
"""A bound, and whether it is left out itself; None for no bound."""

Share = Callable[[str, Node], Node]
_DIGIT = Chars(((48, 57),))
_NONZERO = Chars(((49, 57),))
_ZERO = Decimal(0)
_BIG, _SMALL = 16, -5  # the least exponent that floats are written with, and the greatest negative one
_LAST = 999
_MOST_STATES = 4000


def open_integers(low: End, high: End) -> Node | None:
    """Return rules for the integers between two bounds; None when there are none."""
    least = None if low is None else _inside(low, ROUND_CEILING, 1)
    most = None if high is None else _inside(high, ROUND_FLOOR, -1)
    if least is not None and most is not None and least > most:
        return None
    parts: list[Node] = []
    zero = (least is None or least <= 0) and (most is None or most >= 0)
    if zero:
        parts += [Lit("-0.0"), Lit("-0")]
    if most is None or most >= 0:
        first = 0 if least is None else max(0, least)
        parts.append(seq(_from(first, most), _POINT_ZERO))
    if least is None or least < 0:
        first = 1 if most is None else max(1, -most)
        parts.append(seq(Lit("-"), _from(first, None if least is None else -least), _POINT_ZERO))
    exponents = _signed_exponents(low, high, whole=True)
    return alt(*parts, *exponents)


def open_numbers(low: End, high: End, *, broken: bool = False) -> Node | None:
    """Return rules for the numbers between two bounds, or when `broken` for those that are no integers."""
    if low is not None and high is not None and _apart(low, high):
        return None
    parts: list[Node] = []
    zero = _holds(_ZERO, low, high)
    if zero:
        parts += [Lit("-0"), seq(Lit("-0."), Repeat(Lit("0"), 1, ENDLESS))]
    upper = _side(low, high)
    if upper is not None:
        parts += [node for node in [_positive(*upper)] if node is not None]
    lower = _side(_flip(high), _flip(low))
    if lower is not None:
        node = _positive(*(lower[0] or (_ZERO, True), lower[1]))
        parts += [seq(Lit("-"), node)] if node is not None else []
    found = [*parts, *_signed_exponents(low, high, whole=False)]
    node = alt(*found) if found else None
    return no_integers(node) if broken and node is not None else node


def multiples(step: Fraction, node: Node, *, whole: bool, share: Share | None = None) -> Node | None:
    """Keep of numbers, as far as they have no exponents, the multiples of `step`.

    With `share` parts may become rules of their own.

    Raises:
        TooLarge: when telling them apart takes too many states.
    """
    places = 0
    while not whole and (step * 10**places).denominator != 1:
        places += 1
        if places > 20:
            return None
    unit = step.numerator if whole else (step * 10**places).numerator
    found = trimmed(intersection(automaton(_tree(node)), trimmed(_multiples(unit, places))))
    return rules_of(found, lambda chars: chars, share)


def _apart(low: tuple[Decimal, bool], high: tuple[Decimal, bool]) -> bool:
    return low[0] > high[0] or (low[0] == high[0] and (low[1] or high[1]))


def no_integers(node: Node) -> Node | None:
    """Keep of numbers those that are no integers."""
    return rules_of(trimmed(intersection(automaton(_tree(node)), _broken())), lambda chars: chars)


_POINT_ZERO = optional(seq(Lit("."), Repeat(Lit("0"), 1, ENDLESS)))


def _inside(end: tuple[Decimal, bool], towards: str, inwards: int) -> int:
    rounded = int(end[0].to_integral_value(towards))
    return rounded + inwards if end[1] and rounded == end[0] else rounded


def _from(first: int, last: int | None) -> Node:
    """Whole numbers from `first` on, without a sign."""
    if last is not None:
        node = integers(first, last)
        return EMPTY if node is None else node
    size = len(str(first))
    longer = seq(_NONZERO, Repeat(_DIGIT, size, ENDLESS))
    if first in (0, 1):
        return (
            alt(Lit("0"), seq(_NONZERO, Repeat(_DIGIT, 0, ENDLESS)))
            if first == 0
            else seq(_NONZERO, Repeat(_DIGIT, 0, ENDLESS))
        )
    same = integers(first, 10**size - 1)
    return longer if same is None else alt(same, longer)


def _holds(value: Decimal, low: End, high: End) -> bool:
    above = low is None or value > low[0] or (value == low[0] and not low[1])
    return above and (high is None or value < high[0] or (value == high[0] and not high[1]))


def _flip(end: End) -> End:
    return None if end is None else (-end[0], end[1])


def _side(low: End, high: End) -> tuple[tuple[Decimal, bool] | None, End] | None:
    """Cut bounds to what is not negative: (lower bound or None for zero included, upper bound)."""
    if high is not None and (high[0] < 0 or (high[0] == 0 and high[1])):
        return None
    return (None if low is None or low[0] < 0 else low), high


def _positive(low: tuple[Decimal, bool] | None, high: End) -> Node | None:
    """Numbers without a sign or an exponent."""
    first = low or (_ZERO, False)
    if high is not None:
        return numbers(first[0], high[0], ENDLESS, above=first[1], below=high[1])
    top = 10 ** len(str(int(first[0])))
    fraction = optional(seq(Lit("."), Repeat(_DIGIT, 1, ENDLESS)))
    longer = seq(_NONZERO, Repeat(_DIGIT, len(str(top)) - 1, ENDLESS), fraction)
    below = numbers(first[0], Decimal(top), ENDLESS, above=first[1], below=True)
    return longer if below is None else alt(below, longer)


def _signed_exponents(low: End, high: End, *, whole: bool) -> list[Node]:
    parts: list[Node] = []
    for sign, ends in (("", _side(low, high)), ("-", _side(_flip(high), _flip(low)))):
        if ends is not None:
            parts += [seq(Lit(sign), node) for node in _exponents(*ends, whole=whole)]
    return parts


def _exponents(low: End, high: End, *, whole: bool) -> list[Node]:
    """Positive numbers with exponents."""
    ranges = [(_BIG, _LAST)] if whole else [(-_LAST, _SMALL), (_BIG, _LAST)]
    bottom = None if low is None or low[0] == 0 else low[0].adjusted()
    top = None if high is None else (high[0].adjusted() if high[0] else -_LAST - 1)
    found: list[Node] = []
    for first, last in ranges:
        inner_first = first if bottom is None else max(first, bottom + 1)
        inner_last = last if top is None else min(last, top - 1)
        if inner_first <= inner_last:
            found.append(seq(_MANTISSA, Lit("e"), _power(inner_first, inner_last)))
        for edge in {bottom, top} - {None}:
            assert edge is not None
            if first <= edge <= last and (top is None or edge <= top) and (bottom is None or edge >= bottom):
                ends = (low if edge == bottom else None, high if edge == top else None)
                node = _mantissa(*ends, edge)
                found += [] if node is None else [seq(node, Lit("e"), _power(edge, edge))]
    return found


_MANTISSA = seq(_NONZERO, optional(seq(Lit("."), Repeat(_DIGIT, 1, ENDLESS))))


def _mantissa(low: End, high: End, exponent: int) -> Node | None:
    first = (Decimal(1), False) if low is None else (low[0].scaleb(-exponent), low[1])
    last = (Decimal(10), True) if high is None else (high[0].scaleb(-exponent), high[1])
    return numbers(first[0], last[0], ENDLESS, above=first[1], below=last[1])


def _power(first: int, last: int) -> Node:
    """Exponents from `first` to `last`, of one sign, with two digits at least."""
    sign = "+" if first >= 0 else "-"
    least, most = sorted((abs(first), abs(last)))
    parts: list[Node | None] = []
    if least < 10:
        short = integers(least, min(most, 9))
        parts.append(None if short is None else seq(Lit("0"), short))
    if most >= 10:
        parts.append(integers(max(least, 10), most))
    return seq(Lit(sign), alt(*(part for part in parts if part is not None)))


@lru_cache(maxsize=1)
def _broken() -> Automaton:
    """Accept numbers that are no integers: with a fraction that is not zero, or a negative exponent."""
    digits = Repeat(_DIGIT, 0, ENDLESS)
    fraction = seq(Repeat(_DIGIT, 1, ENDLESS), Lit("."), digits, _NONZERO, digits)
    small = seq(_MANTISSA, Lit("e-"), digits)
    return automaton(_tree(seq(optional(Lit("-")), alt(fraction, small))))


def _multiples(unit: int, places: int) -> Automaton:
    """Accept numbers that are multiples of `unit`, in units of the last of so many decimal places."""
    if unit * (places + 2) > _MOST_STATES:
        raise TooLarge
    known: dict[tuple[int, int], int] = {}
    waiting: list[tuple[int, int]] = []

    def state(rest: int, seen: int) -> int:
        key = (rest, seen)
        if key not in known:
            known[key] = len(waiting)
            waiting.append(key)
        return known[key]

    state(0, -2)  # before the sign; then -1 before the point, and the number of places behind it
    moves: list[tuple[tuple[int, int, int], ...]] = []
    accepting: set[int] = set()
    for rest, seen in waiting:  # grows while it is read
        found: list[tuple[int, int, int]] = []
        if seen == -2:
            found.append((45, 45, state(0, -1)))
        if seen == -1:
            found.append((46, 46, state(rest, 0)))
        for digit in range(10):
            if seen < places:
                found.append(
                    (48 + digit, 48 + digit, state((rest * 10 + digit) % unit, max(seen, -1) + (seen >= 0)))
                )
            elif digit == 0:
                found.append((48, 48, state(rest, seen)))
        left = places if seen < 0 else places - seen
        if seen != -2 and rest * 10**left % unit == 0:
            accepting.add(len(moves))
        moves.append(tuple(sorted(found)))
    return Automaton(tuple(moves), frozenset(accepting))


def _tree(node: Node) -> Regular:
    match node:
        case Lit(text):
            return Cat(tuple(Set(((ord(char), ord(char)),)) for char in text))
        case Chars():
            return Set(node.allowed())
        case Seq(items):
            return Cat(tuple(_tree(item) for item in items))
        case Alt(items):
            return Or(tuple(_tree(item) for item in items))
        case Repeat(item, least, most):
            return Times(_tree(item), least, None if most >= ENDLESS else most)
        case _:
            raise TypeError(f"{node!r} refers to another rule")
