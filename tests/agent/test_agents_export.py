"""Agents as documents: what is exported comes back, all of it, and a damaged file is told its place."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridle.agent.exporting import (
    AgentDocument,
    SourceDocument,
    export_agent,
    read_document,
    restore_agents,
    write_document,
)
from bridle.agent.exporting.document import (
    MADE_BY,
    VERSION,
    DocumentBlock,
    DocumentEdit,
    DocumentMessage,
    DocumentNote,
    state_body,
)
from bridle.agent.memory import Block, Core
from bridle.agent.prompt import FULL
from bridle.agent.state import AgentState, Edited, Record, new_state
from bridle.agent.store import Store
from bridle.errors import InputError
from bridle.messages import Message, ToolCall

NOW = datetime(2026, 11, 20, 8, 5, tzinfo=UTC)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NS = st.integers(-(2**63), 2**63 - 1)
LOCATOR = st.dictionaries(TEXT, st.none() | st.booleans() | st.integers(0, 9) | TEXT, max_size=2)
BLOCK = st.builds(DocumentBlock, TEXT, TEXT, st.integers(1, 9999), NS)
MESSAGE = st.builds(
    DocumentMessage,
    turn=st.integers(0, 9),
    step=TEXT,
    index=st.integers(0, 3),
    role=st.sampled_from(["user", "assistant", "tool", "event"]),
    text=TEXT,
    day=st.just("2026-11-20"),
    at_ns=NS,
    name=TEXT,
    context=TEXT,
    hidden=st.integers(0, 2),
)
NOTE = st.builds(DocumentNote, TEXT, TEXT, NS, TEXT, LOCATOR)


def reply(text: str, thoughts: str) -> Message:
    return Message("assistant", "", thoughts, (ToolCall("send_message", {"message": text}),))


SAID = st.builds(Message, st.just("user"), TEXT) | st.builds(reply, TEXT, TEXT)


@st.composite
def documents(draw: st.DrawFn) -> AgentDocument:
    blocks = draw(st.lists(BLOCK, unique_by=lambda block: block.label, max_size=3))
    made = st.builds(
        DocumentEdit,
        st.sampled_from([block.label for block in blocks] or [""]),
        st.integers(0, 9),
        TEXT,
        TEXT,
        st.sampled_from(MADE_BY),
        NS,
    )
    state = replace(
        new_state("x", FULL),
        history=tuple(draw(st.lists(SAID, max_size=3))),
        turn=draw(st.integers(0, 9)),
        system=draw(TEXT),
        summary=draw(TEXT),
    )
    return AgentDocument(
        name=draw(st.from_regex("[a-z]{1,9}", fullmatch=True)),
        created_ns=draw(NS),
        updated_ns=draw(NS),
        state=state_body(state),
        blocks=tuple(blocks),
        edits=tuple(draw(st.lists(made, max_size=4))) if blocks else (),
        messages=tuple(draw(st.lists(MESSAGE, unique_by=lambda one: (one.step, one.index), max_size=5))),
        notes=tuple(draw(st.lists(NOTE, unique_by=lambda note: note.key, max_size=4))),
    )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def talked(store: Store, name: str = "ada") -> AgentState:
    """An agent with a conversation, an edit, and notes."""
    core = Core((Block("persona", "I am Sam."), Block("human", "")))
    state = store.create(replace(new_state(name, FULL), core=core, system="Be brief."))
    with store.transaction(state, "step-1") as step:
        step.record(Record("user", "My name is Ada.", NOW), 1)
        step.record(Record("assistant", "Hello Ada.", NOW), 1)
        step.insert("Ada keeps bees.", NOW)
        step.edited(Edited("human", "", "Name: Ada", NOW), 1)
        changed = state.core.append("human", "Name: Ada")
        history = (Message("user", "My name is Ada."),)
        state = step.save(replace(state, core=changed, turn=1, history=history))
    return state


def written(document: AgentDocument) -> str:
    return write_document(document, "test", NOW)


@settings(max_examples=60, deadline=None)
@given(documents())
def test_what_is_restored_is_what_was_exported(document: AgentDocument) -> None:
    assert read_document(written(document), "f") == document
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder)) as store:
        restore_agents(store, [document])
        assert export_agent(store, document.name) == document


def test_an_agent_that_was_talked_to_comes_back_with_all_it_has(store: Store, tmp_path: Path) -> None:
    with store, Store(tmp_path / "other") as other:
        talked(store)
        store.write_block("ada", "human", "Name: Ada\nCity: Bonn")
        document = export_agent(store, "ada")
        (restored,) = restore_agents(other, [read_document(written(document), "f")])
        assert restored.missing_sources == ()
        assert export_agent(other, "ada") == document
        assert other.load("ada") == replace(store.load("ada") or restored.state, revision=1)
        assert other.counts("ada") == store.counts("ada")
        assert [one.text for one in other.messages("ada")] == ["My name is Ada.", "Hello Ada."]
        assert other.find_messages("ada", "name").hits == store.find_messages("ada", "name").hits
        assert other.undo("ada").after == "Name: Ada\nCity: Bonn"
        assert other.undo("ada").after == "Name: Ada"


def test_notes_of_a_restored_agent_wait_for_their_vectors(store: Store, tmp_path: Path) -> None:
    with store, Store(tmp_path / "other") as other:
        talked(store)
        restore_agents(other, [export_agent(store, "ada")])
        with other.reading() as connection:
            waiting = connection.execute(
                "SELECT text FROM outbox JOIN passages p ON p.id = passage_id"
            ).fetchall()
        assert waiting == [("Ada keeps bees.",)]


def test_a_shared_block_is_a_block_of_its_own_in_a_document(store: Store) -> None:
    with store:
        talked(store)
        talked(store, "bob")
        store.add_block("ada", "team", "Both know this.")
        store.share_block("team", "ada", "bob")
        document = replace(export_agent(store, "bob"), name="carl")
        restore_agents(store, [document])
        store.write_block("ada", "team", "Changed.")
        assert [block.value for block in export_agent(store, "carl").blocks][-1] == "Both know this."
        assert [block.value for block in export_agent(store, "bob").blocks][-1] == "Changed."


def test_sources_are_attached_where_they_exist_and_named_where_not(store: Store) -> None:
    passages = (DocumentNote("Bees dance.", "k1", 5), DocumentNote("Bees sting.", "k2", 6))
    document = AgentDocument("ada", 1, 2, state_body(new_state("x", FULL)), sources=("bees", "wasps"))
    with store:
        (restored,) = restore_agents(store, [document], [SourceDocument("bees", "About bees", passages)])
        assert restored.missing_sources == ("wasps",)
        assert export_agent(store, "ada").sources == ("bees",)
        assert store.counts("ada").passages == 2
        (again,) = restore_agents(store, [replace(document, name="bob")], [SourceDocument("bees")])
        assert again.missing_sources == ("wasps",)
        assert store.counts("bob").passages == 2


def test_an_agent_is_never_replaced_and_nothing_is_stored_when_one_cannot_be(store: Store) -> None:
    with store:
        talked(store)
        document = export_agent(store, "ada")
        with pytest.raises(InputError, match="there is an agent 'ada' already") as caught:
            restore_agents(store, [replace(document, name="new"), document])
        assert "--name" in caught.value.hint
        assert [info.name for info in store.agents()] == ["ada"]


def test_an_agent_that_is_not_there_cannot_be_exported(store: Store) -> None:
    with store:
        talked(store)
        with pytest.raises(InputError, match="there is no agent 'bob'") as caught:
            export_agent(store, "bob")
        assert caught.value.hint == "the agents are: ada"


def test_a_newer_version_is_refused(store: Store) -> None:
    with store:
        talked(store)
        body = json.loads(written(export_agent(store, "ada")))
    body["version"] = VERSION + 1
    with pytest.raises(
        InputError, match=f"has version {VERSION + 1}; this bridle knows up to {VERSION}"
    ) as caught:
        read_document(json.dumps(body), "ada.json")
    assert "a newer bridle" in caught.value.hint


GONE = object()


def damaged(body: object, value: object, *path: str | int) -> None:
    """Change a value inside a document, or take it away."""
    *steps, last = path
    for step in steps:
        body = cast("dict[str | int, object]", body)[step]
    if value is GONE:
        del cast("dict[str | int, object]", body)[last]
    else:
        cast("dict[str | int, object]", body)[last] = value


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (["agent"], GONE, "agent is missing"),
        (["agent"], [], "agent is [], not an object"),
        (["version"], "1", 'version is "1", not a whole number'),
        (["version"], 0, "version is 0, not between 1"),
        (["format"], "zip", "its `format` is not 'bridle-agent'"),
        (["agent", "name"], None, "agent.name is null, not a text"),
        (["agent", "name"], "", "'' cannot name an agent"),
        (["agent", "created_ns"], 1.5, "agent.created_ns is 1.5"),
        (["agent", "updated_ns"], 2**63, "agent.updated_ns is 9223372036854775808"),
        (["agent", "notes"], {}, "agent.notes is {}, not a list"),
        (["agent", "messages", 1, "text"], 3, "agent.messages[1].text is 3, not a text"),
        (["agent", "messages", 0, "day"], GONE, "agent.messages[0].day is missing"),
        (["agent", "messages", 0, "text"], "\ud83d", "that UTF-8 can write"),
        (["agent", "messages", 1, "index"], 0, "agent.messages[1].step"),
        (["agent", "edits", 0, "block"], "x", 'agent.edits[0].block is "x", not one of'),
        (["agent", "edits", 0, "by"], "me", "not one of agent, user, undo, import"),
        (["agent", "blocks", 1, "label"], "persona", "agent.blocks[1].label"),
        (["agent", "blocks", 1, "limit"], True, "agent.blocks[1].limit is true"),
        (["agent", "state", "turn"], GONE, "the state in the document of 'ada'"),
        (["agent", "state"], [1] * 99, "…, not an object"),
    ],
)
def test_a_damaged_document_is_told_its_place(
    store: Store, path: list[str | int], value: object, says: str
) -> None:
    with store:
        talked(store)
        body = json.loads(written(export_agent(store, "ada")))
    damaged(body, value, *path)
    with pytest.raises(InputError) as caught:
        read_document(json.dumps(body), "ada.json")
    assert says in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "it is empty"),
        ("{", "line 1, column 2"),
        ('{"a": NaN}', "NaN is not JSON"),
        ("[" * 100_000, "cannot be read"),
        ("1" * 5000, "cannot be read"),
    ],
)
def test_a_file_that_is_not_json_is_told_where(text: str, says: str) -> None:
    with pytest.raises(InputError) as caught:
        read_document(text, "ada.json")
    assert "ada.json" in caught.value.message
    assert says in caught.value.message


def test_a_cut_off_document_is_refused_wherever_it_was_cut(store: Store) -> None:
    with store:
        talked(store)
        text = written(export_agent(store, "ada"))
    for length in range(0, len(text) - 2, 97):
        with pytest.raises(InputError):
            read_document(text[:length], "f")
