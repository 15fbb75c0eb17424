"""What a chat template may spend: processor time, text, and the size of the values it builds.

A template comes with a model's file and is as trustworthy as whoever made that file. Python cannot stop one
long operation from outside (a signal reaches the main thread alone, a thread cannot be killed), so each
operation that could take long is measured before it runs, and the time is looked at between operations.
`bridle.wrappers.sandbox` calls what is here from inside a running template.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, cast

from jinja2.exceptions import SecurityError

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = [
    "FILTER_CHECKS",
    "LIST_METHODS",
    "STR_METHODS",
    "Budget",
    "Queue",
    "budget",
    "check_bits",
    "check_percent",
    "check_widths",
    "seconds",
    "spending",
]

SECONDS = 2.0
"""Processor time of this thread, so that other programs on a busy machine do not make a template fail."""
OUTPUT_CHARS = 4_000_000
SPENT_CHARS = 32_000_000
"""All text that is made on the way, for inputs of no length; see `Budget`."""
DEEPEST_CALL = 50
DEEPEST_VALUE = 200
"""Python takes the hash of a tuple in a tuple by recursion, and looks at no limit when it does."""
MOST_BITS = 4096
WIDEST = 10_000
CHECK_EVERY = 4000
"""Steps between two looks at the clock: about a fifth of a millisecond."""
_ITEM = 16
_QUEUE_WEIGHT = 64_000
_HOLDERS = (list, tuple, dict)


class Queue(list[Any]):
    """A list that a template may append to. It holds few and short values, so that no other value that
    contains it can grow without end after it was weighed."""

    LONGEST = 1000
    ITEM_CHARS = 200


def seconds(input_chars: int) -> float:
    """The processor time of one rendering."""
    return SECONDS + input_chars * 1e-6


class Budget:
    """What is left to one rendering. Its limits grow with the conversation that is rendered.

    With `until`, a value of `time.thread_time()`, it ends then at the latest: several runs share their time.
    """

    def __init__(self, input_chars: int = 0, until: float = math.inf) -> None:
        self.largest = OUTPUT_CHARS + 2 * input_chars
        self.depth = 0
        self._chars = SPENT_CHARS + 200 * input_chars
        self._end = min(until, time.thread_time() + seconds(input_chars))
        self._steps = 0

    def spend(self, steps: int) -> None:
        """Count steps of about 50 ns, and stop the template when its time is over."""
        self._steps += steps
        if self._steps > CHECK_EVERY:
            self._steps = 0
            if time.thread_time() > self._end:
                raise SecurityError(f"it runs for more than {SECONDS:g} seconds")

    def charge_items(self, count: int) -> None:
        """Count the places of a list that is about to be made, or was."""
        self.charge(_ITEM * count)

    def charge(self, chars: int) -> None:
        """Count text that is about to be made, or was."""
        self.fits(chars)
        self._chars -= chars
        if self._chars < 0:
            raise SecurityError("it makes too much text on the way")

    def fits(self, chars: int) -> None:
        """Refuse a single value of more than the largest size."""
        if chars > self.largest:
            raise SecurityError(f"it makes a value of more than {self.largest} characters")

    def made(self, value: Any) -> Any:
        """Count a value that an operation made, and refuse one that is too large."""
        if isinstance(value, str):
            self.charge(len(value))
        elif isinstance(value, _HOLDERS):
            self.charge_items(len(cast("list[Any]", value)))
            self.weigh(value)
        elif isinstance(value, int):
            check_bits(value.bit_length())
        return cast("Any", value)

    def weigh(self, value: Any) -> int:
        """The size of a value written out, each part counted as often as it occurs.

        A list that holds the same list twice, which holds the same list twice, and so on, is small in memory
        and endless on paper. None is ever built, because each is weighed when it is made.
        """
        total = visited = depth = 0
        level = [value]
        while level:
            deeper: list[Any] = []
            for one in level:
                total += self._part(one, deeper)
                self.fits(total)
            visited += len(level)
            level, depth = deeper, depth + 1
            if depth > DEEPEST_VALUE:
                raise SecurityError(f"it nests values more than {DEEPEST_VALUE} deep")
        self.spend(visited)
        return total

    def _part(self, value: Any, deeper: list[Any]) -> int:
        """The size of a value without what it holds, which is put into `deeper`."""
        if isinstance(value, str):
            return _ITEM + len(value)
        if isinstance(value, Queue):
            return _QUEUE_WEIGHT
        if isinstance(value, dict):
            held = cast("dict[Any, Any]", cast("object", value))
            self.fits(2 * _ITEM * len(held))
            deeper += held.keys()
            deeper += held.values()
        elif isinstance(value, list | tuple):
            row = cast("list[Any]", cast("object", value))
            self.fits(_ITEM * len(row))
            deeper += row
        return _ITEM


_ACTIVE: ContextVar[Budget] = ContextVar("template_budget")
budget: Callable[[], Budget] = _ACTIVE.get
"""The budget of the rendering that runs in this context."""


@contextmanager
def spending(new: Budget) -> Generator[Budget]:
    """Let what runs inside spend from `new`."""
    token = _ACTIVE.set(new)
    try:
        yield new
    finally:
        _ACTIVE.reset(token)


def check_bits(bits: int) -> None:
    """Refuse integers that only arithmetic of many digits can make."""
    if bits > MOST_BITS:
        raise SecurityError(f"it computes a number of more than {MOST_BITS} bits")


def _width(value: object, most: int = WIDEST) -> None:
    if isinstance(value, int) and abs(value) > most:
        raise SecurityError(f"it asks for a width of {value}; {most} is the most")


_NUMBER = re.compile(r"\d+|\*")
_PERCENT = re.compile(r"%(?:\([^)]*\))?[#0\- +]*(\d+|\*)?(?:\.(\d+|\*))?")


def check_widths(spec: str) -> None:
    """Refuse wide fields in a format specification."""
    if len(spec) > 100:
        raise SecurityError("it formats with a specification of more than 100 characters")
    for number in _NUMBER.findall(spec):
        if number == "*" or int(number) > WIDEST:
            raise SecurityError(f"it formats with a width of {number}; {WIDEST} is the most")


def check_percent(form: str, values: object) -> None:
    """Refuse `form % values` when the result would be too large."""
    if len(form) > 4096:
        raise SecurityError("it formats with a text of more than 4096 characters")
    fields = _PERCENT.findall(form)
    widths = [number for pair in fields for number in pair if number]
    for number in widths:
        check_widths(number)
    size = budget().weigh(values)
    budget().charge(len(form) + sum(int(number) for number in widths) + len(fields) * size)


def _replace(text: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    old, new = (
        str(kwargs.get(key, args[i] if i < len(args) else "")) for i, key in enumerate(("old", "new"))
    )
    n_found = text.count(old) if old else len(text) + 1
    budget().fits(len(text) + n_found * max(0, len(new) - len(old)))


def _join(text: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    items: Any = args[0] if args else ()
    if not isinstance(items, (str, *_HOLDERS)):
        raise SecurityError("it joins what is no list")
    items = cast("list[Any]", items)
    budget().fits(len(text) * len(items) + sum(len(item) for item in items if isinstance(item, str)))


def _wide(text: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    for value in (*args, *kwargs.values()):
        _width(value)


def _tabs(text: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    size = next(iter((*args, *kwargs.values())), 8)
    _width(size)
    budget().fits(len(text) + text.count("\t") * int(size))


def _backwards(text: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Searching from the right is quadratic in the worst case."""
    needle = next((value for value in (*args, *kwargs.values()) if isinstance(value, str)), "")
    if len(needle) * len(text) > 100_000_000:
        raise SecurityError("it searches for a long text from the right")


