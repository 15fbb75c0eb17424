"""What stays in order when a turn is broken off, and when events come as they like."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_scripts import NOW, answer, append, call, say, scripted
from bridle.agent import Agent, Progress, Store
from bridle.agent.limits import Limits
from bridle.agent.progress import Calling, Finished
from bridle.agent.prompt import COMPACT, FULL, SMALL, Profile
from bridle.agent.state import (
    AskModel,
    Event,
    Happened,
    Interrupted,
    ModelAnswered,
    Overflowed,
    Reply,
    RunTool,
    Summarise,
    Summarised,
    ToolReturned,
    UserSaid,
    new_state,
)
from bridle.agent.state_json import from_json, to_json
from bridle.agent.step import step
from bridle.endpoints.base import Answer
from bridle.errors import BridleError, InputError
from bridle.messages import Finish, Message, ToolCall, ToolSpec

SEARCH = call("conversation_search", query="x", request_heartbeat=True)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path) as opened:
        yield opened


def agent_on(
    store: Store, *answers: ToolCall | str | Answer | BridleError, profile: Profile = FULL, **options: object
) -> Agent:
    wrapper = "chatml-compact" if profile is COMPACT else "chatml"
    return Agent.open(store, "ada", scripted(answers), wrapper=wrapper, profile=profile, clock=lambda: NOW)


def history_pairs(messages: tuple[Message, ...]) -> None:
    """Each result stands behind the call that it is of."""
    for before, message in pairwise(messages):
        if message.role == "tool":
            assert before.role == "assistant"
            assert [one.name for one in before.calls][:1] == [message.name]


class Broke(Exception):
    """What goes wrong in somebody's own code."""


@pytest.mark.parametrize("kind", [Finished, Calling])
def test_a_turn_that_fails_where_it_is_told_is_over(store: Store, kind: type) -> None:
    agent = agent_on(store, SEARCH, say("Hi."), say("Again."))

    def breaks(event: Progress) -> None:
        if isinstance(event, kind):
            raise Broke

    with pytest.raises(Broke):
        agent.turn("hello", breaks)
    assert not agent.state.is_open
    assert agent.unanswered == ""
    history_pairs(agent.state.history)
    agent.turn("hello?")
    history_pairs(agent.state.history)


def crash(store: Store, *answers: ToolCall) -> Agent:
    """An agent whose process died while its last call was run."""
    agent = agent_on(store, *answers, SEARCH, say("Later."), say("At last."))
    for _ in answers:
        agent.turn("before")
    for event in (UserSaid("and now?", NOW), ModelAnswered(answer(SEARCH))):
        with store.transaction(agent.state) as transaction:
            transaction.save(step(transaction.state, event, NOW)[0])
        found = store.load("ada")
        assert found is not None
        agent.state = found
    return agent_on(store, say("Later."), say("At last."))


def test_a_turn_without_its_reply_is_taken_back_whole(store: Store) -> None:
    agent = crash(store, say("Yes."))
    agent.pop()
    assert not agent.state.is_open
    assert agent.state.pending is None
    assert agent.unanswered == ""
    agent.turn("again")
    history_pairs(agent.state.history)


def test_a_reply_that_was_never_given_cannot_be_rewritten(store: Store) -> None:
    agent = crash(store, say("Yes."))
    with pytest.raises(InputError, match="has no reply"):
        agent.rewrite("No.")
    assert [one.text for one in store.messages("ada")] == ["before", "Yes."]


def test_summing_up_closes_a_turn_whose_process_died(store: Store) -> None:
    agent = crash(store, say("Yes."))
    assert agent.summarize() == "the user said: before\nI said: Yes."
    assert agent.state.evicted == 3


def test_a_summary_that_is_stopped_in_its_middle_loses_nothing(store: Store) -> None:
    long = "A zebra went by. " * 200
    stopped = Answer("They t", "cancelled", "cancelled")
    agent = agent_on(store, *(say(f"Yes {n}.") for n in range(4)), "They spoke of a zebra.", stopped)
    for n in range(4):
        agent.turn(f"{n} {long}")
    agent.summarize()
    assert agent.state.summary == "They spoke of a zebra."
    agent.summarize()
    assert "They spoke of a zebra." in agent.state.summary
    assert "They t\n" not in agent.state.summary
    assert "the user said: 2 A zebra" in agent.state.summary


def test_what_leaves_is_summed_up_even_where_the_process_dies_before_the_model_has_done_it() -> None:
    state = replace(new_state("ada", FULL), summary="We met.")
    for n in range(3):
        state, _ = step(state, UserSaid(f"Zebra {n}", NOW), NOW)
        state, _ = step(state, ModelAnswered(answer(say("Yes."))), NOW)
    after, effects = step(state, Overflowed(), NOW)
    (asked,) = effects
    assert isinstance(asked, Summarise)
    assert asked.before == "We met."
    assert "We met." in after.summary
    assert "the user said: Zebra 0" in after.summary
    assert step(after, Summarised(asked, ""), NOW)[0].summary == after.summary
    assert step(after, Summarised(asked, "Met, zebras."), NOW)[0].summary == "Met, zebras."


