"""What the embedded model is shown, byte for byte. A change of a golden file means training again."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_scripts import WRAPPER, append, call, say
from bridle.agent.functions import FUNCTIONS
from bridle.agent.memory import Core
from bridle.agent.prompt import COMPACT, FULL, compose, memory_text, memory_turn, trim
from bridle.messages import Message

GOLDEN = Path(__file__).parent / "golden"
NOW = datetime(2026, 11, 20, 8, 5)


def full_blocks() -> Core:
    """Two blocks of exactly 600 characters, in lines as the agent keeps them."""
    core = COMPACT.core()
    for block, start in (("persona", "I like puzzle number"), ("human", "Favourite thing")):
        number = 0
        while (room := core.block(block).limit - len(core.block(block).value)) > 1:
            number += 1
            line = f"{start} {number}: {'xyz' * 8}"[: room - bool(core.block(block).value)]
            core = core.append(block, line if room - len(line) > 2 else line.ljust(room - 1, "."))
    assert [len(block.value) for block in core.blocks] == [600, 600]
    return core


def conversation() -> list[Message]:
    return [
        Message("user", "Hi! I live in Bergen"),
        Message("assistant", thoughts="Lives in: ? > Bergen", calls=(append("Lives in: Bergen"),)),
        Message("tool", "OK", name="core_memory_append"),
        Message("assistant", thoughts="saved", calls=(say("Got it, you live in Bergen."),)),
        Message("tool", "OK", name="send_message"),
        Message("user", 'where is the "spare key"?'),
        Message(
            "assistant",
            thoughts="spare key: ?",
            calls=(call("archival_memory_search", query="spare key", request_heartbeat=True),),
        ),
        Message("tool", "1 of 1:\n- the spare key is under the blue pot", name="archival_memory_search"),
    ]


def rendered(history: list[Message], core: Core) -> bytes:
    messages = compose(COMPACT, history, memory_text(COMPACT, core, NOW))
    return "".join(segment.text for segment in WRAPPER.render(messages, FUNCTIONS)).encode()


@pytest.mark.parametrize(
    ("name", "history"),
    [("compact-two-full-blocks", conversation()), ("compact-first-message", conversation()[:1])],
)
def test_the_compact_prompt_has_its_bytes(name: str, history: list[Message]) -> None:
    """With BRIDLE_WRITE_GOLDEN set, the file is written anew."""
    file = GOLDEN / f"{name}.txt"
    shown = rendered(history, full_blocks())
    if os.environ.get("BRIDLE_WRITE_GOLDEN"):
        file.write_bytes(shown)
    assert shown == file.read_bytes()


def test_the_beginning_stays_the_same_while_memory_and_time_change() -> None:
    first = rendered(conversation()[:5], COMPACT.core())
    later = rendered(conversation(), full_blocks())
    start = first.index(b"<|im_start|>user")
    stable = first[: first.index(b"<|im_end|>") + 1]
    assert later.startswith(stable)
    assert start > len(stable)
    assert later.index(b"[persona]") > later.index(b"Got it, you live in Bergen.")


def test_memory_stands_before_the_message_that_is_answered() -> None:
    shown = compose(COMPACT, conversation(), "MEMORY")
    assert [message.content for message in shown[6:8]] == ["MEMORY", 'where is the "spare key"?']
    assert shown[0] == Message("system", COMPACT.system)
    assert compose(COMPACT, (), "MEMORY")[-1].content == "MEMORY"


def test_memory_is_shown_again_when_it_has_changed() -> None:
    def shown(core: Core, minute: int) -> str:
        return memory_text(FULL, core, datetime(2026, 11, 20, 8, minute), minute, 0)

    def turn(history: list[Message], core: Core, minute: int) -> Message:
        return memory_turn(history, shown(core, minute))

    known = FULL.core().append("human", "Name: Ada")
    history = [turn([], FULL.core(), 1), Message("user", "hello")]
    assert history[0] == Message("system", shown(FULL.core(), 1))
    time = Message(
        "system", "[stored] 2 messages, 0 notes\n[time]\n2026-11-20 08:02 Friday, yesterday 2026-11-19"
    )
    assert turn(history, FULL.core(), 2) == time
    assert turn([*history, time], known, 3) == Message("system", shown(known, 3))
    assert compose(FULL, history, "MEMORY") == (Message("system", FULL.system), *history)
    assert compose(FULL, history[1:], "MEMORY")[1] == Message("system", "MEMORY")
    assert compose(COMPACT, history, "MEMORY")[1:] == (Message("system", "MEMORY"), history[1])


def test_the_memory_turn_of_the_full_profile_has_sizes_and_counts() -> None:
    text = memory_text(FULL, FULL.core().append("human", "Name: Ada"), NOW, 12, 3)
    assert text.splitlines()[2:] == [
        "[human 9/2000 characters]",
        "Name: Ada",
        "[stored] 12 messages, 3 notes",
        "[time]",
        "2026-11-20 08:05 Friday, yesterday 2026-11-19",
    ]


@given(st.lists(st.integers(1, 400), min_size=1, max_size=30), st.integers(0, 1500))
def test_trimming_keeps_whole_newest_turns_within_the_limit(sizes: list[int], limit: int) -> None:
    history = [Message("user", f"{number:03}" + "x" * size) for number, size in enumerate(sizes)]
    shown = trim(history, limit)
    assert list(shown) == history[len(history) - len(shown) :]
    assert len(shown) == 1 or sum(len(message.content) for message in shown) <= limit
    assert shown


def test_trimming_moves_the_beginning_rarely() -> None:
    history: list[Message] = []
    starts: list[str] = []
    for number in range(60):
        history.append(Message("user", f"{number:03}" + "x" * 57))
        starts.append(trim(history, 1200)[0].content)
    assert len(set(starts)) <= 12
