"""A tool: what a model sees of it and what runs. How it is run, and made, is told in the modules beside."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from bridle.errors import InputError, SchemaError
from bridle.messages import ToolSpec, tool_from_dict
from bridle.wrappers.checking import check_references

__all__ = [
    "DEFAULT_TIMEOUT_S",
    "HEARTBEAT",
    "Tool",
    "check_name",
    "check_names",
    "check_parameters",
    "tool_from_schema",
]

DEFAULT_TIMEOUT_S = 30.0
HEARTBEAT = "request_heartbeat"
"""The parameter that an agent adds to the functions it shows to its model."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
"""What OpenAI's servers take as the name of a function."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that an agent may call. `run(**arguments)` does it, and may be async.

    `arguments` are JSON values that the schema of `spec` accepts. `timeout_s` is in seconds, above 0.
    `source` says where the tool comes from, for people.
    """

    spec: ToolSpec
    run: Callable[..., object]
    timeout_s: float = DEFAULT_TIMEOUT_S
    source: str = ""

    def __post_init__(self) -> None:
        if not 0 < self.timeout_s < math.inf:
            raise InputError(
                f"the time limit of the tool {self.spec.name!r} is {self.timeout_s!r} s",
                hint="give it seconds, more than 0",
            )

    @property
    def name(self) -> str:
        """The name that the model calls it by."""
        return self.spec.name


def tool_from_schema(
    spec: ToolSpec | Mapping[str, object],
    run: Callable[..., object],
    *,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    source: str = "",
) -> Tool:
    """Make a tool of a JSON Schema, in the shape of OpenAI, Anthropic or MCP, and what runs it.

    Raises:
        InputError: for a spec without a name, or of another shape.
        SchemaError: for a schema that refers to what is not in it.

    >>> spec = {"name": "twice", "parameters": {"type": "object", "properties": {"n": {"type": "integer"}}}}
    >>> tool_from_schema(spec, lambda n: 2 * n).name
    'twice'
    """
    known = spec if isinstance(spec, ToolSpec) else tool_from_dict(spec)
    check_name(known.name)
    check_parameters(known)
    try:
        check_references(known.parameters)
    except SchemaError as error:
        raise SchemaError(f"the tool {known.name!r}: {error.message}", hint=error.hint) from error
    return Tool(known, run, timeout_s, source)


def check_name(name: str) -> None:
    """Refuse what no server takes as the name of a function."""
    if not _NAME.fullmatch(name):
        raise InputError(
            f"a tool has the name {name!r}",
            hint="use at most 64 letters, digits, underscores and dashes, and begin with a letter",
        )


def check_parameters(spec: ToolSpec) -> None:
    """Refuse the parameter that the agent adds to each function itself."""
    if HEARTBEAT in spec.properties:
        raise SchemaError(
            f"the tool {spec.name!r} has a parameter {HEARTBEAT!r}",
            pointer=f"#/properties/{HEARTBEAT}",
            hint="give it another name: the agent has that one for its own",
        )


def check_names(tools: Sequence[Tool], reserved: Iterable[str]) -> None:
    """Refuse two tools of one name, and those that are called like a function of the agent's own.

    Raises:
        InputError: naming the first such tool, and where it comes from.
    """
    taken = dict.fromkeys(reserved, "a memory function")
    for tool in tools:
        source = tool.source or "a given tool"
        if tool.name in taken:
            raise InputError(
                f"the name {tool.name!r} of {source} is taken by {taken[tool.name]}",
                hint="give the tool another name",
            )
        taken[tool.name] = source
