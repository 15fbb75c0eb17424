"""An endpoint that answers from a list and remembers what was refused, and a question to put to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from bridle.endpoints.base import Answer, NativeCall, Request, Supports
from bridle.endpoints.scripted import Scripted
from bridle.errors import (
    BridleError,
    ConstraintRejected,
)
from bridle.messages import JSON, Completion, Message, ToolCall, ToolSpec

__all__ = [
    "ADD",
    "BY_GRAMMAR",
    "BY_SCHEMA",
    "CALLED",
    "EVERY",
    "NATIVE",
    "NUMBER",
    "RUNGS",
    "SAY",
    "TOOLS",
    "USER",
    "Server",
    "no",
    "routes",
    "tried",
]

ADD = ToolSpec(
    "add",
    "Add two numbers.",
    {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a", "b"],
    },
)
SAY = ToolSpec(
    "say", "", {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
)
TOOLS = (ADD, SAY)
USER = (Message("user", "1 + 2?"),)
CALLED = (ToolCall("add", {"a": 1, "b": 2}),)
BY_GRAMMAR = (
    '{\n  "function": "add",\n  "params": {\n    "inner_thoughts": "Easy.",\n    "a": 1,\n    "b": 2\n  }\n}'
)
BY_SCHEMA = '{"inner_thoughts":"Easy.","function":"add","params":{"a":1,"b":2}}'
NATIVE = Answer("", calls=(NativeCall("add", '{"a": 1, "b": 2}', "c1"),))
NUMBER: dict[str, JSON] = {
    "type": "object",
    "properties": {"n": {"type": "integer"}},
    "required": ["n"],
}
EVERY = Supports(
    prompt=True,
    chat=True,
    grammar=True,
    json_schema=True,
    schema_profile="ollama",
    tools=True,
    forced=True,
    named=True,
    json_mode=True,
)
RUNGS = ("grammar", "schema", "tool", "tools", "json", "text")


class Server(Scripted):
    """A scripted endpoint that keeps what was refused, as one that reaches a server does."""

    def __init__(
        self, answers: Iterable[str | Answer | BridleError], supports: Supports = EVERY, model: str = "m"
    ) -> None:
        super().__init__(answers, supports=supports, grammar_checked=False)
        self.refused: dict[str, str] = {}
        self.held: set[str] = set()
        self._model = model

    @property
    def model(self) -> str:
        return self._model


def no(status: int = 400, kind: Callable[..., BridleError] = ConstraintRejected) -> BridleError:
    return kind("not that", status=status)


def tried(completion: Completion) -> list[tuple[str, str]]:
    return [(attempt.rung, attempt.outcome) for attempt in completion.attempts]


def routes(server: Server) -> list[str]:
    return [_rung(request) for request in server.requests]


def _rung(request: Request) -> str:
    if request.grammar is not None:
        return "grammar"
    if request.schema is not None:
        return "schema"
    if request.tools:
        return "tools" if request.tool_choice == "auto" else "tool"
    return "json" if request.json_mode else "text"
