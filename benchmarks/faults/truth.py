"""The ground truth of BFCL as calls and tools, and its rules for comparing.

The data are read from a user's own copy of `bfcl_eval/data` (package bfcl-eval, Apache-2.0); none is here.
The rules are those of the benchmark's AST check, written anew from their description, as far as the Python
categories need them:

- the function's name is the same, every required parameter is there, every parameter that is there is in the
  schema and in the possible answer, and one that is not there has `""` among its possible values;
- a value has the type of the schema, where a whole number may stand for a float, or that of the answer;
- strings are compared in lower case, without blanks and `,./-_*^`, with double for single quotes, and lists
  likewise element by element, in order; a dict's keys are those of the answer, and lists of dicts keep order;
- parallel calls: as many as in the answer, in any order; otherwise exactly one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CATEGORIES = ("simple_python", "multiple", "parallel")
TYPES = {
    "dict": "object",
    "float": "number",
    "tuple": "array",
    "integer": "integer",
    "string": "string",
    "array": "array",
    "boolean": "boolean",
}
PYTHON = {"integer": int, "number": float, "string": str, "array": list, "boolean": bool, "object": dict}
NOT_COMPARED = re.compile(r"[ ,./\-_*^]")

Call = tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class Item:
    """One question: the calls that answer it, the tools in the OpenAI shape, and every answer that counts."""

    id: str
    category: str
    calls: tuple[Call, ...]
    tools: tuple[dict[str, Any], ...]
    answers: tuple[dict[str, Any], ...]

    def schema(self, name: str) -> dict[str, Any]:
        """Return the parameters' schema of the tool called `name`."""
        tools = (tool["function"] for tool in self.tools)
        return next(tool["parameters"] for tool in tools if tool["name"] == name)


def load(folder: Path, category: str) -> Iterator[Item]:
    """Yield the items of a category from `bfcl_eval/data`."""
    questions = _lines(folder / f"BFCL_v4_{category}.json")
    answers = {
        row["id"]: row["ground_truth"] for row in _lines(folder / f"possible_answer/BFCL_v4_{category}.json")
    }
    for row in questions:
        truth = answers[row["id"]]
        tools = [{"type": "function", "function": _tool(tool)} for tool in row["function"]]
        calls = [(name, spoken(arguments)) for answer in truth for name, arguments in answer.items()]
        yield Item(row["id"], category, tuple(calls), tuple(tools), tuple(truth))


def spoken(answer: dict[str, list[Any]]) -> dict[str, Any]:
    """Return arguments that are right: of each parameter the first value that is one."""
    return {key: first for key, values in answer.items() for first in _first(values)}


def right(item: Item, calls: Sequence[Call]) -> bool:
    """Tell whether the calls are a right answer."""
    left = list(item.answers)
    for call in calls:
        fits = [answer for answer in left if _right_call(item, call, answer)]
        if not fits:
            return False
        left.remove(fits[0])
    return not left


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    return (json.loads(line) for line in path.read_text("utf-8").splitlines())


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    return {**tool, "parameters": _schema(tool["parameters"])}


def _schema(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema of BFCL as JSON Schema: other names of types, and none for `any`."""
    out = {key: value for key, value in schema.items() if key != "type"}
    if schema.get("type") in TYPES:
        out["type"] = TYPES[schema["type"]]
    if isinstance(schema.get("properties"), dict):
        out["properties"] = {key: _schema(value) for key, value in schema["properties"].items()}
    if isinstance(schema.get("items"), dict):
        out["items"] = _schema(schema["items"])
    return out


def _first(values: list[Any]) -> Iterator[Any]:
    for value in values:
        if isinstance(value, dict):
            yield spoken(value)
        elif isinstance(value, list):
            yield [spoken(item) if isinstance(item, dict) else item for item in value]
        elif value != "":
            yield value
        else:
            continue
        return


def _right_call(item: Item, call: Call, answer: dict[str, Any]) -> bool:
    ((name, possible),) = answer.items()
    if call[0] != name:
        return False
    schema = item.schema(name)
    arguments = call[1]
    if any(key not in arguments for key in schema.get("required", ())):
        return False
    if any("" not in values for key, values in possible.items() if key not in arguments):
        return False
    properties = schema["properties"]
    return all(
        key in properties and key in possible and _right_value(properties[key], value, possible[key])
        for key, value in arguments.items()
    )


def _right_value(schema: dict[str, Any], value: Any, possible: list[Any]) -> bool:
    kind = PYTHON.get(schema.get("type", ""), str)
    if kind is float and type(value) is int:
        value = float(value)
    kinds = {kind} | {type(answer) for answer in possible if answer != ""}
    if type(value) not in kinds:
        return False
    return any(_same(value, answer) for answer in possible)


def _same(value: Any, answer: Any) -> bool:
    if isinstance(answer, dict):
        return isinstance(value, dict) and _same_dict(value, answer)
    if isinstance(answer, list):
        same_length = isinstance(value, list) and len(value) == len(answer)
        return same_length and all(_same(one, other) for one, other in zip(value, answer, strict=True))
    if isinstance(answer, str):
        return isinstance(value, str) and _standard(value) == _standard(answer)
    return isinstance(value, bool) == isinstance(answer, bool) and value == answer


def _same_dict(value: dict[str, Any], answer: dict[str, list[Any]]) -> bool:
    if any("" not in values for key, values in answer.items() if key not in value):
        return False
    return all(
        key in answer and any(_same(item, other) for other in answer[key]) for key, item in value.items()
    )


def _standard(text: str) -> str:
    return NOT_COMPARED.sub("", text).lower().replace("'", '"')
