"""The tools of MCP servers: programs that are started here, or addresses (streamable HTTP, or SSE).

All servers live on one event loop in a thread of their own, from the beginning to the end of the `with`
block. A server that dies makes its tools fail with a text; it is not started again. A program gets the
environment that the package `mcp` holds for safe (PATH, HOME and the like), so none of the user's keys, and
what it says on standard error is shown only when it does not start. Needs the extra `mcp`.
"""

from __future__ import annotations

import asyncio
import atexit
import shlex
import sys
import tempfile
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from bridle.agent.toolbox.background import BackgroundLoop
from bridle.agent.toolbox.base import DEFAULT_TIMEOUT_S, Tool
from bridle.agent.toolbox.mcp_text import called, read_result, read_tools, wire
from bridle.endpoints.json_paths import list_at, text_at
from bridle.endpoints.transport.http import is_loopback
from bridle.errors import (
    ConfigError,
    EndpointError,
    InputError,
    MissingExtra,
    ServerCrashed,
    TimedOut,
    Unreachable,
)
from bridle.messages import JSON, ToolSpec

__all__ = ["McpServer", "mcp_server", "mcp_tools"]

STARTS_WITHIN_S = 30.0
ENDS_WITHIN_S = 10.0
"""A program that does not end by itself is killed by the package after four seconds."""
MOST_PAGES = 100
STDERR_CHARS = 300
_CLOSED = ("ClosedResourceError", "BrokenResourceError", "EndOfStream")
"""What anyio raises once the streams to a server are closed."""


@dataclass(frozen=True, slots=True)
class McpServer:
    """A server: a `command` to start, or a `url` to ask."""

    name: str
    command: tuple[str, ...] = ()
    url: str = ""


def mcp_server(name: str, spec: str | Sequence[str]) -> McpServer:
    """Read what stands for a server: an address, or the command that starts it.

    Raises:
        ConfigError: when it is neither.

    >>> mcp_server("files", "npx -y 'a b'").command, mcp_server("far", "https://example.org/mcp").url
    (('npx', '-y', 'a b'), 'https://example.org/mcp')
    """
    if not isinstance(spec, str):
        words = tuple(spec)
    elif spec.strip().lower().startswith(("http://", "https://")):
        if not urlsplit(spec.strip()).hostname:
            raise ConfigError(f"the MCP server {name!r} is at {spec!r}", hint="write https://HOST/PATH")
        return McpServer(name, url=spec.strip())
    else:
        words = _words(name, spec)
    if not words or not words[0]:
        raise ConfigError(f"the MCP server {name!r} is {spec!r}", hint="write a command, or an address")
    return McpServer(name, words)


def _words(name: str, command: str) -> tuple[str, ...]:
    """Split a command as a shell does; Windows has backslashes in its paths."""
    try:
        if sys.platform == "win32":
            return tuple(word.strip("\"'") for word in shlex.split(command, posix=False))
        return tuple(shlex.split(command))
    except ValueError as error:
        raise ConfigError(
            f"the MCP server {name!r} is {command!r}: {error}", hint="close the quotes"
        ) from error


@contextmanager
def mcp_tools(
    servers: Mapping[str, str | Sequence[str]] | str | Sequence[str],
    *,
    offline: bool = False,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    starts_within_s: float = STARTS_WITHIN_S,
    taken: Collection[str] = (),
) -> Generator[tuple[Tool, ...], None, None]:
    """Connect to MCP servers and give their tools, until the block ends.

    `servers` maps names to commands or addresses; one alone is called "mcp". A tool whose name is in `taken`,
    or that two servers have, gets `SERVER__` in front. With `offline` an address must be of this machine.
    Both times are in seconds.

    Raises:
        MissingExtra: when the package mcp is not installed.
        ConfigError: for what is no command and no address.
        InputError: for an address of another machine while offline.
        Unreachable: when a server does not start, or does not answer.
        TimedOut: when it takes too long to.
    """
    named = servers if isinstance(servers, Mapping) else {"mcp": servers}
    wanted = [mcp_server(name, spec) for name, spec in named.items()]
    for one in wanted:
        if offline and one.url and not is_loopback(one.url):
            raise InputError(
                f"the MCP server {one.name!r} at {one.url} is not this machine, and this runs offline",
                hint="leave --offline out, or the server",
            )
    _check_installed()
    loop = BackgroundLoop("MCP servers")
    connections: list[_Connection] = []

    def close() -> None:
        for connection in connections:
            connection.end()
        loop.close()

    # Where the block is never left, the program must end all the same, and the servers with it.
    atexit.register(close)
    try:
        # All start at once: a program in Python or Node takes a second or two.
        connections += [_Connection(one, loop) for one in wanted]
        for connection in connections:
            connection.await_start(starts_within_s)
        yield _tools(connections, timeout_s, taken)
    finally:
        atexit.unregister(close)
        close()


def _check_installed() -> None:
    try:
        import_module("mcp")
    except ImportError as error:
        raise MissingExtra(f"MCP servers need the package mcp: {error}", extra="mcp") from error


def _tools(connections: Sequence[_Connection], timeout_s: float, taken: Collection[str]) -> tuple[Tool, ...]:
    names = [called(spec.name, "", ()) for one in connections for spec in one.specs]
    twice = {name for name in names if names.count(name) > 1}
    found: list[Tool] = []
    for connection in connections:
        server = connection.server.name
        for spec in connection.specs:
            name = called(spec.name, server, {*taken, *twice, *(tool.name for tool in found)})
            shown = ToolSpec(name, spec.description, spec.parameters)
            found.append(Tool(shown, connection.caller(spec.name), timeout_s, f"MCP server {server}"))
    return tuple(found)


