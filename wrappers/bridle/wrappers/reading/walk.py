"""Go through a model's text once and part it into text, thinking, and what may be calls.

Each mark that something may begin at is looked at once, from left to right. What begins nothing stays text.
Nothing inside of what was read is looked at again, so a call that is quoted in another call's argument, in
data or in thinking is never one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from bridle.messages import JSON, Refusal, Repair
from bridle.wrappers.reading.envelope import calls_in
from bridle.wrappers.reading.heard import Heard, Region
from bridle.wrappers.reading.keys import ARGUMENT_KEYS, BESIDE_KEYS, NAME_KEYS, THOUGHT_KEYS, WRAPPER_KEYS
from bridle.wrappers.reading.lenient import read_value
from bridle.wrappers.reading.marks import CALL_CLOSE, CALL_OPEN, LEAK, SPECIAL, THINKING, TURN_END, pattern
from bridle.wrappers.reading.markup import (
    read_function,
    read_gemma,
    read_glm,
    read_object,
    read_separated,
    separated,
    skip_space,
)
from bridle.wrappers.reading.pythonic import NameFinder, read_call, read_list
from bridle.wrappers.reading.quoting import unescape
from bridle.wrappers.reading.source import Known, Source, Unreadable

__all__ = ["Parts", "Walk"]


def _texts() -> list[str]:
    return []


def _regions() -> list[Region]:
    return []


def _notes() -> list[Repair]:
    return []


def _refusals() -> list[Refusal]:
    return []


@dataclass(slots=True)
class Parts:
    """What a text is made of."""

    text: list[str] = field(default_factory=_texts)
    thoughts: list[str] = field(default_factory=_texts)
    regions: list[Region] = field(default_factory=_regions)
    notes: list[Repair] = field(default_factory=_notes)
    refusals: list[Refusal] = field(default_factory=_refusals)
    unmarked: int = -1
    """Where thinking ended that no mark had begun."""


_OPEN = re.compile(pattern(CALL_OPEN))
_CLOSE = re.compile(rf"(?:\s*(?:{pattern(CALL_CLOSE)}))+")
_SPECIAL = re.compile(pattern(SPECIAL))
_TURN_END = re.compile(pattern(TURN_END))
_THINK = re.compile(pattern(THINKING))
_THOUGHT = re.compile(pattern(THINKING.values()))
_FENCE = re.compile(r"```[ \t]*([\w+-]*)[ \t]*\r?\n?")
_CALL_FENCES = frozenset({"tool_call", "tool_code", "tool_calls", "function_call", "tool"})
_DATA_FENCES = frozenset(
    {"", "json", "json5", "jsonc", "javascript", "js", "python", "py", "xml", "text", "plaintext", "txt"}
)
_CHANNEL = re.compile(
    r"(?:<\|start\|>[^<\n]{0,200})?(?:<\|channel\|>[^<]{0,200})?(?:<\|constrain\|>[^<]{0,60})?<\|message\|>"
)
_CHANNEL_NAME = re.compile(r"<\|channel\|>\s*(\w+)")
_RECIPIENT = re.compile(r"to=(?:functions\.)?([^\s<{]{1,200})")
_TO = re.compile(r"to=functions\.([^\s<{(]{1,120})[^{\n]{0,120}\n?[^{\n]{0,120}(?=\{)")
_MESSAGE_END = ("<|end|>", "<|return|>", "<|call|>", "<|start|>", "<|channel|>")
_ACTION = re.compile(
    r"Action:[ \t]*`?(?P<name>[^\n`{\[]{1,120}?)`?[ \t]*(?:\n\s*|(?=[ \t]Action Input:)[ \t]+)Action[ _]Input:[ \t]*\n?"
)
_ACTION_FENCE = re.compile(r"Action:\s*(?=```|[\[{])")
_OBSERVATION = re.compile(r"\n\s*(?:Observation|Thought|Action)\s*:")
_JUNK = re.compile(r"[\]})]+")
_BETWEEN = re.compile(r"[\s,;]*(?:and\b)?[\s,;]*")
_EXAMPLE = re.compile(
    r"\b(?:for example|for instance|e\.\s?g\.|example|such as|would (?:look|be)|looks? like|not (?:call|use)|schema|format)\b[^.!?\n{]{0,60}[\s`]*$",
    re.IGNORECASE,
)
_ESCAPED = re.compile(r"[\[{](?:\s|\\n)*\{?(?:\s|\\n)*\\[\"']")
_KEYS = {*NAME_KEYS, *ARGUMENT_KEYS, *WRAPPER_KEYS, *THOUGHT_KEYS, *BESIDE_KEYS}


class Walk:
    """One way through one text. `run` goes it."""

    def __init__(self, source: Source, known: Known, dialect: str, *, final: bool) -> None:
        self.source = source
        self.text = source.text
        self.known = known
        self.names = NameFinder(known)
        self.dialect = dialect
        self.final = final
        self.parts = Parts()
        self._separated = separated(self.names)
        names = self.names.pattern
        keys = "|".join(re.escape(key) for key in sorted(_KEYS, key=len, reverse=True))
        self._call_object = re.compile(rf"\{{(?:\s|\\n)*(?:\\?[\"'“`])?(?:{keys}|{names})(?:\\?[\"'”`])?\s*[:=]")
        self._call_list = re.compile(rf"\[\s*(?:{self._call_object.pattern}|(?:{names})\s*\()")
        self._custom = re.compile(
            rf"[\[<][\w|/ ]{{1,30}}[\]>]\s*(?P<name>{names})\s*(?:\[[\w|/ ]{{1,30}}\]|<[\w|/ ]{{1,30}}>)\s*(?=\{{)"
        )
        self._line_call = re.compile(rf"(?:{names})\s*\(")
        self._named_line = re.compile(rf">>>\s*(?P<name>{names}|[\w.\-]+)[ \t]*\n\s*(?=\{{)|>>>all[ \t]*\n")
        self._heads: tuple[tuple[str, Callable[[int], int]], ...] = (
            (_THINK.pattern, self._think),
            (_THOUGHT.pattern, self._thought),
            (r"<\|start\|>|<\|channel\|>", self._channel),
            (_OPEN.pattern, self._container),
            (pattern(CALL_CLOSE), self._orphan),
            (_TURN_END.pattern, self._turn_end),
            (_SPECIAL.pattern, self._special),
            (r"<function\s*=|<function\s+name|<invoke[\s=]", self._function),
            (r"```", self._fence),
            (r"to=functions\.", self._recipient),
            (r"Action:", self._action),
            (r">>>", self._functionary),
            (r"call:[\w.]", self._gemma),
            (self._custom.pattern.replace("?P<name>", "?:"), self._marked_name),
            (r"\{(?:\s|\\n)*(?:\\?[\"'“`\w])", self._object),
            (r"\[\s*(?:[{\"]|" + names + r"\s*\()", self._list),
        )
        self._start = re.compile("|".join(f"({head})" for head, _ in self._heads))

    def run(self, at: int = 0) -> Parts:
        """Go through the text from `at` on."""
        at = self._beginning(at)
        while True:
            found = self._start.search(self.text, at)
            if not found:
                self._say(at, self.source.size)
                return self.parts
            if self._say(at, found.start()):
                return self.parts
            head = found.lastindex or 1
            end = self._heads[head - 1][1](found.start())
            if end < 0:
                end = found.end() if head not in (15, 16) else found.start() + 1
                self.parts.text.append(self.text[found.start() : end])
            at = end
            if at >= self.source.size:
                return self.parts

    def _say(self, at: int, end: int) -> bool:
        """Take text in; whether another role's turn begins in it, which ends the model's own."""
        leak = LEAK.search(self.text, at, end) if self.parts.regions else None
        self.parts.text.append(self.text[at : leak.start() if leak else end])
        if leak:
            rest = self.text[leak.start() :]
            self.parts.notes.append(Repair("text of another turn", leak.start(), rest.strip()[:80], ""))
        return leak is not None

    def _beginning(self, at: int) -> int:
        """What only the beginning of a turn can be: a name whose mark stands in the prompt, or bare calls."""
        here = skip_space(self.text, at)
        named = re.compile(rf"(?P<name>{self.names.pattern})[ \t]*\n\s*(?=\{{)").match(self.text, here)
        if named:
            return self._arguments_after(here, named)
        if self.dialect == "functionary32" and self.text.startswith("all\n", here):
            return here + 4
        if self._line_call.match(self.text, here):
            return self._line_calls(here, at)
        return at

    # Thinking

    def _think(self, at: int) -> int:
        mark = max((one for one in THINKING if self.text.startswith(one, at)), key=len)
        end = self.source.find(THINKING[mark], at + len(mark))
        inside = self.text[at + len(mark) : end if end >= 0 else self.source.size]
        self._add_thoughts(inside)
        return end + len(THINKING[mark]) if end >= 0 else self.source.size

    def _add_thoughts(self, inside: str) -> None:
        if inside.strip():
            self.parts.thoughts.append(inside.strip())

    def _thought(self, at: int) -> int:
        """A mark that ends thinking which nothing began: what stood before it was only thought."""
        self.parts.unmarked = at
        for region in self.parts.regions:
            for heard in region.heard:
                heard.problem = heard.problem or "it stands in the thinking; make the call after it"
        found = _THOUGHT.match(self.text, at)
        return found.end() if found else at + 1

    # Harmony

    def _channel(self, at: int) -> int:
        header = _CHANNEL.match(self.text, at)
        if not header:
            found = _TO.search(self.text, at, at + 400)
            return -1 if not found else self._recipient(found.start())
        name = _CHANNEL_NAME.search(header.group())
        channel = name.group(1).lower() if name else ""
        to = _RECIPIENT.search(header.group())
        if to:
            return self._body(at, header.end(), to.group(1))
        end = self.source.first(_MESSAGE_END, header.end())
        inside = self.text[header.end() : end]
        if channel.startswith("analysis"):
            self._add_thoughts(inside)
        else:
            self.parts.text.append(inside)
        found = re.compile(r"(?:<\|end\|>|<\|return\|>)(?:assistant(?=<\|channel))?").match(self.text, end)
        return found.end() if found else end

    def _recipient(self, at: int) -> int:
        found = _TO.match(self.text, at)
        return self._body(at, found.end(), found.group(1)) if found else -1

    def _body(self, at: int, start: int, name: str) -> int:
        """The arguments of the function that a message is addressed to."""
        region = Region(at, start, [], sure=True)
        start = skip_space(self.text, start)
        if not self.text.startswith("{", start):
            end = self.source.first(_MESSAGE_END, start)
            region.heard.append(Heard(name, self.text[start:end]))
            return self._keep(region, end)
        arguments, end, problem = read_object(
            self.source, start, self.known, name, region.notes, final=self.final
        )
        region.heard.append(Heard(name, arguments, problem=problem))
        return self._keep(region, self.source.first(_MESSAGE_END, end) if problem else end)

    # Marks around calls

    def _container(self, at: int) -> int:
        """Read all that stands behind a mark that calls begin with."""
        here = at
        mark = _OPEN.match(self.text, at)
        if (
            mark
            and mark.group() == "functools"
            and not self.text.startswith("[", skip_space(self.text, mark.end()))
        ):
            return -1
        count = 0
        while True:
            here = self._after_marks(here)
            if here >= self.source.size:
                break
            end = self._inside(here)
            if end < 0:
                break
            count += 1
            here = end
            closed = _CLOSE.match(self.text, here)
            if closed:
                here = closed.end()
                break
        if count:
            return here
        end = self.source.first(CALL_CLOSE, here)
        if end >= self.source.size:
            end = self.source.first(("<tool_call>",), here)
        held = self.text[here:end]
        why = "there is no JSON object in it" if held.strip() else "there is nothing in it"
        if end >= self.source.size:
            why = self._incomplete()
        self.parts.refusals.append(Refusal(f"the call cannot be used: {why}", self.text[at:end]))
        closed = _CLOSE.match(self.text, end)
        return closed.end() if closed else end

    def _incomplete(self) -> str:
        return "it is not complete" if self.final else "it was cut off at the token limit"

    def _after_marks(self, at: int) -> int:
        while True:
            at = skip_space(self.text, at)
            found = _OPEN.match(self.text, at)
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
            return self._read_quoted(at)
        if self.text.startswith("```", at):
            return self._fence(at)
        region = Region(at, at, [], sure=True)
        for read in (read_function, read_gemma):
            found = read(self.source, at, self.known, self.names, region.notes, final=self.final)
            if found:
                return self._keep_one(region, found)
        found = read_separated(
            self.source, at, self.known, self._separated, self.names, region.notes, final=self.final
        )
        if found is None:
            found = read_call(self.source, at, self.known, self.names, region.notes)
        if found is None:
            found = read_glm(self.source, at, self.known, self.names, region.notes)
        return -1 if found is None else self._keep_one(region, found)

    def _keep_one(self, region: Region, found: tuple[Heard, int]) -> int:
        region.heard.append(found[0])
        return self._keep(region, found[1])

    def _keep(self, region: Region, end: int) -> int:
        """Take a region in; brackets too many behind it are dropped."""
        junk = _JUNK.match(self.text, end)
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

    # Objects and lists

    def _read_json(self, at: int, *, sure: bool) -> int:
        """Read a JSON value that is a call, or calls; -1 where it is data or nothing at all."""
        source = self.source
        notes: list[Repair] = []
        try:
            value, end = source.strict(at)
        except Unreadable as error:
            if not sure and not self._call_like(at):
                return -1
            if _ESCAPED.match(self.text, at):
                return self._escaped(at)
            if error.why.startswith("it is nested"):
                return self._refuse(at, error.why)
            return self._repair(at, sure=sure)
        heard = calls_in(value, self.known, sure=sure)
        if not heard:
            return self._data(at, end, sure)
        return self._keep(Region(at, end, heard, notes, sure), end)

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
        end = self.source.first(("```", "\n\n", *CALL_CLOSE, *TURN_END), at)
        written = self.text[at:end].rstrip().removesuffix('"')
        plain = unescape(written, "json")
        inner = Walk(Source(plain), self.known, self.dialect, final=self.final)
        begun = inner._read_json(0, sure=True)  # noqa: SLF001
        if begun < 0 or not inner.parts.regions:
            return -1
        region = inner.parts.regions[0]
        note = Repair("call in quotes", at, written[:80], "an object")
        if self.parts.text and self.parts.text[-1].rstrip().endswith('"'):
            self.parts.text[-1] = self.parts.text[-1].rstrip()[:-1]
        return self._keep(Region(at, end, region.heard, [note, *region.notes], sure=True), end)

    def _call_like(self, at: int) -> bool:
        return bool(self._call_object.match(self.text, at) or self._call_list.match(self.text, at))

    def _repair(self, at: int, *, sure: bool) -> int:
        source = self.source
        try:
            value, reader = read_value(source, at, self.known, zone="call", final=self.final)
        except Unreadable as error:
            if not sure and not self._plainly_call(at, error.at):
                return -1
            return self._refuse(at, self._incomplete() if error.cut else error.why)
        heard = calls_in(value, self.known, sure=sure)
        if not heard:
            return self._data(at, reader.at, sure)
        for one in heard:
            if any(_holds(one.arguments, left) for left in reader.open):
                one.problem = one.problem or self._incomplete()
        return self._keep(Region(at, reader.at, heard, reader.notes, sure), reader.at)

    def _plainly_call(self, at: int, end: int) -> bool:
        """Whether what could not be read names a function in a way that only calls do."""
        head = self.text[at : max(end, at + 400)]
        named = re.search(
            r"[\"']?\b(?:function|name|tool|tool_name|action|method)[\"']?\s*[:=]\s*[\"']?([^\"',}\n]*)", head
        )
        held = re.search(
            r"[\"']?\b(?:params|arguments|parameters|args|action_input|inner_thoughts)[\"']?\s*[:=]", head
        )
        return bool(held) or (named is not None and head.lstrip("{[ \n\t\"'").startswith("function"))

    def _refuse(self, at: int, why: str) -> int:
        """Give up what begins at `at`, up to where something else may begin."""
        end = self._extent(at)
        self.parts.refusals.append(Refusal(f"the call cannot be used: {why}", self.text[at:end]))
        return end

    def _extent(self, at: int) -> int:
        """The end of a broken value: its own closing bracket, or the next mark or line with an object."""
        end = self.source.first(("\n{", "\n\n", *CALL_CLOSE, *CALL_OPEN), at + 1)
        depth = 0
        for found in re.compile(r'"(?:[^"\\]++|\\.)*+"|[{}\[\]]').finditer(
            self.text, at, min(self.source.size, at + 200_000)
        ):
            token = found.group()
            depth += (token in "{[") - (token in "}]") if len(token) == 1 else 0
            if depth <= 0:
                return max(found.end(), at + 1)
        return max(end, at + 1)

    def _object(self, at: int) -> int:
        if self._is_example(at):
            return self._skip_example(at)
        return self._read_json(at, sure=False)

    def _list(self, at: int) -> int:
        if self._is_example(at):
            return self._skip_example(at)
        end = self._read_python(at, sure=False)
        return end if end >= 0 else self._read_json(at, sure=False)

    def _read_python(self, at: int, *, sure: bool) -> int:
        region = Region(at, at, [], sure=sure)
        found = read_list(self.source, at, self.known, self.names, region.notes)
        if found is None or not (sure or any(one.name in self.known.tools for one in found[0])):
            return -1
        region.heard += found[0]
        problem = next((one.problem for one in region.heard if one.problem), "")
        for one in region.heard:
            one.problem = one.problem or problem
        end = self.source.first(("\n",), found[1]) if problem else found[1]
        return self._keep(region, end)

    def _is_example(self, at: int) -> bool:
        """Whether prose introduces what begins here as an example, where no mark says that it is a call."""
        if self.dialect in ("json", "json_list", "llama3_json", "memgpt", "pythonic"):
            return False
        return _EXAMPLE.search(self.text, max(0, at - 160), at) is not None

    def _skip_example(self, at: int) -> int:
        end = self._extent(at)
        self.parts.text.append(self.text[at:end])
        return end

    # Other forms

    def _function(self, at: int) -> int:
        return self._inside(at)

    def _gemma(self, at: int) -> int:
        region = Region(at, at, [], sure=True)
        found = read_gemma(self.source, at, self.known, self.names, region.notes, final=self.final)
        return -1 if not found or found[0].name not in self.known.tools else self._keep_one(region, found)

    def _functionary(self, at: int) -> int:
        found = self._named_line.match(self.text, at)
        if not found:
            return -1
        return self._arguments_after(at, found) if found.group("name") else found.end()

    def _marked_name(self, at: int) -> int:
        found = self._custom.match(self.text, at)
        if not found:
            return -1
        end = self._arguments_after(at, found)
        closed = re.compile(r"\s*[\[<][\w|/ ]{1,30}[\]>]").match(self.text, end)
        return closed.end() if closed else end

    def _arguments_after(self, at: int, found: re.Match[str]) -> int:
        name = self.names.plain(found.group("name"))
        return self._body(at, found.end(), name)

    def _line_calls(self, here: int, otherwise: int) -> int:
        """Calls in Python's form that are all there is in the text."""
        region = Region(here, here, [], sure=True)
        while here < self.source.size:
            found = read_call(self.source, here, self.known, self.names, region.notes)
            if found is None or found[0].name not in self.known.tools:
                return otherwise
            region.heard.append(found[0])
            if found[0].problem:
                return otherwise if found[1] < self.source.size else self._keep(region, self.source.size)
            between = _BETWEEN.match(self.text, found[1])
            here = between.end() if between else found[1]
            closed = _TURN_END.match(self.text, here)
            if closed:
                break
        return self._keep(region, here)

    def _fence(self, at: int) -> int:
        found = _FENCE.match(self.text, at)
        if not found:
            return -1
        language = found.group(1).lower()
        here = skip_space(self.text, found.end())
        if self._is_example(at) or language not in _DATA_FENCES | _CALL_FENCES:
            return self._code(at, found.end())
        count = 0
        while here < self.source.size and not self.text.startswith("```", here):
            end = self._fenced(here, sure=language in _CALL_FENCES)
            if end < 0:
                break
            count += 1
            between = _BETWEEN.match(self.text, end)
            here = between.end() if between else end
        if not count:
            return self._code(at, found.end())
        return here + 3 if self.text.startswith("```", here) else here

    def _fenced(self, at: int, *, sure: bool) -> int:
        opened = _OPEN.match(self.text, at)
        if opened:
            return self._container(at)
        if self.text.startswith(("<function", "<invoke")):
            return self._inside(at)
        if self._call_like(at):
            regions = len(self.parts.regions) + len(self.parts.refusals)
            end = self._read_python(at, sure=sure) if self.text[at] == "[" else -1
            end = end if end >= 0 else self._read_json(at, sure=sure)
            if len(self.parts.regions) + len(self.parts.refusals) > regions:
                return end
            if end >= 0:
                self.parts.text.pop()
            return -1
        if sure:
            printed = re.compile(r"print\(\s*").match(self.text, at)
            region = Region(at, at, [], sure=True)
            start = printed.end() if printed else at
            one = read_call(self.source, start, self.known, self.names, region.notes)
            if one:
                end = skip_space(self.text, one[1])
                return self._keep_one(region, (one[0], end + self.text.startswith(")", end)))
        return -1

    def _code(self, at: int, start: int) -> int:
        """A block of code is text as a whole."""
        end = self.source.find("```", start)
        end = end + 3 if end >= 0 else start
        self.parts.text.append(self.text[at:end])
        return end

    def _action(self, at: int) -> int:
        found = _ACTION_FENCE.match(self.text, at)
        if found:
            return found.end()
        found = _ACTION.match(self.text, at)
        if not found:
            return -1
        region = Region(at, at, [], sure=True)
        name = found.group("name").strip()
        start = skip_space(self.text, found.end())
        if self.text.startswith("{", start):
            value, end, problem = read_object(
                self.source, start, self.known, name, region.notes, final=self.final
            )
            region.heard.append(Heard(name, value, problem=problem))
            return self._keep(region, end)
        stop = _OBSERVATION.search(self.text, found.end())
        end = stop.start() if stop else self.source.size
        problem = self._incomplete() if not self.final and not stop else ""
        region.heard.append(Heard(name, self.text[found.end() : end].strip().strip("\"'"), problem=problem))
        return self._keep(region, end)

    # Marks that hold nothing

    def _orphan(self, at: int) -> int:
        found = _CLOSE.match(self.text, at)
        return found.end() if found else -1

    def _special(self, at: int) -> int:
        found = _SPECIAL.match(self.text, at)
        return found.end() if found else -1

    def _turn_end(self, at: int) -> int:
        """The end of the turn: what follows it is not the model's to say."""
        found = _TURN_END.match(self.text, at)
        if not found:
            return -1
        rest = self.text[found.end() :]
        if not (self.parts.regions or "".join(self.parts.text).strip()):
            return found.end()
        if rest.strip():
            self.parts.notes.append(Repair("text after the end of the turn", at, rest.strip()[:80], ""))
        return self.source.size


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
