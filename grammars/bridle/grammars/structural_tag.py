"""Structural tags: free text up to a call's opening mark, and from there on exactly a call.

vLLM (`structured_outputs.structural_tag`, or `response_format`) and SGLang take them, by xgrammar's formats
(docs/structural_tag of mlc-ai/xgrammar 0.2.6, read 2026-11) or in the older form of begin, schema and end.
They are for syntaxes whose calls begin with a mark; calls that are bare JSON are for `to_json_schema`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, cast

from bridle.errors import InputError, SchemaError
from bridle.grammars.bounds import DEFAULT_BOUNDS, Bounds
from bridle.grammars.calls import call_grammar
from bridle.grammars.gbnf import to_gbnf
from bridle.grammars.json_schema import closed_parameters
from bridle.grammars.profile_schema import Rewriter
from bridle.grammars.profile_servers import server_of
from bridle.grammars.report import Entry, Report
from bridle.grammars.schema_keywords import check_schema
from bridle.messages import JSON, ToolSpec
from bridle.wrappers.syntax import Arguments, CallId, CallShape, Index, Members, Name, Part, Thoughts
from bridle.wrappers.values import write_name

__all__ = ["structural_tag_report", "to_structural_tag"]

TagMode = Literal["call", "text_or_call"]
TagForm = Literal["format", "structures"]
Content = Literal["json_schema", "grammar"]
Format = dict[str, JSON]


def to_structural_tag(
    tools: Sequence[ToolSpec],
    shape: CallShape,
    mode: TagMode = "text_or_call",
    *,
    only: str | None = None,
    parallel: int = 1,
    think: bool = False,
    content: Content = "json_schema",
    form: TagForm = "format",
    bounds: Bounds = DEFAULT_BOUNDS,
    loosen: bool = False,
) -> dict[str, JSON]:
    """Return the structural tag of a turn: text up to a call, or a call alone.

    Arguments are held by a JSON Schema in the profile of vLLM or, with `content="grammar"` and wherever they
    are no JSON object, by the same rules as everywhere else. In the form of `structures` there is text, then
    calls. Between the calls of a turn with text, and in thoughts, any text may stand.

    Raises:
        InputError: for a syntax without an opening mark, for what a form cannot say, or without a tool.
        SchemaError: for a tool whose schema is invalid or cannot be held.
    """
    offered = [tool for tool in tools if only is None or tool.name == only]
    if not offered:
        raise InputError("no tool can be called" if only is None else f"no tool is called {only!r}")
    writer = _Tags(shape, content, bounds, loosen=loosen)
    most = parallel if shape.parallel else 1
    if form == "structures":
        return _structures(writer, offered, mode, think=think)
    if mode == "call":
        found: Format = writer.calls(offered, most)
    else:
        _check_mark(shape)
        tags: list[JSON] = [writer.section(offered, most)] if shape.open else [*writer.tags(offered, 0)]
        triggers: list[JSON] = [shape.trigger]
        found = {
            "type": "triggered_tags",
            "triggers": triggers,
            "tags": tags,
            "at_least_one": False,
            "stop_after_first": bool(shape.open) or most == 1,
        }
    if think and shape.think_open:
        thinking: Format = {"type": "tag", "begin": shape.think_open, "content": {"type": "any_text"},
                            "end": shape.think_close}  # fmt: skip
        found = _sequence([{"type": "optional", "content": thinking}, found])
    return {"type": "structural_tag", "format": found}


def structural_tag_report(tools: Sequence[ToolSpec], shape: CallShape) -> Report:
    """Return what becomes of each keyword of the tools' schemas; a place is `TOOL#POINTER`.

    Raises:
        SchemaError: for a tool whose schema is invalid or that nothing satisfies.
    """
    held: list[Entry] = []
    weakened: list[Entry] = []
    for tool in tools:
        if not _is_json(shape):
            grammar = call_grammar([tool], shape, "call", loosen=True)
            weakened += [_entry(note) for note in grammar.weakened]
            continue
        rewriter = Rewriter(_checked(tool), server_of("vllm"))
        rewriter.whole()
        held += [(f"{tool.name}#{pointer}", keyword) for pointer, keyword in rewriter.notes.held]
        weakened += [(f"{tool.name}#{pointer}", keyword) for pointer, keyword in rewriter.notes.weakened]
    return Report("structural-tag", tuple(held), tuple(weakened))


def _entry(note: str) -> Entry:
    place, _, keyword = note.rpartition(" ")
    return place, keyword


def _checked(tool: ToolSpec) -> dict[str, JSON]:
    check_schema(tool.parameters)
    return closed_parameters(tool)


def _check_mark(shape: CallShape) -> None:
    first = shape.open or (shape.call[0] if isinstance(shape.call[0], str) else "")
    if shape.trigger.strip() in ("", "{", "[") or not first.startswith(shape.trigger):
        raise InputError(
            "calls of this syntax do not begin with a mark, which a structural tag needs",
            hint="ask for a call only, or send a JSON Schema or a grammar",
        )


def _structures(writer: _Tags, tools: Sequence[ToolSpec], mode: TagMode, *, think: bool) -> dict[str, JSON]:
    """Write the older form: begin, schema and end of each tool, and the marks that trigger them."""
    shape = writer.shape
    _check_mark(shape)
    if mode != "text_or_call" or think or shape.open or not _is_json(shape) or writer.content == "grammar":
        raise InputError(
            "the older form of structural tags cannot say this",
            hint="leave out `form`: servers with xgrammar 0.1.25 or later take the other one",
        )
    found: list[JSON] = []
    for tag in writer.tags(tools, 0):
        inner = cast("Format", tag["content"])
        found.append({"begin": tag["begin"], "schema": inner["json_schema"], "end": tag["end"]})
    return {"type": "structural_tag", "structures": found, "triggers": [shape.trigger]}


class _Tags:
    """Writes the calls of a shape."""

    def __init__(self, shape: CallShape, content: Content, bounds: Bounds, *, loosen: bool) -> None:
        self.shape = shape
        self.content = content
        self._bounds = bounds
        self._loosen = loosen

    def section(self, tools: Sequence[ToolSpec], most: int) -> Format:
        """Write all calls with the marks around them."""
        inner = self._listed(tools, most)
        return {"type": "tag", "begin": self.shape.open, "content": inner, "end": self.shape.close}

    def calls(self, tools: Sequence[ToolSpec], most: int) -> Format:
        """Write a turn that is nothing but calls."""
        return self.section(tools, most) if self.shape.open else self._listed(tools, most)

    def _listed(self, tools: Sequence[ToolSpec], most: int) -> Format:
        """Write one call to `most` of them, each with what stands between two before it."""
        between: list[Format] = (
            [{"type": "const_string", "value": self.shape.between}] if self.shape.between else []
        )
        numbered = any(isinstance(part, Index) for part in self.shape.call)
        if most > 1 and not numbered:
            one = _choice(self.tags(tools, 0))
            more: Format = {
                "type": "repeat",
                "min": 0,
                "max": most - 1,
                "content": _sequence([*between, one]),
            }
            return _sequence([one, more])
        found: list[Format] = []
        for index in range(most - 1, -1, -1):
            one = _choice(self.tags(tools, index))
            found = [*(between if index else []), one, *found]
            if index:
                found = [{"type": "optional", "content": _sequence(found)}]
        return _sequence(found)

    def tags(self, tools: Sequence[ToolSpec], index: int) -> list[Format]:
        """Write one tag for each tool, for the call of that number."""
        return [self._tag(tool, index) for tool in tools]

    def _tag(self, tool: ToolSpec, index: int) -> Format:
        parts = [part for part in self.shape.call if not isinstance(part, CallId)]
        open_ended = [i for i, part in enumerate(parts) if isinstance(part, Arguments | Members | Thoughts)]
        first, last = open_ended[0], open_ended[-1] + 1
        begin = "".join(_text(part, tool, index) for part in parts[:first])
        end = "".join(_text(part, tool, index) for part in parts[last:])
        inner = self._content(tool, parts[first:last], index)
        return {"type": "tag", "begin": begin, "content": inner, "end": end}

    def _content(self, tool: ToolSpec, parts: Sequence[Part], index: int) -> Format:
        if self.content == "json_schema" and _is_json(self.shape) and len(parts) == 1:
            found = self._schema(tool, cast("Arguments", parts[0]))
            if found is not None:
                return {"type": "json_schema", "json_schema": found}
        fixed = tuple(str(index) if isinstance(part, Index) else part for part in parts)
        bare = replace(self.shape, call=fixed, open="", close="", parallel=False)
        grammar = call_grammar([tool], bare, "call", bounds=self._bounds, loosen=self._loosen)
        return {"type": "grammar", "grammar": to_gbnf(grammar, "xgrammar")}

    def _schema(self, tool: ToolSpec, place: Arguments) -> dict[str, JSON] | None:
        """Return the schema of the arguments, thoughts first; None where they cannot be put there."""
        schema = _checked(tool)
        key = place.thoughts_key
        if key is not None and key not in tool.properties:
            if any(keyword in schema for keyword in ("$ref", "allOf", "anyOf", "oneOf")):
                return None
            thoughts: dict[str, JSON] = {"type": "string", "maxLength": self._bounds.thoughts_chars}
            schema["properties"] = {key: thoughts, **cast("dict[str, JSON]", schema.get("properties", {}))}
            schema["required"] = [key, *tool.required]
        rewriter = Rewriter(schema, server_of("vllm"))
        found = rewriter.whole()
        lost = [entry for entry in rewriter.notes.weakened if not entry[1].startswith("x-")]
        if lost and not self._loosen:
            pointer, keyword = lost[0]
            where = f"{tool.name}#{pointer}"
            raise SchemaError(
                f"the keyword {keyword!r} at {where} cannot be enforced",
                pointer=pointer,
                hint="remove it, or allow it to be loosened; values are still checked after reading",
                tool=tool.name,
                keyword=keyword,
            )
        return found


def _is_json(shape: CallShape) -> bool:
    """Whether all that varies in a call of one tool is the JSON object of its arguments."""
    varying = [part for part in shape.call if isinstance(part, Arguments | Members | Thoughts)]
    return len(varying) == 1 and isinstance(varying[0], Arguments)


def _text(part: Part, tool: ToolSpec, index: int) -> str:
    match part:
        case str():
            return part
        case Name(quoted):
            return json.dumps(tool.name, ensure_ascii=False) if quoted else write_name(tool.name)
        case _:
            return str(index)


def _choice(options: Sequence[Format]) -> Format:
    return options[0] if len(options) == 1 else {"type": "or", "elements": list(options)}


def _sequence(elements: Sequence[Format]) -> Format:
    return elements[0] if len(elements) == 1 else {"type": "sequence", "elements": list(elements)}
