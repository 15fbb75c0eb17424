"""From a schema's bounds of a number to rules over its digits: without exponents, and with an end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from bridle.grammars.bounds import Bounds
from bridle.grammars.digits import FLOAT_DIGITS, any_integer, any_number, integers, numbers
from bridle.grammars.ir import Node, alt
from bridle.grammars.open_numbers import End, Share, multiples, no_integers
from bridle.grammars.schema_cases import Case

__all__ = ["integer_rules", "number_rules"]

_FARTHEST = Decimal(10) ** 40  # numbers beyond are never written


def integer_rules(case: Case, bounds: Bounds, share: Share, *, stepless: bool = False) -> Node | None:
    """Return rules for the integers of a case; None when there are none. `stepless` leaves out `multipleOf`.

    Raises:
        TooLarge: when telling multiples apart takes too many rules.
    """
    found = [_integers(low, high, bounds) for low, high in _ranges(case)]
    return _stepped(case, found, None if stepless else share)


def number_rules(case: Case, bounds: Bounds, share: Share, *, stepless: bool = False) -> Node | None:
    """Return rules for the numbers of a case, as `integer_rules` does."""
    if case.broken:  # with more digits a double may be an integer, whatever its text says
        bounds = replace(bounds, integer_digits=min(bounds.integer_digits, 9))
    found = [_numbers(low, high, bounds) for low, high in _ranges(case)]
    node = _stepped(case, found, None if stepless else share)
    return no_integers(node) if case.broken and node is not None else node


def _stepped(case: Case, found: Sequence[Node | None], share: Share | None) -> Node | None:
    nodes = [node for node in found if node is not None]
    if not nodes:
        return None
    step = case.step
    if share is None or step is None or (step.numerator == 1 and case.whole):
        return alt(*nodes)
    return multiples(step, alt(*nodes), whole=case.whole, share=share)


def _ranges(case: Case) -> list[tuple[End, End]]:
    """Cut the range of a case at each number that is left out."""
    holes = sorted({Decimal(str(one)) for one, _ in case.excluded if _is_number(one)})
    low, high = _near(case.low, max), _near(case.high, min)
    inside = [
        hole
        for hole in holes
        if hole.is_finite() and (low is None or hole >= low[0]) and (high is None or hole <= high[0])
    ]
    lows: list[End] = [low, *((hole, True) for hole in inside)]
    return list(zip(lows, [*((hole, True) for hole in inside), high], strict=True))


def _near(end: End, tighter: object) -> End:
    if end is None:
        return None
    return (max(end[0], -_FARTHEST) if tighter is max else min(end[0], _FARTHEST)), end[1]


def _integers(low: End, high: End, bounds: Bounds) -> Node | None:
    if low is None and high is None:
        return any_integer(bounds.integer_digits)
    least = None if low is None else int(low[0].to_integral_value(ROUND_CEILING))
    most = None if high is None else int(high[0].to_integral_value(ROUND_FLOOR))
    if least is not None and low is not None and low[1] and least == low[0]:
        least += 1
    if most is not None and high is not None and high[1] and most == high[0]:
        most -= 1
    digits = max(bounds.integer_digits, len(str(abs(least or most or 0))) + 1)
    reach = min(10**digits - 1, int(_FARTHEST))
    return integers(-reach if least is None else least, reach if most is None else most)


def _numbers(low: End, high: End, bounds: Bounds) -> Node | None:
    if low is None and high is None:
        return any_number(bounds.integer_digits, bounds.fraction_digits)
    edge = (low or high or (Decimal(0), False))[0]
    # A float has fifteen digits: an end that nobody named is near enough to leave room for the fraction.
    usual = min(bounds.integer_digits, max(1, FLOAT_DIGITS - bounds.fraction_digits))
    most_digits = max(usual, len(str(int(abs(edge)))) + 1)
    reach = min(Decimal(10) ** most_digits - 1, _FARTHEST)
    first, last = low or (-reach, False), high or (reach, False)
    return numbers(first[0], last[0], bounds.fraction_digits, above=first[1], below=last[1])


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
