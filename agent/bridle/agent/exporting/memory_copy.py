"""What an agent remembers, taken out of a store as one value, and put into one."""

from __future__ import annotations

from dataclasses import dataclass

from bridle.agent.archival import Draft
from bridle.agent.archival.archive import Archive
from bridle.agent.exporting.memory_text import MemoryBlock, MemoryCopy, MemoryNote
from bridle.agent.store import Store
from bridle.agent.store.passages import note_context
from bridle.errors import InputError

__all__ = ["Changes", "copy_memory", "put_memory"]


@dataclass(frozen=True, slots=True)
class Changes:
    """What was put in: labels of blocks, and how many notes were not there before."""

    changed: tuple[str, ...]
    added: tuple[str, ...]
    notes: int


def copy_memory(store: Store, archive: Archive, agent: str) -> MemoryCopy:
    """Take blocks and own notes of an agent.

    Raises:
        InputError: when there is no such agent.
    """
    own = archive.own(agent)
    state = store.load(agent)
    assert state is not None, "its archive was found"
    with store.reading() as connection:
        rows = connection.execute(
            "SELECT text, created_ns FROM passages WHERE archive_id = ? ORDER BY id", (own,)
        ).fetchall()
    blocks = tuple(MemoryBlock(one.label, one.value, one.limit) for one in state.core.blocks)
    return MemoryCopy(agent, blocks, tuple(MemoryNote(*row) for row in rows))


def put_memory(store: Store, archive: Archive, agent: str, memory: MemoryCopy) -> Changes:
    """Write blocks and notes into an agent's memory.

    Blocks that it has are replaced, as an edit that can be undone; others are added. Notes are added, a text
    that is there already once. What the copy does not name stays.

    Raises:
        InputError: for an unknown agent, a label that cannot be one, an empty note, and a text that is longer
            than its limit.
    """
    own = archive.own(agent)
    state = store.load(agent)
    assert state is not None, "its archive was found"
    _check(memory)
    changed: list[str] = []
    added: list[str] = []
    for block in memory.blocks:
        if block.label not in state.core.labels:
            store.add_block(agent, block.label, block.value, block.limit)
            added.append(block.label)
            continue
        if len(block.value) > state.core.block(block.label).limit:
            store.set_limit(agent, block.label, block.limit)
        if store.write_block(agent, block.label, block.value, by="import") is not None:
            changed.append(block.label)
    before = _count(store, own)
    drafts = [Draft(one.text, note_context(one.at_ns), {}, one.at_ns) for one in memory.notes]
    if drafts:
        archive.add(own, drafts)
    return Changes(tuple(changed), tuple(added), _count(store, own) - before)


def _check(memory: MemoryCopy) -> None:
    """Refuse what cannot be put in before anything is."""
    for block in memory.blocks:
        if len(block.value) > block.limit:
            raise InputError(
                f"the block {block.label!r} has {len(block.value)} characters, its limit is {block.limit}",
                hint="shorten it, or raise the limit in its heading",
            )
    for number, note in enumerate(memory.notes, start=1):
        if not note.text.strip():
            raise InputError(f"the note number {number} is empty", hint="write it, or take it out")


def _count(store: Store, archive_id: int) -> int:
    with store.reading() as connection:
        (count,) = connection.execute(
            "SELECT count(*) FROM passages WHERE archive_id = ?", (archive_id,)
        ).fetchone()
    return int(count)
