"""A server that behaves as KoboldCpp does; a character is a token, and one more stands before the prompt.

By koboldcpp.py and gpttype_adapter.cpp of 1.102 (2025-11). The front of a long prompt is cut off; a grammar
that it cannot read is dropped; an answer that a stop string ended says `length`; a stream ends with the
connection; and to Ollama's and OpenAI's clients it says what they want to hear.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bridle.errors import GrammarError
from servers.fake import ModelServer, Response, Seen, events, json_response
from servers.holding import held_by_gbnf

__all__ = ["FakeKoboldCpp"]

BOS = 1
MOST_COUNTED = 50_000
HEADERS = {"access-control-allow-origin": "*", "cache-control": "no-store"}


class FakeKoboldCpp(ModelServer):
    """KoboldCpp of a `version`. It is `busy` for that many requests, and `password` protects it."""

    prompt_route = "/api/v1/generate"
    prompt_routes = ("/api/v1/generate", "/api/extra/generate/stream")
    usage_in_streams = False

    def __init__(self, version: str = "1.102", *, window: int = 4096) -> None:
        super().__init__("koboldcpp")
        self.version = version
        self.window = window
        self.framing = "close"
        self.name = "koboldcpp/m"
        self.password = ""
        self.busy = 0
        self.seen_prompt = ""
        """What the model saw of the last prompt."""
        self.aborted: list[str] = []
        self.template = "{{ messages }}"
        self.has_embeddings = True
        self.routes |= {
            "GET /api/extra/version": lambda _: json_response(self._capabilities()),
            "GET /api/v1/model": lambda seen: json_response({"result": self._told_name(seen)}),
            "GET /api/extra/true_max_context_length": lambda _: json_response({"value": self.window}),
            "GET /api/v1/config/max_context_length": lambda _: json_response({"value": self.window}),
            "GET /props": lambda _: json_response(
                {"chat_template": self.template, "total_slots": 1, "n_ctx": self.window}
            ),
            "GET /api/version": lambda _: json_response({"version": "0.7.0"}),
            "GET /api/tags": lambda _: json_response({"models": [{"name": "koboldcpp", "model": self.name}]}),
            "GET /v1/models": lambda _: json_response(
                {"object": "list", "data": [{"id": self.name, "object": "model", "owned_by": "koboldcpp"}]}
            ),
            "POST /api/extra/tokencount": self._guarded(self._count),
            "POST /api/extra/abort": self._guarded(self._abort),
            "POST /api/v1/generate": self._guarded(self._generate),
            "POST /api/extra/generate/stream": self._guarded(self._generate),
            "POST /v1/embeddings": self._guarded(self._embed),
        }

    @property
    def asked(self) -> dict[str, Any]:
        """The body of the last request for a completion, with two of its fields under OpenAI's names, too."""
        body = next(one.body for one in reversed(self.seen) if one.path in self.prompt_routes)
        return body | {"stop": body["stop_sequence"], "max_tokens": body["max_length"]}

    def piece(self, text: str) -> bytes:
        """One event with a part of the answer."""
        return _event(text, None)

    def _capabilities(self) -> dict[str, Any]:
        told: dict[str, Any] = {"result": "KoboldCpp", "version": self.version}
        if self.version != "1.76":
            told |= {
                "protected": bool(self.password),
                "llm": self.name != "inactive",
                "embeddings": self.has_embeddings,
            }
        return told

    def _told_name(self, seen: Seen) -> str:
        return self.name if self._knows(seen) else "koboldcpp/protected-model"

    def _knows(self, seen: Seen) -> bool:
        return not self.password or seen.headers.get("authorization") == f"Bearer {self.password}"

    def _guarded(self, answer: Any) -> Any:
        def guarded(seen: Seen) -> Response:
            if self._knows(seen):
                found: Response = answer(seen)
                return found
            detail = {
                "error": "Unauthorized",
                "msg": "Authentication key is missing or invalid.",
                "type": "unauthorized",
            }
            return json_response({"detail": detail}, 401, HEADERS)

        return guarded

    def _count(self, seen: Seen) -> Response:
        count = len(seen.body["prompt"]) + (BOS if seen.body.get("special", True) else 0)
        count = count if count < MOST_COUNTED else 0
        return json_response({"value": count, "ids": list(range(count))}, headers=HEADERS)

    def _abort(self, seen: Seen) -> Response:
        self.aborted.append(seen.body.get("genkey", ""))
        return json_response({"success": "true", "done": "true"}, headers=HEADERS)

    def _embed(self, seen: Seen) -> Response:
        rows = [
            {
                "object": "embedding",
                "index": i,
                "embedding": [float(len(t)), 0.5] if len(t) < self.window else [],
            }
            for i, t in enumerate(seen.body["input"])
        ]
        return json_response(
            {"object": "list", "data": rows, "model": "e", "usage": {"prompt_tokens": 3, "total_tokens": 3}}
        )

    def _generate(self, seen: Seen) -> Response:
        if self.busy:
            self.busy -= 1
            detail = {"msg": "Server is busy; please try again later.", "type": "service_unavailable"}
            return json_response({"detail": detail}, 503, HEADERS | {"Retry-After": "0"})
        body = seen.body
        window = min(body.get("max_context_length", self.window), self.window)
        room = max(0, window - body["max_length"] - BOS)
        prompt: str = body["prompt"]
        self.seen_prompt = prompt[max(0, len(prompt) - room) :]
        text, reason = self._ended(self._held(body), body)
        if seen.path == "/api/v1/generate":
            result: dict[str, Any] = {
                "text": text,
                "tool_calls": [],
                "finish_reason": reason,
                "logprobs": None,
            }
            if self.version != "1.76":
                result |= {"prompt_tokens": len(self.seen_prompt) + BOS, "completion_tokens": len(text)}
            return json_response({"results": [result]}, headers=HEADERS)
        lines = [_event(text[at : at + 3], None) for at in range(0, len(text), 3)]
        if not self.without_end:
            lines.append(_event("", reason))
        if self.chunk_bytes:
            whole = b"".join(lines)
            lines = [whole[at : at + self.chunk_bytes] for at in range(0, len(whole), self.chunk_bytes)]
        return events(lines, framing=self.framing, pause_s=self.pause_s)

    def _held(self, body: Mapping[str, Any]) -> str:
        try:
            return held_by_gbnf(body["grammar"], self.text, "koboldcpp") if body.get("grammar") else self.text
        except GrammarError:
            return self.text

    def _ended(self, text: str, body: Mapping[str, Any]) -> tuple[str, str]:
        """End at a stop string, which stays with a little more unless it is trimmed, and says `length`."""
        stops = [] if self.ignores_stop else [stop for stop in body.get("stop_sequence", []) if stop in text]
        limit: int = body["max_length"]
        if not stops:
            return (text[:limit], "length") if limit < len(text) else (text, "stop")
        first = min(stops, key=text.index)
        if body.get("trim_stop", True):
            return text[: text.index(first)][:limit], "length"
        return text[: text.index(first) + len(first)][:limit], "length"


def _event(token: str, reason: str | None) -> bytes:
    said = json.dumps({"token": token, "finish_reason": reason}, ensure_ascii=False)
    return f"event: message\ndata: {said}\n\n".encode()
