"""One whole schema: where its parts stand, what its references lead to, and which draft it follows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import cast
from urllib.parse import unquote, urldefrag, urljoin

from referencing.exceptions import Unresolvable

from bridle.errors import SchemaError
from bridle.grammars.schema_cases import Schema
from bridle.grammars.schema_keywords import META_SCHEMAS, Validator, old_draft, pointer_to, validator_of
from bridle.messages import JSON

__all__ = ["Source"]

_NO_SCHEMAS = frozenset(("enum", "const", "default", "examples", "example", "required", "type"))


class Source:
    """One whole schema that pointers lead into."""

    def __init__(self, root: Schema | bool) -> None:
        self.root = root
        self.old = old_draft(root)
        self._validator: Validator | None = None
        self._places: dict[int, tuple[str, str]] = {}
        self._named: dict[str, Schema] = {}
        self._dynamic: dict[str, int] = {}
        self._kept: list[object] = [root]
        self._walk(root, "", "")

    def _walk(self, part: object, pointer: str, base: str) -> None:
        """Remember where each part stands, and what it is called."""
        if isinstance(part, Mapping):
            schema = cast("Schema", part)
            for keyword in ("$id", "id"):
                name = schema.get(keyword)
                if isinstance(name, str) and (keyword == "$id" or self.old):
                    base = urljoin(base, name)
                    self._named.setdefault(base.removesuffix("#"), schema)
            for keyword in ("$anchor", "$dynamicAnchor"):
                name = schema.get(keyword)
                if isinstance(name, str):
                    self._named.setdefault(f"{urldefrag(base)[0]}#{name}", schema)
                    if keyword == "$dynamicAnchor":
                        self._dynamic[name] = self._dynamic.get(name, 0) + 1
            self._places.setdefault(id(schema), (pointer, base))
            for key, value in schema.items():
                if key not in _NO_SCHEMAS or isinstance(value, Mapping):
                    self._walk(value, pointer_to(pointer, key), base)
        elif isinstance(part, list):
            for i, item in enumerate(cast("list[object]", part)):
                self._walk(item, pointer_to(pointer, i), base)

    def pointer(self, schema: JSON | Schema) -> str | None:
        """Return where a part stands; None for one that was made by merging others."""
        found = self._places.get(id(schema))
        return None if found is None else found[0]

    def key(self, schema: JSON | Schema) -> object:
        """Return what tells a part from others: where it stands, or of which parts it was made."""
        if isinstance(schema, Mapping):
            found = self._places.get(id(schema))
            if found is not None:
                return ("@", found[0])
            return tuple((key, self.key(value)) for key, value in schema.items())
        if isinstance(schema, list):
            return tuple(self.key(item) for item in schema)
        return (type(schema).__name__, repr(schema))

    def allows(self, schema: JSON | Schema, value: JSON) -> bool:
        """Check a value against a part of this schema, with all keywords."""
        if self._validator is None:
            self._validator = validator_of(self.root)
        try:
            return self._validator.evolve(schema=schema).is_valid(value)
        except Unresolvable:
            # A reference inside a part with a name of its own. What it leads to is checked by itself.
            return self._validator.evolve(schema=_without_references(schema)).is_valid(value)
        except (re.error, RecursionError) as error:
            raise SchemaError(f"the schema cannot be checked: {error}"[:300]) from error

    def is_dynamic(self, reference: str) -> bool:
        """Tell whether a dynamic reference may lead to several places."""
        return self._dynamic.get(reference.removeprefix("#"), 0) > 1

    def target(self, reference: str, schema: Schema) -> JSON | Schema:
        """Return what a `$ref` in a part of the schema leads to.

        Raises:
            SchemaError: when it leads out of the schema, or nowhere.
        """
        pointer, base = self._places.get(id(schema), ("", ""))
        where, fragment = urldefrag(urljoin(base, reference) if base else reference)
        found = self._document(where, urldefrag(base)[0], reference, pointer)
        if fragment and not fragment.startswith("/"):
            named = self._named.get(f"{where}#{fragment}", self._named.get(f"#{fragment}"))
            if named is None:
                raise SchemaError(f"the reference {reference!r} leads nowhere", pointer=f"{pointer}/$ref")
            return named
        for token in _tokens(fragment):
            if isinstance(found, Mapping) and token in found:
                found = found[token]
            elif isinstance(found, list) and token.isdecimal() and int(token) < len(found):
                found = found[int(token)]
            else:
                raise SchemaError(f"the reference {reference!r} leads nowhere", pointer=f"{pointer}/$ref")
        if not isinstance(found, bool | Mapping):
            raise SchemaError(
                f"the reference {reference!r} leads to {found!r}, no schema", pointer=f"{pointer}/$ref"
            )
        return found

    def _document(self, where: str, base: str, reference: str, pointer: str) -> JSON | Schema:
        if where in self._named:
            return self._named[where]
        if where in ("", base):
            return self.root
        known = META_SCHEMAS.get(where)
        if known is not None:
            if id(known) not in self._places:
                self._walk(known, f"{where}#", where)
            return known
        raise SchemaError(
            f"the reference {reference!r} leads out of the schema",
            pointer=f"{pointer}/$ref",
            hint="refer to a place in it, such as '#/$defs/name'",
        )


def _without_references(schema: object) -> object:
    if isinstance(schema, list):
        return [_without_references(part) for part in cast("list[object]", schema)]
    if not isinstance(schema, Mapping):
        return schema
    parts = cast("Mapping[str, object]", schema)
    return {key: _without_references(part) for key, part in parts.items() if key not in ("$ref", "$id")}


def _tokens(fragment: str) -> Iterator[str]:
    for token in fragment.split("/")[1:]:
        yield unquote(token).replace("~1", "/").replace("~0", "~")