def _pieces(text: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    _backwards(text, args, kwargs)
    budget().charge(len(text))


def _strip(text: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    for value in (*args, *kwargs.values()):
        if isinstance(value, str) and len(value) > 256:
            raise SecurityError("it strips more than 256 different characters")


Check = Callable[[str, Sequence[Any], Mapping[str, Any]], None]


def _free(text: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Nothing to check: what comes out is no longer than what goes in, and it is linear."""


STR_METHODS: Mapping[str, Check] = {
    **dict.fromkeys(
        (
            "capitalize", "casefold", "count", "endswith", "find", "index", "isalnum", "isalpha", "isascii",
            "isdecimal", "isdigit", "islower", "isnumeric", "isspace", "istitle", "isupper", "lower",
            "partition", "removeprefix", "removesuffix", "startswith", "swapcase", "title", "upper",
        ),
        _free,
    ),
    **dict.fromkeys(("center", "ljust", "rjust", "zfill"), _wide),
    **dict.fromkeys(("strip", "lstrip", "rstrip"), _strip),
    **dict.fromkeys(("rfind", "rindex", "rpartition"), _backwards),
    **dict.fromkeys(("split", "rsplit", "splitlines"), _pieces),
    "expandtabs": _tabs,
    "join": _join,
    "replace": _replace,
}  # fmt: skip
"""The methods of texts that a template may call, and what is checked before."""

LIST_METHODS = frozenset({"index", "count"})
"""The methods of lists and tuples that a template may call; a `Queue` has `append` and `pop` besides."""


def _indent(value: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    width = kwargs.get("width", args[0] if args else 4)
    _width(width)
    n_chars = len(width) if isinstance(width, str) else int(width)
    text = str(value)
    budget().fits(len(text) + (text.count("\n") + 1) * n_chars)


def _filter_join(value: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    between = str(kwargs.get("d", args[0] if args else ""))
    n_items = len(cast("list[Any]", value)) if isinstance(value, (str, range, *_HOLDERS)) else 0
    budget().fits(len(between) * n_items)


def _filter_replace(value: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    _replace(str(value), args, {{"s": "old"}.get(key, key): one for key, one in kwargs.items()})


def _number_text(value: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Turning digits into a number is quadratic."""
    if isinstance(value, str) and len(value) > 1000:
        raise SecurityError("it reads a number of more than 1000 characters")


def _precision(value: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    for one in (*args, *kwargs.values()):
        _width(one, 300)


def _sum(value: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Summing lists is quadratic."""
    if any(isinstance(one, list | tuple) for one in (*args, *kwargs.values())):
        raise SecurityError("it sums lists")


def _format(value: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    check_percent(str(value), [*args, *kwargs.values()])


def _wide_filter(value: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    _wide("", args, kwargs)


def _strip_filter(value: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    _strip("", args, kwargs)


FILTER_CHECKS: Mapping[str, Callable[[Any, Sequence[Any], Mapping[str, Any]], None] | None] = {
    **dict.fromkeys(
        (
            "abs", "capitalize", "count", "d", "default", "dictsort", "first", "groupby", "items", "last",
            "length", "list", "lower", "map", "max", "min", "reject", "rejectattr", "reverse", "select",
            "selectattr", "sort", "string", "title", "unique", "upper", "wordcount",
        )
    ),
    **dict.fromkeys(("batch", "center", "slice", "truncate"), _wide_filter),
    **dict.fromkeys(("float", "int"), _number_text),
    "format": _format,
    "indent": _indent,
    "join": _filter_join,
    "replace": _filter_replace,
    "round": _precision,
    "sum": _sum,
    "trim": _strip_filter,
}  # fmt: skip
"""Jinja's filters that a template may use, and what is checked before."""
