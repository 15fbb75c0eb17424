"""Slash commands that look into memory: core memory and how it changed, search, sources, the token map."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from bridle.cli import output
from bridle.cli.chat.choosing import choose
from bridle.cli.chat.session import columns, note
from bridle.cli.chat.toolbar import context_lines, used
from bridle.errors import InputError

if TYPE_CHECKING:
    from bridle.agent.archival.sources import SourceInfo
    from bridle.cli.chat.session import Session

__all__ = ["attach", "context", "diff", "labels", "search", "show_memory", "source_names", "undo"]

SHOWN_CHARS = 300
"""Of each passage that a search found."""


def show_memory(session: Session, given: str) -> None:
    """Show the blocks line by line, and count what is stored."""
    from bridle.agent.describing import describe

    agent = session.agent
    tokens = agent.block_tokens()
    about = "" if agent.context().exact else "about "
    for block in agent.state.core.blocks:
        size = f"{len(block.value)} of {block.limit} characters"
        note(f"[{block.label}] {size}, {about}{output.counted(tokens[block.label], 'token')}")
        for line in block.lines:
            note(f"  {line}")
    found = describe(agent.store, agent.state.name)
    messages, notes = output.counted(found.said, "message"), output.counted(found.notes, "note")
    note(f"[stored] {messages}, {notes}")
    sources = session.agent.archive.attached(agent.state.name)
    if sources:
        note(f"[attached] {', '.join(sources)}")


def search(session: Session, given: str) -> None:
    """Show the best of each memory that fits the words."""
    from bridle.agent.archival.rendering import render_results
    from bridle.agent.store import render_page

    agent = session.agent
    name, words = agent.state.name, given.casefold().split()
    for block in agent.state.core.blocks:
        for line in block.lines:
            if any(word in line.casefold() for word in words):
                note(f"[{block.label}] {line}")
    _show("conversation", render_page(agent.store.find_messages(name, given, 0)))
    _show("notes and sources", render_results(session.agent.archive.search_for(name, given, 0), SHOWN_CHARS))


def _show(what: str, text: str) -> None:
    first, *rest = text.splitlines() or [""]
    note(f"[{what}] {first}")
    for line in rest:
        note(f"  {line}")


def undo(session: Session, given: str) -> None:
    """Take back the newest change of a block, and show it."""
    edit = session.agent.undo(given or None)
    note(f"[{edit.label}] is again what it was before turn {edit.turn}:")
    _show_changes(edit.after, edit.before)


def diff(session: Session, given: str) -> None:
    """Compare each block with what it was when the conversation began."""
    blocks = {block.label: block.value for block in session.agent.state.core.blocks}
    named = list({**session.remembered, **blocks})
    if given and given not in named:
        raise InputError(f"there is no block {given!r}", hint=f"the blocks are {', '.join(named)}")
    changed = False
    for label in [given] if given else named:
        before, after = session.remembered.get(label, ""), blocks.get(label, "")
        if before != after:
            changed = True
            note(f"[{label}]")
            _show_changes(before, after)
    if not changed:
        note("Nothing has changed since this conversation began.")


def _show_changes(before: str, after: str) -> None:
    for line in difflib.ndiff(before.splitlines(), after.splitlines()):
        if line[:1] in "+-":
            note(f"  {line}")


def labels(session: Session) -> Iterable[str]:
    """The blocks that there are."""
    return [block.label for block in session.agent.state.core.blocks]


def context(session: Session, given: str) -> None:
    """Draw what fills the window."""
    found = session.context = session.agent.context()
    window = f"of {found.window:,} tokens" if found.window else "tokens; the window is not known"
    note(f"{'' if found.exact else 'about '}{used(found.parts):,} {window}")
    for line in context_lines(found.parts, found.window, columns()):
        note(line)


def attach(session: Session, given: str) -> None:
    """Attach a source; without a name, list them and, at a terminal, ask for one."""
    archive, agent = session.agent.archive, session.agent
    sources = {source.name: source for source in archive.sources()}
    if not sources:
        raise InputError(
            "there are no sources yet",
            hint="make one with: bridle load directory --name NAME --input-files FILE",
        )
    if not given:
        lines = [_line(source, agent.state.name) for source in sources.values()]
        if session.patient:
            names = list(sources)
            given = names[0] if len(names) == 1 else choose("Which source (Enter: none)", names, lines)
        else:
            for line in lines:
                note(f"  {line}")
        if not given:
            return
    if given not in sources:
        near = difflib.get_close_matches(given, sources, n=1)
        guess = f"did you mean {near[0]!r}? " if near else ""
        raise InputError(f"there is no source {given!r}", hint=f"{guess}there are {', '.join(sources)}")
    archive.attach(agent.state.name, given)
    source = sources[given]
    passages = output.counted(source.passages, "passage")
    note(f"Attached {passages} and {output.counted(source.documents, 'document')} from {given}")


def source_names(session: Session) -> Iterable[str]:
    """The sources that could be attached."""
    return [source.name for source in session.agent.archive.sources()]


def _line(source: SourceInfo, agent: str) -> str:
    passages, files = output.counted(source.passages, "passage"), output.counted(source.files, "file")
    return f"{source.name}: {passages}, {files}{' (attached)' if agent in source.attached else ''}"
