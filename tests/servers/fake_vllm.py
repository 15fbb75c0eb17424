"""A server that behaves as vLLM does, and what it shares with SGLang's; a character is a token.

By vLLM's source (mid 2026) and the recorded answers in tests/data/cassettes/vllm. What it is asked to hold it
holds, under the names of its version; those of the other version are ignored, as are all unknown fields.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bridle.errors import GrammarError
from bridle.grammars import for_regex, matches, shortest
from servers.fake import ModelServer, Response, Seen, json_response
from servers.holding import held_by_gbnf, held_by_schema

__all__ = ["EngineServer", "FakeVLLM"]

BOS = 1
"""Tokens that stand before each prompt."""


class EngineServer(ModelServer):
    """What the fakes of vLLM and SGLang share: OpenAI's routes, told windows, and a tokenizer."""

    prompt_route = "/v1/completions"
    owner = "vllm"

    def __init__(self, window: int = 4096) -> None:
        super().__init__(self.owner)
        self.window = window
        self.thoughts = ""
        self.thoughts_member = "reasoning"
        self.embeds = True
        self.routes["GET /v1/models"] = lambda _: json_response({"object": "list", "data": [self.model()]})
        self.routes["POST /tokenize"] = self._tokenize
        self.routes["POST /v1/embeddings"] = self._embed

    def model(self) -> dict[str, Any]:
        """What the list says of the model."""
        return {
            "id": "m",
            "object": "model",
            "created": 1,
            "owned_by": self.owner,
            "root": "m",
            "parent": None,
            "max_model_len": self.window,
        }

    def error(self, message: str, status: int = 400) -> Response:
        """An error as the server writes it."""
        kind = "NotFoundError" if status == 404 else "BadRequestError"
        said = {"message": message, "type": kind, "param": None, "code": status}
        return json_response({"error": said}, status)

    def prompt(self, body: Mapping[str, Any]) -> str:
        """The prompt as the model sees it."""
        if "prompt" in body:
            return str(body["prompt"])
        tools = json.dumps(body["tools"]) if body.get("tools") else ""
        return tools + "".join(f"<{m['role']}>{m['content']}" for m in body["messages"]) + "<assistant>"

    def refused(self, body: Mapping[str, Any]) -> Response | None:
        """The refusal that a request deserves, if any."""
        length = len(self.prompt(body)) + BOS
        if length + body.get("max_tokens", 0) > self.window:
            return self.error(self.too_long(length, body.get("max_tokens", 0)))
        return None

    def too_long(self, length: int, limit: int) -> str:
        """The words for a prompt that does not fit."""
        return (
            f"This model's maximum context length is {self.window} tokens. However, you requested {limit} "
            f"output tokens and your prompt contains at least {length} input tokens, for a total of at least "
            f"{length + limit} tokens. Please reduce the length of the input prompt."
        )

    def held(self, body: Mapping[str, Any]) -> str:
        """The text under the request's constraint.

        Raises:
            GrammarError: for a grammar that cannot be read.
        """
        form: Mapping[str, Any] = body.get("response_format") or {}
        if form.get("type") == "json_schema":
            return held_by_schema(form["json_schema"]["schema"], self.text)
        if form.get("type") == "json_object":
            return held_by_schema({"type": "object"}, self.text)
        return self.text

    def held_by_regex(self, pattern: str) -> str:
        """The text, or the shortest that the expression matches."""
        grammar = for_regex(pattern)
        return self.text if matches(grammar, self.text) else shortest(grammar)

    def _complete(self, seen: Seen) -> Response:
        body = seen.body
        refused = self.refused(body)
        if refused is not None:
            return refused
        if (forced := self._forced(body)) is not None:
            reason = "tool_calls" if body["tool_choice"] == "required" else "stop"
            return self._send(body, "", reason, [forced])
        try:
            held = self.held(body)
        except GrammarError as error:
            return self.error(f"Failed to compile the grammar: {error.message}")
        text, reason = _ended(held, body, ignores_stop=self.ignores_stop)
        return self._send(body, text, reason, [])

    def _forced(self, body: Mapping[str, Any]) -> dict[str, Any] | None:
        """The call that a tool choice forces, with the shortest arguments that the tool's schema allows."""
        choice: Any = body.get("tool_choice")
        if not body.get("tools") or choice in (None, "auto", "none"):
            return None
        tools = {one["function"]["name"]: one["function"] for one in body["tools"]}
        name: str = next(iter(tools)) if choice == "required" else choice["function"]["name"]
        arguments = held_by_schema(tools[name]["parameters"], "")
        function = {"name": name, "arguments": arguments}
        return {"id": "chatcmpl-tool-1", "type": "function", "function": function}

    def _send(self, body: Mapping[str, Any], text: str, reason: str, calls: list[dict[str, Any]]) -> Response:
        chat = "messages" in body
        length = len(self.prompt(body)) + BOS
        n_said = len(text) + len(self.thoughts)
        usage = {"prompt_tokens": length, "completion_tokens": n_said, "total_tokens": length + n_said}
        if not body.get("stream"):
            said: dict[str, Any] = {"text": text}
            if chat:
                content = None if calls else text
                message = {"role": "assistant", "content": content, "tool_calls": calls}
                said = {"message": message | {self.thoughts_member: self.thoughts or None}}
            choice = {"index": 0, **said, "logprobs": _logprobs(body, text), "finish_reason": reason}
            return json_response({**self._head(chat, "chat.completion"), "choices": [choice], "usage": usage})
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}] if chat else []
        if chat:
            deltas += [{self.thoughts_member: piece} for piece in _pieces(self.thoughts)]
        deltas += [{"content" if chat else "text": piece} for piece in _pieces(text)]
        for call in calls:
            deltas += _call_deltas(call)
        lines = [
            self._chunk(chat, delta, _logprobs(body, delta.get("content") or delta.get("text")))
            for delta in deltas
        ]
        if not self.without_end:
            lines.append(self._chunk(chat, {"content": ""} if chat else {"text": ""}, None, reason))
            options: Mapping[str, Any] = body.get("stream_options") or {}
            if options.get("include_usage"):
                lines.append(_data({**self._head(chat), "choices": [], "usage": usage}))
            lines.append(b"data: [DONE]\n\n")
        return self.stream(lines)

    def piece(self, text: str) -> bytes:
        """One event of the prompt route."""
        return self._chunk(False, {"text": text}, None)

    def _head(self, chat: bool, kind: str = "chat.completion.chunk") -> dict[str, Any]:
        return {"id": "c1", "object": kind if chat else "text_completion", "created": 1, "model": "m"}

    def _chunk(
        self, chat: bool, said: Mapping[str, Any], logprobs: object, reason: str | None = None
    ) -> bytes:
        part = {"delta": {**said}} if chat else {**said}
        choice = {"index": 0, **part, "logprobs": logprobs, "finish_reason": reason}
        return _data({**self._head(chat), "choices": [choice]})

    def _tokenize(self, seen: Seen) -> Response:
        length = len(self.prompt(seen.body)) + BOS
        return json_response({"count": length, "max_model_len": self.window, "tokens": list(range(length))})

    def _embed(self, seen: Seen) -> Response:
        texts: list[str] = seen.body["input"]
        if not self.embeds:
            return self.error("The model does not support Embeddings API")
        longest = max(map(len, texts)) + BOS
        if longest > self.window:
            return self.error(self.too_long(longest, 0))
        data = [
            {"object": "embedding", "index": i, "embedding": [float(len(t)), 0.5]}
            for i, t in enumerate(texts)
        ]
        usage = {"prompt_tokens": sum(map(len, texts)), "total_tokens": sum(map(len, texts))}
        return json_response({"object": "list", "data": data, "model": "m", "usage": usage})


