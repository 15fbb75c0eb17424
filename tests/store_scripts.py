"""What the tests of the agents' database share: steps, processes that write, older files."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterable
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

from agent_scripts import NOW
from bridle.agent.prompt import COMPACT
from bridle.agent.state import AgentState, Edited, Record, new_state
from bridle.agent.state_json import to_json
from bridle.agent.store import FILE_NAME, Store
from project import PARTS, ROOT

KILLING = ROOT / "tests" / "store_killing.py"
LIMITED = ROOT / "tests" / "store_limits.py"
WRITING = ROOT / "tests" / "store_writing.py"


def grow(store: Store, state: AgentState, text: str = "hello", at: datetime = NOW) -> AgentState:
    """One step that says and notes a text, and says that it was written to core memory."""
    with store.transaction(state) as transaction:
        transaction.record(Record("user", text, at), state.turn)
        transaction.insert(text, at)
        transaction.edited(Edited("human", "", text, at), state.turn)
        return transaction.save(state)


def say(store: Store, name: str, *said: Record, turn: int = 1) -> None:
    """One step in which these messages are recorded."""
    state = store.load(name)
    assert state is not None
    with store.transaction(state) as transaction:
        for one in said:
            transaction.record(one, turn)
        transaction.save(transaction.state)


def run_script(script: Path, *arguments: object) -> subprocess.Popen[str]:
    """Start a script of these tests in a process of its own."""
    path = os.pathsep.join(str(ROOT / part) for part in (*PARTS, "tests"))
    return subprocess.Popen(
        [sys.executable, str(script), *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
    )


def rows(home: Path, query: str, values: Iterable[object] = ()) -> list[tuple[object, ...]]:
    """What a query finds in the file, asked through a connection of its own."""
    with closing(sqlite3.connect(home / FILE_NAME)) as connection:
        return connection.execute(query, tuple(values)).fetchall()


_VERSION_1 = """
CREATE TABLE agents (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, state TEXT NOT NULL, revision INTEGER NOT NULL,
    created_ns INTEGER NOT NULL, updated_ns INTEGER NOT NULL);
CREATE TABLE messages (
    id INTEGER PRIMARY KEY, agent_id INTEGER NOT NULL REFERENCES agents (id), turn INTEGER NOT NULL,
    role TEXT NOT NULL, text TEXT NOT NULL, day TEXT NOT NULL, created_ns INTEGER NOT NULL);
CREATE INDEX messages_by_day ON messages (agent_id, day);
CREATE TABLE passages (
    id INTEGER PRIMARY KEY, agent_id INTEGER NOT NULL REFERENCES agents (id),
    text TEXT NOT NULL, created_ns INTEGER NOT NULL);
CREATE INDEX passages_by_agent ON passages (agent_id);
CREATE TABLE edits (
    id INTEGER PRIMARY KEY, agent_id INTEGER NOT NULL REFERENCES agents (id), turn INTEGER NOT NULL,
    block TEXT NOT NULL, before TEXT NOT NULL, after TEXT NOT NULL, created_ns INTEGER NOT NULL);
CREATE INDEX edits_by_agent ON edits (agent_id);
PRAGMA user_version = 1;
"""
_INDEX_1 = """
CREATE VIRTUAL TABLE {0}_text USING fts5 (
    text, content='{0}', content_rowid='id', tokenize='porter unicode61');
CREATE TRIGGER {0}_added AFTER INSERT ON {0} BEGIN
    INSERT INTO {0}_text (rowid, text) VALUES (new.id, new.text); END;
CREATE TRIGGER {0}_removed AFTER DELETE ON {0} BEGIN
    INSERT INTO {0}_text ({0}_text, rowid, text) VALUES ('delete', old.id, old.text); END;
CREATE TRIGGER {0}_changed AFTER UPDATE ON {0} BEGIN
    INSERT INTO {0}_text ({0}_text, rowid, text) VALUES ('delete', old.id, old.text);
    INSERT INTO {0}_text (rowid, text) VALUES (new.id, new.text); END;
"""


def make_version_1(home: Path, names: Iterable[str] = ("ada", "bob"), turns: int = 10) -> None:
    """Make a file as version 1 made it: in each turn two messages, a note and an edit of core memory."""
    home.mkdir(exist_ok=True)
    with closing(sqlite3.connect(home / FILE_NAME, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(_VERSION_1 + _INDEX_1.format("messages") + _INDEX_1.format("passages"))
        connection.execute("BEGIN")
        for agent, name in enumerate(names, 1):
            state = json.loads(to_json(new_state(name, COMPACT)))
            state["core"][1]["value"] = f"Fact {turns - 1}"
            state["turn"] = turns
            connection.execute(
                "INSERT INTO agents VALUES (?, ?, ?, ?, 1, 2)", (agent, name, json.dumps(state), turns + 1)
            )
            for turn in range(turns):
                _turn_1(connection, agent, name, turn)
        connection.execute("COMMIT")


def _turn_1(connection: sqlite3.Connection, agent: int, name: str, turn: int) -> None:
    at = NOW + timedelta(days=turn)
    ns = int(at.timestamp()) * 10**9
    for role, text in (("user", f"{name} asks question{turn}"), ("assistant", f"reply{turn} to {name}")):
        connection.execute(
            "INSERT INTO messages (agent_id, turn, role, text, day, created_ns) VALUES (?, ?, ?, ?, ?, ?)",
            (agent, turn, role, text, f"{at:%Y-%m-%d}", ns),
        )
    connection.execute(
        "INSERT INTO passages (agent_id, text, created_ns) VALUES (?, ?, ?)", (agent, f"Note {turn // 2}", ns)
    )
    connection.execute(
        "INSERT INTO edits (agent_id, turn, block, before, after, created_ns) VALUES (?, ?, ?, ?, ?, ?)",
        (agent, turn, "human", f"Fact {turn - 1}" if turn else "", f"Fact {turn}", ns),
    )
