"""Nested key-value pairs: how the puzzles are made and scored, and that a perfect reader solves them all."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bridle.bench.nested_kv import LEVELS, PAIRS, Puzzle, ask, is_right, puzzles, read_levels
from bridle.bench.reader import Reader
from bridle.cli import main
from bridle.endpoints.base import Answer, Request
from bridle.errors import ContextOverflow, InputError
from bridle.messages import Message


def solved(home: Path, asked: list[Puzzle], *, leafing: bool) -> None:
    outcomes = ask(Reader(leafing=leafing), asked, home)
    assert [one.puzzle for one in outcomes] == asked
    wrong = [(one.puzzle.level, one.puzzle.ordering, one.reply) for one in outcomes if not one.right]
    assert wrong == []
    for one in outcomes:
        assert one.steps == one.searches + 1, "each step but the reply is a search"
        assert one.searches >= one.puzzle.level + 2


@pytest.mark.parametrize("level", LEVELS)
def test_a_puzzle_holds_the_way_that_it_asks_for(level: int) -> None:
    for puzzle in puzzles([level], 3, seed=7):
        values = dict(puzzle.pairs)
        assert len(values) == len(puzzle.pairs) == len(puzzle.notes) == PAIRS
        assert len(puzzle.path) == level + 2
        assert [values[key] for key in puzzle.path[:-1]] == list(puzzle.path[1:])
        assert puzzle.path[-1] not in values
        assert puzzle.path[0] in puzzle.question


def test_equal_seeds_make_equal_puzzles() -> None:
    assert list(puzzles(LEVELS, 2, seed=1)) == list(puzzles(LEVELS, 2, seed=1))
    assert list(puzzles(LEVELS, 2, seed=1)) != list(puzzles(LEVELS, 2, seed=2))
    one, other = puzzles([3], 2, seed=1)
    assert one.pairs != other.pairs


def test_only_the_last_value_is_right() -> None:
    (puzzle,) = puzzles([2], 1, seed=1)
    stranger = next(key for key, _ in puzzle.pairs if key not in puzzle.path)
    assert is_right(puzzle, f"It is {puzzle.path[-1].upper()}.")
    assert is_right(puzzle, " leads to ".join(puzzle.path))
    assert not is_right(puzzle, puzzle.path[-2])
    assert not is_right(puzzle, f"{puzzle.path[-1]} or {stranger}")
    assert not is_right(puzzle, "")


@pytest.mark.parametrize("text", ["", "a", "5-0", "1-", "0;1", "0,,1"])
def test_levels_that_cannot_be_read_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_levels(text)


def test_a_way_must_fit_into_the_pairs() -> None:
    with pytest.raises(InputError, match="level 5 with 5 pairs"):
        next(puzzles([5], 1, seed=1, count=5))


def test_a_reader_solves_every_level_through_the_real_agent(tmp_path: Path) -> None:
    solved(tmp_path, list(puzzles(LEVELS, 2, seed=11)), leafing=False)


def test_a_reader_that_leafs_through_the_pages_solves_the_deepest_level(tmp_path: Path) -> None:
    solved(tmp_path, list(puzzles([0, 5], 1, seed=12)), leafing=True)


@pytest.mark.slow
@pytest.mark.parametrize("leafing", [False, True])
def test_a_reader_solves_thirty_orderings_of_each_level(tmp_path: Path, leafing: bool) -> None:
    solved(tmp_path, list(puzzles(LEVELS, 30, seed=13)), leafing=leafing)


def test_a_reader_says_when_it_does_not_know() -> None:
    reader = Reader()
    unknown = reader.complete(Request(messages=(Message("user", "How are you?"),)))
    assert "only look up keys" in unknown.calls[0].arguments
    (puzzle,) = puzzles([0], 1, seed=1)
    stopped = reader.complete(Request(messages=(Message("user", puzzle.question),)))
    assert "was stopped" in stopped.calls[0].arguments
    assert reader.count_tokens(Request()) is None


def test_a_prompt_that_fits_no_window_is_a_wrong_answer(tmp_path: Path) -> None:
    class Small(Reader):
        def complete(
            self,
            request: Request,
            on_text: Callable[[str], None] | None = None,
            should_stop: Callable[[], bool] | None = None,
        ) -> Answer:
            raise ContextOverflow("it does not fit")

    (outcome,) = ask(Small(), list(puzzles([0], 1, seed=1)), tmp_path)
    assert (outcome.right, outcome.error) == (False, "it does not fit")


def test_the_command_prints_the_score(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "memory", "--nested-kv", "--levels", "0,2", "--orderings", "1", "--words"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[-1] == "  all: 2 of 2 right, score 1.000"
    assert err.splitlines() == [
        "level 0, ordering 0: right after 2 searches",
        "level 2, ordering 0: right after 4 searches",
    ]
    assert main(["bench", "memory", "--nested-kv", "--levels", "1", "--orderings", "1", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["score"], facts["levels"]) == (1.0, {"1": {"right": 1, "asked": 1}})
    assert facts["searches"] > 28, "it leafs through all pages"


def test_the_embedded_model_gets_a_score_and_no_blame(capsys: pytest.CaptureFixture[str]) -> None:
    args = ["bench", "memory", "--nested-kv", "--levels", "0", "--orderings", "1", "--endpoint", "embedded"]
    assert main([*args, "--json", "--offline"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["model"] == "bridle embedded"
    assert 0 <= facts["score"] <= 1


def test_something_to_measure_must_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "memory"]) == 2
    assert "say what to measure" in capsys.readouterr().err
