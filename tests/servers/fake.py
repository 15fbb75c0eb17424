"""Small real HTTP servers on this machine, for tests of the drivers.

`Server` answers each route with what a test gives it. `SpeakingServer` is what the fakes of model servers
share: it has a text to say, and ways to say it badly. `ModelServer` is one with OpenAI's routes: it ends its
text at a stop string or a limit, and says it whole or as events.
"""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from servers.listening import Listener

__all__ = [
    "TEXT",
    "ModelServer",
    "Response",
    "Seen",
    "Server",
    "SpeakingServer",
    "events",
    "json_response",
    "model_server",
    "recorded",
]

TEXT = "Grüße, 世界 🙂. The end of it."
TRANSCRIPTS = Path(__file__).parent.parent / "data" / "transcripts"


@dataclass(frozen=True)
class Seen:
    """A request as it arrived; header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]
    client_port: int = 0


@dataclass(frozen=True)
class Response:
    """What to send back: chunks with a pause before each. `cut` breaks off before the body's end."""

    status: int = 200
    chunks: Sequence[bytes] = (b"{}",)
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    framing: str = "length"
    pause_s: float = 0.0
    cut: bool = False


Answering = Callable[[Seen], Response]


def json_response(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(status, (json.dumps(body).encode(),), headers=headers or {})


def events(
    chunks: Sequence[bytes], *, framing: str = "chunked", pause_s: float = 0.0, cut: bool = False
) -> Response:
    """A stream of events, each given piece of bytes in a chunk of its own."""
    return Response(200, chunks, "text/event-stream", {}, framing, pause_s, cut)


class Server(Listener):
    """A server whose routes a test sets: `routes["POST /v1/completions"] = …`. `url` is its root."""

    def __init__(self) -> None:
        self.routes: dict[str, Answering] = {}
        self.seen: list[Seen] = []
        self.broken = threading.Event()
        """Set when a client went away before the end of an answer."""
        super().__init__(_handler(self))

    def answer(self, seen: Seen) -> Response:
        self.seen.append(seen)
        path = seen.path.partition("?")[0]
        found = self.routes.get(f"{seen.method} {path}") or self.routes.get("*")
        return found(seen) if found else json_response({"detail": "Not Found"}, 404)

    def speak_tls(self, context: ssl.SSLContext) -> None:
        """Serve with TLS from the next connection on."""
        self._http.socket = context.wrap_socket(self._http.socket, server_side=True)


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else a body that follows its head waits 40 ms for the kernel
        timeout = 10

        def do_GET(self) -> None:
            self._handle()

        def do_POST(self) -> None:
            self._handle()

        def log_message(self, format: str, *args: Any) -> None:
            return

        def _handle(self) -> None:
            size = int(self.headers.get("content-length", 0))
            raw = self.rfile.read(size) if size else b"{}"
            headers = {name.lower(): value for name, value in self.headers.items()}
            response = server.answer(
                Seen(self.command, self.path, headers, json.loads(raw), self.client_address[1])
            )
            try:
                self._send(response)
            except OSError:
                server.broken.set()
                self.close_connection = True

        def _send(self, response: Response) -> None:
            self.send_response(response.status)
            self.send_header("Content-Type", response.content_type)
            for name, value in response.headers.items():
                self.send_header(name, value)
            if response.framing == "length":
                self.send_header("Content-Length", str(sum(map(len, response.chunks))))
            elif response.framing == "chunked":
                self.send_header("Transfer-Encoding", "chunked")
            else:
                self.send_header("Connection", "close")
                self.close_connection = True
            self.end_headers()
            for chunk in response.chunks:
                if response.pause_s:
                    server.hold(response.pause_s)
                self._write(chunk, response.framing)
            if response.cut:
                self.close_connection = True
            elif response.framing == "chunked":
                self.wfile.write(b"0\r\n\r\n")

        def _write(self, chunk: bytes, framing: str) -> None:
            if framing == "chunked":
                chunk = f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n"
            self.wfile.write(chunk)
            self.wfile.flush()

    return Handler


class SpeakingServer(Server):
    """A server with a model that always says `text`, a character per token."""

    def __init__(self, text: str = TEXT) -> None:
        super().__init__()
        self.text = text
        self.chunk_bytes = 0
        """When set, streams are cut into pieces of so many bytes, characters and lines notwithstanding."""
        self.pause_s = 0.0
        self.framing = "chunked"
        self.ignores_stop = False
        self.without_end = False
        """When set, a stream stops before the finish reason."""

    @property
    def asked(self) -> dict[str, Any]:
        """The body of the last request for an answer."""
        return next(seen.body for seen in reversed(self.seen) if seen.path.endswith("/completions"))

    def until_stop(self, text: str, stops: Iterable[str]) -> str:
        """The text up to the first of the stop strings, unless they are ignored."""
        places = [at for stop in stops if (at := text.find(stop)) >= 0]
        return text[: min(places)] if places and not self.ignores_stop else text

    def stream(self, lines: Sequence[bytes], before: bytes = b"") -> Response:
        """A stream of these events; one that is cut into pieces begins with what stands before them."""
        whole, size = before + b"".join(lines), self.chunk_bytes
        cut = [whole[at : at + size] for at in range(0, len(whole), size)] if size else lines
        return events(cut, framing=self.framing, pause_s=self.pause_s)


class ModelServer(SpeakingServer):
    """A server of one kind with OpenAI's routes."""

    def __init__(self, kind: str, text: str = TEXT) -> None:
        super().__init__(text)
        self.kind = kind
        self.calls: list[tuple[str, dict[str, Any]]] = []
        """What is called by an answer to messages with tools, in place of the text."""
        self.routes |= {
            "POST /v1/completions": self._complete,
            "POST /v1/chat/completions": self._complete,
            "POST /v1/embeddings": lambda seen: json_response(
                {"data": [{"index": at, "embedding": [1.0, at]} for at, _ in enumerate(seen.body["input"])]}
            ),
            "GET /v1/models": lambda _: json_response(
                {"object": "list", "data": [{"id": "m", "object": "model"}]}
            ),
        }
        if kind == "webui":
            info = {"model_name": "m", "loader": "llama.cpp"}
            self.routes["GET /v1/internal/model/info"] = lambda _: json_response(info)
            self.routes["POST /v1/internal/token-count"] = lambda seen: json_response(
                {"length": len(seen.body["text"])}
            )
        if kind == "lmstudio":
            listed = [
                {"id": "text-embedding-nomic", "type": "embeddings", "state": "loaded"},
                {"id": "other", "type": "llm", "state": "not-loaded", "max_context_length": 9999},
                {"id": "m", "type": "llm", "state": "loaded", "loaded_context_length": 4096},
            ]
            self.routes["GET /api/v0/models"] = lambda _: json_response({"object": "list", "data": listed})

    def _complete(self, seen: Seen) -> Response:
        text, reason = self._said(seen.body)
        chat = "messages" in seen.body
        usage = {"prompt_tokens": 5, "completion_tokens": len(text), "total_tokens": 5 + len(text)}
        if chat and seen.body.get("tools") and self.calls:
            return self._call(bool(seen.body.get("stream")))
        if not seen.body.get("stream"):
            said = {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
            return json_response({"choices": [{"index": 0, **said, "finish_reason": reason}], "usage": usage})
        lines = [self._event(chat, piece, None) for piece in _pieces(text)]
        if not self.without_end:
            lines += [
                self._event(chat, "", reason),
                _data({"choices": [], "usage": usage}),
                b"data: [DONE]\n\n",
            ]
        return self.stream(lines, b": ping - now\n\n")

    def _call(self, stream: bool) -> Response:
        calls: list[dict[str, Any]] = []
        for at, (name, given) in enumerate(self.calls):
            function = {"name": name, "arguments": json.dumps(given)}
            calls.append({"index": at, "id": f"c{at}", "type": "function", "function": function})
        if not stream:
            message = {"role": "assistant", "content": None, "tool_calls": calls}
            return json_response(
                {"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
            )
        parts = [part for call in calls for part in _fragments(call)]
        lines = [_data({"choices": [{"index": 0, "delta": {"tool_calls": [part]}}]}) for part in parts]
        last: dict[str, Any] = {"index": 0, "delta": {}, "finish_reason": "tool_calls"}
        lines.append(_data({"choices": [last]}))
        return self.stream(lines)

    def _said(self, body: Mapping[str, Any]) -> tuple[str, str]:
        text, reason = self.until_stop(self.text, body.get("stop", ())), "stop"
        limit = body.get("max_tokens", body.get("max_completion_tokens", -1))
        if 0 <= limit < len(text):
            text, reason = text[:limit], "length"
        return text, reason

    def _event(self, chat: bool, text: str, reason: str | None) -> bytes:
        said = {"delta": {"content": text} if text else {}} if chat else {"text": text}
        return _data({"choices": [{"index": 0, **said, "finish_reason": reason}], "usage": None})


def _pieces(text: str) -> list[str]:
    return [text[at : at + 3] for at in range(0, len(text), 3)]


def _fragments(call: dict[str, Any]) -> list[dict[str, Any]]:
    """The name first, then the arguments bit by bit."""
    said = call["function"]["arguments"]
    first = call | {"function": {"name": call["function"]["name"], "arguments": ""}}
    rest = [said[at : at + 4] for at in range(0, len(said), 4)]
    return [first, *({"index": call["index"], "function": {"arguments": piece}} for piece in rest)]


def _data(body: object) -> bytes:
    return b"data: " + json.dumps(body, ensure_ascii=False).encode() + b"\r\n\r\n"


@contextmanager
def model_server(kind: str) -> Generator[ModelServer]:
    server = ModelServer(kind)
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def server() -> Iterator[Server]:
    """A server without routes."""
    one = Server()
    yield one
    one.close()


def recorded(name: str) -> tuple[dict[str, Any], Response]:
    """Load a recorded exchange: the request's body, and the response with its bytes as they were."""
    exchange = json.loads((TRANSCRIPTS / f"{name}.json").read_text("utf-8"))
    response = exchange["response"]
    if "lines" in response:
        body = "\n".join([*response["lines"], ""]).encode()
        return exchange["request"]["json"] or {}, events([body])
    if "json" in response:
        return exchange["request"]["json"] or {}, json_response(response["json"], response["status"])
    return exchange["request"]["json"] or {}, Response(
        response["status"], (response["text"].encode(),), response["headers"]["content-type"]
    )


def unused_url() -> str:
    """An address of this machine where nothing listens."""
    one = Server()
    one.close()
    return one.url


def wait_until(true: Callable[[], bool], seconds: float = 5.0) -> bool:
    """Wait for something that another thread does."""
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.01)
    return true()
