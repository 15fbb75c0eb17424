"""An agent outside of a store: one JSON document, which can be kept, sent, and read again.

    {"format": "bridle-agent", "version": 1,
     "written_by": "bridle 0.1.0", "written_at": "2026-11-20T08:05:00+00:00",
     "agent": {"name": …, "created_ns": …, "updated_ns": …, "state": {…},
       "blocks": [{"label", "value", "limit", "updated_ns"}],
       "edits": [{"block", "turn", "before", "after", "by", "at_ns"}],
       "messages": [{"turn", "step", "index", "role", "name", "text", "context", "day", "hidden", "at_ns"}],
       "notes": [{"text", "context", "locator", "key", "at_ns"}],
       "sources": ["names of attached sources"]}}

Times ending in `_ns` are nanoseconds since 1970. `state` is what `bridle.agent.state_json` writes, without
the name and core memory. A document holds an agent's own notes; of attached sources it holds the names.
Vectors are not part of it: they are made again. Reading and writing of stores is in `transfer`.

A version goes up when an older program could not read the document any more; new members do not matter.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from bridle.agent.exporting.places import Place, parse
from bridle.agent.memory import Block, Core
from bridle.agent.prompt import FULL
from bridle.agent.state import AgentState, new_state
from bridle.agent.state_json import from_json, to_json
from bridle.errors import InputError, StoreCorrupt
from bridle.messages import JSON

__all__ = [
    "FORMAT",
    "MADE_BY",
    "VERSION",
    "AgentDocument",
    "DocumentBlock",
    "DocumentEdit",
    "DocumentMessage",
    "DocumentNote",
    "is_document",
    "read_document",
    "state_body",
    "write_document",
]

FORMAT, VERSION = "bridle-agent", 1
MADE_BY = ("agent", "user", "undo", "import")
"""Who can have made an edit."""


@dataclass(frozen=True, slots=True)
class DocumentBlock:
    """A block of core memory; `limit` is in characters."""

    label: str
    value: str
    limit: int
    updated_ns: int = 0


@dataclass(frozen=True, slots=True)
class DocumentEdit:
    """A change of a block; `by` is of `MADE_BY`."""

    block: str
    turn: int
    before: str
    after: str
    by: str
    at_ns: int


@dataclass(frozen=True, slots=True)
class DocumentMessage:
    """What was said, or what a function gave. `step` and `index` order and identify it.

    `hidden` is 0 for one that searches find, 1 for one that was taken back, 2 for one that only stands in the
    log.
    """

    turn: int
    step: str
    index: int
    role: str
    text: str
    day: str
    at_ns: int
    name: str = ""
    context: str = ""
    hidden: int = 0


@dataclass(frozen=True, slots=True)
class DocumentNote:
    """A passage of the agent's own archive. `key` is what makes it unique there."""

    text: str
    key: str
    at_ns: int
    context: str = ""
    locator: Mapping[str, JSON] = field(default_factory=dict[str, JSON])


@dataclass(frozen=True, slots=True)
class AgentDocument:
    """All that belongs to an agent. `state` is the stored form without name and core memory."""

    name: str
    created_ns: int
    updated_ns: int
    state: Mapping[str, JSON]
    blocks: tuple[DocumentBlock, ...] = ()
    edits: tuple[DocumentEdit, ...] = ()
    messages: tuple[DocumentMessage, ...] = ()
    notes: tuple[DocumentNote, ...] = ()
    sources: tuple[str, ...] = ()

    def agent_state(self, name: str = "") -> AgentState:
        """The state, under this or another name, with revision 0.

        Raises:
            InputError: when it is not one, or the name cannot name an agent.
        """
        body = {**self.state, "name": new_state(name or self.name, FULL).name}
        core = Core(tuple(Block(one.label, one.value, one.limit) for one in self.blocks))
        try:
            return from_json(json.dumps(body), 0, core)
        except StoreCorrupt as error:
            raise InputError(
                f"the state in the document of {self.name!r} cannot be read: {error.message}",
                hint="the file is damaged: take another copy",
            ) from error


def state_body(state: AgentState) -> Mapping[str, JSON]:
    """The stored form of a state as a document has it."""
    body: dict[str, JSON] = json.loads(to_json(state, with_core=False))
    return {key: value for key, value in body.items() if key != "name"}


def write_document(document: AgentDocument, program: str, now: datetime | None = None) -> str:
    """Write a document as JSON text; `program` says who wrote it."""
    body: dict[str, JSON] = {
        "format": FORMAT,
        "version": VERSION,
        "written_by": program,
        "written_at": (now or datetime.now(UTC)).isoformat(timespec="seconds"),
        "agent": _agent_out(document),
    }
    return json.dumps(body, ensure_ascii=False, indent=1) + "\n"


def is_document(body: JSON) -> bool:
    """Is this JSON value meant as such a document?"""
    return isinstance(body, dict) and body.get("format") == FORMAT


