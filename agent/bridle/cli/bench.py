"""`bridle bench memory`: measure the memory agent and its archive, with numbers that can be compared.

Nested key-value pairs need no data. LoCoMo's questions need the file that its authors publish, which the user
fetches; nothing is downloaded here. Results go to standard output, progress to standard error.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bridle.cli import output
from bridle.cli.connecting import EndpointCommand, open_endpoint

if TYPE_CHECKING:
    from bridle.bench.nested_kv import Outcome
    from bridle.endpoints import Endpoint

__all__ = ["command"]


@click.group("bench")
def command() -> None:
    """Measure memory and retrieval."""


@command.command("memory", cls=EndpointCommand)
@click.option("--nested-kv", is_flag=True, help="Pairs of keys and values that lead to one another.")
@click.option("--levels", default="0-5", show_default=True, help="How deep the pairs are nested.")
@click.option("--orderings", default=3, show_default=True, type=click.IntRange(1), help="Puzzles per level.")
@click.option("--seed", default=1, show_default=True, help="What the puzzles are made from.")
@click.option("--words", is_flag=True, help="Without a model: search for each key instead of leafing.")
@click.option("--endpoint", metavar="SPEC", help="A model; without it a program reads and searches.")
@click.option("--model", help="Which model of a server.")
@click.option("--wrapper", metavar="W", help="The prompt format; default: by the model.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--offline", is_flag=True, help="Connect to nothing but this machine.")
def memory(
    nested_kv: bool,
    levels: str,
    orderings: int,
    seed: int,
    words: bool,
    endpoint: str | None,
    model: str | None,
    wrapper: str | None,
    as_json: bool,
    offline: bool,
) -> int:
    """Measure what an agent finds again.

    --nested-kv asks the real agent for values that take several searches to find. Without --endpoint a small
    program stands in for the model, and must be right every time (exit code 1 if it is not).
    """
    if not nested_kv:
        raise click.UsageError("say what to measure: --nested-kv")
    from bridle.bench.nested_kv import ask, puzzles, read_levels
    from bridle.bench.reader import Reader

    asked = tuple(puzzles(read_levels(levels), orderings, seed))
    begun = time.monotonic()
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bridle-bench-")))
        solver: Endpoint = Reader(leafing=not words)
        chosen = "auto"
        if endpoint is not None:
            solver, chosen = open_endpoint(endpoint, model=model, wrapper=wrapper, offline=offline)
            stack.callback(solver.close)
        outcomes = ask(solver, asked, home, wrapper=chosen, on_outcome=_tell)
        facts = _facts(outcomes, solver, seed, time.monotonic() - begun)
    if as_json:
        output.print_json(facts)
    else:
        _print_nested(outcomes, facts)
    return 1 if endpoint is None and not all(one.right for one in outcomes) else 0


def _tell(outcome: Outcome) -> None:
    puzzle, word = outcome.puzzle, "right" if outcome.right else "wrong"
    why = f": {outcome.error or outcome.reply}" if not outcome.right else ""
    searches = output.counted(outcome.searches, "search").replace("searchs", "searches")
    output.print_note(f"level {puzzle.level}, ordering {puzzle.ordering}: {word} after {searches}{why}")


def _facts(outcomes: Sequence[Outcome], solver: Endpoint, seed: int, seconds: float) -> dict[str, object]:
    levels = dict.fromkeys(one.puzzle.level for one in outcomes)
    right = sum(one.right for one in outcomes)
    return {
        "suite": "nested-kv",
        "model": solver.model or solver.name,
        "pairs": len(outcomes[0].puzzle.pairs),
        "seed": seed,
        "levels": {
            str(level): {
                "right": sum(one.right for one in outcomes if one.puzzle.level == level),
                "asked": sum(one.puzzle.level == level for one in outcomes),
            }
            for level in levels
        },
        "right": right,
        "asked": len(outcomes),
        "score": right / len(outcomes),
        "searches": sum(one.searches for one in outcomes),
        "steps": sum(one.steps for one in outcomes),
        "overflows": sum(bool(one.error) for one in outcomes),
        "seconds": round(seconds, 3),
    }


def _print_nested(outcomes: Sequence[Outcome], facts: dict[str, object]) -> None:
    click.echo(f"Nested pairs, {facts['pairs']} in the archive, answered by {facts['model']}")
    for level in dict.fromkeys(one.puzzle.level for one in outcomes):
        these = [one for one in outcomes if one.puzzle.level == level]
        right, searches = sum(one.right for one in these), sum(one.searches for one in these)
        click.echo(
            f"  level {level}: {right} of {len(these)} right, {searches / len(these):.1f} searches each"
        )
    click.echo(f"  all: {facts['right']} of {facts['asked']} right, score {facts['score']:.3f}")
