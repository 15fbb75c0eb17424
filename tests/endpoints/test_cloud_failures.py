"""OpenAI through its package: cancellation, limits of time, failures on the way, retries, and keys."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import certifi
import pytest

from bridle.endpoints.connect import connect
from bridle.endpoints.drivers.cloud import OpenAIEndpoint
from bridle.endpoints.transport.http import Http, Timeouts
from bridle.errors import (
    AuthError,
    BadResponse,
    ConfigError,
    EndpointError,
    InputError,
    RateLimited,
    RequestRefused,
    ServerCrashed,
    StreamTruncated,
    TimedOut,
    Unreachable,
)
from servers.cloud_endpoints import CHAT, HELLO, KEY, both, cloud, opened, unheard
from servers.fake import Response, Seen, events, json_response, unused_url, wait_until
from servers.fake_openai_cloud import FakeOpenAICloud

__all__ = ["cloud"]


def test_cancelling_keeps_what_had_arrived_and_ends_the_request(cloud: FakeOpenAICloud) -> None:
    for endpoint in both(cloud):
        cloud.broken.clear()
        cloud.pause_s = 0.05
        pieces: list[str] = []
        answer = endpoint.complete(HELLO, pieces.append, partial(_has_two, pieces))
        assert (answer.finish, answer.text) == ("cancelled", "".join(pieces))
        assert 0 < len(answer.text) < len(cloud.text)
        assert wait_until(cloud.broken.is_set)
        cloud.pause_s = 0.0
        assert endpoint.complete(HELLO).text == cloud.text


def always(response: Response) -> Callable[[Seen], Response]:
    return lambda _: response


def _has_two(pieces: list[str]) -> bool:
    return len(pieces) >= 2


def test_cancelling_does_not_wait_for_the_first_byte(cloud: FakeOpenAICloud) -> None:
    def slow(_: object) -> Response:
        cloud.hold(30)
        return json_response({})

    endpoint = opened(cloud)
    endpoint.complete(HELLO)  # the second request takes the same connection
    cloud.routes[CHAT] = slow
    start = time.monotonic()
    answer = endpoint.complete(HELLO, None, lambda: time.monotonic() > start + 0.1)
    assert (answer.finish, answer.text) == ("cancelled", "")
    assert time.monotonic() - start < 2
    endpoint.close()


def test_an_answer_is_cut_when_its_time_is_over(cloud: FakeOpenAICloud) -> None:
    cloud.pause_s = 0.1
    endpoint = opened(cloud)
    answer = endpoint.complete(replace(HELLO, max_seconds=0.35))
    assert (answer.finish, answer.finish_reason) == ("length", "max_seconds")
    assert len(answer.text) < len(cloud.text)
    with pytest.raises(InputError, match="max_seconds is 0"):
        endpoint.complete(replace(HELLO, max_seconds=0))
    endpoint.close()


def test_connections_are_kept(cloud: FakeOpenAICloud) -> None:
    endpoint = opened(cloud)
    for on_text in (None, unheard, None):
        endpoint.complete(HELLO, on_text)
    assert len({seen.client_port for seen in cloud.seen}) == 1
    endpoint.close()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Response(200, (b"<!doctype html><title>Login</title>",), "text/html"), BadResponse),
        (Response(200, (b"",)), BadResponse),
        (Response(200, (b"{}",)), BadResponse),
        (Response(200, (b"[" * 100_000,)), BadResponse),
        (json_response({"object": "chat.completion", "choices": []}), BadResponse),
        (json_response({"error": {"message": "it broke", "type": "server_error"}}), RequestRefused),
        (json_response({}, 307, {"Location": "https://elsewhere.example/v1"}), RequestRefused),
        (json_response({"error": {"message": "no", "code": "invalid_api_key"}}, 401), AuthError),
        (json_response({"error": {"message": "q", "code": "insufficient_quota"}}, 429), RateLimited),
    ],
)
def test_what_is_no_answer_is_a_typed_error(
    cloud: FakeOpenAICloud, answer: Response, kind: type[Exception], stream: bool
) -> None:
    cloud.routes[CHAT] = lambda _: answer
    endpoint = opened(cloud)
    with pytest.raises(kind) as caught:
        endpoint.complete(HELLO, unheard if stream else None)
    assert type(caught.value) is kind
    assert len(cloud.seen) == 1
    endpoint.close()


def test_a_stream_without_its_end_is_truncated(cloud: FakeOpenAICloud) -> None:
    cloud.without_end = True
    for endpoint in both(cloud):
        with pytest.raises(StreamTruncated) as caught:
            endpoint.complete(HELLO, unheard)
        assert caught.value.partial == cloud.text


def test_a_connection_that_breaks_in_the_answer_is_truncated(cloud: FakeOpenAICloud) -> None:
    piece = b'data: {"choices": [{"delta": {"content": "ab"}}]}\n\n'
    cloud.routes[CHAT] = lambda _: events([piece], cut=True)
    endpoint = opened(cloud)
    pieces: list[str] = []
    with pytest.raises(StreamTruncated) as caught:
        endpoint.complete(HELLO, pieces.append)
    assert pieces == ["ab"]
    assert caught.value.retryable
    assert len(cloud.seen) == 1
    endpoint.close()


def test_an_error_inside_a_stream_is_raised(cloud: FakeOpenAICloud) -> None:
    failures = (b'data: {"error": {"message": "it broke"}}\n\n', b'event: error\ndata: "it broke"\n\n')
    endpoint = opened(cloud)
    for failure in failures:
        cloud.routes[CHAT] = always(events([failure]))
        with pytest.raises(RequestRefused, match="it broke"):
            endpoint.complete(HELLO, unheard)
    endpoint.close()


@pytest.mark.parametrize(
    ("code", "kind", "retryable"),
    [
        ("server_error", RequestRefused, True),
        ("rate_limit_exceeded", RateLimited, True),
        ("invalid_prompt", RequestRefused, False),
    ],
)
def test_a_response_that_failed_is_an_error(
    cloud: FakeOpenAICloud, code: str, kind: type[EndpointError], retryable: bool
) -> None:
    failed = {"object": "response", "status": "failed", "error": {"code": code, "message": "it broke"}}
    event = b"data: " + json.dumps({"type": "response.failed", "response": failed}).encode() + b"\n\n"
    endpoint = opened(cloud, api="responses")
    for answer in (json_response(failed), events([event])):
        cloud.routes["POST /v1/responses"] = always(answer)
        with pytest.raises(kind, match="it broke") as caught:
            endpoint.complete(HELLO, unheard)
        assert caught.value.retryable is retryable
    endpoint.close()


def test_the_service_is_asked_again_when_it_says_later(cloud: FakeOpenAICloud) -> None:
    said = {"error": {"message": "slow down", "code": "rate_limit_exceeded"}}
    answers = [
        json_response(said, 429, {"retry-after-ms": "20"}),
        json_response({}, 503, {"Retry-After": "0"}),
    ]

    def answer(seen: Any) -> Response:
        if answers:
            return answers.pop(0)
        return cloud.routes["*"](seen)

    cloud.routes[CHAT] = answer
    endpoint = opened(cloud)
    assert endpoint.complete(HELLO).text == cloud.text
    assert len(cloud.seen) == 3
    endpoint.close()


@pytest.mark.parametrize(
    ("headers", "n_asked"),
    [({"x-should-retry": "false"}, 1), ({"Retry-After": "0"}, 3), ({"Retry-After": "999"}, 1)],
)
def test_retries_keep_to_what_the_service_says(
    cloud: FakeOpenAICloud, headers: dict[str, str], n_asked: int
) -> None:
    cloud.routes[CHAT] = lambda _: json_response({"error": {"message": "later"}}, 429, headers)
    endpoint = opened(cloud)
    with pytest.raises(RateLimited):
        endpoint.complete(HELLO)
    assert len(cloud.seen) == n_asked
    endpoint.close()


def test_errors_tell_the_number_of_the_request(cloud: FakeOpenAICloud) -> None:
    cloud.key = "another"
    endpoint = opened(cloud)
    with pytest.raises(AuthError) as caught:
        endpoint.complete(HELLO)
    assert caught.value.facts["request_id"] == "req_7"
    assert "OPENAI_API_KEY" in caught.value.hint
    endpoint.close()


def test_a_service_that_is_not_there_is_reported_fast() -> None:
    start = time.monotonic()
    endpoint = OpenAIEndpoint("m", base_url=unused_url(), api_key=KEY)
    with pytest.raises(Unreachable, match="nothing listens"):
        endpoint.complete(HELLO)
    assert time.monotonic() - start < 5
    endpoint.close()


def test_a_service_that_hangs_up_is_asked_again_and_then_reported(cloud: FakeOpenAICloud) -> None:
    def vanish(_: object) -> Response:
        raise ConnectionResetError

    cloud.routes[CHAT] = vanish
    endpoint = opened(cloud)
    with pytest.raises(ServerCrashed):
        endpoint.complete(HELLO)
    assert len(cloud.seen) == 3
    endpoint.close()


def test_a_service_that_says_nothing_is_timed_out(cloud: FakeOpenAICloud) -> None:
    def slow(_: object) -> Response:
        cloud.hold(30)
        return json_response({})

    cloud.routes[CHAT] = slow
    endpoint = opened(cloud, http=Http(timeouts=Timeouts(1.0, 0.2, 0.2), retries=0))
    start = time.monotonic()
    with pytest.raises(TimedOut) as caught:
        endpoint.complete(HELLO)
    assert caught.value.facts["limit"] == "first_byte"
    assert time.monotonic() - start < 2
    endpoint.close()


def test_offline_refuses_the_service() -> None:
    endpoint = OpenAIEndpoint("gpt-4.1", api_key=KEY, http=Http(offline=True))
    with pytest.raises(ConfigError, match="offline"):
        endpoint.complete(HELLO)
    with pytest.raises(ConfigError, match="offline"):
        connect("openai:gpt-4.1@https://api.openai.com/v1", api_key=KEY, offline=True)


def test_the_key_goes_out_and_appears_nowhere_else(
    cloud: FakeOpenAICloud, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    endpoint = opened(cloud)
    endpoint.complete(HELLO)
    assert cloud.seen[-1].headers["authorization"] == f"Bearer {KEY}"
    cloud.routes[CHAT] = lambda _: json_response({"error": {"message": f"bad key {KEY}"}}, 401)
    with pytest.raises(AuthError) as caught:
        endpoint.complete(HELLO)
    shown = f"{endpoint!r} {endpoint.http!r} {endpoint.name} {caught.value!s} {caught.value.facts!r}"
    assert KEY not in shown + caplog.text
    endpoint.close()


def test_a_token_is_asked_for_each_request(cloud: FakeOpenAICloud) -> None:
    given = iter(("token-number-1", "token-number-2", ""))
    endpoint = opened(cloud, api_key=None, token=lambda: next(given))
    for number in (1, 2):
        endpoint.complete(HELLO)
        assert cloud.seen[-1].headers["authorization"] == f"Bearer token-number-{number}"
    assert endpoint.http.clean("was token-number-2") == "was ***"
    with pytest.raises(AuthError, match="empty"):
        endpoint.complete(HELLO)
    endpoint.close()


def test_the_environment_of_the_package_changes_nothing(
    cloud: FakeOpenAICloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/other")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-environment")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    endpoint = opened(cloud, api_key=None)
    assert endpoint.complete(HELLO).text == cloud.text
    assert "sk-of-the-environment" not in json.dumps(dict(cloud.seen[-1].headers))
    endpoint.close()


def test_a_proxy_is_used_and_certificates_are_those_that_are_named(cloud: FakeOpenAICloud) -> None:
    file = certifi.where()
    folder = str(Path(file).parent)
    cases: list[dict[str, Any]] = [{"verify": False}, {"ca_file": file}, {"ca_file": folder}]
    for settings in cases:
        endpoint = opened(cloud, http=Http(**settings))
        assert endpoint.complete(HELLO).text == cloud.text
        endpoint.close()
    proxied = OpenAIEndpoint("m", base_url="http://service.example/v1", http=Http(proxy=cloud.url, retries=0))
    assert proxied.complete(HELLO).text == cloud.text
    assert cloud.seen[-1].headers["host"] == "service.example"
    proxied.close()


def test_closing_ends_what_is_going_on(cloud: FakeOpenAICloud) -> None:
    cloud.pause_s = 0.05
    endpoint = opened(cloud)

    def close(_: str) -> None:
        endpoint.close()

    with pytest.raises(EndpointError):
        endpoint.complete(HELLO, close)
    cloud.pause_s = 0.0
    assert endpoint.complete(HELLO).text == cloud.text  # it opens again
    endpoint.close()


def test_a_response_that_is_not_there_yet_or_was_given_up_is_no_answer(cloud: FakeOpenAICloud) -> None:
    endpoint = opened(cloud, api="responses")
    cloud.routes["POST /v1/responses"] = always(json_response({"object": "response", "status": "queued"}))
    with pytest.raises(BadResponse):
        endpoint.complete(HELLO)
    cloud.routes["POST /v1/responses"] = always(json_response({"object": "response", "status": "cancelled"}))
    with pytest.raises(BadResponse):
        endpoint.complete(HELLO)
    endpoint.close()
    cloud.routes["POST /v1/responses"] = always(events([b'data: {"no": "type"}\n\n']))
    with pytest.raises(BadResponse):
        endpoint.complete(HELLO, unheard)
    endpoint.close()
