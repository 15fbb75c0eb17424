"""A conversation much longer than the model's window: always an answer, nothing is lost, nothing grows."""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path

import pytest

from bridle.agent.prompt import COMPACT, FULL, SMALL, Profile
from bridle.agent.runner import Agent
from bridle.agent.store import Store
from project import ROOT, run_python
from talking_model import WRAPPER, TalkingModel, said_in_turn

WINDOW = 2048
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="reads the process's memory from /proc")


def memory_kb() -> int:
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def opened(store: Store, model: TalkingModel, profile: Profile) -> Agent:
    return Agent.open(store, "long", model, wrapper=WRAPPER, profile=profile)


def talked(agent: Agent, first: int, last: int) -> None:
    for number in range(first, last):
        turn = agent.turn(said_in_turn(number))
        assert turn.reply.startswith(("Done, this is what came of it", "I have heard all of it")), turn


@on_linux
def test_three_hundred_turns_fit_a_small_window_and_memory_stays_flat(tmp_path: Path) -> None:
    model = TalkingModel(WINDOW, held=False)
    with Store(tmp_path) as store:
        agent = opened(store, model, SMALL)
        talked(agent, 0, 100)
        before = memory_kb()
        talked(agent, 100, 300)
        assert memory_kb() <= before * 1.1
        assert model.longest <= WINDOW
        assert model.summaries > 0
        assert agent.state.summary
        assert len(agent.state.history) < 100, "the state does not grow"
        assert store.counts("long").messages == 600
        (first,) = [
            hit for hit in store.find_messages("long", "number 0").hits if hit.text == said_in_turn(0)
        ]
        assert first.role == "user", "what has left the window is still found"
        edits = store.history("long", "human")
        assert len(edits) == 60
        ordered = sorted(edits, key=lambda edit: edit.id)
        assert all(one.after == other.before for one, other in pairwise(ordered))


@pytest.mark.parametrize("profile", [COMPACT, FULL], ids=["compact", "full"])
def test_every_profile_fits_a_small_window(tmp_path: Path, profile: Profile) -> None:
    model = TalkingModel(WINDOW, held=False)
    with Store(tmp_path) as store:
        talked(opened(store, model, profile), 0, 60)
        assert model.longest <= WINDOW
        assert store.counts("long").messages == 120


def test_constraints_are_made_on_every_step_of_a_model_that_holds_them(tmp_path: Path) -> None:
    model = TalkingModel(WINDOW)
    with Store(tmp_path) as store:
        agent = opened(store, model, SMALL)
        talked(agent, 0, 15)
        assert agent.last is not None
        called = [one for one in agent.last.completions if one.message.calls]
        assert {one.constraint.proof for one in called} == {"proven"}


@pytest.mark.slow
@on_linux
def test_ten_thousand_turns_stay_within_the_limits() -> None:
    script = ROOT / "benchmarks" / "long_conversation.py"
    done = run_python(str(script), "--turns", "10000", "--free", timeout_s=1800)
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1] == "all limits hold"
