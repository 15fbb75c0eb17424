"""Go through a model's text once and part it into text, thinking, and what may be calls.

Each mark that something may begin at is looked at once, from left to right. What begins nothing stays text.
Nothing inside of what was read is looked at again, so a call that is quoted in another call's argument, in
data or in thinking is never one.
"""

from __future__ import annotations

import re

from bridle.messages import Refusal, Repair
from bridle.wrappers.reading.blocks import MOST, Blocks
from bridle.wrappers.reading.candidates import MESSAGE_END
from bridle.wrappers.reading.heard import Heard, Parts, Region
from bridle.wrappers.reading.marks import LEAK, OTHER_TURN, THINKING
from bridle.wrappers.reading.markup import read_gemma, read_object, skip_space
from bridle.wrappers.reading.names import tool_name
from bridle.wrappers.reading.patterns import (
    BETWEEN,
    CHANNEL,
    CLOSE,
    PLACES,
    SPECIALS,
    THOUGHT,
    TURN_ENDS,
)
from bridle.wrappers.reading.pythonic import read_call
from bridle.wrappers.reading.source import Source

__all__ = ["Walk"]

_PYTHONIC = frozenset({"pythonic", "llama4", "lfm2"})
_CHANNEL_NAME = re.compile(r"<\|channel\|>\s*(\w+)")
_ACTION = re.compile(
    r"Action:[ \t]*`?(?P<name>[^\n`{\[]{1,120}?)`?[ \t]*(?:\n\s*|(?=[ \t]Action Input:)[ \t]+)"
    r"Action[ _]Input:[ \t]*\n?"
)
_KEYWORD = re.compile(r"[^\W\d]\w*\s*=\s*[\"'\d\[{TFN-]")
_ACTION_FENCE = re.compile(r"Action:\s*(?=```|[\[{])")
_OBSERVATION = re.compile(r"\n[ \t]*(?:Observation|Thought|Action)\s*:")
_NEXT_MESSAGE = re.compile(r"(?:<\|end\|>|<\|return\|>)(?:assistant(?=<\|channel))?")
_CUSTOM_CLOSE = re.compile(r"\s*[\[<][\w|/ ]{1,30}[\]>]")


