"""Run an agent: ask its model, do what it calls, store each step, until the turn has its reply."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Literal, cast

from bridle.agent.fit import answer_tokens, views
from bridle.agent.progress import AskedAgain, Finished, OnEvent, Teller, Turn
from bridle.agent.prompt import COMPACT, FULL, Profile, compose, memory_text
from bridle.agent.state import (
    AgentState,
    AskModel,
    Did,
    Edited,
    Effect,
    Event,
    Interrupted,
    ModelAnswered,
    Record,
    Reply,
    RunTool,
    Step,
    ToolReturned,
    UserSaid,
    clean_text,
    new_state,
    with_profile,
)
from bridle.agent.step import step
from bridle.agent.store import Store, Transaction
from bridle.agent.tools import run_tool
from bridle.endpoints.base import Endpoint, Request
from bridle.endpoints.choose import choose_wrapper
from bridle.endpoints.config import EndpointConfig
from bridle.endpoints.connect import Spec, connect
from bridle.endpoints.responding import respond
from bridle.errors import ContextOverflow, StoreError
from bridle.grammars import Bounds
from bridle.messages import JSON, Completion, Message, ToolCall
from bridle.wrappers import Wrapper

__all__ = ["Agent", "open_agent"]

COMPACT_WRAPPER = "chatml-compact"
"""The prompt format of models that were trained on the compact profile."""


def _local_now() -> datetime:
    return datetime.now().astimezone()


class Agent:
    """An agent with its store and its model. Use it from one thread at a time."""

    def __init__(
        self,
        store: Store,
        state: AgentState,
        endpoint: Endpoint,
        wrapper: Wrapper,
        *,
        wrapper_reason: str = "given",
        temperature: float = 0.0,
        seed: int | None = None,
        clock: Callable[[], datetime] = _local_now,
    ) -> None:
        """Take a stored state; `Agent.open` finds or makes one."""
        self.store = store
        self.state = state
        self.endpoint = endpoint
        self.wrapper = wrapper
        self.wrapper_reason = wrapper_reason
        self._temperature = temperature
        self._seed = seed
        self._clock = clock

    @classmethod
    def open(
        cls,
        store: Store,
        name: str,
        endpoint: Endpoint,
        *,
        wrapper: str | Path | Wrapper = "auto",
        profile: Profile | Literal["auto"] = "auto",
        temperature: float = 0.0,
        seed: int | None = None,
        clock: Callable[[], datetime] = _local_now,
    ) -> Agent:
        """Go on with the agent of that name, or make it.

        `wrapper` "auto" goes by the model's own chat template; `profile` "auto" is the compact one for
        models that were trained on it, else the full one.

        Raises:
            FormatError: for an unknown wrapper.
            InputError: for a name that cannot name an agent.
            StoreError: when the store cannot be used.
        """
        found, reason = choose_wrapper(endpoint, wrapper)
        if profile == "auto":
            profile = COMPACT if found.format.name == COMPACT_WRAPPER else FULL
        new = new_state(name, profile)
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
            wrapper_reason=reason, temperature=temperature, seed=seed, clock=clock,
        )  # fmt: skip

    @property
    def unanswered(self) -> str:
        """What the user said last, if the process died before there was a reply; else empty."""
        if not self.state.is_open:
            return ""
        return next((m.content for m in reversed(self.state.history) if m.role == "user"), "")

    def turn(
        self,
        text: str,
        on_event: OnEvent | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Turn:
        """Say something to the agent and get its reply. Each step is stored before the next begins.

        A turn that is cancelled by `should_stop`, or that fails, keeps what was said and done, and is over.

        Raises:
            EndpointError: and its kinds, when the model cannot be asked.
            StoreError: when a step cannot be stored; the agent is as it was after the step before.
        """
        said = clean_text(text)
        tell: OnEvent = on_event or (lambda _: None)
        self._reload()
        counts = self.store.counts(self.state.name)
        effects = self._commit(UserSaid(said, self._clock(), (counts.messages, counts.passages)))
        steps: list[Step] = []
        completions: list[Completion] = []
        while True:
            for effect in effects:
                if isinstance(effect, Did):
                    steps.append(effect.step)
                    tell(Finished(effect.step))
                elif isinstance(effect, Reply):
                    return Turn(said, effect.text, tuple(steps), completions=tuple(completions))
            with self._abandoning():
                completion = _cleaned(self._ask(_asked(effects), tell, should_stop))
            completions.append(completion)
            if completion.finish == "cancelled":
                self._commit(Interrupted())
                return Turn(said, "", tuple(steps), cancelled=True, completions=tuple(completions))
            asks = self.state.asks
            effects = self._commit(ModelAnswered(completion))
            if self.state.asks > asks:
                tell(AskedAgain(tuple(refusal.reason for refusal in completion.refusals)))

    @contextmanager
    def _abandoning(self) -> Generator[None, None, None]:
        """Close the turn when asking the model fails."""
        try:
            yield
        except BaseException:
            with suppress(StoreError):  # the next turn closes it just as well
                self._commit(Interrupted())
            raise

    def _reload(self) -> None:
        """Take what another process may have stored since the last turn."""
        state = self.store.load(self.state.name)
        if state is None:
            raise StoreError(
                f"the agent {self.state.name!r} has been deleted", hint="start again to make a new one"
            )
        if state.revision != self.state.revision:
            self.state = with_profile(state, self.state.profile)

    def _commit(self, event: Event) -> tuple[Effect, ...]:
        """Take one event and store all that follows from it at once; return the effects that are left."""
        now = self._clock()
        with self.store.transaction(self.state) as transaction:
            state, effects = step(self.state, event, now)
            done: list[Effect] = []
            queue = list(effects)
            while queue:
                effect = queue.pop(0)
                if isinstance(effect, RunTool):
                    result = run_tool(transaction, state, effect.call, now)
                    state, more = step(state, ToolReturned(effect.call, result), now)
                    queue = [*more, *queue]
                else:
                    _write(transaction, effect, state.turn)
                    done.append(effect)
            saved = transaction.save(state)
        self.state = saved
        return tuple(done)

    def _ask(self, ask: AskModel, tell: OnEvent, should_stop: Callable[[], bool] | None) -> Completion:
        state, profile = self.state, self.state.profile
        counts = self.store.counts(state.name)
        now = state.at or self._clock()
        refused: ContextOverflow | None = None
        for view in views(profile, state.history, state.core):
            memory = memory_text(profile, view.core, now, counts.messages, counts.passages)
            messages = (*compose(profile, view.history, memory), *state.notes)
            refused = self._overflow(messages, ask)
            if refused is not None:
                continue
            try:
                return respond(
                    self.endpoint,
                    messages,
                    ask.shown,
                    tool_choice="required",
                    allowed=ask.allowed,
                    thoughts=ask.thoughts,
                    wrapper=self.wrapper,
                    bounds=Bounds(thoughts_chars=profile.thoughts_chars, string_chars=profile.string_chars),
                    temperature=self._temperature,
                    seed=self._seed,
                    retries=0,  # the agent asks again itself, and keeps that in its history
                    on_delta=Teller(tell),
                    should_stop=should_stop,
                )
            except ContextOverflow as error:
                refused = error
        assert refused is not None
        raise refused

    def _overflow(self, messages: tuple[Message, ...], ask: AskModel) -> ContextOverflow | None:
        """Count the prompt where that can be done; the error to raise if it does not fit."""
        window, supports = self.endpoint.context_tokens, self.endpoint.supports
        if window is None or not supports.tokenize or not supports.prompt:
            return None
        prompt = self.wrapper.render(messages, ask.shown)
        count = self.endpoint.count_tokens(Request(prompt=prompt, control=self.wrapper.control))
        room = window - answer_tokens(self.state.profile, window)
        if count is None or count <= room:
            return None
        return ContextOverflow(
            f"the message and the agent's memory need {count} of the {window} tokens of {self.endpoint.name},"
            f" and {window - room} are kept for the answer",
            hint="say it in fewer words, shorten the memory, or load the model with a larger window",
            prompt_tokens=count,
            context_tokens=window,
        )


def _asked(effects: tuple[Effect, ...]) -> AskModel:
    ask = effects[-1]
    assert isinstance(ask, AskModel), "a step without a reply asks the model"
    return ask


def _write(transaction: Transaction, effect: Effect, turn: int) -> None:
    if isinstance(effect, Record):
        transaction.record(effect, turn)
    elif isinstance(effect, Edited):
        transaction.edited(effect, turn)


def _cleaned(completion: Completion) -> Completion:
    """The completion with text that UTF-8 can write."""
    message = completion.message
    calls = tuple(
        ToolCall(call.name, cast("dict[str, JSON]", _clean(dict(call.arguments)))) for call in message.calls
    )
    cleaned = replace(
        message, content=clean_text(message.content), thoughts=clean_text(message.thoughts), calls=calls
    )
    return replace(completion, message=cleaned)


def _clean(value: JSON) -> JSON:
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, dict):
        return {clean_text(key): _clean(item) for key, item in value.items()}
    return value


@contextmanager
def open_agent(
    name: str = "default",
    endpoint: Spec | Endpoint = "embedded",
    *,
    home: Path | None = None,
    wrapper: str | Path | Wrapper = "auto",
    profile: Profile | Literal["auto"] = "auto",
) -> Generator[Agent, None, None]:
    """Open an agent of the store in `home` (default: BRIDLE_HOME, else the platform's data directory).

    `endpoint` is whatever `connect` takes, or an endpoint that is open already and stays so.

    Raises:
        BridleError: of the kind that `Agent.open`, `connect` and `Store` raise.
    """
    from bridle.endpoints.config import home as default_home

    with Store(home or default_home()) as store:
        spec = endpoint if isinstance(endpoint, str | Path | EndpointConfig | Mapping | Sequence) else None
        model = connect(spec) if spec is not None else cast("Endpoint", endpoint)
        try:
            yield Agent.open(store, name, model, wrapper=wrapper, profile=profile)
        finally:
            if spec is not None:
                model.close()
