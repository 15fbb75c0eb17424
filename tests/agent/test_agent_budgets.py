"""What a turn may cost, and that it ends with a reply whatever the model does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_scripts import NOW, answer, append, call, say
from bridle.agent.limits import Limits
from bridle.agent.prompt import COMPACT, FULL
from bridle.agent.state import (
    AgentState,
    AskModel,
    Did,
    Effect,
    Happened,
    ModelAnswered,
    Record,
    Reply,
    RunTool,
    ToolReturned,
    UserSaid,
    new_state,
)
from bridle.agent.step import GIVE_UP, MOST_ASKS, REPEATED, step
from bridle.errors import InputError
from bridle.messages import Completion, ToolCall, ToolSpec, Usage

LAMP = ToolSpec("lamp", "Light.", {"type": "object", "properties": {"on": {"type": "boolean"}}})


def opened(limits: Limits, *tools: ToolSpec) -> AgentState:
    state = replace(new_state("test", FULL), limits=limits, tools=tools)
    return step(state, UserSaid("hello", NOW), NOW)[0]


def ask_of(effects: tuple[Effect, ...]) -> AskModel:
    ask = effects[-1]
    assert isinstance(ask, AskModel)
    return ask


def after(state: AgentState, one: ToolCall, *, seconds: float = 0, usage: Usage | None = None) -> AskModel:
    """What is asked next when the model has made this call."""
    completion = replace(answer(one), usage=usage or Usage())
    return ask_of(step(state, ModelAnswered(completion), NOW + timedelta(seconds=seconds))[1])


def test_the_last_allowed_step_is_a_reply() -> None:
    assert not after(opened(Limits(steps=3)), append("a: b")).reply_only
    last = after(opened(Limits(steps=2)), append("a: b"))
    assert last.reply_only
    assert [tool.name for tool in last.allowed] == ["send_message"]
    assert [tool.name for tool in last.shown][:2] == ["send_message", "core_memory_append"]


def test_tokens_that_are_used_up_leave_a_reply() -> None:
    spent = Usage(prompt_tokens=900, completion_tokens=100)
    assert after(opened(Limits(tokens=1000)), append("a: b"), usage=spent).reply_only
    assert not after(opened(Limits(tokens=1001)), append("a: b"), usage=spent).reply_only


def test_seconds_that_are_used_up_leave_a_reply() -> None:
    assert after(opened(Limits(seconds=60)), append("a: b"), seconds=60).reply_only
    assert not after(opened(Limits(seconds=60)), append("a: b"), seconds=59).reply_only


def test_a_call_may_be_repeated_as_often_as_the_limit_says() -> None:
    state = opened(Limits(repeats=2), LAMP)
    lamp = call("lamp", on=True)
    for _ in range(2):
        state, effects = step(state, ModelAnswered(answer(lamp)), NOW)
        assert effects == (RunTool(lamp),)
        state, effects = step(state, ToolReturned(lamp, "lit"), NOW)
        assert Record("tool", "lit", NOW, "lamp") in effects
    state, effects = step(state, ModelAnswered(answer(lamp)), NOW)
    assert [one.step.result for one in effects if isinstance(one, Did)] == [REPEATED]
    assert ask_of(effects).reply_only


@pytest.mark.parametrize(
    "limits",
    [
        lambda: Limits(steps=0),
        lambda: Limits(tokens=-1),
        lambda: Limits(repeats=0),
        lambda: Limits(seconds=0.0),
        lambda: Limits(tool_seconds=-1.0),
    ],
    ids=["steps", "tokens", "repeats", "seconds", "tool_seconds"],
)
def test_a_limit_that_leaves_no_reply_is_refused(limits: Callable[[], Limits]) -> None:
    with pytest.raises(InputError, match="the limit of"):
        limits()


def test_the_first_message_can_only_be_a_reply() -> None:
    event = Happened("login", "A session begins.", NOW, only_reply=True)
    state, effects = step(new_state("test", FULL), event, NOW)
    assert ask_of(effects).reply_only
    assert ask_of(effects).reason == "event"
    state, effects = step(state, ModelAnswered(answer(append("a: b"))), NOW)
    assert ask_of(effects).reply_only
    state, effects = step(state, ModelAnswered(answer(say("Hi!"))), NOW)
    assert Reply("Hi!") in effects
    assert not state.is_open
    assert Record("user", "A session begins.", NOW) not in effects


def test_why_a_step_is_made_is_told() -> None:
    state = opened(Limits())
    assert ask_of(step(state, UserSaid("x", NOW), NOW)[1]).reason == "message"
    wished = call("core_memory_append", name="human", content="a: b", request_heartbeat=True)
    assert after(state, wished).reason == "requested"
    forced = call("core_memory_append", name="human", content="a: b", request_heartbeat=False)
    assert after(state, forced).reason == "forced"
    assert after(state, say("")).reason == "again"


def test_a_failed_call_says_what_would_be_right() -> None:
    state = opened(Limits(), LAMP)
    for wrong, says in (
        (call("lmap", on=True), "lamp"),
        (call("lamp", on="yes"), "on"),
        (call("core_memory_append", name="humn", content="x", request_heartbeat=True), "persona, human"),
    ):
        effects = step(state, ModelAnswered(answer(wrong)), NOW)[1]
        (result,) = [one.step.result for one in effects if isinstance(one, Did)]
        assert result.startswith("Failed: ")
        assert says in result


_CALLS = st.sampled_from(
    [
        append("a: b"),
        call("lamp", on=True),
        call("lamp", on="wrong"),
        call("archival_memory_search", query="x", request_heartbeat=True),
        call("core_memory_replace", name="human", old_content="q", new_content="", request_heartbeat=False),
        call("pause_heartbeats", minutes=5),
        call("nothing"),
        say(""),
    ]
)


@given(st.lists(_CALLS | st.none(), max_size=40), st.integers(1, 8), st.sampled_from([COMPACT, FULL]))
def test_every_turn_ends_with_a_reply_within_its_steps(
    calls: list[ToolCall | None], steps: int, profile: object
) -> None:
    """Whatever the model calls: when it is only asked for a reply and gives none, it is asked twice again."""
    chosen = COMPACT if profile is COMPACT else FULL
    state = replace(new_state("test", chosen), limits=Limits(steps=steps), tools=(LAMP,))
    state, effects = step(state, UserSaid("hello", NOW), NOW)
    asked = 0
    answers = iter(calls)
    while not any(isinstance(one, Reply) for one in effects):
        last = effects[-1]
        if isinstance(last, RunTool):
            state, effects = step(state, ToolReturned(last.call, "done"), NOW)
            continue
        assert isinstance(last, AskModel)
        asked += 1
        one = next(answers, None)
        completion = answer(one) if one is not None else Completion(answer().message, finish="length")
        state, effects = step(state, ModelAnswered(completion), NOW)
    assert asked <= steps + MOST_ASKS + 1
    assert not state.is_open
    if not calls:
        assert Reply(GIVE_UP) in effects
