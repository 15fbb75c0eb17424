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

from collections.abc import Iterable, Sequence

from bridle.agent.memory import Core
from bridle.messages import JSON

__all__ = ["answer_schema", "fact_schema", "query_schema", "runs_of_words", "thought_schema"]

MOST_WORDS = 40
"""Longer messages are not quoted from: there would be too many runs of words."""
MOST_LISTED, LIST_CHARS = 4, 190
"""So many lines, and characters of them, the embedded model learnt to list."""
_SEVERAL = ("Allergy", "Dislikes", "Hobby", "Language", "Likes", "Pet")
"""Keys that may stand in memory more than once, with different values."""
_KEYS = (
    *_SEVERAL,
    *("Address", "Age", "Best friend", "Birthday", "Boss", "Car", "Children", "Colleague", "Diet", "Email"),
    *("Father", "From", "Grandfather", "Grandmother", "Height", "Instrument", "Job", "Lives in", "Mother"),
    *("Name", "Neighbour", "Partner", "Phone", "Roommate", "School", "Sport", "Studies", "Team", "Works at"),
    *("Favourite book", "Favourite colour", "Favourite drink", "Favourite film", "Favourite food"),
)
"""Keys that a message may mean without saying them."""
_WORDS = ("cannot", "chat", "deleted", "failed", "note", "paused", "repeat", "saved", "unclear")
_DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_EDGES = ".,;:!?\"'()[]{}<>«»“”‘’…"


def runs_of_words(said: str, longest: int) -> tuple[str, ...]:
    """Up to `longest` neighbouring words of a text, with and without the marks at their ends.

    >>> runs_of_words("I am Ana.", 2)
    ('I', 'I am', 'am', 'am Ana', 'am Ana.', 'Ana', 'Ana.')
    """
    words = _words(said)
    found: dict[str, None] = {}
    for start in range(len(words)):
        for end in range(start + 1, min(start + longest, len(words)) + 1):
            run = " ".join(words[start:end])
            for form in (run.strip(_EDGES), run.rstrip(".,;:!?…"), run):
                if form:
                    found[form] = None
    return tuple(found)


def query_schema(said: str) -> dict[str, JSON] | None:
    """What may be searched for: neighbouring words of the message, or a key that it may mean."""
    runs = runs_of_words(said, 4)
    if not runs:
        return None
    lower = [run.lower() for run in runs]
    favourites = [f"favourite {run}" for run in lower if " " not in run]
    keys = [key.lower() for key in _KEYS]
    return {"enum": list[JSON](dict.fromkeys([*runs, *lower, *favourites, *keys]))}


def fact_schema(said: str, *, may_be_empty: bool = False) -> dict[str, JSON] | None:
    """What may be written into core memory: `Key: value` or the agent's own name, as it was said."""
    words = _words(said)
    if not words:
        return None
    value = _value(words)
    fact = f"{_key(words, _KEYS)}: {value}|My name is {value}\\."
    return {"type": "string", "pattern": f"^({fact}){'?' if may_be_empty else ''}$"}


def thought_schema(core: Core, said: str) -> dict[str, JSON] | None:
    """What may be thought: a look-up of lines or of a key, a change of a line, or one of a few words."""
    words = _words(said)
    if not words:
        return None
    value = _value(words)
    lines = _any_of(_looked_up(core))
    held = {line.partition(": ")[0] for block in core.blocks for line in block.lines}
    unknown = _key(words, [key for key in _KEYS if key in _SEVERAL or key not in held])
    forms = [
        f"{unknown}: \\?( > ({value}|-))?",
        f"(said|day): {value}( \\?)?",
        f"(day: |yesterday |date ){_DAY}( [A-Z][a-z]{{2,8}})?",
        "time [0-9]{2}:[0-9]{2}",
        "pause [0-9]{1,3}",
        *_WORDS,
    ]
    if not any(block.lines for block in core.blocks if block.label != "persona"):
        forms.append("human: \\?")
    if lines:
        forms.append(f"{lines}(; {lines}){{0,3}}")
        forms.append(f"{lines} > ({value}|-|My name is {value}\\.)")
    return {"type": "string", "pattern": f"^({'|'.join(forms)})$"}


