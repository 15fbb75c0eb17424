"""Ask from async code: `arespond` for the whole answer, `astream` for its pieces as they arrive.

Drivers do no input or output, so nothing of them is written twice: each question runs on a thread of its own,
which reads from its own socket, and what arrives is handed to the event loop. A task that is cancelled ends
its request at the server before the cancellation goes on. An endpoint that takes one request at a time (a
model in this process) is asked by one task after the other.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Mapping
from contextlib import aclosing, contextmanager, suppress
from contextvars import copy_context
from typing import Any
from weakref import finalize

from bridle.endpoints.base import Endpoint
from bridle.endpoints.responding import respond
from bridle.errors import Cancelled
from bridle.messages import Completion, Delta, Message, ToolSpec

__all__ = ["arespond", "astream"]

_turns: dict[int, threading.Lock] = {}
"""By the endpoint's identity: an endpoint of somebody's own may be equal to another one, or have no hash."""
_turns_lock = threading.Lock()
POLL_S = 0.05
"""How often a question that waits for its turn looks whether it was cancelled."""


async def arespond(
    endpoint: Endpoint,
    messages: Iterable[Message | Mapping[str, object]],
    tools: Iterable[ToolSpec | Mapping[str, object]] = (),
    *,
    on_delta: Callable[[Delta], None] | None = None,
    **options: Any,
) -> Completion:
    """Ask for one assistant turn; everything is as in `respond`.

    `on_delta` is called in the event loop's thread. Cancelling the task ends the request.

    Raises:
        BridleError: as `respond` does.
    """
    run = _Run(endpoint, messages, tools, options, streams=on_delta is not None)
    async with aclosing(run.deltas()) as deltas:  # what `on_delta` raises ends the request, too
        async for delta in deltas:
            if on_delta is not None:
                on_delta(delta)
    return run.completion


async def astream(
    endpoint: Endpoint,
    messages: Iterable[Message | Mapping[str, object]],
    tools: Iterable[ToolSpec | Mapping[str, object]] = (),
    **options: Any,
) -> AsyncGenerator[Delta | Completion, None]:
    """Yield the pieces of one assistant turn as they arrive, and the `Completion` last.

    The options are those of `respond`. Leaving the loop early and closing the generator ends the request.

    Raises:
        BridleError: as `respond` does.
    """
    run = _Run(endpoint, messages, tools, options, streams=True)
    async with aclosing(run.deltas()) as deltas:
        async for delta in deltas:
            yield delta
    yield run.completion


class _Run:
    """One question on its own thread, and the way from there to the event loop."""

    def __init__(
        self,
        endpoint: Endpoint,
        messages: Iterable[Message | Mapping[str, object]],
        tools: Iterable[ToolSpec | Mapping[str, object]],
        options: Mapping[str, Any],
        *,
        streams: bool,
    ) -> None:
        self._endpoint = endpoint
        self._messages = tuple(messages)
        self._tools = tuple(tools)
        self._options = dict(options)
        self._streams = streams
        self._should_stop: Callable[[], bool] | None = self._options.pop("should_stop", None)
        self._stopped = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[Delta | None] = asyncio.Queue()
        self._outcome: Completion | BaseException | None = None

    @property
    def completion(self) -> Completion:
        """What came of it, once all deltas have been taken."""
        if isinstance(self._outcome, BaseException):
            raise self._outcome
        assert self._outcome is not None, "the deltas have not been taken"
        return self._outcome

    async def deltas(self) -> AsyncGenerator[Delta, None]:
        """Run the question and yield what arrives; when this is left, the question has ended."""
        work = copy_context().run  # who records here sees what is asked there
        thread = threading.Thread(target=work, args=(self._work,), name="bridle-ask", daemon=True)
        thread.start()
        over = False
        try:
            while (delta := await self._queue.get()) is not None:
                yield delta
            over = True
        finally:
            self._stopped.set()
            while not over:
                over = await self._queue.get() is None

    def _work(self) -> None:
        try:
            with _turn(self._endpoint, self._stops):
                self._outcome = respond(
                    self._endpoint,
                    self._messages,
                    self._tools,
                    on_delta=self._hand_over if self._streams else None,
                    should_stop=self._stops,
                    **self._options,
                )
        except BaseException as error:  # noqa: BLE001 - it is raised again where it is waited for
            self._outcome = error
        self._hand_over(None)

    def _stops(self) -> bool:
        return self._stopped.is_set() or (self._should_stop is not None and self._should_stop())

    def _hand_over(self, delta: Delta | None) -> None:
        with suppress(RuntimeError):  # the loop was closed while the question was being ended
            self._loop.call_soon_threadsafe(self._queue.put_nowait, delta)


@contextmanager
def _turn(endpoint: Endpoint, stops: Callable[[], bool]) -> Generator[None, None, None]:
    """Wait for an endpoint that takes one request at a time; one that was cancelled goes on at once."""
    if endpoint.supports.parallel:
        yield
        return
    with _turns_lock:
        if id(endpoint) not in _turns:
            _turns[id(endpoint)] = threading.Lock()
            finalize(endpoint, _turns.pop, id(endpoint))
        lock = _turns[id(endpoint)]
    while not lock.acquire(timeout=POLL_S):
        if stops():
            raise Cancelled(f"the request to {endpoint.name} was stopped while it waited for its turn")
    try:
        yield
    finally:
        lock.release()
