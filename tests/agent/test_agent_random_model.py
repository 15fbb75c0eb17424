"""The agent on random weights: whatever is written is a valid call, and every turn ends with a reply."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridle.agent import Agent, Store
from bridle.agent.functions import FUNCTIONS, functions_of
from bridle.agent.limits import Limits
from bridle.agent.prompt import COMPACT, FULL, SMALL, Profile
from bridle.agent.step import UNSURE
from bridle.agent.toolbox import tool_from_schema
from bridle.endpoints.llamacpp import LlamaCpp
from bridle.wrappers.checking import check_call
from project import ROOT
from tiny_gguf import write_tiny_llama

MESSAGES = (ROOT / "tests" / "data" / "hundred_messages.txt").read_text("utf-8").splitlines()


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlamaCpp]:
    """Random weights, and the embedded model's window; noise needs far more tokens than words."""
    path = write_tiny_llama(tmp_path_factory.mktemp("noise") / "noise.gguf", n_vocab=2048)
    endpoint = LlamaCpp(path, context_tokens=2048, threads=1)
    yield endpoint
    endpoint.close()


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlamaCpp]:
    """The same with a window that holds the instructions of the full profile, one token for two letters."""
    path = write_tiny_llama(tmp_path_factory.mktemp("wide") / "wide.gguf", n_vocab=2048)
    endpoint = LlamaCpp(path, context_tokens=16384, threads=1)
    yield endpoint
    endpoint.close()


@pytest.mark.parametrize("count", [12, pytest.param(100, marks=pytest.mark.slow)])
def test_noise_makes_valid_calls_and_every_turn_has_a_reply(
    tmp_path: Path, noise: LlamaCpp, count: int
) -> None:
    with Store(tmp_path) as store:
        agent = Agent.open(store, "noise", noise, wrapper="chatml-compact", temperature=1.3, seed=1)
        called: Counter[str] = Counter()
        unsure = 0
        for message in MESSAGES[:count]:
            turn = agent.turn(message)
            assert turn.reply.strip()
            unsure += turn.reply == UNSURE
            assert 1 <= len(turn.completions) <= COMPACT.max_steps
            for completion in turn.completions:
                (one,) = completion.message.calls
                assert check_call(one.name, dict(one.arguments), FUNCTIONS) == one
                assert (completion.constraint.proof, completion.refusals) == ("proven", ())
                called[one.name] += 1
        assert store.counts("noise").messages == 2 * count
    assert called["send_message"] + unsure == count
    assert len(called) >= 3


def _light(level: int = 1) -> str:
    return f"level {level}"


@pytest.mark.parametrize(("profile", "count"), [(SMALL, 6), (FULL, 2)], ids=["small", "full"])
def test_every_profile_has_valid_calls_of_its_functions_and_of_a_tool(
    tmp_path: Path, wide: LlamaCpp, profile: Profile, count: int
) -> None:
    lamp = tool_from_schema(
        {"name": "lamp", "parameters": {"type": "object", "properties": {"level": {"enum": [1, 2, 3]}}}},
        _light,
    )
    with Store(tmp_path) as store:
        agent = Agent.open(
            store, "noise", wide, wrapper="chatml", profile=profile, tools=[lamp],
            limits=Limits(steps=4), temperature=4.0, seed=5,
        )  # fmt: skip
        called: Counter[str] = Counter()
        for message in MESSAGES[:count]:
            turn = agent.turn(message)
            assert turn.reply.strip()
            for completion in turn.completions:
                (one,) = completion.message.calls
                assert check_call(one.name, dict(one.arguments), (*functions_of(profile), lamp.spec)) == one
                assert (completion.constraint.proof, completion.refusals) == ("proven", ())
                called[one.name] += 1
            for step in turn.steps:
                # Names, lines and pages exist, so that only what was done before or is too long can fail.
                assert not step.result.startswith("Failed: there is no"), step
    assert called["send_message"] == count
    assert len(called) >= 2