def test_what_is_said_by_rule_does_not_shift_what_is_taken_back(store: Store) -> None:
    agent = agent_on(store, say("A zebra."), say("A yak."), profile=COMPACT)
    agent.begin()
    agent.turn("one zebra")
    agent.turn("one yak")
    agent.heartbeat()
    agent.pop()
    assert store.find_messages("ada", "yak", 0).total == 0
    assert store.find_messages("ada", "zebra", 0).total == 2
    assert [m.content for m in agent.state.history if m.role == "user"] == ["one zebra"]


def test_memory_that_stands_alone_is_no_turn(store: Store) -> None:
    agent = agent_on(store, *(say(f"Yes {n}.") for n in range(3)), "They talked.")
    for n in range(3):
        agent.turn(f"question {n}")
    agent.summarize()
    shown = sum(message.role == "user" for message in agent.state.history)
    with pytest.raises(InputError, match="in sight"):
        agent.pop(shown + 1)
    agent.pop(shown)
    assert store.find_messages("ada", "question", 0).total == 2 * (3 - shown)


def test_an_event_is_tried_again_as_an_event_and_a_speaker_stays(store: Store) -> None:
    agent = agent_on(store, say("Bad."), say("Good."), say("Bad."), say("Good."), say("Bad."), say("Good."))
    agent.begin()
    assert agent.retry().reply == "Good."
    agent.heartbeat("An hour passed.")
    assert agent.retry().reply == "Good."
    agent.turn("hello", speaker="Ada")
    assert agent.retry().reply == "Good."
    assert [(one.role, one.name, one.text) for one in store.messages("ada")] == [
        ("assistant", "", "Good."),
        ("assistant", "", "Good."),
        ("user", "Ada", "hello"),
        ("assistant", "", "Good."),
    ]


LAMP = ToolSpec("lamp", "Light.", {"type": "object", "properties": {"on": {"type": "boolean"}}})
_CALLS = st.sampled_from(
    [
        append("a: b"),
        append("x" * 900),
        call("core_memory_append", name="human", content="c: d"),
        call("core_memory_replace", line="human 1", new_content=""),
        call("lamp", on=True),
        call("lamp", on="wrong"),
        SEARCH,
        call("archival_memory_insert", content="n", request_heartbeat=True),
        call("memory_search", query="x"),
        call("pause_heartbeats", minutes=5),
        call("nothing"),
        say(""),
        say("Fine."),
    ]
)


def _answered(calls: list[ToolCall], finish: Finish) -> ModelAnswered:
    return ModelAnswered(replace(answer(*calls), finish=finish))


def _summed_up(text: str) -> Summarised:
    return Summarised(Summarise((Message("user", "old"),)), text)


def _next(last: object) -> Event:
    if isinstance(last, RunTool):
        return ToolReturned(last.call, "done")
    if isinstance(last, Summarise):
        return Summarised(last, "")
    return ModelAnswered(answer(say("Well."))) if isinstance(last, AskModel) else UserSaid("hello", NOW)


_EVENTS = st.one_of(
    st.builds(UserSaid, st.text(max_size=400), st.just(NOW), st.just((1, 2)), st.sampled_from(["", "Ada"])),
    st.builds(
        Happened,
        st.sampled_from(["login", "heartbeat", "memory"]),
        st.text(max_size=20),
        st.just(NOW),
        st.just((1, 2)),
        st.booleans(),
    ),
    st.builds(_answered, st.lists(_CALLS, min_size=1, max_size=2), st.just("stop")),
    st.builds(_answered, st.lists(_CALLS, max_size=2), st.sampled_from(["stop", "length"])),
    st.builds(ToolReturned, _CALLS, st.text(max_size=600)),
    st.just(Overflowed()),
    st.just(Interrupted()),
    st.builds(_summed_up, st.text(max_size=20)),
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.one_of(_EVENTS, st.none()), max_size=16),
    st.sampled_from([COMPACT, SMALL, FULL]),
    st.sampled_from([None, 600, 8192]),
)
def test_whatever_happens_in_whatever_order_is_taken(
    events: list[Event | None], profile: Profile, window: int | None
) -> None:
    """None is the event that the last effect asks for, so that turns come to something, too."""
    state = replace(new_state("ada", profile), tools=(LAMP,), window=window, limits=Limits(steps=3))
    last: object = None
    for given_event in events:
        event = given_event or _next(last)
        after, effects = step(state, event, NOW)
        assert (after, effects) == step(state, event, NOW)
        last = effects[-1] if effects else last
        replies = [one for one in effects if isinstance(one, Reply)]
        assert all(one.text.strip() for one in replies)
        if replies:
            assert not after.is_open
        if effects and after.is_open and after.pending is None:
            assert isinstance(effects[-1], AskModel | RunTool | Summarise)
        if isinstance(last, AskModel) and effects:
            assert after.pending is None
        history_pairs(after.history)
        assert from_json(to_json(after), after.revision) == replace(after)
        for block in after.core.blocks:
            assert len(block.value) <= block.limit
        state = after
