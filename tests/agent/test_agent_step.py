"""The pure step: what follows from each event, and that every turn ends with a reply."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_scripts import NOW, answer, append, call, say
from bridle.agent.prompt import COMPACT, FULL
from bridle.agent.state import (
    AgentState,
    AskModel,
    Did,
    Edited,
    Effect,
    Interrupted,
    ModelAnswered,
    Record,
    Reply,
    RunTool,
    Step,
    ToolReturned,
    UserSaid,
    new_state,
)
from bridle.agent.step import DOUBTED, GIVE_UP, KEPT_CHARS, MOST_ASKS, REPEATED, UNSURE, step
from bridle.messages import Completion, ConstraintCost, Finish, Message, Refusal, ToolCall

SEARCH = call("archival_memory_search", query="boss", request_heartbeat=True)


def opened(text: str = "hello") -> AgentState:
    return step(new_state("test", COMPACT), UserSaid(text, NOW), NOW)[0]


def answered(
    state: AgentState, *calls: ToolCall, thoughts: str = ""
) -> tuple[AgentState, tuple[Effect, ...]]:
    return step(state, ModelAnswered(answer(*calls, thoughts=thoughts)), NOW)


def ask_of(effects: tuple[Effect, ...]) -> AskModel:
    (ask,) = [effect for effect in effects if isinstance(effect, AskModel)]
    assert effects[-1] is ask
    return ask


def did(effects: tuple[Effect, ...]) -> Step:
    (one,) = [effect.step for effect in effects if isinstance(effect, Did)]
    return one


def test_what_the_user_says_is_recorded_and_the_model_asked() -> None:
    state, effects = step(new_state("test", COMPACT), UserSaid("hello", NOW), NOW)
    assert (state.turn, state.is_open, state.at, state.steps) == (1, True, NOW, 0)
    assert effects[0] == Record("user", "hello", NOW)
    ask = ask_of(effects)
    assert [tool.name for tool in ask.shown] == [
        "send_message",
        "core_memory_append",
        "core_memory_replace",
        "archival_memory_insert",
        "archival_memory_search",
        "conversation_search",
        "conversation_search_date",
        "pause_heartbeats",
    ]
    assert ask.allowed[1].properties["name"]["enum"] == ["persona", "human"]
    assert ask.allowed[2].properties["old_content"]["enum"] == ["My name is Sam."]


def test_a_reply_ends_the_turn() -> None:
    state, effects = answered(opened(), say(" hi "), thoughts="chat")
    assert effects == (
        Record("assistant", "hi", NOW),
        Did(Step("chat", say("hi"), "OK")),
        Reply("hi"),
    )
    assert not state.is_open
    assert state.history == (
        Message("user", "hello"),
        Message("assistant", thoughts="chat", calls=(say("hi"),)),
        Message("tool", "OK", name="send_message"),
    )


def test_an_edit_changes_memory_in_the_step_and_the_model_is_asked_again() -> None:
    state, effects = answered(opened(), append("Lives in: Bergen"), thoughts="new")
    assert state.core.block("human").lines == ("Lives in: Bergen",)
    assert effects[:2] == (
        Edited("human", "", "Lives in: Bergen", NOW),
        Did(Step("new", append("Lives in: Bergen"), "OK")),
    )
    # What this turn wrote is not changed by it; the next turn may.
    assert ask_of(effects).allowed[2].properties["old_content"]["enum"] == ["My name is Sam."]
    _, effects = step(step(state, Interrupted(), NOW)[0], UserSaid("I moved.", NOW), NOW)
    assert "Lives in: Bergen" in str(ask_of(effects).allowed[2].properties["old_content"]["enum"])


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (append("x", "boss"), "Failed: there is no block 'boss'; the blocks are persona, human"),
        (append("My name is Sam.", "persona"), "Failed: 'My name is Sam.' is in the block 'persona' already"),
        (append("x" * 601), "Failed: the block 'human' would have 601 characters, its limit is 600"),
        (
            call(
                "core_memory_replace", name="human", old_content="a", new_content="b", request_heartbeat=True
            ),
            "Failed: 'a' is not in the block 'human'; its lines are none",
        ),
        (
            call("core_memory_append", name="human", request_heartbeat=True),
            "Failed: wrong arguments for core",
        ),
        (call("fly", to="Oslo"), "Failed: there is no function 'fly'; the functions are send_message, core"),
        (
            call("pause_heartbeats", minutes=0),
            "Failed: wrong arguments for pause_heartbeats: minutes: 0 is less",
        ),
    ],
)
def test_what_cannot_be_done_is_told_and_changes_nothing(one: ToolCall, reason: str) -> None:
    before = opened()
    state, effects = answered(before, one)
    assert did(effects).result.startswith(reason)
    assert (state.core, state.is_open) == (before.core, True)
    assert state.history[-1] == Message("tool", did(effects).result, name=one.name)


def test_a_search_is_left_to_the_store() -> None:
    state, effects = answered(opened(), SEARCH, thoughts="Boss: ?")
    assert effects == (RunTool(SEARCH),)
    assert state.pending == SEARCH
    state, effects = step(state, ToolReturned(SEARCH, "No results."), NOW)
    assert did(effects) == Step("Boss: ?", SEARCH, "No results.")
    assert state.pending is None
    assert not ask_of(effects).reply_only


def test_a_result_that_nobody_waits_for_changes_nothing() -> None:
    state = opened()
    assert step(state, ToolReturned(SEARCH, "No results."), NOW) == (state, ())


def test_an_answer_that_nobody_waits_for_changes_nothing() -> None:
    state = new_state("test", COMPACT)
    assert answered(state, say("hi")) == (state, ())


def test_a_pause_is_kept_in_the_state() -> None:
    state, effects = answered(opened(), call("pause_heartbeats", minutes=30.0))
    assert did(effects).result == "OK"
    assert state.paused_until == NOW + timedelta(minutes=30)


@pytest.mark.parametrize("heartbeat", [True, False])
def test_the_same_call_twice_in_a_turn_allows_only_a_reply(heartbeat: bool) -> None:
    state, _ = answered(opened(), SEARCH)
    state, _ = step(state, ToolReturned(SEARCH, "No results."), NOW)
    again = ToolCall(SEARCH.name, {**SEARCH.arguments, "request_heartbeat": heartbeat})
    state, effects = answered(state, again)
    assert did(effects).result == REPEATED
    ask = ask_of(effects)
    assert ask.reply_only
    assert [tool.name for tool in ask.allowed] == ["send_message"]
    state, effects = answered(state, append("x"))
    assert (state.asks, state.core.block("human").value) == (1, "")
    assert "only send_message" in state.notes[0].content


def test_the_same_call_in_another_turn_is_no_repetition() -> None:
    state, _ = answered(answered(opened(), append("a"))[0], say("ok"))
    state, _ = step(state, UserSaid("again", NOW), NOW)
    assert did(answered(state, append("a"))[1]).result != REPEATED


def test_the_last_step_allows_only_a_reply() -> None:
    state = opened()
    for number in range(COMPACT.max_steps - 1):
        state, effects = answered(state, append(f"line {number}"))
        assert ask_of(effects).reply_only == (number == COMPACT.max_steps - 2)
    state, effects = answered(state, append("one more"))
    assert state.core.block("human").lines[-1] == f"line {COMPACT.max_steps - 2}"
    assert ask_of(effects).reply_only


def test_plain_text_is_taken_as_the_reply() -> None:
    text = "  Hello there. "
    plain = replace(answer(text=text), refusals=(Refusal("there is no call; call one of …", text),))
    state, effects = step(opened(), ModelAnswered(plain), NOW)
    assert effects[-1] == Reply("Hello there.")
    assert state.history[-2].calls == (say("Hello there."),)


@pytest.mark.parametrize(
    "unusable",
    [
        answer(),
        answer(text="  "),
        answer(say("  ")),
        replace(answer(), refusals=(Refusal("the call cannot be used: it is cut off.", '{"function"'),)),
        replace(answer(text="Well"), refusals=(Refusal("there is no function 'fly'", '{"function"'),)),
        replace(answer(text="Once upon"), finish="length"),
    ],
)
def test_an_unusable_answer_is_asked_for_again_and_then_given_up(unusable: Completion) -> None:
    state = opened()
    for number in range(MOST_ASKS):
        state, effects = step(state, ModelAnswered(unusable), NOW)
        assert len(effects) == 1
        assert not ask_of(effects).reply_only
        assert len(state.notes) == state.asks == number + 1
        assert state.notes[-1].role == "system"
        assert all(refusal.reason.rstrip(".") in state.notes[-1].content for refusal in unusable.refusals)
    state, effects = step(state, ModelAnswered(unusable), NOW)
    assert effects == (Record("assistant", GIVE_UP, NOW), Reply(GIVE_UP))
    assert (state.is_open, state.notes, state.asks) == (False, (), 0)


def test_of_several_calls_the_first_is_run_and_the_model_told() -> None:
    state, effects = answered(opened(), append("a"), append("b"))
    assert state.core.block("human").lines == ("a",)
    assert did(effects).call == append("a")
    assert "Only core_memory_append was run" in state.notes[0].content


def test_an_interrupted_turn_is_over_and_stays_in_the_history() -> None:
    state, _ = answered(opened("I live in Bergen"), SEARCH)
    state, effects = step(state, Interrupted(), NOW)
    assert effects == ()
    assert (state.is_open, state.pending, state.turn) == (False, None, 1)
    assert [message.role for message in state.history] == ["user", "assistant", "tool"]
    assert "interrupted" in state.history[-1].content


def test_a_new_message_closes_a_turn_that_was_left_open() -> None:
    state, effects = step(opened("first"), UserSaid("second", NOW), NOW)
    assert [message.content for message in state.history] == ["first", "second"]
    assert (state.turn, state.is_open) == (2, True)
    assert effects[0] == Record("user", "second", NOW)


@pytest.mark.parametrize(
    ("new", "reason"),
    [
        ("Job: pilot", ""),
        ("", ""),
        ("Name: pilot", "Failed: the new line must begin as the old one does: Job: "),
        ("My name is Bo.", "Failed: the new line must begin as the old one does: Job: "),
    ],
)
def test_a_line_keeps_its_key(new: str, reason: str) -> None:
    state = replace(opened(), core=COMPACT.core().append("human", "Job: falconer"))
    given = {"name": "human", "old_content": "Job: falconer", "new_content": new}
    after, effects = answered(state, call("core_memory_replace", **given, request_heartbeat=True))
    assert did(effects).result == (reason or "OK")
    assert ("Job: falconer" in after.core.block("human").lines) is bool(reason)
    free = replace(state, profile=FULL)
    assert did(answered(free, call("core_memory_replace", **given, request_heartbeat=True))[1]).result == "OK"


@pytest.mark.parametrize(
    ("made", "nats", "is_done"),
    [
        (append("Boss: angry"), 2.0, False),
        (append("Boss: Ada"), 0.5, True),
        (call("archival_memory_insert", content="nil", request_heartbeat=True), 2.0, False),
        (call("archival_memory_search", query="boss", request_heartbeat=True), 9.0, True),
    ],
)
def test_a_write_that_the_model_did_not_expect_is_not_done(
    made: ToolCall, nats: float, is_done: bool
) -> None:
    completion = replace(answer(made, thoughts="hm"), cost=ConstraintCost(nats=nats))
    state, effects = step(opened(), ModelAnswered(completion), NOW)
    assert isinstance(effects[-1], Reply) is not is_done
    if not is_done:
        said = say(UNSURE)
        assert effects == (
            Did(Step("hm", made, DOUBTED)),
            Record("assistant", UNSURE, NOW),
            Did(Step("unclear", said, "OK")),
            Reply(UNSURE),
        )
        assert state.core == opened().core
        assert [message.calls for message in state.history[-2:]] == [(said,), ()]
        assert not state.is_open
    full = replace(opened(), profile=FULL)
    assert not isinstance(step(full, ModelAnswered(completion), NOW)[1][-1], Reply)


def test_the_state_carries_no_more_history_than_it_should() -> None:
    state = new_state("test", FULL)
    for number in range(100):
        state, _ = step(state, UserSaid(f"{number} " + "x" * 2000, NOW), NOW)
        state, _ = answered(state, say("ok"))
    assert sum(len(message.content) for message in state.history) < KEPT_CHARS + 3000
    assert state.history[-3].content.startswith("99 ")
    assert state.history[0].role == "system"


def replacement(old: str, new: str) -> ToolCall:
    return call(
        "core_memory_replace", name="persona", old_content=old, new_content=new, request_heartbeat=False
    )


def completed(made: list[ToolCall], text: str, finish: Finish, reasons: list[str]) -> Completion:
    refusals = tuple(Refusal(reason, "{") for reason in reasons)
    return replace(answer(*made, text=text), finish=finish, refusals=refusals)


texts = st.sampled_from(["", " ", "boss", "Lives in: Bergen", "My name is Sam.", "x" * 700, "\ud800", "a\nb"])
arguments = st.dictionaries(
    st.sampled_from(["message", "name", "content", "old_content", "new_content", "query", "page", "minutes"]),
    texts | st.sampled_from(["human", "persona"]) | st.integers(-1, 400) | st.none() | st.booleans(),
)
calls = st.one_of(
    st.builds(
        ToolCall,
        st.sampled_from(["send_message", "core_memory_append", "pause_heartbeats", "fly"]),
        arguments,
    ),
    st.builds(append, texts, st.sampled_from(["human", "persona", "boss"])),
    st.just(SEARCH),
    st.builds(replacement, texts, texts),
)
finishes: st.SearchStrategy[Finish] = st.sampled_from(("stop", "length"))
completions = st.builds(completed, st.lists(calls, max_size=2), texts, finishes, st.lists(texts, max_size=1))


@given(st.lists(completions, min_size=1))
def test_every_turn_ends_with_a_reply_within_its_budget(stream: list[Completion]) -> None:
    state, effects = step(new_state("test", COMPACT), UserSaid("hello", NOW), NOW)
    asked = 0
    while not isinstance(effects[-1], Reply):
        asked += 1
        state, effects = step(state, ModelAnswered(stream[asked % len(stream)]), NOW)
        if isinstance(effects[-1], RunTool):
            state, effects = step(state, ToolReturned(effects[-1].call, "No results."), NOW)
        assert all(len(block.value) <= block.limit for block in state.core.blocks)
    assert asked <= COMPACT.max_steps + MOST_ASKS
    assert effects[-1].text.strip()
    assert not state.is_open
    for before, after in zip(state.history, state.history[1:], strict=False):
        assert (before.role == "assistant") == (after.role == "tool")
