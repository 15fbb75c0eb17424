"""The kinds of real servers that tests ask, and what they are asked.

A module with tests gives a fixture `kind` and imports `running` and `endpoint`; the servers themselves are
kept by `real_servers` in the conftest. Tests that need a server started otherwise start their own.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

import pytest

from bridle.endpoints import connect
from bridle.endpoints.base import Request
from bridle.endpoints.http_endpoint import HttpEndpoint
from bridle.messages import JSON, ToolSpec
from bridle.wrappers import Segment
from servers.real import RealServer, llama_cpp_server, llama_server

__all__ = [
    "LLAMA_CPP_KIND",
    "LLAMA_SERVER_KIND",
    "SCHEMA",
    "TOOLS",
    "Kind",
    "endless",
    "endpoint",
    "prompt",
    "running",
]

CONTROL = ("<|im_start|>", "<|im_end|>")
SCHEMA: dict[str, JSON] = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "maxLength": 12},
        "unit": {"enum": ["celsius", "fahrenheit"]},
        "n": {"type": "integer"},
        "day": {"type": "integer", "minimum": 1, "maximum": 9},
    },
    "required": ["city", "unit", "n", "day"],
    "additionalProperties": False,
}
TOOLS = (
    ToolSpec("get_weather", "Tells the weather.", SCHEMA),
    ToolSpec("send_message", "Says something.", {
        "type": "object",
        "properties": {"message": {"type": "string", "maxLength": 40}},
        "required": ["message"],
    }),
    ToolSpec("noop", "Does nothing."),
)  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """A kind of server: its name in a spec, how it is started, and in what it differs from the others."""

    name: str
    start: Callable[..., AbstractContextManager[RealServer]]
    options: tuple[str, ...]
    """With what the one for the session is started."""
    small: tuple[str, ...]
    """With what one is started that is to be killed."""
    window: int
    """The tokens that a request to the one for the session may have."""
    wrapper: str
    """The format whose prompts with tools fit into the window."""
    embeddings: str
    """What a server that makes no embeddings names."""
    usage_in_streams: bool
    counts_chats: bool


LLAMA_SERVER_KIND = Kind(
    "llama-server",
    llama_server,
    # A connection that is kept open holds one of the server's threads for five seconds; it has eight.
    options=("-c", "8192", "-np", "4", "--slots", "--threads-http", "24"),
    small=("-c", "2048", "-np", "1"),
    window=2048,
    wrapper="auto",
    embeddings="--embeddings",
    usage_in_streams=True,
    counts_chats=True,
)
LLAMA_CPP_KIND = Kind(
    "llama-cpp-python",
    llama_cpp_server,
    options=("--n_ctx", "1024", "--model_alias", "tiny"),
    small=("--n_ctx", "512", "--model_alias", "tiny"),
    window=1024,
    wrapper="chatml-compact",
    embeddings="embedding=True",
    usage_in_streams=False,
    counts_chats=False,
)


@pytest.fixture
def running(kind: Kind, real_servers: Callable[[Kind], RealServer]) -> RealServer:
    """The session's server of this kind."""
    return real_servers(kind)


@pytest.fixture
def endpoint(kind: Kind, running: RealServer) -> Iterator[HttpEndpoint]:
    """Connect; what the server logs meanwhile stands below a test that fails."""
    running.told()
    found = connect(f"{kind.name}@{running.url}")
    assert isinstance(found, HttpEndpoint)
    yield found
    found.close()
    sys.stderr.write(running.told())
    assert running.is_alive


def prompt(text: str, limit: int | None = 60, **fields: object) -> Request:
    """A request with a rendered prompt: what the user says, and the beginning of the answer."""
    segments = (
        Segment("<|im_start|>user\n", control=True),
        Segment(text),
        Segment("<|im_end|>\n<|im_start|>assistant\n", control=True),
    )
    whole: dict[str, object] = {"stop": ("<|im_end|>",), "control": CONTROL, **fields}
    return Request(prompt=segments, max_tokens=limit, **whole)  # type: ignore[arg-type]  # pyright: ignore


def endless() -> Request:
    """A request whose answer goes on for long."""
    return prompt("x", 700, gbnf="root ::= [a-z ]{2000}")
