"""OpenAI's responses API, as OpenAI and Azure serve it: asked without anything being stored there.

Format: the types of openai 3.52.0 (`types/responses`), and recorded traffic of 2025 and 2026. They have no
stop strings, seed or penalties; answers are cut at stop strings here. Items of tools that the service runs
itself are not read.
"""

from __future__ import annotations

import json
from typing import ClassVar

from bridle.endpoints.base import Request, Scored
from bridle.endpoints.driver import CallPiece, Piece
from bridle.endpoints.drivers.cloud_driver import LOGPROBS, MOST_LOGPROBS, CloudDriver
from bridle.endpoints.drivers.cloud_messages import input_items, response_tools, strict_parameters
from bridle.endpoints.json_paths import integer_at, list_at, text_at, value_at
from bridle.endpoints.transport.http import HttpCall
from bridle.endpoints.transport.http_errors import refusal
from bridle.messages import JSON, Usage

__all__ = ["CloudResponses"]

ENDS = ("response.completed", "response.incomplete", "response.failed", "response.cancelled")


class CloudResponses(CloudDriver):
    """The responses API with strict schemas and strict functions."""

    constraint_fields: ClassVar[tuple[str, ...]] = ("text", "tools", "tool_choice")
    always_dropped: ClassVar[tuple[str, ...]] = ("presence_penalty", "frequency_penalty", "seed")

    def build(self, request: Request, model: str, stream: bool) -> HttpCall:
        """Write a call to `/responses`."""
        self.expect_answer()
        sampling = self.sampling(request.sampling)
        effort = sampling.pop("reasoning_effort", None) or self.effort(request)
        body: dict[str, JSON] = {
            "model": model,
            "input": input_items(request.messages, self.family.system),
            "store": False,
            "reasoning": None if effort is None else {"effort": effort},
            **sampling,
            "max_output_tokens": request.max_tokens,
            **self._held(request),
        }
        if request.logprobs and self.supports.logprobs and not self.left_out & LOGPROBS:
            body["top_logprobs"] = min(request.logprobs, MOST_LOGPROBS)
            body["include"] = ["message.output_text.logprobs"]
        if stream:
            body["stream"] = True
        return HttpCall(f"{self.base}/responses", self.kept(body))

    def _held(self, request: Request) -> dict[str, JSON]:
        if request.schema is not None and self.supports.json_schema:
            form: dict[str, JSON] = {"type": "json_schema", "name": "answer", "strict": True}
            return {"text": {"format": {**form, "schema": dict(request.schema)}}}
        if request.json_mode and self.supports.json_mode:
            return {"text": {"format": {"type": "json_object"}}}
        if not request.tools or not self.supports.tools:
            return {}
        choice = request.tool_choice
        plain = choice in ("auto", "required", "none")
        held: dict[str, JSON] = {
            "tools": response_tools(request.tools),
            "tool_choice": choice if plain else {"type": "function", "name": choice},
        }
        if self.family.one_call and any(strict_parameters(tool) for tool in request.tools):
            held["parallel_tool_calls"] = False
        return held

    def read(self, body: JSON) -> Piece | None:
        """Read a whole response, or one event of a stream; None for anything else, and an unfinished one."""
        kind = text_at(body, "type")
        if kind in ENDS:
            return self._end(value_at(body, "response"))
        if text_at(body, "object") == "response":
            return self._whole(body)
        if not kind:
            return None
        if kind == "response.output_text.delta":
            return Piece(text_at(body, "delta"), tokens=_scored(list_at(body, "logprobs")))
        if kind == "response.refusal.delta":
            self.withheld.refused = True
            return Piece(text_at(body, "delta"))
        if kind in ("response.reasoning_summary_text.delta", "response.reasoning_text.delta"):
            return Piece(thoughts=text_at(body, "delta"))
        return Piece(calls=_call_event(kind, body))

    def _whole(self, response: JSON) -> Piece | None:
        """Read a response that came in one piece."""
        end = self._end(response)
        if end is None:
            return None
        output = list_at(response, "output")
        parts = [part for item in output if text_at(item, "type") == "message" for part in _content(item)]
        self.withheld.refused = any(text_at(part, "type") == "refusal" for part in parts)
        return Piece(
            "".join(text_at(part, "text") or text_at(part, "refusal") for part in parts),
            end.finish_reason,
            end.usage,
            "".join(_thoughts(item) for item in output if text_at(item, "type") == "reasoning"),
            tuple(_call(item) for item in output if text_at(item, "type") == "function_call"),
            tuple(one for part in parts for one in _scored(list_at(part, "logprobs"))),
        )

    def _end(self, response: JSON) -> Piece | None:
        error = value_at(response, "error")
        if isinstance(error, dict):
            raise refusal(200, f"{self.base}/responses", json.dumps({"error": error}, ensure_ascii=False))
        status = text_at(response, "status")
        if status not in ("completed", "incomplete", "failed", "cancelled"):
            return None  # it runs in the background
        for one in list_at(response, "content_filters"):
            self.withheld.note(value_at(one, "content_filter_results"))
        return Piece(finish_reason=_reason(status, response), usage=_usage(response))


def _reason(status: str, response: JSON) -> str:
    if status == "incomplete":
        why = text_at(response, "incomplete_details", "reason")
        return why if why == "content_filter" else "length"
    if status != "completed":
        return "failed"
    called = any(text_at(item, "type") == "function_call" for item in list_at(response, "output"))
    return "tool_calls" if called else "stop"


def _call_event(kind: str, event: JSON) -> tuple[CallPiece, ...]:
    index = integer_at(event, "output_index")
    item = value_at(event, "item")
    if kind == "response.output_item.added" and text_at(item, "type") == "function_call":
        return (CallPiece(text_at(item, "name"), "", text_at(item, "call_id"), index),)
    if kind == "response.function_call_arguments.delta":
        return (CallPiece("", text_at(event, "delta"), "", index),)
    return ()


def _call(item: JSON) -> CallPiece:
    return CallPiece(text_at(item, "name"), text_at(item, "arguments"), text_at(item, "call_id"), whole=True)


def _content(item: JSON) -> list[JSON]:
    return list_at(item, "content")


def _thoughts(item: JSON) -> str:
    return "".join(text_at(part, "text") for part in [*list_at(item, "summary"), *list_at(item, "content")])


def _scored(listed: list[JSON]) -> tuple[Scored, ...]:
    return tuple(
        Scored(
            text_at(one, "token"),
            _number(value_at(one, "logprob")),
            {text_at(o, "token"): _number(value_at(o, "logprob")) for o in list_at(one, "top_logprobs")},
        )
        for one in listed
    )


def _number(value: JSON) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _usage(response: JSON) -> Usage | None:
    if not isinstance(value_at(response, "usage"), dict):
        return None
    return Usage(
        prompt_tokens=integer_at(response, "usage", "input_tokens") or 0,
        completion_tokens=integer_at(response, "usage", "output_tokens") or 0,
        cached_tokens=integer_at(response, "usage", "input_tokens_details", "cached_tokens") or 0,
    )
