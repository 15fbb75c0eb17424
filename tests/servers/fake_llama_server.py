"""A fake of llama.cpp's server: its routes, framing, errors and habits as recorded in August 2026.

A character is a token. What it says is held to a grammar or a schema where the real one does that, and
only there: `/v1/completions` ignores `response_format`, a named `tool_choice` is "auto", and so on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from servers.fake import TEXT, Response, Seen, SpeakingServer, json_response
from servers.holding import held_by_schema
from servers.llama_server_bodies import (
    DONE,
    bad_grammar,
    chat_ending,
    chat_scores,
    delta_event,
    event,
    failed,
    held,
    openai_body,
    probabilities,
    text_event,
    timings_of,
    usage_of,
)

__all__ = ["FakeLlamaServer"]

ANY_OBJECT = {"type": "object"}


class FakeLlamaServer(SpeakingServer):
    """llama-server with one model, or with `router` models; `loading` answers 503 so many times."""

    prompt_route = "/completion"
    chat_route = "/v1/chat/completions"
    reasons: ClassVar[dict[str, str]] = {"stop": "eos", "length": "limit"}

    def __init__(self, text: str = TEXT) -> None:
        super().__init__(text)
        self.context_tokens = 2048
        self.bos = ""
        """The text of a token that it puts before each prompt."""
        self.supports_tools = True
        self.embeddings = False
        self.loading = 0
        self.router: tuple[str, ...] = ()
        self.old = False
        """When set, it has no counting of chats, and tells the reason as it did until the end of 2024."""
        one = self._one
        self.routes |= {
            "GET /health": one(lambda _: json_response({"status": "ok"})),
            "GET /props": one(self._props),
            "GET /models": one(self._models),
            "GET /v1/models": one(self._models),
            "GET /slots": one(lambda _: json_response([self._slot()])),
            "POST /tokenize": one(self._tokenize),
            "POST /detokenize": one(self._detokenize),
            "POST /apply-template": one(self._apply),
            "POST /v1/chat/completions/input_tokens": one(self._count_chat),
            "POST /completion": one(self._completion),
            "POST /v1/completions": one(self._openai_completion),
            "POST /v1/chat/completions": one(self._chat),
            "POST /v1/embeddings": one(self._embed),
            "*": lambda _: failed(404, "File Not Found", "not_found_error"),
        }

    @property
    def asked(self) -> dict[str, Any]:
        """The body of the last request for an answer; `max_tokens` is the limit by any name."""
        ends = ("/completion", "/completions")
        body = next(seen.body for seen in reversed(self.seen) if seen.path.endswith(ends))
        return body | ({"max_tokens": body["n_predict"]} if "n_predict" in body else {})

    def piece(self, text: str) -> bytes:
        """One event of a native stream with this text."""
        return event({"index": 0, "content": text, "tokens": [7], "stop": False, "id_slot": -1,
                      "tokens_predicted": 1, "tokens_evaluated": 1})  # fmt: skip

    def _one(self, answer: Callable[[Seen], Response]) -> Callable[[Seen], Response]:
        def answered(seen: Seen) -> Response:
            if self.loading:
                self.loading -= 1
                return failed(503, "Loading model", "unavailable_error")
            return answer(seen)

        return answered

    def _props(self, seen: Seen) -> Response:
        asked = seen.path.partition("model=")[2]
        settings = {"params": {"top_k": 40, "temperature": 0.8}, "n_ctx": self.context_tokens}
        if self.router and not asked:
            settings["n_ctx"] = 0
            none = {"role": "router", "model_alias": "llama-server", "model_path": "none"}
            return json_response(none | {"default_generation_settings": settings, "build_info": "b9999"})
        if self.router and asked not in self.router:
            return failed(400, f"model '{asked}' not found", "invalid_request_error")
        return json_response(
            {
                "default_generation_settings": settings,
                "total_slots": 1,
                "model_alias": asked or "m",
                "model_path": "/models/m.gguf",
                "chat_template": "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>"
                "\n{% endfor %}<|im_start|>assistant\n",
                "chat_template_caps": {"supports_tools": self.supports_tools, "supports_tool_calls": True},
                "bos_token": self.bos or "<s>",
                "eos_token": "</s>",
                "build_info": "b9999-1652066",
                "is_sleeping": False,
            }
        )

    def _models(self, _: Seen) -> Response:
        if self.router:
            states = ["loaded", *["unloaded"] * len(self.router)]
            listed = [
                {"id": name, "object": "model", "owned_by": "llamacpp", "status": {"value": state}}
                for name, state in zip(self.router, states, strict=False)
            ]
            return json_response({"object": "list", "data": listed})
        meta = {"vocab_type": 1, "n_vocab": 32000, "n_ctx": self.context_tokens, "n_ctx_train": 8192,
                "n_embd": 64, "n_params": 2130240, "size": 4261120, "ftype": "F16"}  # fmt: skip
        one = {"id": "m", "aliases": ["m"], "tags": list[str](), "object": "model", "created": 1,
               "owned_by": "llamacpp", "meta": meta}  # fmt: skip
        return json_response({"models": [{"name": "m", "model": "m"}], "object": "list", "data": [one]})

    def _slot(self) -> dict[str, Any]:
        return {"id": 0, "n_ctx": self.context_tokens, "speculative": False, "is_processing": False}

    def _tokenize(self, seen: Seen) -> Response:
        text = seen.body["content"]
        tokens = [ord(char) for char in text]
        tokens = [1, *tokens] if self.bos and seen.body.get("add_special") else tokens
        pieces = [{"id": token, "piece": chr(token)} for token in tokens]
        return json_response({"tokens": pieces if seen.body.get("with_pieces") else tokens})

    def _detokenize(self, seen: Seen) -> Response:
        return json_response({"content": "".join(chr(token) for token in seen.body["tokens"])})

    def _rendered(self, body: Mapping[str, Any]) -> str:
        shown = json.dumps(body["tools"]) if body.get("tools") and self.supports_tools else ""
        turns = "".join(f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in body["messages"])
        return f"{shown}{turns}<|im_start|>assistant\n"

    def _apply(self, seen: Seen) -> Response:
        return json_response({"prompt": self._rendered(seen.body)})

    def _count_chat(self, seen: Seen) -> Response:
        if self.old:
            return failed(404, "File Not Found", "not_found_error")
        counted = len(self._rendered(seen.body))
        return json_response({"input_tokens": counted, "object": "response.input_tokens"})

    def _embed(self, seen: Seen) -> Response:
        if not self.embeddings:
            said = "This server does not support embeddings. Start it with `--embeddings`"
            return failed(501, said, "not_supported_error")
        texts = seen.body["input"]
        listed = [{"embedding": [float(len(t)), 1.0], "index": i, "object": "embedding"}
                  for i, t in enumerate(texts)]  # fmt: skip
        usage = {"prompt_tokens": sum(map(len, texts)), "total_tokens": sum(map(len, texts))}
        return json_response({"model": "m", "object": "list", "usage": usage, "data": listed})

    def _completion(self, seen: Seen) -> Response:
        body = seen.body
        if "prompt" not in body:
            said = "[json.exception.out_of_range.403] key 'prompt' not found"
            return failed(400, said, "invalid_request_error")
        if not isinstance(body.get("n_predict", -1), int):
            said = "Field 'n_predict': [json.exception.type_error.302] type must be number, but is string"
            return failed(400, said, "invalid_request_error")
        n_prompt = len(body["prompt"]) + bool(self.bos)
        refused = self._overflow(n_prompt) or bad_grammar(body)
        if refused:
            return refused
        text = held(body, self.text)
        text, reason = self._cut(text, body, n_prompt)
        if not body.get("stream"):
            return json_response(self._native(body, text, text, reason, n_prompt))
        lines = [self._part(body, char, at, n_prompt) for at, char in enumerate(text, 1)]
        if not self.without_end:
            lines.append(event(self._native(body, "", text, reason, n_prompt)))
        return self.stream(lines)

    def _part(self, body: Mapping[str, Any], char: str, at: int, n_prompt: int) -> bytes:
        part = {"index": 0, "content": char, "tokens": [ord(char)], "stop": False, "id_slot": -1,
                "tokens_predicted": at, "tokens_evaluated": n_prompt}  # fmt: skip
        return event(part | probabilities(body, char))

    def _native(
        self, body: Mapping[str, Any], shown: str, text: str, reason: str, n_prompt: int
    ) -> dict[str, Any]:
        prompt = body["prompt"] if isinstance(body["prompt"], str) else str(body["prompt"])
        answer: dict[str, Any] = {
            "index": 0,
            "content": shown,
            "tokens": [ord(char) for char in text] if body.get("return_tokens") else list[int](),
            "id_slot": 0,
            "stop": True,
            "model": "m",
            "tokens_predicted": len(text),
            "tokens_evaluated": n_prompt,
            "generation_settings": {"seed": 1},
            "prompt": self.bos + prompt,
            "has_new_line": "\n" in text,
            "truncated": False,
            "stop_type": reason,
            "stopping_word": "",
            "tokens_cached": n_prompt + len(text) - 1,
            "timings": timings_of(n_prompt, len(text)),
        }
        if self.old:
            answer |= {f"stopped_{answer.pop('stop_type')}": True}
        if not body.get("stream"):
            answer |= probabilities(body, text)
        return answer

    def _openai_completion(self, seen: Seen) -> Response:
        """`grammar` holds here, `response_format` does not."""
        n_prompt = len(seen.body["prompt"])
        refused = self._overflow(n_prompt) or bad_grammar(seen.body)
        if refused:
            return refused
        body = {name: value for name, value in seen.body.items() if name != "json_schema"}
        return self._said(seen.body, held(body, self.text), n_prompt)

    def _chat(self, seen: Seen) -> Response:
        body = seen.body
        if "messages" not in body:
            return failed(400, "'messages' is required", "invalid_request_error")
        refused = self._overflow(len(self._rendered(body))) or self._bad_choice(body) or bad_grammar(body)
        if refused:
            return refused
        called = self._call(body)
        if called:
            return self._calls(body, called)
        constraint: dict[str, Any] = {"grammar": body.get("grammar")}
        form: dict[str, Any] = body.get("response_format") or {"type": "text"}
        if form["type"] != "text":
            inner: dict[str, Any] = form.get("json_schema") or form
            constraint["json_schema"] = inner.get("schema") or ANY_OBJECT
        return self._said(body, held(constraint, self.text), len(self._rendered(body)))

    def _bad_choice(self, body: Mapping[str, Any]) -> Response | None:
        if body.get("tools") and body.get("grammar"):
            said = "Cannot use custom grammar constraints with tools."
            return failed(400, said, "invalid_request_error")
        choice = body.get("tool_choice", "auto")
        if isinstance(choice, str) and choice not in ("auto", "required", "none"):
            return failed(400, f"Invalid tool_choice: {choice}", "invalid_request_error")
        return None

    def _call(self, body: Mapping[str, Any]) -> dict[str, Any] | None:
        """A call is made where it is required; a choice that is no text counts as "auto"."""
        tools = body.get("tools") if self.supports_tools else None
        if not tools or body.get("tool_choice") != "required":
            return None
        first = tools[0]["function"]
        arguments = held_by_schema(first.get("parameters") or ANY_OBJECT, self.text)
        return {"name": first["name"], "arguments": arguments}

    def _calls(self, body: Mapping[str, Any], function: dict[str, Any]) -> Response:
        call = {"type": "function", "function": function, "id": "Wb6nPHnu9kKjHKDPVJbT8PzTlkWc3Ez1"}
        usage = usage_of(5, 9)
        if not body.get("stream"):
            message = {"role": "assistant", "content": "", "tool_calls": [call]}
            choice = {"finish_reason": "tool_calls", "index": 0, "message": message}
            return json_response(openai_body("chat.completion", [choice]) | {"usage": usage})
        begun = {**call, "index": 0, "function": {"name": function["name"], "arguments": ""}}
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": None}, {"tool_calls": [begun]}]
        deltas += [
            {"tool_calls": [{"index": 0, "function": {"arguments": char}}]} for char in function["arguments"]
        ]
        return self.stream([*map(delta_event, deltas), *self._ending(body, "tool_calls", usage)])

    def _said(self, body: Mapping[str, Any], text: str, n_prompt: int) -> Response:
        text, reason = self._cut(text, body, n_prompt)
        reason = "length" if reason == "limit" else "stop"
        chat, usage = "messages" in body, usage_of(n_prompt, len(text))
        kind = "chat.completion" if chat else "text_completion"
        if not body.get("stream"):
            message: dict[str, Any] = {"message": {"role": "assistant", "content": text}}
            said = message if chat else {"text": text, "logprobs": None}
            choice = {"finish_reason": reason, "index": 0, **said} | chat_scores(body, text)
            timings = {"timings": timings_of(n_prompt, len(text))}
            return json_response(openai_body(kind, [choice]) | {"usage": usage} | timings)
        if not chat:
            lines = [text_event(char, None) for char in text]
            return self.stream([*lines, text_event("", reason, usage), DONE])
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": None}]
        deltas += [{"content": char} for char in text]
        return self.stream([*map(delta_event, deltas), *self._ending(body, reason, usage)])

    def _ending(self, body: Mapping[str, Any], reason: str, usage: dict[str, Any]) -> list[bytes]:
        return [] if self.without_end else chat_ending(reason, body, usage)

    def _overflow(self, n_prompt: int) -> Response | None:
        window = self.context_tokens
        if n_prompt < window:
            return None
        size = f"({window} tokens), try increasing it"
        said = f"request ({n_prompt} tokens) exceeds the available context size {size}"
        error = {"code": 400, "message": said, "type": "exceed_context_size_error",
                 "n_prompt_tokens": n_prompt, "n_ctx": window}  # fmt: skip
        return json_response({"error": error}, 400)

    def _cut(self, text: str, body: Mapping[str, Any], n_prompt: int) -> tuple[str, str]:
        ended = self.until_stop(text, body.get("stop", ()))
        text, reason = ended, "eos" if ended == text else "word"
        names = ("n_predict", "max_completion_tokens", "max_tokens")
        limit = next((body[name] for name in names if name in body), -1)
        room = self.context_tokens - n_prompt
        limit = room if limit < 0 else min(limit, room)
        return (text[:limit], "limit") if limit < len(text) else (text, reason)
