"""The stage of `servers.chaos`: what a personality is and can do, and the server that all of them live in."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any

from bridle.errors import EndpointError
from servers.listening import Listener

__all__ = ["LATIN", "LONG", "PERSONALITIES", "TEXT", "ChaosServer", "Personality", "Play", "is_heard_as"]

TEXT = "Grüße,\u2028世界\u0085🙂. The end of it."
LATIN = "Grüße, größer. The end."
LONG = "x" * 300_000

Expected = str | type[EndpointError]


class Play:
    """One answer to one request. `nth` counts the requests to this personality, from 1."""

    def __init__(
        self, handler: BaseHTTPRequestHandler, server: ChaosServer, nth: int, asked: dict[str, Any]
    ) -> None:
        self.handler = handler
        self.server = server
        self.nth = nth
        self.chat = "messages" in asked
        self.stream = bool(asked.get("stream"))
        self.text = TEXT

    @property
    def content_type(self) -> str:
        return "text/event-stream" if self.stream else "application/json"

    def choice(self, text: str | None, reason: str | None = None) -> dict[str, Any]:
        """One choice of a chunk of a stream, or of a whole answer."""
        said: dict[str, Any] = {"text": text}
        if self.chat:
            said = {"delta" if self.stream else "message": {"role": "assistant", "content": text}}
        return {"index": 0, **said, "finish_reason": reason}

    def bodies(self) -> list[dict[str, Any]]:
        """The chunks of a right stream, or the one right document."""
        usage = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}
        if not self.stream:
            return [{"choices": [self.choice(self.text, "stop")], "usage": usage}]
        step = max(4, len(self.text) // 8)
        pieces = [self.text[at : at + step] for at in range(0, len(self.text), step)]
        said = [{"choices": [self.choice(piece)]} for piece in pieces]
        return [*said, {"choices": [self.choice("", "stop")]}, {"choices": [], "usage": usage}]

    def written(self, bodies: Sequence[object], *, done: bool = True, end: str = "\n") -> list[bytes]:
        """Bodies as the bytes of events, or of the document."""
        texts = [json.dumps(body, ensure_ascii=False) for body in bodies]
        if not self.stream:
            return [texts[0].encode()]
        events = [f"data: {text}{end}{end}".encode() for text in texts]
        return [*events, f"data: [DONE]{end}{end}".encode()] if done else events

    def right(self) -> list[bytes]:
        return self.written(self.bodies())

    def raw(self, *parts: bytes) -> None:
        for part in parts:
            self.handler.wfile.write(part)
        self.handler.wfile.flush()

    def head(self, status: int = 200, content_type: str | None = None, **headers: str) -> None:
        self.handler.send_response(status)
        self.handler.send_header("Content-Type", content_type or self.content_type)
        for name, value in headers.items():
            self.handler.send_header(name.replace("_", "-"), value)
        self.handler.end_headers()

    def chunked(self, parts: Sequence[bytes], content_type: str | None = None, **headers: str) -> None:
        """Send parts as chunks, each in a write of its own."""
        self.head(200, content_type, Transfer_Encoding="chunked", **headers)
        for part in parts:
            self.raw(f"{len(part):x}\r\n".encode() + part + b"\r\n")
        self.raw(b"0\r\n\r\n")

    def whole(self, body: bytes, status: int = 200, content_type: str | None = None, **headers: str) -> None:
        self.head(status, content_type, Content_Length=str(len(body)), **headers)
        self.raw(body)

    def refuse(self, status: int, body: object, **headers: str) -> None:
        self.whole(json.dumps(body).encode(), status, "application/json", **headers)

    def until_closed(self, body: bytes, **headers: str) -> None:
        self.handler.close_connection = True
        self.head(200, None, Connection="close", **headers)
        self.raw(body)

    def hang_up(self) -> None:
        """End the connection without a word."""
        self.handler.close_connection = True

    def reset(self) -> None:
        """End the connection as the system does for a process that died."""
        self.handler.close_connection = True
        linger = struct.pack("ii", 1, 0)
        self.handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.handler.connection.close()


@dataclass(frozen=True)
class Personality:
    """What a server does, and what comes of it for a stream and for a whole answer."""

    name: str
    play: Callable[[Play], None]
    streamed: Expected
    whole: Expected
    about: str


PERSONALITIES: dict[str, Personality] = {}


def is_heard_as(
    streamed: Expected = TEXT, whole: Expected | None = None
) -> Callable[[Callable[[Play], None]], Callable[[Play], None]]:
    """Enter a personality, with what a client is to make of it; whole answers are taken as streams are."""

    def enter(play: Callable[[Play], None]) -> Callable[[Play], None]:
        name = play.__name__
        about = (play.__doc__ or "").strip()
        PERSONALITIES[name] = Personality(name, play, streamed, streamed if whole is None else whole, about)
        return play

    return enter


class ChaosServer(Listener):
    """Serves all personalities; `url` is its root."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self._lock = threading.Lock()
        super().__init__(_handler(self))

    def count(self, name: str) -> int:
        """Count a request to a personality."""
        with self._lock:
            self.seen[name] += 1
            return self.seen[name]


def _handler(server: ChaosServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 10
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))))
            name = self.path.split("/")[1]
            try:
                PERSONALITIES[name].play(Play(self, server, server.count(name), asked))
            except OSError:
                self.close_connection = True  # the client went away, as it should

        def finish(self) -> None:
            try:
                super().finish()
            except (OSError, ValueError):
                self.close_connection = True  # the connection was reset on purpose

        def log_message(self, format: str, *args: Any) -> None:
            return

    return Handler
