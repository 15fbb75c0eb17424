"""From tools and a call syntax's shape to the grammar of an assistant turn.

The function's name and its arguments go together: each tool is one alternative, so that no function can get
the arguments of another. Thoughts stand where the shape has them, before the function's name or as the
first argument.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from bridle.errors import InputError, SchemaError
from bridle.grammars.bounds import DEFAULT_BOUNDS, Bounds
from bridle.grammars.free_text import text_unlike, text_without
from bridle.grammars.ir import Grammar, Lit, Node, Repeat, alt, optional, seq
from bridle.grammars.json_rules import ONE_LINE
from bridle.grammars.json_text import literal
from bridle.grammars.schema import SchemaRules
from bridle.messages import JSON, ToolSpec
from bridle.wrappers.syntax import Arguments, CallShape, JsonLayout, Name, Part

__all__ = ["Mode", "call_grammar", "choice_grammar", "schema_grammar"]

Mode = Literal["call", "text_or_call", "text"]


def call_grammar(
    tools: Sequence[ToolSpec],
    shape: CallShape,
    mode: Mode,
    *,
    only: str | None = None,
    bounds: Bounds = DEFAULT_BOUNDS,
    loosen: bool = False,
    parallel: int = 1,
    thoughts: Mapping[str, JSON] | None = None,
) -> Grammar:
    """Return the grammar of a turn: a call, text or a call, or text alone.

    `only` leaves one function to call. Up to `parallel` calls may follow one another where the shape knows
    how. With `loosen`, schema keywords that cannot be held are left out and listed in `Grammar.weakened`.
    `thoughts` is a JSON Schema of the inner thoughts; without it they are any text.

    Raises:
        InputError: when there is nothing to call.
        SchemaError: for a tool whose schema is invalid or cannot be held.
    """
    rules = SchemaRules(shape.layout, bounds, loosen=loosen)
    offered = _offered(tools, only)
    if mode == "text" or (mode == "text_or_call" and not offered):
        return Grammar(rules.share("text", _text(shape, bounds)), rules.rules)
    if not offered:
        raise InputError(
            "a call is asked for, but there are no tools", hint="pass the tools that may be called"
        )
    thinking = (
        rules.text(0, bounds.thoughts_chars)
        if thoughts is None
        else rules.share("thoughts", rules.node(thoughts, place="thoughts"))
    )
    root = _calls(rules, shape, offered, parallel, thinking)
    if mode == "text_or_call":
        text = rules.share("text", _text(shape, bounds))
        calls = seq(optional(seq(text, Lit(shape.gap))), root) if shape.text_first else root
        root = alt(text, calls)
    return Grammar(root, rules.rules, rules.weakened)


def schema_grammar(
    schema: Mapping[str, JSON] | bool,
    layout: JsonLayout = ONE_LINE,
    bounds: Bounds = DEFAULT_BOUNDS,
    *,
    loosen: bool = False,
) -> Grammar:
    """Return the grammar of one JSON value that satisfies a schema.

    Raises:
        SchemaError: for a schema that is invalid or cannot be held.

    >>> schema_grammar({"enum": ["a", 1]}).longest_bytes
    3
    """
    rules = SchemaRules(layout, bounds, loosen=loosen)
    root = rules.node(schema)
    return Grammar(root, rules.rules, rules.weakened)


def choice_grammar(choices: Sequence[str]) -> Grammar:
    """Return the grammar of exactly these texts.

    >>> choice_grammar(["yes", "no"]).longest_bytes
    3
    """
    if not choices or "" in choices:
        raise InputError(
            f"the choices are {list(choices)!r}", hint="give at least one, and none that is empty"
        )
    return Grammar(alt(*(Lit(choice) for choice in choices)))


def _offered(tools: Sequence[ToolSpec], only: str | None) -> Sequence[ToolSpec]:
    if only is None:
        return tools
    offered = [tool for tool in tools if tool.name == only]
    if not offered:
        names = ", ".join(tool.name for tool in tools) or "none at all"
        raise InputError(f"no tool is called {only!r}", hint=f"there are: {names}")
    return offered


def _text(shape: CallShape, bounds: Bounds) -> Node:
    if shape.text_first:
        return text_without(shape.trigger, bounds.text_chars)
    return text_unlike(shape.trigger, bounds.text_chars)


def _calls(
    rules: SchemaRules, shape: CallShape, tools: Sequence[ToolSpec], parallel: int, thinking: Node
) -> Node:
    """Write what is common to all tools once, and what is not once for each tool."""
    own = [i for i, part in enumerate(shape.call) if isinstance(part, Name | Arguments)]
    start, end = (own[0], own[-1] + 1) if own else (0, len(shape.call))
    before = [_part(rules, part, tools[0], thinking) for part in shape.call[:start]]
    after = [_part(rules, part, tools[0], thinking) for part in shape.call[end:]]
    middles = [_middle(rules, shape.call[start:end], tool, thinking) for tool in tools]
    call = seq(*before, alt(*middles), *after)
    if not shape.parallel or parallel < 2:
        return call
    call = rules.share("call", call)
    return seq(call, Repeat(seq(Lit(shape.between), call), 0, parallel - 1))


def _middle(rules: SchemaRules, parts: Sequence[Part], tool: ToolSpec, thinking: Node) -> Node:
    try:
        return seq(*(_part(rules, part, tool, thinking) for part in parts))
    except SchemaError as error:
        raise SchemaError(
            f"the parameters of tool {tool.name!r}: {error.message}",
            pointer=error.pointer,
            hint=error.hint,
            tool=tool.name,
        ) from error


def _part(rules: SchemaRules, part: Part, tool: ToolSpec, thinking: Node) -> Node:
    match part:
        case str():
            return Lit(part)
        case Name(quoted):
            return literal(tool.name) if quoted else Lit(tool.name)
        case Arguments(depth, key):
            owned = key is None or key in tool.properties
            first = () if key is None or owned else ((key, thinking),)
            return rules.node(_object(tool.parameters), depth=depth, place=tool.name, first=first)
        case _:
            return thinking


def _object(parameters: Mapping[str, JSON]) -> Mapping[str, JSON]:
    """Read missing parameters as none at all, not as any."""
    says = ("properties", "additionalProperties", "$ref", "allOf", "anyOf", "oneOf", "enum", "const")
    if any(keyword in parameters for keyword in says):
        return {"type": "object", **parameters}
    return {**parameters, "type": "object", "properties": {}}
