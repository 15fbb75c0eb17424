"""Values that a small model should copy, not invent: quoted from the user's message or from core memory.

A model of a few million parameters misspells what it copies and mixes up the lines of its memory. Where it
is held by a grammar it need not: what it writes down about the user is then a run of words that the user
said, a thought that looks something up names a line that exists, or ends in a question mark, and a list of
what it was told is the lines that exist, from the first on. The schemas made here go into the constraint
only; calls are checked against the functions' own.

Thoughts and keys are those that the embedded model was trained on: `Key: value`, `Key: ?`, `Key: old > new`,
or one of a few words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from bridle.agent.memory import Core
from bridle.agent.prompt import WEEKDAYS
from bridle.messages import JSON, Message

__all__ = [
    "Moment",
    "days_schema",
    "escape",
    "fact_schema",
    "minutes_schema",
    "moment",
    "note_schema",
    "query_schema",
    "thought_schema",
]

MOST_WORDS = 40
"""Longer messages are not quoted from: there would be too many runs of words."""
MOST_WORD_CHARS = 60
"""A pasted block without blanks is no word: its pattern would be as long as it is."""
_NAME = "My name is "
_SEVERAL = ("Allergy", "Dislikes", "Hobby", "Instrument", "Language", "Likes", "Pet", "Sport")
"""Keys that may stand in memory more than once, with different values."""
_KEYS = (
    *_SEVERAL,
    *("Address", "Age", "Best friend", "Birthday", "Boss", "Car", "Children", "Colleague", "Diet", "Email"),
    *("Father", "From", "Grandfather", "Grandmother", "Height", "Job", "Lives in", "Mother"),
    *("Name", "Neighbour", "Partner", "Phone", "Roommate", "School", "Studies", "Team", "Works at"),
    *("Favourite book", "Favourite colour", "Favourite drink", "Favourite film", "Favourite food"),
)
"""Keys that a message may mean without saying them."""
_ANIMALS = ("cat", "dog", "rabbit")
"""What kittens, puppies and bunnies are written down as."""
_OPENING = ("cannot", "chat", "note", "repeat", "unclear")
"""What may be thought of a message."""
_CLOSING = ("deleted", "failed", "paused", "saved")
"""What may be thought of a result."""
_EDITS = ("core_memory_append", "core_memory_replace")
_DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_EDGES = ".,;:!?\"'()[]{}<>«»“”‘’…"
_NUMBERS = dict(
    zip(("one", "two", "three", "four", "five", "six", "seven", "eight", "nine"), range(1, 10), strict=True),
    ten=10, fifteen=15, twenty=20, thirty=30, forty=40, fifty=50, sixty=60,
)  # fmt: skip
_THING = "([a-gi-z]|h[a-tv-z])[^:;>?0-9]{0,40}"
"""What a note may be looked up by: anything in small letters (facts have capitals) but "human"."""
_PAUSING = re.compile(
    r"[0-9]|minute|hour|\bmins?\b|\bwhile\b|\bbit\b|moment|quiet|silen|pause|disturb|alone|sleep|break"
)
_MOST_MINUTES = 360
_SENTENCE_END = re.compile(r"(?<=\w{3})[.!?](?=\s+[A-Z])")


@dataclass(frozen=True, slots=True)
class Moment:
    """Where a turn stands: what the user said, and the steps that followed it.

    `said` is empty where nothing is to be quoted. `function` is the one that has just returned, `failed` says
    how, `written` are the lines that this turn has put into core memory, and `found` what a search has just
    found, one line each.
    """

    said: str
    now: datetime | None = None
    function: str = ""
    failed: bool = False
    written: tuple[str, ...] = field(default=())
    found: tuple[str, ...] = field(default=())

    @property
    def found_in_documents(self) -> bool:
        """Has a search just found passages of documents? They name their file and page; notes do not."""
        return self.function == "archival_memory_search" and any(line.startswith("[") for line in self.found)


def moment(history: Sequence[Message], now: datetime | None = None) -> Moment:
    """The moment at the end of a conversation."""
    start = max((at for at, message in enumerate(history) if message.role == "user"), default=None)
    if start is None:
        return Moment("", now)
    written: list[str] = []
    turn = history[start + 1 :]
    for did, came in pairwise(turn):
        if came.role == "tool" and came.content == "OK":
            given = [call.arguments for call in did.calls if call.name in _EDITS]
            written += [str(one.get("content") or one.get("new_content") or "").strip() for one in given]
    last = history[-1]
    failed = last.content.startswith("Failed")
    found = () if failed or last.role != "tool" else last.content.splitlines()[1:]
    lines = tuple(line.removeprefix("- ") for line in found if line.startswith("- "))
    return Moment(history[start].content, now, last.name or "", failed, tuple(written), lines)


def query_schema(said: str) -> dict[str, JSON] | None:
    """What may be searched for: words of the message, in one run or in two, or a key that it may mean."""
    words = _words(said)
    if not words:
        return None
    found: dict[str, None] = {}
    for form in (words, [word.lower() for word in words]):
        short = _runs_pattern(form, 2, loose=True)
        found[_runs_pattern(form, 4, loose=True)] = None
        found[f"{short} {short}"] = None
    runs = _runs_pattern([word.lower() for word in words], 2, loose=True)
    keys = _any_of([*_ANIMALS, *(key.lower() for key in _KEYS)])
    return {"type": "string", "pattern": f"^({'|'.join(found)}|favourite {runs}|{keys})$"}


def note_schema(said: str) -> dict[str, JSON] | None:
    """What may be kept as a note: the message, or one of its sentences, from some word on to the end."""
    if not _words(said):
        return None
    ends = [*(found.end() for found in _SENTENCE_END.finditer(said)), len(said)]
    starts = [found.start() for found in re.finditer(r"\S+", said)]
    notes = [said[start:end].strip().rstrip(".!?…") for end in ends for start in starts if start < end]
    found = list[JSON](dict.fromkeys(note for note in notes if note))
    return {"enum": found} if found else None


def fact_schema(said: str, core: Core | None = None, *, may_be_empty: bool = False) -> dict[str, JSON] | None:
    """What may be written into core memory: `Key: value` or the agent's own name, as it was said.

    With `core` the keys of its lines may be used too, and of a line that holds more than the agent's name the
    rest may stay.
    """
    words = _words(said)
    if not words:
        return None
    value = _value(words)
    lines = [line for block in core.blocks for line in block.lines] if core is not None else []
    keys = _key(words, [*_KEYS, *(line.partition(": ")[0] for line in lines if ": " in line)])
    fact = f"{keys}: {value}|{_names(value, core)}"
    return {"type": "string", "pattern": f"^({fact}){'?' if may_be_empty else ''}$"}


def thought_schema(core: Core, at: Moment) -> dict[str, JSON] | None:
    """What may be thought: a look-up of lines or of a key, a change of a line, or one of a few words.

    None where nothing can be quoted.
    """
    words = _words(at.said)
    if not words:
        return None
    value = _value(words)
    lines = [line for block in core.blocks for line in block.lines]
    held = {line.partition(": ")[0] for line in lines}
    unknown = _key(words, [key for key in _KEYS if key in _SEVERAL or key not in held])
    forms = [f"{unknown}: \\?( > ({value}|-))?"]
    if at.function:
        forms += ["failed"] if at.failed else [word for word in _CLOSING if word != "failed"]
    else:
        forms += _thoughts_of_a_message(words, value, at)
    if not any(block.lines for block in core.blocks if block.label != "persona"):
        forms.append("human: \\?")
    if lines:
        seen = _any_of(_looked_up(core))
        forms.append(f"{seen}(; {seen}){{0,3}}")
        if old := _any_of(line for line in lines if line not in at.written):
            forms.append(f"{old} > ({value}|-|{_names(value, core)})")
    return {"type": "string", "pattern": f"^({'|'.join(forms)})$"}


def _thoughts_of_a_message(words: Sequence[str], value: str, at: Moment) -> list[str]:
    """Thoughts with which no fact is kept: two words that belong together, a day, the time, a few words."""
    forms = [*_OPENING, f"{_THING}: \\?", f"said: {value}( \\?)?", f"day: {_days(at)}( \\?)?"]
    now = at.now
    if now is None:
        forms += [f"(yesterday |date ){_DAY}( [A-Z][a-z]{{2,8}})?", "time [0-9]{2}:[0-9]{2}"]
    else:
        before = now - timedelta(days=1)
        forms += [f"time {now:%H:%M}", f"date {now:%Y-%m-%d} {WEEKDAYS[now.weekday()]}"]
        forms.append(f"yesterday {before:%Y-%m-%d}")
    minutes = _minutes(at.said)
    return [*forms, f"pause ({'|'.join(map(str, minutes))})"] if minutes else forms


def days_schema(at: Moment) -> dict[str, JSON] | None:
    """The days that a search may begin and end with: today, yesterday, and those that the message names."""
    return {"type": "string", "pattern": f"^{_days(at)}$"} if at.said and at.now is not None else None


def _days(at: Moment) -> str:
    named = re.findall(_DAY, at.said)
    if at.now is None or re.search("[0-9]", re.sub(_DAY, "", at.said)):
        return _DAY  # it may name a day in a way of its own
    near = [f"{at.now - timedelta(days=days):%Y-%m-%d}" for days in (0, 1)]
    return _any_of([*near, *named])


def minutes_schema(said: str) -> dict[str, JSON] | None:
    """How long a pause may be: what the message says, in minutes or in hours, or a usual time."""
    minutes = _minutes(said)
    return {"enum": list[JSON](minutes)} if minutes else None


def _minutes(said: str) -> list[int]:
    if not _PAUSING.search(said.lower()):
        return []
    words = re.findall("[0-9]+|[a-z]+", said.lower())
    named = [int(word) if word.isdecimal() else _NUMBERS.get(word, 0) for word in words if len(word) < 9]
    units = (60,) if "hour" in words or "hours" in words else (1, 60)
    found = [number * unit for number in named for unit in units if 0 < number * unit <= _MOST_MINUTES]
    return sorted({1, 15, 30, 60, *found})


def _words(said: str) -> list[str]:
    """The words that may be quoted; none of a message that is too long, or that no person has typed."""
    words = said.split(maxsplit=MOST_WORDS)
    if len(words) > MOST_WORDS or any(len(word) > MOST_WORD_CHARS for word in words):
        return []
    return words


def _names(value: str, core: Core | None) -> str:
    """A pattern of the lines that give the agent a name, with what else stands in such a line now."""
    lines = core.blocks[0].lines if core is not None and core.blocks else ()
    rests = {line.partition(".")[2] for line in lines if line.startswith(_NAME)}
    return f"{_NAME}{value}\\.({'|'.join(escape(rest) for rest in sorted(rests))})?"


def _key(words: Sequence[str], known: Iterable[str]) -> str:
    """A pattern of the keys that are known, or that the message says."""
    said = _runs_pattern(words, 4, either_case=True, loose=True)
    return f"({_any_of(known)}|(Favourite )?{said})"


def _value(words: Sequence[str]) -> str:
    """A pattern of one run of words, or of two: a kind in small letters and a name, both without figures."""
    plain = [word for word in words if not re.search("[0-9]", word)]
    if not plain:
        return _runs_pattern(words, 6)
    kind = _runs_pattern([word[0].lower() + word[1:] for word in plain], 2, loose=True)
    name = _runs_pattern(plain, 2)
    return f"({_runs_pattern(words, 6)}|({kind}|{_any_of(_ANIMALS)}) {name})"


def _runs_pattern(
    words: Sequence[str], longest: int, *, either_case: bool = False, loose: bool = False
) -> str:
    """A pattern of up to `longest` neighbouring words, with and without the marks at their ends.

    Each word is written once for each place of it in a run. With `either_case` the first letter of a run may
    be large or small. With `loose` a word may lose the ending of a plural or a possessive: "my vet's number"
    is about a vet.
    """
    starts: list[str] = []
    for start in range(len(words)):
        pattern = ""
        for place in reversed(range(start, min(start + longest, len(words)))):
            lead, core, tail = _parts(words[place])
            more = f"( {pattern})?" if pattern else ""
            for mark in reversed(tail):
                more = f"({escape(mark)}{more})?"
            first = place == start
            stem, ending = _stem(core) if loose else (core, "")
            stem = _first_in_either_case(stem) if first and either_case else escape(stem)
            stem += f"({escape(ending)})?" if ending else ""
            pattern = ("" if first else escape(lead)) + stem + more
        starts.append(pattern)
    return f"({'|'.join(starts)})"


def _parts(word: str) -> tuple[str, str, str]:
    """A word's leading marks, itself, and its trailing marks; a word of marks alone is itself."""
    core = word.strip(_EDGES)
    if not core:
        return "", word, ""
    lead, _, tail = word.partition(core)
    return lead, core, tail


