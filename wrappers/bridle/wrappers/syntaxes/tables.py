"""A call syntax as a table of text: the `[calls]` table of a format file, and the families that come along.

`call` is the text of one call with places in it: `${name}` or `${quoted_name}`, `${arguments}` (`:2` says how
many levels deep the object stands) or `${members}`, and where the family has them `${index}`, `${id}` and
`${thoughts}`. `${line}`, `${end}` and `${comma}` are the breaks of an outer object that `indent` spreads over
lines. The other keys are those of `bridle.wrappers.syntax.CallShape`; `also` is another way in which models
write a call, followed in streams. `like` takes over a known syntax, and all other keys change it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

from bridle.errors import FormatError
from bridle.messages import JSON, ToolCall, ToolSpec
from bridle.wrappers.syntax import (
    Arguments,
    CallId,
    CallShape,
    Index,
    JsonLayout,
    Members,
    Name,
    Part,
    Thoughts,
)
from bridle.wrappers.syntaxes.declared import Declared
from bridle.wrappers.syntaxes.families import FAMILIES

__all__ = ["build", "syntax_from_table"]

TEXTS = (
    "call", "trigger", "between", "gap", "open", "close", "text_open", "text_close", "think_open",
    "think_close", "thoughts_key", "also", "dialect", "like",
)  # fmt: skip
SWITCHES = ("parallel", "text_first", "empty_thoughts", "gap_always")
INNER: Mapping[str, tuple[str, ...]] = {
    "members": ("open", "middle", "close", "between", "values"),
    "id": ("before", "after"),
}
STYLES = ("raw", "python", "gemma")
PLACES = ("name", "quoted_name", "arguments", "members", "index", "id", "thoughts", "line", "end", "comma")
_PLACE = re.compile(r"\$\{([a-z_]+)(?::([1-9]))?\}")


def syntax_from_table(table: Mapping[str, object], source: str) -> Declared:
    """Make the syntax that a `[calls]` table describes. `source` is the file's name, for errors.

    Raises:
        FormatError: naming the file, the key, the value and what is allowed.

    >>> syntax_from_table({"like": "mistral", "open": "[TOOL_CALLS] ["}, "my.toml").shape.open
    '[TOOL_CALLS] ['
    """
    _check(table, source)
    name = str(table.get("like", table.get("dialect", "json")))
    base = FAMILIES[str(table["like"])] if "like" in table else dict[str, object]()
    merged: dict[str, object] = {**base, **table}
    for inner in INNER:
        if isinstance(base.get(inner), Mapping) and isinstance(table.get(inner), Mapping):
            merged[inner] = {**_table(base[inner]), **_table(table[inner])}
    for key in ("call", "trigger"):
        if not merged.get(key):
            raise FormatError(
                f"{source}: calls.{key} is missing", hint="or take a known syntax over by `like`"
            )
    _check_places(merged, source)
    made = build(str(table.get("dialect", name)), merged)
    named = "like" in table or "dialect" in table
    return made if named and _is_known(made) else replace(made, exact=True)


def _is_known(syntax: Declared) -> bool:
    """Whether the dialect's own reader knows the marks, so well that it repairs nothing."""
    properties: dict[str, JSON] = {"text": {"type": "string"}, "number": {"type": "integer"}}
    tool = ToolSpec("lamp", "", {"type": "object", "properties": properties})
    calls = [ToolCall("lamp", {"text": "a b", "number": 1})] * (2 if syntax.shape.parallel else 1)
    reading = syntax.read(syntax.write(calls, "", "", [tool]), [tool])
    return reading.calls == tuple(calls) and not reading.repairs


def build(
    dialect: str, table: Mapping[str, object], layout: JsonLayout | None = None, label: str = ""
) -> Declared:
    """Make the syntax of a checked table; `layout` counts before the table's own indent."""
    indent = table.get("indent")
    if layout is None or (layout.indent is None and isinstance(indent, int)):
        layout = JsonLayout(indent if isinstance(indent, int) else None)
    shape = CallShape(
        call=_parts(table, "call", layout),
        layout=layout,
        trigger=_text(table, "trigger"),
        between=_text(table, "between", "\n"),
        parallel=bool(table.get("parallel")),
        text_first=bool(table.get("text_first")),
        gap=_text(table, "gap"),
        open=_text(table, "open"),
        close=_text(table, "close"),
        text_open=_text(table, "text_open"),
        text_close=_text(table, "text_close"),
        think_open=_text(table, "think_open"),
        think_close=_text(table, "think_close"),
    )
    also = _parts(table, "also", layout)
    return Declared(
        dialect, shape, bool(table.get("empty_thoughts")), bool(table.get("gap_always")), also, label
    )


