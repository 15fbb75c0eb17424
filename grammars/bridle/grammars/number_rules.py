"""From a schema's bounds of a number to rules over its digits."""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from bridle.grammars.bounds import Bounds
from bridle.grammars.digits import any_integer, any_number, integers, numbers
from bridle.grammars.ir import Node
from bridle.grammars.schema_merge import Impossible, Schema

__all__ = ["integer_rules", "number_rules"]

_FARTHEST = Decimal(10) ** 40  # numbers beyond are never written


def integer_rules(schema: Schema, bounds: Bounds, pointer: str) -> Node:
    """Return rules for the integers that a schema at `pointer` admits.

    Raises:
        Impossible: when there are none.
    """
    low, above, high, below = _range(schema)
    if low is None and high is None:
        return any_integer(bounds.integer_digits)
    least = None if low is None else int(low.to_integral_value(ROUND_CEILING))
    most = None if high is None else int(high.to_integral_value(ROUND_FLOOR))
    if least is not None and above and least == low:
        least += 1
    if most is not None and below and most == high:
        most -= 1
    digits = max(bounds.integer_digits, len(str(abs(least or most or 0))) + 1)
    reach = min(10**digits - 1, int(_FARTHEST))
    node = integers(-reach if least is None else least, reach if most is None else most)
    if node is None:
        raise Impossible("no integer lies between the bounds", pointer=pointer)
    return node


def number_rules(schema: Schema, bounds: Bounds, pointer: str) -> Node:
    """Return rules for the numbers that a schema at `pointer` admits.

    Raises:
        Impossible: when there are none.
    """
    low, above, high, below = _range(schema)
    if low is None and high is None:
        return any_number(bounds.integer_digits, bounds.fraction_digits)
    most_digits = max(bounds.integer_digits, len(str(int(abs(low or high or Decimal(0))))) + 1)
    reach = min(Decimal(10) ** most_digits - 1, _FARTHEST)
    ends = (-reach if low is None else low, reach if high is None else high)
    node = numbers(*ends, bounds.fraction_digits, above=above, below=below)
    if node is None:
        raise Impossible("no number lies between the bounds", pointer=pointer)
    return node


def _range(schema: Schema) -> tuple[Decimal | None, bool, Decimal | None, bool]:
    """Return the lower bound, whether it is left out itself, and the same of the upper one."""
    low, above = _bound(schema, "minimum", "exclusiveMinimum", max)
    high, below = _bound(schema, "maximum", "exclusiveMaximum", min)
    low = low if low is None else max(low, -_FARTHEST)
    high = high if high is None else min(high, _FARTHEST)
    return low, above, high, below


def _bound(
    schema: Schema, inclusive: str, exclusive: str, tighter: Callable[[Decimal, Decimal], Decimal]
) -> tuple[Decimal | None, bool]:
    given = [(Decimal(str(schema[key])), key == exclusive) for key in (inclusive, exclusive) if key in schema]
    if not given:
        return None, False
    bound = given[0][0] if len(given) == 1 else tighter(given[0][0], given[1][0])
    return bound, any(left_out for value, left_out in given if value == bound)
