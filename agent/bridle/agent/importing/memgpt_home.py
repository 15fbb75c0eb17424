"""Read the home of MemGPT 0.3: `sqlite.db` with agents and conversations, `chroma` with archival memory, and
the folders of personas and humans.

Tables and columns as in pymemgpt 0.3.25 (2024-08-20; `metadata.py`, `agent_store/db.py` and
`agent_store/chroma.py`), read with SQLite alone; Chroma keeps texts and metadata in tables, too
(`chroma.sqlite3`, the same in chromadb 0.4 to 1.5). All is opened for reading only. Vectors, settings of
models and keys are not taken; a database elsewhere (Postgres, Milvus, Qdrant) is named and not asked.
"""

from __future__ import annotations

import configparser
import json
import sqlite3
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from bridle.agent.exporting.document import AgentDocument
from bridle.agent.exporting.transfer import SourceDocument
from bridle.agent.functions import FUNCTIONS
from bridle.agent.importing.conversation import (
    ForeignMessage,
    packaged_time,
    plausible,
    read_calls,
    read_conversation,
)
from bridle.agent.importing.taken import ForeignAgent, Taken, agent_document, as_notes, as_source
from bridle.agent.importing.texts import own_texts, shipped_name
from bridle.endpoints.json_paths import integer_at, list_at, text_at, value_at
from bridle.errors import InputError
from bridle.messages import JSON

__all__ = ["DATABASE", "read_home"]

DATABASE = "sqlite.db"
DEFAULT_LIMIT = 2000
PLACEHOLDER = "{CORE_MEMORY}"

_AGENTS = "SELECT id, name, system, created_at, state, tools FROM agents ORDER BY created_at, rowid"
_MESSAGES = (
    "SELECT id, role, text, name, tool_calls, tool_call_id, created_at FROM memgpt_recall_memory_agent"
    " WHERE agent_id = ? ORDER BY created_at, rowid"
)
_CHROMA = (
    "SELECT e.id, m.key, coalesce(m.string_value, m.int_value, m.float_value) FROM embeddings e"
    " JOIN segments s ON s.id = e.segment_id JOIN collections c ON c.id = s.collection"
    " JOIN embedding_metadata m ON m.id = e.id WHERE c.name = ? ORDER BY e.id"
)
_ARCHIVAL = ("memgpt_archival_memory_agent", "memgpt_passages")


@dataclass(frozen=True, slots=True)
class _Passage:
    """A row of archival memory. `source` is empty for what the agent wrote itself."""

    text: str
    agent_id: str
    source: str
    document: str
    at: datetime


def read_home(folder: Path) -> Taken:
    """Take the agents, sources, personas and humans of a home.

    Raises:
        InputError: when its database cannot be read.
    """
    with _opened(folder / DATABASE) as database:
        if not _columns(database, "agents") >= {"id", "name", "system", "created_at", "state"}:
            raise InputError(
                f"{folder / DATABASE} has no agents of MemGPT 0.3",
                hint="give a home of MemGPT, such as ~/.memgpt, one of its agents' folders, or an agent file",
            )
        passages, left_out = _passages(folder, database)
        sources = _sources(database, passages)
        agents: list[AgentDocument] = []
        for row in database.execute(_AGENTS).fetchall():
            document, lines = _agent(database, row, passages)
            agents.append(document)
            left_out += [f"{document.name}: {line}" for line in lines]
        texts, lines = own_texts(folder, _stored_texts(database))
        left_out += lines + _other_tables(database) + _orphans(database, passages)
    left_out += [
        f"{name}: settings and keys are not taken"
        for name in ("config", "credentials")
        if (folder / name).is_file()
    ]
    return Taken("a home of MemGPT 0.3", tuple(agents), sources, texts, tuple(left_out))


@contextmanager
def _opened(file: Path) -> Generator[sqlite3.Connection]:
    """Open a database for reading; nothing is made or changed beside it."""
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as database:
            yield database
    except (sqlite3.Error, OSError) as error:
        raise InputError(
            f"{file} cannot be read: {error}", hint="check the file; end MemGPT first"
        ) from error


