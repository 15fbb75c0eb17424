"""What an agent is between two steps, what can happen to it, and what it wants done: values, and nothing
else.

`AgentState` is all of it; `bridle.agent.state_json` has the only form in which it is stored. Older
conversation than `history` lives in the store alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal, TypeAlias

from bridle.agent.limits import Limits
from bridle.agent.memory import Core
from bridle.agent.prompt import COMPACT, FULL, SMALL, Profile
from bridle.errors import InputError
from bridle.messages import JSON, Completion, Message, Role, ToolCall, ToolSpec

__all__ = [
    "PROFILES",
    "AgentState",
    "AskModel",
    "Did",
    "Edited",
    "Effect",
    "Event",
    "Happened",
    "Happening",
    "Interrupted",
    "ModelAnswered",
    "Noted",
    "Overflowed",
    "Record",
    "Reply",
    "RunTool",
    "Step",
    "Summarise",
    "Summarised",
    "ToolReturned",
    "UserSaid",
    "clean_text",
    "new_state",
    "with_profile",
]

PROFILES: Mapping[str, Profile] = {profile.name: profile for profile in (COMPACT, SMALL, FULL)}
"""The profiles that a stored agent can name."""

NAME_CHARS = 80


@dataclass(frozen=True, slots=True)
class AgentState:
    """One agent, complete. `revision` counts the stored versions, 0 for one that was never stored.

    `system` takes the place of the profile's instructions where it is not empty. `summary` says what was
    before `history`, of which `evicted` messages are no longer shown; `warned` is whether the model was told
    that some soon leave. `prompt_tokens` is how long the last prompt was, 0 where nobody counted.

    The rest describes the turn that is being answered (`is_open`): `at` is when it began, `steps` and `asks`
    count model calls and repeated questions, `tokens` what they cost, `notes` are shown to the model until
    the turn ends, `reply_only` allows nothing but a reply, and `pending` is a call whose result is awaited.

    `tools`, `limits` and `window` (of the model, in tokens) are not stored: whoever runs the agent gives
    them.
    """

    name: str
    profile: Profile
    core: Core
    history: tuple[Message, ...] = ()
    turn: int = 0
    revision: int = 0
    system: str = ""
    summary: str = ""
    evicted: int = 0
    warned: bool = False
    prompt_tokens: int = 0
    is_open: bool = False
    at: datetime | None = None
    steps: int = 0
    asks: int = 0
    tokens: int = 0
    notes: tuple[Message, ...] = ()
    reply_only: bool = False
    pending: ToolCall | None = None
    paused_until: datetime | None = None
    tools: tuple[ToolSpec, ...] = field(default=(), compare=False)
    limits: Limits = field(default=Limits(), compare=False)
    window: int | None = field(default=None, compare=False)

    @property
    def turn_calls(self) -> tuple[ToolCall, ...]:
        """The calls that were made since the user spoke."""
        start = max((i for i, message in enumerate(self.history) if message.role == "user"), default=0)
        return tuple(call for message in self.history[start:] for call in message.calls)


@dataclass(frozen=True, slots=True)
class Step:
    """One call that the model made, what it thought before it, and what came back."""

    thoughts: str
    call: ToolCall
    result: str


@dataclass(frozen=True, slots=True)
class UserSaid:
    """The user spoke, or somebody who is named. `stored` counts the messages and the notes in store then."""

    text: str
    at: datetime
    stored: tuple[int, int] = (0, 0)
    speaker: str = ""


Happening = Literal["login", "heartbeat", "memory"]
"""What begins a turn without a message: a first or new session, time that went by, memory that fills up."""


@dataclass(frozen=True, slots=True)
class Happened:
    """Something happened that nobody said. With `only_reply` the agent may do nothing but speak."""

    what: Happening
    text: str
    at: datetime
    stored: tuple[int, int] = (0, 0)
    only_reply: bool = False


@dataclass(frozen=True, slots=True)
class ModelAnswered:
    """The model's answer to the last `AskModel`."""

    completion: Completion


@dataclass(frozen=True, slots=True)
class ToolReturned:
    """What the last `RunTool` gave."""

    call: ToolCall
    text: str


@dataclass(frozen=True, slots=True)
class Overflowed:
    """The prompt of the last `AskModel` does not fit the window."""


@dataclass(frozen=True, slots=True)
class Summarise:
    """Have the model sum up messages that are no longer shown; answer with `Summarised`."""

    messages: tuple[Message, ...]
    before: str = ""


@dataclass(frozen=True, slots=True)
class Summarised:
    """What the last `Summarise` gave; an empty text where the model could not do it."""

    asked: Summarise
    text: str = ""


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The turn was cancelled, failed, or died with its process; it ends without a reply."""


Event: TypeAlias = UserSaid | Happened | ModelAnswered | ToolReturned | Overflowed | Summarised | Interrupted


Reason = Literal["message", "event", "requested", "forced", "again", "overflow"]
"""Why a step is made: somebody spoke, something happened, the last call asked for another step
(`request_heartbeat`), there is no reply yet, the last answer could not be used, the prompt was too long."""


@dataclass(frozen=True, slots=True)
class AskModel:
    """Ask for the next call: all of `shown` are listed, one of `allowed` must come.

    `thoughts`, where it is given, is a JSON Schema of the thought that comes before the call. `reason` says
    why this step is made. With `shrink` nothing more can leave the conversation for good: where the prompt
    does not fit, less is shown of it.
    """

    shown: tuple[ToolSpec, ...]
    allowed: tuple[ToolSpec, ...]
    reply_only: bool = False
    thoughts: Mapping[str, JSON] | None = None
    reason: Reason = "message"
    shrink: bool = False


@dataclass(frozen=True, slots=True)
class RunTool:
    """Do what a call asks of the store, and answer with `ToolReturned`."""

    call: ToolCall


@dataclass(frozen=True, slots=True)
class Record:
    """Keep what was really said or found out: by the user, to the user, or by the function that `name` is."""

    role: Role
    text: str
    at: datetime
    name: str = ""


@dataclass(frozen=True, slots=True)
class Edited:
    """Keep how a block of core memory changed."""

    label: str
    before: str
    after: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Did:
    """A step is complete."""

    step: Step


@dataclass(frozen=True, slots=True)
class Noted:
    """Tell whoever runs the agent something about its memory."""

    text: str


@dataclass(frozen=True, slots=True)
class Reply:
    """The turn is over; say this to the user."""

    text: str


Effect: TypeAlias = AskModel | RunTool | Record | Edited | Did | Noted | Summarise | Reply


def new_state(name: str, profile: Profile) -> AgentState:
    """An agent that has not been spoken to.

    Raises:
        InputError: for a name that is empty, too long, or not printable.
    """
    if not name.strip() or len(name) > NAME_CHARS or not name.isprintable():
        raise InputError(f"{name!r} cannot name an agent", hint=f"use 1 to {NAME_CHARS} printable characters")
    return AgentState(name, profile, profile.core())


def with_profile(state: AgentState, profile: Profile) -> AgentState:
    """The same agent, presented otherwise.

    Limits of blocks that were the former profile's become this one's; a block that is longer keeps what it
    has.
    """
    former = state.profile.block_chars
    blocks = tuple(
        replace(block, limit=max(profile.block_chars, len(block.value))) if block.limit == former else block
        for block in state.core.blocks
    )
    return replace(state, profile=profile, core=Core(blocks))


def clean_text(text: str) -> str:
    r"""Make text that UTF-8 can write: halves of surrogate pairs are joined, or replaced.

    >>> clean_text("\ud83d\ude00 \ud83d")
    '😀 �'
    """
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
