"""Choosing tokens: which can be chosen, how often, and the same for the same seed."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridle.endpoints.base import Sampling
from bridle.endpoints.llamacpp.sampling import FloatArray, Sampler
from bridle.errors import EndpointError, InputError


def array(*values: float) -> FloatArray:
    return np.array(values, dtype=np.float32)


def noise(n_vocab: int, seed: int = 0) -> FloatArray:
    return (np.random.default_rng(seed).standard_normal(n_vocab) * 3).astype(np.float32)


def kept(logits: FloatArray, sampling: Sampling, draws: int = 600) -> set[int]:
    sampler = Sampler(replace(sampling, seed=1), len(logits))
    return {sampler.choose(logits) for _ in range(draws)}


def test_temperature_zero_takes_the_likeliest() -> None:
    logits = noise(2000)
    assert Sampler(Sampling(), 2000).choose(logits) == int(logits.argmax())
    assert Sampler(Sampling(temperature=1e-40, top_k=5), 2000).choose(logits) == int(logits.argmax())


@pytest.mark.parametrize("n_vocab", [3, 512, 513, 5000])
@pytest.mark.parametrize("temperature", [0.3, 1.0, 1.5])
def test_the_frequencies_are_those_of_the_softmax(n_vocab: int, temperature: float) -> None:
    logits = noise(n_vocab)
    weights = np.exp(logits.astype(np.float64) / temperature)
    wanted = weights / weights.sum()
    sampler = Sampler(Sampling(temperature=temperature, seed=7), n_vocab)
    draws = 4000
    found = np.bincount([sampler.choose(logits) for _ in range(draws)], minlength=n_vocab) / draws
    likely = wanted > 0.01
    assert np.all(np.abs(found - wanted)[likely] < 4.5 * np.sqrt(wanted[likely] / draws))
    assert abs(found[~likely].sum() - wanted[~likely].sum()) < 0.05


@given(
    seed=st.integers(0, 10_000),
    n_vocab=st.sampled_from([2, 40, 700, 3000]),
    allowed=st.sets(st.integers(0, 2999), min_size=1, max_size=5),
    sampling=st.builds(
        Sampling,
        temperature=st.sampled_from([0.0, 0.5, 1.5]),
        top_k=st.sampled_from([0, 1, 3, 5000]),
        top_p=st.sampled_from([1.0, 0.9, 0.1]),
        min_p=st.sampled_from([0.0, 0.2, 1.0]),
        seed=st.integers(0, 9),
    ),
)
def test_what_is_masked_is_never_chosen_and_a_seed_repeats_itself(
    seed: int, n_vocab: int, allowed: set[int], sampling: Sampling
) -> None:
    logits = noise(n_vocab, seed)
    ids = sorted({token % n_vocab for token in allowed})
    masked = np.full(n_vocab, -np.inf, dtype=np.float32)
    masked[ids] = logits[ids]
    first, second = Sampler(sampling, n_vocab), Sampler(sampling, n_vocab)
    drawn = [first.choose(masked) for _ in range(5)]
    assert set(drawn) <= set(ids)
    assert drawn == [second.choose(masked) for _ in range(5)]


def test_top_k_keeps_the_k_likeliest() -> None:
    logits = noise(1000)
    wanted = {int(i) for i in np.argsort(-logits)[:4]}
    assert kept(logits, Sampling(temperature=3, top_k=4)) == wanted


def test_top_p_keeps_the_fewest_that_reach_it() -> None:
    logits = np.log(array(0.4, 0.3, 0.2, 0.06, 0.04))
    assert kept(logits, Sampling(temperature=5, top_p=0.65)) == {0, 1}
    assert kept(logits, Sampling(temperature=5, top_p=0.75)) == {0, 1, 2}
    assert kept(logits, Sampling(temperature=5, top_p=0.2)) == {0}


@pytest.mark.parametrize("scale", [0.01, 1.0, 5.0])
@pytest.mark.parametrize(
    "sampling", [Sampling(top_p=0.9), Sampling(top_k=300), Sampling(top_k=300, top_p=0.9)]
)
def test_a_large_vocabulary_is_cut_where_sorting_would_cut_it(scale: float, sampling: Sampling) -> None:
    logits = noise(6000) * np.float32(scale)
    order = np.argsort(-logits, kind="stable")[: sampling.top_k or None]
    shares = np.exp(logits[order].astype(np.float64))
    ends = np.cumsum(shares) / shares.sum()
    wanted = {int(token) for token in order[: int(np.searchsorted(ends, sampling.top_p)) + 1]}
    found = kept(logits, replace(sampling, temperature=50))
    assert found <= wanted
    assert len(found) > min(len(wanted), 250) / 2


def test_min_p_keeps_what_is_likely_enough_beside_the_likeliest() -> None:
    logits = np.log(array(0.4, 0.3, 0.2, 0.06, 0.04))
    assert kept(logits, Sampling(temperature=5, min_p=0.4)) == {0, 1, 2}


def test_the_penalty_lowers_the_recent_tokens_alone() -> None:
    logits = array(2.0, -2.0, 1.0, 3.0)
    sampler = Sampler(Sampling(repeat_penalty=2.0, repeat_last=3), 4)
    sampler.penalise(logits, [3, 0, 1, 0])
    assert logits.tolist() == [1.0, -4.0, 1.0, 3.0]
    Sampler(Sampling(), 4).penalise(logits, [2])
    assert logits.tolist() == [1.0, -4.0, 1.0, 3.0]


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(temperature=1, seed=0)])
def test_no_token_left_and_no_numbers_are_errors(sampling: Sampling) -> None:
    sampler = Sampler(sampling, 3)
    with pytest.raises(EndpointError, match="no token"):
        sampler.choose(array(-math.inf, -math.inf, -math.inf))
    with pytest.raises(EndpointError, match="not a number"):
        sampler.choose(array(0.0, math.nan, 1.0))


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(temperature=-1),
        Sampling(temperature=math.nan),
        Sampling(temperature=math.inf),
        Sampling(top_k=-1),
        Sampling(top_p=0),
        Sampling(top_p=1.1),
        Sampling(min_p=-0.1),
        Sampling(repeat_penalty=0),
        Sampling(repeat_last=-1),
        Sampling(seed=-1),
    ],
)
def test_a_value_out_of_its_range_is_named(sampling: Sampling) -> None:
    name = next(n for n in Sampling.__slots__ if repr(getattr(sampling, n)) != repr(getattr(Sampling(), n)))
    with pytest.raises(InputError, match=f"^{name} is "):
        Sampler(sampling, 3)
