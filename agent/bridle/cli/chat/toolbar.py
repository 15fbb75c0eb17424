"""The line below the prompt, and the map of what fills the model's window."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from bridle.cli.output import printable

__all__ = ["Standing", "bar", "context_lines", "toolbar", "used"]

BAR_CELLS = 12
FILLS = "█▓▒░▚"
ASCII_FILLS = "#=+-~"
FREE, ASCII_FREE = "·", "."
FREE_PART, ANSWER_PART = "free", "answer"
"""The parts of a token map that nothing fills, and that the next answer will."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What the toolbar shows. `used` and `window` are tokens, None where they are not known."""

    agent: str
    model: str
    wrapper: str
    used: int | None = None
    window: int | None = None
    tokens_per_second: float | None = None


def toolbar(standing: Standing, columns: int) -> str:
    """Write one line of at most `columns` characters; what has no room is left out from the end.

    >>> toolbar(Standing("ada", "tiny", "chatml", 1024, 4096, 41.2), 80)
    'ada | tiny | chatml | ███········· 1,024 of 4,096 | 41 tokens/s'
    >>> toolbar(Standing("ada", "a-model-with-a-long-name", "chatml"), 20)
    'ada'
    """
    parts = [standing.agent, standing.model, standing.wrapper]
    if standing.used is not None and standing.window:
        filled = bar([standing.used], standing.window, BAR_CELLS)
        parts.append(f"{filled} {standing.used:,} of {standing.window:,}")
    elif standing.used is not None:
        parts.append(f"{standing.used:,} tokens")
    if standing.tokens_per_second is not None:
        parts.append(f"{standing.tokens_per_second:.0f} tokens/s")
    line = ""
    for part in (printable(part) for part in parts if part):
        longer = f"{line} | {part}" if line else part
        if len(longer) > columns:
            return line or longer[: max(columns, 0)]
        line = longer
    return line


def bar(amounts: Sequence[int], whole: int, cells: int) -> str:
    """Draw amounts one after the other, each with its own fill; what is left of `whole` is free.

    >>> bar([1, 1], 4, 8)
    '██▓▓····'
    """
    fills, free = (FILLS, FREE) if _is_written(FILLS + FREE) else (ASCII_FILLS, ASCII_FREE)
    drawn, total = "", 0
    for number, amount in enumerate(amounts):
        total += amount
        end = min(round(total * cells / max(whole, 1)), cells)
        drawn += fills[number % len(fills)] * (end - len(drawn))
    return drawn + free * (cells - len(drawn))


def context_lines(parts: Sequence[tuple[str, int]], window: int | None, columns: int) -> list[str]:
    """Write the token map: a bar over the window, then each part with its fill, tokens and share of it."""
    parts = [(name, tokens) for name, tokens in parts if tokens or name == FREE_PART]
    filled = [tokens for name, tokens in parts if name != FREE_PART]
    whole = window or sum(filled)
    fills = FILLS if _is_written(FILLS + FREE) else ASCII_FILLS
    lines = [bar(filled, whole, max(min(columns - 2, 60), 10))]
    width = max((len(name) for name, _ in parts), default=0)
    number = 0
    for name, tokens in parts:
        fill = " "
        if name != FREE_PART:
            fill, number = fills[number % len(fills)], number + 1
        lines.append(f"{fill} {name:<{width}}  {tokens:>7,}  {tokens / max(whole, 1):>4.0%}")
    return lines


def used(parts: Sequence[tuple[str, int]]) -> int:
    """Add up what the model is shown, in tokens.

    >>> used([("instructions", 100), ("memory", 20), ("answer", 300), ("free", 580)])
    120
    """
    return sum(tokens for name, tokens in parts if name not in (FREE_PART, ANSWER_PART))


def _is_written(text: str) -> bool:
    """Whether standard error can write this."""
    try:
        text.encode(getattr(sys.stderr, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return True
