"""Follow the calls of a turn, part by part of their shape, while they arrive.

Only what looks just as the syntax writes it is followed, blanks and the order of an object's keys aside;
at anything else the follower fails, and the calls are read when the turn is over.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import dropwhile
from typing import Protocol

from bridle.wrappers.jsonstream import Event, ObjectScanner
from bridle.wrappers.streams import ArgumentStream, CallSink, Expected, compact
from bridle.wrappers.syntax import Arguments, CallId, CallShape, Index, Members, Name, Part, Thoughts
from bridle.wrappers.syntaxes.members import MemberStream
from bridle.wrappers.values import read_name

__all__ = ["CallFollower"]

_LONGEST_NAME = 300
_KEY = re.compile(r'"([^"]+)"\s*:\s*$')


class _Step(Protocol):
    """One part of a call; `feed` returns what comes after the part."""

    done: bool
    failed: bool

    def feed(self, text: str) -> str: ...


class CallFollower:
    """Goes through the calls from the trigger on. `failed` means that nothing more can be told early."""

    def __init__(self, shape: CallShape, sink: CallSink, lead: str = "") -> None:
        self.failed = False
        self._shape = shape
        self._sink = sink
        self._first = _first_literal(shape)
        self._gate: Expected | None = Expected(lead + shape.open + self._first)
        self._openings: tuple[str, ...] = ("",)
        self._steps: Iterator[_Step] = iter(())
        self._step: _Step | None = None

    def feed(self, text: str) -> None:
        """Take characters."""
        while text and not self.failed:
            if self._gate is not None:
                text = self._at_gate(self._gate, text)
            elif self._step is not None:
                text = self._at_step(self._step, text)
            else:
                self.failed = bool(text.strip())  # after the last call
                text = ""

    def _at_gate(self, gate: Expected, text: str) -> str:
        """Before a call, or before the end of all calls."""
        text = gate.feed(text)
        self.failed = gate.failed
        if gate.found is not None:
            self._gate = None
            if gate.found < len(self._openings):
                self._steps = _steps(self._shape, self._sink)
                self._step = next(self._steps)
                text = self._openings[gate.found] + text
        return text

    def _at_step(self, step: _Step, text: str) -> str:
        text = step.feed(text)
        self.failed = step.failed
        if step.done:
            self._step = next(self._steps, None)
            if self._step is None:
                self._gate = self._next_gate()
        return text

    def _next_gate(self) -> Expected | None:
        """What may come after a call: another one, the end of all, or nothing."""
        following, close = self._shape.between + self._first, self._shape.close
        self._openings = ("",) if self._shape.parallel else ()
        if self._openings and not following.strip():
            self._openings, following = ("{",), "{"
        literals = [following for _ in self._openings] + ([close] if close.strip() else [])
        return Expected(*literals) if literals else None


def _is_object(shape: CallShape) -> bool:
    """Whether a call is one JSON object, the function's name inside."""
    first, last = shape.call[0], shape.call[-1]
    return Name() in shape.call and "{" in str(first) and isinstance(last, str) and "}" in last


def _first_literal(shape: CallShape) -> str:
    """What a call begins with, before the object where it is one."""
    first = shape.call[0]
    if not isinstance(first, str):
        return ""
    return first[: first.index("{")] if _is_object(shape) and "{" in first else first


def _steps(shape: CallShape, sink: CallSink) -> Iterator[_Step]:
    """The parts of one call after its first literal."""
    if _is_object(shape):
        yield _Object(shape, sink)
        last = shape.call[-1]
        yield _Fixed(last[last.rindex("}") + 1 :] if isinstance(last, str) else "")
        return
    parts = shape.call[1:] if isinstance(shape.call[0], str) else shape.call
    named = False
    for at, part in enumerate(parts):
        following = "".join(one for one in parts[at + 1 : at + 2] if isinstance(one, str))
        match part:
            case str():
                yield _Fixed(part)
            case Name(quoted=False):
                named = True
                yield _BareName(sink, _stops(parts[at + 1 :]))
            case Index():
                yield _Number()
            case CallId(before, after) if compact(before) and compact(after or following):
                yield _Optional(before, after or following)
            case Arguments(thoughts_key=None) if named:
                yield _Json(sink)
            case Members() if named:
                tool = sink.tools[sink.started[-1].name]
                yield MemberStream(part, following or shape.close, tool, sink.arguments)
            case _:
                yield _Unfollowed()


class _Unfollowed:
    """A part that is read when the turn is over."""

    done, failed = False, True

    def feed(self, text: str) -> str:
        return text