class FakeVLLM(EngineServer):
    """vLLM of a `version`, with or without the flags for native tools."""

    def __init__(self, version: str = "0.14.0", *, window: int = 4096, calls_tools: bool = True) -> None:
        super().__init__(window)
        self.version = version
        self.calls_tools = calls_tools
        self.cut: list[str] = []
        """Fields with which a request asked to have its prompt cut."""
        self.routes["GET /version"] = lambda _: json_response({"version": self.version})

    @property
    def _minor(self) -> int:
        return int(self.version.split(".")[1])

    def error(self, message: str, status: int = 400) -> Response:
        """An error in the shape of the version: until 0.9 it had no `error` round it."""
        if self._minor >= 10:
            return super().error(message, status)
        kind = "NotFoundError" if status == 404 else "BadRequestError"
        said = {"object": "error", "message": message, "type": kind, "param": None, "code": status}
        return json_response(said, status)

    def refused(self, body: Mapping[str, Any]) -> Response | None:
        """The refusal for an unknown model, for native tools without the flags, or for too long a prompt."""
        self.cut += [name for name in ("truncate_prompt_tokens", "truncation_side") if name in body]
        if body.get("model") != "m":
            return self.error(f"The model `{body.get('model')}` does not exist.", 404)
        if body.get("tools") and body.get("tool_choice", "auto") == "auto" and not self.calls_tools:
            return self.error(
                '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'
            )
        return super().refused(body)

    def held(self, body: Mapping[str, Any]) -> str:
        """The text under the constraint, by the names that this version knows."""
        given: Mapping[str, Any] = body.get("structured_outputs") or {}
        if self._minor < 12:
            names = ("grammar", "regex", "json", "choice")
            given = {name: body[f"guided_{name}"] for name in names if f"guided_{name}" in body}
        if "grammar" in given:
            return held_by_gbnf(given["grammar"], self.text, "xgrammar")
        if "regex" in given:
            return self.held_by_regex(given["regex"])
        if "json" in given:
            return held_by_schema(given["json"], self.text)
        if "choice" in given:
            return self.text if self.text in given["choice"] else str(given["choice"][0])
        return super().held(body)


