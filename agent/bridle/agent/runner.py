"""Run an agent: ask its model, do what it calls, store each step, until the turn has its reply.

`Agent` is longer than other modules by its docstrings: each of its methods is what a person can ask for, in a
few lines. How a state is stored is in `stored`, how a model is asked in `asking`, and what follows in `step`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from bridle.agent.archival.archive import Archive
from bridle.agent.asking import Asker, Running, Stop
from bridle.agent.functions import SEARCHES
from bridle.agent.limits import Limits
from bridle.agent.progress import AskedAgain, Calling, Finished, OnEvent, Turn
from bridle.agent.prompt import Profile
from bridle.agent.prompting import ContextMap
from bridle.agent.revising import last_said, popped, rethought, rewritten
from bridle.agent.sizing import profile_for
from bridle.agent.starting import first_state
from bridle.agent.state import (
    AgentState,
    AskModel,
    Did,
    Effect,
    Event,
    Happened,
    Happening,
    Interrupted,
    ModelAnswered,
    Noted,
    Overflowed,
    Record,
    Reply,
    RunTool,
    Step,
    Summarise,
    Summarised,
    ToolReturned,
    UserSaid,
    clean_text,
    with_profile,
)
from bridle.agent.step import PRESSURE
from bridle.agent.store import Store
from bridle.agent.stored import StoredAgent
from bridle.agent.toolbox.base import Tool
from bridle.agent.tools import INSIDE, search_memory
from bridle.endpoints.base import Endpoint
from bridle.endpoints.choose import choose_wrapper
from bridle.errors import StoreError
from bridle.messages import ToolCall
from bridle.wrappers import Wrapper

if TYPE_CHECKING:
    from bridle.agent.store import StoredEdit

__all__ = ["FIRST_MESSAGE", "Agent"]

FIRST_MESSAGE = "A new session begins. Introduce yourself to your user in one or two sentences."
MOST_IN_TURN = 200
"""Among so many messages at the end of the log what the last turn began with is found."""


def _local_now() -> datetime:
    return datetime.now().astimezone()


class Agent(StoredAgent):
    """An agent with its store and its model. Use it from one thread at a time."""

    def __init__(
        self,
        store: Store,
        state: AgentState,
        endpoint: Endpoint,
        wrapper: Wrapper,
        *,
        archive: Archive | None = None,
        tools: Iterable[Tool] = (),
        limits: Limits | None = None,
        wrapper_reason: str = "given",
        temperature: float = 0.0,
        seed: int | None = None,
        clock: Callable[[], datetime] = _local_now,
    ) -> None:
        """Take a stored state; `Agent.open` finds or makes one."""
        super().__init__(
            store, state, tools=tools, limits=limits or Limits(), window=endpoint.context_tokens, clock=clock
        )
        self.archive = archive or Archive(store)
        self.last: Turn | None = None
        self._asker = Asker(endpoint, wrapper, wrapper_reason, temperature=temperature, seed=seed)

    @classmethod
    def open(
        cls,
        store: Store,
        name: str,
        endpoint: Endpoint,
        *,
        wrapper: str | Path | Wrapper = "auto",
        profile: Profile | Literal["auto"] = "auto",
        archive: Archive | None = None,
        tools: Iterable[Tool] = (),
        limits: Limits | None = None,
        persona: str | None = None,
        human: str | None = None,
        system: str | None = None,
        block_chars: int | None = None,
        temperature: float = 0.0,
        seed: int | None = None,
        clock: Callable[[], datetime] = _local_now,
    ) -> Agent:
        """Go on with the agent of that name, or make it.

        `wrapper` "auto" goes by the model's own chat template; `profile` "auto" is the compact one for models
        that were trained on it, the small one for models of up to four billion parameters, else the full one.
        `persona` and `human` are texts that a new agent's memory begins with, `block_chars` limits its
        blocks, and `system` takes the place of the profile's instructions; an agent that is there already
        keeps its own.

        Raises:
            FormatError: for an unknown wrapper.
            InputError: for a name that cannot name an agent, a text that is too long for its block, and tools
                with names that are taken.
            StoreError: when the store cannot be used.
        """
        found, reason = choose_wrapper(endpoint, wrapper)
        if profile == "auto":
            profile = profile_for(endpoint, found)
        new = first_state(name, profile, persona=persona, human=human, system=system, block_chars=block_chars)
        state = store.load(name)
        if state is None:
            try:
                state = store.create(new)
            except StoreError:
                state = store.load(name)  # another process was quicker
                if state is None:
                    raise
        return cls(
            store, with_profile(state, profile), endpoint, found,
            archive=archive, tools=tools, limits=limits,
            wrapper_reason=reason, temperature=temperature, seed=seed, clock=clock,
        )  # fmt: skip

    @property
    def endpoint(self) -> Endpoint:
        """What the agent asks."""
        return self._asker.endpoint

    @property
    def wrapper(self) -> Wrapper:
        """The prompt format in use; `wrapper_reason` says why it is this one."""
        return self._asker.wrapper

    @property
    def wrapper_reason(self) -> str:
        return self._asker.reason

    @property
    def unanswered(self) -> str:
        """What the user said last, if the process died before there was a reply; else empty."""
        if not self.state.is_open:
            return ""
        return next((m.content for m in reversed(self.state.history) if m.role == "user"), "")

    def turn(
        self, text: str, on_event: OnEvent | None = None, should_stop: Stop = None, *, speaker: str = ""
    ) -> Turn:
        """Say something to the agent and get its reply. Each step is stored before the next begins.

        A turn that is cancelled by `should_stop`, or that fails, keeps what was said and done, and is over.
        `speaker` names who spoke, where that is not the one user.

        Raises:
            EndpointError: and its kinds, when the model cannot be asked.
            StoreError: when a step cannot be stored; the agent is as it was after the step before.
        """
        said = clean_text(text)
        self._reload()
        event = UserSaid(said, self._clock(), self._stored(), speaker)
        return self._run(event, Running(said, on_event or _ignore, should_stop))

    def begin(
        self, on_event: OnEvent | None = None, should_stop: Stop = None, *, only_reply: bool = True
    ) -> Turn:
        """Have the agent speak first, as `turn` does; with `only_reply` it may do nothing else."""
        return self._happen("login", FIRST_MESSAGE, on_event, should_stop, only_reply=only_reply)

    def heartbeat(
        self, reason: str = "Some time has passed.", on_event: OnEvent | None = None, should_stop: Stop = None
    ) -> Turn:
        """Give the agent a turn although nobody spoke, as `turn` does."""
        return self._happen("heartbeat", reason, on_event, should_stop)

    def warn_memory(self, on_event: OnEvent | None = None, should_stop: Stop = None) -> Turn:
        """Tell the agent that its window fills up, as `turn` does."""
        text = PRESSURE.format(percent=75)
        return self._happen("memory", text, on_event, should_stop)

    def retry(self, on_event: OnEvent | None = None, should_stop: Stop = None) -> Turn:
        """Take the last turn back and have it once more, spoken or not; what it did to memory stays.

        Raises:
            InputError: where nothing has been said.
        """
        self._reload()
        said, turn = last_said(self.state), self.state.turn
        logged = self.store.messages(self.state.name, newest=MOST_IN_TURN)
        spoken = next((one for one in logged if one.turn == turn and one.role == "user"), None)
        self.pop(1)
        if spoken is not None:
            return self.turn(spoken.text, on_event, should_stop, speaker=spoken.name)
        if said == f"({FIRST_MESSAGE})":
            return self.begin(on_event, should_stop)
        return self.heartbeat(said.removeprefix("(").removesuffix(")"), on_event, should_stop)

    def pop(self, count: int = 1) -> None:
        """Take the last turns back: neither the model nor a search finds them any more. Memory stays.

        Raises:
            InputError: for more turns than are in sight.
        """
        self._settle()
        gone = range(self.state.turn, self.state.turn - count, -1)
        self._revise(lambda state: popped(state, count), gone)

    def rethink(self, thoughts: str) -> None:
        """Put other inner thoughts in the place of the last ones.

        Raises:
            InputError: where the agent has done nothing yet.
        """
        self._reload()
        self._revise(lambda state: rethought(state, clean_text(thoughts)))

    def rewrite(self, text: str) -> None:
        """Put another reply in the place of the last one, also where searches look.

        Raises:
            InputError: for an empty reply, and where there is none yet.
        """
        self._reload()
        now = self._clock()
        said = clean_text(text).strip()
        self._revise(lambda state: rewritten(state, said), rerecord=Record("assistant", said, now))

    def swap_system(self, text: str) -> None:
        """Put other instructions in the place of the present ones; empty ones bring the profile's back."""
        self._reload()
        self._revise(lambda state: replace(state, system=clean_text(text).strip()))

    def summarize(self) -> str:
        """Let the oldest half of the conversation leave what the model sees, and return its summary."""
        self._settle()
        running = Running("", _ignore, None)
        effects = self._commit(Overflowed())
        for effect in effects:
            if isinstance(effect, Summarise):
                self._commit(Summarised(effect, self._asker.summary(effect, running, self.state)))
        return self.state.summary

    def undo(self, label: str | None = None) -> StoredEdit:
        """Undo the last edit of core memory, or of one block of it.

        Raises:
            InputError: where there is none.
        """
        edit = self.store.undo(self.state.name, label)
        self._reload()
        return edit

    def context(self) -> ContextMap:
        """Measure what fills the model's window now."""
        return self._asker.context(self.state, self._clock(), self._stored())

    def block_tokens(self) -> Mapping[str, int]:
        """How many tokens each block of core memory is, by its label; see `ContextMap.exact`."""
        return self._asker.block_tokens(self.state)

    def use(self, endpoint: Endpoint, wrapper: str | Path | Wrapper = "auto") -> None:
        """Go on with another model; the former endpoint stays open.

        Raises:
            FormatError: for an unknown wrapper.
        """
        found, reason = choose_wrapper(endpoint, wrapper)
        former = self._asker
        self._asker = Asker(endpoint, found, reason, temperature=former.temperature, seed=former.seed)
        self._window = endpoint.context_tokens
        self.state = self._dressed(with_profile(self.state, profile_for(endpoint, found)))

    def _happen(
        self, what: Happening, text: str, on_event: OnEvent | None, stop: Stop, *, only_reply: bool = False
    ) -> Turn:
        self._reload()
        event = Happened(what, text, self._clock(), self._stored(), only_reply)
        return self._run(event, Running("", on_event or _ignore, stop))

    def _run(self, event: Event, running: Running) -> Turn:
        with self._abandoning():
            self.last = self._answered(self._commit(event), running)
        return self.last

    def _answered(self, effects: tuple[Effect, ...], running: Running) -> Turn:
        """Do what follows, step by step, until there is a reply, or the turn was cancelled."""
        while True:
            for effect in effects:
                match effect:
                    case Did(done):
                        self._tell_step(done, running)
                    case Noted(text):
                        running.note(text)
                    case Reply(text):
                        return running.over(text)
                    case _:
                        pass
            following = self._follow(effects[-1], running)
            if following is None:
                self._commit(Interrupted())
                return running.over("", cancelled=True)
            asks = self.state.asks
            effects = self._commit(following)
            if self.state.asks > asks and isinstance(following, ModelAnswered):
                running.tell(AskedAgain(tuple(one.reason for one in following.completion.refusals)))

    def _tell_step(self, done: Step, running: Running) -> None:
        now = time.monotonic()
        running.steps.append(done)
        running.tell(Finished(done, now - running.step_s))
        running.step_s = now
        if done.call.name == INSIDE:
            self.archive.pump()
            if self.archive.warning:
                running.note(self.archive.warning)

    def _follow(self, effect: Effect, running: Running) -> Event | None:
        """Do what the last effect asks for; None where the turn was cancelled meanwhile."""
        if running.stop is not None and running.stop():
            return None
        if isinstance(effect, RunTool):
            running.tell(Calling(effect.call))
            return ToolReturned(effect.call, clean_text(self._call(effect.call, running)))
        if isinstance(effect, Summarise):
            return Summarised(effect, self._asker.summary(effect, running, self.state))
        assert isinstance(effect, AskModel), "a step without a reply asks the model"
        state = self.state
        completion = self._asker.ask(state, effect, running, state.at or self._clock(), self._stored())
        if completion is None:
            return Overflowed()
        running.completions.append(completion)
        return None if completion.finish == "cancelled" else ModelAnswered(completion)

    def _call(self, call: ToolCall, running: Running) -> str:
        if call.name in SEARCHES:
            return search_memory(self.store, self.archive, self.state, call)
        from bridle.agent.toolbox.running import run_tool_limited

        tool = next(tool for tool in self.tools if tool.name == call.name)
        left = (self.limits.tool_seconds, running.seconds_left(self.limits.seconds))
        seconds = min([tool.timeout_s, *(limit for limit in left if limit is not None)])
        return run_tool_limited(replace(tool, timeout_s=seconds), call.arguments, running.stop)

    @contextmanager
    def _abandoning(self) -> Generator[None, None, None]:
        """Close the turn when it fails, wherever that is."""
        try:
            yield
        except BaseException:
            if self.state.is_open:
                with suppress(StoreError):  # the next turn closes it just as well
                    self._commit(Interrupted())
            raise


def _ignore(progress: object) -> None:
    """Tell nobody."""
