"""Read what stands behind a mark that calls begin with, and what stands in a block of code."""

from __future__ import annotations

import re

from bridle.messages import Refusal
from bridle.wrappers.reading.candidates import Candidates
from bridle.wrappers.reading.heard import Region
from bridle.wrappers.reading.marks import CALL_CLOSE
from bridle.wrappers.reading.markup import skip_space
from bridle.wrappers.reading.patterns import BETWEEN, CLOSE, EXAMPLE, FENCE, OPEN
from bridle.wrappers.reading.pythonic import read_call

__all__ = ["MOST", "Blocks"]

MOST = 256
"""So many calls in one turn are a model that has lost its way."""
_CALL_FENCES = frozenset({"tool_call", "tool_code", "tool_calls", "function_call", "tool"})
_DATA_FENCES = frozenset(
    {"", "json", "json5", "jsonc", "javascript", "js", "python", "py", "xml", "text", "plaintext", "txt"}
)
_PRINT = re.compile(r"print\(\s*")


class Blocks(Candidates):
    """What holds calls and nothing else, or code that may be a call."""

    def _container(self, at: int) -> int:
        """Read all that stands behind a mark that calls begin with."""
        here = at
        mark = OPEN.match(self.text, at)
        if (
            mark
            and mark.group() == "functools"
            and not self.text.startswith("[", skip_space(self.text, mark.end()))
        ):
            return -1
        count = 0
        while True:
            here = self._after_marks(here)
            if here >= self.source.size or self.parts.count > MOST:
                break
            end = self._inside(here)
            if end < 0:
                break
            count += 1
            here = end
            closed = CLOSE.match(self.text, here)
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
        closed = CLOSE.match(self.text, end)
        return closed.end() if closed else end

    def _is_example(self, at: int) -> bool:
        """Whether prose introduces what begins here as an example, where no mark says that it is a call."""
        if self.dialect in ("json", "json_list", "llama3_json", "memgpt", "pythonic"):
            return False
        return EXAMPLE.search(self.text, max(0, at - 160), at) is not None

    def _fence(self, at: int) -> int:
        found = FENCE.match(self.text, at)
        if not found:
            return -1
        language = found.group(1).lower()
        here = skip_space(self.text, found.end())
        if not self._holds_call(here, language) or self._is_example(at):
            return self._code(at, found.end())
        count = 0
        while here < self.source.size and not self.text.startswith("```", here) and count <= MOST:
            end = self._fenced(here, sure=language in _CALL_FENCES or self._is_only_block())
            if end < 0:
                break
            count += 1
            between = BETWEEN.match(self.text, end)
            here = between.end() if between else end
        if not count:
            return self._code(at, found.end())
        return here + 3 if self.text.startswith("```", here) else here

    def _holds_call(self, at: int, language: str) -> bool:
        """Whether a block of code begins as a call does."""
        if self.source.poor or language not in _DATA_FENCES | _CALL_FENCES:
            return False
        if self._is_only_block() and self._patterns.line_call.match(self.text, at):
            return True
        marked = OPEN.match(self.text, at) or self.text.startswith(("<function", "<invoke"), at)
        return bool(marked) or language in _CALL_FENCES or self._call_like(at)

    def _is_only_block(self) -> bool:
        """Whether there is one block of code and nothing else."""
        text = self.text.strip()
        return text.startswith("```") and text.find("```", 3) == len(text) - 3

    def _fenced(self, at: int, *, sure: bool) -> int:
        opened = OPEN.match(self.text, at)
        if opened:
            return self._container(at)
        if self.text.startswith(("<function", "<invoke"), at):
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
            printed = _PRINT.match(self.text, at)
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