def _parts(table: Mapping[str, object], key: str, layout: JsonLayout) -> tuple[Part, ...]:
    literals = {"line": layout.newline(1), "end": layout.newline(0), "comma": layout.comma}
    parts: list[Part] = []
    at = 0
    text = _text(table, key)
    for place in _PLACE.finditer(text):
        parts.append(text[at : place.start()])
        parts.append(literals.get(place.group(1)) or _place(place.group(1), place.group(2), table))
        at = place.end()
    parts.append(text[at:])
    return _merged(parts)


def _place(place: str, depth: str | None, table: Mapping[str, object]) -> Part:
    key = table.get("thoughts_key")
    inner = {name: {k: str(v) for k, v in _table(table.get(name, {})).items()} for name in INNER}
    match place:
        case "name":
            return Name(quoted=False)
        case "quoted_name":
            return Name()
        case "arguments":
            return Arguments(int(depth or 0), str(key) if key else None)
        case "members":
            given = {"open": "", "middle": "", "close": "", **inner["members"]}
            return Members(**given)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        case "index":
            return Index()
        case "id":
            return CallId(inner["id"].get("before", ""), inner["id"].get("after", ""))
        case "thoughts":
            return Thoughts()
        case _:
            return ""


def _merged(parts: Sequence[Part]) -> tuple[Part, ...]:
    """Neighbouring literals as one, and no empty ones."""
    out: list[Part] = []
    for part in parts:
        if isinstance(part, str) and out and isinstance(out[-1], str):
            out[-1] += part
        elif part != "":
            out.append(part)
    return tuple(out)


def _text(table: Mapping[str, object], key: str, default: str = "") -> str:
    return str(table.get(key, default))


def _table(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, Mapping) else {}


def _check(table: Mapping[str, object], source: str) -> None:
    allowed = (*TEXTS, *SWITCHES, *INNER, "indent")
    for key, value in table.items():
        if key not in allowed:
            raise FormatError(f"{source}: unknown key 'calls.{key}'", hint=f"keys are {', '.join(allowed)}")
        if key in TEXTS and not isinstance(value, str):
            raise FormatError(f"{source}: calls.{key} is {value!r}", hint="it must be a string")
        if key in SWITCHES and not isinstance(value, bool):
            raise FormatError(f"{source}: calls.{key} is {value!r}", hint="it must be true or false")
        if key == "indent" and (isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= 8):
            raise FormatError(f"{source}: calls.{key} is {value!r}", hint="leave it out, or give 1 to 8")
        if key in INNER:
            _check_inner(key, value, source)
    for key in ("like", "dialect"):
        if key in table and table[key] not in FAMILIES:
            hint = f"it must be one of {', '.join(FAMILIES)}"
            raise FormatError(f"{source}: calls.{key} is {table[key]!r}", hint=hint)


def _check_inner(key: str, value: object, source: str) -> None:
    if not isinstance(value, dict):
        raise FormatError(f"{source}: calls.{key} is {value!r}", hint="it must be a table")
    for name, text in cast("dict[str, object]", value).items():
        where = f"calls.{key}.{name}"
        if name not in INNER[key]:
            raise FormatError(f"{source}: unknown key {where!r}", hint=f"keys are {', '.join(INNER[key])}")
        if not isinstance(text, str) or (name == "values" and text not in STYLES):
            hint = f"it must be one of {', '.join(STYLES)}" if name == "values" else "it must be a string"
            raise FormatError(f"{source}: {where} is {text!r}", hint=hint)


def _check_places(table: Mapping[str, object], source: str) -> None:
    call = _text(table, "call")
    for key in ("call", "also"):
        for place in _PLACE.findall(_text(table, key)):
            if place[0] not in PLACES:
                hint = f"places are {', '.join(PLACES)}"
                raise FormatError(f"{source}: calls.{key} has the unknown place '${{{place[0]}}}'", hint=hint)
    found = [place.group(1) for place in _PLACE.finditer(call)]
    for choice in (("name", "quoted_name"), ("arguments", "members")):
        if sum(found.count(place) for place in choice) != 1:
            hint = f"it must have exactly one of {' and '.join('${' + place + '}' for place in choice)}"
            raise FormatError(f"{source}: calls.call is {call!r}", hint=hint)
