"""OpenAI's chat completions, as OpenAI and Azure themselves serve them.

Format: the types of openai 3.52.0 (`types/chat`). What Azure's filters answer is taken from recorded traffic
of API version 2024-02-01 and later (openllmetry's and llama-stack's recordings).
"""

from __future__ import annotations

from typing import ClassVar

from bridle.endpoints.base import Request
from bridle.endpoints.driver import Piece
from bridle.endpoints.drivers.cloud_driver import LOGPROBS, MOST_LOGPROBS, MOST_STOPS, CloudDriver
from bridle.endpoints.drivers.cloud_messages import chat_messages, chat_tools, strict_parameters
from bridle.endpoints.drivers.openai_chat import read_piece, read_refusal, tool_choice
from bridle.endpoints.json_paths import list_at, text_at, value_at
from bridle.endpoints.transport.http import HttpCall
from bridle.messages import JSON

__all__ = ["CloudChat"]


class CloudChat(CloudDriver):
    """Chat completions with strict schemas, strict functions, and the rules of reasoning models."""

    constraint_fields: ClassVar[tuple[str, ...]] = ("response_format", "tools", "tool_choice")

    def build(self, request: Request, model: str, stream: bool) -> HttpCall:
        """Write a call to `/chat/completions`."""
        self.expect_answer()
        body: dict[str, JSON] = {
            "model": model,
            "messages": chat_messages(request.messages, self.family.system),
            "reasoning_effort": self.effort(request),
            **self.sampling(request.sampling),
            **self._logprobs(request),
            self.limit: request.max_tokens,
            **self._held(request),
        }
        if request.stop and not self.family.reasons:
            body["stop"] = list(request.stop[:MOST_STOPS])
        if stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        return HttpCall(f"{self.base}/chat/completions", self.kept(body))

    def _logprobs(self, request: Request) -> dict[str, JSON]:
        if not request.logprobs or not self.supports.logprobs or self.left_out & LOGPROBS:
            return {}
        return {"logprobs": True, "top_logprobs": min(request.logprobs, MOST_LOGPROBS)}

    def _held(self, request: Request) -> dict[str, JSON]:
        """Write what holds the answer: a schema, or tools."""
        if request.schema is not None and self.supports.json_schema:
            form: JSON = {"name": "answer", "schema": dict(request.schema), "strict": True}
            return {"response_format": {"type": "json_schema", "json_schema": form}}
        if request.json_mode and self.supports.json_mode:
            return {"response_format": {"type": "json_object"}}
        if not request.tools or not self.supports.tools:
            return {}
        held: dict[str, JSON] = {
            "tools": chat_tools(request.tools),
            "tool_choice": tool_choice(request.tool_choice),
        }
        # Several calls in one answer are not held to their schemas (OpenAI's guide to function calling).
        if self.family.one_call and any(strict_parameters(tool) for tool in request.tools):
            held["parallel_tool_calls"] = False
        return held

    def read(self, body: JSON) -> Piece | None:
        """Read a chat completion or one chunk of it, with what a filter or the model itself held back."""
        piece = read_piece(body)
        choices = list_at(body, "choices")
        if piece is None or (not choices and text_at(body, "object") == "chat.completion"):
            return None
        self.withheld.note(value_at(choices, 0, "content_filter_results"))
        self.withheld.refused = self.withheld.refused or bool(read_refusal(body))
        return piece
