"""Run a tool within its time, and give text back whatever happens.

A function runs in a daemon thread, and what is async on an event loop that all calls share. A thread cannot
be stopped from outside: one that takes too long is left behind, named in the log, and counted; it never holds
up the end of the process. What a tool prints goes where this program prints.
"""

from __future__ import annotations

import atexit
import contextvars
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future
from inspect import isawaitable
from typing import cast

from bridle.agent.toolbox.background import BackgroundLoop
from bridle.agent.toolbox.base import HEARTBEAT, Tool
from bridle.agent.toolbox.results import FAILED, failure_text, result_text, shortened
from bridle.messages import JSON
from bridle.wrappers.checking import argument_errors

__all__ = ["MOST_CHARS", "MOST_LEFT", "left_behind", "run_tool_limited"]

MOST_CHARS = 3000
"""As much of a result is shown to the model, unless the caller says otherwise; MemGPT's limit."""
MOST_LEFT = 16
"""With so many threads left behind that still run, no further tool is started."""
LOOKS_EVERY_S = 0.05
"""How often `should_stop` is asked."""
CANCELS_WITHIN_S = 1.0
"""How long an async tool may take to clean up when it is cancelled."""

_log = logging.getLogger(__name__)


def run_tool_limited(
    tool: Tool,
    arguments: Mapping[str, JSON],
    should_stop: Callable[[], bool] | None = None,
    *,
    most_chars: int = MOST_CHARS,
) -> str:
    """Run a tool; the result is text for the model, and a failure is one that begins with `Failed:`.

    Arguments that the tool's schema does not accept are a failure as well. When `should_stop` says so, the
    tool is left, and the text says that it was stopped.

    Raises:
        KeyboardInterrupt: when the user presses Ctrl-C meanwhile; the tool is left.
    """
    given = {key: value for key, value in arguments.items() if key != HEARTBEAT}
    if wrong := argument_errors(tool.spec, given):
        return f"{FAILED}wrong arguments for {tool.name}: {'; '.join(wrong)}"
    if len(left_behind()) >= MOST_LEFT:
        names = ", ".join(sorted(set(left_behind())))
        return f"{FAILED}{MOST_LEFT} calls that took too long still run ({names})"
    run = _Run(tool, given)
    try:
        if run.waited(tool.timeout_s, should_stop):
            return shortened(run.text, most_chars)
    finally:
        run.leave()
    if run.is_stopped:
        return f"{FAILED}{tool.name} was stopped"
    return f"{FAILED}{tool.name} took longer than {tool.timeout_s:g} s and was left"


def left_behind() -> tuple[str, ...]:
    """Name the tools of all calls that were left and still run, each as often as it does."""
    return _LEFT.names()


class _Run:
    """One call of a tool in its thread."""

    def __init__(self, tool: Tool, arguments: Mapping[str, JSON]) -> None:
        self.text = ""
        self.is_stopped = False
        self._tool = tool
        self._arguments = arguments
        self._done = threading.Event()
        self._async: Future[object] | None = None
        self._is_left = False
        context = contextvars.copy_context()
        self.thread = threading.Thread(
            target=context.run, args=(self._run,), name=f"tool {tool.name}", daemon=True
        )
        self.thread.start()

    def waited(self, timeout_s: float, should_stop: Callable[[], bool] | None) -> bool:
        """Wait for the result; False when time is up, or the caller has stopped it."""
        until = time.monotonic() + timeout_s
        while (left_s := until - time.monotonic()) > 0:
            # Short waits also on the platforms where a lock is not left for Ctrl-C.
            if self._done.wait(min(left_s, LOOKS_EVERY_S)):
                return True
            if should_stop is not None and should_stop():
                self.is_stopped = True
                return False
        return self._done.is_set()

    def leave(self) -> None:
        """Give up a call that is not done: cancel what is async, and count the thread if it goes on."""
        if self._done.is_set():
            return
        self._is_left = True
        if self._async is None:
            _LEFT.add(self._tool.name, self.thread)
            return
        self._async.cancel()
        if stuck := _LOOP.replaced():
            _LEFT.add(self._tool.name, stuck)

    def _run(self) -> None:
        try:
            result = self._tool.run(**self._arguments)
            if isawaitable(result):
                self._async = _LOOP.submit(cast("Awaitable[object]", result))
                if self._is_left:
                    self._async.cancel()
                result = self._async.result()
            self.text = result_text(result)
        except BaseException as error:  # noqa: BLE001 - a tool may do anything, also leave the program
            self.text = failure_text(self._tool.name, error)
        finally:
            self._done.set()


class _Shared:
    """The loop of all async tools, made when the first one runs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: BackgroundLoop | None = None

    def submit(self, work: Awaitable[object]) -> Future[object]:
        """Run an awaitable on the loop."""
        with self._lock:
            if self._loop is None:
                self._loop = BackgroundLoop("async tools")
                atexit.register(self._loop.close)
            return self._loop.submit(work)

    def replaced(self) -> threading.Thread | None:
        """Let the next call have another loop if this one is stuck, and return the stuck one's thread."""
        with self._lock:
            loop = self._loop
            if loop is None or loop.answers(CANCELS_WITHIN_S):
                return None
            self._loop = None
        atexit.unregister(loop.close)
        loop.close(0)
        return loop.thread


class _Left:
    """The calls that were left."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._threads: list[tuple[str, threading.Thread]] = []

    def add(self, name: str, thread: threading.Thread) -> None:
        with self._lock:
            self._threads.append((name, thread))
        _log.warning(
            "the tool %s was left behind and may still run; %d such calls do", name, len(self.names())
        )

    def names(self) -> tuple[str, ...]:
        with self._lock:
            self._threads = [(name, thread) for name, thread in self._threads if thread.is_alive()]
            return tuple(name for name, _ in self._threads)


_LOOP = _Shared()
_LEFT = _Left()
