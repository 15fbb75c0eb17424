"""An endpoint that is connected to a fake server, and requests that show what a driver sends."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TypeVar

from bridle.endpoints import connect
from bridle.endpoints.base import Request
from bridle.endpoints.driver import Get
from bridle.endpoints.http_endpoint import HttpEndpoint
from bridle.messages import JSON, Message, ToolSpec
from bridle.wrappers import Segment
from servers.fake import Server

__all__ = ["CONTROL", "SCHEMA", "TOOLS", "always", "chat", "connected", "prompt"]

CONTROL = ("<s>", "<|im_start|>", "<|im_end|>", "<tool_call>")
SCHEMA: dict[str, JSON] = {
    "type": "object",
    "properties": {"n": {"type": "integer"}},
    "required": ["n"],
    "additionalProperties": False,
}
TOOLS = (ToolSpec("noop", "Does nothing."), ToolSpec("add", "Adds.", SCHEMA))
Fake = TypeVar("Fake", bound=Server)


@contextmanager
def connected(spec: str, fake: Fake, **state: object) -> Generator[tuple[HttpEndpoint, Fake]]:
    """Give the fake its state and connect to it by `kind` or `kind:model`; close both in the end."""
    try:
        for name, value in state.items():
            assert hasattr(fake, name)
            setattr(fake, name, value)
        endpoint = connect(f"{spec}@{fake.url}")
        assert isinstance(endpoint, HttpEndpoint)
        try:
            yield endpoint, fake
        finally:
            endpoint.close()
    finally:
        fake.close()


def prompt(text: str = "Hello", **fields: object) -> Request:
    segments = (Segment("<|im_start|>", control=True), Segment(text))
    whole: dict[str, object] = {"max_tokens": 50, "control": CONTROL, **fields}
    return Request(prompt=segments, **whole)  # type: ignore[arg-type]  # pyright: ignore


def chat(**fields: object) -> Request:
    whole: dict[str, object] = {"max_tokens": 50, **fields}
    return Request(messages=(Message("user", "Hello"),), **whole)  # type: ignore[arg-type]  # pyright: ignore


def always(told: JSON) -> Get:
    """A way to ask a server that answers every route with the same."""
    return lambda _: told
