"""What flows through bridle: messages, tools, calls and completions as frozen values.

Everything else in the toolkit is a function on these types. They hold no ids from a database, no
clock and no provider names; equal content means equal values. A dict from outside becomes one of
them at the edge (`as_messages`, `as_tools`: the shapes of OpenAI's chat API), and facts that a
provider needs back on the next request travel in `extra`. All of it is one file, because it is the one
vocabulary of the toolkit: whoever reads a value's type finds beside it how it is written and read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, TypeVar, Union, cast

from bridle.errors import InputError

__all__ = [
    "JSON",
    "Attempt",
    "Completion",
    "ConstraintCost",
    "ConstraintReport",
    "Delta",
    "Finish",
    "Message",
    "Proof",
    "Refusal",
    "Repair",
    "Role",
    "ToolCall",
    "ToolSpec",
    "Usage",
    "as_messages",
    "as_tools",
    "message_from_dict",
    "message_to_dict",
    "tool_from_dict",
    "tool_to_dict",
]

JSON: TypeAlias = Union[bool, int, float, str, list["JSON"], dict[str, "JSON"], None]  # noqa: UP007
"""A value that JSON can write."""

T = TypeVar("T")

Role = Literal["system", "user", "assistant", "tool"]
Finish = Literal["stop", "length", "cancelled"]
"""Why generation ended: by itself, at the token limit, or because the caller stopped it."""
Proof = Literal["proven", "claimed", "unverified", "violated"]
"""How far a constraint can be trusted: enforced by our own decoder, said by a server to be enforced,
not enforced by anything, or seen to be broken."""


def _nothing() -> Mapping[str, JSON]:
    return {}


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A function that a model may call. `parameters` is a JSON Schema of type object."""

    name: str
    description: str = ""
    parameters: Mapping[str, JSON] = field(default_factory=_nothing)

    @property
    def properties(self) -> Mapping[str, Mapping[str, JSON]]:
        """The parameters' own schemas, in declared order; `true` and `false` in their long form."""
        found = self.parameters.get("properties")
        if not isinstance(found, dict):
            return {}
        return {
            name: schema if isinstance(schema, dict) else {} if schema else {"not": {}}
            for name, schema in found.items()
        }

    @property
    def required(self) -> tuple[str, ...]:
        """The names of the parameters that every call must give."""
        found = self.parameters.get("required")
        return tuple(str(name) for name in found) if isinstance(found, list) else ()


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call as the model meant it. Thoughts are never an argument unless the tool declares them."""

    name: str
    arguments: Mapping[str, JSON] = field(default_factory=_nothing)


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation.

    `calls` and `thoughts` belong to assistant turns. A turn of role `tool` answers a call: `name` is
    then the function's name. `extra` carries what a provider wants back unchanged (call ids).
    """

    role: Role
    content: str = ""
    thoughts: str = ""
    calls: tuple[ToolCall, ...] = ()
    name: str | None = None
    extra: Mapping[str, JSON] = field(default_factory=_nothing)


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of one completion, in tokens of the model that ran.

    `cached_tokens` is the part of the prompt that needed no evaluation. `sampled_tokens` were chosen by
    the model; `forced_tokens` were the only ones that the constraint allowed.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    sampled_tokens: int = 0
    forced_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Repair:
    """One change that reading made to what the model wrote: what rule, where (character), before, after."""

    what: str
    where: int
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why something that looked like a call is not one, worded so that a model can be asked again."""

    reason: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class ConstraintReport:
    """What was asked to hold for the output, who enforced it, and how far that can be trusted.

    `weakened` lists schema keywords that the constraint could not express, as `POINTER KEYWORD`; calls are
    checked against the full schema after reading all the same.
    """

    asked: str = "off"
    engine: str = ""
    proof: Proof = "unverified"
    weakened: tuple[str, ...] = ()
    longest: int | None = None
    """An upper bound of the length of any output that the constraint allows, in bytes of UTF-8."""
    fits: bool | None = None
    """Does every answer that the constraint allows end within `max_tokens`? None where neither was asked."""
    sent_as: tuple[str, ...] = ()
    """The fields of the server's API that carried the constraint; empty for a model in this process."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request that was made for a completion: the rung of the ladder it stood on, and what became of it.

    `rung` is "grammar", "schema", "tool" (the server is told to call), "tools" (it may), "json" or "text".
    `refused` means that the server declined the constraint, `invalid` that what came back was no valid call.
    """

    rung: str
    outcome: Literal["answered", "refused", "invalid"]
    reason: str = ""
    usage: Usage = Usage()


@dataclass(frozen=True, slots=True)
class ConstraintCost:
    """What it cost to hold one answer, measured in the decode loop of a model in this process.

    `rejected` counts tokens that the model chose and the constraint refused. `interventions` counts tokens
    that were taken from the plan that closes the answer in time, in place of the model's own. `nats` is the
    sum over all sampled tokens of -ln of the probability (temperature 1) that the constraint left to the
    model: 0 means that the model would have written this form by itself. `surprise_nats` is the same sum for
    the chosen tokens themselves. `mask_seconds` is the time that the engine took.
    """

    rejected: int = 0
    interventions: int = 0
    nats: float = 0.0
    surprise_nats: float = 0.0
    mask_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Completion:
    """What came back from a model: the message, the raw text it was read from, and how it came about.

    `finish_reason` is the server's own spelling; `finish` is ours. `dropped` names request fields that the
    endpoint could not honour. `seconds` is the wall time of all model calls, and `attempts` lists them; raw
    text, usage and all else are of the last one. `cost` is None where the model did not run in this process,
    and where nothing was held. `sent` is the body that a server was sent last, under its own names.
    """

    message: Message
    raw: str = ""
    finish: Finish = "stop"
    finish_reason: str = ""
    usage: Usage = Usage()
    constraint: ConstraintReport = ConstraintReport()
    repairs: tuple[Repair, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    dropped: tuple[str, ...] = ()
    wrapper: str = ""
    wrapper_reason: str = ""
    seconds: float = 0.0
    cost: ConstraintCost | None = None
    attempts: tuple[Attempt, ...] = ()
    sent: Mapping[str, JSON] = field(default_factory=_nothing, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Delta:
    """One piece of a streamed answer.

    `text` and `thoughts` are fragments as they arrive. A call is announced once by `call_name` with its
    `index`, then its arguments arrive as fragments of JSON text in `arguments`; `call` is the whole call,
    last. `restart` says that the model is asked again, so that what it has said so far is void.
    """

    text: str = ""
    thoughts: str = ""
    index: int | None = None
    call_name: str = ""
    arguments: str = ""
    call: ToolCall | None = None
    restart: bool = False


def as_messages(messages: Iterable[Message | Mapping[str, object]]) -> tuple[Message, ...]:
    """Turn messages, or dicts in the shape of OpenAI's chat API, into `Message` values.

    Raises:
        InputError: for a role, content or call that is none of those shapes.

    >>> as_messages([{"role": "user", "content": "hi"}])[0].content
    'hi'
    """
    listed = _listed(messages, "message")
    return tuple(m if isinstance(m, Message) else message_from_dict(m) for m in listed)


def as_tools(tools: Iterable[ToolSpec | Mapping[str, object]]) -> tuple[ToolSpec, ...]:
    """Turn tools, or dicts in the shape of OpenAI's `tools`, into `ToolSpec` values with distinct names.

    Raises:
        InputError: for a dict of another shape, and for two tools of one name.
    """
    listed = _listed(tools, "tool")
    specs = tuple(t if isinstance(t, ToolSpec) else tool_from_dict(t) for t in listed)
    names = [spec.name for spec in specs]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"two tools are called {name!r}", hint="give each tool its own name")
    return specs


def _listed(values: Iterable[T], what: str) -> tuple[T, ...]:
    """All values, if they are a list of what they should be: one alone is easily given in its place."""
    given = cast("object", values)
    if isinstance(given, str | Mapping) or not isinstance(given, Iterable):
        raise InputError(f"the {what}s are {given!r}", hint=f"give a list, also of one {what}")
    found = tuple(values)
    for value in found:
        if not isinstance(value, Message | ToolSpec | Mapping):
            raise InputError(f"a {what} is {value!r}", hint="give a dict in the shape of OpenAI's chat API")
    return found


def tool_from_dict(tool: Mapping[str, object]) -> ToolSpec:
    """Read one tool: `{"type": "function", "function": {...}}` or the inner object alone.

    The schema may also be called `inputSchema` (MCP) or `input_schema` (Anthropic).

    >>> tool_from_dict({"name": "now"}).name
    'now'
    """
    inner = tool.get("function", tool)
    if not isinstance(inner, Mapping):
        raise InputError(f"a tool's 'function' is {inner!r}", hint="it must be an object")
    body = cast("Mapping[str, object]", inner)
    name = body.get("name")
    if not isinstance(name, str) or not name:
        raise InputError(
            f"a tool has the name {name!r}",
            hint='each tool needs {"type": "function", "function": {"name": …, "parameters": {…}}}',
        )
    description = body.get("description") or ""
    schemas = (body.get(key) for key in ("parameters", "inputSchema", "input_schema"))
    parameters: object = next((schema for schema in schemas if schema is not None), None)
    if parameters is None:
        parameters = dict[str, JSON](type="object", properties={})
    if not isinstance(parameters, dict):
        raise InputError(
            f"the parameters of tool {name!r} are {parameters!r}", hint="give a JSON Schema object"
        )
    schema = cast("dict[str, JSON]", parameters)
    kind = schema.get("type", "object")
    if kind != "object":
        raise InputError(
            f"the parameters of tool {name!r} have type {kind!r}", hint="the type must be 'object'"
        )
    return ToolSpec(name, str(description), schema)


def tool_to_dict(tool: ToolSpec) -> dict[str, JSON]:
    """Write one tool in OpenAI's shape."""
    return {
        "type": "function",
        "function": {
            "name": tool.name,
            "description": tool.description,
            "parameters": dict(tool.parameters) or {"type": "object", "properties": {}},
        },
    }