def _stem(word: str) -> tuple[str, str]:
    """A word without the ending of a plural or a possessive, and that ending."""
    for ending in ("'s", "’s", "s"):
        if word.endswith(ending) and len(word) > len(ending) + 2:
            return word[: -len(ending)], ending
    return word, ""


def _first_in_either_case(word: str) -> str:
    small, large = word[0].lower(), word[0].upper()
    both = small != large and len(small) == len(large) == 1
    return (f"({small}|{large})" if both else escape(word[0])) + escape(word[1:])


def _looked_up(core: Core) -> list[str]:
    """All lines, for a key with several lines the values after one another, and the agent's name alone."""
    lines = [line for block in core.blocks for line in block.lines]
    values: dict[str, list[str]] = {}
    for line in lines:
        key, colon, value = line.partition(": ")
        if colon:
            values.setdefault(key, []).append(value)
    joined = [f"{key}: {', '.join(several)}" for key, several in values.items() if len(several) > 1]
    names = [line.partition(".")[0] + "." for line in lines if line.startswith(_NAME)]
    return [*lines, *joined, *names]


def _any_of(texts: Iterable[str]) -> str:
    escaped = sorted({escape(text) for text in texts})
    return f"({'|'.join(escaped)})" if escaped else ""


def escape(text: str) -> str:
    """A pattern of exactly this text."""
    return "".join("\\" + char if char in r"\^$.|?*+()[]{}/" else char for char in text)
