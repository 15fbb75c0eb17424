"""Strings that are quoted from given texts: how a tool says so, and how a call is checked for it.

A string's schema names the texts with `x-quoted-from` (a name or a list of names); `x-quote-or-free` lets any
other text stand there too, if it begins otherwise than a quote. The texts themselves come with each question,
as a mapping from names to texts: `call_grammar(..., quotes={"user": [message]})`. What a quote is, is in
`quote_words.py`; grammars hold it (`quote_rules.py`), and where no grammar holds an answer, `quote_errors`
says afterwards what is no quote. To JSON Schema the two keywords are annotations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from difflib import SequenceMatcher
from typing import Any, Protocol, TypeAlias, cast

from jsonschema import Draft202012Validator, ValidationError, validators
from referencing import Registry

from bridle.errors import InputError
from bridle.grammars.bounds import DEFAULT_BOUNDS
from bridle.grammars.quote_rules import QUOTE_OR_FREE, QUOTED_FROM, pieces_of, runs_of, sources_of
from bridle.grammars.quote_words import is_quote, words_of
from bridle.grammars.schema_keywords import limit, validator_of
from bridle.messages import JSON, ToolSpec

__all__ = ["enumerated", "is_quoted", "quote_errors", "quoted", "without_quotes"]

_ALIKE = 0.6  # of 1: what is less like a quote than this is no misspelling of it
_VALUES = ("enum", "const", "default", "examples", "example")
_NAMED = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")


def is_quoted(value: str, texts: Iterable[str]) -> bool:
    """Tell whether a value is a run of whole words of one of the texts.

    >>> is_quoted("Zbyněk Vaněček", ["My friend is Zbyněk Vaněček."])
    True
    >>> is_quoted("Zbynek", ["My friend is Zbyněk Vaněček."])
    False
    """
    return any(is_quote(value, text) for text in texts)


def quoted(tool: ToolSpec, sources: Mapping[str, str | Sequence[str]], *, or_free: bool = False) -> ToolSpec:
    """Return the tool with some of its strings declared as quoted.

    `sources` maps a parameter's name, or a JSON pointer to a schema inside the tool's parameters, to the name
    or names of the texts. A list of strings has its items quoted; of several types only strings are.

    Raises:
        InputError: for a parameter that does not exist or takes no free string.

    >>> note = ToolSpec("note", "", {"type": "object", "properties": {"text": {"type": "string"}}})
    >>> quoted(note, {"text": "user"}).properties["text"]
    {'type': 'string', 'x-quoted-from': 'user'}
    """
    parameters: JSON = dict(tool.parameters)
    for place, names in sources.items():
        mark: dict[str, JSON] = {QUOTED_FROM: names if isinstance(names, str) else list[JSON](names)}
        if or_free:
            mark[QUOTE_OR_FREE] = True
        tokens = _tokens(place) if place.startswith("/") else ["properties", place]
        parameters = _marked(parameters, tokens, mark, f"the tool {tool.name!r} has no {place!r}")
    assert isinstance(parameters, dict)
    return replace(tool, parameters=parameters)


def without_quotes(schema: JSON) -> JSON:
    """Return a schema without the two keywords, for servers that refuse those they do not know.

    >>> without_quotes({"items": {"type": "string", "x-quoted-from": "user"}})
    {'items': {'type': 'string'}}
    """
    return _rewritten(schema, _bare)


def enumerated(tool: ToolSpec, quotes: Mapping[str, Sequence[str]], *, most: int = 250) -> ToolSpec:
    """Return the tool with the quotes themselves listed, for servers that hold a JSON Schema and no grammar.

    Both keywords are gone. A string becomes an `enum` where it has at most `most` quotes, which are those of
    some twenty words; any other is free, and `quote_errors` tells afterwards.

    >>> tool = ToolSpec("f", "", {"properties": {"name": {"type": "string", "x-quoted-from": "user"}}})
    >>> enumerated(tool, {"user": ["I am Ana."]}).properties["name"]["enum"]
    ['Ana', 'Ana.', 'I', 'I am', 'I am Ana', 'I am Ana.', 'am', 'am Ana', 'am Ana.']
    """
    parameters = _rewritten(dict(tool.parameters), lambda schema: _listed(schema, quotes, most))
    assert isinstance(parameters, dict)
    return replace(tool, parameters=parameters)


def quote_errors(
    tool: ToolSpec, arguments: Mapping[str, JSON], quotes: Mapping[str, Sequence[str]]
) -> list[str]:
    """Say which arguments should be quotes and are none, in words that a model can be asked again with.

    Strings that may be free, and those whose texts are not among `quotes`, are not looked at. Arguments are
    taken to satisfy the tool's schema otherwise.

    >>> tool = ToolSpec("f", "", {"properties": {"name": {"type": "string", "x-quoted-from": "user"}}})
    >>> quote_errors(tool, {"name": "Zbynek"}, {"user": ["I am Zbyněk."]})
    ["name: 'Zbynek' is not said so in 'user'; quote it word for word: 'Zbyněk'"]
    """
    if not _mentions(dict(tool.parameters)):
        return []
    found: list[str] = []
    for error in _checking(quotes)(dict(tool.parameters), registry=_NOTHING_ELSE).iter_errors(
        dict(arguments)
    ):
        for inner in _of_quotes(error):
            place = "/".join(str(part) for part in inner.absolute_path)
            found.append(f"{place}: {inner.message}" if place else inner.message)
    return list(dict.fromkeys(found))


def _marked(schema: JSON, tokens: Sequence[str], mark: Mapping[str, JSON], missing: str) -> JSON:
    """Return a schema with the mark at a place inside it."""
    if not tokens:
        changed = _declared(schema, mark)
        if changed is None:
            raise InputError(
                f"{missing} that could be quoted: its schema is {str(schema)[:80]}",
                hint="it must admit a string that no enum lists",
            )
        return changed
    here, rest = tokens[0], tokens[1:]
    if isinstance(schema, dict) and here in schema:
        return {**schema, here: _marked(schema[here], rest, mark, missing)}
    if isinstance(schema, list) and here.isdecimal() and int(here) < len(schema):
        changed = _marked(schema[int(here)], rest, mark, missing)
        return [*schema[: int(here)], changed, *schema[int(here) + 1 :]]
    raise InputError(missing, hint="give a parameter's name, or a JSON pointer such as /properties/a/items")


def _declared(schema: JSON, mark: Mapping[str, JSON]) -> JSON | None:
    """Return a schema whose strings are quoted; None where it has none."""
    if schema is True:
        return {"type": "string", **mark}
    if not isinstance(schema, dict) or "enum" in schema or "const" in schema:
        return None
    for keyword in ("anyOf", "oneOf"):
        branches = schema.get(keyword)
        if isinstance(branches, list):
            changed = [_declared(branch, mark) for branch in branches]
            if all(one is None for one in changed):
                return None
            merged = [old if new is None else new for old, new in zip(branches, changed, strict=True)]
            return {**schema, keyword: merged}
    kinds = schema.get("type", "string")
    if kinds == "string" or (isinstance(kinds, list) and "string" in kinds):
        return {**schema, **mark}
    items = _declared(schema.get("items", True), mark) if kinds == "array" else None
    return None if items is None else {**schema, "items": items}


def _tokens(pointer: str) -> list[str]:
    return [token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:]]


def _rewritten(schema: JSON, change: Callable[[dict[str, JSON]], dict[str, JSON]]) -> JSON:
    """Change every part of a schema that has one of the two keywords."""
    if isinstance(schema, list):
        return [_rewritten(one, change) for one in schema]
    if not isinstance(schema, dict):
        return schema
    out: dict[str, JSON] = {}
    for key, value in schema.items():
        if key in _NAMED and isinstance(value, dict):
            out[key] = {name: _rewritten(one, change) for name, one in value.items()}
        else:
            out[key] = value if key in _VALUES else _rewritten(value, change)
    return change(out) if QUOTED_FROM in out or QUOTE_OR_FREE in out else out


def _bare(schema: dict[str, JSON]) -> dict[str, JSON]:
    return {key: value for key, value in schema.items() if key not in (QUOTED_FROM, QUOTE_OR_FREE)}


def _listed(schema: dict[str, JSON], quotes: Mapping[str, Sequence[str]], most: int) -> dict[str, JSON]:
    bare, names, kinds = _bare(schema), sources_of(schema), schema.get("type", "string")
    others: list[JSON] = [None] if kinds == ["string", "null"] or schema.get("nullable") is True else []
    held = bool(names) and all(name in quotes for name in names) and schema.get(QUOTE_OR_FREE) is not True
    if not held or "enum" in schema or "const" in schema or (kinds != "string" and not others):
        return bare
    texts = [text for name in names for text in quotes[name]]
    longest = limit(schema, "maxLength", DEFAULT_BOUNDS.string_chars)
    runs = {run for piece in pieces_of(texts, longest) for run in runs_of(piece)}
    check = validator_of(bare)
    fits = [run for run in sorted(runs) if check.is_valid(run)]
    return {**bare, "enum": [*fits, *others]} if 0 < len(fits) <= most else bare


def _mentions(schema: JSON) -> bool:
    if isinstance(schema, dict):
        return QUOTED_FROM in schema or any(map(_mentions, schema.values()))
    return isinstance(schema, list) and any(map(_mentions, schema))


def _of_quotes(error: ValidationError) -> Iterator[ValidationError]:
    """Yield those of an error's causes that are about quotes."""
    if error.validator == QUOTED_FROM:
        yield error
    for inner in error.context or ():
        yield from _of_quotes(inner)