def read_document(text: str, source: str) -> AgentDocument:
    """Read what `write_document` wrote; `source` names the file in errors.

    Raises:
        InputError: for a newer version, and for a damaged file with the place.
    """
    place = parse(text, source)
    if not is_document(place.value):
        raise InputError(
            f"{source} is not an agent's document: its `format` is not {FORMAT!r}",
            hint="`bridle agents export` writes such files",
        )
    version = place.at("version").integer(1)
    if version > VERSION:
        raise InputError(
            f"{source} has version {version}; this bridle knows up to {VERSION}",
            hint="a newer bridle has written it: install that one",
        )
    document = _agent_in(place.at("agent"))
    # What is wrong with the state is told before anything is stored, and what it lacks gets its usual value.
    return replace(document, state=state_body(document.agent_state()))


def _agent_out(document: AgentDocument) -> dict[str, JSON]:
    return {
        "name": document.name,
        "created_ns": document.created_ns,
        "updated_ns": document.updated_ns,
        "state": dict(document.state),
        "blocks": [
            {"label": one.label, "value": one.value, "limit": one.limit, "updated_ns": one.updated_ns}
            for one in document.blocks
        ],
        "edits": [_edit_out(one) for one in document.edits],
        "messages": [_message_out(one) for one in document.messages],
        "notes": [_note_out(one) for one in document.notes],
        "sources": list(document.sources),
    }


def _edit_out(edit: DocumentEdit) -> dict[str, JSON]:
    return {
        "block": edit.block,
        "turn": edit.turn,
        "before": edit.before,
        "after": edit.after,
        "by": edit.by,
        "at_ns": edit.at_ns,
    }


def _message_out(message: DocumentMessage) -> dict[str, JSON]:
    return {
        "turn": message.turn,
        "step": message.step,
        "index": message.index,
        "role": message.role,
        "name": message.name,
        "text": message.text,
        "context": message.context,
        "day": message.day,
        "hidden": message.hidden,
        "at_ns": message.at_ns,
    }


def _note_out(note: DocumentNote) -> dict[str, JSON]:
    return {
        "text": note.text,
        "context": note.context,
        "locator": dict(note.locator),
        "key": note.key,
        "at_ns": note.at_ns,
    }


def _agent_in(agent: Place) -> AgentDocument:
    blocks = tuple(_block_in(one) for one in agent.at("blocks").items())
    _check_different(agent.at("blocks"), "label")
    _check_different(agent.at("messages"), "step", "index")
    _check_different(agent.at("notes"), "key")
    labels = [block.label for block in blocks]
    return AgentDocument(
        name=agent.at("name").text(),
        created_ns=agent.at("created_ns").integer(),
        updated_ns=agent.at("updated_ns").integer(),
        state=agent.at("state").mapping(),
        blocks=blocks,
        edits=tuple(_edit_in(one, labels) for one in agent.at("edits").items()),
        messages=tuple(_message_in(one) for one in agent.at("messages").items()),
        notes=tuple(_note_in(one) for one in agent.at("notes").items()),
        sources=tuple(one.text() for one in agent.at("sources").items()),
    )


def _check_different(places: Place, *keys: str) -> None:
    """What identifies a row must not be there twice."""
    seen: set[str] = set()
    for place in places.items():
        identity = json.dumps([place.at(key).value for key in keys])
        if identity in seen:
            raise place.at(keys[0]).wrong("one that is there once")
        seen.add(identity)


def _block_in(place: Place) -> DocumentBlock:
    return DocumentBlock(
        label=place.at("label").text(),
        value=place.at("value").text(),
        limit=place.at("limit").integer(1),
        updated_ns=place.at("updated_ns").integer(),
    )


def _edit_in(place: Place, labels: Sequence[str]) -> DocumentEdit:
    return DocumentEdit(
        block=place.at("block").one_of(*labels),
        turn=place.at("turn").integer(0),
        before=place.at("before").text(),
        after=place.at("after").text(),
        by=place.at("by").one_of(*MADE_BY),
        at_ns=place.at("at_ns").integer(),
    )


def _message_in(place: Place) -> DocumentMessage:
    return DocumentMessage(
        turn=place.at("turn").integer(0),
        step=place.at("step").text(),
        index=place.at("index").integer(0),
        role=place.at("role").text(),
        name=place.at("name").text(),
        text=place.at("text").text(),
        context=place.at("context").text(),
        day=place.at("day").text(),
        hidden=place.at("hidden").integer(0),
        at_ns=place.at("at_ns").integer(),
    )


def _note_in(place: Place) -> DocumentNote:
    return DocumentNote(
        text=place.at("text").text(),
        context=place.at("context").text(),
        locator=place.at("locator").mapping(),
        key=place.at("key").text(),
        at_ns=place.at("at_ns").integer(),
    )
