"""Faults that leave one sensible reading."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from dataclasses import replace

from case import RECOVER, Case, Said, free_strings, plain, recover
from speech import JSON, KEYS, Style, as_object, frame
from truth import Call

DECOY = {"status": "ok", "message": "None"}
WRONG_KEYS = (
    ("tool", "args"),
    ("tool_name", "tool_input"),
    ("action", "action_input"),
    ("method", "params"),
    ("function", "parameters"),
)


def styled(name: str, style: Style) -> None:
    """Register a kind that is a style of writing objects."""
    RECOVER[name] = lambda case: case.said(style=style)


def edited(name: str, edit: Callable[[str], str]) -> None:
    """Register a kind that edits the text of each object."""
    RECOVER[name] = lambda case: case.each(edit)


def _bare(key: str) -> str:
    return key if key.isidentifier() else json.dumps(key)


def _every_escape(text: str) -> str:
    units = text.encode("utf-16-be")
    return "".join(
        chr(code) if chr(code).isalnum() and code < 128 else f"\\u{code:04x}"
        for code in (int.from_bytes(units[at : at + 2], "big") for at in range(0, len(units), 2))
    )


styled("clean", JSON)
styled("trailing_comma", replace(JSON, last=","))
styled("single_quotes", replace(JSON, opening="'", closing="'"))
styled("unquoted_keys", replace(JSON, key=_bare))
styled("comments", replace(JSON, after_open=" // as asked\n "))
styled("missing_commas", replace(JSON, comma=" "))
styled("smart_quotes", replace(JSON, opening="“", closing="”"))
styled("key_opening_quote_missing", replace(JSON, key=lambda key: key + '"'))
styled("unicode_escapes", replace(JSON, escape=_every_escape))
styled("no_blanks_between_members", replace(JSON, comma=","))
edited("missing_brace", lambda text: text[:-1])
edited("missing_two_braces", lambda text: text[:-2])
edited("extra_braces", lambda text: text + "}}")
edited("missing_opening_brace", lambda text: text[1:])
edited("fence", lambda text: f"```json\n{text}\n```")
edited("html_escaped", html.escape)
edited("byte_order_mark", lambda text: "\ufeff" + text)
edited("escaped_underscores", lambda text: re.sub(r"(?<=\w)_(?=\w)", r"\\_", text))


@recover
def _python_dict(case: Case) -> str:
    return frame([repr(as_object(call, case.dialect)) for call in case.calls], case.dialect)


@recover
def _raw_newline(case: Case) -> Said | None:
    return _in_a_string(case, r" ", lambda _: "\n", lambda text: text.replace("\n", " "))


@recover
def _unescaped_inner_quotes(case: Case) -> Said | None:
    return _in_a_string(case, r"(?<=\w )(\w+)(?= \w)", lambda found: f'"{found[0]}"', _without_quotes)


@recover
def _unescaped_quotes_at_the_end(case: Case) -> Said | None:
    return _in_a_string(case, r"(?<=\w )(\w+)$", lambda found: f'"{found[0]}"', _without_quotes)


@recover
def _prose_around(case: Case) -> str:
    return f"Sure, I can do that for you.\n\n{case.said()}\n\nLet me know if you need anything else!"


@recover
def _prose_with_braces(case: Case) -> str:
    return f"The set {{x, y}} is what we start from, see {json.dumps(DECOY)}.\n{case.said()}"


@recover
def _fenced_as_a_whole(case: Case) -> str:
    return f"Here you are:\n```\n{case.said()}\n```"


@recover
def _think_decoy(case: Case) -> str:
    return f"<think>\nPerhaps {case.said(_decoys(case))}\nNo, better not.\n</think>\n\n{case.said()}"


@recover
def _think_decoy_without_opening(case: Case) -> str:
    return f"Perhaps {case.said(_decoys(case))} or not.\n</think>\n\n{case.said()}"


@recover
def _name_case(case: Case) -> str | None:
    return _renamed(
        case, lambda name: "".join(part[:1].upper() + part[1:] for part in re.split(r"[_.]", name))
    )


@recover
def _name_with_hyphens(case: Case) -> str | None:
    return _renamed(case, lambda name: re.sub(r"[_.]", "-", name))


@recover
def _name_prefix(case: Case) -> str | None:
    return case.mapped(lambda call: ("functions." + call[0], call[1]))


@recover
def _dots_as_underscores(case: Case) -> str | None:
    return _renamed(case, lambda name: name.replace(".", "_"))


@recover
def _channel_glued_to_the_name(case: Case) -> str | None:
    return case.mapped(lambda call: (call[0] + "<|channel|>commentary", call[1]))


@recover
def _numbers_as_strings(case: Case) -> str | None:
    calls: list[Call] = []
    for call in case.calls:
        types = {key: schema.get("type") for key, schema in case.properties(call).items()}
        bare = {key for key, kind in types.items() if kind in {"integer", "number", "boolean"}}
        arguments = {
            key: json.dumps(value) if key in bare and not isinstance(value, str) else value
            for key, value in call[1].items()
        }
        calls.append((call[0], arguments))
    return case.said(calls) if calls != case.calls else None


@recover
def _invented_parameter(case: Case) -> str | None:
    return case.mapped(lambda call: (call[0], {**call[1], "verbosity_hint": "normal"}))


@recover
def _undeclared_thoughts(case: Case) -> str | None:
    return case.mapped(lambda call: (call[0], {"inner_thoughts": "This should do.", **call[1]}))


@recover
def _arguments_encoded_twice(case: Case) -> str:
    name, arguments = KEYS[case.dialect]
    texts = [json.dumps({name: call[0], arguments: json.dumps(call[1])}) for call in case.calls]
    return frame(texts, case.dialect)


@recover
def _call_in_its_arguments(case: Case) -> str | None:
    declared = {key for call in case.calls for key in case.properties(call)}
    if declared & set(KEYS[case.dialect]):
        return None
    return case.mapped(lambda call: (call[0], as_object(call, case.dialect)))


@recover
def _wrong_keys(case: Case) -> str:
    name, arguments = case.rng.choice(WRONG_KEYS)
    return frame([json.dumps({name: call[0], arguments: call[1]}) for call in case.calls], case.dialect)


@recover
def _server_envelope(case: Case) -> str:
    texts = [
        json.dumps({"type": "function", "function": {"name": call[0], "arguments": json.dumps(call[1])}})
        for call in case.calls
    ]
    return frame(texts, case.dialect)


@recover
def _arguments_beside_the_name(case: Case) -> str | None:
    if any(set(case.properties(call)) & {"name", "function", "type", "id", "action"} for call in case.calls):
        return None
    key = KEYS[case.dialect][0]
    return frame([json.dumps({key: call[0], **call[1]}) for call in case.calls], case.dialect)


@recover
def _name_as_key(case: Case) -> str:
    return frame([json.dumps({call[0]: call[1]}) for call in case.calls], case.dialect)


@recover
def _leaked_specials(case: Case) -> str:
    return f"<|im_start|>assistant\n{case.said()}<|im_end|>\n<|endoftext|>"


@recover
def _role_leak(case: Case) -> str:
    return f"{case.said()}\nFUNCTION RETURN {json.dumps(DECOY)}\nUSER: thanks!\nASSISTANT: You are welcome."


@recover
def _invented_next_turn(case: Case) -> str:
    turn = "<|im_end|>\n<|im_start|>user\nAnd again.<|im_end|>\n<|im_start|>assistant\n"
    return case.said() + turn + case.said(_decoys(case))


@recover
def _repeated_call(case: Case) -> str:
    return case.said([*case.calls, *case.calls, *case.calls])


@recover
def _degenerate_tail(case: Case) -> Said:
    return Said(
        case.said() + "\n" + case.rng.choice(("}", "the ", "\n\n", "<|im_end|>", "GARBAGE\n")) * 40, "length"
    )


@recover
def _unknown_function_first(case: Case) -> str:
    return case.said([("consult_the_oracle", {"question": "which tool?"}), *case.calls])


@recover
def _dialect_of_mistral(case: Case) -> str:
    return "[TOOL_CALLS] " + json.dumps([{"name": call[0], "arguments": call[1]} for call in case.calls])


@recover
def _dialect_of_xml(case: Case) -> str:
    lines: list[str] = []
    for name, arguments in case.calls:
        values = [
            (key, value if isinstance(value, str) else json.dumps(value)) for key, value in arguments.items()
        ]
        inside = "".join(f"<parameter={key}>\n{value}\n</parameter>\n" for key, value in values)
        lines.append(f"<tool_call>\n<function={name}>\n{inside}</function>\n</tool_call>")
    return "\n".join(lines)


@recover
def _dialect_of_python(case: Case) -> str | None:
    if not all(key.isidentifier() for call in case.calls for key in call[1]):
        return None
    spoken = (
        f"{name}({', '.join(f'{key}={value!r}' for key, value in arguments.items())})"
        for name, arguments in case.calls
    )
    return f"[{', '.join(spoken)}]"


@recover
def _closing_tag_missing(case: Case) -> str | None:
    return case.said().replace("\n</tool_call>", "") if case.dialect == "hermes" else None


@recover
def _opening_tag_missing(case: Case) -> str | None:
    return case.said().removeprefix("<tool_call>\n") if case.dialect == "hermes" else None


def _without_quotes(text: str) -> str:
    return text.replace('"', "")


def _renamed(case: Case, rename: Callable[[str], str]) -> str | None:
    """Say the answer with other names, where they still tell the tools apart."""
    names = {plain(name) for name in case.names}
    if len(names) < len(case.names) or all(rename(name) == name for name, _ in case.calls):
        return None
    return case.mapped(lambda call: (rename(call[0]), call[1]))


def _decoys(case: Case) -> list[Call]:
    """Return calls like those of the answer, with other values."""
    return [
        (name, {key: "decoy" if isinstance(value, str) else value for key, value in arguments.items()})
        for name, arguments in case.calls
    ]


def _in_a_string(
    case: Case, pattern: str, put: Callable[[re.Match[str]], str], undo: Callable[[str], str]
) -> Said | None:
    """Edit one free string of each call, unescaped."""
    texts: list[str] = []
    for call in case.calls:
        quoteless = [
            key for key in free_strings(case, call) if '"' not in call[1][key] and "\n" not in call[1][key]
        ]
        fits = [key for key in quoteless if re.search(pattern, call[1][key])]
        if not fits:
            return None
        value = re.sub(pattern, put, call[1][fits[0]], count=1)
        mark = "@@value@@"
        text = json.dumps(as_object((call[0], {**call[1], fits[0]: mark}), case.dialect), ensure_ascii=False)
        texts.append(text.replace(mark, value))
    return Said(frame(texts, case.dialect), undo=undo)