class _Validator(Protocol):
    """The part of jsonschema's validators that is used here, with its types."""

    def iter_errors(self, instance: object) -> Iterable[ValidationError]: ...


_extend = cast("Callable[..., Callable[..., _Validator]]", validators.extend)  # pyright: ignore[reportUnknownMemberType]
_Keyword: TypeAlias = Callable[[Any, Any, Any, Any], Iterator[ValidationError]]
_NOTHING_ELSE: Registry[bool | Mapping[str, object]] = Registry()


def _checking(quotes: Mapping[str, Sequence[str]]) -> Callable[..., _Validator]:
    """Return a kind of validator to which `x-quoted-from` is a keyword."""

    def check(_: object, __: object, value: object, schema: Mapping[str, JSON]) -> Iterator[ValidationError]:
        names = sources_of(schema)
        if not isinstance(value, str) or schema.get(QUOTE_OR_FREE) is True:
            return
        if any(keyword in schema for keyword in ("enum", "const")) or not all(one in quotes for one in names):
            return
        texts = [text for name in names for text in quotes[name]]
        if not is_quoted(value, texts):
            said = " or ".join(map(repr, names))
            near = _nearest(value, texts)
            better = f": {near!r}" if near else ""
            yield ValidationError(f"{value[:80]!r} is not said so in {said}; quote it word for word{better}")

    keyword: _Keyword = check
    return _extend(Draft202012Validator, {QUOTED_FROM: keyword})


def _nearest(value: str, texts: Sequence[str]) -> str:
    """Return the run of as many words that is most like a value; the empty string where none is."""
    best, count = (_ALIKE, ""), max(1, len(value.split()))
    for row in (row for text in texts for row in words_of(text)):
        for at in range(len(row) - count + 1):
            first = row[at].core + (row[at].ends[-1] if count > 1 else "")
            run = first + "".join(word.whole for word in row[at + 1 : at + count])
            run = run[: len(run) - len(row[at + count - 1].ends[-1])] if count > 1 else run
            best = max(best, (SequenceMatcher(None, value.casefold(), run.casefold()).ratio(), run))
    return best[1]
