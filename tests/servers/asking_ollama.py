"""How the tests of Ollama's driver open an endpoint, and what they ask it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bridle.endpoints.base import Request
from bridle.endpoints.connect import connect
from bridle.endpoints.drivers.ollama import OllamaEndpoint
from bridle.messages import JSON, Message, ToolSpec
from bridle.wrappers import Segment
from servers.fake_ollama import FakeOllama

__all__ = ["ADD", "CHAT", "PET", "PROMPT", "nothing", "opened", "server"]

PROMPT = Request(prompt=(Segment("<|user|>", control=True), Segment("Hello")), max_tokens=200)
CHAT = Request(messages=(Message("user", "Hello"),), max_tokens=200)
ADD = ToolSpec("add", "Adds.", {"type": "object", "properties": {"a": {"type": "integer"}}})
PET: dict[str, JSON] = {
    "type": "object",
    "properties": {"age": {"type": "integer"}, "kind": {"enum": ["cat", "dog"]}},
    "required": ["age", "kind"],
    "additionalProperties": False,
}


@pytest.fixture
def server() -> Iterator[FakeOllama]:
    one = FakeOllama()
    yield one
    one.close()


def opened(server: FakeOllama, model: str = "", context_tokens: int | None = None) -> OllamaEndpoint:
    spec = f"ollama:{model}@{server.url}" if model else f"ollama@{server.url}"
    endpoint = connect(spec, context_tokens=context_tokens)
    assert isinstance(endpoint, OllamaEndpoint)
    return endpoint


def nothing(_: str) -> None:
    return
