"""A typed Python function as a tool: its signature is the schema, its docstring the descriptions.

    >>> def weather(city: str, days: int = 1) -> str:
    ...     "Tell the weather. \\n\\n:param city: Where."
    ...     return f"{days} fine days in {city}"
    >>> as_tool(weather).spec.parameters["required"]
    ['city']

The arguments of a call are made values of the parameters' types before the function sees them. The function
is called when a model calls it, and never before.
"""

from __future__ import annotations

import enum
import functools
import inspect
from collections.abc import Callable, Mapping
from typing import cast

from bridle.agent.toolbox.base import DEFAULT_TIMEOUT_S, Tool, check_name, check_parameters
from bridle.agent.toolbox.docstrings import Docstring, read_docstring
from bridle.agent.toolbox.plain_types import Form, NotTold
from bridle.agent.toolbox.python_types import Forms
from bridle.errors import InputError, SchemaError
from bridle.messages import JSON, ToolSpec

__all__ = ["as_tool"]


def as_tool(
    function: Callable[..., object] | Tool,
    *,
    name: str = "",
    description: str = "",
    timeout_s: float = DEFAULT_TIMEOUT_S,
    source: str = "",
) -> Tool:
    """Make a tool of a typed Python function, by its signature and docstring; a tool stays as it is.

    `name` and `description` go before what the function says of itself. `timeout_s` is in seconds.

    Raises:
        SchemaError: naming the parameter whose type cannot be told to a model.
        InputError: for what is no function, or has no name that a model could call it by.
    """
    if isinstance(function, Tool):
        return function
    if not callable(cast("object", function)):
        raise InputError(f"{function!r} is no function", hint="give a function, or a Tool")
    called = name or _name(function)
    check_name(called)
    parameters = _signature(function, called)
    docstring = read_docstring(_docstring(function), tuple(parameters))
    forms = Forms()
    known = {key: _form(forms, one, called) for key, one in parameters.items()}
    spec = ToolSpec(
        called, description or docstring.description, _schema(parameters, known, forms, docstring)
    )
    check_parameters(spec)
    return Tool(spec, _caller(function, parameters, known), timeout_s, source or _source(function))


def _name(function: Callable[..., object]) -> str:
    if isinstance(function, functools.partial):
        return _name(function.func)
    return str(getattr(function, "__name__", ""))


def _source(function: Callable[..., object]) -> str:
    inner = function.func if isinstance(function, functools.partial) else function
    return f"{getattr(inner, '__module__', '?')}:{getattr(inner, '__qualname__', type(inner).__qualname__)}"


def _docstring(function: Callable[..., object]) -> str | None:
    """The function's own docstring; for an object that is called, that of its class."""
    if isinstance(function, functools.partial):
        return _docstring(function.func)
    return inspect.getdoc(function)


def _signature(function: Callable[..., object], called: str) -> Mapping[str, inspect.Parameter]:
    try:
        signature = inspect.signature(function, eval_str=True)
    except (NameError, SyntaxError, TypeError, ValueError, AttributeError) as error:
        raise SchemaError(
            f"the signature of {called} cannot be read: {error}",
            hint="its types must be known where it is defined; or use tool_from_schema",
        ) from error
    return signature.parameters


def _form(forms: Forms, parameter: inspect.Parameter, called: str) -> Form:
    name = parameter.name
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        star = "*" if parameter.kind is parameter.VAR_POSITIONAL else "**"
        raise _refusal(called, star + name, "it may be any number of values", "name each parameter")
    if parameter.annotation is parameter.empty:
        raise _refusal(called, name, "it has no type", f"write its type: {name}: str")
    try:
        return forms.form(parameter.annotation)
    except NotTold as error:
        raise _refusal(called, name, str(error), "take another type, or use tool_from_schema") from error


def _refusal(called: str, name: str, why: str, hint: str) -> SchemaError:
    return SchemaError(
        f"the parameter {name!r} of {called}: {why}",
        pointer=f"#/properties/{name}",
        hint=hint,
        parameter=name,
    )


def _schema(
    parameters: Mapping[str, inspect.Parameter],
    known: Mapping[str, Form],
    forms: Forms,
    docstring: Docstring,
) -> dict[str, JSON]:
    properties: dict[str, JSON] = {}
    for name, parameter in parameters.items():
        shown = dict(known[name].schema)
        if said := docstring.parameters.get(name, ""):
            shown.setdefault("description", said)
        default = _plain_default(parameter.default)
        if default is not None:
            shown.setdefault("default", default)
        properties[name] = shown
    required = [name for name, one in parameters.items() if one.default is one.empty]
    schema: dict[str, JSON] = {
        "type": "object",
        "properties": properties,
        "required": list[JSON](required),
        "additionalProperties": False,
    }
    return {**schema, "$defs": dict(forms.definitions)} if forms.definitions else schema


def _plain_default(default: object) -> JSON:
    """What a model may be told of a default; None for nothing."""
    if isinstance(default, enum.Enum):
        default = default.value
    return default if isinstance(default, str | int | float) else None


def _caller(
    function: Callable[..., object], parameters: Mapping[str, inspect.Parameter], known: Mapping[str, Form]
) -> Callable[..., object]:
    def call(**arguments: JSON) -> object:
        values = {name: _value(name, known[name], value) for name, value in arguments.items()}
        by_place = [one for one in parameters.values() if one.kind is one.POSITIONAL_ONLY]
        placed: list[object] = []
        for one in by_place:
            if one.name not in values:
                break
            placed.append(values.pop(one.name))
        return function(*placed, **values)

    return call


def _value(name: str, form: Form, value: JSON) -> object:
    try:
        return form.read(value)
    except ValueError as error:
        raise InputError(f"{name}: {error}") from error
