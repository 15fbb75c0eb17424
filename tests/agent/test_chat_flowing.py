"""A reply at the edge of a terminal: broken between words while it comes, and as it is in a pipe."""

from __future__ import annotations

import random

import pytest
from rich.cells import cell_len

from agent_scripts import say
from bridle.agent import Finished, Saying, Step, Turn
from bridle.cli.flowing import Flow
from bridle.cli.screen import Screen
from cli_runs import in_terminal

TEXT = "It was a dark night.\n\n  An indented line about 日本 and 漢字, and  two  blanks.\tA tab; the end"


def flowed(text: str, columns: int, *, seed: int = 0) -> str:
    """Give the text in pieces of one to seven characters."""
    flow, chance, written = Flow(columns), random.Random(seed), ""
    while text:
        size = chance.randint(1, 7)
        written += flow.take(text[:size])
        text = text[size:]
    return written + flow.end()


@pytest.mark.parametrize("columns", [10, 13, 20, 40])
@pytest.mark.parametrize("seed", range(5))
def test_no_line_is_wider_than_the_terminal_and_no_word_is_lost(columns: int, seed: int) -> None:
    shown = flowed(TEXT, columns, seed=seed)
    assert shown.split() == TEXT.split()
    assert max(cell_len(line.expandtabs(8)) for line in shown.split("\n")) <= columns
    assert shown == flowed(TEXT, columns, seed=seed + 100)


def test_what_fits_stays_as_it_is() -> None:
    assert flowed(TEXT, 200) == TEXT
    assert flowed("日本 日本", 9) == "日本 日本"
    assert flowed("日本 日本", 8) == "日本\n日本"


def test_a_word_wider_than_the_line_is_left_to_the_terminal_and_does_not_wait_for_its_end() -> None:
    flow = Flow(10)
    assert flow.take("see https://a.e") == "see\nhttps://a.e"
    assert flow.take("xample/") == ""
    assert flow.take(" b c d") == "xample/ b\nc"
    assert flow.end() == " d"


def test_the_screen_breaks_between_words_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = in_terminal(monkeypatch)
    monkeypatch.setenv("COLUMNS", "20")
    reply = "Hello there, my good old friend."
    step = Step("t", say(reply), "OK")
    for streaming in (True, False):
        screen = Screen(streaming=streaming)
        for event in (Saying("Hello there, my go"), Saying("od old friend."), Finished(step)):
            screen.show(event)
        screen.end(Turn("u", reply, (step,)))
        screen.show(Saying("half a wo"))
        screen.end(Turn("u", "", cancelled=True))
    whole = "Hello there, my good\nold friend.\n"
    assert terminal.getvalue() == f"{whole}half a wo\n{whole}"
