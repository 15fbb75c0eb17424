"""Asking the web: MemGPT's `http_request`, for the hosts of an allow-list alone.

The address that a name leads to is checked where the connection is made, so that it cannot be another one
than was looked at. Redirects are followed by hand and checked each time. No cookies, no proxies, and no keys
of the user go out: neither those of the environment nor those of a netrc file. `requests` is imported with
the first call.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from http.client import HTTPException
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urljoin, urlsplit, urlunsplit

from bridle.agent.toolbox.base import Tool
from bridle.agent.toolbox.hosts import AllowedHosts
from bridle.agent.toolbox.python_tools import as_tool
from bridle.endpoints.transport.http import is_loopback
from bridle.errors import InputError, Unreachable

if TYPE_CHECKING:
    import requests

__all__ = ["http_tool"]

Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
MOST_REDIRECTS = 5
MOST_BYTES = 1_000_000
"""So much of an answer is read."""
CONNECTS_WITHIN_S = 5.0
ANSWERS_WITHIN_S = 10.0
WITHIN_S = 20.0
"""How long a whole request may take, redirects and all."""
_PIECE = 4096
"""So much is read at once: where urllib3 (before 2.2) waits for all of it, a slow server is noticed late."""
_TEXT = ("text/", "application/json", "application/xml", "application/xhtml", "application/javascript")


def http_tool(allowed_hosts: Iterable[str], *, offline: bool = False, within_s: float = WITHIN_S) -> Tool:
    """Return `http_request` for these hosts; `bridle.agent.toolbox.hosts` says how they are written.

    With `offline` only those of this machine are asked. `within_s` is in seconds.

    Raises:
        ConfigError: for an entry that is no host.
    """
    web = _Web(AllowedHosts(allowed_hosts), offline, within_s)
    source = f"the web: {', '.join(web.allowed.entries)}"
    return as_tool(web.request, name="http_request", source=source, timeout_s=within_s + ANSWERS_WITHIN_S)


class _Web:
    def __init__(self, allowed: AllowedHosts, offline: bool, within_s: float) -> None:
        self.allowed = allowed
        self._offline = offline
        self._within_s = within_s

    def request(
        self,
        method: Method,
        url: Annotated[str, {"maxLength": 2000}],
        payload_json: str | None = None,
    ) -> str:
        """Ask a server on the web.

        Args:
            method: The HTTP method.
            url: The whole address, with https:// or http:// in front.
            payload_json: What to send, as JSON; leave it out to send nothing.
        """
        body = _payload(method, payload_json)
        until = time.monotonic() + self._within_s
        with closing(_session(self.allowed)) as session:
            for _ in range(MOST_REDIRECTS + 1):
                self._check(url)
                with closing(_sent(session, method, url, body, until)) as response:
                    place = response.headers.get("location", "")
                    if response.status_code not in (301, 302, 303, 307, 308) or not place:
                        return _shown(response, until)
                if response.status_code not in (307, 308) and method != "HEAD":
                    method, body = "GET", None
                url = _without_fragment(urljoin(url, place))
        raise InputError(f"there were more than {MOST_REDIRECTS} redirects, the last one to {url}")

    def _check(self, url: str) -> None:
        self.allowed.target(url)
        if self._offline and not is_loopback(url):
            raise InputError(f"{urlsplit(url).hostname} is not this machine, and this runs offline")


def _payload(method: str, payload_json: str | None) -> bytes | None:
    if payload_json is None or not payload_json.strip():
        return None
    if method in ("GET", "HEAD"):
        raise InputError(f"{method} takes no payload", hint="leave payload_json out, or use POST")
    try:
        return json.dumps(json.loads(payload_json)).encode()
    except (ValueError, RecursionError) as error:
        raise InputError(f"payload_json is not JSON: {error}") from error


def _without_fragment(url: str) -> str:
    return urlunsplit(urlsplit(url)._replace(fragment=""))


def _sent(
    session: requests.Session, method: str, url: str, body: bytes | None, until: float
) -> requests.Response:
    """Send a request and return the answer, of which only the head has been read."""
    import requests
    from urllib3.exceptions import HTTPError

    left_s = max(0.1, until - time.monotonic())
    headers = {"User-Agent": "bridle", "Accept-Encoding": "gzip, deflate"}
    if body is not None:
        headers["Content-Type"] = "application/json"
    limits = (min(CONNECTS_WITHIN_S, left_s), min(ANSWERS_WITHIN_S, left_s))
    try:
        return session.request(
            method, url, data=body, headers=headers, timeout=limits, allow_redirects=False, stream=True
        )
    except (requests.RequestException, HTTPError, UnicodeError) as error:
        refused = _refusal(error)
        if refused is not None:
            raise refused from error
        raise Unreachable(f"{urlsplit(url).hostname} does not answer: {_reason(error)}") from error


def _refusal(error: BaseException) -> InputError | None:
    """Our own refusal of an address, which the library below has wrapped."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, InputError):
            return seen
        seen = seen.__context__
    return None


