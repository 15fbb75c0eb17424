"""An event loop in a thread of its own, for async tools of a program that is not async itself.

Connections that an async tool keeps belong to one loop, so all calls share it. A loop whose coroutine does
not give way is of no use any more: whoever notices takes another one, and leaves this thread behind.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from typing import TypeVar

__all__ = ["BackgroundLoop"]

T = TypeVar("T")
CLOSES_WITHIN_S = 5.0
"""How long tasks that were cancelled may take to clean up when the loop is closed."""


class BackgroundLoop:
    """A running event loop. `close` ends it; the thread ends with the process in any case."""

    def __init__(self, name: str) -> None:
        """Start the thread; `name` is its name."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, work: Awaitable[T]) -> Future[T]:
        """Run an awaitable on the loop. Cancelling the future cancels the task.

        Raises:
            RuntimeError: when the loop has ended.
        """

        async def awaited() -> T:
            try:
                return await work
            except (KeyboardInterrupt, SystemExit) as error:  # either would end the loop for all
                raise RuntimeError(f"{type(error).__name__}: {error}") from error

        if not self._thread.is_alive():
            if isinstance(work, Coroutine):
                work.close()
            raise RuntimeError("the event loop has ended")
        return asyncio.run_coroutine_threadsafe(awaited(), self._loop)

    def call(self, function: Callable[[], object]) -> None:
        """Call a function on the loop, if that still runs, and do not wait for it."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(function)

    @property
    def thread(self) -> threading.Thread:
        """The thread that the loop runs in."""
        return self._thread

    def answers(self, within_s: float) -> bool:
        """Tell whether the loop still takes turns; one that a coroutine holds does not."""
        took_turn = threading.Event()
        self.call(took_turn.set)
        return took_turn.wait(within_s)

    def close(self, within_s: float = CLOSES_WITHIN_S) -> bool:
        """Cancel what still runs and end the thread; False when it did not end in time."""
        self.call(self._loop.stop)
        self._thread.join(within_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
            tasks = asyncio.all_tasks(self._loop)
            for task in tasks:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        finally:
            self._loop.close()
