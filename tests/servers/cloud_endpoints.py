"""What the tests of OpenAI's and Azure's endpoints share: a fake service, and endpoints that reach it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from bridle.endpoints.base import Request
from bridle.endpoints.drivers.cloud import OpenAIEndpoint
from bridle.endpoints.transport.http import Http, Timeouts
from bridle.messages import Message
from servers.fake_openai_cloud import FakeOpenAICloud

__all__ = ["CHAT", "HELLO", "KEY", "both", "cloud", "opened", "unheard"]

KEY = "test-key-1234567890"
HELLO = Request(messages=(Message("user", "Hello"),), max_tokens=200)
CHAT = "POST /v1/chat/completions"


@pytest.fixture
def cloud() -> Iterator[FakeOpenAICloud]:
    fake = FakeOpenAICloud()
    yield fake
    fake.close()


def opened(cloud: FakeOpenAICloud, model: str = "gpt-4.1", **settings: Any) -> OpenAIEndpoint:
    http: Http = settings.pop("http", Http(timeouts=Timeouts(2.0, 5.0, 2.0)))
    given: dict[str, Any] = {"base_url": f"{cloud.url}/v1", "api_key": KEY, **settings}
    return OpenAIEndpoint(model, http=http, **given)


def unheard(text: str) -> None:
    """Takes the fragments of a stream."""


def both(cloud: FakeOpenAICloud) -> Iterator[OpenAIEndpoint]:
    for api in ("chat", "responses"):
        endpoint = opened(cloud, api=api)
        yield endpoint
        endpoint.close()
