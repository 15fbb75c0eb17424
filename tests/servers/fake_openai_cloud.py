"""A fake of OpenAI's and Azure's services, as strict about requests as they are.

It speaks chat completions, responses, embeddings and the list of models, below `/v1` as OpenAI, and below
`/openai/v1` and `/openai/deployments/NAME` as Azure. Shapes are those of recorded traffic; refusals those of
the API references (2026-08). A character is a token.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema

from servers.fake import TEXT, Response, Seen, SpeakingServer, json_response

__all__ = ["FakeOpenAICloud"]

CHAT = {
    "model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "temperature",
    "top_p", "presence_penalty", "frequency_penalty", "seed", "stop", "logprobs", "top_logprobs",
    "response_format", "tools", "tool_choice", "parallel_tool_calls", "reasoning_effort", "user",
    "logit_bias", "n", "verbosity", "service_tier", "metadata", "store",
}  # fmt: skip
RESPONSES = {
    "model", "input", "instructions", "stream", "max_output_tokens", "temperature", "top_p", "tools",
    "tool_choice", "parallel_tool_calls", "text", "reasoning", "store", "include", "top_logprobs",
    "truncation",
}  # fmt: skip
REASONING_REFUSES = (
    "max_tokens", "temperature", "top_p", "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs",
    "stop",
)  # fmt: skip


class FakeOpenAICloud(SpeakingServer):
    """Says `text`; where tools are given, calls `calls`. `reasons` models refuse sampling."""

    def __init__(self, text: str = TEXT) -> None:
        super().__init__(text)
        self.calls: list[tuple[str, str]] = []
        self.thoughts = ""
        self.refusal = ""
        self.key = ""
        self.reasons = False
        self.refuses: tuple[str, ...] = ()
        """Further members that the model refuses by name."""
        self.window = 10_000
        self.withholds = False
        """When set, a filter takes the whole answer."""
        self.routes["*"] = self._answer

    @property
    def asked(self) -> dict[str, Any]:
        """The body of the last request that was not for a list."""
        return next(seen.body for seen in reversed(self.seen) if seen.method == "POST")

    def _answer(self, seen: Seen) -> Response:
        path = seen.path.partition("?")[0]
        azure = path.startswith("/openai/")
        classic = path.startswith("/openai/deployments/")
        if classic != ("api-version=" in seen.path and not path.endswith(("/models", "/responses"))):
            return _error(404, "404", "Resource not found")
        if self.key and self.key not in (_bearer(seen), seen.headers.get("api-key", "")):
            return _error(401, "invalid_api_key", f"Incorrect API key provided: {self.key[:3]}***")
        if path.endswith("/models"):
            listed = [{"id": name, "object": "model", "owned_by": "system"} for name in ("gpt-4.1", "o3")]
            return json_response({"object": "list", "data": listed})
        if path.endswith("/embeddings"):
            return self._embeddings(seen.body)
        refused = self._refused(seen.body, RESPONSES if path.endswith("/responses") else CHAT, azure)
        if refused is not None:
            return refused
        if path.endswith("/responses"):
            return self._responses(seen.body)
        if path.endswith("/chat/completions"):
            return self._chat(seen.body, azure)
        return _error(404, None, f"Invalid URL (POST {path})")

    def _refused(self, body: Mapping[str, Any], known: set[str], azure: bool) -> Response | None:
        for name, value in body.items():
            if name not in known:
                return _error(400, None, f"Unrecognized request argument supplied: {name}")
            if value is None and name not in ("stop", "user"):
                return _error(400, "invalid_type", f"Invalid type for '{name}': got null instead.", name)
            if name in self.refuses or (self.reasons and name in REASONING_REFUSES):
                said = f"Unsupported parameter: '{name}' is not supported with this model."
                return _error(400, "unsupported_parameter", said, name)
        if len(body.get("stop") or ()) > 4:
            return _error(400, "array_above_max_length", "Invalid 'stop': array too long.", "stop")
        length = sum(len(str(one.get("content") or "")) for one in _turns(body))
        if length > self.window:
            said = f"This model's maximum context length is {self.window} tokens. However, your messages "
            said += f"resulted in {length} tokens. Please reduce the length of the messages."
            return _error(400, "context_length_exceeded", said, "messages")
        if azure and "forbidden" in json.dumps(_turns(body)):
            return _filtered_prompt()
        for tool in body.get("tools", ()):
            function = tool.get("function", tool)
            if function.get("strict") and not _is_closed(function["parameters"]):
                said = f"Invalid schema for function '{function['name']}': 'additionalProperties' is required"
                return _error(400, "invalid_function_parameters", said, "tools[0].function.parameters")
        return None

    def _embeddings(self, body: Mapping[str, Any]) -> Response:
        if any(len(text) > self.window for text in body["input"]):
            return _error(
                400, None, f"This model's maximum context length is {self.window} tokens, however ..."
            )
        if body.get("encoding_format") != "float":
            return json_response({"data": [{"index": 0, "embedding": "AAAA"}]})
        size = body.get("dimensions", 4)
        data = [
            {
                "object": "embedding",
                "index": n,
                "embedding": [float(n), float(len(text)), *[0.5] * (size - 2)],
            }
            for n, text in enumerate(body["input"])
        ]
        usage = {"prompt_tokens": sum(map(len, body["input"])), "total_tokens": 0}
        return json_response({"object": "list", "data": data[::-1], "model": body["model"], "usage": usage})

    def _said(self, body: Mapping[str, Any]) -> tuple[str, str]:
        text, reason = self.text, "stop"
        asked: dict[str, Any] = body.get("text") or {}
        form: dict[str, Any] = body.get("response_format") or asked.get("format") or {}
        if form.get("type") == "json_schema":
            text = _held(text, form.get("json_schema", form)["schema"])
        text = self.until_stop(text, body.get("stop") or ())
        limits: list[int] = [
            body[k] for k in ("max_completion_tokens", "max_tokens", "max_output_tokens") if k in body
        ]
        if limits and limits[0] < len(text):
            text, reason = text[: limits[0]], "length"
        return text, reason

    def _usage(self, body: Mapping[str, Any], text: str) -> dict[str, Any]:
        asked = sum(len(str(one.get("content") or "")) for one in _turns(body))
        return {
            "prompt_tokens": asked, "completion_tokens": len(text), "total_tokens": asked + len(text),
            "prompt_tokens_details": {"cached_tokens": asked // 2, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0},
        }  # fmt: skip

    def _chat(self, body: Mapping[str, Any], azure: bool) -> Response:
        text, reason = self._said(body)
        calls = self.calls if body.get("tools") and body.get("tool_choice") != "none" else []
        message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
        if calls:
            reason, message["content"] = "tool_calls", None
            message["tool_calls"] = [_chat_call(n, *one) for n, one in enumerate(calls)]
        if self.refusal:
            message |= {"content": None, "refusal": self.refusal}
        choice: dict[str, Any] = {"index": 0, "message": message, "finish_reason": reason, "logprobs": None}
        if body.get("logprobs"):
            choice["logprobs"] = {"content": [_scored(character) for character in text], "refusal": None}
        if self.withholds:
            choice = {
                "index": 0,
                "finish_reason": "content_filter",
                "content_filter_results": _results("violence"),
            }
        if body.get("stream"):
            return self._stream(_chat_chunks(choice, azure), self._usage(body, text), body)
        whole = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": body.get("model", "m"),
        }
        return json_response(
            {**whole, "choices": [choice], "usage": self._usage(body, text)},
            headers={"x-request-id": "req_1"},
        )

    def _stream(self, chunks: Iterator[dict[str, Any]], usage: object, body: Mapping[str, Any]) -> Response:
        base = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        lines = [_data({**base, "usage": None, **chunk}) for chunk in chunks]
        if self.without_end:
            lines = lines[:-1]
        else:
            if body.get("stream_options") == {"include_usage": True}:
                lines.append(_data({**base, "choices": [], "usage": usage}))
            lines.append(b"data: [DONE]\n\n")
        return self.stream(lines)

    def _responses(self, body: Mapping[str, Any]) -> Response:
        text, reason = self._said(body)
        part: dict[str, Any] = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
        if self.refusal:
            part = {"type": "refusal", "refusal": self.refusal}
        output: list[dict[str, Any]] = []
        if self.thoughts:
            summary = [{"type": "summary_text", "text": self.thoughts}]
            output.append({"type": "reasoning", "id": "rs_1", "summary": summary})
        if body.get("tools") and self.calls:
            output += [_response_call(n, *one) for n, one in enumerate(self.calls)]
        else:
            output.append({"type": "message", "id": "msg_1", "role": "assistant", "content": [part]})
        usage = self._usage(body, text)
        whole: dict[str, Any] = {
            "id": "resp_1", "object": "response", "status": "completed", "error": None, "output": output,
            "incomplete_details": None, "model": body["model"],
            "usage": {
                "input_tokens": usage["prompt_tokens"], "output_tokens": len(text),
                "input_tokens_details": {"cached_tokens": usage["prompt_tokens"] // 2},
            },
        }  # fmt: skip
        if reason == "length":
            whole |= {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
        if not body.get("stream"):
            return json_response(whole)
        told: list[dict[str, Any]] = [
            {"type": "response.created", "response": {**whole, "status": "in_progress", "output": []}}
        ]
        told += [one for at, item in enumerate(output) for one in _item_events(at, item)]
        if not self.without_end:
            told.append({"type": f"response.{whole['status']}", "response": whole})
        return self.stream([f"event: {one['type']}\n".encode() + _data(one) for one in told])


def _turns(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    turns: Any = body.get("messages") or body.get("input") or []
    return [{"content": turns}] if isinstance(turns, str) else turns


def _bearer(seen: Seen) -> str:
    return seen.headers.get("authorization", "").removeprefix("Bearer ")


def _error(status: int, code: str | None, message: str, param: str | None = None) -> Response:
    kind = "invalid_request_error" if status < 500 else "server_error"
    error = {"message": message, "type": kind, "param": param, "code": code}
    return json_response({"error": error}, status, {"x-request-id": "req_7"})


def _results(*filtered: str) -> dict[str, Any]:
    names = ("hate", "self_harm", "sexual", "violence")
    return {name: {"filtered": name in filtered, "severity": "safe"} for name in names}


def _filtered_prompt() -> Response:
    inner = {"code": "ResponsibleAIPolicyViolation", "content_filter_result": _results("hate", "violence")}
    said = "The response was filtered due to the prompt triggering Azure OpenAI's content management policy."
    error = {"message": said, "type": None, "param": "prompt", "code": "content_filter", "status": 400}
    return json_response({"error": {**error, "innererror": inner}}, 400)


def _is_closed(schema: Any) -> bool:
    return schema.get("additionalProperties") is False and set(schema.get("properties", {})) == set(
        schema.get("required", ())
    )


def _held(text: str, schema: dict[str, Any]) -> str:
    """The text where it fits the schema, else the least value that does."""
    try:
        jsonschema.validate(json.loads(text), schema)
    except (ValueError, jsonschema.ValidationError):
        text = json.dumps(_least(schema))
        jsonschema.validate(json.loads(text), schema)
    return text


def _least(schema: dict[str, Any]) -> object:
    if "const" in schema or "enum" in schema:
        return schema.get("const", (schema.get("enum") or [None])[0])
    if "anyOf" in schema:
        branches: list[dict[str, Any]] = schema["anyOf"]
        return None if {"type": "null"} in branches else _least(branches[0])
    kind = str(schema.get("type"))
    if kind == "object":
        return {name: _least(schema["properties"][name]) for name in schema.get("required", ())}
    least: dict[str, object] = {"string": "", "integer": 0, "number": 0, "boolean": False, "array": []}
    return least.get(kind)  # null where several types may be


def _chat_call(n: int, name: str, arguments: str) -> dict[str, Any]:
    return {"id": f"call_{n}", "type": "function", "function": {"name": name, "arguments": arguments}}


def _response_call(n: int, name: str, arguments: str) -> dict[str, Any]:
    call = {"call_id": f"call_{n}", "name": name, "arguments": arguments}
    return {"type": "function_call", "id": f"fc_{n}", "status": "completed", **call}


def _scored(token: str) -> dict[str, Any]:
    return {"token": token, "logprob": -0.5, "top_logprobs": [{"token": token, "logprob": -0.5}]}


def _chat_chunks(choice: dict[str, Any], azure: bool) -> Iterator[dict[str, Any]]:
    if azure:
        yield {"choices": [], "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {}}]}
    message: dict[str, Any] = choice.get("message") or {}
    yield _delta({"role": "assistant", "content": "" if message.get("content") else None, "refusal": None})
    for text in _pieces(message.get("content") or ""):
        yield _delta({"content": text}, choice.get("logprobs") and {"content": [_scored(text)]})
    for text in _pieces(message.get("refusal") or ""):
        yield _delta({"refusal": text})
    for index, call in enumerate(message.get("tool_calls") or ()):
        arguments = call["function"]["arguments"]
        yield _delta(
            {"tool_calls": [{**call, "index": index, "function": {**call["function"], "arguments": ""}}]}
        )
        for text in _pieces(arguments):
            yield _delta({"tool_calls": [{"index": index, "function": {"arguments": text}}]})
    last: dict[str, Any] = {
        "index": 0,
        "delta": {},
        "finish_reason": choice["finish_reason"],
        "logprobs": None,
    }
    if "content_filter_results" in choice:
        last["content_filter_results"] = choice["content_filter_results"]
    yield {"choices": [last]}


def _delta(delta: dict[str, Any], logprobs: object = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": None}]}


def _item_events(at: int, item: dict[str, Any]) -> Iterator[dict[str, Any]]:
    empty: dict[str, Any] = {**item, "content": []} if "content" in item else {**item, "arguments": ""}
    yield {"type": "response.output_item.added", "output_index": at, "item": empty}
    for text in _pieces(item.get("arguments", "")):
        yield {"type": "response.function_call_arguments.delta", "output_index": at, "delta": text}
    for part in item.get("content", ()):
        name = "output_text" if "text" in part else "refusal"
        for text in _pieces(part.get("text") or part.get("refusal")):
            yield {"type": f"response.{name}.delta", "output_index": at, "delta": text}
    for part in item.get("summary", ()):
        yield {"type": "response.reasoning_summary_text.delta", "output_index": at, "delta": part["text"]}
    yield {"type": "response.output_item.done", "output_index": at, "item": item}


def _pieces(text: str) -> list[str]:
    return [text[at : at + 3] for at in range(0, len(text), 3)]


def _data(body: object) -> bytes:
    return b"data: " + json.dumps(body, ensure_ascii=False).encode() + b"\n\n"
