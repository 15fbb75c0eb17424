"""What leaves a conversation that is too long: in which order, and what is said of it."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from agent_scripts import NOW, answer, say, scripted
from bridle.agent import Agent, Store
from bridle.agent.evicting import evict, plain_summary, shorten_results, transcript
from bridle.agent.fit import answer_tokens, views
from bridle.agent.prompt import (
    COMPACT,
    FULL,
    SMALL,
    Profile,
    compose,
    history_limit,
    is_memory,
    size_of,
    turns_of,
)
from bridle.agent.prompting import shown_messages, shown_views
from bridle.agent.state import (
    AgentState,
    AskModel,
    Interrupted,
    ModelAnswered,
    Noted,
    Overflowed,
    Record,
    Summarise,
    Summarised,
    UserSaid,
    new_state,
)
from bridle.agent.step import SUMMARY_CHARS, step
from bridle.messages import JSON, Message, ToolCall, Usage


def talked(turns: int, *, result: str = "", said: str = "message") -> AgentState:
    """An agent after some turns, of which each has a search where `result` is given."""
    state = new_state("test", FULL)
    for number in range(turns):
        state, _ = step(state, UserSaid(f"{said} {number}", NOW), NOW)
        if result:
            search = ToolCall("archival_memory_search", {"query": "x", "request_heartbeat": True})
            called = Message("assistant", calls=(search,))
            found = Message("tool", result, name=search.name)
            state = replace(state, history=(*state.history, called, found))
        state, _ = step(state, ModelAnswered(answer(say(f"reply {number}"))), NOW)
    return state


def test_results_are_cut_first_then_the_oldest_turns_leave_then_less_is_shown() -> None:
    state = step(talked(6, result="long " * 200), UserSaid("now", NOW), NOW)[0]
    state, effects = step(state, Overflowed(), NOW)
    assert isinstance(effects[-1], AskModel)
    assert len(turns_of(state.history)) == 7
    assert max(len(m.content) for m in state.history if m.role == "tool") < 300
    state, effects = step(state, Overflowed(), NOW)
    asked = effects[-1]
    assert isinstance(asked, Summarise)
    assert 1 <= len(turns_of(state.history)) < 7
    assert asked.messages[0].content == "message 0"
    state, effects = step(state, Summarised(asked, "We talked about numbers."), NOW)
    assert state.summary == "We talked about numbers."
    assert state.evicted == len(asked.messages)
    assert isinstance(effects[0], Noted)
    assert isinstance(effects[-1], AskModel)
    assert effects[-1].reason == "overflow"
    assert not effects[-1].shrink
    for _ in range(4):
        state, effects = step(state, Overflowed(), NOW)
        if isinstance(effects[-1], AskModel):
            assert effects[-1].shrink
            assert [m.content for m in state.history if m.role == "user"] == ["now"]
            return
        assert isinstance(effects[-1], Summarise)
        state, effects = step(state, Summarised(effects[-1]), NOW)
    raise AssertionError("something always leaves")


def test_without_a_model_the_summary_says_how_each_message_began() -> None:
    state = step(talked(4), UserSaid("now", NOW), NOW)[0]
    state, effects = step(state, Overflowed(), NOW)
    asked = effects[-1]
    assert isinstance(asked, Summarise)
    state, effects = step(state, Summarised(asked), NOW)
    assert state.summary.startswith("the user said: message 0\nI said: reply 0")
    assert "without the model" in str(effects[0])


def test_a_long_conversation_leaves_before_the_model_is_asked() -> None:
    state, effects = step(new_state("test", FULL), Interrupted(), NOW)
    before = state
    while not effects or not isinstance(effects[-1], Summarise):
        before = state
        state, effects = step(state, UserSaid("word " * 100, NOW), NOW)
        assert state.turn < 60
        if isinstance(effects[-1], AskModel):
            state, _ = step(state, ModelAnswered(answer(say("ok"))), NOW)
    assert sum(map(size_of, before.history)) <= history_limit(FULL, None) + 600
    assert effects[0] == Record("user", "word " * 100, NOW)
    state, effects = step(state, Summarised(effects[-1], "x"), NOW)
    assert isinstance(effects[-1], AskModel)
    assert sum(map(size_of, state.history)) <= history_limit(FULL, None) * 2 // 3


def test_the_summary_is_shown_after_the_instructions() -> None:
    shown = compose(FULL, (Message("user", "hi"),), "MEMORY", system="Be brief.", summary="We met.")
    assert [message.content for message in shown] == ["Be brief.", "[earlier]\nWe met.", "MEMORY", "hi"]


def test_the_model_is_told_once_before_something_leaves() -> None:
    state = replace(talked(2), window=1000)
    state, _ = step(state, UserSaid("a", NOW), NOW)
    full = replace(answer(say("b")), usage=Usage(prompt_tokens=800, completion_tokens=10))
    state, _ = step(state, ModelAnswered(full), NOW)
    assert state.prompt_tokens == 810
    state, effects = step(state, UserSaid("c", NOW), NOW)
    assert "81 %" in state.notes[0].content
    assert [one for one in effects if isinstance(one, Noted)]
    state, _ = step(state, ModelAnswered(full), NOW)
    state, effects = step(state, UserSaid("d", NOW), NOW)
    assert not [one for one in effects if isinstance(one, Noted)]
    assert state.notes == ()
    assert state.warned
    assert not step(state, Overflowed(), NOW)[0].warned


def test_a_profile_that_does_not_sum_up_is_not_warned_and_is_trimmed() -> None:
    state = new_state("test", COMPACT)
    for number in range(80):
        state, effects = step(state, UserSaid(f"{'word ' * 100}{number}", NOW), NOW)
        assert isinstance(effects[-1], AskModel)
        state, _ = step(state, ModelAnswered(answer(say("ok"))), NOW)
    assert sum(map(size_of, state.history)) < 33000
    assert state.summary == ""


def test_summarising_by_hand_works_between_turns_and_asks_nothing() -> None:
    state, effects = step(talked(4), Overflowed(), NOW)
    (asked,) = effects
    assert isinstance(asked, Summarise)
    state, effects = step(state, Summarised(asked, "short"), NOW)
    assert [type(one) for one in effects] == [Noted]
    assert state.summary == "short"
    assert step(new_state("test", FULL), Overflowed(), NOW)[1] == ()


_HISTORIES = st.lists(
    st.tuples(st.text(max_size=60), st.integers(0, 3), st.booleans()), min_size=1, max_size=12
).map(
    lambda turns: tuple(
        message
        for said, results, memory in turns
        for message in (
            *([Message("system", "[persona]\nSam\n[time]\nnow")] if memory else []),
            Message("user", said),
            *(Message("tool", "found " * 100, name="memory_search") for _ in range(results)),
            Message("assistant", calls=(say("ok"),)),
        )
    )
)


@given(_HISTORIES)
def test_eviction_loses_nothing_keeps_order_and_always_the_newest_turn(history: tuple[Message, ...]) -> None:
    parts = evict(history)
    said = [message for message in history if message.role != "system"]
    assert [*parts.gone, *(m for m in parts.kept if m.role != "system")] == said
    assert parts.kept[-len(turns_of(history)[-1]) :] == tuple(turns_of(history)[-1])
    assert bool(parts.gone) == (len(turns_of(history)) > 1)
    shown = [message for message in history if is_memory(message)]
    if shown:
        assert [m for m in parts.kept if is_memory(m)][-1] == shown[-1]


@given(_HISTORIES, st.integers(0, 400))
def test_shortening_touches_only_results_of_earlier_turns(history: tuple[Message, ...], most: int) -> None:
    shorter = shorten_results(history, most)
    assert len(shorter) == len(history)
    last = len(turns_of(history)[-1])
    assert shorter[-last:] == history[-last:]
    for before, after in zip(history, shorter, strict=True):
        assert before == after or (before.role == "tool" and len(after.content) <= most + 30)


@given(st.text(max_size=300), _HISTORIES, st.integers(50, SUMMARY_CHARS))
def test_a_summary_and_a_transcript_are_never_longer_than_asked(
    before: str, history: tuple[Message, ...], most: int
) -> None:
    assert len(plain_summary(before, history, most)) <= most
    assert len(transcript(history, most)) <= most


@settings(max_examples=30)
@given(
    st.lists(st.integers(0, 6000), min_size=1, max_size=12),
    st.sampled_from([(SMALL, 1100), (SMALL, 4000), (FULL, 2400), (FULL, 9000)]),
    st.booleans(),
)
def test_no_conversation_is_too_long(sizes: list[int], how: tuple[Profile, int], searches: bool) -> None:
    """Every message gets its reply, every prompt fits, and everything that was said is found again."""
    profile, window = how
    name = "memory_search" if profile is SMALL else "archival_memory_search"
    answers = [say("r" * 300)]
    if searches:
        heartbeat: dict[str, JSON] = {} if profile is SMALL else {"request_heartbeat": True}
        answers.insert(0, ToolCall(name, {"query": "x y", **heartbeat}))
    endpoint = scripted(answers * 60, window=window)
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder)) as store:
        agent = Agent.open(store, "ada", endpoint, wrapper="chatml-compact", profile=profile)
        for number, size in enumerate(sizes):
            assert agent.turn(f"word{number} " + "x " * (size // 2)).reply
        room = window - answer_tokens(profile, window)
        asked = [request for request in endpoint.requests if request.grammar is not None]
        assert max(endpoint.count_tokens(request) or 0 for request in asked) <= room
        for number in range(len(sizes)):
            assert store.find_messages("ada", f"word{number}", 0).total >= 1


def test_what_left_is_counted_and_what_the_last_prompt_had_is_forgotten() -> None:
    state = replace(talked(9), prompt_tokens=900)
    left = 0
    for _ in range(2):
        state, (asked,) = step(state, Overflowed(), NOW)
        assert isinstance(asked, Summarise)
        left += len(asked.messages)
        assert (state.evicted, state.prompt_tokens) == (left, 0)
    state, _ = step(state, UserSaid("now", NOW), NOW)
    told = replace(answer(ToolCall("nothing", {})), usage=Usage(700, 50))
    assert step(state, ModelAnswered(told), NOW)[0].prompt_tokens == 750


def test_of_a_summary_that_is_too_long_the_former_one_goes_first() -> None:
    new = [Message("user", "I have moved to Bergen.")]
    assert plain_summary("They met long ago. " * 4, new, 60) == "the user said: I have moved to Bergen."


def test_the_first_of_two_steps_is_left_out_before_memory_is() -> None:
    calls = [ToolCall("lamp", {"level": number}) for number in range(2)]
    turn = [Message("user", "light")]
    for one in calls:
        turn += [Message("assistant", calls=(one,)), Message("tool", "lit", name="lamp")]
    shown = [view for view in views(SMALL, turn, SMALL.core()) if view.cut == "steps were left out"]
    assert [view.history for view in shown] == [(turn[0], *turn[3:])]


def test_a_quarter_of_a_small_window_is_kept_for_the_answer() -> None:
    assert answer_tokens(FULL, 800) == 200
    assert answer_tokens(FULL, 100_000) == (FULL.thoughts_chars + FULL.string_chars) // 2 + 64


def test_older_turns_leave_a_view_by_and_by() -> None:
    history = [Message("user", "x" * 900) for _ in range(8)]
    sizes = [len(view.history) for view in views(SMALL, history, SMALL.core()) if not view.cut]
    assert sizes == sorted(sizes, reverse=True)
    assert len(sizes) == 4


def test_the_barest_view_has_neither_summary_nor_notes() -> None:
    note, summary = Message("system", "a note"), "what was before"
    state = replace(talked(1), notes=(note,), summary=summary)
    shown = [shown_messages(state, view, NOW, (0, 0)) for view in shown_views(state)]
    assert [note in messages for messages in shown] == [*[True] * (len(shown) - 1), False]
    assert [summary in str(messages) for messages in shown] == [*[True] * (len(shown) - 1), False]
