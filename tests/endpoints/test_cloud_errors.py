"""Each exception of OpenAI's package, and of the HTTP library below it, becomes one of ours."""

from __future__ import annotations

import importlib
import inspect
import ssl
from importlib.metadata import version

import openai
import pytest

from bridle.endpoints.drivers.cloud_errors import KINDS, answered, from_sdk, kind_of
from bridle.errors import (
    AuthError,
    BadResponse,
    BridleError,
    ConfigError,
    ContentFiltered,
    RequestRefused,
    ServerCrashed,
    StreamTruncated,
    TimedOut,
    Unreachable,
)

URL = "https://api.openai.com/v1/chat/completions"
HTTP = importlib.import_module("httpx2" if int(version("openai").split(".")[0]) >= 3 else "httpx")

EXPECTED: dict[str, type[BridleError]] = {
    "OpenAIError": ConfigError,
    "APIError": BadResponse,
    "APIConnectionError": Unreachable,
    "APITimeoutError": TimedOut,
    "APIResponseValidationError": BadResponse,
    "APIStatusError": RequestRefused,
    "BadRequestError": RequestRefused,
    "AuthenticationError": RequestRefused,
    "PermissionDeniedError": RequestRefused,
    "NotFoundError": RequestRefused,
    "ConflictError": RequestRefused,
    "UnprocessableEntityError": RequestRefused,
    "RateLimitError": RequestRefused,
    "InternalServerError": RequestRefused,
    "OAuthError": AuthError,
    "LengthFinishReasonError": StreamTruncated,
    "ContentFilterFinishReasonError": ContentFiltered,
    "InvalidWebhookSignatureError": BadResponse,
    "SubjectTokenProviderError": AuthError,
    "WebSocketConnectionClosedError": ServerCrashed,
    "WebSocketQueueFullError": BadResponse,
    "StreamAlreadyConsumed": BadResponse,
    "MutuallyExclusiveAuthError": ConfigError,
    "APIRemovedInV1": ConfigError,
    "_AmbiguousModuleClientUsageError": ConfigError,
    "MissingDependencyError": ConfigError,
    "AgentFilePreparationError": BadResponse,
    "AgentFileStagingError": BadResponse,
    "AgentOutputParseError": BadResponse,
    "AgentTurnResultError": BadResponse,
}
"""Our kind for each class that a release from 1.109 to 3 has; the status of an answer decides more finely."""


def below(kind: type[BaseException]) -> set[type[BaseException]]:
    return {kind}.union(*(below(one) for one in kind.__subclasses__()))


def theirs() -> list[type[BaseException]]:
    """All classes of exceptions that the package makes public, or puts below its root."""
    importlib.import_module("openai.lib.azure")
    named = [one for _, one in inspect.getmembers(openai, inspect.isclass) if issubclass(one, BaseException)]
    found = {one for one in {*named, *below(openai.OpenAIError)} if one.__module__.startswith("openai")}
    return sorted(found, key=lambda one: one.__name__)


def test_every_exception_of_the_package_has_a_kind_of_ours() -> None:
    unknown = [one.__name__ for one in theirs() if one.__name__ not in EXPECTED]
    assert unknown == [], "a new release has new exceptions: say in KINDS and here what they mean"
    for one in theirs():
        assert kind_of(one) is EXPECTED[one.__name__], one.__name__
    assert len(theirs()) >= 18


def test_every_exception_of_the_http_library_has_a_kind_of_ours() -> None:
    for name in ("HTTPError", "InvalidURL", "StreamError"):
        for one in below(getattr(HTTP, name)):
            assert kind_of(one) is not None, one.__name__


def test_exceptions_of_others_have_none() -> None:
    own = KeyError("x")
    assert kind_of(KeyError) is None
    assert from_sdk(own, URL, begun=False) is own
    assert answered(own) is None
    ours = AuthError("no")
    assert from_sdk(ours, URL, begun=False) is ours
    assert all(issubclass(kind, BridleError) for kind in KINDS.values())


def caused(error: Exception, *causes: BaseException) -> Exception:
    one: BaseException = error
    for cause in causes:
        one.__cause__ = cause
        one = cause
    return error


def connection(*causes: BaseException) -> Exception:
    return caused(openai.APIConnectionError(request=HTTP.Request("GET", URL)), *causes)


@pytest.mark.parametrize(
    ("causes", "begun", "kind", "dropped"),
    [
        (
            (HTTP.ConnectError("x"), ConnectionRefusedError(111, "Connection refused")),
            False,
            Unreachable,
            False,
        ),
        ((HTTP.ConnectTimeout("x"), TimeoutError()), False, Unreachable, False),
        ((HTTP.ConnectError("x"), ssl.SSLCertVerificationError(1, "self-signed")), False, Unreachable, False),
        ((HTTP.RemoteProtocolError("x"),), False, ServerCrashed, True),
        ((HTTP.ReadError("x"), ConnectionResetError(104, "reset")), False, ServerCrashed, True),
        ((HTTP.ReadError("x"), ConnectionResetError(104, "reset")), True, StreamTruncated, False),
    ],
)
def test_a_connection_that_fails_is_told_by_what_python_said(
    causes: tuple[BaseException, ...], begun: bool, kind: type[BridleError], dropped: bool
) -> None:
    ours = from_sdk(connection(*causes), URL, begun=begun, start_hint="check the network")
    assert isinstance(ours, BridleError)
    assert type(ours) is kind
    assert bool(ours.facts.get("dropped")) is dropped
    assert URL.split("/v1", maxsplit=1)[0] in ours.message


def test_time_that_ran_out_is_told() -> None:
    late = openai.APITimeoutError(request=HTTP.Request("GET", URL))
    for begun, limit in ((False, "first_byte"), (True, "idle")):
        ours = from_sdk(late, URL, begun=begun)
        assert isinstance(ours, TimedOut)
        assert ours.facts["limit"] == limit
    reading = from_sdk(HTTP.ReadTimeout("x"), URL, begun=True)
    assert type(reading) is TimedOut


def test_a_body_that_cannot_be_unpacked_is_no_answer() -> None:
    assert type(from_sdk(HTTP.DecodingError("x"), URL, begun=True)) is BadResponse


def test_settings_and_logins_that_fail_say_so() -> None:
    class AzureError(Exception):
        """The root of azure-identity's exceptions is called so."""

    class ClientAuthenticationError(AzureError):
        pass

    ours = from_sdk(ClientAuthenticationError("run az login"), URL, begun=False)
    assert type(ours) is AuthError
    assert "run az login" in str(ours)
    assert type(from_sdk(openai.OpenAIError("Missing credentials"), URL, begun=False)) is ConfigError
