"""What kind of server has an address: asked of the drivers, each of which knows its own kind's marks.

A port says nothing, and neither does a route that others imitate, so the order counts. A web server without
such routes is of no kind.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import cast

from bridle.endpoints.addresses import base_url
from bridle.endpoints.driver import Driver
from bridle.endpoints.kinds import KINDS, load
from bridle.endpoints.transport.http import Http, HttpCall, Timeouts
from bridle.errors import AuthError, EndpointError, ServerBusy, TimedOut, Unreachable
from bridle.messages import JSON

__all__ = ["ORDER", "Identified", "Probe", "driver_of", "identify", "server_root"]

ORDER = (
    "koboldcpp",
    "webui",
    "lmstudio",
    "llama-server",
    "ollama",
    "vllm",
    "sglang",
    "llama-cpp-python",
    "webui-legacy",
    "openai",
)
"""KoboldCpp imitates Ollama and OpenAI, and most speak OpenAI's API: the imitated come later."""

QUICK = Timeouts(connect_s=3.0, first_byte_s=5.0, idle_s=5.0)
LONGEST_S = 10.0
"""No further route is asked for after so many seconds."""


@dataclass(frozen=True, slots=True)
class Identified:
    """What kind of server has an address, how that was seen, and the URL to open it by."""

    kind: str
    reason: str
    url: str


class Probe:
    """Gets routes of one server, each of them once, and keeps what went wrong."""

    def __init__(self, root: str, http: Http, *, longest_s: float = LONGEST_S) -> None:
        self._root = root
        self._http = http
        self._until = time.monotonic() + longest_s
        self._seen: dict[str, JSON] = {}
        self.refusal: EndpointError | None = None
        """The first answer that says that a server is there and does not tell more now, or to us."""

    def get(self, route: str) -> JSON:
        """Get a route as JSON; None for anything but status 200 with JSON, and when the time is over.

        Raises:
            Unreachable, TimedOut: when the server does not answer at all.
            ServerBusy: while it is loading its model.
        """
        if route not in self._seen:
            self._seen[route] = self._ask(route)
        return self._seen[route]

    def _ask(self, route: str) -> JSON:
        if time.monotonic() > self._until:
            return None
        try:
            return self._http.ask(HttpCall(self._root + route))
        except (Unreachable, TimedOut):
            if not self._seen:
                raise
            self._until = 0.0  # it answered before, and does no more
        except (AuthError, ServerBusy) as error:
            if error.facts.get("loading"):  # routes of another kind may answer meanwhile
                raise
            self.refusal = self.refusal or error
        except EndpointError:
            return None  # the server is there and has no such route
        return None


def driver_of(kind: str) -> type[Driver]:
    """Import the driver that knows a kind's servers."""
    found = load(KINDS[kind].driver or KINDS[kind].opens)
    return cast("type[Driver]", found)  # the table names drivers there; a test looks at every line


def server_root(url: str) -> str:
    """Cut off what stands behind the place where a server lies.

    >>> server_root("http://h:1234/lm/api/v1/"), server_root("http://h:5000/v1"), server_root("http://h/api")
    ('http://h:1234/lm', 'http://h:5000', 'http://h')
    """
    url = url.rstrip("/")
    return url.removesuffix("/v1").removesuffix("/v0").removesuffix("/api")


def identify(url: str, http: Http, *, timeouts: Timeouts = QUICK) -> Identified | None:
    """Find out what kind of server has an address; None when it is none of a kind that is known.

    Raises:
        Unreachable, TimedOut: when nothing answers there at all.
        AuthError, ServerBusy: when a server does not tell what it is without a key, or while it is busy.
    """
    base = base_url(url)
    root = server_root(base)
    quick = replace(http, timeouts=timeouts, retries=0)
    probe = Probe(root, quick)
    try:
        for kind in ORDER:
            if reason := driver_of(kind).recognise(probe.get):
                return Identified(kind, reason, f"{root}/v1")
        if base.removesuffix("/v1") != root:
            beside = Probe(base.removesuffix("/v1"), quick)
            if reason := driver_of("openai").recognise(beside.get):
                return Identified("openai", reason, base)
    finally:
        quick.close()
    if probe.refusal is not None:
        raise probe.refusal
    return None
