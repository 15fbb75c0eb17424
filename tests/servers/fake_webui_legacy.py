"""A text-generation-webui of October 2023: its own API, and the stream over a websocket five ports behind.

Written after its source (extensions/api/blocking_api.py and streaming_api.py): status 200 before anything is
known, HTTP/1.0 without a length, no reasons and no counts, and a generation that fails leaves the body empty.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import Server as SocketServer
from websockets.sync.server import ServerConnection, serve

from bridle.errors import GrammarError
from servers.fake import Response, Seen, SpeakingServer
from servers.holding import held_by_gbnf

__all__ = ["FakeWebUILegacy", "open_fake"]

STREAM_PORT = 5
USUAL_WINDOW, USUAL_LIMIT = 2048, 200


class FakeWebUILegacy(SpeakingServer):
    """The server; its text is said a character per token. `fails` makes each generation fail."""

    def __init__(self, *, sockets: bool = True) -> None:
        super().__init__()
        self.model: str | None = "m"
        self.loader = "llama.cpp"
        self.window = 4096
        self.tells_info = True
        self.fails = False
        self.streamed = 0
        """How many answers went over the socket."""
        self.read: list[str] = []
        """What was left of each prompt after it was cut."""
        self.routes |= {
            "GET /api/v1/model": lambda _: _said({"result": self.model}),
            "POST /api/v1/model": self._model,
            "POST /api/v1/token-count": lambda seen: _said(
                {"results": [{"tokens": len(seen.body["prompt"])}]}
            ),
            "POST /api/v1/generate": self._generate,
            "POST /api/v1/stop-stream": lambda _: _said({"results": "success"}),
        }
        try:
            self._socket = self._listen() if sockets else None
        except OSError:
            super().close()
            raise

    @property
    def asked(self) -> dict[str, Any]:
        """The body of the last request for a completion."""
        wanted = ("/api/v1/generate", "/api/v1/stream")
        return next(seen.body for seen in reversed(self.seen) if seen.path in wanted)

    def answer(self, seen: Seen) -> Response:
        """Answer as this server does where it has no such route: with a page."""
        response = super().answer(seen)
        if response.status == 404:
            return Response(404, (b"<!DOCTYPE HTML><p>Error code: 404</p>",), "text/html;charset=utf-8")
        return response

    def close(self) -> None:
        if self._socket is not None:
            self._released.set()
            self._socket.shutdown()
            self._thread_of_socket.join()
        super().close()

    def _listen(self) -> SocketServer:
        port = self._http.server_port + STREAM_PORT
        one = serve(self._talk, "127.0.0.1", port, ping_interval=None, compression=None)
        self._thread_of_socket = threading.Thread(target=one.serve_forever, daemon=True)
        self._thread_of_socket.start()
        return one

    def _model(self, seen: Seen) -> Response:
        if not self.tells_info:
            return Response(404, (b"<!DOCTYPE HTML>",), "text/html;charset=utf-8")
        action = seen.body.get("action", "")
        if action == "list":
            return _said({"result": ["None", "m", "other"]})
        if action != "info":
            return _said({"result": self.model})
        arguments = {"loader": self.loader, "n_ctx": self.window, "max_seq_len": 2048}
        info: dict[str, object] = {
            "model_name": self.model,
            "lora_names": list[str](),
            "shared.settings": {"truncation_length": self.window},
            "shared.args": arguments,
        }
        return _said({"result": info})

    def _generate(self, seen: Seen) -> Response:
        if self.fails or self.model in (None, "None"):
            return Response(200, (b"",), "application/json", framing="close")
        text = self._text_for(seen.body)
        return Response(
            200,
            (json.dumps({"results": [{"text": text}]}).encode(),),
            framing="close",
            pause_s=self.pause_s,
        )

    def _talk(self, connection: ServerConnection) -> None:
        try:
            for message in connection:
                body = json.loads(message)
                self.seen.append(Seen("GET", "/api/v1/stream", {}, body))
                self._stream_to(connection, body)
        except ConnectionClosed:
            self.broken.set()

    def _stream_to(self, connection: ServerConnection, body: Mapping[str, Any]) -> None:
        if self.fails or self.model in (None, "None"):
            connection.close(1011)  # what websockets does when a handler raises
            return
        self.streamed += 1
        text = self._text_for(body)
        pieces = ["", *(text[at : at + 3] for at in range(0, len(text), 3))]
        for number, piece in enumerate(pieces):
            self.hold(self.pause_s)
            frame = {"event": "text_stream", "message_num": number, "text": piece}
            self._send(connection, json.dumps(frame))
        if self.without_end:
            connection.close()
        else:
            self._send(connection, json.dumps({"event": "stream_end", "message_num": len(pieces)}))

    def _send(self, connection: ServerConnection, text: str) -> None:
        size = self.chunk_bytes
        pieces: str | Iterator[str] = text
        if size and len(text) > size:
            pieces = (text[at : at + size] for at in range(0, len(text), size))
        connection.send(pieces)

    def _text_for(self, body: Mapping[str, Any]) -> str:
        limit = int(body.get("max_new_tokens", USUAL_LIMIT))
        room = int(body.get("truncation_length", USUAL_WINDOW)) - limit
        self.read.append(body["prompt"][-room:])
        text = self.text
        if body.get("grammar_string"):
            try:
                text = held_by_gbnf(body["grammar_string"], text)
            except GrammarError:
                return ""
        return self.until_stop(text, body.get("stopping_strings", []))[:limit]


def _said(body: object) -> Response:
    return Response(200, (json.dumps(body).encode(),), framing="close")


def open_fake() -> FakeWebUILegacy:
    """Start the server with both of its ports; where the second one is taken, at other ones."""
    while True:
        try:
            return FakeWebUILegacy()
        except OSError:
            continue
