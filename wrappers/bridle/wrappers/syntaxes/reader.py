"""The stream reader of every syntax: hands out early what is certain, and ends with what `recover` reads.

Text is certain up to the first thing that may begin a call, thinking or markup of any dialect; thoughts are
certain between the syntax's own marks; names and arguments are, while the calls look as the syntax writes
them. All else waits for the end of the turn.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from bridle.messages import Delta, Finish, ToolSpec
from bridle.wrappers.jsonstream import ObjectScanner
from bridle.wrappers.reading import SUSPECTS, is_call_like, recover
from bridle.wrappers.reading.marks import CALL_CLOSE, CALL_OPEN, SPECIAL, THINKING, TURN_END
from bridle.wrappers.streams import CallSink, TextStream, compact
from bridle.wrappers.syntax import CallShape, Part, Reading
from bridle.wrappers.syntaxes.calls import CallFollower
from bridle.wrappers.syntaxes.turns import read_turn

__all__ = ["Reader"]

_PIECE = 4096
"""Fragments are taken in pieces of so many characters, so that cutting them costs little."""
_MOST_BRACKETS, _MOST_ASKED = 1000, 50
"""How many things in brackets are looked at in a turn, and how many of those as calls, which takes 0.2 ms
each. Text beyond that waits for the end of the turn."""


class Reader:
    """Reads one turn of a syntax as it arrives."""

    def __init__(
        self,
        dialect: str,
        shape: CallShape,
        tools: tuple[ToolSpec, ...],
        thinking: bool,
        also: tuple[Part, ...] = (),
        exact: bool = False,
    ) -> None:
        self._dialect = dialect
        self._shape = shape
        self._exact = exact
        self._alternative = also
        self._also = replace(shape, call=also, open="", close="", parallel=False) if also else shape
        self._tools = tools
        self._thinking = thinking
        self._raw: list[str] = []
        self._text = TextStream()
        self._sink = CallSink(tools)
        self._state: Literal["start", "text", "think", "calls", "object", "rest"] = (
            "think" if thinking else "start"
        )
        self._held = ""
        self._since: list[str] = []
        self._said_before = 0
        self._thought = self._addressed = False
        self._brackets = self._asked = 0
        self._follower = CallFollower(shape, self._sink)
        self._scanner = ObjectScanner()
        self._marks = _marks(shape, str(also[0]) if also else shape.trigger, exact)

    def feed(self, fragment: str) -> list[Delta]:
        """Take the next characters."""
        self._raw.append(fragment)
        deltas: list[Delta] = []
        for at in range(0, len(fragment), _PIECE):
            if self._state == "rest":
                break
            rest, self._held = self._held + fragment[at : at + _PIECE], ""
            while rest:
                before = (rest, self._state)
                rest = self._step(rest, deltas)
                if (rest, self._state) == before:
                    self._held, rest = rest, ""
        return deltas

    def close(self, finish: Finish = "stop") -> tuple[list[Delta], Reading]:
        """End the turn."""
        raw = "".join(self._raw)
        reading = self._whole(raw, finish)
        text = _with_shown(self._text.text, reading.text)
        thoughts = _with_shown(self._sink.thoughts.text, reading.thoughts)
        if (text, thoughts) != (reading.text, reading.thoughts):
            reading = replace(reading, text=text, thoughts=thoughts)
        deltas = [
            Delta(thoughts=thoughts[len(self._sink.thoughts.text) :]),
            Delta(text=text[len(self._text.text) :]),
        ]
        said = [delta for delta in deltas if delta.text or delta.thoughts]
        return said + self._sink.finish(reading.calls), reading

    def _whole(self, raw: str, finish: Finish) -> Reading:
        """What stands in the whole turn."""
        tools, dialect, thinking = self._tools, self._dialect, self._thinking
        if self._exact:
            return read_turn(
                raw, self._shape, tools, dialect, finish, thinking=thinking, also=self._alternative
            )
        return recover(raw, tools, dialect or None, finish, thinking=thinking)

    def _step(self, rest: str, deltas: list[Delta]) -> str:
        match self._state:
            case "start":
                return self._at_start(rest)
            case "text":
                return self._in_text(rest, deltas)
            case "think":
                return self._in_think(rest, deltas)
            case "calls":
                return self._in_calls(rest, deltas)
            case "object":
                return self._in_object(rest, deltas)
            case "rest":
                return ""

    def _at_start(self, rest: str) -> str:
        """Where a place for thoughts or text may open."""
        rest = rest.lstrip()
        marks = self._marks
        if self._thought and not self._addressed and rest.startswith(marks.after_think):
            self._addressed = bool(marks.after_think)
            self._thought = False
            return rest[len(marks.after_think) :]
        if marks.think_open and rest.startswith(marks.think_open):
            self._state = "rest" if self._sink.said else "think"
            return rest[len(marks.think_open) :]
        if marks.text_open and rest.startswith(marks.text_open):
            self._state = "text"
            return rest[len(marks.text_open) :]
        if rest and not any(mark.startswith(rest) for mark in marks.openings):
            self._state = "text"
            if self._addressed and rest.startswith(marks.also):
                self._begin_calls(self._also)
            elif marks.unmarked or (self._addressed and rest.startswith(marks.trigger)):
                self._begin_calls(self._shape)
            elif self._addressed:
                self._give_up()
        return rest

    def _in_text(self, rest: str, deltas: list[Delta]) -> str:
        found = self._marks.suspects.search(rest)
        growing = 0 if found else _growing(rest, self._marks.beginnings, self._marks.longest)
        at = found.start() if found else len(rest) - growing
        self._say(rest[:at], deltas)
        if found:
            self._suspect(rest[at:])
        return rest[at:]

    def _say(self, text: str, deltas: list[Delta]) -> None:
        certain = self._text.feed(text)
        if certain:
            deltas.append(Delta(text=certain))

    def _suspect(self, rest: str) -> None:
        """Decide what begins at a mark; nothing changes while that cannot be told."""
        marks = self._marks
        if rest.startswith(marks.trigger):
            self._begin_calls(self._shape, marks.trigger if marks.unmarked else "")
        elif rest.startswith(marks.also):
            self._begin_calls(self._also)
        elif marks.think_open and rest.startswith(marks.think_open) and not self._sink.said:
            self._state = "start"
        elif not any(mark.startswith(rest) for mark in (marks.trigger, marks.also, marks.think_open)):
            self._begin_object() if rest[0] in "{[" and not self._ends_text(rest) else self._give_up()

    def _ends_text(self, rest: str) -> bool:
        """Whether a mark of the syntax's own stands here, or may come to stand here, that ends free text."""
        return any(rest.startswith(mark) or mark.startswith(rest) for mark in self._marks.after_text)

    def _give_up(self) -> None:
        self._state = "rest"

    def _begin_calls(self, shape: CallShape, lead: str = "") -> None:
        self._state, self._since, self._said_before = "calls", [], self._sink.said
        self._follower = CallFollower(shape, self._sink, lead)

    def _begin_object(self) -> None:
        self._state, self._since, self._scanner = "object", [], ObjectScanner()

    def _in_think(self, rest: str, deltas: list[Delta]) -> str:
        marks = self._marks
        found = marks.think_end.search(rest)
        at = found.start() if found else len(rest) - _growing(rest, marks.think_beginnings, marks.longest)
        self._sink.think(rest[:at])
        deltas += self._sink.take()
        if not found:
            return rest[at:]
        if found.group() == marks.think_close:
            self._state = "rest" if self._text.pieces else "start"
            self._thought = True
            return rest[found.end() :]
        if not any(mark != found.group() and mark.startswith(rest[at:]) for mark in marks.think_endings):
            self._give_up()
        return rest[at:]

    def _in_calls(self, rest: str, deltas: list[Delta]) -> str:
        self._since.append(rest)
        self._follower.feed(rest)
        deltas += self._sink.take()
        if self._follower.failed:
            since = "".join(self._since)
            if self._sink.said == self._said_before and since[0] in "{[" and not self._exact:
                self._begin_object()
                return since
            self._give_up()
        return ""

    def _in_object(self, rest: str, deltas: list[Delta]) -> str:
        """Inside something like JSON that may be text after all."""
        used, _ = self._scanner.feed(rest)
        self._since.append(rest[:used])
        if self._scanner.done:
            found = "".join(self._since)
            if self._is_text(found):
                self._state = "text"
                self._say(found, deltas)
            else:
                self._give_up()
        return rest[used:]

    def _is_text(self, found: str) -> bool:
        """Whether something in brackets is certain to be text; that is asked a limited number of times."""
        self._brackets += 1
        if not _LETTER.search(found):
            return self._brackets <= _MOST_BRACKETS
        self._asked += 1
        if self._asked > _MOST_ASKED or _OTHERS.search(found) or _LIKE_A_MARK.fullmatch(found):
            return False
        if self._exact and (self._marks.trigger in found or any(map(found.count, self._marks.after_text))):
            return False
        return not is_call_like(found, self._tools)


