"""What leaves a conversation that has grown too long, and what is said of it afterwards: pure functions.

Nothing is lost: what leaves is in the store, where searches find it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bridle.agent.prompt import is_memory, size_of, turns_of
from bridle.messages import Message

__all__ = ["Evicted", "evict", "plain_summary", "shorten_results", "transcript"]

RESULT_CHARS = 240
"""To so many characters the results of functions in earlier turns are cut, before whole turns leave."""
WORTH_CHARS = 40
"""A cut that saves no more is not made: the words that tell of it are nearly as long."""
SAID_CHARS = 80
"""So much of each message a summary without a model quotes, in characters."""


@dataclass(frozen=True, slots=True)
class Evicted:
    """What stays of a conversation and what leaves it."""

    kept: tuple[Message, ...]
    gone: tuple[Message, ...]


def evict(history: Sequence[Message]) -> Evicted:
    """Let the oldest turns go, about half of what there is; the newest turn always stays.

    The last memory turn that leaves stands before what stays, unless that begins with one of its own.
    """
    turns = turns_of(history)
    sizes = [sum(map(size_of, turn)) for turn in turns]
    half, first, gone_chars = sum(sizes) // 2, 0, 0
    while first < len(turns) - 1 and (gone_chars < half or not _speaks(turns[:first])):
        gone_chars += sizes[first]
        first += 1
    gone = tuple(message for turn in turns[:first] for message in turn)
    kept = tuple(message for turn in turns[first:] for message in turn)
    if kept and not is_memory(kept[0]):
        kept = (*[message for message in gone if is_memory(message)][-1:], *kept)
    return Evicted(kept, tuple(message for message in gone if message.role != "system"))


def _speaks(turns: Sequence[Sequence[Message]]) -> bool:
    """Whether there is more in them than memory that was left standing."""
    return any(message.role != "system" for turn in turns for message in turn)


def shorten_results(history: Sequence[Message], most_chars: int = RESULT_CHARS) -> tuple[Message, ...]:
    """Cut the long results of functions in all turns but the newest."""
    turns = turns_of(history)
    before = [_shortened(message, most_chars) for turn in turns[:-1] for message in turn]
    return (*before, *(message for turn in turns[-1:] for message in turn))


def _shortened(message: Message, most_chars: int) -> Message:
    over = len(message.content) - most_chars
    if message.role != "tool" or over <= WORTH_CHARS:
        return message
    return replace(message, content=f"{message.content[:most_chars]}… ({over} more characters)")


def transcript(messages: Sequence[Message], most_chars: int) -> str:
    """Write messages as lines for a summary, the oldest first; where they are too long, their newest part."""
    lines = [line for message in messages if (line := _line(message))]
    text = "\n".join(lines)
    return text if len(text) <= most_chars else f"…{text[len(text) - most_chars + 1 :]}"


def _line(message: Message) -> str:
    if message.role == "user":
        return f"User: {message.content}"
    if message.role == "tool":
        return "" if message.content == "OK" else f"{message.name}: {message.content}"
    said = [str(call.arguments.get("message", "")) for call in message.calls if call.name == "send_message"]
    return f"Assistant: {' '.join(said)}" if said else ""


def plain_summary(before: str, messages: Sequence[Message], most_chars: int) -> str:
    """Sum messages up without a model: how each message of both sides began, the newest last.

    Of what is too long the oldest part is left out, a former summary first.
    """
    said = [
        f"{who} said: {_begin(text)}"
        for message in messages
        for who, text in (
            ("the user", message.content if message.role == "user" else ""),
            ("I", _reply(message)),
        )
        if text
    ]
    lines = [*([before] if before else []), *said]
    while len(lines) > 1 and sum(len(line) + 1 for line in lines) > most_chars:
        del lines[0]
    return "\n".join(lines)[:most_chars]


def _reply(message: Message) -> str:
    return next((str(c.arguments.get("message", "")) for c in message.calls if c.name == "send_message"), "")


def _begin(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= SAID_CHARS else f"{text[: SAID_CHARS - 1]}…"
