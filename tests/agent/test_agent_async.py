"""Agents from async code: turns in order, events in the loop, and cancellation that loses nothing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from agent_scripts import NOW, append, say, scripted
from bridle.agent import SMALL, Agent, AsyncAgent, Finished, Progress, Saying, Store, Thinking, Turn
from bridle.endpoints.base import Answer, Endpoint, Request
from bridle.endpoints.scripted import Scripted
from bridle.errors import InputError, RequestRefused


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path) as opened:
        yield opened


def agent_on(store: Store, endpoint: Endpoint) -> AsyncAgent:
    return AsyncAgent(Agent.open(store, "ada", endpoint, wrapper="chatml-compact", clock=lambda: NOW))


class Waiting(Scripted):
    """Answers nothing until it is told to stop."""

    def __init__(self) -> None:
        super().__init__([])
        self.asked = threading.Event()

    def complete(
        self,
        request: Request,
        on_text: Callable[[str], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Answer:
        self.asked.set()
        while should_stop is None or not should_stop():
            threading.Event().wait(0.001)
        return Answer("", "cancelled", "cancelled")


def test_a_turn_is_awaited_and_told_in_the_loops_thread(store: Store) -> None:
    told: list[tuple[Progress, int]] = []

    async def talk() -> Turn:
        async with agent_on(store, scripted([append("Lives in: Bergen"), say("Got it.")])) as agent:
            here = threading.get_ident()
            turn = await agent.turn(
                "I live in Bergen", lambda event: told.append((event, threading.get_ident()))
            )
            assert {thread for _, thread in told} == {here}
            assert agent.state.core.block("human").lines == ("Lives in: Bergen",)
            return turn

    turn = asyncio.run(talk())
    assert turn.reply == "Got it."
    assert [type(event) for event, _ in told if not isinstance(event, Saying)] == [
        Thinking, Finished, Thinking, Finished,
    ]  # fmt: skip


def test_a_stream_ends_with_its_turn(store: Store) -> None:
    async def talk() -> list[Progress | Turn]:
        async with agent_on(store, scripted([say("Hello there.")])) as agent:
            return [event async for event in agent.stream("hi")]

    events = asyncio.run(talk())
    assert isinstance(events[-1], Turn)
    assert "".join(event.text for event in events if isinstance(event, Saying)) == "Hello there."


def test_turns_that_are_asked_for_at_once_come_one_after_the_other(store: Store) -> None:
    async def talk() -> list[str]:
        async with agent_on(store, scripted([say(str(number)) for number in range(5)])) as agent:
            turns = await asyncio.gather(*(agent.turn(f"message {number}") for number in range(5)))
            return [turn.reply for turn in turns]

    assert asyncio.run(talk()) == ["0", "1", "2", "3", "4"]
    state = store.load("ada")
    assert state is not None
    assert (state.turn, state.is_open) == (5, False)


def test_a_cancelled_task_stops_the_generation_and_closes_the_turn(store: Store) -> None:
    endpoint = Waiting()

    async def talk() -> None:
        async with agent_on(store, endpoint) as agent:
            task = asyncio.create_task(agent.turn("hello"))
            await asyncio.to_thread(endpoint.asked.wait)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert not agent.state.is_open

    asyncio.run(talk())
    assert [one.text for one in store.messages("ada")] == ["hello"]


def test_leaving_a_stream_early_stops_its_turn(store: Store) -> None:
    async def talk() -> None:
        async with agent_on(store, scripted([append("a: b"), say("x" * 400), say("again")])) as agent:
            async with aclosing(agent.stream("hello")) as events:
                async for event in events:
                    if isinstance(event, Finished):
                        break
            assert not agent.state.is_open
            assert agent.state.core.block("human").lines == ("a: b",)

    asyncio.run(talk())


def test_an_error_of_the_model_is_raised_where_it_was_awaited(store: Store) -> None:
    async def talk() -> None:
        async with agent_on(store, scripted([])) as agent:
            with pytest.raises(RequestRefused):
                await agent.turn("hello")
            assert not agent.state.is_open

    asyncio.run(talk())


def test_the_agent_speaks_first(store: Store) -> None:
    async def talk() -> str:
        endpoint = scripted([say("Hello, I am Kim.")])
        inside = Agent.open(store, "kim", endpoint, wrapper="chatml-compact", profile=SMALL)
        async with AsyncAgent(inside) as agent:
            return (await agent.begin()).reply

    assert asyncio.run(talk()) == "Hello, I am Kim."


def test_an_agent_whose_model_knows_only_messages_greets_by_rule(store: Store) -> None:
    async def talk() -> str:
        async with agent_on(store, scripted([])) as agent:
            return (await agent.begin()).reply

    assert asyncio.run(talk()).startswith("Hello! My name is Sam. Tell me")
    state = store.load("ada")
    assert state is not None
    assert (state.turn, state.history, state.is_open) == (0, (), False)


def test_closing_waits_for_the_turn_and_no_other_one_begins(store: Store) -> None:
    async def talk() -> str:
        agent = agent_on(store, scripted([say("Hello.")]))
        turn = asyncio.create_task(agent.turn("hi"))
        await asyncio.sleep(0)
        await agent.close()
        await agent.close()
        with pytest.raises(InputError, match="is closed"):
            await agent.turn("still there?")
        return (await turn).reply

    assert asyncio.run(talk()) == "Hello."


def test_a_task_that_is_cancelled_twice_leaves_a_turn_that_is_over(store: Store) -> None:
    async def talk() -> None:
        endpoint = Waiting()
        async with agent_on(store, endpoint) as agent:
            turn = asyncio.create_task(agent.turn("hi"))
            while not endpoint.asked.is_set():
                await asyncio.sleep(0.001)
            turn.cancel()
            await asyncio.sleep(0)
            turn.cancel()
            with pytest.raises(asyncio.CancelledError):
                await turn
        assert not agent.state.is_open

    asyncio.run(talk())
