"""What an importer finds: agents and sources as documents, texts for the user's own folders, and a list of
what was not taken, so that nothing is lost without a word."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from bridle.agent.exporting.document import AgentDocument, DocumentBlock, DocumentNote, state_body
from bridle.agent.exporting.transfer import SourceDocument
from bridle.agent.importing.conversation import Conversation
from bridle.agent.memory import Block, Core
from bridle.agent.prompt import FULL
from bridle.agent.state import NAME_CHARS, clean_text, new_state
from bridle.agent.store.passages import note_context, passage_key

__all__ = ["ForeignAgent", "Taken", "agent_document", "as_notes", "as_source", "usable_name"]

MOST_LABEL_CHARS = 50
MOST_LIMIT = 10**9
"""Of a block, in characters; a larger number is no limit."""


@dataclass(frozen=True, slots=True)
class ForeignAgent:
    """What another program kept of an agent. `blocks` are label, text and limit in characters."""

    name: str
    created: datetime
    blocks: Sequence[tuple[str, str, int]]
    conversation: Conversation
    system: str = ""
    notes: Sequence[DocumentNote] = ()
    sources: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Taken:
    """What was found in a file or folder. `kind` says in words what that was.

    `texts` are personas and humans by folder and name. `left_out` has a line for everything that was found
    and not taken.
    """

    kind: str
    agents: tuple[AgentDocument, ...] = ()
    sources: tuple[SourceDocument, ...] = ()
    texts: Mapping[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])
    left_out: tuple[str, ...] = ()


def agent_document(agent: ForeignAgent) -> AgentDocument:
    """Write an agent of another program as one of ours, which goes on where the other stopped."""
    blocks = _blocks(agent.blocks)
    conversation = agent.conversation
    state = replace(
        new_state(usable_name(agent.name), FULL),
        core=Core(blocks),
        history=tuple(conversation.history),
        turn=conversation.turns,
        system=clean_text(agent.system).strip(),
        summary=conversation.summary,
    )
    created_ns = _ns(agent.created)
    last = max((one.at_ns for one in conversation.messages), default=created_ns)
    return AgentDocument(
        name=state.name,
        created_ns=created_ns,
        updated_ns=last,
        state=state_body(state),
        blocks=tuple(DocumentBlock(one.label, one.value, one.limit, last) for one in blocks),
        messages=tuple(conversation.messages),
        notes=tuple(agent.notes),
        sources=tuple(map(usable_name, agent.sources)),
    )


def as_source(name: str, description: str, passages: Sequence[DocumentNote]) -> SourceDocument:
    """A source under a name that it can have."""
    return SourceDocument(usable_name(name), clean_text(description), tuple(passages))


def usable_name(name: str) -> str:
    """A name that an agent or a source of ours can have.

    >>> usable_name("a\\nb  "), usable_name("")
    ('a b', 'imported')
    """
    clean = " ".join("".join(char if char.isprintable() else " " for char in clean_text(name)).split())
    return clean[:NAME_CHARS].rstrip() or "imported"


def as_notes(texts: Iterable[tuple[str, datetime]]) -> tuple[DocumentNote, ...]:
    """Passages with their times; the same text twice is one passage."""
    notes: dict[str, DocumentNote] = {}
    for given, at in texts:
        text, at_ns = clean_text(given), _ns(at)
        key = passage_key("", {}, text)
        notes.setdefault(key, DocumentNote(text, key, at_ns, note_context(at_ns)))
    return tuple(notes.values())


def _blocks(given: Sequence[tuple[str, str, int]]) -> tuple[Block, ...]:
    """Blocks with labels that differ, and limits that their texts keep."""
    blocks: dict[str, Block] = {}
    for wanted, text, limit in given:
        value = clean_text(text).strip("\n")
        label = clean = usable_name(wanted.replace("<", " "))[: MOST_LABEL_CHARS - 4].rstrip()
        number = 1
        while label in blocks:
            number += 1
            label = f"{clean} {number}"
        blocks[label] = Block(label, value, max(min(limit, MOST_LIMIT), len(value), 1))
    return tuple(blocks.values())


def _ns(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000) * 1000
