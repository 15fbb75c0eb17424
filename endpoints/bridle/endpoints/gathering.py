"""Put an answer together from the pieces that arrive, whatever a server's habits are.

Calls come whole or in fragments. Seen in recorded traffic: parallel calls that all have index 0, no index at
all, ids that are empty or the text "null" in later fragments, a name that is repeated in each of them,
arguments as an object in place of text, and each of a fragment's members as null. A name may come in pieces,
too: which of two names goes on is only seen where the tools' names are known.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace

from bridle.endpoints.base import Answer, NativeCall, Scored
from bridle.endpoints.driver import CallPiece, Piece
from bridle.endpoints.stops import StopCutter
from bridle.endpoints.transport.surrogates import Halves, mended
from bridle.errors import EndpointError, StreamTruncated
from bridle.messages import JSON, Finish, Usage

__all__ = ["CUT_REASONS", "Gathered", "gather_calls"]

CUT_REASONS = frozenset(
    {"length", "limit", "max_tokens", "model_length", "contextLengthReached", "maxPredictedTokensReached",
     "abort", "error", "repetition", "content_filter", "userStopped", "modelUnloaded", "failed"}
)  # fmt: skip
"""Spellings of a finish reason that mean: the answer is not complete."""


@dataclass
class Gathered:
    """What has arrived of an answer. `done` is set where the stream said in so many words that it is over.

    `names` are those of the native tools. All texts of the answer can be written as UTF-8.
    """

    cutter: StopCutter
    on_text: Callable[[str], None] | None
    reason: str | None = None
    usage: Usage = field(default_factory=Usage)
    done: bool = False
    thoughts: list[str] = field(default_factory=list[str])
    calls: list[CallPiece] = field(default_factory=list[CallPiece])
    tokens: list[Scored] = field(default_factory=list[Scored])
    names: Collection[str] = ()
    _halves: Halves = field(default_factory=Halves)

    def take(self, piece: Piece) -> bool:
        """Add a piece and say whether a stop string ends the answer here."""
        self.usage = piece.usage or self.usage
        self.reason = piece.finish_reason or self.reason
        if piece.thoughts:
            self.thoughts.append(piece.thoughts)
        self.calls += piece.calls
        self.tokens += piece.tokens
        self._show(self.cutter.feed(self._halves.feed(piece.text)))
        return self.cutter.found

    @property
    def is_ended(self) -> bool:
        """Whether the server has said that, or why, the answer is over."""
        return self.done or bool(self.reason) or self.cutter.found

    def answer(self, cancelled: bool, dropped: tuple[str, ...], sent: Mapping[str, JSON]) -> Answer:
        """Close the answer. One that ended for no known reason counts as not complete."""
        self.close()
        reason = "stop" if self.cutter.found else self.reason or ""
        finish: Finish = "length" if not self.is_ended or reason in CUT_REASONS else "stop"
        if cancelled:
            finish, reason = "cancelled", reason or "cancelled"
        return Answer(
            self.cutter.text,
            finish,
            reason,
            self.usage,
            dropped=dropped,
            thoughts=mended("".join(self.thoughts)),
            calls=gather_calls(self.calls, self.names),
            tokens=tuple(map(_writable, self.tokens)),
            sent=sent,
        )

    def close(self) -> None:
        """Show what was held back because it might have become a stop string."""
        self._show(self.cutter.feed(self._halves.close()))
        self._show(self.cutter.close())

    def keep_in(self, error: EndpointError) -> None:
        """Close the answer, and note in an error what had come of it."""
        self.close()
        partial = self.cutter.text
        error.facts["partial"] = error.facts.get("partial") or partial
        if isinstance(error, StreamTruncated):
            error.partial = error.partial or partial

    def _show(self, text: str) -> None:
        if text and self.on_text is not None:
            self.on_text(text)


def _writable(one: Scored) -> Scored:
    """A token that is a part of a character has no text of its own."""
    others = {mended(text): p for text, p in one.others.items()}
    return replace(one, text=mended(one.text), others=others)


@dataclass
class _Call:
    name: str = ""
    id: str = ""
    index: int | None = None
    parts: list[str] = field(default_factory=list[str])

    @property
    def arguments(self) -> str:
        return "".join(self.parts).strip()

    @property
    def is_complete(self) -> bool:
        return bool(_objects(self.arguments))


def gather_calls(pieces: list[CallPiece], names: Collection[str] = ()) -> tuple[NativeCall, ...]:
    """Put calls together from their pieces, in the order in which they began; `names` are those of the tools.

    >>> gather_calls([CallPiece("add", '{"a":', "c1", 0), CallPiece("", " 1}", "", 0)])
    (NativeCall(name='add', arguments='{"a": 1}', id='c1'),)
    """
    calls: list[_Call] = []
    for piece in pieces:
        call = _continued(calls, piece, names)
        if call is None:
            call = _Call(index=piece.index)
            calls.append(call)
        if piece.whole:
            call.parts.clear()  # some servers repeat at the end what they sent in fragments
        call.name = _longer(call.name, piece.name, names) or call.name or piece.name
        call.id = call.id or _id(piece)
        call.parts.append(piece.arguments)
    return tuple(one for call in calls if call.name or call.arguments for one in _native(call))


def _native(call: _Call) -> list[NativeCall]:
    """Make the call; two of them where their arguments were run together for want of index and id."""
    arguments, name, own = mended(call.arguments), mended(call.name), mended(call.id)
    objects = _objects(arguments)
    if len(objects) < 2:
        return [NativeCall(name, arguments or "{}", own)]
    return [NativeCall(name, text, "" if at else own) for at, text in enumerate(objects)]


def _longer(begun: str, more: str, names: Collection[str]) -> str:
    """The two together where they begin the name of a tool, and the first alone is none; else nothing.

    >>> _longer("get_", "weather", ["get_weather"]), _longer("get", "get", ["get", "getget"])
    ('get_weather', '')
    """
    both = begun + more
    goes_on = begun and more and begun not in names and any(name.startswith(both) for name in names)
    return both if goes_on else ""


def _id(piece: CallPiece) -> str:
    return "" if piece.id == "null" else piece.id


def _continued(calls: list[_Call], piece: CallPiece, names: Collection[str]) -> _Call | None:
    """The call that a piece goes on with; None where it begins another one."""
    own = _id(piece)
    known = next((call for call in calls if own and call.id == own), None)
    if known is not None:
        return known
    if piece.index is None:
        last = calls[-1] if calls else None
    else:
        last = next((call for call in reversed(calls) if call.index == piece.index), None)
    if last is None or (own and last.id) or (piece.whole and (piece.name or last.arguments)):
        return None
    if not last.arguments and _longer(last.name, piece.name, names):
        return last
    return None if _begins(piece, last) else last


def _begins(piece: CallPiece, last: _Call) -> bool:
    """Whether a piece without an id begins a call, by its name, which some servers repeat in each piece."""
    if not piece.name or not last.name:
        return False
    if piece.name != last.name:
        return last.is_complete or not last.arguments
    return last.is_complete and bool(piece.arguments.strip())


def _objects(text: str) -> list[str]:
    """Cut a text into the JSON objects that it is made of; empty where it is not made of objects alone.

    >>> _objects('{"a": 1} {"a": 2}'), _objects('{"a": 1} {"a"')
    (['{"a": 1}', '{"a": 2}'], [])
    """
    found: list[str] = []
    decoder, at = json.JSONDecoder(), 0
    while at < len(text):
        try:
            value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            return []
        if not isinstance(value, dict):
            return []
        found.append(text[at:end])
        at = end + len(text[end:]) - len(text[end:].lstrip())
    return found
