"""One function as a format lists it: JSON, a signature, or a family's own way.

The ways of families are those of their models' chat templates (read 2026-11), made anew. What a template
cannot write without breaking, such as an array's type in Hermes' signatures, is written as it was meant.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, TypeAlias, cast

from bridle.messages import JSON, ToolSpec, tool_to_dict
from bridle.wrappers.segments import Segment

__all__ = ["TOOL_ITEMS", "ToolItem", "Written", "signature", "type_text"]

ToolItem = Literal[
    "openai", "function", "name", "signature", "described", "hermes", "typescript", "qwen_xml", "gemma"
]
"""What stands for one tool: OpenAI's object with its `function` inside, that inner object alone, the name, a
signature, the inner object after a sentence, or the way of a family."""

Written: TypeAlias = str | Sequence[Segment]
"""Text, or text with the control text among it marked."""

_ENCODE = json.JSONEncoder(ensure_ascii=False).encode
GEMMA_QUOTE = Segment('<|"|>', control=True)


def signature(tool: ToolSpec) -> str:
    """Write `name(parameter: type, optional?: type) - description`."""
    required = tool.required
    inside = ", ".join(
        f"{name}{'' if name in required else '?'}: {type_text(schema)}"
        for name, schema in tool.properties.items()
    )
    about = " ".join(tool.description.split())
    return f"{tool.name}({inside})" + (f" - {about}" if about else "")


def type_text(schema: Mapping[str, JSON]) -> str:
    """Say a schema's type in a few characters.

    >>> type_text({"type": "array", "items": {"enum": ["a", "b"]}})
    '"a"|"b"[]'
    """
    enum = schema.get("enum")
    if isinstance(enum, list):
        return "|".join(json.dumps(value, ensure_ascii=False) for value in enum)
    if "const" in schema:
        return json.dumps(schema["const"], ensure_ascii=False)
    kind = schema.get("type")
    if isinstance(kind, list):
        return "|".join(str(one) for one in kind)
    if kind == "array":
        items = schema.get("items")
        inner = type_text(cast("Mapping[str, JSON]", items)) if isinstance(items, dict) else "any"
        return f"{inner}[]"
    options = schema.get("anyOf") or schema.get("oneOf")
    if isinstance(options, list):
        return "|".join(type_text(one) for one in options if isinstance(one, dict))
    return str(kind) if kind else "any"


def _openai(tool: ToolSpec, indent: int | None) -> str:
    return _json(tool_to_dict(tool), indent)


def _function(tool: ToolSpec, indent: int | None) -> str:
    return _json(tool_to_dict(tool)["function"], indent)


def _json(value: JSON, indent: int | None) -> str:
    return _ENCODE(value) if indent is None else json.dumps(value, ensure_ascii=False, indent=indent)


def _described(tool: ToolSpec, indent: int | None) -> str:
    return f"Use the function '{tool.name}' to '{tool.description}'\n{_function(tool, indent)}"


def _hermes(tool: ToolSpec, indent: int | None) -> str:
    """Write the object of Hermes 2 Pro, whose description is a Python signature with its docstring."""
    described = tool.properties.items()
    inside = ", ".join(f"{name}: {_python_type(schema)}" for name, schema in described)
    about = f"{tool.name}({inside}) - {tool.description}\n\n"
    if described:
        about += "    Args:\n"
    for name, schema in described:
        about += f"        {name}({_python_type(schema)}): {_description(schema)}"
    parameters = json.dumps(dict(tool.parameters), ensure_ascii=False) if described else "{}"
    inner = f'{{"name": "{tool.name}", "description": "{about}", "parameters": {parameters}}}'
    return f'{{"type": "function", "function": {inner}'


def _python_type(schema: Mapping[str, JSON]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        return f"Union[{','.join(_python_type({'type': one}) for one in kind)}]"
    if kind == "array":
        return f"list[{_python_type(_object(schema.get('items')))}]"
    if kind == "object":
        values = schema.get("additionalProperties")
        return f"dict[str, {_python_type(values)}]" if isinstance(values, dict) else "dict"
    plain = {"string": "str", "number": "float", "integer": "int", "boolean": "bool"}
    return plain.get(str(kind), "Any")


def _typescript(tool: ToolSpec, indent: int | None) -> str:
    """Write a function type under a comment, as functionary v3.2 reads it."""
    inside = _typescript_members(tool.parameters, 0)
    of = f"(_: {{{inside}\n}})" if inside else "()"
    return f"// {tool.description}\ntype {tool.name} = {of} => any;\n\n"


def _typescript_members(schema: Mapping[str, JSON], depth: int) -> str:
    required = ToolSpec("", "", schema).required
    lines: list[str] = []
    for name, inner in ToolSpec("", "", schema).properties.items():
        comment = _typescript_comment(inner)
        lines += [comment] if comment else []
        key = name if name in required else f"{name}?"
        lines.append(f"{key}: {_typescript_type(inner, depth)},")
    return "".join(f"\n{'    ' * depth}{line}" for line in lines)


def _typescript_comment(schema: Mapping[str, JSON]) -> str:
    about = _description(schema)
    parts = [about if about.endswith(".") else f"{about}."] if "description" in schema else []
    if "default" in schema:
        value = schema["default"]
        parts.append(f'Default="{value}".' if schema.get("type") == "string" else f"Default={value}.")
    words = {
        "format": "Format",
        "maximum": "Maximum",
        "minimum": "Minimum",
        "maxLength": "Maximum length",
        "minLength": "Minimum length",
    }
    parts += [f"{word}={schema[key]}" for key, word in words.items() if key in schema]
    return " ".join(["//", *parts]) if parts else ""


def _typescript_type(schema: Mapping[str, JSON], depth: int) -> str:
    kind = schema.get("type")
    if kind == "object":
        return f"{{{_typescript_members(schema, depth + 1)}\n{'    ' * depth}}}"
    if kind == "array":
        items = _object(schema.get("items"))
        inner = _typescript_type(items, depth) if "type" in items else ""
        return f"({inner})[]" if "enum" in items else f"{inner}[]"
    options = schema.get("enum")
    if isinstance(options, list):
        found = " | ".join(f'"{one}"' if isinstance(one, str) else str(one) for one in options)
    else:
        found = _typescript_name(schema)
    return f"{found} | null" if schema.get("nullable") else found


def _typescript_name(schema: Mapping[str, JSON]) -> str:
    kind = schema.get("type")
    listed: list[JSON] = list(kind) if isinstance(kind, list) else [kind] if kind else []
    if not listed:
        options = schema.get("oneOf") or schema.get("anyOf")
        inner = options if isinstance(options, list) else []
        listed = [one["type"] for one in inner if isinstance(one, dict) and "type" in one]
    names = ["number" if one in ("integer", "float") else str(one) for one in listed]
    return " | ".join(dict.fromkeys(names)) or "any"


def _qwen_xml(tool: ToolSpec, indent: int | None) -> str:
    """Write the tags of Qwen3-Coder: what has no tag of its own gets one by its key."""
    lines = ["<function>", f"<name>{tool.name}</name>"]
    lines += [f"<description>{tool.description.strip()}</description>", "<parameters>"]
    for name, schema in tool.properties.items():
        lines += ["<parameter>", f"<name>{name}</name>"]
        lines += [f"<type>{_xml_text(schema['type'], names=True)}</type>"] if "type" in schema else []
        if "description" in schema:
            lines.append(f"<description>{_description(schema).strip()}</description>")
        lines += _xml_rest(schema, ("name", "type", "description"))
        lines.append("</parameter>")
    parameters = cast("Mapping[str, JSON]", _object(tool_to_dict(tool)["function"])["parameters"])
    lines += _xml_rest(parameters, ("type", "properties"))
    return "\n".join([*lines, "</parameters>", "</function>"])


def _xml_rest(schema: Mapping[str, JSON], handled: Sequence[str]) -> list[str]:
    return [f"<{key}>{_xml_text(value)}</{key}>" for key, value in schema.items() if key not in handled]


def _xml_text(value: JSON, *, names: bool = False) -> str:
    if isinstance(value, dict | list) and not names:
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def _gemma(tool: ToolSpec, indent: int | None) -> list[Segment]:
    """Write Gemma 4's declaration: bare keys in alphabetical order, strings between marks of their own."""
    schema = cast("Mapping[str, JSON]", _object(tool_to_dict(tool)["function"])["parameters"])
    members: list[list[Segment]] = []
    if tool.properties:
        members.append([Segment("properties:{"), *_gemma_properties(tool.properties), Segment("}")])
    members += _gemma_required(schema)
    members += [[Segment("type:"), *_gemma_string(str(schema.get("type", "object")).upper())]]
    return [
        Segment(f"declaration:{tool.name}{{description:"),
        *_gemma_string(tool.description),
        Segment(",parameters:{"),
        *_commas(members),
        Segment("}}"),
    ]


