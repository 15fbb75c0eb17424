"""A text-generation-webui 4.7.3 with a model that always says one text, a character per token.

It behaves as was recorded: it fails with plain words, answers nothing to a prompt that is too long (or cuts
it, as loaders other than llama.cpp do), drops the oldest turns of a chat, and holds `grammar_string` alone.
`test_webui_transcripts` compares the shapes of its answers with recorded ones.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from bridle.errors import GrammarError
from servers.fake import Response, Seen, SpeakingServer, json_response
from servers.holding import held_by_gbnf

__all__ = ["FakeWebUI"]

CALL = re.compile(r"<tool_call>\s*(\{.*?\})\s*</tool_call>", re.DOTALL)
DEFAULT_LIMIT = 512
Body = Mapping[str, Any]


class FakeWebUI(SpeakingServer):
    """The server. `window` is the context of the loaded model, `loader` how it was loaded."""

    def __init__(self) -> None:
        super().__init__()
        self.model = "m"
        self.files = ["m", "other.gguf"]
        self.loader: str | None = "llama.cpp"
        self.window = 4096
        self.api_key = ""
        self.admin_key = ""
        self.has_embeddings = True
        self.honours_limit = True
        """Whether `truncation_length` of a request has an effect."""
        self._ids = itertools.count(1)
        self.routes |= {
            "GET /v1/models": self._models,
            "GET /v1/internal/model/info": self._info,
            "GET /v1/internal/model/list": lambda _: json_response({"model_names": self.files}),
            "POST /v1/internal/model/load": self._load,
            "POST /v1/internal/model/unload": self._unload,
            "GET /v1/internal/health": lambda _: json_response({"status": "ok"}),
            "POST /v1/internal/token-count": self._count,
            "POST /v1/internal/encode": self._encode,
            "POST /v1/internal/decode": lambda seen: json_response(
                {"text": "".join(map(chr, seen.body["tokens"]))}
            ),
            "POST /v1/internal/logits": lambda _: json_response({" a": 0.75, " b": 0.25}),
            "POST /v1/internal/chat-prompt": self._chat_prompt,
            "POST /v1/internal/stop-generation": lambda _: json_response("OK"),
            "POST /v1/completions": self._complete,
            "POST /v1/chat/completions": self._chat,
            "POST /v1/embeddings": self._embed,
        }

    def answer(self, seen: Seen) -> Response:
        """Check who asks before the route does anything."""
        host = seen.headers.get("host", "").split(":")[0]
        if host not in ("localhost", "127.0.0.1"):
            self.seen.append(seen)
            return json_response({"detail": "Invalid host header"}, 400)
        is_admin = seen.path.startswith(("/v1/internal/model/l", "/v1/internal/model/u"))
        key = (self.admin_key or self.api_key) if is_admin else self.api_key
        if key and seen.headers.get("authorization") != f"Bearer {key}":
            self.seen.append(seen)
            return json_response({"detail": "Unauthorized"}, 401)
        return super().answer(seen)

    def _models(self, _: Seen) -> Response:
        one = {"id": self.model, "object": "model", "created": 0, "owned_by": "user"}
        return json_response({"object": "list", "data": [one] if self.model != "None" else []})

    def _info(self, _: Seen) -> Response:
        return json_response({"model_name": self.model, "lora_names": [], "loader": self.loader})

    def _load(self, seen: Seen) -> Response:
        if seen.body["model_name"] not in self.files:
            return json_response({"detail": "Failed to load the model."}, 500)
        self.model = seen.body["model_name"]
        self.window = seen.body.get("args", {}).get("ctx_size", self.window)
        return json_response("OK")

    def _unload(self, _: Seen) -> Response:
        self.model = "None"
        return json_response("OK")

    def _count(self, seen: Seen) -> Response:
        return _failed() if self.model == "None" else json_response({"length": len(seen.body["text"])})

    def _encode(self, seen: Seen) -> Response:
        tokens = [ord(char) for char in seen.body["text"]]
        return json_response({"tokens": tokens, "length": len(tokens)})

    def _embed(self, seen: Seen) -> Response:
        if not self.has_embeddings:
            return _failed()
        given = seen.body["input"]
        texts = [given] if isinstance(given, str) else given
        data = [
            {"object": "embedding", "embedding": [float(len(text)), 1.0], "index": at}
            for at, text in enumerate(texts)
        ]
        usage = {"prompt_tokens": 0, "total_tokens": 0}
        return json_response({"object": "list", "data": data, "model": "mpnet", "usage": usage})

    def _refused(self, body: Body, *, chat: bool) -> Response | None:
        limit = body.get("max_tokens", None if chat else DEFAULT_LIMIT)
        if limit is not None and not isinstance(limit, int):
            found = {
                "type": "int_parsing",
                "loc": ["body", "max_tokens"],
                "msg": "Input should be a valid integer",
            }
            return json_response({"detail": [found | {"input": limit}]}, 422)
        if chat and limit is not None and limit <= 0:
            return _wrong("max_tokens must be greater than 0.", "max_tokens")
        if limit is not None and limit < 0:
            return _wrong("max_tokens must be greater than or equal to 0.", "max_tokens")
        if chat and any("role" not in message for message in body["messages"]):
            return _wrong("messages: missing role", "messages")
        return _failed() if self.model == "None" else None

    def _chat_prompt(self, seen: Seen) -> Response:
        if refused := self._refused(seen.body, chat=True):
            return refused
        prompt = self._rendered(seen.body)
        return _failed() if prompt is None else json_response({"prompt": prompt})

    def _rendered(self, body: Body) -> str | None:
        """Write a chat as the server does: cut to the window; None where it gives up."""
        template = body.get("instruction_template_str")
        messages = [dict(message) for message in body["messages"]]
        for message in messages:
            message["content"] = (message["content"] or "").strip()
        window = (body.get("truncation_length") if self.honours_limit else 0) or self.window
        room = window - (body.get("max_tokens") or DEFAULT_LIMIT)
        while len(prompt := _written(messages, template)) > room:
            at = 1 if messages[0]["role"] == "system" else 0
            if len(messages) > at + 1:
                messages.pop(at)
                continue
            too_many = len(prompt) - room
            if too_many > len(messages[-1]["content"]):
                return None
            messages[-1]["content"] = messages[-1]["content"][:-too_many]
        return prompt

    def _complete(self, seen: Seen) -> Response:
        if refused := self._refused(seen.body, chat=False):
            return refused
        if "prompt" not in seen.body:
            return _failed()
        prompt, limit = seen.body["prompt"], seen.body.get("max_tokens", DEFAULT_LIMIT)
        if len(prompt) > self.window and self.loader == "llama.cpp":
            said = ("", "length")
        else:
            said = self._said(seen.body, limit)
        return self._answered(seen.body, *said, len(prompt), chat=False)

    def _chat(self, seen: Seen) -> Response:
        if refused := self._refused(seen.body, chat=True):
            return refused
        prompt = self._rendered(seen.body)
        if prompt is None:
            return _failed()
        said = self._said(seen.body, seen.body.get("max_tokens") or self.window)
        return self._answered(seen.body, *said, len(prompt), chat=True)

    def _said(self, body: Body, limit: int) -> tuple[str, str]:
        text, reason = self.text, "stop"
        grammar = body.get("grammar_string", "")
        if grammar and (self.loader == "llama.cpp" or (self.loader or "").endswith(("_HF", "mers"))):
            try:
                text = held_by_gbnf(grammar, text)
            except GrammarError:
                return "", "stop"
        given: str | list[str] = body.get("stop") or []
        stops = [given] if isinstance(given, str) else given
        text = self.until_stop(text, stops)
        return (text[:limit], "length") if limit < len(text) else (text, reason)

    def _answered(self, body: Body, text: str, reason: str, n_prompt: int, *, chat: bool) -> Response:
        calls = self._calls(body, text) if chat else []
        if calls:
            text, reason = "", "tool_calls"
        usage = {"prompt_tokens": n_prompt, "completion_tokens": len(text) or 1}
        usage["total_tokens"] = sum(usage.values())
        head = {
            "id": f"{'chatcmpl' if chat else 'cmpl'}-{next(self._ids)}",
            "object": ("chat.completion" if chat else "text_completion"),
            "created": 0,
            "model": self.model,
            "system_fingerprint": None,
        }
        if not body.get("stream"):
            message: dict[str, Any] = {"role": "assistant", "refusal": None, "content": text}
            if calls:
                message |= {"content": None, "tool_calls": calls}
            said = {"message": message} if chat else {"text": text}
            choice = {"index": 0, "finish_reason": reason, **said, "logprobs": None}
            return json_response(head | {"choices": [choice], "usage": usage})
        if chat:
            head["object"] = "chat.completion.chunk"
        options: Mapping[str, Any] = body.get("stream_options") or {}
        with_usage = bool(options.get("include_usage"))
        return self._stream(_chunks(text, reason, calls, chat=chat), head, usage if with_usage else None)

    def _calls(self, body: Body, text: str) -> list[dict[str, Any]]:
        known = [tool["function"]["name"] for tool in body.get("tools") or ()]
        found = [json.loads(one) for one in CALL.findall(text)] if known else []
        return [
            {
                "type": "function",
                "function": {"name": one["name"], "arguments": json.dumps(one["arguments"])},
                "id": f"call_{at:08}",
            }
            for at, one in enumerate(found)
            if one["name"] in known
        ]

    def _stream(
        self, choices: Sequence[Mapping[str, Any]], head: Mapping[str, Any], usage: Mapping[str, int] | None
    ) -> Response:
        told = {"usage": None} if usage else {}
        lines = [_event({**head, "choices": [choice], **told}) for choice in choices]
        if self.without_end:
            lines = lines[:-1]
        else:
            lines += [_event({**head, "choices": [], "usage": usage})] if usage else []
            lines.append(b"data: [DONE]\n\n")
        return self.stream(lines, b": ping - 2026-11-20 00:00:00\n\n")


def _chunks(
    text: str, reason: str, calls: Sequence[Mapping[str, Any]], *, chat: bool
) -> list[Mapping[str, Any]]:
    """The choices of a stream: an empty one, pieces of text, and the last with the reason and the calls."""
    pieces = [text[at : at + 3] for at in range(0, len(text), 3)]
    if chat:
        first: dict[str, Any] = {"delta": {"role": "assistant", "refusal": None, "content": ""}}
        numbered = [{**call, "index": at} for at, call in enumerate(calls)]
        parts = [first, *({"delta": {"content": piece}} for piece in pieces)]
        parts.append({"delta": {"tool_calls": numbered} if calls else {}})
    else:
        parts = [{"text": ""}, *({"text": piece} for piece in pieces), {"text": ""}]
    last = len(parts) - 1
    return [
        {"index": 0, "finish_reason": reason if at == last else None, **part, "logprobs": None}
        for at, part in enumerate(parts)
    ]


def _written(messages: Sequence[Mapping[str, Any]], template: str | None) -> str:
    if template is not None:  # of templates, it knows the one that writes the last message alone
        return str(messages[-1]["content"])
    return "".join(f"<{one['role']}>{one['content']}\n" for one in messages) + "<assistant>"


def _event(body: object) -> bytes:
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def _failed() -> Response:
    return Response(500, (b"Internal Server Error",), "text/plain; charset=utf-8")


def _wrong(message: str, parameter: str) -> Response:
    error = {"message": message, "type": "invalid_request_error", "param": parameter, "code": None}
    return json_response({"error": error}, 400)
