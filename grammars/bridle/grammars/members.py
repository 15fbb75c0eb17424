"""Arguments that stand one by one, each between its own marks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bridle.grammars.ir import EMPTY, Lit, Node, Repeat, alt, optional, seq
from bridle.grammars.json_rules import listed
from bridle.grammars.marked_text import unlike_json
from bridle.grammars.notations import WORD, GemmaRules, MarkedJson, PythonRules, RawText
from bridle.grammars.schema import Frame, SchemaRules
from bridle.grammars.schema_keywords import ANNOTATIONS
from bridle.messages import JSON, ToolSpec
from bridle.wrappers.syntax import Members
from bridle.wrappers.values import (
    admits_only_strings,
    bare_mark,
    escape_mark,
    fits,
    read_raw,
    write_name,
)

__all__ = ["MemberFrame"]


class MemberFrame(Frame):
    """The arguments of one tool's call: `open` KEY `middle` VALUE `close`, `between` two."""

    def __init__(self, members: Members, rules: SchemaRules, tool: ToolSpec) -> None:
        make = {"python": PythonRules, "gemma": GemmaRules}.get(members.values)
        mark = bare_mark(members.close)
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
            text = unlike_json(self._raw.mark, self.rules.bounds.string_chars)
            return alt(node, self.rules.share("raw", text))
        options = schema.get("enum")
        texts = [one for one in options if isinstance(one, str)] if isinstance(options, list) else []
        fitting = [text for text in texts if fits(text, key, self._tool)]
        plain = [text for text in fitting if read_raw(text, key, self._tool) == text]
        return alt(node, *(Lit(escape_mark(text, self._raw.mark)) for text in plain))

    def object(self, members: Sequence[tuple[str, Node, bool]], depth: int) -> Node:
        """Return rules for these members (key, value, required) in this order."""
        items = [(self._member(key, value), required) for key, value, required in members]
        body = listed(items, self._members.between, "", self.rules.share)
        if body is None:
            return EMPTY
        return body if any(required for _, required in items) else optional(body)

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
        form = self._members
        if form.values == "python" and not key.isidentifier():
            return seq(Lit("**{"), self.rules.lead(key), value, Lit("}"))
        name = self.rules.lead(key) if form.values == "gemma" else Lit(write_name(key) + form.middle)
        return seq(Lit(form.open), name, value, Lit(form.close))

    def _schema(self, key: str) -> Mapping[str, JSON]:
        """The schema that a reader goes by: what the tool declares for the key, references not followed."""
        return self._tool.properties.get(key, {})


def _admits_any_string(schema: JSON | Mapping[str, JSON]) -> bool:
    """Tell whether a schema is one of several types of which one is a string without limits."""
    if not isinstance(schema, Mapping):
        return False
    words = {word for word in schema if word not in ANNOTATIONS}
    if words == {"type"}:
        kinds = schema["type"]
        return "string" in kinds if isinstance(kinds, list) else kinds == "string"
    options = schema.get("anyOf")
    return words == {"anyOf"} and isinstance(options, list) and any(map(_admits_any_string, options))
