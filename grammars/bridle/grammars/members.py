"""Arguments that stand one by one, each between its own marks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bridle.errors import GrammarError
from bridle.grammars.ir import EMPTY, Lit, Node, Repeat, alt, optional, seq
from bridle.grammars.json_rules import listed
from bridle.grammars.notations import WORD, GemmaRules, MarkedJson, PythonRules, RawText
from bridle.grammars.schema import Frame, SchemaRules
from bridle.grammars.schema_keywords import ANNOTATIONS
from bridle.messages import JSON, ToolSpec
from bridle.wrappers.syntax import Members
from bridle.wrappers.values import (
    admits_only_strings,
    bare_mark,
    escape_mark,
    read_raw,
    write_member,
)

__all__ = ["MemberFrame"]


class MemberFrame(Frame):
    """The arguments of one tool's call: `open` KEY `middle` VALUE `close`, `between` two."""

    def __init__(self, members: Members, rules: SchemaRules, tool: ToolSpec) -> None:
        make = {"python": PythonRules, "gemma": GemmaRules}.get(members.values)
        mark = bare_mark(members.close)
        if make is None and not mark:
            raise GrammarError(
                "the values of arguments end at no mark, so that no grammar can tell where",
                hint="give `close` a mark, or let the values be Python",
            )
        values = MarkedJson(rules, mark) if make is None else make(rules)
        super().__init__(values)
        self._raw = RawText(rules, mark) if make is None else None
        self._members = members
        self._tool = tool

    def rules_of(self, key: str) -> SchemaRules:
        """Return the rules for the value of one argument; raw where its schema admits only strings."""
        return self._raw if self._raw is not None and admits_only_strings(self._schema(key)) else self.rules

    def value(self, key: str, node: Node) -> Node:
        """Add strings as they are, where a schema admits others values too and nobody takes them for JSON."""
        schema = self._schema(key)
        if self._raw is None or admits_only_strings(schema):
            return node
        if _admits_any_string(schema):
            return alt(node, self._raw.unlike_json())
        options = schema.get("enum")
        if not isinstance(options, list) or _words(schema) != {"enum"}:
            return node
        texts = [one for one in options if isinstance(one, str) and read_raw(one, key, self._tool) == one]
        return alt(node, *(Lit(escape_mark(text, self._raw.mark)) for text in texts))

    def object(self, members: Sequence[tuple[str, Node, bool]], depth: int) -> Node:
        """Return rules for these members (key, value, required) in this order."""
        items = [(self._member(key, value), required) for key, value, required in members]
        body = listed(items, self._members.between, "", self.rules.share)
        if body is None:
            return EMPTY
        whole = self.rules.share("members", body)
        return whole if any(required for _, required in items) else optional(whole)

    def free_object(self, value: Node, most: int, depth: int) -> Node:
        """Return rules for at most `most` members with any keys."""
        if most == 0:
            return EMPTY
        form = self._members
        key = Repeat(WORD, 1, max(1, self.rules.bounds.key_chars))
        member = self.rules.share(
            "member", seq(Lit(form.open), key, Lit(form.middle), value, Lit(form.close))
        )
        return optional(seq(member, Repeat(seq(Lit(form.between), member), 0, most - 1)))

    def _member(self, key: str, value: Node) -> Node:
        form, value = self._members, self.rules.store.field(value, key)
        if form.values == "python" and not key.isidentifier():
            return seq(Lit("**{"), self.rules.lead(key), value, Lit("}"))
        zero = write_member(replace(form, close=""), key, 0, None)
        return seq(Lit("".join(piece for piece, _ in zero)[:-1]), value, Lit(form.close))

    def _schema(self, key: str) -> Mapping[str, JSON]:
        """The schema that a reader goes by: what the tool declares for the key, references not followed."""
        return self._tool.properties.get(key, {})


def _admits_any_string(schema: JSON | Mapping[str, JSON]) -> bool:
    """Tell whether a schema is one of several types of which one is a string without limits."""
    if not isinstance(schema, Mapping):
        return False
    words = _words(schema)
    if words == {"type"}:
        kinds = schema["type"]
        return "string" in kinds if isinstance(kinds, list) else kinds == "string"
    options = schema.get("anyOf")
    return words == {"anyOf"} and isinstance(options, list) and any(map(_admits_any_string, options))


def _words(schema: Mapping[str, JSON]) -> set[str]:
    """The keywords that restrict."""
    return {word for word in schema if word not in ANNOTATIONS}
