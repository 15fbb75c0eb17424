"""Agents from async code: the same turns, awaited, or as a stream of what happens in them.

A turn runs on a thread of its own and tells the event loop what happens. A task that is cancelled stops the
generation, and waits until what was done is stored.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from typing import TYPE_CHECKING

from bridle.agent.progress import OnEvent, Progress, Turn
from bridle.agent.runner import Agent
from bridle.agent.state import AgentState
from bridle.errors import InputError

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

__all__ = ["AsyncAgent"]


class AsyncAgent:
    """An agent for async code; its turns wait for each other. `agent` is the one inside.

    It owns the thread that it runs on: close it, or use it with `async with`.
    """

    def __init__(self, agent: Agent) -> None:
        """Take an open agent, which nobody else uses meanwhile."""
        self.agent = agent
        self._turns = asyncio.Lock()
        self._is_closed = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"bridle-{agent.state.name}")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def state(self) -> AgentState:
        """The agent's state after its last step."""
        return self.agent.state

    async def turn(self, text: str, on_event: OnEvent | None = None, *, speaker: str = "") -> Turn:
        """Say something to the agent and get its reply; `on_event` is called in the event loop's thread.

        Raises:
            BridleError: as `Agent.turn` does.
        """
        stream = self.stream(text, speaker=speaker)
        async with aclosing(stream):
            async for event in stream:
                if isinstance(event, Turn):
                    return event
                if on_event is not None:
                    on_event(event)
        raise AssertionError("a stream ends with its turn")

    async def stream(self, text: str, *, speaker: str = "") -> AsyncGenerator[Progress | Turn, None]:
        """Yield what happens in a turn as it happens, and the `Turn` last.

        Raises:
            BridleError: as `Agent.turn` does.
        """
        async with self._turns:
            events = self._run(lambda tell, stop: self.agent.turn(text, tell, stop, speaker=speaker))
            async with aclosing(events):
                async for event in events:
                    yield event

    async def begin(self) -> Turn:
        """Have the agent speak first, as `Agent.begin` does."""
        async with self._turns, aclosing(self._run(self.agent.begin)) as events:
            async for event in events:
                if isinstance(event, Turn):
                    return event
        raise AssertionError("a stream ends with its turn")

    async def close(self) -> None:
        """Wait for the present turn, and let the thread go; the agent inside stays open."""
        async with self._turns:
            self._is_closed = True
            self._thread.shutdown(wait=True)

    async def _run(
        self, turn: Callable[[OnEvent, Callable[[], bool]], Turn]
    ) -> AsyncGenerator[Progress | Turn, None]:
        if self._is_closed:
            raise InputError("the agent is closed", hint="open it again for another turn")
        loop = asyncio.get_running_loop()
        told: asyncio.Queue[Progress | None] = asyncio.Queue()
        stopped = threading.Event()

        def tell(event: Progress) -> None:
            loop.call_soon_threadsafe(told.put_nowait, event)

        running = loop.run_in_executor(self._thread, turn, tell, stopped.is_set)
        running.add_done_callback(lambda _: told.put_nowait(None))
        try:
            while (event := await told.get()) is not None:
                yield event
            yield await running
        finally:
            stopped.set()
            # What was done is stored before the cancellation goes on; its outcome is nobody's any more.
            await asyncio.wait([running])
