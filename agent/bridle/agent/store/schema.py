"""The tables of an agents' database, version 2. A change of them needs a new version, and a step in
`migrations` that leads there from the one before.

Messages and passages have a full-text index each (FTS5, Porter's stemmer), which triggers keep in step with
them. Its column `owner` holds one word, `g` and an agent's id or `r` and an archive's id, so that a search
looks through that owner's rows alone. A message whose `hidden` is not `SHOWN` is in the table but not in the
index. `day` is the day on the user's clock, so that a search by date does not depend on time zones.

`totals` counts an owner's rows, so that nobody has to count a long conversation before every step; for
messages those that are found, what functions gave apart (`g1t`). Triggers keep it, too.

What makes vectors, and indexes outside this file, learn of changed passages by `outbox`, also by triggers.
"""

from __future__ import annotations

__all__ = [
    "FORGOTTEN",
    "REBUILD",
    "SCHEMA_VERSION",
    "SHOWN",
    "STATEMENTS",
    "TABLES",
    "TABLES_1",
    "UNSEARCHED",
]

SCHEMA_VERSION = 2

SHOWN, FORGOTTEN, UNSEARCHED = 0, 1, 2
"""What `messages.hidden` says: a message that is found; one that was taken back and is seen nowhere; one that
stands in the log of the conversation but is not worth finding."""

TABLES_1 = frozenset({"agents", "messages", "passages", "edits", "messages_text", "passages_text"})
TABLES = TABLES_1 | {
    "agent_archives",
    "agent_blocks",
    "archives",
    "blocks",
    "embedders",
    "files",
    "meta",
    "outbox",
    "totals",
    "vectors",
}

_AGENTS = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)",
    """CREATE TABLE agents (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, state TEXT NOT NULL, revision INTEGER NOT NULL,
    last_step TEXT NOT NULL DEFAULT '', created_ns INTEGER NOT NULL, updated_ns INTEGER NOT NULL)""",
    """CREATE TABLE blocks (
    id INTEGER PRIMARY KEY, label TEXT NOT NULL, value TEXT NOT NULL, max_chars INTEGER NOT NULL,
    updated_ns INTEGER NOT NULL)""",
    """CREATE TABLE agent_blocks (
    agent_id INTEGER NOT NULL REFERENCES agents (id), block_id INTEGER NOT NULL REFERENCES blocks (id),
    position INTEGER NOT NULL, PRIMARY KEY (agent_id, block_id))""",
    "CREATE INDEX agents_by_block ON agent_blocks (block_id)",
    """CREATE TABLE edits (
    id INTEGER PRIMARY KEY, block_id INTEGER NOT NULL REFERENCES blocks (id),
    agent_id INTEGER REFERENCES agents (id), turn INTEGER NOT NULL, label TEXT NOT NULL,
    before TEXT NOT NULL, after TEXT NOT NULL,
    made_by TEXT NOT NULL CHECK (made_by IN ('agent', 'user', 'undo', 'import')),
    created_ns INTEGER NOT NULL)""",
    "CREATE INDEX edits_by_block ON edits (block_id)",
)
# What a function gave counts as context: its words weigh less than those that were said.
_INDEXED = """{0}.id, {0}.owner, iif({0}.role = 'tool', '', {0}.text),
        iif({0}.role = 'tool', {0}.text || ' ' || {0}.context, {0}.context)"""
_COUNTED = "{0}.owner || iif({0}.role = 'tool', 't', '')"
_COME = f"""
    INSERT INTO messages_text (rowid, owner, text, context)
        SELECT {_INDEXED.format("new")} WHERE new.hidden = 0;
    INSERT INTO totals SELECT {_COUNTED.format("new")}, 1 WHERE new.hidden = 0
        ON CONFLICT (owner) DO UPDATE SET number = number + 1;"""
_LEAVE = f"""
    INSERT INTO messages_text (messages_text, rowid, owner, text, context)
        SELECT 'delete', {_INDEXED.format("old")} WHERE old.hidden = 0;
    UPDATE totals SET number = number - 1 WHERE owner = {_COUNTED.format("old")} AND old.hidden = 0;"""
