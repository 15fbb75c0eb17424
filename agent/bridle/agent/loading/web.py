"""Web pages, fetched once each, without following links and without running anything.

Any address that the user names is fetched, also one of the local network. What a page may cost is limited:
redirects, bytes (after unpacking), and seconds. With `offline` nothing but this machine is asked, also where
a redirect leads elsewhere.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote, urldefrag, urljoin, urlsplit, urlunsplit

from bridle.agent.loading.documents import Reader
from bridle.agent.loading.html import read_html
from bridle.agent.loading.items import Content, fingerprint
from bridle.agent.loading.markup import read_plain
from bridle.agent.loading.readers import BY_CONTENT_TYPE, reader_for
from bridle.endpoints.transport.http import is_loopback
from bridle.endpoints.transport.http_watch import Timeouts, Watch
from bridle.errors import EndpointError, InputError, SourceUnreadable

if TYPE_CHECKING:
    import requests


__all__ = ["MOST_PAGE_BYTES", "PAGE_TIMEOUTS", "WebItem", "web_address"]

MOST_PAGE_BYTES = 32 * 1024 * 1024
MOST_REDIRECTS = 10
PAGE_TIMEOUTS = Timeouts(connect_s=10.0, first_byte_s=30.0, idle_s=20.0, total_s=120.0)
_HEADERS = {
    "User-Agent": "bridle",
    "Accept": "text/html, application/xhtml+xml, text/*;q=0.9, application/pdf;q=0.8, */*;q=0.1",
    "Accept-Encoding": "gzip, deflate",
}
_REDIRECTS = (301, 302, 303, 307, 308)
_UNKNOWN = ("", "application/octet-stream", "binary/octet-stream")


def web_address(url: str) -> str:
    """Return an address as it is kept: without a login and without the place in the page.

    >>> web_address("https://ann:secret@example.org:8080/a?b=c#d")
    'https://example.org:8080/a?b=c'

    Raises:
        InputError: for what is no address of the web.
    """
    try:
        parts = urlsplit(url.strip())
        known = parts.scheme in ("http", "https") and parts.hostname
        parts.port  # noqa: B018 - raises for a port that is no number
    except ValueError as error:
        raise InputError(f"{url!r} is no web address: {error}", hint="write https://HOST/PATH") from error
    if not known:
        raise InputError(f"{url!r} is no web address", hint="write https://HOST/PATH")
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, place, parts.path, parts.query, ""))


@dataclass(frozen=True, slots=True)
class WebItem:
    """A page of the web. `offline` refuses every host but this machine."""

    url: str
    offline: bool = False
    timeouts: Timeouts = PAGE_TIMEOUTS
    most_bytes: int = MOST_PAGE_BYTES
    is_named: bool = True

    @property
    def address(self) -> str:
        return web_address(self.url)

    @property
    def name(self) -> str:
        parts = urlsplit(self.address)
        return unquote(f"{parts.hostname} {parts.path}".replace("/", " ").replace("_", " ")).strip()

    def fetch(self) -> Content:
        data, headers, url = self._fetched()
        reader = _reader(data, headers.get("content-type", ""), url)
        return Content(partial(reader, data), fingerprint(data, headers.get("content-type", "")), len(data))

    def _fetched(self) -> tuple[bytes, Mapping[str, str], str]:
        """The body, the headers by names in lower case, and where redirects have led."""
        until = time.monotonic() + (self.timeouts.total_s or 120.0)
        here = urldefrag(self.url.strip()).url
        for _ in range(MOST_REDIRECTS + 1):
            if self.offline and not is_loopback(here):
                raise SourceUnreadable(
                    f"{web_address(here)} is not this machine", hint="leave out --offline to fetch it"
                )
            watch = Watch(here, self.timeouts, until=until)
            with _answer(here, self.timeouts, watch) as response:
                headers = {name.lower(): value for name, value in response.headers.items()}
                if response.status_code not in _REDIRECTS or "location" not in headers:
                    if response.status_code != 200:
                        raise SourceUnreadable(
                            f"the server answered {response.status_code} {response.reason or ''}".rstrip(),
                            hint="open the address in a browser",
                        )
                    return self._body(response, watch), headers, here
                here = _target(here, headers["location"])
        raise SourceUnreadable(f"it redirects more than {MOST_REDIRECTS} times", hint="check the address")

    def _body(self, response: requests.Response, watch: Watch) -> bytes:
        from bridle.endpoints.transport.http_session import body_chunks

        body = bytearray()
        for chunk in body_chunks(response):
            watch.arrived()
            body += chunk
            if len(body) > self.most_bytes:
                raise SourceUnreadable(
                    f"it is larger than {self.most_bytes:,} bytes", hint="save it and load the file"
                )
        return bytes(body)


@contextmanager
def _answer(url: str, timeouts: Timeouts, watch: Watch) -> Generator[requests.Response]:
    """Ask for a page; what goes wrong on the way, also in the block, is an error of ours."""
    from http.client import HTTPException

    import requests
    from urllib3.exceptions import HTTPError

    from bridle.endpoints.transport.http_session import Sockets, watched_session

    sockets = Sockets()
    sockets.begin(watch)
    try:
        with (
            watched_session(sockets, trust_env=not is_loopback(url)) as session,
            _sent(session, url, timeouts) as response,
        ):
            yield response
    except (requests.RequestException, HTTPError, HTTPException, OSError, EndpointError, ValueError) as error:
        said = error.message if isinstance(error, EndpointError) else _reason(error)
        raise SourceUnreadable(f"it cannot be fetched: {said}", hint="check address and network") from error
    finally:
        sockets.shut_down()


def _sent(session: requests.Session, url: str, timeouts: Timeouts) -> requests.Response:
    return session.get(
        url,
        headers=_HEADERS,
        stream=True,
        allow_redirects=False,
        timeout=(timeouts.connect_s, timeouts.first_byte_s),
    )


def _reason(error: BaseException) -> str:
    """What lies at the bottom of an error of requests, in few words."""
    while inner := next((one for one in error.args if isinstance(one, BaseException)), None):
        error = inner
    reason = getattr(error, "reason", None)
    if isinstance(reason, BaseException) and reason is not error:
        return _reason(reason)
    text = str(error)
    return (text.rpartition(">: ")[2] or text or type(error).__name__)[:300]


def _target(url: str, location: str) -> str:
    try:
        return urldefrag(urljoin(url, location)).url if web_address(urljoin(url, location)) else ""
    except (InputError, ValueError) as error:
        raise SourceUnreadable(
            f"it redirects to {location[:80]!r}, which is no web address", hint="check the address"
        ) from error


def _reader(data: bytes, content_type: str, url: str) -> Reader:
    header = Message()
    header["content-type"] = content_type
    kind = header.get_content_type() if content_type else ""
    charset = header.get_content_charset("") or ""
    looks_like_html = data[:1024].lstrip().lower().startswith((b"<!doctype html", b"<html"))
    if BY_CONTENT_TYPE.get(kind) is read_html or (kind in (*_UNKNOWN, "text/plain") and looks_like_html):
        return partial(read_html, charset=charset)
    if kind in BY_CONTENT_TYPE:
        return BY_CONTENT_TYPE[kind]
    by_suffix = reader_for(PurePosixPath(urlsplit(url).path).suffix, data)
    if kind.startswith("text/") and by_suffix in (None, read_plain):
        return partial(read_plain, charset=charset)
    if by_suffix is None or (kind not in _UNKNOWN and kind.split("/")[0] in ("image", "audio", "video")):
        raise SourceUnreadable(f"it is {kind or 'binary data'}, not text", hint="give the address of a page")
    return by_suffix
