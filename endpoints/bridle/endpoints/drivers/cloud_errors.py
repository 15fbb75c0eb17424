"""Exceptions of OpenAI's package, and of what it stands on, as errors of ours.

Read in openai 1.109.1, 2.54.0 and 3.52.0. They differ in their HTTP library (httpx, or from 3 on httpx2), in
the texts of exceptions, and in what they wrap; so an exception is known here by its class's name and by the
exceptions of Python itself below it, never by its text. What a server answered is read from the answer.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import cast

from bridle.endpoints.transport.http_errors import bad_body, from_foreign
from bridle.errors import (
    AuthError,
    BadResponse,
    BridleError,
    ConfigError,
    ContentFiltered,
    EndpointError,
    RequestRefused,
    ServerCrashed,
    StreamTruncated,
    TimedOut,
    Unreachable,
)

__all__ = ["Answered", "answered", "from_sdk", "kind_of"]

KINDS: Mapping[str, type[BridleError]] = MappingProxyType(
    {
        # What a server answered; `refusal` finds the finer kind by status and body.
        "OAuthError": AuthError,
        "APIStatusError": RequestRefused,
        "APIResponseValidationError": BadResponse,
        # The way to it.
        "APITimeoutError": TimedOut,
        "APIConnectionError": Unreachable,
        "WebSocketConnectionClosedError": ServerCrashed,
        "WebSocketQueueFullError": BadResponse,
        # Credentials.
        "SubjectTokenProviderError": AuthError,
        "MutuallyExclusiveAuthError": ConfigError,
        "AzureError": AuthError,  # azure-identity's token provider
        # Its own readers of answers; they are not used here.
        "LengthFinishReasonError": StreamTruncated,
        "ContentFilterFinishReasonError": ContentFiltered,
        "StreamAlreadyConsumed": BadResponse,
        "InvalidWebhookSignatureError": BadResponse,
        "AgentFilePreparationError": BadResponse,
        "AgentFileStagingError": BadResponse,
        "AgentOutputParseError": BadResponse,
        "AgentTurnResultError": BadResponse,
        # Its own settings and old names.
        "MissingDependencyError": ConfigError,
        "APIRemovedInV1": ConfigError,
        "_AmbiguousModuleClientUsageError": ConfigError,
        "APIError": BadResponse,
        "OpenAIError": ConfigError,
        # httpx and httpx2, while an answer is read.
        "TimeoutException": TimedOut,
        "DecodingError": BadResponse,
        "UnsupportedProtocol": ConfigError,
        "InvalidURL": ConfigError,
        "TransportError": BadResponse,
        "HTTPError": BadResponse,
        "StreamError": BadResponse,
    }
)
"""Our kind for each class of theirs, by name; a class that is not here goes by the next one above it."""


def kind_of(error: type[BaseException]) -> type[BridleError] | None:
    """Find our kind for a class of exceptions; None for one that is not of those libraries."""
    return next((KINDS[c.__name__] for c in error.__mro__ if c.__name__ in KINDS), None)


@dataclass(frozen=True, slots=True)
class Answered:
    """What a server answered, where the package made an exception of it."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def answered(error: BaseException) -> Answered | None:
    """Take a server's answer out of an exception; None where there was none."""
    response = getattr(error, "response", None)
    status = getattr(error, "status_code", None)
    if response is None or not isinstance(status, int):
        return None
    # Both libraries have read the body by now, and both call its bytes `content`.
    content = cast("bytes", response.content)
    return Answered(status, {str(k).lower(): str(v) for k, v in response.headers.items()}, content)


def from_sdk(error: Exception, url: str, *, begun: bool, start_hint: str = "") -> Exception:
    """Turn an exception into one of ours; one of the caller's own is returned as it is.

    `begun` says whether the answer's body had begun to arrive. The fact `dropped` is true where the
    connection broke before that, so that asking again is safe.
    """
    kind = kind_of(type(error))
    if kind is None or isinstance(error, BridleError):
        return error
    names = [type(one).__name__ for one in _causes(error)]
    if kind in (AuthError, ConfigError, ContentFiltered):
        return kind(f"{url} was not asked: {type(error).__name__}: {error}", hint=_hint(kind), url=url)
    if "ConnectTimeout" not in names and kind is TimedOut:
        part = "idle" if begun else "first_byte"
        return TimedOut(
            f"{url} sent nothing for too long", hint="allow more time, or ask again", url=url, limit=part
        )
    if any(isinstance(one, ssl.SSLError) for one in _causes(error)):
        return Unreachable(
            f"no secure connection to {url}",
            hint="its certificate is not trusted here; SSL_CERT_FILE names more certificates",
            retryable=False,
            url=url,
        )
    if "DecodingError" in names or (kind is BadResponse and "TransportError" not in _bases(error)):
        return bad_body(200, url, type(error).__name__)
    return _broken(error, url, start_hint, begun, names)


def _broken(error: Exception, url: str, start_hint: str, begun: bool, names: list[str]) -> EndpointError:
    """Say that the connection could not be made, or broke."""
    cut = ("RemoteProtocolError", "ReadError", "WriteError", "LocalProtocolError", "CloseError")
    if not any(name in names for name in cut):
        return from_foreign(error, url, start_hint)
    if begun:
        return StreamTruncated(
            f"the connection to {url} broke off in the middle of the answer", hint="ask again", url=url
        )
    return ServerCrashed(
        f"{url} closed the connection without an answer",
        hint="ask again; look at the service's status page",
        retryable=True,
        url=url,
        dropped=True,
    )


def _hint(kind: type[BridleError]) -> str:
    if kind is AuthError:
        return "log in again, or give a key"
    return "check the settings of the endpoint and the environment variables that begin with OPENAI_"


def _bases(error: BaseException) -> set[str]:
    return {c.__name__ for c in type(error).__mro__}


def _causes(error: BaseException) -> list[BaseException]:
    """List an exception and those that led to it."""
    found: list[BaseException] = []
    one: BaseException | None = error
    while one is not None and one not in found:
        found.append(one)
        one = one.__cause__ or one.__context__
    return found
