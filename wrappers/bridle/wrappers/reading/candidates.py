"""Read at one place of a text what may be a call, and take it in as a region with what was heard there."""

from __future__ import annotations

import re

from bridle.messages import JSON, Refusal, Repair
from bridle.wrappers.reading.envelope import calls_in
from bridle.wrappers.reading.heard import Heard, Parts, Region
from bridle.wrappers.reading.keys import NAME_KEYS
from bridle.wrappers.reading.lenient import read_value
from bridle.wrappers.reading.marks import CALL_CLOSE, CALL_OPEN, TURN_END, pattern
from bridle.wrappers.reading.markup import (
    read_function,
    read_gemma,
    read_glm,
    read_object,
    read_separated,
    skip_space,
)
from bridle.wrappers.reading.names import tool_name
from bridle.wrappers.reading.patterns import BETWEEN, ESCAPED, FENCE, JUNK, OPEN, TOKEN, patterns
from bridle.wrappers.reading.pythonic import NameFinder, read_call, read_list
from bridle.wrappers.reading.quoting import unescape, without_entities
from bridle.wrappers.reading.source import Known, Source, Unreadable
from bridle.wrappers.reading.strings import KEY

__all__ = ["MESSAGE_END", "Candidates"]

_BREAKS = ("\n{", "\n\n", *CALL_CLOSE, *CALL_OPEN)
"""Where something new may begin behind a broken call."""
_HELD = re.compile(r"[\"']?\b(?:params|arguments|parameters|args|action_input|inner_thoughts)[\"']?\s*[:=]")
_DAMAGED = re.compile(r"[\[{]\s*\{?\s*\"")
"""An object, or a list of objects, whose first key is in quotes."""
_CUT_NAME = re.compile(rf"\{{\s*\"(?:{pattern(NAME_KEYS)})\"\s*:\s*\"([^\"]{{1,200}})$")
_GOES_ON = re.compile(r"[\s\]}]*,\s*\"[^\"\n]{1,80}\"\s*:")
"""A member behind what should have been the end."""
MESSAGE_END = ("<|end|>", "<|return|>", "<|call|>", "<|start|>", "<|channel|>")