def _columns(database: sqlite3.Connection, table: str) -> set[str]:
    return {str(row[1]) for row in database.execute(f"PRAGMA table_info({table})")}


def _agent(
    database: sqlite3.Connection, row: tuple[object, ...], passages: Sequence[_Passage]
) -> tuple[AgentDocument, list[str]]:
    agent_id, name, system, created = (str(value or "") for value in row[:4])
    state = _json(row[4])
    own = [one for one in passages if one.agent_id == agent_id and not one.source]
    attached = sorted({one.source for one in passages if one.agent_id == agent_id and one.source})
    attached += [one for one in _attached(database, agent_id) if one not in attached]
    conversation = read_conversation(_messages(database, agent_id, list_at(state, "messages")))
    text, left_out = _system(text_at(state, "system") or system)
    left_out += conversation.left_out() + _unknown_tools(row[5] if len(row) > 5 else None)
    agent = ForeignAgent(
        name=name,
        created=_time(created) or datetime.now(UTC),
        blocks=_blocks(state),
        conversation=conversation,
        system=text,
        notes=as_notes([(one.text, one.at) for one in own]),
        sources=attached,
    )
    return agent_document(agent), left_out


def _blocks(state: JSON) -> list[tuple[str, str, int]]:
    memory = value_at(state, "memory")
    blocks: list[tuple[str, str, int]] = []
    for label, body in memory.items() if isinstance(memory, dict) else ():
        value = value_at(body, "value")
        lines = "\n".join(str(one) for one in value) if isinstance(value, list) else str(value or "")
        blocks.append((label, lines, integer_at(body, "limit") or DEFAULT_LIMIT))
    return blocks


def _system(text: str) -> tuple[str, list[str]]:
    if not text.strip():
        return "", []
    if shipped := shipped_name(text):
        return "", [f"the system text that MemGPT shipped as {shipped}: bridle's own is used"]
    return text.replace(PLACEHOLDER, "").strip(), []


def _unknown_tools(listed: object) -> list[str]:
    """Tools are named and not taken: their code is never run."""
    tools = _json(listed)
    known = {tool.name for tool in FUNCTIONS}
    names = [str(one) for one in tools if str(one) not in known] if isinstance(tools, list) else []
    return [f"the code of the tools {', '.join(names)}"] if names else []


def _messages(database: sqlite3.Connection, agent_id: str, shown: Sequence[JSON]) -> list[ForeignMessage]:
    if not _columns(database, "memgpt_recall_memory_agent"):
        return []
    messages: list[ForeignMessage] = []
    for key, role, text, name, calls, answers, created in database.execute(_MESSAGES, (agent_id,)):
        messages.append(
            ForeignMessage(
                role=str(role),
                text=str(text or ""),
                at=_time(created) or packaged_time(str(text or "")) or datetime.now(UTC),
                name=str(name or ""),
                calls=read_calls(_json(calls)),
                answers=str(answers or ""),
                shown=key in shown,
            )
        )
    return messages


def _passages(folder: Path, database: sqlite3.Connection) -> tuple[list[_Passage], list[str]]:
    """All of archival memory that lies in files, and what lies elsewhere."""
    kind, place = _archival(folder)
    found: list[_Passage] = []
    for table in _ARCHIVAL:
        if _columns(database, table) >= {"text", "data_source"}:
            found += _table_passages(database, table)
    if kind not in ("", "chroma", "sqlite"):
        return found, [f"archival memory lies in {kind} and was not read; copy it into Chroma to take it"]
    file = place / "chroma.sqlite3"
    if not file.is_file():
        return found, [f"archival memory: there is no {file}"] if kind == "chroma" else []
    with _opened(file) as chroma:
        for collection in _ARCHIVAL:
            found += _chroma_passages(chroma, collection)
    return found, []


def _archival(folder: Path) -> tuple[str, Path]:
    """The kind of store that archival memory is in, and where Chroma's folder is now."""
    config = configparser.ConfigParser(interpolation=None)
    try:
        config.read(folder / "config", encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError) as error:
        raise InputError(f"{folder / 'config'} cannot be read: {error}", hint="correct the file") from error
    path = config.get("archival_storage", "path", fallback="")
    moved = folder / (Path(path).name or "chroma")  # a home that was copied still names its old place
    return config.get("archival_storage", "type", fallback=""), moved if moved.is_dir() else Path(path)