def _ended(text: str, body: Mapping[str, Any], *, ignores_stop: bool) -> tuple[str, str]:
    stops: list[str] = [] if ignores_stop else body.get("stop") or []
    places = [at for stop in stops if (at := text.find(stop)) >= 0]
    text = text[: min(places)] if places else text
    limit = body.get("max_tokens")
    return (text[:limit], "length") if limit is not None and limit < len(text) else (text, "stop")


def _pieces(text: str) -> list[str]:
    return [text[at : at + 3] for at in range(0, len(text), 3)]


def _data(body: object) -> bytes:
    return b"data: " + json.dumps(body, ensure_ascii=False).encode() + b"\n\n"


def _call_deltas(call: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A call as it was recorded: its name with empty arguments, then pieces of these without id and name."""
    function = call["function"]
    first = {"index": 0, "id": call["id"], "type": "function", "function": {"name": function["name"]}}
    pieces = [{"index": 0, "function": {"arguments": piece}} for piece in _pieces(function["arguments"])]
    return [{"tool_calls": [one]} for one in [first, *pieces]]


def _logprobs(body: Mapping[str, Any], text: object) -> object:
    """Each character as a token, in the shape of the route that was asked."""
    if not body.get("logprobs") or not isinstance(text, str) or not text:
        return None
    if "messages" in body:
        return {
            "content": [
                {"token": c, "logprob": -0.5, "top_logprobs": [{"token": c, "logprob": -0.5}]} for c in text
            ]
        }
    return {
        "tokens": [*text],
        "token_logprobs": [-0.5] * len(text),
        "top_logprobs": [{c: -0.5} for c in text],
    }
