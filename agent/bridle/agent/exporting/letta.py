"""Write an agent as an agent file (`.af`) of Letta, as letta 0.16.8 reads it (`schemas/agent_file.py`,
2026-05-14).

Blocks, instructions and messages go with it. An agent file has no place for notes, edits or sources' texts;
what is left out is told.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime

from bridle.agent.exporting.document import AgentDocument, DocumentMessage
from bridle.messages import JSON

__all__ = ["write_agent_file"]

FORGOTTEN = 1
"""What `hidden` is of a message that was taken back."""
MOST_IN_CONTEXT = 20


def write_agent_file(document: AgentDocument) -> tuple[str, list[str]]:
    """Write the text of an agent file, and list what it does not hold.

    Raises:
        InputError: when the document's state cannot be read.
    """
    said = [one for one in document.messages if one.hidden != FORGOTTEN and one.role in ("user", "assistant")]
    state = document.agent_state()
    system = state.system or state.profile.system
    messages = [_message("message-0", "system", system, document.created_ns)]
    messages += [
        _message(f"message-{index}", one.role, one.text, one.at_ns) for index, one in enumerate(said, start=1)
    ]
    agent: dict[str, JSON] = {
        "id": "agent-0",
        "name": document.name,
        "system": system,
        "agent_type": "letta_v1_agent",
        "block_ids": [f"block-{index}" for index in range(len(document.blocks))],
        "in_context_message_ids": ["message-0", *_in_context(said)],
        "messages": list[JSON](messages),
    }
    body: dict[str, JSON] = {
        "agents": [agent],
        "groups": [],
        "blocks": [
            {"id": f"block-{index}", "label": one.label, "value": one.value, "limit": one.limit}
            for index, one in enumerate(document.blocks)
        ],
        "files": [],
        "sources": [],
        "tools": [],
        "mcp_servers": [],
        "metadata": {},
        "created_at": _time(document.created_ns),
    }
    return json.dumps(body, ensure_ascii=False, indent=1) + "\n", _left_out(document, len(said))


def _in_context(said: Sequence[DocumentMessage]) -> list[str]:
    """The newest messages, from one of the user's on."""
    first = max(len(said) - MOST_IN_CONTEXT, 0)
    while first < len(said) and said[first].role != "user":
        first += 1
    return [f"message-{index + 1}" for index in range(first, len(said))]


def _message(key: str, role: str, text: str, at_ns: int) -> dict[str, JSON]:
    return {
        "id": key,
        "role": role,
        "content": [{"type": "text", "text": text}],
        "created_at": _time(at_ns),
        "agent_id": "agent-0",
    }


def _time(ns: int) -> str:
    """Write a time; what lies outside of the calendar becomes 1970."""
    try:
        return datetime.fromtimestamp(ns / 1e9, UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC).isoformat()


def _left_out(document: AgentDocument, said: int) -> list[str]:
    numbers = (
        (len(document.notes), "notes"),
        (len(document.edits), "edits of its blocks"),
        (
            len(document.messages) - said,
            "events, results of functions and messages that were taken back",
        ),
        (len(document.sources), "sources"),
    )
    return [f"{what} ({count})" for count, what in numbers if count]