def _table_passages(database: sqlite3.Connection, table: str) -> list[_Passage]:
    columns = _columns(database, table)
    wanted = [one if one in columns else f"NULL AS {one}" for one in ("agent_id", "doc_id", "created_at")]
    rows = database.execute(f"SELECT text, data_source, {', '.join(wanted)} FROM {table} ORDER BY rowid")
    return [_passage(text, agent, source, document, at) for text, source, agent, document, at in rows]


def _chroma_passages(chroma: sqlite3.Connection, collection: str) -> list[_Passage]:
    rows: dict[int, dict[str, object]] = {}
    for number, key, value in chroma.execute(_CHROMA, (collection,)):
        rows.setdefault(int(number), {})[str(key)] = value
    return [
        _passage(
            row.get("chroma:document"),
            row.get("agent_id"),
            row.get("data_source"),
            row.get("doc_id"),
            row.get("created_at"),
        )
        for row in rows.values()
    ]


def _passage(text: object, agent: object, source: object, document: object, at: object) -> _Passage:
    agent_id, name = str(agent or ""), str(source or "")
    return _Passage(str(text or ""), agent_id, name, str(document or ""), _time(at) or datetime.now(UTC))


def _sources(database: sqlite3.Connection, passages: Sequence[_Passage]) -> tuple[SourceDocument, ...]:
    """Sources with their passages once: MemGPT copied them to each agent that they were attached to."""
    named: dict[str, str] = {}
    if _columns(database, "sources"):
        for name, description in database.execute("SELECT name, description FROM sources ORDER BY rowid"):
            named[str(name)] = str(description or "")
    for one in passages:
        if one.source:
            named.setdefault(one.source, "")
    return tuple(
        as_source(name, description, as_notes([(one.text, one.at) for one in passages if one.source == name]))
        for name, description in named.items()
    )


def _attached(database: sqlite3.Connection, agent_id: str) -> list[str]:
    if not _columns(database, "agent_source_mapping"):
        return []
    query = (
        "SELECT DISTINCT name FROM agent_source_mapping m JOIN sources s ON s.id = m.source_id"
        " WHERE m.agent_id = ? ORDER BY name"
    )
    return [str(name) for (name,) in database.execute(query, (agent_id,))]


def _stored_texts(database: sqlite3.Connection) -> list[tuple[str, str, str]]:
    found: list[tuple[str, str, str]] = []
    for table, kind in (("personamodel", "personas"), ("humanmodel", "humans")):
        if _columns(database, table) >= {"name", "text"}:
            rows = database.execute(f"SELECT name, text FROM {table} ORDER BY rowid")
            found += [(kind, str(name), str(text)) for name, text in rows]
    return found


def _other_tables(database: sqlite3.Connection) -> list[str]:
    """What else is in the database."""
    lines: list[str] = []
    for table, what in (("presets", "presets"), ("tokens", "access tokens")):
        if _columns(database, table):
            (count,) = database.execute(f"SELECT count(*) FROM {table}").fetchone()
            lines += [f"{what} ({count})"] if count else []
    return lines


def _orphans(database: sqlite3.Connection, passages: Sequence[_Passage]) -> list[str]:
    known = {str(number) for (number,) in database.execute("SELECT id FROM agents")}
    count = sum(not one.source and one.agent_id not in known for one in passages)
    return [f"notes of agents that are not in the database any more ({count})"] if count else []


def _json(text: object) -> JSON:
    try:
        return cast("JSON", json.loads(text)) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return None


def _time(value: object) -> datetime | None:
    """Read a time: seconds since 1970, or text in UTC, as MemGPT stored it."""
    try:
        if isinstance(value, int | float):
            return plausible(datetime.fromtimestamp(value, UTC))
        return plausible(datetime.fromisoformat(str(value)))
    except (ValueError, OverflowError, OSError):
        return None
