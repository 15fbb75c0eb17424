"""A fake of Ollama: its own API, as server/routes.go of version 0.33 (2026-08) and older ones have it.

A character is a token. The model always says `text`, or what a format leaves it: the text if it is valid,
else the shortest value that is. Versions before 0.13 pass over `truncate` and `shift` and cut in silence.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from servers.fake import TEXT, Response, Seen, SpeakingServer, json_response
from servers.fake_ollama_models import CREATED, FakeModel
from servers.holding import held_by_schema

__all__ = ["FakeModel", "FakeOllama"]

USUAL_CONTEXT = 4096
TOO_LONG = (
    "the prompt is longer than the context length currently available to the model; shorten the prompt, "
    "adjust the context length in settings, or use a model with a longer context length"
)


Answering = Callable[[Seen], Response]


class _Refused(Exception):
    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.response = json_response({"error": text}, status)


@dataclass
class _Said:
    """What the model says to one request."""

    prompt: str
    text: str
    reason: str = "stop"
    thoughts: str = ""
    calls: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])


class FakeOllama(SpeakingServer):
    """See the module. `loaded` has the window of each model that is loaded, `n_loads` counts the loadings."""

    prompt_route = "/api/generate"

    def __init__(self, version: str = "0.33.0", text: str = TEXT) -> None:
        super().__init__(text)
        self.version = version
        self.thoughts = ""
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.models = {"m:latest": FakeModel()}
        self.loaded: dict[str, int] = {}
        self.n_loads = 0
        self.routes |= {
            "GET /": lambda _: Response(200, (b"Ollama is running",), "text/plain; charset=utf-8"),
            "GET /api/version": lambda _: json_response({"version": self.version}),
            "GET /api/tags": lambda _: json_response(
                {"models": [m.listed(n) for n, m in self.models.items()]}
            ),
            "GET /api/ps": lambda _: json_response({"models": [self._running(n) for n in self.loaded]}),
            "POST /api/show": self._guarded(self._show),
            "POST /api/generate": self._guarded(self._generate),
            "POST /api/chat": self._guarded(self._chat),
            "POST /api/embed": self._guarded(self._embed),
        }

    @property
    def body(self) -> dict[str, Any]:
        """The body of the last completion."""
        routes = ("/api/generate", "/api/chat")
        return next(seen.body for seen in reversed(self.seen) if seen.path in routes)

    @property
    def asked(self) -> dict[str, Any]:
        """The body of the last completion; its options also beside it, as `stop`, `max_tokens`, …"""
        options = _options(self.body)
        limit = {"max_tokens": options["num_predict"]} if "num_predict" in options else {}
        return options | limit | self.body

    def answer(self, seen: Seen) -> Response:
        response = super().answer(seen)
        if response.status == 404 and response.chunks == (b'{"detail": "Not Found"}',):
            return Response(404, (b"404 page not found",), "text/plain")
        return response

    def piece(self, text: str) -> bytes:
        """One line of a streamed answer with this text."""
        return _line({"model": "m", "created_at": CREATED, "response": text, "done": False})

    def error_line(self, text: str) -> bytes:
        """What a stream has where the runner failed."""
        return _line({"error": text})

    @property
    def _numbers(self) -> tuple[int, ...]:
        return tuple(map(int, self.version.split(".")))

    @property
    def _knows_limits(self) -> bool:
        return self._numbers >= (0, 13, 0)

    def _guarded(self, answering: Answering) -> Answering:
        def answer(seen: Seen) -> Response:
            try:
                return answering(seen)
            except _Refused as refused:
                return refused.response

        return answer

    def _named(self, body: Mapping[str, Any]) -> tuple[str, FakeModel]:
        name = body.get("model") or body.get("name") or ""
        full = name if ":" in name else f"{name}:latest"
        if full not in self.models:
            raise _Refused(404, f"model '{name}' not found")
        return full, self.models[full]

    def _running(self, name: str) -> dict[str, Any]:
        listed = self.models[name].listed(name) | {"expires_at": CREATED, "size_vram": 0}
        if self._numbers >= (0, 11, 0):
            listed["context_length"] = self.loaded[name]
        return listed

    def _show(self, seen: Seen) -> Response:
        name, model = self._named(seen.body)
        return json_response(model.shown(name))

    def _load(self, name: str, model: FakeModel, options: Mapping[str, Any]) -> int:
        """Load a model with a window, or anew when it has another one."""
        asked: int = options.get("num_ctx", USUAL_CONTEXT)
        window = min(asked, model.trained)
        if self.loaded.get(name) != window and not model.remote:
            self.n_loads += 1
            self.loaded[name] = window
        return window

    def _generate(self, seen: Seen) -> Response:
        body = seen.body
        name, model = self._named(body)
        if body.get("raw") and (body.get("system") or body.get("template") or body.get("context")):
            raise _Refused(400, "raw mode does not support template, system, or context")
        self._check(name, model, body, "generate")
        window = self._load(name, model, _options(body))
        said = self._say(body, model, self._fitted(body["prompt"], body, window), window)
        if model.can("thinking") and body.get("think") is not False:
            said.thoughts, said.text = _split_thoughts(said.text)
        return self._send(body, said)

    def _chat(self, seen: Seen) -> Response:
        body = seen.body
        name, model = self._named(body)
        self._check(name, model, body, "chat")
        window = self._load(name, model, _options(body))
        messages = body["messages"]
        if body.get("truncate", True) or not self._knows_limits:
            messages = _latest(messages, window)
        rendered = "".join(f"<|{one['role']}|>{one['content']}" for one in messages)
        if body.get("_debug_render_only"):
            return json_response({"model": body["model"], "_debug_info": {"rendered_template": rendered}})
        said = self._say(body, model, self._fitted(rendered, body, window), window)
        if model.can("thinking") and body.get("think") is not False:
            said.thoughts = self.thoughts
        if body.get("tools") and not body.get("format") and self.calls:
            said.text, said.calls = "", [_call(at, *call) for at, call in enumerate(self.calls)]
        return self._send(body, said)

    def _check(self, name: str, model: FakeModel, body: Mapping[str, Any], what: str) -> None:
        if not model.can("completion"):
            raise _Refused(400, f'"{name}" does not support {what}')
        if body.get("tools") and not model.can("tools"):
            raise _Refused(400, f"registry.ollama.ai/library/{name} does not support tools")
        if body.get("think") and not model.can("thinking"):
            raise _Refused(400, f'"{name}" does not support thinking')

    def _fitted(self, prompt: str, body: Mapping[str, Any], window: int) -> str:
        """Refuse a prompt that is too long, or cut it where the version or the request has it so."""
        if len(prompt) < window:
            return prompt
        if self._knows_limits and not body.get("truncate", True):
            number = {
                "code": 400,
                "message": f"request ({len(prompt)} tokens) exceeds the available context size "
                f"({window} tokens), try increasing it",
                "type": "exceed_context_size_error",
                "n_prompt_tokens": len(prompt),
                "n_ctx": window,
            }
            raise _Refused(400, json.dumps({"error": number}))
        if self._knows_limits and not body.get("shift", True):
            raise _Refused(400, TOO_LONG)
        keep = 4
        left = window - (window - keep) // 2 if self._knows_limits else window
        return prompt[:keep] + prompt[keep + len(prompt) - left :]

    def _say(self, body: Mapping[str, Any], model: FakeModel, prompt: str, window: int) -> _Said:
        text, options = self._held(body, model), _options(body)
        text = self.until_stop(text, options.get("stop", ()))
        limit = options.get("num_predict", -1)
        room = window - len(prompt) if self._knows_limits and not body.get("shift", True) else len(text)
        most = room if limit < 0 else min(limit, room)
        return _Said(prompt, text[:most], "length" if most < len(text) else "stop")

    def _held(self, body: Mapping[str, Any], model: FakeModel) -> str:
        form = body.get("format")
        if not form or model.remote:
            return self.text
        return held_by_schema({"type": "object"} if form == "json" else form, self.text)

    def _send(self, body: Mapping[str, Any], said: _Said) -> Response:
        is_chat = "messages" in body
        head = {"model": body["model"], "created_at": CREATED}
        end = {
            "done": True,
            "done_reason": said.reason,
            "total_duration": 1883750917,
            "load_duration": 26124416,
            "prompt_eval_count": len(said.prompt),
            "prompt_eval_duration": 119384000,
            "eval_count": len(said.text) or len(said.calls),
            "eval_duration": 1736000000,
        }
        if body.get("stream", True) is False:
            whole = json.dumps(head | _part(is_chat, said.text, said.thoughts, said.calls) | end)
            return Response(200, (whole.encode(),), "application/json; charset=utf-8")
        parts = [_part(is_chat, "", piece) for piece in _pieces(said.thoughts)]
        parts += [_part(is_chat, piece) for piece in _pieces(said.text)]
        parts += [_part(is_chat, "", "", [call]) for call in said.calls]
        lines = [_line(head | part | {"done": False}) for part in parts]
        if not self.without_end:
            lines.append(_line(head | _part(is_chat, "") | end))
        return self.stream(lines)

    def stream(self, lines: Sequence[bytes], before: bytes = b"") -> Response:
        """A streamed answer of these lines."""
        return replace(super().stream(lines, before), content_type="application/x-ndjson")

    def _embed(self, seen: Seen) -> Response:
        body = seen.body
        name, model = self._named(body)
        window = self._load(name, model, _options(body))
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        if not body.get("truncate", True) and any(len(text) > window for text in texts):
            raise _Refused(400, "the input length exceeds the context length")
        vectors = [[len(text) / 100, float("a" in text), 0.5] for text in texts]
        counted = sum(min(len(text), window) for text in texts)
        return json_response({"model": body["model"], "embeddings": vectors, "prompt_eval_count": counted})


def _options(body: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = body.get("options") or {}
    return found


def _part(
    is_chat: bool, text: str, thoughts: str = "", calls: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    thinking = {"thinking": thoughts} if thoughts else {}
    if not is_chat:
        return {"response": text, **thinking}
    called = {"tool_calls": list(calls)} if calls else {}
    return {"message": {"role": "assistant", "content": text, **thinking, **called}}


def _latest(messages: list[dict[str, Any]], window: int) -> list[dict[str, Any]]:
    """Leave the oldest messages out until the rest fits: all but the system's, and the last."""
    kept = list(messages)
    while len(kept) > 1 and sum(len(f"<|{m['role']}|>{m['content']}") for m in kept) >= window:
        oldest = next((at for at, m in enumerate(kept[:-1]) if m["role"] != "system"), None)
        if oldest is None:
            break
        del kept[oldest]
    return kept


def _split_thoughts(text: str) -> tuple[str, str]:
    if not text.startswith("<think>"):
        return "", text
    thoughts, _, rest = text.removeprefix("<think>").partition("</think>")
    return thoughts, rest


def _call(at: int, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return {"id": f"call_{at:08}", "function": {"index": at, "name": name, "arguments": arguments}}


def _pieces(text: str) -> list[str]:
    return [text[at : at + 3] for at in range(0, len(text), 3)]


def _line(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode() + b"\n"
