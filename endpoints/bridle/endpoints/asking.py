"""What a caller asks, looked up and checked: which wrapper, which tools, what may be called and quoted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, cast, get_args

from bridle.endpoints.base import Configured, Endpoint
from bridle.endpoints.budget import Fit
from bridle.endpoints.choose import choose
from bridle.errors import InputError, SchemaError
from bridle.grammars import Bounds, Grammar
from bridle.grammars.quotes import without_quotes
from bridle.grammars.schema_keywords import check_schema
from bridle.messages import JSON, Message, ToolSpec, as_messages, as_tools
from bridle.wrappers import Wrapper
from bridle.wrappers.checking import check_references

__all__ = ["ConstraintChoice", "Question", "Wishes", "ask_about", "quotes_of"]

ConstraintChoice = Literal["auto", "off", "grammar", "schema", "tool", "tools", "json"]
"""What is to hold a call: the strongest that there is, nothing, or one rung of `bridle.endpoints.ladder`."""
Mode = Literal["text", "text_or_call", "call"]


@dataclass(frozen=True, slots=True)
class Wishes:
    """How the caller wants a question to be held; `respond` says what each means."""

    tool_choice: str = "auto"
    allowed: Sequence[ToolSpec] | None = None
    thoughts: Mapping[str, JSON] | None = None
    constraint: ConstraintChoice = "auto"
    schema: Mapping[str, JSON] | None = None
    gbnf: str | None = None
    grammar: Grammar | None = None
    quotes: Mapping[str, Sequence[str]] | None = None
    fields: tuple[str, ...] = ()
    parallel: int = 1
    think: bool = False
    max_tokens: int | None = None
    fit: Fit = "likely"
    bounds: Bounds | None = None
    loosen: bool = True


@dataclass(frozen=True, slots=True)
class Question:
    """What the caller asked, with everything looked up; `tools` are shown, `allowed` may be called.

    `guessed` says that nothing is known of the model, so that the wrapper is only the usual one.
    `preferred` is what the endpoint's configuration names for a constraint of "auto".
    """

    wrapper: Wrapper
    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...]
    allowed: tuple[ToolSpec, ...]
    mode: Mode
    only: str | None
    bounds: Bounds
    quotes: Mapping[str, Sequence[str]]
    wishes: Wishes
    guessed: bool = False
    preferred: str = ""


def ask_about(
    endpoint: Endpoint,
    messages: Iterable[Message | Mapping[str, object]],
    tools: Iterable[ToolSpec | Mapping[str, object]],
    wrapper: str | Path | Wrapper,
    wishes: Wishes,
) -> tuple[Question, str]:
    """Look up what the caller asked for, and say why the wrapper is this one.

    Raises:
        InputError: for wrong messages, tools or tool choice.
        SchemaError: for a tool whose schema is invalid.
        FormatError: for a wrapper that does not exist or whose file is bad.
    """
    specs = as_tools(tools)
    for tool in specs:
        _check_tool(tool)
    _check_wishes(wishes)
    chosen = choose(endpoint, wrapper)
    mode, only = _mode(wishes.tool_choice, specs)
    turns = as_messages(messages)
    return Question(
        wrapper=chosen.wrapper,
        messages=turns,
        tools=_shown(specs) if mode != "text" else (),
        allowed=specs if wishes.allowed is None else tuple(wishes.allowed),
        mode=mode,
        only=only,
        bounds=wishes.bounds or Bounds(),
        quotes=quotes_of(turns, wishes.quotes),
        wishes=wishes,
        guessed=chosen.guessed,
        preferred=_configured(endpoint),
    ), chosen.reason


def _shown(tools: Sequence[ToolSpec]) -> tuple[ToolSpec, ...]:
    """The tools as the prompt lists them: what may be quoted concerns the constraint alone."""
    return tuple(
        replace(tool, parameters=cast("Mapping[str, JSON]", without_quotes(dict(tool.parameters))))
        for tool in tools
    )


def quotes_of(
    messages: Sequence[Message], given: Mapping[str, Sequence[str]] | None
) -> dict[str, Sequence[str]]:
    """Return the texts that strings may be quoted from, by name: those of the conversation, and the caller's.

    `user` is what the user said last, `result` what tools have answered since, `conversation` all of what
    user, assistant and tools have said.
    """
    last = max((i for i, message in enumerate(messages) if message.role == "user"), default=-1)
    texts: dict[str, Sequence[str]] = {
        "user": [messages[last].content] if last >= 0 else [],
        "result": [message.content for message in messages[last + 1 :] if message.role == "tool"],
        "conversation": [message.content for message in messages if message.role != "system"],
    }
    return {**texts, **(given or {})}


def _configured(endpoint: Endpoint) -> str:
    """What the endpoint's configuration names for "auto"; empty where it names nothing.

    Raises:
        InputError: for a name that is none.
    """
    named = endpoint.constraint if isinstance(endpoint, Configured) else ""
    if named and named not in get_args(ConstraintChoice):
        raise InputError(
            f"the configuration of {endpoint.name} has constraint = {named!r}",
            hint=f"it must be one of {', '.join(get_args(ConstraintChoice))}",
        )
    return "" if named == "auto" else named


def _check_wishes(wishes: Wishes) -> None:
    for name, value, known in (
        ("constraint", wishes.constraint, get_args(ConstraintChoice)),
        ("fit", wishes.fit, get_args(Fit)),
    ):
        if value not in known:
            raise InputError(f"{name} is {value!r}", hint=f"it must be one of {', '.join(known)}")
    if wishes.parallel < 1:
        raise InputError(f"parallel is {wishes.parallel}", hint="allow at least one call")
    grammar = cast("object", wishes.grammar)
    if grammar is not None and not isinstance(grammar, Grammar):
        raise InputError(
            f"grammar is {grammar!r}",
            hint="give a Grammar (for_choice, for_regex, for_schema), GBNF text as gbnf, a schema as schema",
        )
    _check_quotes(wishes.quotes)


def _check_quotes(quotes: object) -> None:
    if quotes is None:
        return
    if not isinstance(quotes, Mapping):
        raise InputError(f"quotes is {quotes!r}", hint='give the texts by name: {"user": ["…"]}')
    for name, texts in cast("Mapping[str, object]", quotes).items():
        if isinstance(texts, str) or not isinstance(texts, Sequence):
            raise InputError(f"the texts of {name!r} are {texts!r}", hint="give a list, also of one text")


_sound: dict[str, None] = {}
"""Schemas that were found to be sound: an agent asks with the same ones again and again."""
MOST_SOUND = 1000


def _check_tool(tool: ToolSpec) -> None:
    _check_required(tool)
    try:
        text = repr(tool.parameters)
        if text in _sound:
            return
        check_schema(tool.parameters)
        check_references(tool.parameters)
    except SchemaError as error:
        raise SchemaError(
            f"tool {tool.name!r}: {error.message}", pointer=error.pointer, hint=error.hint
        ) from error
    except RecursionError as error:
        raise SchemaError(
            f"tool {tool.name!r}: its schema is nested too deeply", hint="make it flatter"
        ) from error
    if len(_sound) >= MOST_SOUND:
        _sound.clear()
    _sound[text] = None


def _check_required(tool: ToolSpec) -> None:
    """A parameter that is demanded and not declared could be written, but never be read back."""
    elsewhere = ("$ref", "allOf", "anyOf", "oneOf", "if", "patternProperties", "additionalProperties")
    if any(keyword in tool.parameters for keyword in elsewhere):
        return
    missing = [name for name in tool.required if name not in tool.properties]
    if missing:
        raise SchemaError(
            f"tool {tool.name!r} requires {missing[0]!r}, which is not among its properties",
            pointer="/required",
            hint="declare it there, or do not require it",
        )


def _mode(tool_choice: str, tools: Sequence[ToolSpec]) -> tuple[Mode, str | None]:
    names = [tool.name for tool in tools]
    if tool_choice == "none" or (tool_choice == "auto" and not tools):
        return "text", None
    if tool_choice == "auto":
        return "text_or_call", None
    if tool_choice == "required" and tools:
        return "call", None
    if tool_choice in names:
        return "call", tool_choice
    raise InputError(
        f"tool_choice is {tool_choice!r}",
        hint=f"it must be auto, none, required or one of the tools: {', '.join(names) or 'there are none'}",
    )
