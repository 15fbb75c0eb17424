"""A fake of llama-cpp-python's server 0.3.36: its routes, framing, errors and habits as recorded.

A character is a token. Usage is never told in a stream, 16 tokens is the limit of completions, what it cannot
validate is a failure of its own (500), and a grammar that llama.cpp does not take ends it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from bridle.errors import GrammarError
from bridle.grammars import check_gbnf
from servers.fake import TEXT, Response, Seen, SpeakingServer, json_response
from servers.holding import held_by_gbnf, held_by_schema

__all__ = ["FakeLlamaCppServer"]

ANY_OBJECT = {"type": "object"}


class FakeLlamaCppServer(SpeakingServer):
    """llama-cpp-python's server with one model, called `m`."""

    prompt_route = "/v1/completions"
    chat_route = "/v1/chat/completions"
    reasons: ClassVar[dict[str, str]] = {"stop": "stop", "length": "length"}
    usage_in_streams = False

    def __init__(self, text: str = TEXT) -> None:
        super().__init__(text)
        self.interrupted = False
        """When set, a stream ends in its middle as if another request had come."""
        self.context_tokens = 2048
        self.bos = ""
        """The text of a token that it puts before each prompt."""
        self.embeddings = False
        self.dead = False
        """Set by a bad grammar: from then on no request gets an answer."""
        self.routes |= {
            "POST /v1/completions": self._complete,
            "POST /v1/chat/completions": self._chat,
            "GET /v1/models": lambda _: json_response(
                {
                    "object": "list",
                    "data": [{"id": "m", "object": "model", "owned_by": "me", "permissions": list[str]()}],
                }
            ),
            "GET /openapi.json": lambda _: json_response(
                {"openapi": "3.1.0", "info": {"title": "🦙 llama.cpp Python API", "version": "0.3.36"}}
            ),
            "POST /extras/tokenize": lambda seen: json_response({"tokens": self._tokens(seen.body["input"])}),
            "POST /extras/tokenize/count": lambda seen: json_response(
                {"count": len(self._tokens(seen.body["input"]))}
            ),
            "POST /v1/embeddings": self._embed,
        }

    def answer(self, seen: Seen) -> Response:
        if self.dead:
            self.seen.append(seen)
            return Response(200, (), framing="chunked", cut=True)
        return super().answer(seen)

    def piece(self, text: str) -> bytes:
        """One event of a stream of the prompt route with this text."""
        return _event(_body("text_completion", [_text_choice(text, None)]))

    def _tokens(self, text: str) -> list[int]:
        """The text of the beginning token is one token, as is each other character."""
        begins = bool(self.bos) and text.startswith(self.bos)
        rest = text.removeprefix(self.bos) if begins else text
        return [1] * (bool(self.bos) + begins) + [ord(char) for char in rest]

    def _complete(self, seen: Seen) -> Response:
        body = seen.body
        if body.get("max_tokens", 16) < 0:
            said = "'loc': ('body', 'max_tokens'), 'msg': 'Input should be greater than or equal to 0'"
            return _invalid(said, "create_completion")
        prompt = self._tokens(body["prompt"])
        refused = self._overflow(body, len(prompt)) or self._dies_of(body)
        if refused:
            return refused
        text, reason = self._cut(_held(body, self.text), body, len(prompt), 16)
        if not body.get("stream"):
            choice = _text_choice(text, reason, body.get("logprobs"))
            return json_response(_body("text_completion", [choice]) | _usage(len(prompt), len(text)))
        lines = [self.piece(char) for char in text]
        return self._stream([*lines, _event(_body("text_completion", [_text_choice("", reason)]))])

    def _chat(self, seen: Seen) -> Response:
        body = seen.body
        if isinstance(body["messages"], str):
            return _invalid("'loc': ('body', 'messages'), 'msg': 'Input should be a valid list'")
        messages: list[dict[str, Any]] = body["messages"]
        if any(message.get("content", "") is None for message in messages):
            return _invalid("'loc': ('body', 'messages', 0, 'content')")
        form: dict[str, Any] = body.get("response_format") or {"type": "text"}
        if form["type"] not in ("text", "json_object"):
            said = "'msg': \"Input should be 'text' or 'json_object'\""
            return _invalid(f"'loc': ('body', 'response_format', 'type'), {said}")
        prompt = "".join(f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in messages)
        n_prompt = len(prompt) + len("<|im_start|>assistant\n")
        refused = self._overflow(body, n_prompt) or self._dies_of(body)
        if refused:
            return refused
        if body.get("tools") and isinstance(body.get("tool_choice"), dict):
            return self._calls(body)
        text = _held({**body, "schema": form.get("schema", ANY_OBJECT)}, self.text)
        text = text if body.get("grammar") or form["type"] != "text" else self.text
        text, reason = self._cut(text, body, n_prompt, 0)
        if not body.get("stream"):
            message = {"role": "assistant", "content": text}
            choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reason}
            return json_response(_body("chat.completion", [choice]) | _usage(n_prompt, len(text)))
        deltas = [{"role": "assistant"}, *({"content": char} for char in text)]
        return self._stream([*map(_delta, deltas), _delta({}, reason)])

    def _calls(self, body: Mapping[str, Any]) -> Response:
        name = body["tool_choice"]["function"]["name"]
        tool = next(t["function"] for t in body["tools"] if t["function"]["name"] == name)
        function = {"name": name, "arguments": held_by_schema(tool["parameters"], self.text)}
        call = {"id": f"call__0_{name}_cmpl-1", "type": "function", "function": function}
        if not body.get("stream"):
            message = {"content": None, "tool_calls": [call], "role": "assistant", "function_call": function}
            choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "tool_calls"}
            return json_response(_body("chat.completion", [choice]) | _usage(5, 9))
        nothing: dict[str, Any] = {"role": None, "content": None, "function_call": None, "tool_calls": None}
        deltas = [nothing | {"role": "assistant"}]
        for char in function["arguments"]:
            part = {"name": name, "arguments": char}
            begun = {**call, "index": 0, "function": part}
            deltas.append(nothing | {"function_call": part, "tool_calls": [begun]})
        return self._stream([*map(_delta, deltas), _delta(nothing, "tool_calls")])

    def _embed(self, seen: Seen) -> Response:
        if not self.embeddings:
            return _failed("Llama model must be created with embedding=True to call this method")
        texts = seen.body["input"]
        listed = [{"object": "embedding", "embedding": [float(len(t)), 1.0], "index": i}
                  for i, t in enumerate(texts)]  # fmt: skip
        usage = {"prompt_tokens": 3, "total_tokens": 3}
        return json_response({"object": "list", "data": listed, "model": "/models/m.gguf", "usage": usage})

    def _dies_of(self, body: Mapping[str, Any]) -> Response | None:
        if not body.get("grammar"):
            return None
        try:
            check_gbnf(body["grammar"])
        except GrammarError:
            self.dead = True
            return Response(200, (), framing="chunked", cut=True)
        return None

    def _overflow(self, body: Mapping[str, Any], n_prompt: int) -> Response | None:
        window, wanted = self.context_tokens, body.get("max_tokens", 16)
        if n_prompt < window:
            return None
        both = n_prompt + wanted
        said = f"This model's maximum context length is {window} tokens, however you requested {both} tokens"
        said += f" ({n_prompt} in your prompt; {wanted} for the completion)."
        if "messages" in body:
            said = f"This model's maximum context length is {window} tokens. However, you requested {both}"
            said += f" tokens ({n_prompt} in the messages, {wanted} in the completion)."
        error = {"message": said, "type": "invalid_request_error", "param": "messages"}
        return json_response({"error": error | {"code": "context_length_exceeded"}}, 400)

    def _cut(self, text: str, body: Mapping[str, Any], n_prompt: int, usual: int) -> tuple[str, str]:
        text = self.until_stop(text, body.get("stop") or ())
        room = self.context_tokens - n_prompt
        limit = body.get("max_tokens", usual) or room  # 0 is no limit
        limit = min(limit, room)
        return (text[:limit], "length") if limit < len(text) else (text, "stop")

    def _stream(self, lines: list[bytes]) -> Response:
        if self.without_end:
            lines = lines[:-1]
        elif self.interrupted:
            lines = [*lines[: len(lines) // 2], DONE]
        else:
            lines = [*lines, DONE]
        return self.stream(lines, b": ping - 2026-11-20\n\n")


DONE = b"data: [DONE]\n\n"


def _event(body: object) -> bytes:
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def _body(kind: str, choices: list[Any]) -> dict[str, Any]:
    return {"id": "cmpl-1", "object": kind, "created": 1, "model": "/models/m.gguf", "choices": choices}


def _delta(delta: Mapping[str, Any], reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
    return _event(_body("chat.completion.chunk", [choice]))


def _text_choice(text: str, reason: str | None, wanted: int | None = None) -> dict[str, Any]:
    scores: dict[str, Any] | None = None
    if wanted:
        scores = {"text_offset": [4 + at for at in range(len(text))], "token_logprobs": [-0.5] * len(text),
                  "tokens": list(text), "top_logprobs": [{char: -0.5} for char in text]}  # fmt: skip
    return {"text": text, "index": 0, "logprobs": scores, "finish_reason": reason}


def _usage(n_prompt: int, n_said: int) -> dict[str, Any]:
    counts = {"prompt_tokens": n_prompt, "completion_tokens": n_said, "total_tokens": n_prompt + n_said}
    return {"usage": counts}


def _held(body: Mapping[str, Any], text: str) -> str:
    if body.get("grammar"):
        return held_by_gbnf(body["grammar"], text)
    return held_by_schema(body["schema"], text) if "schema" in body else text


def _failed(said: str) -> Response:
    error = {"message": said, "type": "internal_server_error", "param": None, "code": None}
    return json_response({"error": error}, 500)


def _invalid(said: str, where: str = "create_chat_completion") -> Response:
    """What it says to a body that it cannot validate: a failure of its own."""
    return _failed(f'1 validation error:\n  {{{said}}}\n\n  File "app.py", line 1, in {where}')
