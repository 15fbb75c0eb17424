"""Processes that are killed in the middle of a step, and several that use one home: nothing acknowledged is
lost, no step is half applied, and the next start just goes on."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from itertools import pairwise
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

import pytest

from agent_scripts import WRAPPER, append, say, written
from bridle.agent.store import Store
from bridle.endpoints.config import home
from project import PARTS, ROOT
from talking_model import said_in_turn
from talking_process import Ack, acks_of, end_cut_line, open_talker, talk

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kills a process as POSIX systems do")


@pytest.fixture(scope="module")
def starting() -> ForkServerContext:
    """Processes that start at once: most is imported in the server that they are forked from."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["talking_process"])
    return context


def begin(
    context: ForkServerContext, home: Path, name: str, acks: Path, turns: int | None = None
) -> ForkServerProcess:
    process = context.Process(target=talk, args=(str(home), name, str(acks), turns))
    process.start()
    return process


def killed(process: ForkServerProcess) -> None:
    process.kill()
    process.join(30)
    assert process.exitcode == -9, f"the process ended by itself with {process.exitcode}"
    process.close()


def is_sound(home: Path, name: str, acks: list[Ack]) -> int:
    """Check everything that must hold of an agent, whenever its process died; return its revision."""
    with closing(sqlite3.connect(home / "bridle.db")) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        for table in ("messages_text", "passages_text"):
            db.execute(f"INSERT INTO {table}({table}, rank) VALUES('integrity-check', 1)")
        agent, revision = db.execute("SELECT id, revision FROM agents WHERE name = ?", (name,)).fetchone()
        _messages_are_whole(db, agent, acks)
        _edits_lead_to_the_blocks(db, agent)
        _notes_are_kept_once(db, name, acks)
    with Store(home) as store:
        state = store.load(name)
        assert state is not None
        assert state.turn >= max((ack["turn"] for ack in acks), default=0)
        assert state.pending is None or state.is_open
        human = state.core.block("human").value
        assert len(human) <= state.core.block("human").limit
    return int(revision)


def _messages_are_whole(db: sqlite3.Connection, agent: int, acks: list[Ack]) -> None:
    rows = db.execute(
        "SELECT turn, role, text FROM messages WHERE agent_id = ? ORDER BY id", (agent,)
    ).fetchall()
    count = Counter((turn, role) for turn, role, _ in rows)
    assert set(count.values()) <= {1}, "each side speaks once in a turn"
    assert all((turn, "user") in count for turn, _ in count), "no reply without what it answers"
    texts = {(turn, role): text for turn, role, text in rows}
    for ack in acks:
        assert texts[ack["turn"], "user"] == ack["said"]
        assert texts[ack["turn"], "assistant"] == ack["reply"]


def _edits_lead_to_the_blocks(db: sqlite3.Connection, agent: int) -> None:
    query = (
        """SELECT b.id, b.value FROM blocks b JOIN agent_blocks a ON a.block_id = b.id WHERE a.agent_id = ?"""
    )
    for block, value in db.execute(query, (agent,)).fetchall():
        edits = db.execute(
            "SELECT before, after FROM edits WHERE block_id = ? ORDER BY id", (block,)
        ).fetchall()
        for (_, after), (before, _) in pairwise(edits):
            assert after == before, "an edit begins where the last one ended"
        assert not edits or edits[-1][1] == value


def _notes_are_kept_once(db: sqlite3.Connection, name: str, acks: list[Ack]) -> None:
    query = """SELECT p.text FROM passages p JOIN archives r ON r.id = p.archive_id
        JOIN agents a ON r.kind = 'agent' AND r.name = CAST(a.id AS TEXT) WHERE a.name = ?"""
    notes = Counter(text for (text,) in db.execute(query, (name,)))
    facts = {after for (after,) in db.execute("SELECT after FROM edits")}
    for ack in acks:
        for kept in ack["kept"]:
            if kept.startswith("Fact: "):
                assert any(kept in after for after in facts), kept
            else:
                assert notes[kept] == 1, kept