def message_from_dict(message: Mapping[str, object]) -> Message:
    """Read one message in the shape of OpenAI's chat API.

    Text parts are joined; images and other media raise an `InputError`, because nothing here can show them
    to a text model. `developer` means `system`, `function` means `tool`.
    """
    role = _ROLES.get(str(message.get("role")))
    if role is None:
        raise InputError(
            f"a message has the role {message.get('role')!r}",
            hint="roles are system, user, assistant and tool",
        )
    name = message.get("name")
    extra: dict[str, JSON] = {}
    if isinstance(message.get("tool_call_id"), str):
        extra["tool_call_id"] = str(message["tool_call_id"])
    calls, ids = _calls_from_dict(message)
    if ids:
        extra["call_ids"] = ids
    thoughts = message.get("reasoning_content") or message.get("thoughts") or ""
    return Message(
        role=role,
        content=_content_from_dict(message.get("content")),
        thoughts=str(thoughts),
        calls=calls,
        name=name if isinstance(name, str) else None,
        extra=extra,
    )


_ROLES: Mapping[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}


def _mapping(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, Mapping) else dict[str, object]()


def _content_from_dict(content: object) -> str:
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if not isinstance(content, Sequence):
        raise InputError(f"a message's content is {content!r}", hint="it must be text")
    pieces: list[str] = []
    for part in cast("Sequence[object]", content):
        if isinstance(part, str):
            pieces.append(part)
            continue
        body = _mapping(part)
        text = body.get("text")
        if body.get("type", "text") not in ("text", "input_text") or not isinstance(text, str):
            raise InputError(
                f"a message has a part of type {body.get('type')!r}",
                hint="only text can be sent to a text model; leave images and audio out",
            )
        pieces.append(text)
    return "".join(pieces)


