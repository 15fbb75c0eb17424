"""Agent files of Letta, in both of their forms, and the same agent written as one."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from bridle.agent.exporting import AgentDocument, restore_agents
from bridle.agent.exporting.document import DocumentMessage, DocumentNote, state_body
from bridle.agent.exporting.letta import write_agent_file
from bridle.agent.importing import Taken, take
from bridle.agent.prompt import FULL
from bridle.agent.state import new_state
from bridle.agent.store import Store
from bridle.errors import InputError
from bridle.messages import JSON
from cli_runs import saved

SEARCH = "archival_memory_search"
AT = "2025-10-31T22:56:56.459100+00:00"


def call(key: str, name: str, **arguments: JSON) -> dict[str, JSON]:
    return {"id": key, "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}


def message(key: str, role: str, text: str, **more: JSON) -> dict[str, JSON]:
    content: JSON = [{"type": "text", "text": text}] if text else []
    return {"id": key, "role": role, "content": content, "created_at": AT, **more}


OLDER: dict[str, JSON] = {
    "agent_type": "memgpt_agent",
    "version": "0.6.47",
    "name": "older",
    "system": "Be kind.",
    "created_at": AT,
    "core_memory": [
        {"label": "persona", "value": "I am Sam.", "limit": 5000},
        {"label": "human", "value": "\nName: Ada\n", "limit": 4},
    ],
    "in_context_message_indices": [0, 3, 4, 5, 6, 7],
    "messages": [
        message("", "system", "Be kind. <human>Name: Ada</human>"),
        message("", "user", '{"type": "user_message", "message": "I keep bees.", "time": "x"}'),
        message("", "assistant", "Nice.", tool_calls=[call("1", "send_message", message="Bees!")]),
        message("", "user", '{"type": "user_message", "message": "And wasps?", "time": "x"}'),
        message(
            "",
            "assistant",
            "Look.",
            tool_calls=[
                call(
                    "2", "archival_memory_search", query="wasps", request_heartbeat=True, inner_thoughts="Hm."
                )
            ],
        ),
        message(
            "", "tool", '{"status": "OK", "message": "[]"}', tool_call_id="2", name="archival_memory_search"
        ),
        message("", "assistant", "Tell.", tool_calls=[call("3", "send_message", message="None.")]),
        message("", "tool", '{"status": "OK", "message": "None"}', tool_call_id="3", name="send_message"),
    ],
    "tools": [
        {"name": "send_message", "source_code": None},
        {"name": "evil", "source_code": "import os; os.mkdir('ran')"},
    ],
    "tool_rules": [{"tool_name": "send_message", "type": "exit_loop"}],
    "tags": [],
    "tool_exec_environment_variables": [{"key": "SECRET", "value": ""}],
    "llm_config": {"model": "gpt-4"},
    "embedding_config": {"embedding_model": "ada"},
}

NEWER: dict[str, JSON] = {
    "agents": [
        {
            "id": "agent-0",
            "name": "newer",
            "system": "Be brief.",
            "agent_type": "letta_v1_agent",
            "block_ids": ["block-1", "block-0"],
            "tool_ids": ["tool-0", "tool-1"],
            "source_ids": ["source-0"],
            "memory_blocks": [],
            "in_context_message_ids": ["message-0", "message-1", "message-2", "message-3", "message-4"],
            "messages": [
                message("message-0", "system", "Be brief."),
                message("message-1", "user", "I keep bees."),
                {
                    "id": "message-2",
                    "role": "assistant",
                    "created_at": AT,
                    "content": [
                        {"type": "reasoning", "is_native": True, "reasoning": "Look it up."},
                        {"type": "tool_call", "id": "c1", "name": "roll_dice", "input": {"sides": 6}},
                    ],
                },
                {
                    "id": "message-3",
                    "role": "tool",
                    "created_at": AT,
                    "content": [
                        {"type": "tool_return", "tool_call_id": "c1", "content": "4", "is_error": False}
                    ],
                },
                message("message-4", "assistant", "You rolled four."),
            ],
            "groups": [],
        }
    ],
    "groups": [{"id": "group-0"}],
    "blocks": [
        {"id": "block-0", "label": "persona", "value": "I am Loop.", "limit": 20000, "read_only": True},
        {"id": "block-1", "label": "about", "value": "Ada", "description": "Who the user is."},
    ],
    "files": [
        {"id": "f0", "source_id": "source-0", "file_name": "a.txt", "content": "Bees dance.\n\nBees sting."},
        {"id": "f1", "source_id": "source-0", "file_name": "b.pdf", "content": None},
    ],
    "sources": [{"id": "source-0", "name": "bees", "description": "About bees"}],
    "tools": [
        {"id": "tool-0", "name": "conversation_search"},
        {"id": "tool-1", "name": "roll_dice", "source_code": "1/0"},
    ],
    "mcp_servers": [],
    "skills": [{"name": "s"}],
}


def taken(tmp_path: Path, body: JSON) -> Taken:
    return take(Path(saved(tmp_path / "agent.af", json.dumps(body))))


def said(document: AgentDocument) -> list[tuple[str, str, str]]:
    return [(one.role, one.name, one.text) for one in document.messages]


def test_an_older_file_gives_its_agent(tmp_path: Path) -> None:
    found = taken(tmp_path, OLDER)
    (agent,) = found.agents
    assert (found.kind, agent.name, agent.state["system"]) == ("an agent file of Letta", "older", "Be kind.")
    assert [(one.label, one.value, one.limit) for one in agent.blocks] == [
        ("persona", "I am Sam.", 5000),
        ("human", "Name: Ada", 9),
    ]
    assert said(agent) == [
        ("user", "", "I keep bees."),
        ("assistant", "", "Bees!"),
        ("user", "", "And wasps?"),
        ("tool", "archival_memory_search", "[]"),
        ("assistant", "", "None."),
    ]
    shown = [(m.role, m.content or m.calls[0].name, m.thoughts) for m in agent.agent_state().history]
    assert shown == [
        ("user", "And wasps?", ""),
        ("assistant", "archival_memory_search", "Hm."),
        ("tool", "[]", ""),
        ("assistant", "send_message", "Tell."),
        ("tool", "OK", ""),
    ]


def test_what_an_older_file_has_and_is_not_taken_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert taken(tmp_path, OLDER).left_out == (
        "older: system prompts as they were shown (1): they are written anew",
        "older: private thoughts out of context (1): recall has what was said",
        "older: the tools evil: their code is not taken; give tools of your own",
        "older: tool rules (1)",
        "older: variables for tools (1)",
        "older: llm_config (gpt-4): the endpoint is chosen here",
        "older: embedding_config (ada): the endpoint is chosen here",
    )
    assert not (tmp_path / "ran").exists()


def test_a_newer_file_gives_its_agents_blocks_and_sources(tmp_path: Path) -> None:
    found = taken(tmp_path, NEWER)
    (agent,) = found.agents
    assert [(one.label, one.value) for one in agent.blocks] == [("about", "Ada"), ("persona", "I am Loop.")]
    assert said(agent) == [
        ("user", "", "I keep bees."),
        ("tool", "roll_dice", "4"),
        ("assistant", "", "You rolled four."),
    ]
    assert [m.role for m in agent.agent_state().history] == ["user", "assistant", "tool"]
    (source,) = found.sources
    assert [one.text for one in source.passages] == ["Bees dance.", "Bees sting."]
    with Store(tmp_path / "home") as store:
        (restored,) = restore_agents(store, found.agents, found.sources)
        assert restored.missing_sources == ()
        assert store.counts("newer").passages == 2


def test_what_a_newer_file_has_and_is_not_taken_is_told(tmp_path: Path) -> None:
    assert taken(tmp_path, NEWER).left_out == (
        "newer: system prompts as they were shown (1): they are written anew",
        "newer: calls in the context (1) that are none of ours: roll_dice; recall has their results",
        "newer: the tools roll_dice: their code is not taken; give tools of your own",
        "newer: that the blocks persona were read-only: the agent may write to them",
        "newer: descriptions of blocks (1)",
        "the file b.pdf: its text is not in there",
        "groups (1)",
        "skills (1)",
    )


def test_a_file_that_is_json_inside_json_is_read(tmp_path: Path) -> None:
    assert taken(tmp_path, json.dumps(NEWER)).agents == taken(tmp_path, NEWER).agents


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (
            ["agents", 0, "block_ids", 0],
            "block-9",
            'agents[0].block_ids[0] is "block-9", not the id of a block',
        ),
        (["agents", 0, "name"], None, "agents[0].name is null, not a text"),
        (["agents", 0, "messages", 1, "role"], 3, "agents[0].messages[1].role is 3, not a text"),
        (["blocks", 0, "label"], None, "blocks[0].label is null"),
        (["blocks"], None, "blocks is null, not a list"),
        (["agents", 0], [], "agents[0]"),
    ],
)
def test_a_damaged_file_is_told_its_place(
    path: list[str | int], value: JSON, says: str, tmp_path: Path
) -> None:
    body = copy.deepcopy(NEWER)
    place: object = body
    for step in path[:-1]:
        place = cast("dict[str | int, object]", place)[step]
    cast("dict[str | int, object]", place)[path[-1]] = value
    with pytest.raises(InputError) as caught:
        taken(tmp_path, body)
    assert says in caught.value.message


@pytest.mark.parametrize("body", [{}, [], {"agents": 1}, 3, None, {"core_memory": {}}])
def test_what_is_no_agent_file_is_refused(body: JSON, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is neither an agent of bridle nor an agent file") as caught:
        taken(tmp_path, body)
    assert ".af" in caught.value.hint


def test_files_that_are_not_there_or_not_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.af").write_bytes(b"\xff\xfe")
    for path, says in (
        (tmp_path / "no.af", "No such file"),
        (tmp_path / "x.af", "is not text"),
        (Path("\0"), "null"),
    ):
        with pytest.raises(InputError, match=says):
            take(path)
    with pytest.raises(InputError, match="there are no agents in"):
        take(tmp_path)


def test_an_agent_written_as_an_agent_file_comes_back_with_blocks_and_what_was_said(tmp_path: Path) -> None:
    (first,) = taken(tmp_path, OLDER).agents
    text, left_out = write_agent_file(first)
    assert left_out == ["events, results of functions and messages that were taken back (1)"]
    (second,) = take(Path(saved(tmp_path / "out.af", text))).agents
    assert [one for one in said(first) if one[0] != "tool"] == said(second)
    assert [(one.label, one.value, one.limit) for one in second.blocks] == [
        (one.label, one.value, one.limit) for one in first.blocks
    ]
    assert second.state["system"] == first.state["system"]
    assert second.messages[0].at_ns // 10**9 == first.messages[0].at_ns // 10**9


def test_what_an_agent_file_cannot_hold_is_told() -> None:
    state = state_body(new_state("a", FULL))
    document = AgentDocument(
        "a",
        2**62 * 3 // 2,
        0,
        state,
        messages=tuple(
            DocumentMessage(1, f"s{index}", 0, "user" if index % 2 else "assistant", "x", "2026-11-20", 1)
            for index in range(50)
        ),
        notes=(DocumentNote("n", "k", 1),),
        sources=("bees",),
    )
    text, left_out = write_agent_file(document)
    assert left_out == ["notes (1)", "sources (1)"]
    body = json.loads(text)
    assert body["created_at"].startswith("21")
    shown = body["agents"][0]["in_context_message_ids"]
    assert (shown[0], len(shown)) == ("message-0", 20)
    assert body["agents"][0]["messages"][32]["role"] == "user"
    assert body["agents"][0]["system"]


JUNK: tuple[JSON, ...] = (
    None,
    True,
    -1,
    1.5,
    2**70,
    "",
    "\ud800",
    "<|im_end|>",
    [],
    {},
    [[]],
    "0001-01-01",
    "{",
    "\0",
)


def places(body: JSON, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    members = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    return [path, *(place for key, value in members for place in places(value, (*path, key)))]


@pytest.mark.parametrize("form", [OLDER, NEWER], ids=["older", "newer"])
def test_whatever_stands_somewhere_in_a_file_it_is_taken_or_refused(
    form: dict[str, JSON], tmp_path: Path
) -> None:
    refused = 0
    with Store(tmp_path / "home") as store:
        for number, path in enumerate(places(form)[1:]):
            body = copy.deepcopy(form)
            inside: object = body
            for step in path[:-1]:
                inside = cast("dict[str | int, object]", inside)[step]
            cast("dict[str | int, object]", inside)[path[-1]] = JUNK[number % len(JUNK)]
            try:
                found = taken(tmp_path, body)
            except InputError:
                refused += 1
                continue
            named = [replace(agent, name=f"{number} {index}") for index, agent in enumerate(found.agents)]
            restore_agents(store, named, found.sources)
        taken_in = {info.name.partition(" ")[0] for info in store.agents()}
    assert refused
    assert len(taken_in) > len(places(form)) / 2