def _stops(parts: tuple[Part, ...]) -> str:
    """The characters that end a bare name."""
    following = parts[0] if parts else ""
    literal = following.before if isinstance(following, CallId) else following
    text = literal if isinstance(literal, str) else ""
    return text[:1] + (text.strip()[:1] or "<{")


class _Fixed:
    """A literal."""

    def __init__(self, literal: str) -> None:
        self._expected = Expected(literal)
        self.done = self._expected.found is not None
        self.failed = False

    def feed(self, text: str) -> str:
        text = self._expected.feed(text)
        self.done, self.failed = self._expected.found is not None, self._expected.failed
        return text


class _BareName:
    """The function's name up to the next mark."""

    def __init__(self, sink: CallSink, stops: str) -> None:
        self.done = False
        self.failed = False
        self._sink = sink
        self._stop = re.compile(f"[{re.escape(stops)}]")
        self._held: str = ""

    def feed(self, text: str) -> str:
        text = self._held + text
        found = self._stop.search(text)
        if not found:
            self._held = text
            self.failed = len(text) > _LONGEST_NAME
            return ""
        name = read_name(text[: found.start()].strip())
        self.failed = name not in self._sink.tools
        self.done = not self.failed
        if self.done:
            self._sink.announce(name)
        return text[found.start() :]


class _Number:
    """The call's number."""

    def __init__(self) -> None:
        self.done = False
        self.failed = False

    def feed(self, text: str) -> str:
        rest = text.lstrip("0123456789")
        self.done = bool(rest)
        return rest


class _Optional:
    """A call's id, which need not be there."""

    def __init__(self, before: str, after: str) -> None:
        self.done = False
        self.failed = False
        self._after = after
        self._expected = Expected(before, after)
        self._inside = False

    def feed(self, text: str) -> str:
        if self._inside:
            at = text.find(self._after[0])
            self.done = at >= 0
            return text[at:] if self.done else ""
        rest = self._expected.feed(text)
        self.failed = self._expected.failed
        if self._expected.found == 0:
            self._inside = True
        elif self._expected.found == 1:
            self.done = True
            return self._after + rest
        return rest


class _Json:
    """Arguments that are one JSON object, alone."""

    def __init__(self, sink: CallSink) -> None:
        self.done = False
        self.failed = False
        self._sink = sink
        self._scanner: ObjectScanner | None = None

    def feed(self, text: str) -> str:
        if self._scanner is None:
            text = text.lstrip()
            if not text:
                return ""
            self.failed = text[0] != "{"
            self._scanner = ObjectScanner(strict=True)
        if self.failed:
            return text
        used, _ = self._scanner.feed(text)
        self._sink.arguments(text[:used])
        self.done, self.failed = self._scanner.done, self._scanner.broken
        return text[used:]


class _Object:
    """A call that is one JSON object, with its keys in any order."""

    def __init__(self, shape: CallShape, sink: CallSink) -> None:
        self.done = False
        self.failed = False
        self._sink = sink
        self._scanner: ObjectScanner | None = None
        keys = {type(part): _key_before(shape.call, at) for at, part in enumerate(shape.call)}
        inner = next((part.thoughts_key for part in shape.call if isinstance(part, Arguments)), None)
        self._name = (keys[Name],)
        self._arguments = ArgumentStream(sink, self._name, (keys[Arguments],), inner)
        self._outer = (keys[Thoughts],) if Thoughts in keys else None
        self._inner = (keys[Arguments], inner) if inner is not None else None

    def feed(self, text: str) -> str:
        if self._scanner is None:
            text = text.lstrip()
            if not text:
                return ""
            self.failed = text[0] != "{"
            self._scanner = ObjectScanner(strict=True)
        if self.failed:
            return text
        used, events = self._scanner.feed(text)
        self._think(event for event in events if event.path == self._outer)
        named = self._arguments.tool is not None
        self._arguments.feed(text[:used], events)
        tool = self._arguments.tool
        if self._inner is not None and tool is not None and self._inner[-1] not in tool.properties:
            known = events if named else dropwhile(lambda event: event.path != self._name, events)
            self._think(event for event in known if event.path == self._inner)
        self.done = self._scanner.done
        self.failed = self._scanner.broken or (self.done and tool is None)
        return text[used:]

    def _think(self, events: Iterable[Event]) -> None:
        for event in events:
            if event.kind == "string":
                self._sink.think(event.text)


def _key_before(parts: tuple[Part, ...], at: int) -> str:
    before = parts[at - 1] if at else ""
    found = _KEY.search(before) if isinstance(before, str) else None
    return found.group(1) if found else ""
