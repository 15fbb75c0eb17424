"""Numbers between bounds as rules over their digits, exact and without exponents.

Integers are written as `json.dumps` writes them: no leading zeros, no `-0`. A number is an integer with an
optional fraction, which may end in zeros.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal

from bridle.grammars.ir import EMPTY, ENDLESS, Chars, Lit, Node, Repeat, alt, optional, seq

__all__ = ["FLOAT_DIGITS", "any_integer", "any_number", "integers", "numbers"]

_MOST_PLACES = 17  # of a bound; further ones are rounded
FLOAT_DIGITS = 15  # a double tells decimals of this many digits apart, so that bounds hold after parsing


def any_integer(digits: int) -> Node:
    """Integers of at most that many digits."""
    whole = seq(optional(Lit("-")), _digit(1, 9), _some(digits - 1))
    return alt(Lit("0"), whole)


def any_number(digits: int, fraction_digits: int) -> Node:
    """Numbers of at most that many digits before and after the point."""
    if fraction_digits == 0:
        return any_integer(digits)
    fraction = seq(Lit("."), Repeat(_digit(0, 9), 1, fraction_digits))
    return alt(seq(any_integer(digits), optional(fraction)), seq(Lit("-0"), fraction))


def integers(low: int, high: int) -> Node | None:
    """Integers from `low` to `high`, both included; None when there are none."""
    parts: list[Node] = []
    if low < 0:
        parts.append(seq(Lit("-"), _whole(max(1, -high), -low)))
    if high >= 0 and low <= high:
        parts.append(_whole(max(0, low), high))
    return alt(*parts) if low <= high else None


def numbers(
    low: Decimal, high: Decimal, fraction_digits: int, *, above: bool = False, below: bool = False
) -> Node | None:
    """Numbers from `low` to `high`; `above` and `below` leave out the ends. None when there are none.

    Where `fraction_digits` is `ENDLESS`, fractions have no end either.
    """
    low, high = _rounded(low, ROUND_CEILING), _rounded(high, ROUND_FLOOR)
    whole_digits = len(str(int(max(abs(low), abs(high)))))
    room = max(min(fraction_digits, FLOAT_DIGITS - whole_digits), _places(low), _places(high), 0)
    room = 2 * ENDLESS if fraction_digits >= ENDLESS else room
    parts: list[Node | None] = []
    if low < 0:
        upper = (-high, below) if high < 0 else (Decimal(0), True)
        parts.append(_prefixed("-", _positive(upper[0], upper[1], -low, above, room)))
    if high >= 0:
        lower = (low, above) if low >= 0 else (Decimal(0), False)
        parts.append(_positive(lower[0], lower[1], high, below, room))
    return _choice(parts)


def _positive(low: Decimal, above: bool, high: Decimal, below: bool, room: int) -> Node | None:
    """Numbers between two that are not negative."""
    if low > high or (low == high and (above or below)):
        return None
    first, last = int(low), int(high)
    low_digits, high_digits = _fraction(low), _fraction(high)
    if first == last:
        return _prefixed(str(first), _between(low_digits, above, high_digits, below, room, "."))
    parts = [_prefixed(str(first), _between(low_digits, above, None, False, room, "."))]
    if first + 1 < last:
        parts.append(seq(_whole(first + 1, last - 1), _some(room, ".")))
    parts.append(_prefixed(str(last), _between("", False, high_digits, below, room, ".")))
    return _choice(parts)


def _between(low: str, above: bool, high: str | None, below: bool, room: int, lead: str = "") -> Node | None:
    """Digits of a fraction, at most `room`, that lie between. `lead` goes first; no digits mean zero."""
    at_low = low.strip("0") == ""
    if at_low and not above and high is None:
        return _some(room, lead)
    at_high = high is not None and high.strip("0") == ""
    if room >= ENDLESS and (at_high or high is None) and (at_low or at_high):
        return (
            _endless(lead, positive=high is None)
            if at_low and (high is None or not (above or below))
            else None
        )
    parts: list[Node | None] = []
    if at_low and not above and not (at_high and below):
        parts.append(EMPTY)
    if room > 0:
        parts.extend(_next_digit(low, above, high, below, room - 1, lead))
    return _choice(parts)


def _endless(lead: str, *, positive: bool) -> Node:
    """Digits of a fraction without an end that is not zero, or that is."""
    zeros = Repeat(Lit("0"), 0, ENDLESS)
    if positive:
        return seq(Lit(lead), zeros, _digit(1, 9), _some(ENDLESS))
    return optional(seq(Lit(lead), Lit("0"), zeros))


def _next_digit(
    low: str, above: bool, high: str | None, below: bool, room: int, lead: str
) -> list[Node | None]:
    least = int(low[:1] or "0")
    if high is None:
        most, inner_most = 9, 9
    else:
        most = int(high[:1] or "0")
        inner_most = most - 1
    if high is not None and least == most:
        return [_prefixed(f"{lead}{least}", _between(low[1:], above, high[1:], below, room))]
    parts = [_prefixed(f"{lead}{least}", _between(low[1:], above, None, False, room))]
    if least < inner_most:
        parts.append(seq(Lit(lead), _digit(least + 1, inner_most), _some(room)))
    if high is not None:
        parts.append(_prefixed(f"{lead}{most}", _between("", False, high[1:], below, room)))
    return parts


def _rounded(number: Decimal, towards: str) -> Decimal:
    """Round a bound with many decimals to the inside."""
    if _places(number) <= _MOST_PLACES:
        return number
    return number.quantize(Decimal(1).scaleb(-_MOST_PLACES), towards, Context(prec=100))


def _fraction(number: Decimal) -> str:
    _, _, digits = format(number, "f").partition(".")
    return digits.rstrip("0")


def _places(number: Decimal) -> int:
    return len(_fraction(number))


def _whole(low: int, high: int) -> Node:
    """Whole numbers from low to high, neither negative."""
    parts: list[Node] = []
    for length in range(len(str(low)), len(str(high)) + 1):
        least = max(low, 10 ** (length - 1) if length > 1 else 0)
        parts.append(_same_length(str(least), str(min(high, 10**length - 1))))
    return alt(*parts)


def _same_length(low: str, high: str) -> Node:
    if not low:
        return EMPTY
    rest = len(low) - 1
    if low[0] == high[0]:
        return seq(Lit(low[0]), _same_length(low[1:], high[1:]))
    first, last = int(low[0]), int(high[0])
    parts: list[Node] = []
    if low[1:] != "0" * rest:
        parts.append(seq(Lit(low[0]), _same_length(low[1:], "9" * rest)))
        first += 1
    if high[1:] != "9" * rest:
        last -= 1
    if first <= last:
        parts.append(seq(_digit(first, last), _exactly(rest)))
    if high[1:] != "9" * rest:
        parts.append(seq(Lit(high[0]), _same_length("0" * rest, high[1:])))
    return alt(*parts)


def _digit(first: int, last: int) -> Node:
    return Lit(str(first)) if first == last else Chars(((0x30 + first, 0x30 + last),))


def _some(most: int, lead: str = "") -> Node:
    if most <= 0:
        return EMPTY
    most = min(most, ENDLESS)
    if lead:
        return optional(seq(Lit(lead), Repeat(_digit(0, 9), 1, most)))
    return Repeat(_digit(0, 9), 0, most)


def _exactly(count: int) -> Node:
    return Repeat(_digit(0, 9), count, count) if count > 0 else EMPTY


def _prefixed(text: str, node: Node | None) -> Node | None:
    return None if node is None else seq(Lit(text), node)


def _choice(parts: list[Node | None]) -> Node | None:
    found = [part for part in parts if part is not None]
    return alt(*found) if found else None
