"""A server that behaves as LM Studio does: its HTTP routes and, on the same port, its websocket protocol.

The model says `text`, a character a token, and really holds a grammar or a schema: it says its text where
that fits, else the shortest that does. Made after the documentation (0.4), the bug tracker and the source of
the Python package `lmstudio` 1.5.0, with which it is checked in tests/endpoints/test_lmstudio_sdk.py.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from servers.fake import TEXT, ModelServer, Response, Seen, events, json_response
from servers.fake_lmstudio_socket import Talk
from servers.holding import held_by_schema

__all__ = ["FakeLMStudio", "Loaded"]

Overflow = Literal["keeps", "n_keep", "empty", "middle", "stream"]
"""What becomes of a prompt that is too long: refused in one of two wordings, answered with nothing, cut in
the middle without a word, or refused inside of a stream with status 200."""

WORDS = {
    "keeps": "Trying to keep the first {n} tokens when context the overflows. However, the model is loaded "
    "with context length of only {ctx} tokens, which is not enough. Try to load the model with a larger "
    "context length, or provide a shorter input",
    "n_keep": "Cannot truncate prompt with n_keep ({n}) >= n_ctx ({ctx})",
    "stream": "The number of tokens to keep from the initial prompt is greater than the context length "
    "(n_keep: {n}>= n_ctx: {ctx}). Try to load the model with a larger context length, or provide a shorter "
    "input",
}
UNAUTHORIZED = {
    "type": "invalid_request",
    "code": "invalid_api_key",
    "message": "An LM Studio API token is required to make requests to this server, but none was provided "
    "using the Authorization header using the 'Bearer' scheme",
}


@dataclass
class Loaded:
    """A model; `context` is None while it is not in memory."""

    key: str
    context: int | None = None
    embedding: bool = False
    trained: int = 32_768
    architecture: str = "qwen3"
    form: str = "gguf"
    identifier: str = ""

    @property
    def name(self) -> str:
        return self.identifier or self.key


class FakeLMStudio(ModelServer):
    """LM Studio with three models, of which `m` and the one for embeddings are in memory."""

    def __init__(self, text: str = TEXT, *, sockets: bool = True, version: str = "0.4") -> None:
        """Take what to say; without `sockets` it is as an old one, with `version` 0.3 or 0.2 even more so."""
        super().__init__("lmstudio", text)
        self.version = version
        self.token = ""
        """When set, the token without which nobody is answered."""
        self.overflow: Overflow = "keeps"
        self.catalogue = [
            Loaded("text-embedding-nomic", 2048, embedding=True, trained=2048, architecture="nomic-bert"),
            Loaded("other", None, trained=9999, architecture="llama"),
            Loaded("m", 4096),
        ]
        self.requests: list[dict[str, Any]] = []
        """Bodies of completions, and predictions: `prompt`, `stop`, `max_tokens` and their `fields`."""
        self.connections: list[socket.socket] = []
        self.routes |= {
            "GET /lmstudio-greeting": lambda _: json_response({"lmstudio": True}),
            "GET /api/v1/models": self._v1,
            "GET /api/v0/models": self._v0,
            "GET /v1/models": self._names,
            "POST /v1/chat/completions": self._complete,
            "POST /v1/completions": self._complete,
            "POST /v1/embeddings": self._embed,
            "POST /api/v1/models/load": self._load,
            "POST /api/v1/models/unload": self._unload,
            "*": _unexpected,
        }
        if sockets:
            self._take_sockets()

    @property
    def asked(self) -> dict[str, Any]:
        """What was asked for last, by the names of the HTTP routes, whichever way it came."""
        return self.requests[-1]

    def _take_sockets(self) -> None:
        http: Any = self._http
        plain = http.RequestHandlerClass

        def by_first_line(request: socket.socket, address: object, server: object) -> object:
            if not _wants_socket(request):
                return plain(request, address, server)
            self.connections.append(request)
            return Talk(self, request)

        http.RequestHandlerClass = by_first_line

    def close(self) -> None:
        self._released.set()
        for one in self.connections:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # it was closed already
        super().close()

    def answer(self, seen: Seen) -> Response:
        if self.token and seen.headers.get("authorization") != f"Bearer {self.token}":
            self.seen.append(seen)
            return json_response({"error": UNAUTHORIZED}, 401)
        return super().answer(seen)

    def find(self, name: str, *, embedding: bool = False) -> Loaded | None:
        """The model of a name; without a name any that is in memory."""
        found = [one for one in self.catalogue if one.embedding is embedding]
        if not name:
            return next((one for one in found if one.context is not None), None)
        return next((one for one in found if name in (one.key, one.identifier)), None)

    def shorten(self, text: str, stops: list[str], limit: int | None) -> tuple[str, str]:
        """Cut what the model says at a stop string or a limit, and say in LM Studio's words why."""
        places = [at for stop in stops if (at := text.find(stop)) >= 0]
        reason = "stopStringFound" if places and not self.ignores_stop else "eosFound"
        if reason == "stopStringFound":
            text = text[: min(places)]
        if limit is not None and 0 <= limit < len(text):
            return text[:limit], "maxPredictedTokensReached"
        return text, reason

    def _complete(self, seen: Seen) -> Response:
        body, model = seen.body, self.find(str(seen.body.get("model", "")))
        self.requests.append(body)
        if model is None:
            message = f"Model '{body.get('model')}' not found"
            return json_response({"error": {"message": message, "code": "model_not_found"}}, 404)
        model.context = model.context or 2048
        form: dict[str, Any] = body.get("response_format") or {"type": "text"}
        if form["type"] not in ("json_schema", "text"):
            return json_response({"error": "'response_format.type' must be 'json_schema' or 'text'"}, 400)
        length = len(body.get("prompt", "")) + sum(len(str(m["content"])) for m in body.get("messages", ()))
        if length >= model.context:
            refused = self._too_long(length, model.context, bool(body.get("stream")))
            if refused is not None:
                return refused
            length = model.context // 2
        if body.get("tools") and (
            self.calls or (body.get("tool_choice") == "required" and model.form == "gguf")
        ):
            return self._called(body)
        text = self.text
        if form["type"] == "json_schema" and "messages" in body:
            text = held_by_schema(form["json_schema"]["schema"], text)
        return self._say(body, text, length)

    def _called(self, body: Mapping[str, Any]) -> Response:
        """Answer with the calls that a test gave, or else with one of the first tool."""
        given, tool = self.calls, body["tools"][0]["function"]
        self.calls = given or [(tool["name"], json.loads(held_by_schema(tool["parameters"], "")))]
        response = self._call(bool(body.get("stream")))
        self.calls = given
        return response

    def _too_long(self, length: int, context: int, stream: bool) -> Response | None:
        if self.overflow == "middle":
            return None
        if self.overflow == "empty":
            return self._say({"stream": stream, "messages": []}, "", length)
        words = WORDS[self.overflow].format(n=length, ctx=context)
        if self.overflow == "stream" and stream:
            return events([b'event: error\ndata: {"error":{"message":"' + words.encode() + b'"}}\n\n'])
        return json_response({"error": words}, 400)

    def _say(self, body: Mapping[str, Any], text: str, length: int) -> Response:
        text, why = self.shorten(text, body.get("stop", []), body.get("max_tokens"))
        reason = "length" if why == "maxPredictedTokensReached" else "stop"
        usage = {"prompt_tokens": length, "completion_tokens": len(text), "total_tokens": length + len(text)}
        chat = "messages" in body
        if not body.get("stream"):
            said = {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
            choice = {"index": 0, **said, "logprobs": None, "finish_reason": reason}
            return json_response({"object": "chat.completion", "choices": [choice], "usage": usage})
        lines = [self._event(chat, text[at : at + 3], None) for at in range(0, len(text), 3)]
        if not self.without_end:
            lines += [
                self._event(chat, "", reason),
                _data({"choices": [], "usage": usage}),
                b"data: [DONE]\n\n",
            ]
        return self.stream(lines)

    def _embed(self, seen: Seen) -> Response:
        texts: list[str] = seen.body["input"]
        if self.find(seen.body.get("model", ""), embedding=True) is None:
            return json_response({"error": "Failed to load model: it is no embedding model"}, 400)
        data = [
            {"object": "embedding", "embedding": [float(len(text)), 1.0], "index": at}
            for at, text in enumerate(texts)
        ]
        usage = {"prompt_tokens": 0, "total_tokens": 0}
        return json_response({"object": "list", "data": data, "model": seen.body["model"], "usage": usage})

    def _v1(self, seen: Seen) -> Response:
        if self.version < "0.4":
            return _unexpected(seen)
        return json_response({"models": [_v1_model(one) for one in self.catalogue]})

    def _v0(self, seen: Seen) -> Response:
        if self.version < "0.3":
            return _unexpected(seen)
        return json_response({"object": "list", "data": [_v0_model(one) for one in self.catalogue]})

    def _names(self, _: Seen) -> Response:
        data = [
            {"id": one.name, "object": "model", "owned_by": "organization_owner"} for one in self.catalogue
        ]
        return json_response({"object": "list", "data": data})

    def _load(self, seen: Seen) -> Response:
        model = next((one for one in self.catalogue if one.key == seen.body["model"]), None)
        if self.version < "0.4" or model is None:
            return _unexpected(seen)
        model.context = seen.body.get("context_length", 4096)
        loaded = {"type": "llm", "instance_id": model.name, "load_time_seconds": 0.1, "status": "loaded"}
        config = (
            {"load_config": {"context_length": model.context}} if seen.body.get("echo_load_config") else {}
        )
        return json_response(loaded | config)

    def _unload(self, seen: Seen) -> Response:
        for one in self.catalogue:
            if one.name == seen.body["instance_id"]:
                one.context = None
        return json_response({"instance_id": seen.body["instance_id"]})


def _wants_socket(request: socket.socket) -> bool:
    """Look at a request without taking it: is it the beginning of a websocket?"""
    request.settimeout(10)
    head = request.recv(4096, socket.MSG_PEEK)
    request.settimeout(None)
    return b"upgrade: websocket" in head.lower()


def _unexpected(seen: Seen) -> Response:
    return json_response({"error": f"Unexpected endpoint or method. ({seen.method} {seen.path})"})


def _v1_model(one: Loaded) -> dict[str, Any]:
    config = {"context_length": one.context}
    instances = [] if one.context is None else [{"id": one.name, "config": config}]
    shared = {
        "type": "embedding" if one.embedding else "llm",
        "publisher": "somebody",
        "key": one.key,
        "display_name": one.key.title(),
        "quantization": {"name": "Q4_0", "bits_per_weight": 4},
        "size_bytes": 241410208,
        "params_string": None if one.embedding else "270M",
        "loaded_instances": instances,
        "max_context_length": one.trained,
        "format": one.form,
    }
    abilities = {"vision": False, "trained_for_tool_use": False}
    more = {"architecture": one.architecture, "capabilities": abilities, "description": None}
    return shared if one.embedding else shared | more


def _v0_model(one: Loaded) -> dict[str, Any]:
    model = {
        "id": one.name,
        "object": "model",
        "type": "embeddings" if one.embedding else "llm",
        "publisher": "somebody",
        "arch": one.architecture,
        "compatibility_type": one.form,
        "quantization": "Q4_0",
        "state": "not-loaded" if one.context is None else "loaded",
        "max_context_length": one.trained,
    }
    return model if one.context is None else model | {"loaded_context_length": one.context}


def _data(body: object) -> bytes:
    return b"data: " + json.dumps(body, ensure_ascii=False).encode() + b"\n\n"