def _calls_from_dict(message: Mapping[str, object]) -> tuple[tuple[ToolCall, ...], list[JSON]]:
    found: list[object] = []
    listed = message.get("tool_calls")
    if isinstance(listed, list):
        found.extend(cast("list[object]", listed))
    if message.get("function_call"):
        found.append({"function": message["function_call"]})
    calls: list[ToolCall] = []
    ids: list[JSON] = []
    for one in found:
        outer = _mapping(one)
        inner = _mapping(outer.get("function"))
        name, arguments = inner.get("name"), inner.get("arguments", {})
        if isinstance(arguments, str):
            try:
                arguments = json.loads(arguments or "{}")
            except json.JSONDecodeError as error:
                raise InputError(
                    f"a past call of {name!r} has arguments that are not JSON: {arguments!r}",
                    hint=f"at character {error.pos}: {error.msg}",
                ) from error
        if not isinstance(name, str) or not isinstance(arguments, dict):
            raise InputError(
                f"a past call is {one!r}", hint='it must be {"function": {"name": …, "arguments": …}}'
            )
        calls.append(ToolCall(name, cast("dict[str, JSON]", arguments)))
        if isinstance(outer.get("id"), str):
            ids.append(str(outer["id"]))
    return tuple(calls), ids if len(ids) == len(calls) else []


def message_to_dict(message: Message) -> dict[str, JSON]:
    """Write one message in OpenAI's shape, with the call ids it came with or made-up stable ones."""
    out: dict[str, JSON] = {"role": message.role, "content": message.content}
    if message.thoughts:
        out["reasoning_content"] = message.thoughts
    if message.name is not None:
        out["name"] = message.name
    if message.role == "tool":
        out["tool_call_id"] = message.extra.get("tool_call_id", "call_0")
    if message.calls:
        ids = message.extra.get("call_ids")
        known = ids if isinstance(ids, list) else []
        out["tool_calls"] = [
            {
                "id": known[i] if i < len(known) else f"call_{i}",
                "type": "function",
                "function": {
                    "name": call.name,
                    "arguments": json.dumps(dict(call.arguments), ensure_ascii=False),
                },
            }
            for i, call in enumerate(message.calls)
        ]
    return out
