"""Read an agent's folder of MemGPT 0.1 and 0.2, or a home that has such folders.

As in pymemgpt 0.1.15 and 0.2.11 (`agent.py`, `config.py`, `persistence_manager.py`):

    agents/NAME/config.json                        name, persona, preset, data_source(s), create_time
    agents/NAME/agent_state/TIME.json              system, messages, messages_total, memory; the newest counts
    agents/NAME/persistence_manager/TIME.persistence.pickle      older messages
    agents/NAME/persistence_manager/index/docstore.json or nodes.pkl       archival memory
    archival/NAME/docstore.json or nodes.pkl       a source

Pickles are programs and are never run: what lies in them is named with the way out, which is MemGPT's own
`memgpt migrate` (0.2.12 to 0.3.3). Archival memory that llama_index kept as JSON is taken.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from bridle.agent.exporting.document import AgentDocument, DocumentNote
from bridle.agent.exporting.transfer import SourceDocument
from bridle.agent.importing.conversation import (
    ForeignCall,
    ForeignMessage,
    packaged_time,
    read_calls,
    read_conversation,
)
from bridle.agent.importing.taken import ForeignAgent, Taken, agent_document, as_notes, as_source
from bridle.agent.importing.texts import own_texts, shipped_name
from bridle.endpoints.json_paths import integer_at, list_at, text_at, value_at
from bridle.errors import InputError
from bridle.messages import JSON

__all__ = ["STATE_FOLDER", "has_agents", "read_folders"]

STATE_FOLDER = "agent_state"
LIMITS = {"persona": 2000, "human": 2000}
MIGRATE = "MemGPT 0.3.3 can move it with `memgpt migrate`; then import that home"


def has_agents(folder: Path) -> bool:
    """Is this the folder of such an agent, or a home with such folders?"""
    return (folder / STATE_FOLDER).is_dir() or any(folder.glob(f"agents/*/{STATE_FOLDER}"))


def read_folders(folder: Path) -> Taken:
    """Take the agents that lie there, the sources, and the personas and humans.

    Raises:
        InputError: when an agent's state cannot be read.
    """
    alone = (folder / STATE_FOLDER).is_dir()
    homes = [folder] if alone else sorted(path.parent for path in folder.glob(f"agents/*/{STATE_FOLDER}"))
    agents: list[AgentDocument] = []
    left_out: list[str] = []
    for home in homes:
        document, lines = _agent(home)
        agents.append(document)
        left_out += [f"{document.name}: {line}" for line in lines]
    sources, lines = ((), []) if alone else _sources(folder)
    texts, more = ({}, []) if alone else own_texts(folder)
    return Taken("agents of MemGPT 0.1 or 0.2", tuple(agents), sources, texts, (*left_out, *lines, *more))


def _agent(folder: Path) -> tuple[AgentDocument, list[str]]:
    files = sorted((folder / STATE_FOLDER).glob("*.json"), key=lambda file: (file.stat().st_mtime, file.name))
    if not files:
        raise InputError(f"{folder / STATE_FOLDER} has no saved state", hint="give another agent's folder")
    state, config = _object(files[-1]), {}
    if (folder / "config.json").is_file():
        config = _object(folder / "config.json")
    saved = datetime.fromtimestamp(files[-1].stat().st_mtime, UTC)
    messages = _messages(list_at(state, "messages"), saved)
    conversation = read_conversation(messages)
    notes, left_out = _index(folder / "persistence_manager" / "index")
    left_out += conversation.left_out() + _not_read(folder, files, state, len(messages))
    system = text_at(state, "system")
    if shipped := shipped_name(system):
        left_out.append(f"the system text that MemGPT shipped as {shipped}: bridle's own is used")
    agent = ForeignAgent(
        name=text_at(config, "name") or folder.name,
        created=packaged_time(text_at(config, "create_time")) or (messages[0].at if messages else saved),
        blocks=[(label, text_at(state, "memory", label), limit) for label, limit in LIMITS.items()],
        conversation=conversation,
        system="" if shipped else system,
        notes=notes,
        sources=_attached(config),
    )
    return agent_document(agent), left_out


def _object(file: Path) -> dict[str, JSON]:
    try:
        body = cast("JSON", json.loads(file.read_bytes()))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{file} cannot be read: {error}", hint="take another copy of it") from error
    if not isinstance(body, dict):
        raise InputError(f"{file} holds no JSON object", hint="take another copy of it")
    return body


def _messages(listed: Sequence[JSON], saved: datetime) -> list[ForeignMessage]:
    """The messages that were in the prompt; one without a time has that of the one before it."""
    messages: list[ForeignMessage] = []
    at = next((time for one in listed if (time := packaged_time(text_at(one, "content")))), saved)
    for index, one in enumerate(listed):
        text = text_at(one, "content")
        at = packaged_time(text) or at
        calls = _calls(one, f"call-{index}")
        role = text_at(one, "role")
        messages.append(
            ForeignMessage(
                role="tool" if role == "function" else role,
                text=text,
                at=at,
                name=text_at(one, "name"),
                calls=calls,
                answers=text_at(one, "tool_call_id") or f"call-{index - 1}",
                shown=True,
            )
        )
    return messages


def _calls(message: JSON, key: str) -> tuple[ForeignCall, ...]:
    one = value_at(message, "function_call")
    if isinstance(one, dict):
        return (ForeignCall(key, text_at(one, "name"), value_at(one, "arguments")),)
    return read_calls(value_at(message, "tool_calls"))


def _attached(config: JSON) -> list[str]:
    names = [str(one) for one in list_at(config, "data_sources")] or [text_at(config, "data_source")]
    return [name for name in names if name]


def _index(folder: Path) -> tuple[tuple[DocumentNote, ...], list[str]]:
    """Passages of an index of llama_index that was kept as JSON, and what was not."""
    file = folder / "docstore.json"
    if file.is_file():
        nodes = value_at(_object(file), "docstore/data")
        at = datetime.fromtimestamp(file.stat().st_mtime, UTC)
        values = list(nodes.values()) if isinstance(nodes, dict) else []
        texts = [text_at(node, "__data__", "text") for node in values]
        return as_notes((text, at) for text in texts if text.strip()), []
    if (folder / "nodes.pkl").is_file():
        return (), [f"archival memory in {folder / 'nodes.pkl'}, a pickle, which is never run: {MIGRATE}"]
    return (), []


def _not_read(folder: Path, states: Sequence[Path], state: JSON, shown: int) -> list[str]:
    lines: list[str] = []
    pickles = sorted((folder / "persistence_manager").glob("*.pickle"))
    if pickles:
        total = integer_at(state, "messages_total")
        older = f"{max(total - shown, 0)} older messages" if total is not None else "older messages"
        lines.append(f"{older} in {pickles[-1]}, a pickle, which is never run: {MIGRATE}")
    if len(states) > 1:
        lines.append(f"earlier saved states ({len(states) - 1}): the newest was taken")
    return lines


def _sources(folder: Path) -> tuple[tuple[SourceDocument, ...], list[str]]:
    found: list[SourceDocument] = []
    left_out: list[str] = []
    for path in sorted(one for one in (folder / "archival").glob("*") if one.is_dir()):
        passages, lines = _index(path)
        left_out += lines
        if passages:
            found.append(as_source(path.name, "", passages))
    return tuple(found), left_out
