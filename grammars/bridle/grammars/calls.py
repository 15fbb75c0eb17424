"""From tools and a call syntax's shape to the grammar of an assistant turn.

The function's name and its arguments go together: each tool is one alternative, so that no function can get
the arguments of another. Thoughts stand where the shape has them, before the function's name or as the
first argument.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from bridle.errors import InputError, SchemaError
from bridle.grammars.bounds import DEFAULT_BOUNDS, Bounds
from bridle.grammars.following import TURN_TEXT
from bridle.grammars.free_text import free_text, thinking, without_end
from bridle.grammars.ir import EMPTY, Grammar, Lit, Node, Repeat, alt, optional, seq
from bridle.grammars.json_rules import ONE_LINE, Store
from bridle.grammars.json_text import literal
from bridle.grammars.members import MemberFrame
from bridle.grammars.schema import Frame, SchemaRules
from bridle.messages import JSON, ToolSpec
from bridle.wrappers.syntax import (
    Arguments,
    CallId,
    CallShape,
    Index,
    JsonLayout,
    Members,
    Name,
    Part,
)
from bridle.wrappers.values import write_name

__all__ = ["Mode", "call_grammar", "choice_grammar", "schema_grammar"]

Mode = Literal["call", "text_or_call", "text"]

_THOUGHTS = ("thoughts", "inner_thoughts")


def call_grammar(
    tools: Sequence[ToolSpec],
    shape: CallShape,
    mode: Mode,
    *,
    only: str | None = None,
    bounds: Bounds = DEFAULT_BOUNDS,
    loosen: bool = False,
    parallel: int = 1,
    think: bool = False,
    opened: bool = False,
    gap: bool = False,
    stop: Sequence[str] = (),
    thoughts: Mapping[str, JSON] | None = None,
    quotes: Mapping[str, Sequence[str]] | None = None,
    fields: Collection[str] = (),
) -> Grammar:
    """Return the grammar of a turn: a call, text or a call, or text alone.

    `only` leaves one function to call. Up to `parallel` calls may follow one another where the shape knows
    how. With `loosen`, schema keywords that cannot be held are left out and listed in `Grammar.weakened`.
    With `think` the turn may begin with thinking, where the shape has a place for it; with `opened` it begins
    inside it, because the prompt has opened it. With `gap` the shape's gap may stand before a call also where
    no text does. A turn ends before a mark that is one of `stop`, the texts at which whoever runs the model
    stops. `thoughts` is a JSON Schema of the inner thoughts of a call; without it they are any text. `quotes`
    are the texts that strings with `x-quoted-from` are quoted from, by their names (`quotes.py`). `fields`
    are names of parameters that an endpoint has to tell from the rest (`Request.field_tokens`); thoughts go
    by "thoughts" and "inner_thoughts" in every syntax, and by "think" where they have marks of their own.

    Raises:
        InputError: when there is nothing to call, and for a field that there is not.
        SchemaError: for a tool whose schema is invalid or cannot be held.
    """
    store = Store(fields=frozenset(fields))
    rules = SchemaRules(shape.layout, bounds, loosen=loosen, store=store, quotes=quotes)
    offered = _offered(tools, only)
    start: Node = EMPTY
    if think or opened:
        start = thinking(
            shape, bounds, opened=opened, named=lambda text: store.field(text, "think", *_THOUGHTS)
        )
    if mode == "text" or (mode == "text_or_call" and not offered):
        _check_fields(store)
        return Grammar(seq(start, store.share(TURN_TEXT, free_text(shape, bounds, stop))), store.rules)
    if not offered:
        raise InputError(
            "a call is asked for, but there are no tools", hint="pass the tools that may be called"
        )
    inner = (
        rules.text(0, bounds.thoughts_chars)
        if thoughts is None
        else rules.share("thoughts", rules.node(thoughts, place="thoughts"))
    )
    inner = store.field(inner, *_THOUGHTS)
    root = _Calls(rules, _stopped(shape, stop), inner).all(offered, parallel if shape.parallel else 1)
    _check_fields(store)
    if mode == "text_or_call":
        text = store.share(TURN_TEXT, free_text(shape, bounds, () if shape.text_first else stop))
        before = seq(text, Lit(shape.gap)) if shape.text_first else EMPTY
        lead = alt(before, Lit(shape.gap)) if gap and shape.gap else before
        root = alt(text, root if lead == EMPTY else seq(optional(lead), root))
    elif gap and shape.gap:
        root = seq(optional(Lit(shape.gap)), root)
    return Grammar(seq(start, root), store.rules, rules.weakened)


def schema_grammar(
    schema: Mapping[str, JSON] | bool,
    layout: JsonLayout = ONE_LINE,
    bounds: Bounds = DEFAULT_BOUNDS,
    *,
    loosen: bool = False,
    quotes: Mapping[str, Sequence[str]] | None = None,
    fields: Collection[str] = (),
) -> Grammar:
    """Return the grammar of one JSON value that satisfies a schema; `fields` are as in `call_grammar`.

    Raises:
        SchemaError: for a schema that is invalid or cannot be held.
        InputError: for a field that there is not.

    >>> schema_grammar({"enum": ["a", 1]}).longest_bytes
    3
    """
    store = Store(fields=frozenset(fields))
    rules = SchemaRules(layout, bounds, loosen=loosen, store=store, quotes=quotes)
    root = rules.node(schema)
    _check_fields(store)
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


def _check_fields(store: Store) -> None:
    for name in sorted(store.fields - store.named.keys()):
        known = ", ".join(store.named) or "there are none"
        raise InputError(f"no field of the answer is called {name!r}", hint=f"the fields: {known}")


def _offered(tools: Sequence[ToolSpec], only: str | None) -> Sequence[ToolSpec]:
    if only is None:
        return tools
    offered = [tool for tool in tools if tool.name == only]
    if not offered:
        names = ", ".join(tool.name for tool in tools) or "none at all"
        raise InputError(f"no tool is called {only!r}", hint=f"there are: {names}")
    return offered


def _stopped(shape: CallShape, stop: Sequence[str]) -> CallShape:
    """Leave out the mark that ends the calls, where it is one that the model is stopped at."""
    if shape.close:
        return replace(shape, close=without_end(shape.close, stop))
    last = shape.call[-1]
    if shape.parallel or not isinstance(last, str):
        return shape
    return replace(shape, call=(*shape.call[:-1], without_end(last, stop)))


class _Calls:
    """Writes the calls of a turn."""

    def __init__(self, rules: SchemaRules, shape: CallShape, thoughts: Node) -> None:
        self._rules = rules
        self._shape = shape
        self._thoughts = thoughts
        self._made: dict[tuple[int, Part], Node] = {}

    def all(self, tools: Sequence[ToolSpec], most: int) -> Node:
        """Return rules for one call to `most` of them, with what stands around them."""
        shape = self._shape
        call = self._one(tools, 0)
        if most > 1 and any(isinstance(part, Index) for part in shape.call):
            more: Node = EMPTY
            for index in range(most - 1, 0, -1):
                more = optional(seq(Lit(shape.between), self._one(tools, index), more))
            call = seq(call, more)
        elif most > 1:
            call = self._rules.share("call", call)
            call = seq(call, Repeat(seq(Lit(shape.between), call), 0, most - 1))
        return seq(Lit(shape.open), call, Lit(shape.close))

    def _one(self, tools: Sequence[ToolSpec], index: int) -> Node:
        """Write what is common to all tools once, and what is not once for each tool."""
        parts = self._shape.call
        own = [i for i, part in enumerate(parts) if isinstance(part, Name | Arguments | Members)]
        start, end = (own[0], own[-1] + 1) if own else (0, len(parts))
        before = [self._part(part, tools[0], index) for part in parts[:start]]
        after = [self._part(part, tools[0], index) for part in parts[end:]]
        middles = [self._middle(parts[start:end], tool, index) for tool in tools]
        return seq(*before, alt(*middles), *after)

    def _middle(self, parts: Sequence[Part], tool: ToolSpec, index: int) -> Node:
        try:
            return seq(*(self._part(part, tool, index) for part in parts))
        except SchemaError as error:
            raise SchemaError(
                f"the parameters of tool {tool.name!r}: {error.message}",
                pointer=error.pointer,
                hint=error.hint,
                tool=tool.name,
            ) from error

    def _part(self, part: Part, tool: ToolSpec, index: int) -> Node:
        match part:
            case str():
                return Lit(part)
            case Name(quoted):
                return literal(tool.name) if quoted else Lit(write_name(tool.name))
            case Arguments() | Members():
                if (id(tool), part) not in self._made:
                    self._made[id(tool), part] = self._arguments(part, tool)
                return self._made[id(tool), part]
            case Index():
                return Lit(str(index))
            case CallId():
                return EMPTY
            case _:
                return self._thoughts

    def _arguments(self, part: Arguments | Members, tool: ToolSpec) -> Node:
        parameters, rules = _object(tool.parameters), self._rules
        if isinstance(part, Members):
            members = MemberFrame(part, rules, tool)
            return members.rules.node(parameters, place=tool.name, frame=members)
        key = part.thoughts_key
        owned = key is None or key in tool.properties
        frame = None if key is None or owned else Frame(rules, ((key, self._thoughts),))
        return rules.node(parameters, depth=part.depth, place=tool.name, frame=frame)


def _object(parameters: Mapping[str, JSON]) -> Mapping[str, JSON]:
    """Read missing parameters as none at all, not as any."""
    says = ("properties", "additionalProperties", "$ref", "allOf", "anyOf", "oneOf", "enum", "const")
    if any(keyword in parameters for keyword in says):
        return {"type": "object", **parameters}
    return {**parameters, "type": "object", "properties": {}}