def answer_schema(core: Core) -> dict[str, JSON] | None:
    """What may be said: anything, but a list of what was told is the lines that exist, in their order."""
    lines = [line for block in core.blocks if block.label != "persona" for line in block.lines]
    if not lines:
        return None
    begin = "You told"
    said = [f"{begin[:n]}[^{begin[n]}].*" for n in range(len(begin))]
    if listed := _first_lines(lines):
        said.insert(0, f"You told me: {_escape('; '.join(listed))}\\.")
    return {"type": "string", "pattern": f"^({'|'.join(said)})$", "maxLength": 240}


def _first_lines(lines: Sequence[str]) -> list[str]:
    """The lines that a list names: the first few, without those that would make it too long."""
    listed: list[str] = []
    for line in lines[:MOST_LISTED]:
        if sum(len(one) + 2 for one in listed) + len(line) < LIST_CHARS:
            listed.append(line)
    return listed


def _words(said: str) -> list[str]:
    words = said.split()
    return words if len(words) <= MOST_WORDS else []


def _key(words: Sequence[str], known: Iterable[str]) -> str:
    """A pattern of the keys that are known, or that the message says."""
    said = _runs_pattern(words, 4, either_case=True)
    return f"({_any_of(known)}|(Favourite )?{said})"


def _value(words: Sequence[str]) -> str:
    """A pattern of one run of words, or of two: a kind and a name."""
    short = _runs_pattern(words, 2)
    return f"({_runs_pattern(words, 6)}|({short}|cat|dog) {short})"


def _runs_pattern(words: Sequence[str], longest: int, *, either_case: bool = False) -> str:
    """The runs of `runs_of_words` as a pattern, which writes each word once for each place of it in a run.

    With `either_case` the first letter of a run may be large or small.
    """
    starts: list[str] = []
    for start in range(len(words)):
        pattern = ""
        for place in reversed(range(start, min(start + longest, len(words)))):
            lead, core, tail = _parts(words[place])
            more = f"( {pattern})?" if pattern else ""
            for mark in reversed(tail):
                more = f"({_escape(mark)}{more})?"
            first = place == start
            stem = _first_in_either_case(core) if first and either_case else _escape(core)
            pattern = ("" if first else _escape(lead)) + stem + more
        starts.append(pattern)
    return f"({'|'.join(starts)})"


def _parts(word: str) -> tuple[str, str, str]:
    """A word's leading marks, itself, and its trailing marks; a word of marks alone is itself."""
    core = word.strip(_EDGES)
    if not core:
        return "", word, ""
    lead, _, tail = word.partition(core)
    return lead, core, tail


def _first_in_either_case(word: str) -> str:
    small, large = word[0].lower(), word[0].upper()
    both = small != large and len(small) == len(large) == 1
    return (f"({small}|{large})" if both else _escape(word[0])) + _escape(word[1:])


def _looked_up(core: Core) -> list[str]:
    """All lines, and for a key with several lines the values after one another."""
    lines = [line for block in core.blocks for line in block.lines]
    values: dict[str, list[str]] = {}
    for line in lines:
        key, colon, value = line.partition(": ")
        if colon:
            values.setdefault(key, []).append(value)
    joined = [f"{key}: {', '.join(several)}" for key, several in values.items() if len(several) > 1]
    return [*lines, *joined]


def _any_of(texts: Iterable[str]) -> str:
    escaped = sorted({_escape(text) for text in texts})
    return f"({'|'.join(escaped)})" if escaped else ""


def _escape(text: str) -> str:
    return "".join("\\" + char if char in r"\^$.|?*+()[]{}/" else char for char in text)