class Candidates:
    """What may be a call, read where it stands. A method that reads answers with the end, or -1 for none."""

    def __init__(self, source: Source, known: Known, dialect: str, *, final: bool) -> None:
        self.source = source
        self.text = source.text
        self.known = known
        self.dialect = dialect
        self.final = final
        self.parts = Parts()
        self._patterns = patterns(tuple(known.tools))
        self.names = NameFinder(known, self._patterns)

    def _incomplete(self) -> str:
        return "it is not complete" if self.final else "it was cut off at the token limit"

    def _after_marks(self, at: int) -> int:
        while True:
            at = skip_space(self.text, at)
            found = OPEN.match(self.text, at)
            if found:
                at = found.end()
            elif at < self.source.size and self.text[at] in ",;":
                at += 1
            else:
                return at

    def _inside(self, at: int) -> int:
        """Read one thing that calls are written as, where only a call can stand; -1 where there is none."""
        char = self.text[at]
        if char == "{":
            return self._read_json(at, sure=True)
        if char == "[":
            end = self._read_python(at, sure=True)
            return end if end >= 0 else self._read_json(at, sure=True)
        if char == '"':
            end = self._read_quoted(at)
            return (
                end
                if end >= 0 or not KEY.match(self.text, at)
                else self._repair(at, sure=True, braceless=True)
            )
        fence = FENCE.match(self.text, at)
        if fence and self.text[fence.end() : fence.end() + 1] in ("{", "["):
            end = self._inside(fence.end())
            closed = skip_space(self.text, end)
            return closed + 3 if end >= 0 and self.text.startswith("```", closed) else end
        region = Region(at, at, [], sure=True)
        for read in (read_function, read_gemma):
            found = read(self.source, at, self.known, self.names, region.notes, final=self.final)
            if found:
                return self._keep_one(region, found)
        found = None
        if not self._patterns.keyed_line.match(self.text, at):
            found = read_separated(
                self.source,
                at,
                self.known,
                self._patterns.separated,
                self.names,
                region.notes,
                final=self.final,
            )
        if found is None:
            found = read_call(self.source, at, self.known, self.names, region.notes)
        if found is None:
            found = read_glm(self.source, at, self.known, self.names, region.notes, final=self.final)
        return -1 if found is None else self._keep_one(region, found)

    def _keep_one(self, region: Region, found: tuple[Heard, int]) -> int:
        region.heard.append(found[0])
        return self._keep(region, found[1])

    def _keep(self, region: Region, end: int) -> int:
        """Take a region in; brackets too many behind it are dropped."""
        junk = JUNK.match(self.text, end)
        if junk:
            region.notes.append(Repair("brackets too many", end, junk.group()[:80], ""))
            end = junk.end()
        region.end = end
        self.parts.regions.append(region)
        return end

    def _read_quoted(self, at: int) -> int:
        try:
            value, end = self.source.strict(at)
        except Unreadable:
            return -1
        if not isinstance(value, str):
            return -1
        try:
            inner, _ = Source(value.strip()).strict(0)
        except Unreadable:
            return -1
        heard = calls_in(inner, self.known, sure=True)
        if not heard:
            return -1
        region = Region(at, end, heard, [Repair("call in quotes", at, value[:80], "an object")], sure=True)
        return self._keep(region, end)

    def _read_json(self, at: int, *, sure: bool) -> int:
        """Read a JSON value that is a call, or calls; -1 where it is data or nothing at all."""
        source = self.source
        notes: list[Repair] = []
        try:
            value, end = source.strict(at)
        except Unreadable as error:
            if not sure and not self._call_like(at):
                return self._damaged_data(at)
            if ESCAPED.match(self.text, at):
                return self._escaped(at)
            if error.why.startswith("it is nested"):
                return self._refuse(at, error.why)
            return self._repair(at, sure=sure)
        heard = calls_in(value, self.known, sure=sure)
        whole = sure or not any(one.alone for one in heard) or self.text.strip() == self.text[at:end]
        if not heard or not whole:
            return self._data(at, end, sure)
        return self._keep_whole(Region(at, end, heard, notes, sure), end)

    def _keep_whole(self, region: Region, end: int) -> int:
        """Take in what was read as JSON, unless the text goes on as if it had ended too early."""
        if _GOES_ON.match(self.text, end):
            for one in region.heard:
                one.problem = one.problem or "a bracket closes it before its end"
        return self._keep(region, end)

    def _damaged_data(self, at: int) -> int:
        """An object that is neither JSON nor begins as a call does: what stands in it is no call either."""
        if not _DAMAGED.match(self.text, at):
            return -1
        if self._plainly_call(at, at):
            return self._refuse(at, "it is not valid JSON")
        end = self._extent(at)
        self.parts.text.append(self.text[at:end])
        return end

    def _data(self, at: int, end: int, sure: bool) -> int:
        if sure:
            self.parts.refusals.append(
                Refusal("the call cannot be used: it names no function", self.text[at:end])
            )
        else:
            self.parts.text.append(self.text[at:end])
        return end

    def _escaped(self, at: int) -> int:
        """An object that was put in quotes once too often, or its inside at least."""
        end = min(self.source.first(("```", "\n\n", *CALL_CLOSE, *TURN_END), at), at + 200_000)
        self.source.steps -= (end - at) // 50
        if self.source.poor:
            return -1
        written = self.text[at:end].rstrip().removesuffix('"')
        entities = (found := ESCAPED.match(self.text, at)) and found.group("entity")
        plain = without_entities(written) if entities else unescape(written, "json")
        inner = Candidates(Source(plain), self.known, self.dialect, final=self.final)
        place = 0
        while plain.startswith(("{", "["), place) and (begun := inner._read_json(place, sure=True)) > 0:
            between = BETWEEN.match(plain, begun)
            place = between.end() if between else begun
        regions = inner.parts.regions
        if not regions:
            return -1
        heard = [one for region in regions for one in region.heard]
        notes = [note for region in regions for note in region.notes]
        note = Repair("entities for quotes" if entities else "call in quotes", at, written[:80], "an object")
        if self.parts.text and self.parts.text[-1].rstrip().endswith('"'):
            self.parts.text[-1] = self.parts.text[-1].rstrip()[:-1]
        return self._keep(Region(at, end, heard, [note, *notes], sure=True), end)

    def _call_like(self, at: int) -> bool:
        return bool(
            self._patterns.call_object.match(self.text, at) or self._patterns.call_list.match(self.text, at)
        )

    def _repair(self, at: int, *, sure: bool, braceless: bool = False) -> int:
        source = self.source
        try:
            value, reader = read_value(
                source, at, self.known, zone="call", final=self.final, braceless=braceless
            )
        except Unreadable as error:
            source.steps -= 20
            if not sure and not self._plainly_call(at, error.at) and not self._cut_name(at):
                return -1
            return self._refuse(at, self._incomplete() if error.cut else error.why)
        heard = calls_in(value, self.known, sure=sure)
        if not heard:
            return self._data(at, reader.at, sure)
        for one in heard:
            one.repaired, one.loose = True, bool(reader.open)
            if any(_holds(one.arguments, left) for left in reader.open):
                one.problem = one.problem or self._incomplete()
        return self._keep_whole(Region(at, reader.at, heard, reader.notes, sure), reader.at)

    def _plainly_call(self, at: int, end: int) -> bool:
        """Whether what could not be read holds arguments, or begins with the word that only calls have."""
        head = self.text[at : min(max(end, at + 400), at + 4000)]
        return bool(_HELD.search(head)) or head.lstrip("{[ \n\t\"'").startswith("function")

    def _cut_name(self, at: int) -> bool:
        """Whether the limit cut the text inside the name of a function."""
        found = None if self.final else _CUT_NAME.match(self.text, at)
        return found is not None and any(name.startswith(found.group(1)) for name in self.known.tools)

    def _refuse(self, at: int, why: str) -> int:
        """Give up what begins at `at`, up to where something else may begin."""
        end = self._extent(at)
        self.parts.refusals.append(Refusal(f"the call cannot be used: {why}", self.text[at:end]))
        return end

    def _extent(self, at: int) -> int:
        """The end of a broken value: its own closing bracket, or the next mark or line with an object."""
        source = self.source
        depth = 0
        limit = min(source.size, at + max(0, min(source.extent, 50_000)))
        for found in TOKEN.finditer(self.text, at, limit):
            token = found.group()
            depth += (token in "{[") - (token in "}]") if len(token) == 1 else 0
            if depth <= 0:
                source.extent -= found.end() - at
                return max(found.end(), at + 1)
        source.extent -= limit - at
        return max(source.first(_BREAKS, at + 1), at + 1)

    def _read_python(self, at: int, *, sure: bool) -> int:
        region = Region(at, at, [], sure=sure)
        found = read_list(self.source, at, self.known, self.names, region.notes)
        if found is None or not (sure or any(tool_name(one.name, self.known.tools) for one in found[0])):
            return -1
        region.heard += found[0]
        problem = next((one.problem for one in region.heard if one.problem), "")
        for one in region.heard:
            one.problem = one.problem or problem
        end = self.source.first(("\n",), found[1]) if problem else found[1]
        return self._keep(region, end)

    def _arguments_after(self, at: int, found: re.Match[str]) -> int:
        name = self.names.plain(found.group("name"))
        return self._body(at, found.end(), name)

    def _body(self, at: int, start: int, name: str) -> int:
        """The arguments of the function that a message is addressed to."""
        region = Region(at, start, [], sure=True)
        start = skip_space(self.text, start)
        if not self.text.startswith("{", start):
            end = self.source.first(MESSAGE_END, start)
            region.heard.append(Heard(name, self.text[start:end]))
            return self._keep(region, end)
        arguments, end, problem = read_object(
            self.source, start, self.known, name, region.notes, final=self.final
        )
        region.heard.append(Heard(name, arguments, problem=problem))
        return self._keep(region, self.source.first(MESSAGE_END, end) if problem else end)


def _holds(value: JSON, inner: JSON) -> bool:
    """Whether `inner` itself stands inside `value`, and is not `value`."""
    level: list[JSON] = [value]
    while level:
        below: list[JSON] = []
        for one in level:
            below += one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()
        if any(one is inner for one in below):
            return True
        level = below
    return False
