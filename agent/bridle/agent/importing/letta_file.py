"""Read an agent file (`.af`) of Letta: JSON with agents, blocks, messages and tools.

Two forms, as in letta 0.16.8 (`schemas/agent_file.py`, `serialize_schemas/`, 2026-05-14) and in files that
were published in them. Some published files hold the JSON as a text inside JSON.

    older    one agent: core_memory [{label, value, limit}], messages, in_context_message_indices, tools
    newer    agents [{block_ids, messages, in_context_message_ids, tool_ids}], blocks, tools, sources, files

Tools are taken by name only: their code is not stored and never run. Files carry no archival memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from bridle.agent.exporting.document import AgentDocument
from bridle.agent.exporting.places import Place, parse
from bridle.agent.exporting.transfer import SourceDocument
from bridle.agent.functions import FUNCTIONS
from bridle.agent.importing.conversation import (
    ForeignCall,
    ForeignMessage,
    plausible,
    read_calls,
    read_conversation,
)
from bridle.agent.importing.taken import ForeignAgent, Taken, agent_document, as_notes, as_source
from bridle.endpoints.json_paths import integer_at, list_at, text_at, value_at
from bridle.messages import JSON

__all__ = ["is_agent_file", "read_agent_file", "unwrapped"]

DEFAULT_LIMIT = 20_000
PLAIN_KINDS = ("letta_v1_agent",)
"""Kinds of agents that reply in plain text."""

_NOT_TAKEN = (
    ("tool_rules", "tool rules"),
    ("tool_exec_environment_variables", "variables for tools"),
    ("tags", "tags"),
    ("files_agents", "open files"),
    ("group_ids", "groups"),
    ("identity_ids", "identities"),
)

_NOT_TAKEN_OF_FILE = (("groups", "groups"), ("mcp_servers", "MCP servers"), ("skills", "skills"))


def unwrapped(text: str, source: str) -> Place:
    """Read the JSON of a file, also where it is a text inside JSON."""
    place = parse(text, source)
    return parse(place.value, source) if isinstance(place.value, str) else place


def is_agent_file(body: JSON) -> bool:
    """Does this JSON value look like an agent file of either form?"""
    if not isinstance(body, dict):
        return False
    return isinstance(body.get("agents"), list) or isinstance(body.get("core_memory"), list)


def read_agent_file(place: Place) -> Taken:
    """Take the agents of a file, and its sources with the files' texts.

    Raises:
        InputError: for what is no such file, with the place.
    """
    body = place.value
    if place.has("agents"):
        blocks = {text_at(one.value, "id"): one for one in place.at("blocks").items()}
        tools = {text_at(one, "id"): text_at(one, "name") for one in list_at(body, "tools")}
        pairs = [_agent(one, blocks, tools, body) for one in place.at("agents").items()]
        sources, left_out = _sources(body)
        left_out += _counted(body, _NOT_TAKEN_OF_FILE)
    else:
        pairs, sources, left_out = [_agent(place, {}, {}, body)], (), []
    lines = [f"{document.name}: {line}" for document, lines in pairs for line in lines]
    documents = tuple(document for document, _ in pairs)
    return Taken("an agent file of Letta", documents, sources, {}, tuple(lines + left_out))


def _agent(
    place: Place, blocks: Mapping[str, Place], tools: Mapping[str, str], body: JSON
) -> tuple[AgentDocument, list[str]]:
    agent = place.value
    messages = _messages(place)
    kind = text_at(agent, "agent_type")
    conversation = read_conversation(messages, plain_replies=kind in PLAIN_KINDS)
    names = [tools.get(str(one), str(one)) for one in list_at(agent, "tool_ids")]
    names += [text_at(one, "name") for one in list_at(agent, "tools")]
    left_out = conversation.left_out() + _unknown_tools(names) + _counted(agent, _NOT_TAKEN)
    for wanted, what in (("llm_config", "model"), ("embedding_config", "embedding_model")):
        if text_at(agent, wanted, what):
            left_out.append(f"{wanted} ({text_at(agent, wanted, what)}): the endpoint is chosen here")
    taken, lines = _blocks(place, blocks)
    foreign = ForeignAgent(
        name=place.at("name").text(),
        created=messages[0].at if messages else _time(text_at(agent, "created_at")),
        blocks=taken,
        conversation=conversation,
        system=text_at(agent, "system"),
        sources=[
            text_at(one, "name")
            for one in list_at(body, "sources")
            if text_at(one, "id") in list_at(agent, "source_ids")
        ],
    )
    return agent_document(foreign), left_out + lines


def _blocks(place: Place, blocks: Mapping[str, Place]) -> tuple[list[tuple[str, str, int]], list[str]]:
    """Blocks as label, text and limit, and which of them were read-only or described."""
    places = list(place.at("core_memory").items()) if place.has("core_memory") else []
    if place.has("memory_blocks"):
        places += list(place.at("memory_blocks").items())
    for one in place.at("block_ids").items() if place.has("block_ids") else ():
        if one.text() not in blocks:
            raise one.wrong("the id of a block in the file")
        places.append(blocks[one.text()])
    found = [
        (
            one.at("label").text(),
            one.at("value").text() if one.has("value") else "",
            integer_at(one.value, "limit") or DEFAULT_LIMIT,
        )
        for one in places
    ]
    locked = [text_at(one.value, "label") for one in places if value_at(one.value, "read_only") is True]
    lines = [f"that the blocks {', '.join(locked)} were read-only: the agent may write to them"]
    described = sum(bool(text_at(one.value, "description")) for one in places)
    return found, lines * bool(locked) + [f"descriptions of blocks ({described})"] * bool(described)


def _unknown_tools(names: Sequence[str]) -> list[str]:
    known = {tool.name for tool in FUNCTIONS}
    unknown = [name for name in names if name and name not in known]
    line = f"the tools {', '.join(unknown)}: their code is not taken; give tools of your own"
    return [line] if unknown else []


def _counted(body: JSON, fields: Sequence[tuple[str, str]]) -> list[str]:
    lines: list[str] = []
    for field, what in fields:
        value = value_at(body, field)
        if isinstance(value, list | dict) and value:
            lines.append(f"{what} ({len(value)})")
    return lines


def _messages(place: Place) -> list[ForeignMessage]:
    places = list(place.at("messages").items()) if place.has("messages") else []
    shown = {str(one) for one in list_at(place.value, "in_context_message_ids")}
    shown |= {f"#{one}" for one in list_at(place.value, "in_context_message_indices")}
    messages: list[ForeignMessage] = []
    for index, one in enumerate(places):
        is_shown = f"#{index}" in shown or text_at(one.value, "id") in shown
        messages += _message(one, is_shown)
    return messages


def _message(place: Place, shown: bool) -> list[ForeignMessage]:
    body, role = place.value, place.at("role").text()
    at = _time(text_at(body, "created_at"))
    text, thoughts, calls, results = _parts(body)
    if role in ("tool", "function") or (results and not text):
        given = results or [(text_at(body, "tool_call_id"), text)]
        name = text_at(body, "name")
        return [
            ForeignMessage("tool", said, at, name if len(given) == 1 else "", answers=key, shown=shown)
            for key, said in given
        ]
    role = role if role in ("system", "user", "assistant") else "user"
    return [ForeignMessage(role, text, at, text_at(body, "name"), thoughts, calls, shown=shown)]


def _parts(
    body: JSON,
) -> tuple[str, str, tuple[ForeignCall, ...], list[tuple[str, str]]]:
    """Text, thoughts, calls and results of a message, whose content is a text or a list of parts."""
    texts = [text_at(body, "content") or text_at(body, "text")]
    thoughts: list[str] = []
    results: list[tuple[str, str]] = []
    calls = list(read_calls(value_at(body, "tool_calls")))
    for part in list_at(body, "content"):
        match text_at(part, "type"):
            case "text":
                texts.append(text_at(part, "text"))
            case "reasoning":
                thoughts.append(text_at(part, "reasoning"))
            case "tool_call":
                calls.append(ForeignCall(text_at(part, "id"), text_at(part, "name"), value_at(part, "input")))
            case "tool_return":
                results.append((text_at(part, "tool_call_id"), text_at(part, "content")))
            case "image":
                texts.append("[image]")
            case _:
                continue
    unique = {(call.id, call.name): call for call in calls}
    return "\n".join(filter(None, texts)), "\n".join(thoughts), tuple(unique.values()), results


def _sources(body: JSON) -> tuple[tuple[SourceDocument, ...], list[str]]:
    """Sources with the texts of their files, where the file carries them."""
    found: list[SourceDocument] = []
    empty: list[str] = []
    for source in list_at(body, "sources"):
        files = [one for one in list_at(body, "files") if text_at(one, "source_id") == text_at(source, "id")]
        texts = [(text_at(one, "content"), _time(text_at(one, "file_creation_date"))) for one in files]
        empty += [text_at(one, "file_name") for one in files if not text_at(one, "content")]
        description = text_at(source, "description")
        notes = as_notes((part, at) for text, at in texts for part in _paragraphs(text))
        found.append(as_source(text_at(source, "name"), description, notes))
    return tuple(found), [f"the file {name}: its text is not in there" for name in empty]


def _paragraphs(text: str) -> list[str]:
    return [part.strip() for part in text.split("\n\n") if part.strip()]


def _time(text: str) -> datetime:
    """Read a time; now where there is none."""
    try:
        return plausible(datetime.fromisoformat(text)) or datetime.now(UTC)
    except ValueError:
        return datetime.now(UTC)