REBUILD = (
    "INSERT INTO messages_text (messages_text) VALUES ('delete-all')",
    f"""INSERT INTO messages_text (rowid, owner, text, context)
    SELECT {_INDEXED.format("messages")} FROM messages WHERE hidden = 0""",
    "INSERT INTO passages_text (passages_text) VALUES ('rebuild')",
    "DELETE FROM totals",
    f"""INSERT INTO totals SELECT {_COUNTED.format("messages")}, count(*) FROM messages
    WHERE hidden = 0 GROUP BY 1""",
    "INSERT INTO totals SELECT owner, count(*) FROM passages GROUP BY 1",
)
"""What makes the full-text indexes and the totals anew from the rows."""
_MESSAGES = (
    "CREATE TABLE totals (owner TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID",
    """CREATE TABLE messages (
    id INTEGER PRIMARY KEY, agent_id INTEGER NOT NULL REFERENCES agents (id), turn INTEGER NOT NULL,
    step TEXT NOT NULL, idx INTEGER NOT NULL, role TEXT NOT NULL, name TEXT NOT NULL DEFAULT '',
    text TEXT NOT NULL, context TEXT NOT NULL DEFAULT '', owner TEXT NOT NULL, day TEXT NOT NULL,
    created_ns INTEGER NOT NULL, hidden INTEGER NOT NULL DEFAULT 0, UNIQUE (agent_id, step, idx))""",
    "CREATE INDEX messages_by_turn ON messages (agent_id, turn)",
    "CREATE INDEX messages_by_day ON messages (agent_id, day) WHERE hidden = 0",
    """CREATE VIRTUAL TABLE messages_text USING fts5 (
    owner, text, context, content='messages', content_rowid='id', tokenize='porter unicode61')""",
    f"CREATE TRIGGER messages_added AFTER INSERT ON messages BEGIN {_COME} END",
    f"CREATE TRIGGER messages_removed AFTER DELETE ON messages BEGIN {_LEAVE} END",
    # One trigger for both: of two, SQLite may run the later one first.
    "CREATE TRIGGER messages_changed AFTER UPDATE OF owner, role, text, context, hidden ON messages"
    f" BEGIN {_LEAVE} {_COME} END",
)
_ARCHIVES = (
    """CREATE TABLE archives (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL CHECK (kind IN ('agent', 'source')), name TEXT NOT NULL,
    description TEXT NOT NULL DEFAULT '', created_ns INTEGER NOT NULL, UNIQUE (kind, name))""",
    """CREATE TABLE agent_archives (
    agent_id INTEGER NOT NULL REFERENCES agents (id), archive_id INTEGER NOT NULL REFERENCES archives (id),
    attached_ns INTEGER NOT NULL, PRIMARY KEY (agent_id, archive_id))""",
    """CREATE TABLE files (
    id INTEGER PRIMARY KEY, archive_id INTEGER NOT NULL REFERENCES archives (id), path TEXT NOT NULL,
    sha256 TEXT NOT NULL DEFAULT '', size INTEGER NOT NULL DEFAULT 0,
    status TEXT NOT NULL CHECK (status IN ('loading', 'loaded', 'failed')), error TEXT NOT NULL DEFAULT '',
    documents INTEGER NOT NULL DEFAULT 0, loaded_ns INTEGER NOT NULL DEFAULT 0,
    UNIQUE (archive_id, path))""",
    """CREATE TABLE passages (
    id INTEGER PRIMARY KEY AUTOINCREMENT, archive_id INTEGER NOT NULL REFERENCES archives (id),
    file_id INTEGER REFERENCES files (id), key TEXT NOT NULL, text TEXT NOT NULL,
    context TEXT NOT NULL DEFAULT '', locator TEXT NOT NULL DEFAULT '{}', owner TEXT NOT NULL,
    created_ns INTEGER NOT NULL, UNIQUE (archive_id, key))""",
    "CREATE INDEX passages_by_file ON passages (file_id)",
    """CREATE VIRTUAL TABLE passages_text USING fts5 (
    owner, text, context, content='passages', content_rowid='id', tokenize='porter unicode61')""",
    """CREATE TRIGGER passages_added AFTER INSERT ON passages BEGIN
    INSERT INTO passages_text (rowid, owner, text, context)
        VALUES (new.id, new.owner, new.text, new.context);
    INSERT INTO totals VALUES (new.owner, 1) ON CONFLICT (owner) DO UPDATE SET number = number + 1; END""",
    """CREATE TRIGGER passages_removed AFTER DELETE ON passages BEGIN
    UPDATE totals SET number = number - 1 WHERE owner = old.owner;
    INSERT INTO passages_text (passages_text, rowid, owner, text, context)
        VALUES ('delete', old.id, old.owner, old.text, old.context); END""",
    """CREATE TRIGGER passages_changed AFTER UPDATE OF owner, text, context ON passages BEGIN
    INSERT INTO passages_text (passages_text, rowid, owner, text, context)
        VALUES ('delete', old.id, old.owner, old.text, old.context);
    INSERT INTO passages_text (rowid, owner, text, context)
        VALUES (new.id, new.owner, new.text, new.context); END""",
    """CREATE TABLE embedders (
    id INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL UNIQUE, dimensions INTEGER NOT NULL,
    created_ns INTEGER NOT NULL)""",
    """CREATE TABLE vectors (
    id INTEGER PRIMARY KEY AUTOINCREMENT, embedder_id INTEGER NOT NULL REFERENCES embedders (id),
    passage_id INTEGER NOT NULL, archive_id INTEGER NOT NULL, vector BLOB NOT NULL,
    UNIQUE (embedder_id, passage_id))""",
    "CREATE INDEX vectors_by_archive ON vectors (embedder_id, archive_id, passage_id)",
    """CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT, passage_id INTEGER NOT NULL, archive_id INTEGER NOT NULL,
    action TEXT NOT NULL CHECK (action IN ('upsert', 'delete')))""",
    """CREATE TRIGGER passages_to_add AFTER INSERT ON passages BEGIN
    INSERT INTO outbox (passage_id, archive_id, action) VALUES (new.id, new.archive_id, 'upsert'); END""",
    """CREATE TRIGGER passages_to_change AFTER UPDATE OF text ON passages BEGIN
    INSERT INTO outbox (passage_id, archive_id, action) VALUES (new.id, new.archive_id, 'upsert'); END""",
    """CREATE TRIGGER passages_to_remove AFTER DELETE ON passages BEGIN
    INSERT INTO outbox (passage_id, archive_id, action) VALUES (old.id, old.archive_id, 'delete'); END""",
)
STATEMENTS = (*_AGENTS, *_MESSAGES, *_ARCHIVES)
"""What makes an empty file a database of this version."""