@dataclass(frozen=True, slots=True)
class _Marks:
    """What the reader looks for, made once for each shape."""

    trigger: str
    also: str
    unmarked: bool
    think_open: str
    think_close: str
    after_think: str
    text_open: str
    openings: tuple[str, ...]
    suspects: re.Pattern[str]
    beginnings: frozenset[str]
    think_endings: tuple[str, ...]
    think_end: re.Pattern[str]
    think_beginnings: frozenset[str]
    after_text: tuple[str, ...]
    longest: int


@lru_cache(maxsize=256)
def _marks(shape: CallShape, also: str, exact: bool) -> _Marks:
    trigger, think_open, text_open = shape.trigger.strip(), shape.think_open.strip(), shape.text_open.lstrip()
    closing = shape.think_close.strip() or "</think>"
    first = re.match(r"<[^<>]*>|\[[^\[\]]*\]", closing)
    think_close = first.group() if first else closing
    after_think = closing[len(think_close) :].strip()
    after_text = tuple(mark for mark in (shape.text_close.strip(), shape.gap.strip()) if mark and exact)
    suspects = [mark for mark in (*SUSPECTS, trigger, think_open, *after_text) if mark]
    calls = (trigger, also.strip()) if after_think else ()
    endings = (*_MARKUP, think_close)
    return _Marks(
        trigger=trigger,
        also=also.strip(),
        unmarked=not compact(shape.open) and not isinstance(shape.call[0], str),
        think_open=think_open,
        think_close=think_close,
        after_think=after_think,
        text_open=text_open,
        openings=tuple(mark for mark in (think_open, text_open, after_think, *calls) if mark),
        suspects=_pattern(suspects),
        beginnings=_beginnings(suspects),
        think_endings=endings,
        think_end=_pattern(endings),
        think_beginnings=_beginnings(endings),
        after_text=after_text,
        longest=max(map(len, (*suspects, *endings))),
    )


def _pattern(marks: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(re.escape(mark) for mark in sorted(set(marks), key=len, reverse=True)))


def _beginnings(marks: Iterable[str]) -> frozenset[str]:
    return frozenset(mark[:length] for mark in marks for length in range(1, len(mark)))


def _growing(text: str, beginnings: frozenset[str], longest: int) -> int:
    """How many characters at the end of a text may be the beginning of a mark."""
    lengths = range(min(len(text), longest), 0, -1)
    return next((length for length in lengths if text[-length:] in beginnings), 0)


def _with_shown(shown: str, found: str) -> str:
    """What was read, beginning with what was shown already."""
    if found.startswith(shown):
        return found
    return shown if found in shown else f"{shown}\n{found}"


_MARKS = (*CALL_OPEN, *CALL_CLOSE, *SPECIAL, *TURN_END, *THINKING, *THINKING.values())
_MARKUP = ("<|", "<｜", *(mark for mark in _MARKS if mark[0] in "<[◁"))
_OTHERS = _pattern(mark for mark in (*SUSPECTS, *_MARKS) if mark not in "{[")
_LIKE_A_MARK = re.compile(r"\[/?[A-Z_]{2,}\]")
_LETTER = re.compile(r"[^\W\d_]")
