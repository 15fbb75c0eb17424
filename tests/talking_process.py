"""A process that talks to an agent until it is killed, and acknowledges each turn that is over."""

from __future__ import annotations

import json
import os
import random
import time
from contextlib import closing
from pathlib import Path
from typing import TypedDict

from bridle.agent.prompt import SMALL
from bridle.agent.runner import Agent
from bridle.agent.store import Store
from bridle.errors import StoreError
from talking_model import WRAPPER, TalkingModel, said_in_turn

__all__ = ["Ack", "acks_of", "open_talker", "talk"]


class Ack(TypedDict):
    """A turn that is over: its number, what was said, the reply, and the notes and facts that were kept."""

    turn: int
    said: str
    reply: str
    kept: list[str]


CUT = b"#cut\n"


def open_talker(store: Store, name: str) -> Agent:
    """The agent of that name, on the scripted model."""
    return Agent.open(store, name, TalkingModel(2048, held=False), wrapper=WRAPPER, profile=SMALL)


def talk(home: str, name: str, acks: str, turns: int | None = None) -> None:
    """Go on with a conversation, for so many turns or for ever; a turn is acknowledged when it is stored.

    Where another process has changed the agent meanwhile, the same is said again.
    """
    rng = random.Random(os.getpid())
    end_cut_line(Path(acks))
    with Store(Path(home)) as store, open(acks, "ab", buffering=0) as out:
        agent = open_talker(store, name)
        done = 0
        while turns is None or done < turns:
            said = said_in_turn(agent.state.turn)
            try:
                turn = agent.turn(said)
            except StoreError as error:
                if not error.retryable:
                    raise
                time.sleep(rng.uniform(0, 0.02))
                continue
            kept = [
                str(step.call.arguments["content"])
                for step in turn.steps
                if step.result == "OK" and "content" in step.call.arguments
            ]
            ack: Ack = {"turn": agent.state.turn, "said": said, "reply": turn.reply, "kept": kept}
            out.write(json.dumps(ack).encode() + b"\n")
            done += 1


def end_cut_line(file: Path) -> None:
    """End the line that a killed process was writing, so that the next one has a line of its own."""
    text = file.read_bytes() if file.exists() else b""
    if text and not text.endswith(b"\n"):
        with file.open("ab", buffering=0) as out:
            out.write(CUT)


def acks_of(file: Path) -> list[Ack]:
    """What has been acknowledged; a line that was cut off has not been."""
    if not file.exists():
        return []
    with closing(file.open("rb")) as lines:
        return [json.loads(line) for line in lines if line.endswith(b"\n") and not line.endswith(CUT)]
