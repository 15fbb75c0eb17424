"""`bridle memory log`: every edit of core memory, or the conversation, in their order."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING

import click

from bridle.cli import output
from bridle.cli.existing import store_of
from bridle.errors import InputError

if TYPE_CHECKING:
    from bridle.agent.store import Logged, StoredEdit

__all__ = ["log", "read_day"]

ROLES = ("user", "assistant", "tool", "event", "summary")
SHOWN_CHARS = 300
"""Of a message, where it is a line for people."""


@click.command("log")
@click.argument("agent")
@click.option("--block", "label", metavar="LABEL", help="Only edits of this block.")
@click.option("--messages", is_flag=True, help="The conversation instead of the edits.")
@click.option("--role", type=click.Choice(ROLES), help="With --messages: only this role.")
@click.option("--since", metavar="DAY", help="From this day on, as YYYY-MM-DD.")
@click.option("--until", metavar="DAY", help="Up to this day, with it.")
@click.option("-n", "--limit", type=click.IntRange(min=1), metavar="N", help="Only the newest N.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
def log(
    agent: str,
    label: str | None,
    messages: bool,
    role: str | None,
    since: str | None,
    until: str | None,
    limit: int | None,
    as_json: bool,
) -> None:
    """List the edits of the agent AGENT's core memory: number, time, who made it, turn, block."""
    if role is not None and not messages:
        raise click.UsageError("--role needs --messages")
    if label is not None and messages:
        raise click.UsageError("--block and --messages exclude each other")
    days = (read_day(since, "--since") or date.min, read_day(until, "--until") or date.max)
    with store_of(agent) as store:
        if messages:
            said = [one for one in store.messages(agent) if role in (None, one.role)]
            lines = [(_message_facts(one), _message_line(one)) for one in said if _between(one.at, days)]
        else:
            edits = [one for one in store.history(agent, label) if _between(one.at, days)]
            lines = [(_edit_facts(one), _edit_line(one)) for one in edits]
    for facts, line in lines[-limit:] if limit else lines:
        if as_json:
            output.print_json(facts)
        else:
            click.echo(output.printable(line))
    if not lines and not as_json:
        output.print_note("There are no messages there." if messages else "There are no edits there.")


def read_day(text: str | None, option: str) -> date | None:
    """Read a day of the calendar; None for no text.

    Raises:
        InputError: for anything else.
    """
    if text is None:
        return None
    try:
        return date.fromisoformat(text.strip())
    except ValueError as error:
        raise InputError(f"{option} {text!r} is not a day", hint="write it as 2026-11-20") from error


def _between(at: datetime, days: tuple[date, date]) -> bool:
    return days[0] <= at.date() <= days[1]


def _edit_facts(edit: StoredEdit) -> dict[str, object]:
    return {
        "id": edit.id,
        "at": edit.at.isoformat(),
        "by": edit.by,
        "turn": edit.turn,
        "block": edit.label,
        "before": edit.before,
        "after": edit.after,
    }


def _edit_line(edit: StoredEdit) -> str:
    before, after = edit.before.split("\n"), edit.after.split("\n")
    gone = [f"-{line}" for line in before if line.strip() and line not in after]
    new = [f"+{line}" for line in after if line.strip() and line not in before]
    turn = f"turn {edit.turn}, " if edit.turn else ""
    what = _cut("  ".join(gone + new)) or "lines were moved"
    return f"{edit.id:>4}  {edit.at:%Y-%m-%d %H:%M}  [{edit.label}] {turn}by {_who(edit.by)}: {what}"


def _who(by: str) -> str:
    return {"agent": "the agent", "user": "you", "undo": "undo", "import": "an import"}.get(by, by)


def _message_facts(message: Logged) -> dict[str, object]:
    return {
        "id": message.id,
        "at": message.at.isoformat(),
        "turn": message.turn,
        "role": message.role,
        "name": message.name,
        "text": message.text,
    }


def _message_line(message: Logged) -> str:
    name = f" {message.name}" if message.name else ""
    text = _cut(" ".join(message.text.split()))
    return f"{message.id:>4}  {message.at:%Y-%m-%d %H:%M}  turn {message.turn}, {message.role}{name}: {text}"


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_CHARS else text[: SHOWN_CHARS - 1] + "…"
