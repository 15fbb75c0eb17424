"""What went wrong on the wire, as errors of ours: by status and body, or from an exception of requests.

What servers mean by their words stands in `bridle.endpoints.transport.refusals`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from http.client import HTTPException, IncompleteRead, RemoteDisconnected
from ssl import SSLEOFError
from types import MappingProxyType

from bridle.endpoints.transport.overflow_words import overflow
from bridle.endpoints.transport.refusals import Refused, error_message, understood
from bridle.endpoints.transport.surrogates import mended
from bridle.errors import (
    AuthError,
    BadResponse,
    EndpointError,
    ModelNotFound,
    ServerCrashed,
    StreamTruncated,
    Unreachable,
)

__all__ = ["bad_body", "error_message", "from_foreign", "is_foreign", "overflow", "refusal"]

_URLLIB3 = "urllib3.exceptions"

SHOWN_CHARS = 200
"""How much of a server's answer an error message quotes; `body` in the facts holds ten times as much."""
GATEWAY_STATUSES = (502, 503, 504)
NO_HEADERS: Mapping[str, str] = MappingProxyType({})


def refusal(
    status: int,
    url: str,
    body: str,
    *,
    key_env: str = "",
    has_key: bool = False,
    headers: Mapping[str, str] = NO_HEADERS,
) -> EndpointError:
    """Build the error for an answer that declines; `headers` have names in lower case.

    The status is 400 or above, or 200 where the body has an error in it all the same.
    """
    body = mended(body)
    refused = Refused.read(status, body)
    if refused.status not in (401, 403) and not refused.message and body.lstrip().startswith("<"):
        return bad_body(status, url, body)
    kind, hint, facts = understood(refused)
    told = _told(headers)
    retryable = told.pop("should_retry", facts.pop("retryable", None))
    said = _shown(refused.message or body) or "nothing else"
    error = kind(
        f"{url} answered {status}{' with an error' if status < 400 else ''}: {said}",
        hint=hint or _hint(kind, refused, url, key_env or "BRIDLE_API_KEY", has_key),
        retryable=retryable if isinstance(retryable, bool) else None,
        **facts,
    )
    error.facts.update(told, url=url, status=status, body=body[: 10 * SHOWN_CHARS])
    return error


def _told(headers: Mapping[str, str]) -> dict[str, object]:
    """Read what headers say of a failure: when to come again, whether at all, and its number in the log."""
    facts: dict[str, object] = {"retry_after_s": _retry_after_s(headers)}
    if headers.get("x-should-retry") in ("true", "false"):
        facts["should_retry"] = headers["x-should-retry"] == "true"
    for name in ("x-request-id", "apim-request-id"):
        if name in headers:
            facts["request_id"] = headers[name]
    return facts


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    for name, per_second in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            return max(0.0, float(headers[name]) / per_second)
        except (KeyError, ValueError):
            continue
    try:
        return max(0.0, parsedate_to_datetime(headers["retry-after"]).timestamp() - time.time())
    except (KeyError, ValueError, OverflowError):
        return None


def _hint(kind: type[EndpointError], refused: Refused, url: str, key_env: str, has_key: bool) -> str:
    if kind is AuthError:
        given = "the key was not accepted" if has_key else "no key was sent"
        signin = "; or run: ollama signin" if "signin_url" in refused.body else ""
        return f"{given}; put the right one into the environment variable {key_env}{signin}"
    if refused.status == 404 and kind is not ModelNotFound:
        if "resource not found" in refused.message.lower():
            return "check the path and, on Azure, the api-version"
        inside = "check the kind of the endpoint and the path of its URL"
        return inside if "/v1/" in url else f"OpenAI-compatible servers answer below /v1: {inside}"
    if "invalid host header" in refused.message.lower():
        return "use localhost or 127.0.0.1 in the URL, or start the server with --listen"
    if refused.status >= 500:
        return "look at the server's log; a server without a loaded model answers so, too"
    return "the server declined the request; its own words say why"


def bad_body(status: int, url: str, body: str, *, hint: str = "") -> BadResponse:
    """Build the error for an answer that is not of the shape that such a server answers."""
    body = mended(body)
    start = body.lstrip()[:1]
    kind = {"<": "a web page", "": "nothing"}.get(start, "something that is not the expected JSON")
    return BadResponse(
        f"{url} answered {status} with {kind}{f': {_shown(body)!r}' if start else ''}",
        hint=hint or "check that host, port and path are those of a model server's API",
        retryable=True if status in GATEWAY_STATUSES else None,
        url=url,
        status=status,
        body=body[: 10 * SHOWN_CHARS],
    )


