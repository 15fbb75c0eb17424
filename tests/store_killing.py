"""A process that starts others and kills them at random instants, and looks each time at what they leave.

    python store_killing.py writer|migration HOME ROUNDS SEED

It forks, so that a child begins within milliseconds, and never has the database open itself while it does.
The last line that it prints is JSON: how many were killed, and how many steps were acknowledged.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import IO

from agent_scripts import NOW
from bridle.agent.prompt import FULL
from bridle.agent.state import Edited, Record, new_state
from bridle.agent.store import FILE_NAME, SCHEMA_VERSION, Counts, Store
from store_scripts import make_version_1

TURNS = 40
"""Of each agent in the file that is migrated."""


def start(work: Callable[[IO[bytes]], None]) -> tuple[int, IO[bytes]]:
    """Fork a child that does some work and can write to a pipe, which is returned with its id."""
    reader, writer = os.pipe()
    child = os.fork()
    if child:
        os.close(writer)
        return child, os.fdopen(reader, "rb")
    os.close(reader)
    try:
        with os.fdopen(writer, "wb", buffering=0) as pipe:
            work(pipe)
    finally:
        os._exit(0)  # whatever happens, it is not the parent


def write_steps(home: Path, pipe: IO[bytes]) -> None:
    """Go on with the agent for ever: each step says two things, takes a note and edits core memory."""
    with Store(home) as store:
        state = store.load("ada") or store.create(new_state("ada", FULL))
        while True:
            number = state.turn + 1
            with store.transaction(state, f"step {number}") as step:
                before = step.state.core.block("human").value
                core = step.state.core
                fact = f"Fact {number}"
                core = core.replace("human", before, fact) if before else core.append("human", fact)
                step.record(Record("user", f"question{number}", NOW), number)
                step.record(Record("assistant", f"reply{number}", NOW), number)
                step.insert(f"note{number}", NOW)
                step.edited(Edited("human", before, fact, NOW), number)
                state = step.save(replace(step.state, core=core, turn=number))
            pipe.write(b"%d\n" % number)


def look_at_steps(home: Path, acknowledged: int) -> int:
    """Check that all acknowledged steps are there, and that no step is there in part; return how many are."""
    check_file(home)
    with Store(home) as store:
        state = store.load("ada")
        if state is None:
            assert acknowledged == 0
            return 0
        done = state.turn
        assert acknowledged <= done <= acknowledged + 1, (acknowledged, done)
        assert state.revision == done + 1
        assert store.counts("ada") == Counts(2 * done, done)
        assert state.core.block("human").value == (f"Fact {done}" if done else "")
        assert [edit.after for edit in store.history("ada")] == [f"Fact {n}" for n in range(1, done + 1)]
        assert [one.text for one in store.messages("ada", newest=1)] == ([f"reply{done}"] if done else [])
        for number in {1, acknowledged, done} - {0}:
            assert store.find_messages("ada", f"question{number}").hits[0].text == f"question{number}"
    return done


def check_file(home: Path) -> None:
    """Have SQLite look through the file, and compare its full-text indexes with the tables."""
    if not (home / FILE_NAME).exists():
        return
    with closing(sqlite3.connect(home / FILE_NAME)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        if connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,):
            connection.execute("INSERT INTO passages_text (passages_text) VALUES ('integrity-check')")
            shown = "SELECT owner, count(*) FROM messages WHERE hidden = 0 GROUP BY owner"
            for owner, number in connection.execute(shown).fetchall():
                found = "SELECT count(*) FROM messages_text WHERE messages_text MATCH ?"
                assert connection.execute(found, (f"owner : {owner}",)).fetchone() == (number,)
                kept = "SELECT sum(number) FROM totals WHERE owner IN (?, ? || 't')"
                assert connection.execute(kept, (owner, owner)).fetchone() == (number,)


def kill_writers(home: Path, rounds: int, chance: random.Random) -> dict[str, int]:
    """Kill a writer that has the time for a few steps, again and again, in one home."""
    acknowledged = 0
    for _ in range(rounds):
        child, pipe = start(lambda pipe: write_steps(home, pipe))
        lines: list[bytes] = []
        if chance.random() < 0.8:  # else it is killed while it opens the file
            lines = [pipe.readline() for _ in range(chance.randrange(1, 8))]
        time.sleep(chance.random() * 0.004)  # whichever instant that is
        os.kill(child, signal.SIGKILL)
        lines += pipe.readlines()
        pipe.close()
        os.waitpid(child, 0)
        acknowledged = max([acknowledged, *(int(line) for line in lines if line.endswith(b"\n"))])
        acknowledged = look_at_steps(home, acknowledged)
    return {"killed": rounds, "steps": acknowledged}


def kill_migrations(home: Path, rounds: int, chance: random.Random) -> dict[str, int]:
    """Kill the process that opens a file of version 1, each time a new one, and open it again."""
    pattern = home / "old"
    make_version_1(pattern, turns=TURNS)
    began = time.monotonic()
    with Store(Path(shutil.copytree(pattern, home / "timed"))):
        lasts = time.monotonic() - began
    versions: list[int] = []
    for number in range(rounds):
        new = Path(shutil.copytree(pattern, home / str(number)))
        child, pipe = start(lambda pipe, new=new: Store(new).close())  # type: ignore[misc]
        time.sleep(chance.random() * lasts * 1.2)
        os.kill(child, signal.SIGKILL)
        pipe.close()
        os.waitpid(child, 0)
        with closing(sqlite3.connect(new / FILE_NAME)) as connection:
            versions.append(connection.execute("PRAGMA user_version").fetchone()[0])
        check_file(new)
        look_at_migrated(new)
        shutil.rmtree(new)
    return {"killed": rounds, "before": versions.count(1), "after": versions.count(SCHEMA_VERSION)}


def look_at_migrated(home: Path) -> None:
    """Open a file that was of version 1 and check that all of it, and a copy of the old file, is there."""
    with Store(home) as store:
        for name in ("ada", "bob"):
            state = store.load(name)
            assert state is not None
            assert (state.turn, state.core.block("human").value) == (TURNS, f"Fact {TURNS - 1}")
            assert store.counts(name) == Counts(2 * TURNS, TURNS)
            assert len(store.history(name)) == TURNS
            assert store.find_messages(name, f"question{TURNS - 1}").hits[0].role == "user"
    with closing(sqlite3.connect(home / f"{FILE_NAME}.v1.bak")) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert copy.execute("SELECT count(*) FROM messages").fetchone() == (4 * TURNS,)


def main() -> None:
    """Do what the command line says."""
    what, home, rounds, seed = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    kill = {"writer": kill_writers, "migration": kill_migrations}[what]
    print(json.dumps(kill(home, rounds, random.Random(seed))))


if __name__ == "__main__":
    main()
