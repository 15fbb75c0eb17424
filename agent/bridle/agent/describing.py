"""What there is to know about a stored agent without asking a model: memory, conversation, sources.

Only reads. Who shares a block, and how much of what is stored, is counted in the database.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from bridle.agent.state import AgentState
from bridle.agent.store import Store
from bridle.agent.store.passages import own_archive

__all__ = ["DescribedBlock", "Description", "describe"]


@dataclass(frozen=True, slots=True)
class DescribedBlock:
    """A block of core memory, how often it was edited, and the other agents that have it too."""

    label: str
    value: str
    limit: int
    edits: int
    shared_with: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Description:
    """An agent and what it has. `said` counts what both sides said, `attached` passages by source."""

    state: AgentState
    created_ns: int
    updated_ns: int
    blocks: tuple[DescribedBlock, ...]
    said: int
    notes: int
    attached: Mapping[str, int]


def describe(store: Store, name: str) -> Description:
    """Describe an agent.

    Raises:
        InputError: when there is none of that name, with those that there are.
    """
    with store.reading() as connection:
        agent_id, created_ns, updated_ns = store.described(connection, name)
        state = store.known(name)
        (notes,) = connection.execute(
            "SELECT count(*) FROM passages WHERE archive_id = ?", (own_archive(connection, agent_id),)
        ).fetchone()
        return Description(
            state=state,
            created_ns=created_ns,
            updated_ns=updated_ns,
            blocks=_blocks(connection, agent_id),
            said=store.counts(name).messages,
            notes=notes,
            attached=_attached(connection, agent_id),
        )


def _blocks(connection: sqlite3.Connection, agent_id: int) -> tuple[DescribedBlock, ...]:
    rows = connection.execute(
        "SELECT b.id, label, value, max_chars, (SELECT count(*) FROM edits WHERE block_id = b.id)"
        " FROM agent_blocks a JOIN blocks b ON b.id = a.block_id"
        " WHERE a.agent_id = ? ORDER BY position, b.id",
        (agent_id,),
    ).fetchall()
    return tuple(
        DescribedBlock(label, value, limit, edits, _sharers(connection, block_id, agent_id))
        for block_id, label, value, limit, edits in rows
    )


def _sharers(connection: sqlite3.Connection, block_id: int, agent_id: int) -> tuple[str, ...]:
    rows = connection.execute(
        "SELECT name FROM agent_blocks JOIN agents ON agents.id = agent_id"
        " WHERE block_id = ? AND agent_id <> ? ORDER BY name",
        (block_id, agent_id),
    )
    return tuple(name for (name,) in rows)


def _attached(connection: sqlite3.Connection, agent_id: int) -> dict[str, int]:
    rows = connection.execute(
        "SELECT name, (SELECT count(*) FROM passages p WHERE p.archive_id = archives.id)"
        " FROM agent_archives JOIN archives ON archives.id = archive_id"
        " WHERE agent_id = ? AND kind = 'source' ORDER BY name",
        (agent_id,),
    )
    return dict(rows.fetchall())
