"""Types of Python as JSON Schema, and JSON values made into values of those types again.

One walk over a type gives both (`Form`), so that what the schema accepts can be read: str, int, float, bool,
None, date, time, datetime, UUID, Path, Any, Literal, Enum, Optional and other unions, list, set, tuple, dict
with text keys, dataclasses, TypedDict, and pydantic's models, which bring their own schema. `Annotated` adds
a description (a text), keywords of JSON Schema (a dict), or limits (`annotated_types`, pydantic's `Field`).
What else there is cannot be told to a model.
"""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Callable, Iterable, Mapping, MutableSequence, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import MISSING, dataclass, fields, is_dataclass
from typing import Any, cast

from bridle.agent.toolbox.plain_types import PLAIN, Form, NotTold, Schema, annotated
from bridle.messages import JSON

__all__ = ["Forms"]


class Forms:
    """The forms of the types of one function. `definitions` collects what its schemas refer to."""

    def __init__(self) -> None:
        self.definitions: dict[str, JSON] = {}
        self._open: dict[type, str] = {}
        self._recursive: set[type] = set()
        self._known: dict[type, Form] = {}

    def form(self, kind: object) -> Form:
        """Return the form of a type.

        Raises:
            NotTold: for one that has none.
        """
        if type(kind).__name__ == "TypeAliasType":  # `type X = …`, from Python 3.12 on
            return self.form(getattr(kind, "__value__", None))
        if isinstance(kind, typing.NewType):
            return self.form(kind.__supertype__)
        origin = typing.get_origin(kind)
        if origin is typing.Annotated:
            inner, *notes = typing.get_args(kind)
            return annotated(self.form(inner), notes)
        if (plain := _plain(kind)) is not None:
            return plain
        if origin is typing.Literal:
            return _choice([(one, one) for one in typing.get_args(kind)], "Literal")
        if origin in (typing.Union, types.UnionType):
            return self._union(typing.get_args(kind))
        container = origin if origin is not None else kind
        if isinstance(container, type):
            return self._of_class(cast("type[object]", container), typing.get_args(kind))
        raise NotTold(f"the type {kind!r} cannot be told to a model")

    def _of_class(self, kind: type[object], arguments: tuple[object, ...]) -> Form:
        if issubclass(kind, enum.Enum):
            return _choice(_enum_values(kind), kind.__name__)
        if hasattr(kind, "model_json_schema") and hasattr(kind, "model_validate"):
            return self._model(kind)
        if is_dataclass(kind):
            return self._record(kind, _dataclass_members(kind), lambda values: kind(**values))
        if typing.is_typeddict(kind):
            return self._record(kind, _typed_dict_members(kind), dict)
        if kind is tuple:
            return self._tuple(arguments)
        if kind in _LISTS:
            return self._list(arguments[0] if arguments else Any, _LISTS[kind])
        if kind in (dict, Mapping, typing.cast("type", types.MappingProxyType)):
            return self._map(arguments)
        raise NotTold(f"the type {kind.__name__} cannot be told to a model")

    def _union(self, kinds: Sequence[object]) -> Form:
        forms = [self.form(one) for one in kinds]

        def read(value: JSON) -> object:
            for form in forms:
                try:
                    return form.read(value)
                except ValueError:
                    continue
            raise ValueError(f"{value!r} is none of what is allowed here")

        return Form({"anyOf": [dict(form.schema) for form in forms]}, read)

    def _list(self, inner: object, make: Callable[[list[object]], object]) -> Form:
        form = self.form(inner)

        def read(value: JSON) -> object:
            return _made(make, [form.read(one) for one in _listed(value)])

        return Form({"type": "array", **({"items": form.schema} if form.schema else {})}, read)

    def _tuple(self, kinds: tuple[object, ...]) -> Form:
        if not kinds or (len(kinds) == 2 and kinds[1] is ...):
            return self._list(kinds[0] if kinds else Any, tuple)
        forms = [self.form(one) for one in kinds]

        def read(value: JSON) -> object:
            values = _listed(value)
            if len(values) != len(forms):
                raise ValueError(f"{value!r} has not {len(forms)} values")
            return tuple(form.read(one) for form, one in zip(forms, values, strict=True))

        first = list[JSON](form.schema for form in forms)
        size = len(forms)
        schema: Schema = {"type": "array", "prefixItems": first, "items": False}
        return Form({**schema, "minItems": size, "maxItems": size}, read)

    def _map(self, arguments: tuple[object, ...]) -> Form:
        key, inner = arguments if len(arguments) == 2 else (str, Any)
        if key is not str:
            raise NotTold(
                f"a dict with keys of type {getattr(key, '__name__', key)} cannot be told to a model"
            )
        form = self.form(inner)

        def read(value: JSON) -> object:
            return {name: form.read(one) for name, one in _mapped(value).items()}

        return Form(
            {"type": "object", **({"additionalProperties": form.schema} if form.schema else {})}, read
        )

    def _record(
        self, kind: type, members: Sequence[_Member], make: Callable[[dict[str, object]], object]
    ) -> Form:
        if kind in self._known:
            return self._known[kind]
        name = kind.__qualname__.replace("<locals>.", "")
        pointer: Schema = {"$ref": f"#/$defs/{name}"}
        if kind in self._open:
            self._recursive.add(kind)
            return Form(pointer, lambda value: self._known[kind].read(value))  # noqa: PLW0108 - not known yet
        self._open[kind] = name
        forms = {one.name: self.form(one.kind) for one in members}
        required = [one.name for one in members if one.is_required]
        schema: Schema = {
            "type": "object",
            "properties": {one: dict(form.schema) for one, form in forms.items()},
            "required": list[JSON](required),
            "additionalProperties": False,
        }

        def read(value: JSON) -> object:
            given = _mapped(value)
            if missing := [one for one in required if one not in given]:
                raise ValueError(f"{missing[0]!r} is missing")
            if others := [one for one in given if one not in forms]:
                raise ValueError(f"there is no {others[0]!r} in {name}")
            return _made(make, {one: forms[one].read(inner) for one, inner in given.items()})

        del self._open[kind]
        if kind in self._recursive:
            self._define(name, schema)
            schema = pointer
        self._known[kind] = Form(schema, read)
        return self._known[kind]

    def _model(self, kind: type) -> Form:
        """Take a pydantic model's own schema; what it refers to is put under the names of its class."""
        model = cast("Any", kind)  # pydantic itself is never imported here
        prefix = f"{kind.__qualname__.replace('<locals>.', '')}."
        schema = dict(model.model_json_schema(ref_template=f"#/$defs/{prefix}{{model}}"))
        for name, inner in schema.pop("$defs", {}).items():
            self._define(prefix + name, inner)
        return Form(cast("Schema", schema), model.model_validate)

    def _define(self, name: str, schema: JSON) -> None:
        if self.definitions.setdefault(name, schema) != schema:
            raise NotTold(f"two types are called {name}")


