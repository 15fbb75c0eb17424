"""`bridle bench memory`: measure the memory agent and its archive, with numbers that can be compared.

Nested key-value pairs need no data. LoCoMo's questions need the file that its authors publish, which the user
fetches; nothing is downloaded here. Results go to standard output, progress to standard error.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bridle.cli import output
from bridle.cli.connecting import EndpointCommand, open_endpoint
from bridle.errors import BridleError

if TYPE_CHECKING:
    from bridle.agent.archival.base import Embedder
    from bridle.bench.locomo import Conversation
    from bridle.bench.nested_kv import Outcome
    from bridle.bench.retrieval import Asked
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
@click.option(
    "--locomo",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Recall on the questions of locomo10.json, which you fetch.",
)
@click.option("--embedder", metavar="SPEC", help="With vectors of this model as well; default: words alone.")
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
    locomo: Path | None,
    embedder: str | None,
    as_json: bool,
    offline: bool,
) -> int:
    """Measure what an agent finds again.

    --nested-kv asks the real agent for values that take several searches to find. Without --endpoint a small
    program stands in for the model, and must be right every time (exit code 1 if it is not).

    --locomo stores the conversations of the file as an agent's archive does, and tells which share of the
    evidence is among the first 5, 10, 25 and 50 turns that each question brings.
    """
    if nested_kv == (locomo is not None):
        raise click.UsageError("say what to measure: --nested-kv or --locomo FILE")
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bridle-bench-")))
        if locomo is not None:
            _measure_locomo(locomo, home, embedder, as_json=as_json, offline=offline)
            return 0
        from bridle.bench.nested_kv import ask, puzzles, read_levels
        from bridle.bench.reader import Reader

        asked = tuple(puzzles(read_levels(levels), orderings, seed))
        solver: Endpoint = Reader(leafing=not words)
        chosen = "auto"
        if endpoint is not None:
            solver, chosen = open_endpoint(endpoint, model=model, wrapper=wrapper, offline=offline)
            stack.callback(solver.close)
        begun = time.monotonic()
        outcomes = ask(solver, asked, home, wrapper=chosen, on_outcome=_tell)
        facts = _nested_facts(outcomes, solver, seed, time.monotonic() - begun)
    if as_json:
        output.print_json(facts)
    else:
        _print_nested(outcomes, facts)
    return 1 if endpoint is None and not all(one.right for one in outcomes) else 0


def _tell(outcome: Outcome) -> None:
    puzzle, word = outcome.puzzle, "right" if outcome.right else "wrong"
    why = f": {outcome.error or outcome.reply}" if not outcome.right else ""
    searches = "1 search" if outcome.searches == 1 else f"{outcome.searches} searches"
    output.print_note(f"level {puzzle.level}, ordering {puzzle.ordering}: {word} after {searches}{why}")


def _nested_facts(
    outcomes: Sequence[Outcome], solver: Endpoint, seed: int, seconds: float
) -> dict[str, object]:
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


def _print_nested(outcomes: Sequence[Outcome], facts: Mapping[str, object]) -> None:
    click.echo(f"Nested pairs, {facts['pairs']} in the archive, answered by {facts['model']}")
    for level in dict.fromkeys(one.puzzle.level for one in outcomes):
        these = [one for one in outcomes if one.puzzle.level == level]
        right, searches = sum(one.right for one in these), sum(one.searches for one in these) / len(these)
        click.echo(f"  level {level}: {right} of {len(these)} right, {searches:.1f} searches each")
    click.echo(f"  all: {facts['right']} of {facts['asked']} right, score {facts['score']:.3f}")


def _measure_locomo(file: Path, home: Path, embedder: str | None, *, as_json: bool, offline: bool) -> None:
    from bridle.bench.locomo import read_locomo
    from bridle.bench.retrieval import retrieve

    conversations = read_locomo(file)
    vectors = _embedder(embedder, offline) if embedder is not None else None
    asked: list[Asked] = []
    with ExitStack() as stack:
        if vectors is not None:
            stack.callback(vectors.close)
        for number, conversation in enumerate(conversations):
            asked += retrieve(conversation, home / str(number), embedder=vectors)
            output.print_note(f"{conversation.name}: {len(asked)} questions so far")
    facts = _locomo_facts(conversations, asked, embedder)
    if as_json:
        output.print_json(facts)
    else:
        _print_locomo(asked, facts)


def _embedder(spec: str, offline: bool) -> Embedder | None:
    from dataclasses import replace

    from bridle.agent.archival.embedders import open_embedder
    from bridle.endpoints.config import load_config

    config = load_config()
    return open_embedder(
        replace(config, embedding=replace(config.embedding, endpoint=spec, model="")), offline=offline
    )


def _locomo_facts(
    conversations: Sequence[Conversation], asked: Sequence[Asked], embedder: str | None
) -> dict[str, object]:
    from bridle.bench.locomo import CATEGORIES
    from bridle.bench.retrieval import CUTS, hits_at, recall_at, units

    texts = units(conversations)
    questions = [question for one in conversations for question in one.questions]
    by_category = {
        number: [one for one in asked if one.question.category == number]
        for number in sorted({one.question.category for one in asked})
    }
    return {
        "suite": "locomo",
        "recall": {str(k): recall_at(asked, k) for k in CUTS},
        "hit": {str(k): hits_at(asked, k) for k in CUTS},
        "per_category": {
            CATEGORIES.get(number, str(number)): {
                "questions": len(these),
                "recall": {str(k): recall_at(these, k) for k in CUTS},
            }
            for number, these in by_category.items()
        },
        "questions": len(asked),
        "without_evidence": len(questions) - len(asked),
        "unresolved_evidence": [piece for question in questions for piece in question.unresolved],
        "conversations": len(conversations),
        "units": len(texts),
        "characters_per_unit": sum(map(len, texts)) / max(len(texts), 1),
        **_tokens(texts),
        "embedder": embedder,
    }


def _tokens(texts: Sequence[str]) -> dict[str, object]:
    """The mean tokens of a unit, by the only tokenizer that is always at hand, where it can be run."""
    from bridle.bench.retrieval import tokens_per_unit
    from bridle.endpoints.embedded import open_embedded

    try:
        with closing(open_embedded()) as model:
            return {"tokens_per_unit": tokens_per_unit(texts, model), "tokens_of": "the embedded model"}
    except BridleError as error:
        output.print_note(f"tokens are not counted: {error.message}")
        return {"tokens_per_unit": None, "tokens_of": None}


def _print_locomo(asked: Sequence[Asked], facts: Mapping[str, object]) -> None:
    from bridle.bench.locomo import CATEGORIES
    from bridle.bench.retrieval import CUTS, hits_at, recall_at

    how = f"words and vectors of {facts['embedder']}" if facts["embedder"] else "words alone"
    click.echo(f"LoCoMo, {facts['questions']} questions with evidence, {facts['units']} turns, by {how}")
    click.echo("  recall          n" + "".join(f"{f'@{k}':>7}" for k in CUTS))
    for category in (*sorted({one.question.category for one in asked}), None):
        these = [one for one in asked if category in (None, one.question.category)]
        name = "all" if category is None else CATEGORIES.get(category, str(category))
        row = "".join(f"{recall_at(these, k):7.3f}" for k in CUTS)
        click.echo(f"  {name:12}{len(these):5}{row}")
    click.echo("  some evidence    " + "".join(f"{hits_at(asked, k):7.3f}" for k in CUTS))
    size = facts["tokens_per_unit"]
    tokens = f"{size:.1f} tokens of {facts['tokens_of']}, " if isinstance(size, float) else ""
    click.echo(f"  a turn has {tokens}{facts['characters_per_unit']:.1f} characters on average")
    if unresolved := facts["unresolved_evidence"]:
        click.echo(f"  evidence that names no turn: {unresolved}")
