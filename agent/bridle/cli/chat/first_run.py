"""Which agent `bridle run` talks to, and how a new one begins: MemGPT's first run, in our own words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridle.cli import output
from bridle.cli.asking import Questions
from bridle.cli.chat.choosing import choose
from bridle.cli.chat.names import friendly_name

if TYPE_CHECKING:
    from bridle.agent import Store
    from bridle.agent.creating import Beginning
    from bridle.cli.chat.options import ChatOptions
    from bridle.cli.chat.session import Session

__all__ = ["choose_agent", "introduce_new", "speak_first"]

ENTER = "Press Enter to begin; the agent speaks first."


def choose_agent(store: Store, options: ChatOptions, *, asks: bool) -> str:
    """Name the agent: the given one, one that a person chooses where there are some, else a new one.

    Raises:
        InputError: when the input ends before the question is answered.
    """
    if options.agent is not None:
        return options.agent
    known = [info.name for info in sorted(store.agents(), key=lambda info: -info.updated_ns)]
    asks = asks and bool(known) and not options.yes
    if asks and Questions().confirmed("Would you like to select an existing agent?"):
        return known[0] if len(known) == 1 else choose("Which agent", known, default=known[0])
    return friendly_name(known)


def introduce_new(session: Session, begins: Beginning) -> None:
    """Say what a new agent is made of; which name it has is said with what it runs on."""
    options = session.options
    preset = options.preset and f"that of the preset {options.preset}"
    usual = f"that of the profile {session.agent.state.profile.name}"
    output.print_note("A new agent is made.")
    for what, named, text in (
        ("persona", options.persona, begins.persona),
        ("human", options.human, begins.human),
    ):
        output.print_note(f"-> {what}: {named or preset or ('that of the config file' if text else usual)}")


def speak_first(session: Session) -> None:
    """Let the agent say the first words; at a terminal when Enter is pressed."""
    options = session.options
    if session.patient and not options.yes:
        session.lines.read(f"{ENTER} ")
    session.answer(
        lambda on_event, should_stop: session.agent.begin(on_event, should_stop, only_reply=options.verify)
    )
