"""`bridle memory diff`: how a block changed between two of its versions."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Iterator, Sequence
from datetime import date
from typing import TYPE_CHECKING

import click

from bridle.cli import output
from bridle.cli.existing import store_of
from bridle.cli.memory.history import read_day
from bridle.errors import InputError

if TYPE_CHECKING:
    from bridle.agent.store import Store, StoredEdit

__all__ = ["diff", "difference", "print_difference"]

COLOURS = {"+": "green", "-": "red", "@": "cyan"}


@click.command("diff")
@click.argument("agent")
@click.option("--block", "label", metavar="LABEL", help="Only this block.")
@click.option("--edit", "number", type=int, metavar="N", help="What the edit number N changed.")
@click.option("--from", "first", type=int, metavar="N", help="From what stood there before edit number N.")
@click.option("--to", "last", type=int, metavar="N", help="To what stood there after edit number N.")
@click.option("--since", metavar="DAY", help="From what stood there when this day began.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per block.")
def diff(
    agent: str,
    label: str | None,
    number: int | None,
    first: int | None,
    last: int | None,
    since: str | None,
    as_json: bool,
) -> None:
    """Compare blocks of the agent AGENT with what they were: by default at first, and now.

    The numbers of edits are those of `bridle memory log`.
    """
    if number is not None:
        first = last = number
    day = read_day(since, "--since")
    with store_of(agent) as store:
        _check_numbers(store, agent, [one for one in (first, last) if one is not None])
        named = number is not None and label is None
        labels = [label] if label is not None else list(_labels(store, agent, number if named else None))
        found = [(one, *_versions(store, agent, one, first, last, day)) for one in labels]
    changed = [(name, before, after) for name, before, after in found if before != after]
    for name, before, after in changed:
        if as_json:
            lines = list(difference(name, before, after))
            output.print_json({"block": name, "before": before, "after": after, "diff": lines})
        else:
            print_difference(name, before, after)
    if not changed and not as_json:
        output.print_note("Nothing has changed there.")


def difference(label: str, before: str, after: str) -> Iterator[str]:
    """The lines of a unified diff."""
    return difflib.unified_diff(
        before.split("\n") if before else [],
        after.split("\n") if after else [],
        f"{label} (before)",
        f"{label} (after)",
        lineterm="",
    )


def print_difference(label: str, before: str, after: str) -> None:
    """Print a unified diff, coloured in a terminal."""
    coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    for line in difference(label, before, after):
        shown = output.printable(line)
        click.echo(click.style(shown, fg=COLOURS.get(line[:1])) if coloured else shown, color=coloured)


def _labels(store: Store, agent: str, number: int | None) -> Iterator[str]:
    """The block of one edit, or all of them."""
    if number is not None:
        yield next(edit.label for edit in store.history(agent) if edit.id == number)
        return
    state = store.load(agent)
    yield from state.core.labels if state is not None else ()


def _check_numbers(store: Store, agent: str, numbers: Sequence[int]) -> None:
    known = [edit.id for edit in store.history(agent)] if numbers else []
    for number in numbers:
        if number not in known:
            raise InputError(
                f"there is no edit number {number} of {agent!r}",
                hint=f"`bridle memory log {agent}` lists {len(known)} edits",
            )


def _versions(
    store: Store, agent: str, label: str, first: int | None, last: int | None, day: date | None
) -> tuple[str, str]:
    """What stood in a block before and after the edits that are asked for."""
    state = store.load(agent)
    assert state is not None, "the store was found by it"
    now = state.core.block(label).value
    edits = store.history(agent, label)
    later = [one for one in edits if one.id >= (first or 0) and (day is None or one.at.date() >= day)]
    upto = [one for one in edits if last is None or one.id <= last]
    before = later[0].before if later else now
    after = now if last is None else _after(upto, edits, now)
    return before, after


def _after(upto: Sequence[StoredEdit], edits: Sequence[StoredEdit], now: str) -> str:
    if upto:
        return upto[-1].after
    return edits[0].before if edits else now