def _gemma_properties(properties: Mapping[str, Mapping[str, JSON]]) -> list[Segment]:
    return _commas(
        [Segment(f"{name}:{{"), *_commas(_gemma_members(properties[name])), Segment("}")]
        for name in sorted(properties, key=str.lower)
    )


def _gemma_members(schema: Mapping[str, JSON]) -> list[list[Segment]]:
    members: list[list[Segment]] = []
    kind = _gemma_kind(schema)
    if schema.get("description"):
        members.append([Segment("description:"), *_gemma_string(_description(schema))])
    if kind == "STRING" and schema.get("enum"):
        members.append([Segment("enum:"), *_gemma_value(schema["enum"])])
    if kind == "ARRAY" and _object(schema.get("items")):
        items = _gemma_items(_object(schema["items"]))
        members.append([Segment("items:{"), *_commas(items), Segment("}")])
    if schema.get("nullable"):
        members.append([Segment("nullable:true")])
    if kind == "OBJECT":
        inner = ToolSpec("", "", schema).properties
        members.append([Segment("properties:{"), *_gemma_properties(inner), Segment("}")])
        members += _gemma_required(schema)
    return [*members, [Segment("type:"), *_gemma_string(kind)]]


def _gemma_items(schema: Mapping[str, JSON]) -> list[list[Segment]]:
    members: list[list[Segment]] = []
    for key in sorted(schema, key=str.lower):
        if key == "properties":
            inner = ToolSpec("", "", schema).properties
            members.append([Segment("properties:{"), *_gemma_properties(inner), Segment("}")])
        elif key == "required":
            members += _gemma_required(schema)
        elif key == "type":
            members.append([Segment("type:"), *_gemma_string(_gemma_kind(schema))])
        else:
            members.append([Segment(f"{key}:"), *_gemma_value(schema[key])])
    return members


