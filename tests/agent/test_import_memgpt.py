"""Agents of MemGPT: a real home of 0.3.25, and folders as 0.1 and 0.2 wrote them."""

from __future__ import annotations

import json
import os
import pickle
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bridle.agent.exporting import AgentDocument, restore_agents
from bridle.agent.importing import Taken, take
from bridle.agent.importing.conversation import ForeignCall, ForeignMessage, packaged_time, read_conversation
from bridle.agent.importing.texts import shipped_name
from bridle.agent.state import AgentState
from bridle.agent.store import Store
from bridle.errors import InputError
from cli_runs import saved
from project import ROOT

DATA = ROOT / "tests" / "data" / "memgpt"
ADA = "c8f7f382-1d73-42b5-9c95-56b7cd3a9805"
SEGMENT = "72e49b6a-b638-4aad-a8e5-8353fc263652"
NOW = datetime(2026, 11, 20, 8, 5, tzinfo=UTC)


def database(file: Path, script: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(f"PRAGMA synchronous = OFF; {script}")
    return file


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """The real home, as it lay on the disk."""
    folder = tmp_path / "old"
    database(folder / "sqlite.db", (DATA / "home_0.3.25.sql").read_text())
    database(folder / "chroma" / "chroma.sqlite3", (DATA / "chroma_1.sql").read_text())
    saved(folder / "config", "[archival_storage]\ntype = chroma\npath = /gone/.memgpt/chroma\n")
    return folder


def named(taken: Taken, name: str) -> AgentDocument:
    return next(agent for agent in taken.agents if agent.name == name)


def restored(taken: Taken, folder: Path) -> Store:
    store = Store(folder)
    restore_agents(store, taken.agents, taken.sources)
    return store


def test_a_real_home_gives_its_agents_with_blocks_and_instructions(old: Path) -> None:
    taken = take(old)
    assert taken.kind == "a home of MemGPT 0.3"
    assert [agent.name for agent in taken.agents] == ["ada_friend", "second"]
    ada, second = taken.agents
    assert [(block.label, block.value, block.limit) for block in ada.blocks] == [
        ("persona", "I am a careful friend.", 2000),
        ("human", "I know nothing yet.\nName: Ada", 2000),
    ]
    assert [block.limit for block in second.blocks] == [500, 500]
    assert ada.state["system"] == "You are a test agent."
    assert datetime.fromtimestamp(ada.created_ns / 1e9, UTC).date().isoformat() == "2026-11-20"


def test_both_sides_of_a_real_conversation_are_in_recall(old: Path) -> None:
    said = [(one.turn, one.role, one.text) for one in named(take(old), "ada_friend").messages]
    assert [one for one in said if one[1] in ("user", "assistant")] == [
        (0, "assistant", "More human than human is our motto."),
        (1, "user", "My name is Ada."),
        (1, "assistant", "Nice to meet you, Ada."),
        (2, "user", "I keep bees in Bonn."),
        (2, "assistant", "Bees! I will remember them."),
        (3, "user", "What animals do I keep?"),
        (3, "assistant", "You keep bees in Bonn."),
    ]
    assert (0, "event", "Never (first login)") in said


def test_the_agent_goes_on_where_it_stopped(old: Path) -> None:
    state = named(take(old), "ada_friend").agent_state()
    assert (state.turn, state.is_open) == (3, False)
    shown = [message for message in state.history if message.role == "user"]
    assert [message.content for message in shown][-1] == "What animals do I keep?"
    calls = [(m.thoughts, m.calls[0].name) for m in state.history if m.calls]
    assert calls[1:4] == [
        ("I learn a name.", "core_memory_append"),
        ("Greet.", "send_message"),
        ("Worth keeping.", "archival_memory_insert"),
    ]
    for message, after in zip(state.history, state.history[1:], strict=False):
        if message.calls:
            assert (after.role, after.name) == ("tool", message.calls[0].name)


def test_what_was_imported_is_found_and_goes_on_in_a_store(old: Path, tmp_path: Path) -> None:
    with restored(take(old), tmp_path / "new") as store:
        hits = store.find_messages("ada_friend", "bees").hits
        assert {hit.text for hit in hits} >= {"I keep bees in Bonn.", "You keep bees in Bonn."}
        assert "heartbeat" not in {hit.role for hit in store.find_messages("ada_friend", "heartbeat").hits}
        assert store.counts("ada_friend").passages == 1
        state = store.load("ada_friend")
        assert isinstance(state, AgentState)
        with store.transaction(state, "s") as step:
            step.save(state)


def test_notes_are_read_from_chroma_without_chroma(old: Path) -> None:
    notes = named(take(old), "ada_friend").notes
    assert [note.text for note in notes] == ["Ada keeps bees in Bonn."]
    assert notes[0].at_ns == 1795207516 * 10**9
    assert named(take(old), "second").notes == ()


def test_nothing_is_changed_in_the_old_home(old: Path) -> None:
    before = {file: file.read_bytes() for file in sorted(old.rglob("*")) if file.is_file()}
    take(old)
    assert {file: file.read_bytes() for file in sorted(old.rglob("*")) if file.is_file()} == before


def test_what_is_not_taken_is_told(old: Path) -> None:
    with closing(sqlite3.connect(old / "sqlite.db")) as base:
        base.execute("UPDATE agents SET tools = '[\"send_message\", \"my_tool\"]' WHERE name = 'second'")
        base.execute("DELETE FROM agents WHERE name = 'ada_friend'")
        base.commit()
    assert take(old).left_out == (
        "second: system prompts as they were shown (1): they are written anew",
        "second: the code of the tools my_tool",
        "notes of agents that are not in the database any more (1)",
        "config: settings and keys are not taken",
    )


def chroma_passage(number: int, **fields: str | int) -> str:
    rows = [f"INSERT INTO embeddings VALUES ({number}, '{SEGMENT}', 'e{number}', 1, 0);"]
    for key, value in fields.items():
        name, kind = key.replace("document", "chroma:document"), "int" if isinstance(value, int) else "string"
        quoted = value if isinstance(value, int) else f"'{value}'"
        rows.append(
            f"INSERT INTO embedding_metadata (id, key, {kind}_value) VALUES ({number}, '{name}', {quoted});"
        )
    return "\n".join(rows)


def test_a_source_is_taken_once_and_attached(old: Path, tmp_path: Path) -> None:
    database(
        old / "sqlite.db",
        f"""INSERT INTO sources VALUES ('s1', 'u', 'bees', '2024-01-01', 8, 'e', 'About bees');
        INSERT INTO agent_source_mapping VALUES ('m1', 'u', '{ADA}', 's1');""",
    )
    copies = [
        chroma_passage(7, document="Bees dance.", agent_id=ADA, data_source="bees"),
        chroma_passage(8, document="Bees dance.", agent_id="other", data_source="bees"),
        chroma_passage(9, document="Bees sting.", agent_id=ADA, data_source="bees", created_at=5),
    ]
    database(old / "chroma" / "chroma.sqlite3", "\n".join(copies))
    taken = take(old)
    (source,) = taken.sources
    assert (source.name, source.description) == ("bees", "About bees")
    assert [one.text for one in source.passages] == ["Bees dance.", "Bees sting."]
    assert named(taken, "ada_friend").sources == ("bees",)
    with restored(taken, tmp_path / "new") as store:
        assert store.counts("ada_friend").passages == 3
        assert store.counts("second").passages == 0


def test_archival_memory_in_sqlite_is_read_too(old: Path) -> None:
    (old / "chroma" / "chroma.sqlite3").unlink()
    database(
        old / "sqlite.db",
        f"""CREATE TABLE memgpt_archival_memory_agent (text VARCHAR, data_source VARCHAR, agent_id CHAR);
        INSERT INTO memgpt_archival_memory_agent VALUES ('A note.', NULL, '{ADA}');""",
    )
    taken = take(old)
    assert [note.text for note in named(taken, "ada_friend").notes] == ["A note."]
    assert any("archival memory: there is no" in line for line in taken.left_out)


def test_archival_memory_on_a_server_is_named(old: Path) -> None:
    saved(old / "config", "[archival_storage]\ntype = postgres\nuri = postgresql://u:secret@h/d%20\n")
    lines = [line for line in take(old).left_out if "archival" in line]
    assert lines == ["archival memory lies in postgres and was not read; copy it into Chroma to take it"]


def test_texts_of_ones_own_are_taken_and_shipped_ones_are_named(old: Path) -> None:
    database(old / "sqlite.db", "INSERT INTO personamodel VALUES ('I am mine.', 'mine', 'i', 'u');")
    saved(old / "personas" / "mine.txt", "I am mine, edited.\r\n")
    saved(old / "humans" / "me.txt", "Name: Me")
    saved(old / "humans" / "basic.txt", "First name: Chad\n")
    (old / "humans" / "bad.txt").write_bytes(b"\xff")
    taken = take(old)
    assert taken.texts == {("personas", "mine"): "I am mine, edited.", ("humans", "me"): "Name: Me"}
    assert "texts as MemGPT shipped them: humans/basic" in taken.left_out
    assert any(line.startswith("humans/bad.txt: it cannot be read as text") for line in taken.left_out)
    assert shipped_name("something else") == ""


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("DROP TABLE agents", "has no agents of MemGPT 0.3"),
        ("DROP TABLE memgpt_recall_memory_agent; UPDATE agents SET state = '{'", ""),
        ("UPDATE agents SET state = 'null', created_at = 'x', name = char(10)", ""),
        ("UPDATE memgpt_recall_memory_agent SET tool_calls = '3', created_at = NULL, text = NULL", ""),
        ("UPDATE memgpt_recall_memory_agent SET tool_calls = '[{}]', text = '{\"type\": 1}'", ""),
    ],
)
def test_a_damaged_home_is_read_as_far_as_it_goes_or_refused(old: Path, script: str, says: str) -> None:
    database(old / "sqlite.db", script)
    if says:
        with pytest.raises(InputError, match=says):
            take(old)
    else:
        for agent in take(old).agents:
            agent.agent_state()


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    saved(tmp_path / "sqlite.db", "hello " * 100)
    with pytest.raises(InputError, match=r"sqlite\.db cannot be read: file is not a database"):
        take(tmp_path)
    with pytest.raises(InputError, match="file is not a database"):
        take(tmp_path / "sqlite.db")


