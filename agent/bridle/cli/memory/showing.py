"""`bridle memory show`: the blocks of core memory with their sizes, and counts of what else is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bridle.cli import output
from bridle.cli.existing import store_of
from bridle.errors import BridleError

if TYPE_CHECKING:
    from bridle.agent.describing import DescribedBlock, Description

__all__ = ["show"]


@click.command("show")
@click.argument("agent")
@click.option("--block", "label", metavar="LABEL", help="Only the text of this block.")
@click.option("--tokens/--no-tokens", default=True, help="Ask the configured endpoint to count tokens.")
@click.option("--endpoint", metavar="SPEC", help="What counts; default: the configured one, else embedded.")
@click.option("--offline", is_flag=True, help="Connect to nothing but this machine.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show(
    agent: str, label: str | None, tokens: bool, endpoint: str | None, offline: bool, as_json: bool
) -> None:
    """Show what the agent AGENT has in core memory, and how much is stored."""
    from bridle.agent.describing import describe

    with store_of(agent) as store:
        found = describe(store, agent)
    if label is not None:
        _print_block(found, label, as_json)
        return
    counts = _tokens(found, endpoint, offline) if tokens else None
    if as_json:
        output.print_json(_facts(found, counts))
    else:
        for line in _report(found, counts):
            click.echo(output.printable(line))


def _print_block(found: Description, label: str, as_json: bool) -> None:
    block = found.state.core.block(label)
    if as_json:
        output.print_json({"label": block.label, "value": block.value, "limit": block.limit})
    else:
        for line in block.value.split("\n"):
            click.echo(output.printable(line))


def _tokens(found: Description, endpoint: str | None, offline: bool) -> list[int] | None:
    """How many tokens each block has; None where nothing can count them."""
    from bridle.cli.connecting import open_endpoint
    from bridle.endpoints.base import Request
    from bridle.wrappers.segments import Segment

    try:
        opened, _ = open_endpoint(endpoint, offline=offline)
    except BridleError as error:
        if endpoint is not None:
            raise
        output.print_note(f"Tokens are not counted: {error.message}")
        return None
    try:
        if not opened.supports.tokenize:
            return None
        one = opened.count_tokens(Request(prompt=(Segment("a"),)))
        counted = [
            opened.count_tokens(Request(prompt=(Segment(block.value),))) if block.value else one
            for block in found.blocks
        ]
    except BridleError as error:
        output.print_note(f"Tokens are not counted: {error.message}")
        return None
    finally:
        opened.close()
    if one is None or None in counted:
        return None
    begin = one - 1  # what the model puts before every prompt
    return [
        (number or 0) - begin if block.value else 0
        for number, block in zip(counted, found.blocks, strict=True)
    ]


def _facts(found: Description, tokens: list[int] | None) -> dict[str, object]:
    return {
        "agent": found.state.name,
        "blocks": [
            {
                "label": block.label,
                "value": block.value,
                "chars": len(block.value),
                "limit": block.limit,
                "tokens": None if tokens is None else tokens[index],
                "edits": block.edits,
                "shared_with": list(block.shared_with),
            }
            for index, block in enumerate(found.blocks)
        ],
        "messages": found.said,
        "notes": found.notes,
        "sources": dict(found.attached),
        "summary": found.state.summary,
    }


def _report(found: Description, tokens: list[int] | None) -> list[str]:
    lines: list[str] = []
    for index, block in enumerate(found.blocks):
        lines.append(_heading(block, None if tokens is None else tokens[index]))
        lines += [f"  {line}" for line in block.value.split("\n") if line.strip()]
    if found.state.summary:
        lines += ["[summary of what is no longer shown]", f"  {found.state.summary}"]
    lines.append(f"[stored] {output.counted(found.said, 'message')}, {output.counted(found.notes, 'note')}")
    for source, passages in found.attached.items():
        lines.append(f"[source {source}] {output.counted(passages, 'passage')}")
    return lines


def _heading(block: DescribedBlock, tokens: int | None) -> str:
    counted = "" if tokens is None else f", {output.counted(tokens, 'token')}"
    edits = f", {output.counted(block.edits, 'edit')}" if block.edits else ""
    shared = f", shared with {', '.join(block.shared_with)}" if block.shared_with else ""
    return f"[{block.label}] {len(block.value)} of {block.limit} characters{counted}{edits}{shared}"
