"""One conversation: the agent, what it runs on, how turns are shown, and what has been counted so far."""

from __future__ import annotations

import shutil
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import TYPE_CHECKING, Protocol

from bridle.cli import output
from bridle.cli.chat.facts import Heard, Tally, turn_facts
from bridle.cli.chat.toolbar import Standing, toolbar, used
from bridle.cli.screen import Screen
from bridle.errors import BridleError

if TYPE_CHECKING:
    from bridle.agent import Agent, Turn
    from bridle.agent.progress import OnEvent
    from bridle.agent.prompting import ContextMap
    from bridle.cli.chat.lines import Lines
    from bridle.cli.chat.options import ChatOptions
    from bridle.endpoints.base import Endpoint
    from bridle.endpoints.config import EndpointConfig
    from bridle.endpoints.observing import Observation

__all__ = ["PROMPT", "Act", "Session", "columns", "interrupts", "note"]

PROMPT = "> "


class Act(Protocol):
    """Something that an agent can be made to do: a turn, a retry, a heartbeat."""

    def __call__(self, on_event: OnEvent | None, should_stop: Callable[[], bool] | None) -> Turn: ...


def _nothing(session: Session) -> None:
    """Do nothing after a turn."""


@dataclass(slots=True)
class Session:
    """What the slash commands act on.

    At a terminal the session is `patient`: an error or Ctrl-C ends an answer, not the conversation. `entry`
    is what the endpoint was opened from. `seen` is the last request for a call, `afterwards` is done when a
    turn is over.
    """

    agent: Agent
    entry: EndpointConfig
    options: ChatOptions
    lines: Lines
    screen: Screen
    patient: bool = False
    leaving: bool = False
    tally: Tally = field(default_factory=Tally)
    seen: Observation | None = None
    last: Turn | None = None
    context: ContextMap | None = None
    afterwards: Callable[[Session], None] = _nothing
    remembered: dict[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        """Keep what the agent remembers now, so that `/diff` can say what has changed."""
        self.remembered = {block.label: block.value for block in self.agent.state.core.blocks}

    def observe(self, seen: Observation) -> None:
        """Take what was asked and answered, if a call was asked for; a summary is text."""
        if seen.question.allowed:
            self.seen = seen

    def answer(self, act: Act) -> None:
        """Let the agent act, and show it.

        Raises:
            BridleError: of the endpoint and the store, unless the session is patient.
        """
        heard = Heard(None if self.options.as_json else self.screen)
        if not self.patient:
            self._end(act(heard, None), heard)
            return
        try:
            with interrupts() as interrupted:
                turn = act(heard, interrupted)
            self._end(turn, heard)
        except KeyboardInterrupt:
            self.screen.stop()
        except BridleError as error:
            self.screen.stop(note="")
            output.print_error(error.message, error.hint)
        self.measure()

    def say(self, text: str) -> None:
        """Say something to the agent, and show its answer; where nobody typed it, it is shown, too."""
        if not self.patient and not self.options.as_json:
            for line in text.split("\n"):
                note(f"{PROMPT}{line}")
        self.answer(lambda on_event, should_stop: self.agent.turn(text, on_event, should_stop))

    def use(self, endpoint: Endpoint, entry: EndpointConfig, wrapper: str) -> None:
        """Go on with another model; the one before is closed.

        Raises:
            FormatError: for a wrapper that does not exist; all stays as it was.
        """
        before = self.agent.endpoint
        self.agent.use(endpoint, wrapper)
        if before is not endpoint:
            before.close()
        self.entry = entry
        self.measure()

    def measure(self) -> None:
        """Look how full the window is, if a toolbar shows it; that cannot be done while a server is down."""
        if not self.lines.has_toolbar:
            return
        try:
            self.context = self.agent.context()
        except BridleError:
            self.context = None

    def toolbar(self, columns: int) -> str:
        """Write the line below the prompt."""
        endpoint, context = self.agent.endpoint, self.context
        return toolbar(
            Standing(
                agent=self.agent.state.name,
                model=endpoint.model or endpoint.name,
                wrapper=self.agent.wrapper.name,
                used=None if context is None else used(context.parts),
                window=None if context is None else context.window,
                tokens_per_second=self.tally.last_speed,
            ),
            columns,
        )

    def _end(self, turn: Turn, heard: Heard) -> None:
        self.last = turn
        self.tally.add(turn)
        if self.options.as_json:
            output.print_json(turn_facts(turn, heard))
        else:
            self.screen.end(turn)
        self.afterwards(self)


def note(text: str = "") -> None:
    """Write a line that is no reply; its control characters become escapes."""
    output.print_note(text)


def columns() -> int:
    """How wide the terminal is, in characters."""
    return max(shutil.get_terminal_size().columns, 20)


@contextmanager
def interrupts() -> Generator[Callable[[], bool], None, None]:
    """Let the first Ctrl-C ask the answer to stop, and the second one stop it."""
    pressed = threading.Event()

    def press(signum: int, frame: FrameType | None) -> None:
        if pressed.is_set():
            raise KeyboardInterrupt
        pressed.set()

    before = signal.signal(signal.SIGINT, press)
    try:
        yield pressed.is_set
    finally:
        signal.signal(signal.SIGINT, before)
