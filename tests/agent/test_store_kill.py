"""Processes that are killed, and processes that write at the same time: nothing acknowledged is lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bridle.agent.store import Store
from store_killing import check_file
from store_scripts import KILLING, WRITING, run_script


def killed(home: Path, what: str, rounds: int) -> dict[str, int]:
    process = run_script(KILLING, what, home, rounds, 7)
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, "what was left is not what was acknowledged"
    return {str(key): int(value) for key, value in json.loads(output).items()}


def test_a_writer_that_is_killed_at_any_instant_loses_nothing(tmp_path: Path) -> None:
    found = killed(tmp_path, "writer", 12)
    assert found["killed"] == 12
    assert found["steps"] > 12


def test_a_migration_that_is_killed_at_any_instant_is_done_by_the_next_process(tmp_path: Path) -> None:
    assert killed(tmp_path, "migration", 12)["killed"] == 12


@pytest.mark.slow
def test_two_hundred_killed_writers_lose_nothing(tmp_path: Path) -> None:
    assert killed(tmp_path, "writer", 200)["steps"] > 200


@pytest.mark.slow
def test_two_hundred_killed_migrations_lose_nothing(tmp_path: Path) -> None:
    found = killed(tmp_path, "migration", 200)
    assert found["before"] > 50  # they were killed in the middle of it


@pytest.mark.parametrize(("processes", "steps"), [(2, 25), pytest.param(4, 150, marks=pytest.mark.slow)])
def test_processes_that_write_at_the_same_time_lose_no_step(
    tmp_path: Path, processes: int, steps: int
) -> None:
    """All of them also want to make the file and the agent."""
    running = [run_script(WRITING, tmp_path, f"writer{number}", steps) for number in range(processes)]
    outputs = [process.communicate(timeout=300)[0] for process in running]
    assert [process.returncode for process in running] == [0] * processes
    assert [len(output.splitlines()) for output in outputs] == [steps] * processes
    with Store(tmp_path) as store:
        state = store.load("ada")
        assert state is not None
        assert state.revision == state.turn + 1 == processes * steps + 1
        texts = [one.text for one in store.messages("ada")]
        assert store.counts("ada").messages == len(texts)
    wanted = {
        f"writer{number} {step} {part}"
        for number in range(processes)
        for step in range(steps)
        for part in range(3)
    }
    assert len(texts) == len(wanted)
    assert set(texts) == wanted
    check_file(tmp_path)
