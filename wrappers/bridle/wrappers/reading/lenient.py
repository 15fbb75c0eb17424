"""A reader of values that are almost JSON, or Python's literals, or Gemma's: what has one meaning is read.

It is used where strict JSON failed, inside something that is known to be a call. Every liberty is recorded
as a `Repair`. What has no single meaning raises `Unreadable`: a call where a value should be, a value that
the text ends in, text that is no value at all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from bridle.messages import JSON, Repair
from bridle.wrappers.reading.keys import ARGUMENT_KEYS, NAME_KEYS, WRAPPER_KEYS
from bridle.wrappers.reading.marks import CALL_CLOSE, pattern
from bridle.wrappers.reading.patterns import ESCAPED
from bridle.wrappers.reading.quoting import CLOSERS, Style, unescape
from bridle.wrappers.reading.scalars import DEEPEST, Scalars, Zone
from bridle.wrappers.reading.source import Known, Source, Unreadable
from bridle.wrappers.reading.strings import KEY, LONELY_KEY, MARK, Where
from bridle.wrappers.values import GEMMA_QUOTE, read_name

__all__ = ["Lenient", "Zone", "read_value"]

_NAMED = re.compile(rf"\{{\s*\"(?:{pattern(NAME_KEYS)})\"\s*:\s*\"([^\"]*)\"")
_BARE_KEY = re.compile(r"\s*([^:{}\[\],]*?)\s*:")


def read_value(
    source: Source,
    at: int,
    known: Known,
    style: Style = "json",
    *,
    zone: Zone,
    tool: str = "",
    final: bool = True,
    braceless: bool = False,
) -> tuple[JSON, Lenient]:
    """Read one value, first as if every quote inside strings were escaped, then guessing which are not.

    Raises:
        Unreadable: when what stands here has no single meaning.
    """
    before = source.steps
    for exact in (True, False):
        reader = Lenient(source, at, known, style, zone=zone, tool=tool)
        reader.final, reader.exact = final, exact
        try:
            value = reader.members() if braceless else reader.value()
        except Unreadable as error:
            if not exact:
                error.at = reader.at
                raise
            continue
        source.steps = before
        source.unclosed = source.unclosed or bool(reader.open)
        if style == "json" and zone != "free" and _escapes_names(value):
            reader.notes.append(Repair("escaped underscores", at, "\\_", "_"))
            value = _without_markdown(value)
        return value, reader
    raise AssertionError("one of two tries returns or raises")


def _escapes_names(value: JSON) -> bool:
    """Whether underscores in keys, or in the name of a function, are written as Markdown has them."""
    if isinstance(value, list):
        return any(_escapes_names(one) for one in value)
    if not isinstance(value, dict):
        return False
    names = [name for key in NAME_KEYS if isinstance(name := value.get(key), str)]
    return any("\\_" in text for text in (*value, *names)) or any(map(_escapes_names, value.values()))


def _without_markdown(value: JSON) -> JSON:
    """The same value with plain underscores; objects and lists stay the same ones."""
    if isinstance(value, str):
        return value.replace("\\_", "_")
    if isinstance(value, dict):
        members = [(key.replace("\\_", "_"), _without_markdown(inner)) for key, inner in value.items()]
        value.clear()
        value.update(members)
    elif isinstance(value, list):
        value[:] = [_without_markdown(inner) for inner in value]
    return value


class Lenient(Scalars):
    """Reads one value from `at` on. `at`, `notes` and `open` tell afterwards how it went.

    `open` holds the objects and lists whose bracket was never closed. `final` says that the model ended its
    turn by itself.
    """

    def value(self, where: Where = "object", given: Mapping[str, JSON] | None = None) -> JSON:
        """Read the value that begins here.

        Raises:
            Unreadable: when what stands here has no single meaning.
        """
        self.source.steps -= 1
        if self.source.steps < 0 or len(self._brackets) > DEEPEST:
            raise Unreadable("it is nested too deeply to be repaired")
        self._skip()
        char = self._char()
        if char == "{":
            return self._object()
        if char == "[" or (char == "(" and self.style != "gemma"):
            return self._list(char)
        if char in CLOSERS or self.text.startswith(GEMMA_QUOTE, self.at):
            return self._string(where, given or {})
        return self._scalar(where, given or {})

    def members(self) -> dict[str, JSON]:
        """Read the members of an object whose opening brace is missing."""
        self._note("missing bracket", self.at, "", "{")
        self.at -= 1
        return self._object()

    def _object(self) -> dict[str, JSON]:
        out: dict[str, JSON] = {}
        self._brackets.append("{")
        self.at += 1
        zone = self._zone
        comma = True
        while True:
            self._around = zone
            before = self.at
            self._skip()
            if self._over(out, "}", before):
                break
            char = self.text[self.at]
            if char in ",;":
                if comma:
                    self._note("extra comma", self.at, char, "")
                comma = True
                self.at += 1
                continue
            key = self._key(out, before, comma)
            if key is None:
                break
            if not comma:
                self._note("missing comma", self.at, "", ",")
            comma = False
            self._zone = self._zone_of(key, zone)
            value = self.members() if self._lacks_brace(zone) else self.value("object", out)
            self._zone = zone
            if zone == "call" and key in NAME_KEYS and isinstance(value, str) and value in self.known.tools:
                self._tool = value
            self._add(out, key, value)
        if comma and out:
            self._note("extra comma", self.at, ",", "")
        self._brackets.pop()
        return out

    def _lacks_brace(self, zone: Zone) -> bool:
        """Whether arguments begin here with their first key, without the brace that should come first."""
        if zone != "call" or self._zone != "arguments":
            return False
        self._skip()
        found = KEY.match(self.text, self.at)
        return found is not None and found.group(1) is not None

    def _add(self, out: dict[str, JSON], key: str, value: JSON) -> None:
        if key in out:
            if out[key] != value or type(out[key]) is not type(value):
                raise Unreadable(f"the key {key!r} is given twice")
            self._note("repeated key", self.at, key, "the last value counts")
        out[key] = value

    def _zone_of(self, key: str, zone: Zone) -> Zone:
        if zone != "call":
            return "free"
        if key in self.known.tools and key not in WRAPPER_KEYS:
            self._tool = key
            return "arguments"
        return "arguments" if key in ARGUMENT_KEYS else "call"

    def _over(self, out: JSON, bracket: str, before: int) -> bool:
        """Whether the object or list ends here, by its bracket or because nothing of it follows."""
        if self.at >= self.source.size:
            if not out and (self.tool_has_any() or self._around != "arguments"):
                raise Unreadable("it is not complete", cut=True)
            self._close(out, bracket)
            return True
        char = self.text[self.at]
        if char == bracket:
            self.at += 1
            return True
        if char in "}])":
            opener = {"}": "{", "]": "[", ")": "("}[char]
            if opener in self._brackets[:-1]:
                self._note("missing bracket", self.at, "", bracket)
            else:
                self._note("wrong bracket", self.at, char, bracket)
                self.at += 1
            return True
        if MARK.match(self.text, self.at) and not self.text.startswith(GEMMA_QUOTE, self.at):
            self._close(out, bracket)
            return True
        return False

    def _close(self, out: JSON, bracket: str) -> None:
        if not self.final:
            raise Unreadable("it was cut off at the token limit", cut=True)
        self._note("missing bracket", self.at, "", bracket)
        self.open.append(out)

    def _key(self, out: dict[str, JSON], before: int, comma: bool) -> str | None:
        """Read a key and its colon; None where no key follows, and the object ends with its last value."""
        if self.text.startswith(GEMMA_QUOTE, self.at):
            return self._marked_key()
        if self.style == "gemma":
            found = _BARE_KEY.match(self.text, self.at)
            if found and GEMMA_QUOTE not in found.group():
                self.at = found.end()
                return read_name(found.group(1)).strip("\"'")
        found = KEY.match(self.text, self.at)
        lonely = None if found else LONELY_KEY.match(self.text, self.at)
        if lonely and self._is_key(lonely.group(1), out):
            self._note("missing colon", lonely.end(), "", ":")
            self.at = lonely.end()
            return lonely.group(1)
        if not found or self._is_foreign(found, out, comma):
            if out and self._is_loose(before, comma):
                self._rest = self.at
                self._close(out, "}")
                return None
            raise Unreadable(self._no_key(), cut=_is_cut_key(self.text, self.at))
        plain = found.group(1)
        self.at = found.end()
        if plain is not None:
            return unescape(plain, self.style)
        key = next(group for group in found.groups() if group is not None)
        self._bare_keys = True
        self._note("key without quotes", found.start(), found.group().strip(), json.dumps(key))
        return unescape(key, self.style)

    def _is_loose(self, before: int, comma: bool) -> bool:
        """Whether the object may end here without its bracket, because what follows belongs elsewhere.

        That is so on a new line, or where another object begins. After a value, it is only believed if no
        quote follows that may belong to the value.
        """
        if self._rest == self.at:
            return True
        new_line = "\n" in self.text[before : self.at]
        if self._zone == "call":
            return new_line or self._begins_object(before, comma)
        end = self.source.first(("\n{", *CALL_CLOSE), self.at)
        quote = self.source.find('"', self.at)
        return (new_line and not 0 <= quote < end) or self._begins_object(before, comma)

    def _begins_object(self, before: int, comma: bool) -> bool:
        """Whether another object begins behind a blank, and neither the inside of a string nor of a list."""
        named = _NAMED.match(self.text, self.at) if comma else None
        if comma and not (named and named.group(1) in self.known.tools):
            return False
        return before < self.at and self.text[self.at] == "{" and not ESCAPED.match(self.text, self.at)

    def _marked_key(self) -> str:
        key = self._string("object", {})
        self._skip()
        if self._char() != ":":
            raise Unreadable(self._no_key())
        self.at += 1
        return key

    def _is_foreign(self, found: re.Match[str], out: dict[str, JSON], comma: bool) -> bool:
        """Whether what looks like a bare key is more likely a line of something else."""
        key = found.group(4)
        if key is None or not out:
            return False
        return not comma or not (self._bare_keys or self._is_key(key, out))

    def _no_key(self) -> str:
        return f"it is not valid JSON at character {self.at - self._start}: there is no key"

    def _list(self, opener: str) -> list[JSON]:
        out: list[JSON] = []
        bracket = "]" if opener == "[" else ")"
        if opener == "(" and self.style == "json":
            self._note("tuple", self.at, "(…)", "[…]")
        self._brackets.append(opener)
        self.at += 1
        comma = True
        while True:
            before = self.at
            self._skip()
            if self._over(out, bracket, before):
                break
            char = self.text[self.at]
            if char in ",;":
                if comma:
                    self._note("extra comma", self.at, char, "")
                comma = True
                self.at += 1
                continue
            if not comma and char not in "\"'{[":
                raise Unreadable(f"there is no comma at character {self.at - self._start}")
            if not comma:
                self._note("missing comma", self.at, "", ",")
            comma = False
            out.append(self.value("list"))
        if comma and out and self.style == "json":
            self._note("extra comma", self.at, ",", "")
        self._brackets.pop()
        return out


def _is_cut_key(text: str, at: int) -> bool:
    """Whether the text ends in a key."""
    rest = text[at : at + 300].strip()
    return len(text) - at < 300 and "\n" not in rest and ":" not in rest