# --- 0.1 and 0.2 ---

SYSTEM = "Old system."
STATE = {
    "model": "gpt-4",
    "system": SYSTEM,
    "functions": [],
    "messages": [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": '{"type": "login", "time": "2023-11-05 09:15:00 AM PST-0800"}'},
        {"role": "user", "content": '{"type": "user_message", "message": "Hi, I am Ada.", "time": "x"}'},
        {
            "role": "assistant",
            "content": "A new friend.",
            "function_call": {
                "name": "core_memory_append",
                "arguments": '{"name": "human", "content": "Ada"}',
            },
        },
        {"role": "function", "name": "core_memory_append", "content": '{"status": "OK", "message": "None"}'},
        {
            "role": "assistant",
            "content": "Say hello.",
            "function_call": {"name": "send_message", "arguments": '{"message": "Hello Ada!"}'},
        },
        {"role": "function", "name": "send_message", "content": '{"status": "OK", "message": "None"}'},
    ],
    "messages_total": 20,
    "memory": {"persona": "I am Sam.", "human": "Ada"},
}


class Bomb:
    """What shows that a pickle was run."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return os.mkdir, ("ran",)


def agent_folder(folder: Path, name: str = "old_friend", state: Mapping[str, object] = STATE) -> Path:
    agent = folder / "agents" / name
    saved(agent / "config.json", json.dumps({"name": name, "data_sources": ["papers"], "create_time": "x"}))
    saved(agent / "agent_state" / "2023-11-05.json", json.dumps(state))
    os.utime(agent / "agent_state" / "2023-11-05.json", (1_700_000_000, 1_700_000_000))
    (agent / "persistence_manager" / "index").mkdir(parents=True)
    (agent / "persistence_manager" / "2023-11-05.persistence.pickle").write_bytes(pickle.dumps(Bomb()))
    return agent


@pytest.mark.parametrize("alone", [True, False])
def test_an_old_folder_gives_its_agent_and_names_what_lies_in_pickles(
    alone: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = agent_folder(tmp_path)
    (agent / "persistence_manager" / "index" / "nodes.pkl").write_bytes(pickle.dumps(Bomb()))
    monkeypatch.chdir(tmp_path)
    taken = take(agent if alone else tmp_path)
    assert not (tmp_path / "ran").exists()
    (document,) = taken.agents
    assert (document.name, document.state["system"]) == ("old_friend", SYSTEM)
    assert [(block.label, block.value) for block in document.blocks] == [
        ("persona", "I am Sam."),
        ("human", "Ada"),
    ]
    said = [(one.role, one.name, one.text) for one in document.messages]
    assert said[1:] == [
        ("user", "", "Hi, I am Ada."),
        ("tool", "core_memory_append", "OK"),
        ("assistant", "", "Hello Ada!"),
    ]
    assert document.sources == ("papers",)
    assert document.messages[1].day == "2023-11-05"
    told = " ".join(taken.left_out)
    assert "13 older messages in" in told
    assert "archival memory in" in told
    assert told.count("a pickle, which is never run") == 2


def test_the_newest_state_of_an_old_folder_is_taken(tmp_path: Path) -> None:
    agent = agent_folder(tmp_path)
    newer = {**STATE, "memory": {"persona": "Newer.", "human": ""}}
    saved(agent / "agent_state" / "2023-11-04.json", json.dumps(newer))
    taken = take(agent)
    assert taken.agents[0].blocks[0].value == "Newer."
    assert any("earlier saved states (1)" in line for line in taken.left_out)


def test_an_index_that_was_kept_as_json_is_taken(tmp_path: Path) -> None:
    agent = agent_folder(tmp_path)
    nodes = {"a": {"__data__": {"text": "Bees dance."}}, "b": {"__data__": {"text": " "}}}
    index = json.dumps({"docstore/data": nodes})
    saved(agent / "persistence_manager" / "index" / "docstore.json", index)
    saved(tmp_path / "archival" / "papers" / "docstore.json", index)
    (tmp_path / "archival" / "other").mkdir()
    (tmp_path / "archival" / "other" / "nodes.pkl").write_bytes(b"x")
    taken = take(tmp_path)
    assert [note.text for note in taken.agents[0].notes] == ["Bees dance."]
    assert [(one.name, len(one.passages)) for one in taken.sources] == [("papers", 1)]
    assert any("other" in line and "pickle" in line for line in taken.left_out)


def test_a_home_that_was_moved_gives_each_agent_once(old: Path) -> None:
    agent_folder(old, "ada_friend")
    agent_folder(old, "older")
    taken = take(old)
    assert [agent.name for agent in taken.agents] == ["ada_friend", "second", "older"]
    assert taken.agents[0].blocks[0].value == "I am a careful friend."


@pytest.mark.parametrize(
    ("content", "says"),
    [("{", "cannot be read"), ("[]", "holds no JSON object"), (None, "has no saved state")],
)
def test_an_old_folder_without_a_sound_state_is_refused(
    content: str | None, says: str, tmp_path: Path
) -> None:
    folder = tmp_path / "agent_state"
    folder.mkdir()
    if content is not None:
        saved(folder / "a.json", content)
    with pytest.raises(InputError, match=says):
        take(tmp_path)


def test_an_old_agent_that_never_spoke_is_taken(tmp_path: Path) -> None:
    saved(tmp_path / "agent_state" / "a.json", '{"memory": {"persona": "P"}}')
    (document,) = take(tmp_path).agents
    assert (document.name, document.blocks[0].value, document.messages) == (tmp_path.name[:80], "P", ())


# --- conversations ---


def talk(*messages: ForeignMessage) -> Sequence[str]:
    read = read_conversation(messages)
    return [f"{one.role} {one.name}: {one.text}" for one in read.messages]


def packed(**body: str) -> ForeignMessage:
    return ForeignMessage("user", json.dumps(body), NOW, shown=True)


def test_what_is_packaged_is_unpacked_and_what_is_not_stays_as_it_is() -> None:
    assert talk(
        packed(type="user_message", message="Hi", name="Ada"),
        packed(type="heartbeat", reason="time"),
        packed(message="no type"),
        ForeignMessage("user", "plain {", NOW),
        ForeignMessage("user", '{"broken', NOW),
        ForeignMessage("user", "[1]", NOW),
    ) == [
        "user Ada: Hi",
        "event heartbeat: time",
        'user : {"message": "no type"}',
        "user : plain {",
        'user : {"broken',
        "user : [1]",
    ]


def test_a_summary_in_the_context_is_the_summary_to_go_on_with() -> None:
    text = (
        "Note: prior messages (9 of 12 total messages) have been hidden.\nThe following is a summary of the"
    )
    read = read_conversation(
        [packed(type="system_alert", message=f"{text} previous 9 messages:\n Ada has bees.")]
    )
    assert read.summary == "Ada has bees."


def test_calls_that_are_not_ours_are_left_out_of_the_history_and_named() -> None:
    call = ForeignCall("1", "roll_dice", '{"sides": 6}')
    wrong = ForeignCall("2", "core_memory_append", '{"name": 1}')
    read = read_conversation(
        [
            ForeignMessage("assistant", "hm", NOW, calls=(call, wrong), shown=True),
            ForeignMessage("tool", "4", NOW, answers="1", shown=True),
        ]
    )
    assert read.history == []
    assert [one.text for one in read.messages] == ["4"]
    assert (
        "calls in the context (2) that are none of ours: core_memory_append, roll_dice" in read.left_out()[0]
    )


def test_a_call_whose_result_is_lost_is_interrupted_and_parallel_results_find_their_calls() -> None:
    one = ForeignCall("1", "archival_memory_search", {"query": "a", "request_heartbeat": True})
    two = ForeignCall(
        "2", "archival_memory_search", {"query": "b", "request_heartbeat": True, "thinking": "T"}
    )
    read = read_conversation(
        [
            ForeignMessage("assistant", "hm", NOW, calls=(one, two), shown=True),
            ForeignMessage("tool", '{"status": "Failed", "message": "no"}', NOW, answers="2", shown=True),
        ]
    )
    assert [(m.thoughts, m.content) for m in read.history] == [
        ("T", ""),
        ("", "Failed: no"),
        ("hm", ""),
        ("", "Failed: this was interrupted"),
    ]


def test_thoughts_outside_of_the_context_are_counted() -> None:
    call = ForeignCall("1", "send_message", '{"message": "Hi"}')
    read = read_conversation([ForeignMessage("assistant", "secret", NOW, calls=(call,))])
    assert read.history == []
    assert read.left_out() == ["private thoughts out of context (1): recall has what was said"]


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2023-11-05 09:15:00 AM PST-0800", "2023-11-05T09:15:00-08:00"),
        ("2023-11-05 12:15:00 AM", "2023-11-05T00:15:00+00:00"),
        ("yesterday", None),
    ],
)
def test_times_are_read_with_their_offset(text: str, at: str | None) -> None:
    found = packaged_time(text)
    assert (found and found.isoformat()) == at


def test_instructions_that_memgpt_shipped_are_named_and_not_taken(old: Path, tmp_path: Path) -> None:
    shipped = "First name: Chad"  # the shortest of its texts
    database(
        old / "sqlite.db", f"UPDATE agents SET system = '{shipped}', state = '{{}}' WHERE name = 'second'"
    )
    taken = take(old)
    line = "the system text that MemGPT shipped as basic: bridle's own is used"
    assert (named(taken, "second").state["system"], f"second: {line}" in taken.left_out) == ("", True)
    folder = agent_folder(tmp_path / "older", state={**STATE, "system": shipped})
    taken = take(folder)
    assert (taken.agents[0].state["system"], f"old_friend: {line}" in taken.left_out) == ("", True)


def test_a_folder_of_texts_alone_is_taken(tmp_path: Path) -> None:
    saved(tmp_path / "personas" / "mine.txt", "I am mine.")
    taken = take(tmp_path)
    assert (taken.agents, taken.texts) == ((), {("personas", "mine"): "I am mine."})


def test_a_home_whose_config_is_broken_is_refused(old: Path) -> None:
    saved(old / "config", "no section")
    with pytest.raises(InputError, match="config cannot be read"):
        take(old)