def _reason(error: BaseException) -> str:
    """The innermost reason: the library's own text repeats the URL and names its objects."""
    while error.__context__ is not None:
        error = error.__context__
    return str(error) or type(error).__name__


def _session(allowed: AllowedHosts) -> requests.Session:
    import requests

    session = requests.Session()
    session.trust_env = False  # else proxies, and the user's netrc file
    session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or True
    session.adapters.clear()
    adapter = _adapter(allowed)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def _adapter(allowed: AllowedHosts) -> Any:
    """An adapter of requests whose connections lead to addresses that are allowed."""
    from requests.adapters import HTTPAdapter
    from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
    from urllib3.connection import HTTPConnection, HTTPSConnection

    def checked(connection: HTTPConnection, opened: socket.socket) -> socket.socket:
        try:
            allowed.check_address(connection.host, str(opened.getpeername()[0]))
        except BaseException:
            opened.close()
            raise
        return opened

    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return checked(self, super()._new_conn())

    class Secure(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return checked(self, super()._new_conn())

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain  # pyright: ignore[reportAssignmentType]  # urllib3 types it by a protocol

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure  # pyright: ignore[reportAssignmentType]  # urllib3 types it by a protocol

    adapter = HTTPAdapter()
    adapter.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}
    return adapter


def _shown(response: requests.Response, until: float) -> str:
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    head = f"{response.status_code} {response.reason or ''} {kind}".rstrip()
    is_text = not kind or kind.startswith(_TEXT) or kind.endswith(("+json", "+xml"))
    if not is_text:
        return f"{head}\n(this is no text)"
    data, is_cut = _read(response, until)
    text = data.decode(_encoding(response), "replace")
    return f"{head}\n{text}" + (f"\n(cut after {MOST_BYTES} bytes)" if is_cut else "")


def _encoding(response: requests.Response) -> str:
    _, found, charset = response.headers.get("content-type", "").lower().partition("charset=")
    name = charset.split(";")[0].strip("\"' ") if found else "utf-8"
    try:
        "".encode(name)
    except (LookupError, ValueError):
        return "utf-8"
    return name


def _read(response: requests.Response, until: float) -> tuple[bytes, bool]:
    """Read the body up to the limits; whoever sends a little now and then does not get more time."""
    from urllib3.exceptions import HTTPError

    data = bytearray()
    read: Callable[[int], bytes] = getattr(response.raw, "read1", None) or response.raw.read
    response.raw.decode_content = True
    try:
        while piece := read(_PIECE):
            data += piece
            if len(data) > MOST_BYTES:
                return bytes(data[:MOST_BYTES]), True
            if time.monotonic() >= until:
                raise Unreachable(f"the answer is not complete after {len(data)} bytes, and time is up")
    except (HTTPError, OSError, HTTPException) as error:
        raise Unreachable(f"the answer broke off: {_reason(error)}") from error
    return bytes(data), False
