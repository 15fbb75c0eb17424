"""Load the YAML file of a MemGPT `ConfigurableJSONWrapper` as a format.

What it says of custom roles and of prefixes to an answer has no effect: nothing here makes the former, and
how a call begins follows from the call syntax.

The keys are those of MemGPT 0.3.25 (github.com/letta-ai/letta, tag 0.3.25, read 2026-11).
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import yaml

from bridle.errors import FormatError
from bridle.wrappers.formats import Format, Turn

__all__ = ["load_memgpt_yaml"]

_TEXTS = (
    "pre_prompt",
    "post_prompt",
    *(f"{role}_prompt_{end}" for role in ("sys", "user", "assistant", "tool") for end in ("start", "end")),
    "assistant_prefix_extra",
    "assistant_prefix_extra_first_message",
    "custom_roles_prompt_start",
    "custom_roles_prompt_end",
    "custom_post_role",
)
_FLAGS = (
    "allow_custom_roles",
    "include_sys_prompt_in_first_user_message",
    "simplify_json_content",
    "strip_prompt",
    "clean_function_args",
)
_OTHERS = ("default_stop_sequences", "json_indent")


def load_memgpt_yaml(path: Path) -> Format:
    """Read the file.

    Raises:
        FormatError: naming the file, the key and the value.
    """
    try:
        loaded: object = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise FormatError(f"the wrapper file {str(path)!r} cannot be read: {error}") from error
    table = _checked(loaded, str(path))

    def text(key: str) -> str:
        return str(table.get(key) or "")

    strip = bool(table.get("strip_prompt"))
    turns = {
        role: Turn(text(f"{short}_prompt_start"), text(f"{short}_prompt_end"))
        for role, short in (("system", "sys"), ("user", "user"), ("assistant", "assistant"), ("tool", "tool"))
    }
    turns["inner_system"] = turns["system"]
    marks = {
        one.strip() for turn in turns.values() for one in (turn.open, turn.close) if len(one.strip()) > 1
    }
    stop = tuple(str(one) for one in cast("list[object]", table.get("default_stop_sequences") or []))
    return Format(
        name=path.stem,
        title=f"MemGPT's configurable wrapper {path.name}",
        source=str(path),
        turns=turns,
        bos=text("pre_prompt").lstrip() if strip else text("pre_prompt"),
        generation=text("post_prompt"),
        stop=stop or tuple(sorted(marks & {turn.open.strip() for turn in turns.values()})),
        special=(),
        marks=tuple(sorted(marks)),
        json_indent=cast("int | None", table.get("json_indent", 2)) or None,
        system_role=not table.get("include_sys_prompt_in_first_user_message", False),
        system_join="",
        user_json="message" if table.get("simplify_json_content") else "indent",
    )


def _checked(loaded: object, source: str) -> dict[str, object]:
    if not isinstance(loaded, dict):
        raise FormatError(f"{source}: it holds {loaded!r}", hint="it must hold keys and values")
    table = cast("dict[str, object]", loaded)
    known = (*_TEXTS, *_FLAGS, *_OTHERS)
    for key, value in table.items():
        if key not in known:
            raise FormatError(f"{source}: unknown key {key!r}", hint=f"keys are {', '.join(known)}")
        wanted: type[object] = str
        if key in _FLAGS:
            wanted = bool
        elif key in _OTHERS:
            wanted = list if key == "default_stop_sequences" else int
        if value is not None and not isinstance(value, wanted):
            raise FormatError(f"{source}: {key} is {value!r}", hint=f"it must be of type {wanted.__name__}")
    return table