def _gemma_kind(schema: Mapping[str, JSON]) -> str:
    """The type's name; a parameter that gives none is taken for a string."""
    kind = schema.get("type")
    if isinstance(kind, list):
        return "|".join(str(one) for one in kind).upper()
    return str(kind or "string").upper()


def _gemma_required(schema: Mapping[str, JSON]) -> list[list[Segment]]:
    names = ToolSpec("", "", schema).required
    return [[Segment("required:"), *_gemma_value(list(names))]] if names else []


def _gemma_string(text: str) -> list[Segment]:
    return [GEMMA_QUOTE, Segment(text), GEMMA_QUOTE]


def _gemma_value(value: JSON) -> list[Segment]:
    if isinstance(value, str):
        return _gemma_string(value)
    if isinstance(value, dict):
        members = [
            [*_gemma_string(key), Segment(":"), *_gemma_value(value[key])]
            for key in sorted(value, key=str.lower)
        ]
        return [Segment("{"), *_commas(members), Segment("}")]
    if isinstance(value, list):
        return [Segment("["), *_commas([_gemma_value(one) for one in value]), Segment("]")]
    return [Segment(json.dumps(value))]


def _commas(items: Iterable[Sequence[Segment]]) -> list[Segment]:
    out: list[Segment] = []
    for index, item in enumerate(items):
        out += [Segment(","), *item] if index else item
    return out


def _object(value: JSON) -> Mapping[str, JSON]:
    return value if isinstance(value, dict) else {}


def _description(schema: Mapping[str, JSON]) -> str:
    return str(schema.get("description") or "").strip()


TOOL_ITEMS: Mapping[str, Callable[[ToolSpec, int | None], Written]] = {
    "openai": _openai,
    "function": _function,
    "name": lambda tool, indent: tool.name,
    "signature": lambda tool, indent: signature(tool),
    "described": _described,
    "hermes": _hermes,
    "typescript": _typescript,
    "qwen_xml": _qwen_xml,
    "gemma": _gemma,
}
