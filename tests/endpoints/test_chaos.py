"""Whatever a server does, an endpoint gives the right text or one typed error, and can be used again."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from bridle.endpoints.base import Request
from bridle.endpoints.drivers.openai_compat import OpenAICompat
from bridle.endpoints.http_endpoint import HttpEndpoint
from bridle.endpoints.transport.http import Http, Timeouts
from bridle.errors import EndpointError, StreamTruncated, TimedOut
from bridle.messages import Message
from bridle.wrappers import Segment
from servers.chaos import PERSONALITIES, TEXT, ChaosServer, Personality

PROMPT = Request(prompt=(Segment("Hello"),), max_tokens=200)
CHAT = Request(messages=(Message("user", "Hello"),), max_tokens=200)
HASTE = Timeouts(first_byte_s=0.3, idle_s=0.2)
LONGEST_S = 10.0
"""Far more than any of them takes, on a busy machine, too."""


@pytest.fixture(scope="module")
def server() -> Iterator[ChaosServer]:
    one = ChaosServer()
    yield one
    one.close()


@pytest.fixture
def http(monkeypatch: pytest.MonkeyPatch) -> Iterator[Http]:
    monkeypatch.setattr("bridle.endpoints.transport.http_retries.FIRST_WAIT_S", 0.02)
    one = Http(retries=1, limit_bytes=1 << 20)
    yield one
    one.close()


def endpoint(server: ChaosServer, name: str, http: Http) -> HttpEndpoint:
    return HttpEndpoint(OpenAICompat(f"{server.url}/{name}/v1"), http, model="m")


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("request_", [PROMPT, CHAT], ids=["prompt", "chat"])
@pytest.mark.parametrize("one", PERSONALITIES.values(), ids=PERSONALITIES)
def test_any_server_gives_the_right_text_or_a_typed_error(
    server: ChaosServer, http: Http, one: Personality, request_: Request, stream: bool
) -> None:
    pieces: list[str] = []
    http.timeouts = HASTE if one.whole is TimedOut else Timeouts()
    expected = one.streamed if stream else one.whole
    start = time.monotonic()
    if isinstance(expected, str):
        answer = endpoint(server, one.name, http).complete(request_, pieces.append if stream else None)
        assert (answer.text, answer.finish) == (expected, "stop")
        assert "".join(pieces) == (expected if stream else "")
    else:
        with pytest.raises(EndpointError) as caught:
            endpoint(server, one.name, http).complete(request_, pieces.append if stream else None)
        assert type(caught.value) is expected
        assert caught.value.hint
        assert server.url.removeprefix("http://") in str(caught.value)
        assert TEXT.startswith("".join(pieces))
        if isinstance(caught.value, StreamTruncated):
            assert caught.value.partial == "".join(pieces)
    http.timeouts = Timeouts()
    again = endpoint(server, "ok", http).complete(PROMPT, lambda text: None)
    assert again.text == TEXT
    assert time.monotonic() - start < LONGEST_S


def test_there_are_personalities_enough() -> None:
    assert len(PERSONALITIES) >= 60
    assert all(one.about for one in PERSONALITIES.values())