def _shown(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= SHOWN_CHARS else text[: SHOWN_CHARS - 1] + "…"


def is_foreign(error: Exception) -> bool:
    """Tell what comes from the network, or from a library that talks to it, from a mistake in a program."""
    return isinstance(error, (OSError, HTTPException, UnicodeError)) or type(error).__module__ == _URLLIB3


def from_foreign(error: Exception, url: str, start_hint: str = "", *, begun: bool = False) -> EndpointError:
    """Turn an exception of requests, urllib3 or the socket layer into one of ours (raise it `from` that).

    `begun` says that a part of the answer had arrived. The request is taken out of requests' exceptions: its
    headers hold the key.
    """
    causes = _causes(error)
    for one in causes:
        vars(one).pop("request", None)
    chain = " ".join(f"{type(one).__name__} {one}" for one in causes)
    found = None if begun else _no_connection(error, chain, url, start_hint)
    return found or _broken(error, causes, url, begun)


def _no_connection(error: Exception, chain: str, url: str, start_hint: str) -> EndpointError | None:
    """The error for a connection that did not come about, by the names and words of a chain of exceptions."""
    start = start_hint or "start the server, or correct host and port"
    address = "/".join(url.split("/", 3)[:3])
    if any(name in chain for name in ("SSLError", "CertificateError", "SSLCertVerificationError")):
        return Unreachable(
            f"no secure connection to {url}: {_shown(str(error))}",
            hint="a local server usually speaks http, not https; else its certificate is not trusted here",
            retryable=False,
            url=url,
        )
    if any(name in chain for name in ("InvalidURL", "LocationParseError", "InvalidSchema", "MissingSchema")):
        return Unreachable(
            f"no host can have that name: {url}", hint="check the spelling", retryable=False, url=url
        )
    if "ProxyError" in chain:
        return Unreachable(f"the proxy gives no way to {address}", hint="check the proxy's address", url=url)
    if "NameResolutionError" in chain or "gaierror" in chain:
        return Unreachable(f"no host of that name: {url}", hint="check the spelling of the host", url=url)
    if "Timeout" in chain and "ReadTimeout" not in chain:
        return Unreachable(f"nothing answers at {address} in time", hint=start, url=url)
    if "NewConnectionError" in chain or "ConnectionRefusedError" in chain:
        return Unreachable(f"nothing listens at {address}", hint=start, url=url)
    if "BadStatusLine" in chain and "RemoteDisconnected" not in chain:
        return BadResponse(f"what listens at {url} does not speak HTTP", hint="check the port", url=url)
    return None


def _broken(error: Exception, causes: list[BaseException], url: str, begun: bool) -> EndpointError:
    """The error for a connection that ended where it should not."""
    hint = "the server may have crashed or restarted: look at its log"
    said = _shown(str(error))
    if any(isinstance(one, (RemoteDisconnected, ConnectionError, SSLEOFError)) for one in causes):
        found = ServerCrashed(
            f"the connection to {url} broke off: {said}", hint=hint, retryable=True, url=url
        )
        found.facts.update({} if begun else {"dropped": True})
        return found
    names = {type(one).__name__ for one in causes}
    ended = "ended prematurely" in said or any(isinstance(one, IncompleteRead) for one in causes)
    if ended and not any(getattr(one, "length", b"") for one in causes):  # of a chunk, and no number
        return StreamTruncated(f"the answer of {url} ended before its end: {said}", hint=hint, url=url)
    return BadResponse(
        f"the connection to {url} broke off: {said}",
        hint=hint,
        retryable="ProtocolError" in names,
        url=url,
    )


def _causes(error: BaseException) -> list[BaseException]:
    """List an exception and those below it; urllib3 and requests keep them in `args` and `reason`."""
    found: list[BaseException] = []
    queue: list[object] = [error]
    while queue:
        one = queue.pop(0)
        if isinstance(one, BaseException) and one not in found:
            found.append(one)
            queue += [*one.args, getattr(one, "reason", None), one.__cause__, one.__context__]
    return found
