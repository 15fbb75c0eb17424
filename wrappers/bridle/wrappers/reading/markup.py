"""Read calls whose name, or whose arguments one by one, stand between marks: XML and what looks like it.

Each reader begins at one place and answers None where its form does not stand there. What a writer of these
forms escapes is undone: `& < > "` in names and keys, and a value's own closing mark.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bridle.messages import JSON, Repair, ToolSpec
from bridle.wrappers.reading.heard import Heard
from bridle.wrappers.reading.lenient import read_value
from bridle.wrappers.reading.pythonic import NameFinder
from bridle.wrappers.reading.source import Known, Source, Unreadable
from bridle.wrappers.reading.strings import skip_blanks
from bridle.wrappers.values import read_name, unescape_mark

__all__ = [
    "Members",
    "read_function",
    "read_gemma",
    "read_glm",
    "read_object",
    "read_separated",
    "skip_space",
]

_FUNCTION = re.compile(r"<function(?:\s*=\s*|\s+name\s*=\s*)([^>\n]*?)\s*(?:>|(?=\n\s*<param))")
_INVOKE = re.compile(r"<invoke(?:\s+name)?\s*=\s*([^>\n]*?)\s*>")
_PARAMETER = re.compile(r"<param(?:eter)?(?:\s*=\s*|\s+name\s*=\s*)([^>\n]*?)\s*>")
_ARG_KEY = re.compile(r"<arg_key>([^<]{0,300})</arg_key>\s*<arg_value>")
_GLM_NAME = re.compile(r"([^<\n{}\[\]]{1,200}?)[^\S\n]*(?=<arg_key>|\n|</tool_call>|$)")
_NAMED = re.compile(r"<([\w.\-]{1,80})>")
_DAMAGED = re.compile(r"param(?:eter)?[\s=]|<param(?:eter)?\w|arg_key>|<arg_value")
"""What is left of the mark of an argument."""
_LAST_MARK = re.compile(r"(?:</?|/)(?:param(?:eter)?|arg_value)>?\s*$")
_NEXT = re.compile(r"\n[ \t]*(?:<param(?:eter)?\s*=\s*([^>\n]*)>|<function\s*=\s*([^>\n]*)>)")


@dataclass(frozen=True, slots=True)
class Members:
    """How arguments are written one by one: what opens one with its key, what closes it, what closes all."""

    open: re.Pattern[str]
    close: str
    ends: tuple[str, ...]
    lines: bool
    """Whether a line break inside the marks belongs to them and not to the value."""


_QWEN = Members(_PARAMETER, "</parameter>", ("</function>", "</tool_call>", "<function="), lines=True)
_XML = Members(
    _PARAMETER,
    "</parameter>",
    ("</invoke>", "</function_calls>", "</minimax:tool_call>", "<invoke"),
    lines=False,
)
_GLM = Members(_ARG_KEY, "</arg_value>", ("</tool_call>", "<tool_call>"), lines=False)


def read_object(
    source: Source, at: int, known: Known, tool: str, notes: list[Repair], *, final: bool
) -> tuple[JSON, int, str]:
    """Read the arguments that stand at `at` as an object; return them, their end, and what is wrong."""
    try:
        value, end = source.strict(at)
        return value, end, ""
    except Unreadable:
        pass
    try:
        value, reader = read_value(source, at, known, zone="arguments", tool=tool, final=final)
    except Unreadable as error:
        return None, error.at, "it is not complete" if error.cut else error.why
    notes += reader.notes
    if any(one is not value for one in reader.open):
        return None, reader.at, "it is not complete"
    return value, reader.at, ""


def read_function(
    source: Source, at: int, known: Known, names: NameFinder, notes: list[Repair], *, final: bool
) -> tuple[Heard, int] | None:
    """Read `<function=name>` or `<invoke name="name">` with parameters or one object inside."""
    text = source.text
    found = _FUNCTION.match(text, at)
    style = _QWEN
    if not found:
        found = _INVOKE.match(text, at)
        style = _XML
    if not found:
        return None
    if style is _QWEN and "name" in text[at : found.start(1)]:
        style = _XML
    name = _name(found.group(1), names)
    here = skip_blanks(text, found.end())
    head = found.group(1).partition("{")[0]
    if name not in names.tools and "{" in found.group(1) and _name(head.strip(), names) in names.tools:
        notes.append(Repair("missing mark", found.start(1) + len(head), "", ">"))
        name, here = _name(head.strip(), names), found.start(1) + len(head)
    if text.startswith("{", here):
        arguments, end, problem = read_object(source, here, known, name, notes, final=final)
        return Heard(name, arguments, problem=problem), end
    return _members(source, found.end(), name, style, known, notes, final=final)


def _name(written: str, names: NameFinder) -> str:
    plain = names.plain(written)
    if plain not in names.tools and len(written) > 1 and written[0] == written[-1] and written[0] in "\"'":
        plain = names.plain(written[1:-1])
    return plain


def read_glm(
    source: Source, at: int, known: Known, names: NameFinder, notes: list[Repair], *, final: bool
) -> tuple[Heard, int] | None:
    """Read `name`, then `<arg_key>key</arg_key>` and `<arg_value>value</arg_value>` in turn."""
    found = _GLM_NAME.match(source.text, at)
    if not found:
        return None
    after = skip_blanks(source.text, found.end())
    name = names.plain(found.group(1).strip())
    if source.text.startswith("<param", after):
        return _members(source, after, name, _QWEN, known, notes, final=final)
    here = source.text.startswith(("<arg_key>", "</tool_call>"), after)
    if not here and not (after >= source.size and name in names.tools):
        return None
    return _members(source, found.end(), name, _GLM, known, notes, final=final)


def _members(
    source: Source,
    at: int,
    name: str,
    style: Members,
    known: Known,
    notes: list[Repair],
    *,
    final: bool,
) -> tuple[Heard, int]:
    """Read arguments one by one until something else follows."""
    text = source.text
    raw: dict[str, str] = {}
    tool = known.tools.get(name)
    while True:
        here = skip_space(text, at)
        found = style.open.match(text, here)
        if not found and (named := _named(source, here, tool)):
            key, value, at = named
            notes.append(Repair("tag named as the parameter", here, text[here:at][:80], key))
            if raw.get(key, value) != value:
                return Heard(name, problem=f"the parameter {key!r} is given twice"), at
            raw[key] = value
            continue
        if not found:
            return _closed(source, here, name, raw, style, final)
        key = read_name(found.group(1))
        if (
            tool
            and key not in tool.properties
            and key[:1] == key[-1:]
            and key[:1] in ("'", '"')
            and len(key) > 1
        ):
            key = key[1:-1]
        bare = key.strip("=<> ")
        if tool and key not in tool.properties and bare in tool.properties:
            notes.append(Repair("damaged mark", here, found.group()[:80], bare))
            key = bare
        start = found.end()
        close = source.find(style.close, start)
        limit = _limit(source, start, close, style, known)
        if limit < 0 or (close < 0 and not final):
            return Heard(name, problem="it is not complete"), source.size
        if text.startswith(style.close, limit):
            value = text[start:limit]
            at = limit + len(style.close)
        else:
            notes.append(Repair("missing closing mark", limit, "", style.close))
            value = _LAST_MARK.sub("", text[start:limit]).strip("\n")
            at = limit
        if key in raw and raw[key] != value:
            return Heard(name, problem=f"the parameter {key!r} is given twice"), at
        raw[key] = _value(value, style)


def _named(source: Source, at: int, tool: ToolSpec | None) -> tuple[str, str, int] | None:
    """Read `<key>value</key>` of a parameter that the tool has; return the key, the value and the end."""
    found = _NAMED.match(source.text, at)
    key = found.group(1) if found else ""
    if not found or tool is None or key not in tool.properties:
        return None
    close = source.find(f"</{key}>", found.end())
    if close < 0:
        return None
    value = source.text[found.end() : close].removeprefix("\n").removesuffix("\n")
    return key, value, close + len(key) + 3


def skip_space(text: str, at: int) -> int:
    """The first place from `at` on that is not blank; a byte order mark is blank too."""
    while at < len(text) and (text[at].isspace() or text[at] == "\ufeff"):
        at += 1
    return at


def _value(text: str, style: Members) -> str:
    if style.lines:
        text = text.removeprefix("\n").removesuffix("\n")
    return unescape_mark(text, style.close)


def _limit(source: Source, start: int, close: int, style: Members, known: Known) -> int:
    """Where a value ends: at its closing mark, or before that where the next one begins; -1 if nowhere."""
    text = source.text
    end = close if close >= 0 else source.size
    foreign = close < 0 or _begins_another(source, start, close, style, known)
    if not foreign:
        return _proper(source, close, style)
    places = [place for mark in style.ends if 0 <= (place := source.find(mark, start)) < end]
    opened = style.open.search(text, start, min(places, default=end))
    if opened:
        places.append(opened.start())
    return min(places, default=-1)


def _proper(source: Source, close: int, style: Members) -> int:
    """The closing mark that an argument or the end follows; one that text follows belongs to the value."""
    here = close
    for _ in range(8):
        after = skip_space(source.text, here + len(style.close))
        known = source.text.startswith((*style.ends, "<param", "<arg_key>", "</", "<|"), after)
        if known or after >= source.size:
            return close if _DAMAGED.search(source.text, close + 2, here) else here
        here = source.find(style.close, here + 1)
        if here < 0:
            break
    return close


def _begins_another(source: Source, start: int, close: int, style: Members, known: Known) -> bool:
    """Whether another argument or call begins before the closing mark, because that of this one is missing.

    A value may well hold such marks itself. It does where its writer took care to escape its closing mark.
    """
    escape = source.find("lt;" + style.close[1:], start)
    if 0 <= escape < close:
        return False
    if not style.lines:
        found = style.open.search(source.text, start, close)
        return found is not None and source.text[found.start() - 1] == "\n"
    found = _NEXT.search(source.text, start, close)
    while found:
        if found.group(1) in known.parameters or found.group(2) in known.tools:
            return True
        found = _NEXT.search(source.text, found.end(), close)
    return False


def _closed(
    source: Source, at: int, name: str, raw: dict[str, str], style: Members, final: bool
) -> tuple[Heard, int]:
    """The call at the end of its arguments, and the place after the marks that end it."""
    text = source.text
    ended = text.startswith(style.ends, at)
    if not ended and not final:
        return Heard(name, problem="it is not complete"), at
    end = source.first(style.ends, at)
    if at < end and source.find(style.close, at) in range(at, end):
        return Heard(name, problem="there is something among its arguments that is none"), end
    if ended:
        closing = next((mark for mark in style.ends[:1] if text.startswith(mark, at)), "")
        return Heard(name, raw=raw), at + len(closing)
    return Heard(name, raw=raw), at


def read_gemma(
    source: Source, at: int, known: Known, names: NameFinder, notes: list[Repair], *, final: bool
) -> tuple[Heard, int] | None:
    """Read `call:name{key:value,…}`, whose strings stand between `<|"|>` marks."""
    if not source.text.startswith("call:", at):
        return None
    named = names.at(source.text, at + 5, re.compile(r"\s*\{"))
    if named is None:
        return None
    name, end = named
    start = source.text.index("{", end)
    try:
        value, reader = read_value(source, start, known, "gemma", zone="arguments", tool=name, final=final)
    except Unreadable as error:
        return Heard(name, problem="it is not complete" if error.cut else error.why), error.at
    notes += reader.notes
    problem = "it is not complete" if any(one is not value for one in reader.open) else ""
    return Heard(name, value, problem=problem), reader.at


def read_separated(
    source: Source,
    at: int,
    known: Known,
    pattern: re.Pattern[str],
    names: NameFinder,
    notes: list[Repair],
    *,
    final: bool,
) -> tuple[Heard, int] | None:
    """Read a bare name, marks of any family, and the arguments as an object."""
    found = pattern.match(source.text, at)
    if not found:
        return None
    name = names.plain(found.group("name"))
    if not source.text.startswith("{", found.end()):
        return None
    arguments, end, problem = read_object(source, found.end(), known, name, notes, final=final)
    if "```" in found.group("between"):
        fence = skip_space(source.text, end)
        end = fence + 3 if source.text.startswith("```", fence) else end
    return Heard(name, arguments, problem=problem), end
