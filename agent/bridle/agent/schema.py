"""The tables of an agents' database. A change of them needs a new version, and a step that leads there from
the old one.

Messages and notes have a full-text index each (FTS5, Porter's stemmer), which triggers keep in step. `day`
is the day on the user's clock when something was said, so that a search by date does not depend on time
zones.
"""

from __future__ import annotations

__all__ = ["SCHEMA_VERSION", "TABLES", "create_statements"]

SCHEMA_VERSION = 1
TABLES = frozenset({"agents", "messages", "passages", "edits", "messages_text", "passages_text"})

_TABLES = """
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
CREATE INDEX edits_by_agent ON edits (agent_id)
"""
_INDEXED = """
CREATE VIRTUAL TABLE {0}_text USING fts5 (
    text, content='{0}', content_rowid='id', tokenize='porter unicode61');
CREATE TRIGGER {0}_added AFTER INSERT ON {0} BEGIN
    INSERT INTO {0}_text (rowid, text) VALUES (new.id, new.text)\\; END;
CREATE TRIGGER {0}_removed AFTER DELETE ON {0} BEGIN
    INSERT INTO {0}_text ({0}_text, rowid, text) VALUES ('delete', old.id, old.text)\\; END;
CREATE TRIGGER {0}_changed AFTER UPDATE ON {0} BEGIN
    INSERT INTO {0}_text ({0}_text, rowid, text) VALUES ('delete', old.id, old.text)\\;
    INSERT INTO {0}_text (rowid, text) VALUES (new.id, new.text)\\; END
"""


def create_statements() -> list[str]:
    """What makes an empty file a database of this version, one statement each."""
    script = ";".join((_TABLES, *(_INDEXED.format(table) for table in ("messages", "passages"))))
    return [part.replace("\0", ";") for part in script.replace("\\;", "\0").split(";")]