class Walk(Blocks):
    """One way through one text. `run` goes it."""

    def run(self, at: int = 0) -> Parts:
        """Go through the text from `at` on."""
        readers = (
            self._think,
            self._thought,
            self._channel,
            self._container,
            self._orphan,
            self._turn_end,
            self._special,
            self._inside,
            self._fence,
            self._recipient,
            self._action,
            self._functionary,
            self._gemma,
            self._marked_name,
            self._object,
            self._list,
            self._data_object,
            self._data_list,
        )
        at = self._beginning(at)
        while at < self.source.size:
            if self.parts.count > MOST:
                why = f"there are more than {MOST} calls in one turn; make only those that are needed"
                self.parts.refusals.append(Refusal(why, self.text[at : at + 80]))
                break
            here, head = self._next(at)
            if self._say(at, here) or not head:
                break
            at = readers[head - 1](here)
            if at < 0:
                at = here + 1
                self.parts.text.append(self.text[here:at])
        return self.parts

    def _next(self, at: int) -> tuple[int, int]:
        """The next place where something may begin, and the number of what that is; 0 at the end."""
        while self.source.places > 0:
            place = PLACES.search(self.text, at)
            if not place:
                break
            self.source.places -= 1
            found = self._patterns.start.match(self.text, place.start())
            if found:
                return found.start(), found.lastindex or 0
            at = place.start() + 1
        return self.source.size, 0

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
        named = self._patterns.named_line.match(self.text, here)
        if named:
            return self._arguments_after(here, named)
        if self.dialect == "functionary32" and self.text.startswith("all\n", here):
            return here + 4
        if self._patterns.braceless.match(self.text, here):
            return self._braceless(here)
        if self._patterns.keyed_line.match(self.text, here):
            return self._inside(here)
        here += self.text.startswith("`", here) and not self.text.startswith("```", here)
        if self._patterns.line_call.match(self.text, here):
            return self._line_calls(here, at)
        if self.dialect in _PYTHONIC:
            found = self._patterns.lines.search(self.text, at)
            if found and not PLACES.search(self.text, at, found.start()):
                end = self._line_calls(found.end(), -1)
                if end >= 0:
                    self.parts.text.append(self.text[at : found.start()])
                    return end
        return at

    def _braceless(self, at: int) -> int:
        """Calls without their opening brace, which a prompt that ended in it leaves to nobody."""
        here = at
        while self._patterns.braceless.match(self.text, here) and self.parts.count <= MOST:
            at = self._repair(here, sure=True, braceless=True)
            between = BETWEEN.match(self.text, at)
            here = between.end() if between else at
        return at

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
        found = THOUGHT.match(self.text, at)
        return found.end() if found else at + 1

    def _channel(self, at: int) -> int:
        header = CHANNEL.match(self.text, at)
        if not header:
            found = self._patterns.recipient.search(self.text, at, at + 400)
            return -1 if not found else self._recipient(found.start())
        name = _CHANNEL_NAME.search(header.group())
        channel = name.group(1).lower() if name else ""
        to = self._patterns.addressed.search(header.group())
        if to:
            return self._body(at, header.end(), self.names.plain(to.group("name")))
        end = self.source.first(MESSAGE_END, header.end())
        inside = self.text[header.end() : end]
        if channel.startswith("analysis"):
            self._add_thoughts(inside)
        else:
            self.parts.text.append(inside)
        found = _NEXT_MESSAGE.match(self.text, end)
        return found.end() if found else end

    def _recipient(self, at: int) -> int:
        found = self._patterns.recipient.match(self.text, at)
        return self._body(at, found.end(), self.names.plain(found.group("name"))) if found else -1

    def _object(self, at: int) -> int:
        if self.source.poor:
            return -1
        if self._is_example(at):
            return self._skip_example(at)
        return self._read_json(at, sure=False)

    def _list(self, at: int) -> int:
        if self.source.poor:
            return -1
        if self._is_example(at):
            return self._skip_example(at)
        end = self._read_python(at, sure=False)
        return end if end >= 0 else self._read_json(at, sure=False)

    def _data_object(self, at: int) -> int:
        """An object that begins like no call: if it is whole, nothing in it is looked at."""
        return self._read_json(at, sure=False)

    def _data_list(self, at: int) -> int:
        return self._read_json(at, sure=False)

    def _skip_example(self, at: int) -> int:
        end = self._extent(at)
        self.parts.text.append(self.text[at:end])
        return end

    def _gemma(self, at: int) -> int:
        region = Region(at, at, [], sure=True)
        found = read_gemma(self.source, at, self.known, self.names, region.notes, final=self.final)
        return -1 if not found or found[0].name not in self.known.tools else self._keep_one(region, found)

    def _functionary(self, at: int) -> int:
        found = self._patterns.functionary.match(self.text, at)
        if not found:
            return -1
        return self._arguments_after(at, found) if found.group("name") else found.end()

    def _marked_name(self, at: int) -> int:
        found = self._patterns.custom.match(self.text, at)
        if not found:
            return -1
        end = self._arguments_after(at, found)
        closed = _CUSTOM_CLOSE.match(self.text, end)
        return closed.end() if closed else end

    def _line_calls(self, here: int, otherwise: int) -> int:
        """Calls in Python's form that are all there is in the text."""
        region = Region(here, here, [], sure=True)
        while here < self.source.size and len(region.heard) <= MOST:
            found = read_call(self.source, here, self.known, self.names, region.notes)
            if found is None or not tool_name(found[0].name, self.known.tools):
                return otherwise
            region.heard.append(found[0])
            if found[0].problem:
                return otherwise if found[1] < self.source.size else self._keep(region, self.source.size)
            between = BETWEEN.match(self.text, found[1] + self.text.startswith("`", found[1]))
            here = between.end() if between else found[1]
            closed = TURN_ENDS.match(self.text, here)
            if closed:
                break
        return self._keep(region, here)

    def _action(self, at: int) -> int:
        found = _ACTION_FENCE.match(self.text, at)
        if found:
            return found.end()
        found = _ACTION.match(self.text, at) if self.source.find("Input:", at) >= 0 else None
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
        written = self.text[found.end() : end].strip()
        named = Source(f"{name}({written})")
        one = read_call(named, 0, self.known, self.names, region.notes) if _KEYWORD.match(written) else None
        if one and not one[0].problem and not problem:
            region.notes.append(Repair("arguments as in Python", found.end(), written[:80], "an object"))
            return self._keep_one(region, (one[0], end))
        quoted = len(written) > 1 and written[0] == written[-1] and written[0] in "\"'"
        region.heard.append(Heard(name, written[1:-1] if quoted else written, problem=problem))
        return self._keep(region, end)

    def _orphan(self, at: int) -> int:
        found = CLOSE.match(self.text, at)
        return found.end() if found else -1

    def _special(self, at: int) -> int:
        found = SPECIALS.match(self.text, at)
        return found.end() if found else -1

    def _turn_end(self, at: int) -> int:
        """The end of the turn: what follows it is not the model's to say."""
        found = TURN_ENDS.match(self.text, at)
        if not found:
            return -1
        foreign = found.group() in OTHER_TURN
        if not (foreign or self.parts.regions or any(piece.strip() for piece in self.parts.text[-8:])):
            return found.end()
        rest = self.text[found.end() :].strip()
        if rest:
            self.parts.notes.append(Repair("text after the end of the turn", at, rest[:80], ""))
        return self.source.size