class _Connection:
    """One server, on the loop of all of them."""

    def __init__(self, server: McpServer, loop: BackgroundLoop) -> None:
        self.server = server
        self.specs: list[ToolSpec] = []
        self._loop = loop
        self._session: Any = None
        self._ends: asyncio.Event | None = None
        self._gone: asyncio.Future[None] | None = None
        self._stderr = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 - see end
        self._ready: Future[list[JSON]] = Future()
        self._life = loop.submit(self._live())

    def await_start(self, within_s: float) -> None:
        """Wait until the server has started, or answers, and learn its tools."""
        try:
            listed = self._ready.result(within_s)
        except FutureTimeoutError as error:
            raise TimedOut(
                f"the MCP server {self.server.name!r} does not answer within {within_s:g} s",
                hint=f"try {self._shown}",
            ) from error
        except Exception as error:  # a program may fail to start in any way; it is raised again as ours
            raise Unreachable(self._why(error), hint=f"try {self._shown}") from error
        self.specs = read_tools(self.server.name, listed)

    def end(self) -> None:
        """End the connection, and the program."""
        if self._ends is not None:
            self._loop.call(self._ends.set)
        else:
            self._life.cancel()
        # Whatever the end of a server raises, there is nothing left to do for it.
        with suppress(BaseException):
            self._life.result(ENDS_WITHIN_S)
        self._stderr.close()

    def caller(self, name: str) -> Callable[..., object]:
        """What runs a tool of the server."""

        async def call(**arguments: JSON) -> str:
            if self._life.done():
                raise self._has_ended()
            return await asyncio.wrap_future(self._loop.submit(self._call(name, arguments)))

        return call

    async def _call(self, name: str, arguments: Mapping[str, JSON]) -> str:
        gone = self._gone
        if gone is None or gone.done():
            raise self._has_ended()
        work = asyncio.ensure_future(self._session.call_tool(name, dict(arguments)))
        try:
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
            result: Any = work.result() if work.done() else None
        except Exception as error:  # each is raised again as ours; the package's own have no common base
            if type(error).__name__ in _CLOSED or _said(error) == "Connection closed":
                raise self._has_ended() from error
            raise EndpointError(
                f"the MCP server {self.server.name!r} says: {_said(_innermost(error))}"
            ) from error
        finally:
            work.cancel()
        if result is None:
            raise self._has_ended()
        return read_result(wire(result))

    def _has_ended(self) -> ServerCrashed:
        return ServerCrashed(f"the MCP server {self.server.name!r} has ended")

    async def _live(self) -> None:
        """Hold the connection open: all of it belongs to the one task that opens and closes it."""
        self._gone = asyncio.get_running_loop().create_future()
        try:
            async with AsyncExitStack() as stack:
                streams = await stack.enter_async_context(self._transport())
                client: Any = import_module("mcp").ClientSession
                self._session = await stack.enter_async_context(client(streams[0], streams[1]))
                await self._session.initialize()
                listed = await _all_tools(self._session)
                self._ends = asyncio.Event()
                self._ready.set_result(listed)
                await self._ends.wait()
        except BaseException as error:
            if not self._ready.done():
                self._ready.set_exception(_innermost(error))
                return
            raise
        finally:
            self._gone.set_result(None)

    def _transport(self) -> Any:
        if self.server.command:
            stdio: Any = import_module("mcp.client.stdio")
            command, *arguments = self.server.command
            return stdio.stdio_client(
                stdio.StdioServerParameters(command=command, args=arguments), errlog=self._stderr
            )
        if urlsplit(self.server.url).path.rstrip("/").endswith("/sse"):
            return import_module("mcp.client.sse").sse_client(self.server.url)
        http: Any = import_module("mcp.client.streamable_http")
        # In the first versions 1 its name is another one.
        client = getattr(http, "streamable_http_client", None) or http.streamablehttp_client
        return client(self.server.url)

    @property
    def _shown(self) -> str:
        return self.server.url or shlex.join(self.server.command)

    def _why(self, error: BaseException) -> str:
        said = ""
        if self.server.command:
            self._stderr.seek(0)
            said = " ".join(self._stderr.read()[-STDERR_CHARS:].split())
        verb = "started" if self.server.command else "reached"
        why = f"the MCP server {self.server.name!r} cannot be {verb}: {_said(error)}"
        return f"{why}; it says: {said}" if said else why


async def _all_tools(session: Any) -> list[JSON]:
    """Ask for the tools, page by page."""
    listed = wire(await session.list_tools())
    found = list_at(listed, "tools")
    for _ in range(MOST_PAGES):
        cursor = text_at(listed, "nextCursor")
        if not cursor:
            break
        params: Any = import_module("mcp.types").PaginatedRequestParams
        listed = wire(await session.list_tools(params=params(cursor=cursor)))
        found = [*found, *list_at(listed, "tools")]
    return found


def _innermost(error: BaseException) -> BaseException:
    """The first error inside groups of them."""
    inner: Sequence[BaseException] = getattr(error, "exceptions", ())
    return _innermost(inner[0]) if inner else error


def _said(error: BaseException) -> str:
    return str(error) or type(error).__name__
