"""Asking from async code: the same answers, side by side, and a cancelled task ends its request."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Generator
from typing import TypeVar

import pytest

from bridle.endpoints import arespond, astream, connect, respond
from bridle.endpoints.base import Answer, Endpoint, Request, Supports
from bridle.endpoints.observing import Observation, observed_by
from bridle.endpoints.scripted import Scripted
from bridle.errors import EndpointError, RequestRefused
from bridle.messages import Completion, Delta
from servers.fake import ModelServer, model_server, wait_until

T = TypeVar("T")
USER = [{"role": "user", "content": "Hello"}]


@pytest.fixture
def server() -> Generator[ModelServer]:
    with model_server("openai") as one:
        yield one


@pytest.fixture
def endpoint(server: ModelServer) -> Generator[Endpoint]:
    one = connect(f"openai@{server.url}")
    yield one
    one.close()


def run(job: Callable[[], Awaitable[T]], seconds: float = 20.0) -> T:
    async def limited() -> T:
        return await asyncio.wait_for(job(), seconds)

    return asyncio.run(limited())


def same(one: Completion, other: Completion) -> bool:
    return (one.message, one.raw, one.usage, one.finish) == (
        other.message,
        other.raw,
        other.usage,
        other.finish,
    )


def test_the_answer_is_that_of_respond(endpoint: Endpoint) -> None:
    answer = run(lambda: arespond(endpoint, USER))
    assert same(answer, respond(endpoint, USER))
    assert answer.message.content


def test_a_stream_yields_the_pieces_and_the_whole_last(endpoint: Endpoint) -> None:
    async def gather() -> list[Delta | Completion]:
        return [piece async for piece in astream(endpoint, USER)]

    *deltas, last = run(gather)
    assert isinstance(last, Completion)
    assert len(deltas) > 3
    texts = [delta.text for delta in deltas if isinstance(delta, Delta)]
    assert "".join(texts) == last.message.content == respond(endpoint, USER).message.content


def test_deltas_are_told_in_the_loops_own_thread(endpoint: Endpoint) -> None:
    loops: set[asyncio.AbstractEventLoop] = set()

    async def ask() -> asyncio.AbstractEventLoop:
        await arespond(endpoint, USER, on_delta=lambda _: loops.add(asyncio.get_running_loop()))
        return asyncio.get_running_loop()

    assert loops == set() and {run(ask)} == loops  # noqa: PT018 - the second half fills the set


def test_sixteen_questions_run_side_by_side(server: ModelServer, endpoint: Endpoint) -> None:
    server.pause_s = 0.05

    async def ask() -> list[Completion]:
        return await asyncio.gather(*(arespond(endpoint, USER) for _ in range(16)))

    begun = time.monotonic()
    answers = run(ask)
    took = time.monotonic() - begun
    assert {answer.message.content for answer in answers} == {server.text}
    one = server.pause_s * len(server.text) / 3
    assert took < 8 * one


def test_a_cancelled_task_ends_its_request_at_the_server(server: ModelServer, endpoint: Endpoint) -> None:
    server.pause_s = 0.1

    async def ask() -> None:
        begun = asyncio.Event()
        task = asyncio.create_task(arespond(endpoint, USER, on_delta=lambda _: begun.set()))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(ask)
    assert wait_until(server.broken.is_set)
    server.pause_s = 0.0
    assert run(lambda: arespond(endpoint, USER)).message.content == server.text


def test_leaving_a_stream_early_ends_the_request(server: ModelServer, endpoint: Endpoint) -> None:
    server.pause_s = 0.1

    async def peek() -> Delta | Completion:
        pieces = astream(endpoint, USER)
        try:
            return await anext(pieces)
        finally:
            await pieces.aclose()

    assert isinstance(run(peek), Delta)
    assert wait_until(server.broken.is_set)


def test_errors_are_raised_where_they_are_waited_for() -> None:
    broken = Scripted([RequestRefused("no")])
    with pytest.raises(RequestRefused, match="no"):
        run(lambda: arespond(broken, USER))


class OneAtATime(Scripted):
    """Fails when it is asked while it answers, as a model in this process does."""

    busy = False

    def complete(
        self,
        request: Request,
        on_text: Callable[[str], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Answer:
        if self.busy:
            raise EndpointError("already in use")
        self.busy = True
        time.sleep(0.01)
        try:
            return super().complete(request, on_text, should_stop)
        finally:
            self.busy = False


def test_a_model_in_this_process_is_asked_by_one_after_the_other() -> None:
    endpoint = OneAtATime(["yes"] * 8, supports=Supports(chat=True))

    async def ask() -> list[Completion]:
        return await asyncio.gather(*(arespond(endpoint, USER) for _ in range(8)))

    assert [answer.message.content for answer in run(ask)] == ["yes"] * 8


def test_a_question_that_waits_for_its_turn_can_be_cancelled() -> None:
    endpoint = OneAtATime(["word " * 400] * 2, supports=Supports(chat=True))

    async def ask() -> None:
        begun = asyncio.Event()
        first = asyncio.create_task(arespond(endpoint, USER, on_delta=lambda _: begun.set()))
        second = asyncio.create_task(arespond(endpoint, USER))
        await begun.wait()
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        assert (await first).message.content

    run(ask)
    assert len(endpoint.requests) <= 2


def test_who_watches_the_task_sees_what_its_question_does() -> None:
    seen: list[Observation] = []

    async def ask() -> None:
        with observed_by(seen.append):
            await arespond(Scripted(["yes"]), USER)
        await arespond(Scripted(["no"]), USER)

    run(ask)
    assert [one.answer.text for one in seen if one.answer is not None] == ["yes"]


def test_an_error_of_who_listens_ends_the_request_before_it_is_heard(
    server: ModelServer, endpoint: Endpoint
) -> None:
    server.pause_s = 0.1

    def listen(_: Delta) -> None:
        raise ZeroDivisionError

    async def ask() -> None:
        with pytest.raises(ZeroDivisionError):
            await arespond(endpoint, USER, on_delta=listen)
        assert wait_until(server.broken.is_set)  # without the loop's help

    run(ask)


def test_a_time_limit_of_the_loop_ends_the_request(server: ModelServer, endpoint: Endpoint) -> None:
    server.pause_s = 0.1

    async def ask() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.15):
                await arespond(endpoint, USER)
        assert wait_until(server.broken.is_set)  # without the loop's help

    run(ask)


def test_a_stream_that_nobody_closes_ends_with_its_loop(server: ModelServer, endpoint: Endpoint) -> None:
    server.pause_s = 0.1

    async def peek() -> Delta | Completion:
        async for piece in astream(endpoint, USER):
            return piece
        raise AssertionError

    assert isinstance(run(peek), Delta)
    assert wait_until(server.broken.is_set)


def test_an_endpoint_without_a_hash_is_asked_like_any_other() -> None:
    class Compared(OneAtATime):
        def __eq__(self, other: object) -> bool:
            return isinstance(other, Compared)

        __hash__ = None  # type: ignore[assignment]  # pyright: ignore

    endpoint = Compared(["yes"] * 2, supports=Supports(chat=True))

    async def ask() -> list[Completion]:
        return await asyncio.gather(*(arespond(endpoint, USER) for _ in range(2)))

    assert [answer.message.content for answer in run(ask)] == ["yes"] * 2


class UntilStopped(Scripted):
    """Answers when it is told to stop, and not before."""

    busy = False

    def complete(
        self,
        request: Request,
        on_text: Callable[[str], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Answer:
        assert should_stop is not None
        self.busy = True
        while not should_stop():
            time.sleep(0.005)
        self.busy = False
        return Answer("", "cancelled", "cancelled")


def test_when_the_cancellation_goes_on_the_request_has_ended() -> None:
    endpoint = UntilStopped([], supports=Supports(chat=True, parallel=True))

    async def ask() -> bool:
        task = asyncio.create_task(arespond(endpoint, USER))
        while not endpoint.busy:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return endpoint.busy

    assert run(ask) is False


def test_who_waits_for_a_turn_is_cancelled_while_the_other_goes_on() -> None:
    endpoint = UntilStopped([], supports=Supports(chat=True))

    async def ask() -> bool:
        first = asyncio.create_task(arespond(endpoint, USER))
        while not endpoint.busy:
            await asyncio.sleep(0.001)
        second = asyncio.create_task(arespond(endpoint, USER))
        await asyncio.sleep(0)
        second.cancel()
        ended, _ = await asyncio.wait({second}, timeout=2.0)
        still = bool(vars(endpoint)["busy"]) and ended == {second}
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        return still

    assert run(ask, 5.0) is True


def test_a_stop_of_the_callers_own_is_asked_too() -> None:
    endpoint = UntilStopped([], supports=Supports(chat=True, parallel=True))
    answer = run(lambda: arespond(endpoint, USER, should_stop=lambda: endpoint.busy), 5.0)
    assert answer.finish == "cancelled"
