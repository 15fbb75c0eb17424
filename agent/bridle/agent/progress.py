"""What a turn gave when it is over, and what is told about it while it happens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from bridle.agent.state import Noted, Step
from bridle.messages import Completion, Delta, ToolCall
from bridle.wrappers.jsonstream import ObjectScanner

__all__ = ["AskedAgain", "Calling", "Finished", "OnEvent", "Progress", "Saying", "Teller", "Thinking", "Turn"]


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn that is over. One that was cancelled has no reply. `completions` are all answers of the
    model, `notes` what happened to its memory, and `seconds` the wall time."""

    user: str
    reply: str
    steps: tuple[Step, ...] = ()
    cancelled: bool = False
    completions: tuple[Completion, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def tokens(self) -> int:
        """What the turn cost, prompts and answers, in tokens; 0 where nobody counted."""
        return sum(one.usage.prompt_tokens + one.usage.completion_tokens for one in self.completions)


@dataclass(frozen=True, slots=True)
class Thinking:
    """A piece of the inner thoughts of the step that is being made."""

    text: str


@dataclass(frozen=True, slots=True)
class Saying:
    """A piece of the reply, as it is written; it is not stored yet."""

    text: str


@dataclass(frozen=True, slots=True)
class Calling:
    """A function begins to run that may take its time: a search, or a tool."""

    call: ToolCall


@dataclass(frozen=True, slots=True)
class Finished:
    """A step is done and stored; it took so many seconds, those of the model among them."""

    step: Step
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class AskedAgain:
    """The model's answer could not be used; what was shown of it since the last `Finished` does not count."""

    reasons: tuple[str, ...]


Progress: TypeAlias = Thinking | Saying | Calling | Finished | AskedAgain | Noted
OnEvent: TypeAlias = Callable[[Progress], None]


class Teller:
    """Turns a completion's deltas into progress: thoughts, and the words of `send_message` out of its
    JSON."""

    def __init__(self, tell: OnEvent) -> None:
        self._tell = tell
        self._scanner: ObjectScanner | None = None

    def __call__(self, delta: Delta) -> None:
        if delta.restart:
            self._scanner = None
            self._tell(AskedAgain(("the server did not hold its answer to a call",)))
        if delta.thoughts:
            self._tell(Thinking(delta.thoughts))
        if delta.call_name and delta.index == 0:
            self._scanner = ObjectScanner() if delta.call_name == "send_message" else None
        if delta.arguments and delta.index == 0 and self._scanner is not None:
            self._scan(self._scanner, delta.arguments)

    def _scan(self, scanner: ObjectScanner, arguments: str) -> None:
        for event in scanner.feed(arguments)[1]:
            if event.kind == "string" and event.path == ("message",):
                self._tell(Saying(event.text))