def kill_again_and_again(starting: ForkServerContext, home: Path, times: int, seed: int) -> list[Ack]:
    rng, acks, revision = random.Random(seed), home / "acks.jsonl", 0
    home.mkdir()
    for number in range(times):
        known = len(acks_of(acks))
        process = begin(starting, home, "ada", acks)
        # The first makes the file; of the others some die while they open it, and most while they talk.
        if number == 0 or rng.random() < 0.7:
            until = time.monotonic() + 60
            while len(acks_of(acks)) == known and time.monotonic() < until:
                time.sleep(0.002)
        time.sleep(rng.uniform(0.0, 0.15))
        killed(process)
        now = is_sound(home, "ada", acks_of(acks))
        assert now >= revision, "a later revision never gives way to an earlier one"
        revision = now
    return acks_of(acks)


def test_a_killed_conversation_goes_on(starting: ForkServerContext, tmp_path: Path) -> None:
    acks = kill_again_and_again(starting, tmp_path / "home", 10, seed=1)
    assert len({ack["turn"] for ack in acks}) == len(acks) > 10
    with Store(tmp_path / "home") as store:
        agent = open_talker(store, "ada")
        before = agent.state.turn
        assert agent.turn(said_in_turn(before)).reply
        assert (agent.state.turn, agent.unanswered) == (before + 1, "")


@pytest.mark.slow
def test_two_hundred_kills_lose_nothing(starting: ForkServerContext, tmp_path: Path) -> None:
    assert len(kill_again_and_again(starting, tmp_path / "home", 200, seed=2)) > 200


def test_two_processes_may_talk_to_one_agent(starting: ForkServerContext, tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.jsonl" for number in range(2)]
    processes = [begin(starting, tmp_path, "ada", file, turns=8) for file in files]
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
        process.close()
    acks = [ack for file in files for ack in acks_of(file)]
    assert len(acks) == 16
    assert len({ack["turn"] for ack in acks}) == 16, "no turn is two processes' own"
    is_sound(tmp_path, "ada", acks)


def test_two_processes_may_use_two_agents_of_one_home(starting: ForkServerContext, tmp_path: Path) -> None:
    names = ("ada", "bob")
    processes = [begin(starting, tmp_path, name, tmp_path / f"{name}.jsonl", turns=15) for name in names]
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
        process.close()
    for name in names:
        acks = acks_of(tmp_path / f"{name}.jsonl")
        assert [ack["turn"] for ack in acks] == list(range(1, 16))
        is_sound(tmp_path, name, acks)


def started(folder: Path, lines: list[str]) -> subprocess.Popen[str]:
    """`bridle chat` on a script of these lines, with a model that keeps each of them and says so."""
    answers = [
        written(one)[len(WRAPPER.prime) :] for line in lines for one in (append(line), say(f"Kept {line}"))
    ]
    (folder / "answers.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in answers), "utf-8")
    (folder / "said.txt").write_text("\n".join(lines), "utf-8")
    given = ["--script", "said.txt", "--json", "--endpoint", "scripted:answers.jsonl", "--profile", "full"]
    return subprocess.Popen(
        [sys.executable, "-m", "bridle.cli", "chat", "--wrapper", "chatml-compact", *given],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(str(ROOT / part) for part in PARTS)},
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip


def test_a_script_that_is_killed_is_taken_up_where_it_was(tmp_path: Path) -> None:
    lines, told = [f"Fact {number}: yes" for number in range(30)], list[str]()
    for acknowledged in (1, 3):
        with started(tmp_path, lines[len(told) :]) as process:
            assert process.stdout is not None
            told += [json.loads(process.stdout.readline())["user"] for _ in range(acknowledged)]
            process.kill()
            told += [json.loads(line)["user"] for line in process.stdout if line.endswith("\n")]
    with started(tmp_path, lines[len(told) :]) as process:
        told += [json.loads(line)["user"] for line in process.stdout or ()]
        assert process.wait(60) == 0
    assert told == lines, "what was acknowledged need not be said again, and nothing else was"
    with Store(home()) as store:
        state = store.load("default")
        assert state is not None
        assert not state.is_open
        assert state.core.block("human").lines == tuple(lines), "each fact is kept, and once"


def test_a_line_that_a_kill_cut_off_is_no_acknowledgement(tmp_path: Path) -> None:
    file = tmp_path / "acks"
    whole = b'{"turn": 1, "said": "a", "reply": "b", "kept": []}\n'
    file.write_bytes(whole + whole[:20])
    assert [ack["turn"] for ack in acks_of(file)] == [1]
    end_cut_line(file)
    file.write_bytes(file.read_bytes() + whole)
    assert [ack["turn"] for ack in acks_of(file)] == [1, 1]
