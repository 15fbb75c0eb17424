"""`bridle memory search`: one query through blocks, the conversation, and notes with attached sources."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING

import click

from bridle.cli import output
from bridle.cli.existing import store_of, time_text
from bridle.errors import InputError

if TYPE_CHECKING:
    from bridle.agent.archival import Found, Results
    from bridle.agent.memory import Core
    from bridle.agent.store import Hit, Page

__all__ = ["search"]

PARTS = ("blocks", "recall", "archival")
SHOWN_CHARS = 300
"""Of a result, where it is a line for people."""


@click.command("search")
@click.argument("agent")
@click.argument("query", nargs=-1, required=True)
@click.option("--page", type=click.IntRange(min=0), default=0, metavar="N", help="Which page, from 0.")
@click.option("--in", "parts", type=click.Choice(PARTS), multiple=True, help="Only there; may be repeated.")
@click.option("--offline", is_flag=True, help="Connect to nothing but this machine.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def search(
    agent: str, query: tuple[str, ...], page: int, parts: tuple[str, ...], offline: bool, as_json: bool
) -> None:
    """Look for QUERY in all that the agent AGENT knows.

    \b
    blocks      lines of core memory that have a word of the query
    recall      what was said, the best first
    archival    notes and attached sources, the best first, with file and page
    """
    from bridle.agent.archival.base import Results
    from bridle.agent.archival.indexes import open_archive
    from bridle.agent.store import Page
    from bridle.endpoints.config import load_config

    words = " ".join(query).strip()
    if not words:
        raise InputError(
            "the query is empty", hint=f"name what to look for: bridle memory search {agent} QUERY"
        )
    wanted = parts or PARTS
    lines: list[tuple[str, str]] = []
    said, found = Page((), 0, page), Results((), 0, page)
    with store_of(agent) as store:
        state = store.load(agent)
        if state is not None and "blocks" in wanted:
            lines = _lines(state.core, words)
        if "recall" in wanted:
            said = store.find_messages(agent, words, page)
        if "archival" in wanted:
            with closing(open_archive(store, load_config(), offline=offline)) as archive:
                found = archive.search_for(agent, words, page)
    if as_json:
        output.print_json(_facts(words, lines, said, found))
        return
    for line in _report(wanted, lines, said, found):
        click.echo(output.printable(line))
    if found.warning:
        output.print_note(f"archival: {found.warning}")


def _lines(core: Core, query: str) -> list[tuple[str, str]]:
    """Lines of blocks with a word of the query, by label."""
    from bridle.agent.store.words import words

    wanted = words(query)
    return [
        (block.label, line)
        for block in core.blocks
        for line in block.lines
        if any(word in line.casefold() for word in wanted)
    ]


def _facts(query: str, lines: Sequence[tuple[str, str]], said: Page, found: Results) -> dict[str, object]:
    return {
        "query": query,
        "page": said.number,
        "blocks": [{"block": label, "text": line} for label, line in lines],
        "recall": {"total": said.total, "hits": [_hit_facts(hit) for hit in said.hits]},
        "archival": {
            "total": found.total,
            "hits": [_found_facts(one) for one in found.found],
            "warning": found.warning,
        },
    }


def _hit_facts(hit: Hit) -> dict[str, object]:
    return {"day": hit.day, "who": hit.role, "text": hit.text}


def _found_facts(one: Found) -> dict[str, object]:
    passage = one.passage
    return {
        "id": passage.id,
        "source": passage.archive,
        "file": passage.file,
        "locator": dict(passage.locator),
        "at": time_text(passage.created_ns),
        "score": one.score,
        "text_score": one.text_score,
        "vector_score": one.vector_score,
        "text": passage.text,
    }


def _report(wanted: Sequence[str], lines: Sequence[tuple[str, str]], said: Page, found: Results) -> list[str]:
    from bridle.agent.archival.rendering import place_of

    report: list[str] = []
    if "blocks" in wanted:
        report.append(f"blocks: {output.counted(len(lines), 'line')}")
        report += [f"  [{label}] {line}" for label, line in lines]
    if "recall" in wanted:
        report.append(f"recall: {len(said.hits)} of {said.total}")
        report += [f"  [{hit.day}] {hit.role}: {_cut(hit.text)}" for hit in said.hits]
    if "archival" in wanted:
        report.append(f"archival: {len(found.found)} of {found.total}")
        for one in found.found:
            place = place_of(one.passage) or f"note of {time_text(one.passage.created_ns)[:10]}"
            report.append(f"  [{place}] {_cut(one.passage.text)}")
    return report


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHOWN_CHARS else line[: SHOWN_CHARS - 1] + "…"