def _plain(kind: object) -> Form | None:
    try:
        return PLAIN.get(kind)
    except TypeError:  # what cannot be hashed is no type
        return None


@dataclass(frozen=True, slots=True)
class _Member:
    """A field of a dataclass or TypedDict."""

    name: str
    kind: object
    is_required: bool


def _dataclass_members(kind: type) -> list[_Member]:
    hints = _hints(kind)
    return [
        _Member(one.name, hints[one.name], one.default is MISSING and one.default_factory is MISSING)
        for one in fields(cast("Any", kind))
        if one.init
    ]


def _typed_dict_members(kind: type) -> list[_Member]:
    required: object = getattr(kind, "__required_keys__", None)
    known = cast("frozenset[str]", required)  # every TypedDict has it
    return [_typed_dict_member(name, hint, name in known) for name, hint in _hints(kind).items()]


def _typed_dict_member(name: str, hint: object, usual: bool) -> _Member:
    """Where annotations are texts, the class itself has not seen what is Required and what is not."""
    origin = typing.get_origin(hint)
    if origin in (typing.Required, typing.NotRequired):
        return _Member(name, typing.get_args(hint)[0], origin is typing.Required)
    return _Member(name, hint, usual)


def _hints(kind: type) -> dict[str, object]:
    try:
        return typing.get_type_hints(kind, include_extras=True)
    except (NameError, TypeError, AttributeError) as error:
        raise NotTold(f"the types of {kind.__name__} cannot be read: {error}") from error


def _made(make: Callable[[Any], object], values: object) -> object:
    """Make the value; what its own class has against it counts as a wrong value."""
    try:
        return make(values)
    except TypeError as error:
        raise ValueError(str(error)) from error


def _listed(value: JSON) -> list[JSON]:
    if not isinstance(value, list):
        raise ValueError(f"{value!r} is no list")
    return value


def _mapped(value: JSON) -> dict[str, JSON]:
    if not isinstance(value, dict):
        raise ValueError(f"{value!r} is no object")
    return value


def _enum_values(kind: type[enum.Enum]) -> list[tuple[object, object]]:
    """What stands for each member: the values, if all are plain, else the names."""
    plain = all(isinstance(one.value, str | int) for one in kind)
    return [(one.value if plain else one.name, one) for one in kind]


def _choice(values: Iterable[tuple[object, object]], name: str) -> Form:
    """A closed set of plain values; 1 and true are different ones."""
    shown: dict[tuple[type, object], object] = {}
    for value, meant in values:
        told = value.value if isinstance(value, enum.Enum) else value
        if not isinstance(told, str | int | None):
            raise NotTold(f"the value {told!r} of {name} cannot be told to a model")
        # An IntEnum's or StrEnum's value is a plain one as well.
        shown[type(told), told] = meant
    if not shown:
        raise NotTold(f"{name} has no values")

    def read(value: JSON) -> object:
        whole = int(value) if isinstance(value, float) and value.is_integer() else value
        try:
            return shown[type(whole), whole]
        except (KeyError, TypeError) as error:
            raise ValueError(f"{value!r} is none of {', '.join(repr(one) for _, one in shown)}") from error

    return Form({"enum": [cast("JSON", one) for _, one in shown]}, read)


_LISTS: Mapping[type, Callable[[list[object]], object]] = {
    list: list,
    set: set,
    frozenset: frozenset,
    cast("type", Sequence): list,
    cast("type", MutableSequence): list,
    cast("type", AbstractSet): set,
}
