"""Numbers between bounds, against Python's own arithmetic."""

from __future__ import annotations

import json
import random
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from bridle.grammars import Grammar, matches, sample, schema_grammar
from bridle.grammars.digits import any_integer, any_number, integers, numbers

_SEEDS = st.integers(0, 2**32)
_WHOLE = st.one_of(st.integers(-30, 30), st.integers(-5000, 5000), st.integers(-(10**12), 10**12))
_DECIMALS = st.one_of(
    st.decimals(-5, 5, places=3), st.decimals(-3000, 3000, places=1), st.integers(-9, 9).map(Decimal)
)


@given(ends=st.tuples(_WHOLE, _WHOLE).map(sorted), near=st.integers(-3, 3), other=_WHOLE, seed=_SEEDS)
def test_integers_are_exact(ends: list[int], near: int, other: int, seed: int) -> None:
    low, high = ends
    node = integers(low, high)
    assert node is not None
    grammar = Grammar(node)
    for number in (low, high, low + near, high + near, (low + high) // 2, other, 0):
        assert matches(grammar, str(number)) == (low <= number <= high)
    assert low <= int(sample(grammar, random.Random(seed))) <= high
    assert not any(matches(grammar, text) for text in ("-0", "00", "01", "+1", "1.0", ""))


def test_no_integer_lies_between() -> None:
    assert integers(3, 2) is None


@given(
    ends=st.tuples(_DECIMALS, _DECIMALS).map(sorted),
    open_ends=st.tuples(st.booleans(), st.booleans()),
    other=_DECIMALS,
    seed=_SEEDS,
)
def test_numbers_are_exact(
    ends: list[Decimal], open_ends: tuple[bool, bool], other: Decimal, seed: int
) -> None:
    (low, high), (above, below) = ends, open_ends

    def inside(number: Decimal) -> bool:
        return (low < number or (low == number and not above)) and (
            number < high or (number == high and not below)
        )

    node = numbers(low, high, 3, above=above, below=below)
    step = Decimal("0.001")
    tried = [low, high, low + step, low - step, high + step, high - step, other, (low + high) / 2, Decimal(0)]
    texts = {format(number.quantize(step).normalize(), "f") for number in tried} - {"-0"}
    if node is None:
        assert not any(inside(Decimal(text)) for text in texts)
        return
    grammar = Grammar(node)
    for text in texts:
        assert matches(grammar, text) == inside(Decimal(text)), text
        if "." in text and len(text.partition(".")[2]) < 3:
            assert matches(grammar, text + "0") == inside(Decimal(text)), text
    drawn = sample(grammar, random.Random(seed))
    assert inside(Decimal(drawn))
    assert drawn != "-0"
    assert json.loads(drawn) == float(drawn)


@given(number=st.integers(-(10**14), 10**14), places=st.integers(0, 6))
def test_every_number_that_json_writes_without_exponent_is_held(number: int, places: int) -> None:
    text = json.dumps(number / 10**places)
    if "e" not in text and len(text.partition(".")[2]) <= 6:
        assert matches(Grammar(any_number(15, 6)), text)
    assert matches(Grammar(any_integer(15)), str(number))


def test_numbers_without_fraction_are_integers() -> None:
    assert any_number(4, 0) == any_integer(4)
    assert not matches(Grammar(any_integer(4)), "12345")


def test_bounds_of_many_decimals_are_rounded_to_the_inside() -> None:
    node = numbers(Decimal("1e-300"), Decimal("0.5"), 3)
    assert node is not None
    assert not matches(Grammar(node), "0")
    assert not matches(Grammar(node), "0.0")
    assert matches(Grammar(node), "0.001")


def test_bounds_hold_after_parsing_to_a_double() -> None:
    node = numbers(Decimal(10**14), Decimal(10**14 + 1), 6, above=True, below=True)
    rng = random.Random(1)
    if node is not None:
        assert all(10**14 < float(sample(Grammar(node), rng)) < 10**14 + 1 for _ in range(50))


def test_a_number_with_one_bound_may_have_a_fraction() -> None:
    for schema in ({"minimum": 0}, {"maximum": 50}, {"exclusiveMinimum": 0}, {"minimum": 0, "maximum": 100}):
        grammar = schema_grammar({"type": "number", **schema})
        assert all(matches(grammar, text) for text in ("7", "19.99", "36.6", "0.123456")), schema
