"""An agent at its limits: a tool that takes too long, tokens that nobody counts, memory without blocks."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agent_scripts import NOW, answer, append, call, say, scripted, written
from bridle.agent import Agent, Store
from bridle.agent.evicting import evict
from bridle.agent.limits import Limits
from bridle.agent.prompt import COMPACT, FULL, SMALL, Profile, memory_turn
from bridle.agent.state import ModelAnswered, UserSaid, new_state
from bridle.agent.step import step
from bridle.agent.toolbox import as_tool
from bridle.endpoints.base import Answer, Request, Supports
from bridle.endpoints.scripted import Scripted
from bridle.messages import Message, ToolCall, Usage


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path) as opened:
        yield opened


def agent_on(
    store: Store,
    answers: Iterable[ToolCall],
    profile: Profile = FULL,
    tools: Iterable[Callable[..., object]] = (),
    limits: Limits | None = None,
) -> Agent:
    wrapper = "chatml-compact" if profile is COMPACT else "chatml"
    return Agent.open(
        store, "ada", scripted(answers), wrapper=wrapper, profile=profile,
        tools=[as_tool(tool) for tool in tools], limits=limits, clock=lambda: NOW,
    )  # fmt: skip


@pytest.mark.parametrize("limits", [Limits(tool_seconds=0.1), Limits(seconds=0.1)], ids=["tool", "turn"])
def test_a_tool_that_hangs_is_cut_off_by_the_turns_limits(store: Store, limits: Limits) -> None:
    let_go = threading.Event()

    def wait() -> str:
        """Wait."""
        let_go.wait(20)
        return "done"

    agent = agent_on(store, [call("wait"), say("It hangs.")], tools=[wait], limits=limits)
    begun = time.monotonic()
    turn = agent.turn("wait for it")
    let_go.set()
    assert time.monotonic() - begun < 10
    assert re.fullmatch(r"Failed: wait took longer than 0\.[01]\S* s and was left", turn.steps[0].result)
    assert turn.reply == "It hangs."


def test_a_tool_keeps_its_own_limit_where_the_turn_has_none(store: Store) -> None:
    def lamp() -> str:
        """Light the lamp."""
        return "lit"

    for limits in (None, Limits(seconds=60, tool_seconds=60)):
        agent = agent_on(store, [call("lamp"), say("Lit.")], tools=[lamp], limits=limits)
        assert [one.result for one in agent.turn("light").steps] == ["lit", "OK"]


class Uncounted(Scripted):
    """A server that tells no usage."""

    def complete(
        self,
        request: Request,
        on_text: Callable[[str], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Answer:
        return replace(super().complete(request, on_text, should_stop), usage=Usage())


def test_tokens_that_nobody_counts_are_worked_out_for_a_limit(store: Store) -> None:
    for limit, steps, counted in ((100, 2, True), (None, 4, False)):
        calls = [append(f"Fact {limit} {n}: x") for n in range(steps - 1)]
        answers = [written(one) for one in (*calls, say("Well."))]
        endpoint = Uncounted(answers, supports=Supports(prompt=True), grammar_checked=False)
        agent = Agent.open(
            store, "ada", endpoint, wrapper="chatml", profile=FULL, limits=Limits(tokens=limit)
        )
        turn = agent.turn("three facts")
        assert len(turn.steps) == steps
        assert (turn.tokens > 0) is counted


def test_what_was_allowed_is_done_though_its_own_tokens_were_the_last() -> None:
    state = replace(new_state("ada", FULL), limits=Limits(tokens=100))
    state, _ = step(state, UserSaid("I live in Bergen", NOW), NOW)
    spent = replace(answer(append("Lives in: Bergen")), usage=Usage(90, 20))
    state, _ = step(state, ModelAnswered(spent), NOW)
    assert state.core.block("human").lines == ("Lives in: Bergen",)
    state, _ = step(state, ModelAnswered(answer(append("Pet: cat"))), NOW)
    assert state.core.block("human").lines == ("Lives in: Bergen",)


@pytest.mark.parametrize("profile", [COMPACT, SMALL, FULL], ids=["compact", "small", "full"])
def test_an_agent_without_any_block_still_answers(store: Store, profile: Profile) -> None:
    agent = agent_on(store, [say("Hi."), say("Ho.")], profile)
    for label in ("persona", "human"):
        store.remove_block("ada", label)
    assert [agent.turn(text).reply for text in ("hello", "hello?")] == ["Hi.", "Ho."]


def test_the_time_alone_is_shown_whole() -> None:
    time_alone = "[time]\n2026-11-20 08:05 Friday, yesterday 2026-11-19"
    shown = Message("system", time_alone)
    assert memory_turn([shown, Message("user", "hi")], time_alone) == shown


def test_lines_that_moved_up_are_told_with_their_new_numbers(store: Store) -> None:
    store_agent = agent_on(
        store,
        [
            call("core_memory_replace", line="human 1", new_content=""),
            call("core_memory_replace", line="human 1", new_content="B: 3"),
            say("Done."),
        ],
        SMALL,
    )
    store.write_block("ada", "human", "A: 1\nB: 2")
    turn = store_agent.turn("forget A; B is 3")
    assert [one.result for one in turn.steps] == ["OK. [human] is now:\n1. B: 2", "OK", "OK"]
    assert store_agent.state.core.block("human").lines == ("B: 3",)


def test_memory_that_was_left_standing_does_not_count_as_a_turn_that_left() -> None:
    memory = Message("system", "[human]\n" + "x" * 5000)
    turns = [
        message
        for n in range(3)
        for message in (Message("system", "[time]\nnow"), Message("user", f"said {n}"))
    ]
    parts = evict([memory, *turns])
    assert [message.content for message in parts.gone] == ["said 0"]
    assert parts.kept == (memory, *turns[2:])


def test_a_line_is_found_by_its_name_however_it_is_spaced(store: Store) -> None:
    edit = call("core_memory_replace", line="my  notes 1", new_content="C: 3")
    agent = agent_on(store, [edit, say("Done.")], SMALL)
    store.add_block("ada", "my  notes", "A: 1")
    assert agent.turn("note C").steps[0].result == "OK"
    assert agent.state.core.block("my  notes").lines == ("C: 3",)
