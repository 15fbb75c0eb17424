"""Faults after which no call may be read: the text is cut, names no tool, or leaves something to guess."""

from __future__ import annotations

import json

from case import Case, Said, free_strings, plain, refuse
from speech import say
from truth import Call


@refuse
def _cut_in_a_string_by_the_limit(case: Case) -> Said | None:
    return _cut_in_a_string(case, "length")


@refuse
def _cut_in_a_string_then_stop(case: Case) -> Said | None:
    return _cut_in_a_string(case, "stop")


@refuse
def _cut_in_a_string_then_tool_calls(case: Case) -> Said | None:
    return _cut_in_a_string(case, "tool_calls")


@refuse
def _cut_anywhere_by_the_limit(case: Case) -> Said:
    text = case.said()
    end = text.rindex("}}")
    return Said(text[: case.rng.randrange(end // 3, end)], "length")


@refuse
def _unknown_function(case: Case) -> str | None:
    return case.mapped(lambda call: ("consult_the_oracle", call[1]))


@refuse
def _name_lacks_a_letter(case: Case) -> str | None:
    def shorter(call: Call) -> Call | None:
        return None if plain(call[0][:-1]) in map(plain, case.names) else (call[0][:-1], call[1])

    return case.mapped(shorter)


@refuse
def _required_parameter_missing(case: Case) -> str | None:
    def poorer(call: Call) -> Call | None:
        required = [key for key in case.item.schema(call[0]).get("required", ()) if key in call[1]]
        return (call[0], {k: v for k, v in call[1].items() if k != required[0]}) if required else None

    return case.mapped(poorer)


@refuse
def _no_arguments(case: Case) -> str | None:
    def empty(call: Call) -> Call | None:
        return (call[0], {}) if case.item.schema(call[0]).get("required") else None

    return case.mapped(empty)


@refuse
def _object_for_a_plain_value(case: Case) -> str | None:
    return _with_wrong_value(
        case, {"string", "integer", "number", "boolean"}, {"type": "string", "value": "x"}
    )


@refuse
def _words_for_a_number(case: Case) -> str | None:
    return _with_wrong_value(case, {"integer", "number"}, "quite a few")


@refuse
def _call_only_in_thoughts(case: Case) -> str:
    return f"<think>\nI could say {case.said()}\nbut that is not wanted.\n</think>\n\nShall I go on?"


@refuse
def _thoughts_never_end(case: Case) -> Said:
    return Said(f"<think>\nI could say {case.said()}\nbut then", "length")


@refuse
def _refusal(case: Case) -> str:
    return f"I'm sorry, but I cannot use {case.names[0]} for that. Could you tell me more?"


@refuse
def _empty(case: Case) -> str:
    return case.rng.choice(("", "\n", "<|im_end|>", "<tool_call>\n</tool_call>", "{}", "[]"))


@refuse
def _tool_repeated(case: Case) -> str:
    return json.dumps(case.item.tools[0])


@refuse
def _schema_for_arguments(case: Case) -> str | None:
    def echoed(call: Call) -> Call | None:
        schema = case.item.schema(call[0])
        return None if not schema.get("required") or "type" in schema["properties"] else (call[0], schema)

    return case.mapped(echoed)


@refuse
def _call_as_a_value(case: Case) -> str | None:
    calls = [call for call in case.calls if call[1]]
    if not calls:
        return None
    key = next(iter(calls[0][1]))
    mark = "@@value@@"
    return case.said([(calls[0][0], {**calls[0][1], key: mark})]).replace(f'"{mark}"', f"{case.names[0]}()")


@refuse
def _sentence_in_braces(case: Case) -> str:
    return f"{{I will use {case.names[0]} for this}}"


def _cut_in_a_string(case: Case, finish: str) -> Said | None:
    call = case.calls[-1]
    keys = [key for key in free_strings(case, call) if len(call[1][key]) > 2]
    if not keys:
        return None
    key = case.rng.choice(keys)
    mark = "@@value@@"
    text = say([(call[0], {**call[1], key: mark})], case.dialect)
    cut = case.rng.randrange(1, len(call[1][key]))
    return Said(text[: text.index(mark)] + call[1][key][:cut], finish)


def _with_wrong_value(case: Case, types: set[str], value: object) -> str | None:
    def wrong(call: Call) -> Call | None:
        schema = case.item.schema(call[0])
        keys = [
            key
            for key in schema.get("required", ())
            if schema["properties"][key].get("type") in types and key in call[1]
        ]
        return (call[0], {**call[1], keys[0]: value}) if keys else None

    return case.mapped(wrong)
