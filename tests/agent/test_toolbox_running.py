from __future__ import annotations

import _thread
import asyncio
import contextvars
import enum
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import NoReturn
from uuid import UUID

import pytest
from pydantic import BaseModel

from bridle.agent.toolbox import Tool, as_tool, run_tool_limited, tool_from_schema
from bridle.agent.toolbox.running import MOST_LEFT, left_behind
from bridle.errors import InputError
from bridle.messages import JSON
from project import run_python

PATIENCE_S = 10.0


def tool(run: Callable[..., object], timeout_s: float = 30.0) -> Tool:
    return tool_from_schema({"name": "tried"}, run, timeout_s=timeout_s)


def ran(run: Callable[..., object], timeout_s: float = 30.0) -> str:
    return run_tool_limited(tool(run, timeout_s), {})


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end
        time.sleep(0.005)


class Color(enum.Enum):
    RED = "red"


class Word(enum.StrEnum):
    YES = "yes"


@dataclass
class Place:
    city: str
    color: Color


class Model(BaseModel):
    day: date


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ("as it is\n", "as it is\n"),
        ("", ""),
        (None, "OK"),
        (3, "3"),
        (True, "true"),
        (0.5, "0.5"),
        (float("nan"), '"nan"'),
        ([1, "ä", None], '[1, "ä", null]'),
        ((1, {2}), "[1, [2]]"),
        ({"a": {1: "b"}}, '{"a": {"1": "b"}}'),
        (Place("Oslo", Color.RED), '{"city": "Oslo", "color": "red"}'),
        (Model(day=date(2024, 1, 2)), '{"day": "2024-01-02"}'),
        (Word.YES, '"yes"'),
        (date(2024, 1, 2), '"2024-01-02"'),
        (Decimal("1.50"), '"1.50"'),
        (UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        (Path("a") / "b", '"' + str(Path("a") / "b").replace("\\", "\\\\") + '"'),
        ("half a \ud83d", "half a �"),
    ],
)
def test_results_become_text(result: object, text: str) -> None:
    assert ran(lambda: result) == text


def test_the_same_value_twice_is_no_cycle() -> None:
    one = [1]
    assert ran(lambda: [one, one]) == "[[1], [1]]"


def cycle() -> object:
    inside: list[object] = []
    inside.extend((inside, inside))
    return inside


def deep() -> object:
    value: object = 1
    for _ in range(5000):
        value = [value]
    return value


def wide() -> object:
    value: object = 1
    for _ in range(40):
        value = [value] * 8
    return value


@pytest.mark.parametrize(
    ("run", "said"),
    [
        (lambda: b"bytes", "bytes"),
        (cycle, "holds itself"),
        (deep, "nested too deeply"),
        (wide, "more than 1000000 values"),
        (object, "of type object"),
        (lambda: iter([1]), "list_iterator"),
        (lambda: Place, "of type type"),
    ],
)
def test_what_cannot_be_shown_is_a_failure(run: Callable[[], object], said: str) -> None:
    text = ran(run)
    assert text.startswith("Failed: the result ")
    assert said in text


def test_long_results_are_cut_and_say_by_how_much() -> None:
    text = run_tool_limited(tool(lambda: "a" * 5000), {}, most_chars=100)
    assert text == "a" * 100 + "… (4900 more characters were left out)"
    assert len(ran(lambda: "a" * 5000)) < 3100


def raising(error: BaseException) -> Callable[[], NoReturn]:
    def run() -> NoReturn:
        raise error

    return run


class Rude(Exception):
    def __str__(self) -> str:
        raise SystemExit(3)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (TypeError("no\n such   thing"), "Failed: TypeError: no such thing"),
        (KeyError("a"), "Failed: KeyError: 'a'"),
        (ValueError(), "Failed: tried raised ValueError"),
        (SystemExit(1), "Failed: SystemExit: 1"),
        (KeyboardInterrupt(), "Failed: tried raised KeyboardInterrupt"),
        (GeneratorExit(), "Failed: tried raised GeneratorExit"),
        (asyncio.CancelledError(), "Failed: tried raised CancelledError"),
        (MemoryError(), "Failed: tried raised MemoryError"),
        (RecursionError("deep"), "Failed: RecursionError: deep"),
        (Rude(), "Failed: tried raised Rude"),
        (InputError("there is none", hint="make one"), "Failed: there is none (make one)"),
        (BaseExceptionGroup("two", [SystemExit(1)]), "Failed: BaseExceptionGroup: two (1 sub-exception)"),
    ],
)  # fmt: skip
def test_what_a_tool_raises_is_one_line_of_text(error: BaseException, text: str) -> None:
    assert ran(raising(error)) == text

    async def run() -> object:
        raise error

    if not isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit):
        assert ran(run) == text


def test_a_failure_tells_no_keys_and_no_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret-1")
    monkeypatch.setenv("MY_DB_PASSWORD", "hunter22222")
    monkeypatch.setenv("HARMLESS", "harmless-value")
    said = "key sk-very-secret-1, hunter22222 at https://me:pass@host/x, harmless-value"
    text = ran(raising(ValueError(said)))
    assert text == "Failed: ValueError: key ***, *** at https://***@host/x, harmless-value"
    assert len(ran(raising(ValueError("a" * 9999)))) < 600


def test_a_failure_has_no_traceback_and_prints_none(capfd: pytest.CaptureFixture[str]) -> None:
    assert "Traceback" not in ran(raising(ValueError("a")))
    assert capfd.readouterr() == ("", "")


def test_what_a_tool_prints_is_not_its_result(capsys: pytest.CaptureFixture[str]) -> None:
    def run() -> str:
        print("to the terminal")
        return "to the model"

    assert ran(run) == "to the model"
    assert capsys.readouterr().out == "to the terminal\n"


def test_wrong_arguments_never_reach_the_function() -> None:
    called: list[int] = []
    text = run_tool_limited(as_tool(lambda: called.append(1), name="tried"), {"x": 1})
    assert text.startswith("Failed: wrong arguments for tried: ")
    assert "'x'" in text
    assert called == []


def test_what_the_agent_adds_to_a_call_does_not_reach_the_function() -> None:
    assert run_tool_limited(tool(dict[str, JSON]), {"request_heartbeat": True}) == "{}"


def test_arguments_that_no_type_takes_are_told() -> None:
    def on(day: date) -> str:
        return str(day)

    assert run_tool_limited(as_tool(on), {"day": "soon"}).startswith("Failed: day: 'soon' is no date")


def test_a_tool_that_hangs_is_cut_off_named_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    go_on = threading.Event()
    caplog.set_level(logging.WARNING)
    began = time.monotonic()
    text = ran(go_on.wait, 0.1)
    assert text == "Failed: tried took longer than 0.1 s and was left"
    assert time.monotonic() - began < 2
    assert left_behind() == ("tried",)
    assert "tried was left behind" in caplog.text
    go_on.set()
    until(lambda: left_behind() == ())


def test_too_many_that_hang_let_no_further_one_start() -> None:
    go_on = threading.Event()
    for _ in range(MOST_LEFT):
        ran(go_on.wait, 0.001)
    assert ran(lambda: 1) == f"Failed: {MOST_LEFT} calls that took too long still run (tried)"
    go_on.set()
    until(lambda: left_behind() == ())
    assert ran(lambda: 1) == "1"


def test_a_tool_can_be_stopped_by_the_user() -> None:
    go_on = threading.Event()
    assert run_tool_limited(tool(go_on.wait), {}, lambda: True) == "Failed: tried was stopped"
    go_on.set()
    until(lambda: left_behind() == ())


def test_ctrl_c_ends_the_wait_and_leaves_the_tool() -> None:
    go_on = threading.Event()

    def run() -> None:
        _thread.interrupt_main()
        go_on.wait(PATIENCE_S)

    with pytest.raises(KeyboardInterrupt):
        ran(run)
    go_on.set()
    until(lambda: left_behind() == ())


def test_async_tools_run_share_a_loop_and_are_cancelled_in_time() -> None:
    loops: list[asyncio.AbstractEventLoop] = []
    cleaned: list[str] = []

    async def quick() -> JSON:
        loops.append(asyncio.get_running_loop())
        await asyncio.sleep(0)
        return {"a": 1}

    async def slow() -> None:
        try:
            await asyncio.sleep(PATIENCE_S)
        finally:
            cleaned.append("yes")

    assert ran(quick) == '{"a": 1}'
    assert ran(slow, 0.05) == "Failed: tried took longer than 0.05 s and was left"
    until(lambda: cleaned == ["yes"])
    assert ran(quick) == '{"a": 1}'
    assert loops[0] is loops[1]
    assert left_behind() == ()


def test_an_async_tool_that_never_gives_way_does_not_hold_up_the_next_one() -> None:
    go_on = threading.Event()

    async def rude() -> None:
        go_on.wait(PATIENCE_S)  # it blocks its loop

    async def quick() -> str:
        return "done"

    assert "was left" in ran(rude, 0.05)
    assert ran(quick, 5) == "done"
    assert left_behind() == ("tried",)
    go_on.set()
    until(lambda: left_behind() == ())


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt("no")])
def test_an_async_tool_that_wants_to_end_the_program_ends_its_call_only(error: BaseException) -> None:
    async def leaving() -> None:
        raise error

    async def quick() -> str:
        return "done"

    assert ran(leaving) == f"Failed: RuntimeError: {type(error).__name__}: {error}"
    assert ran(quick) == "done"


def test_a_tool_sees_the_context_of_its_caller() -> None:
    user = contextvars.ContextVar("user", default="nobody")
    user.set("ada")
    assert ran(user.get) == "ada"


def test_several_may_run_at_once() -> None:
    meet = threading.Barrier(4, timeout=PATIENCE_S)
    texts: list[str] = []
    threads = [threading.Thread(target=lambda: texts.append(ran(lambda: meet.wait() >= 0))) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(PATIENCE_S)
    assert texts == ["true"] * 4


SCRIPT = """
import asyncio, time
from bridle.agent.toolbox import run_tool_limited, tool_from_schema
async def sleep(): time.sleep(60)
async def long(): await asyncio.sleep(60)
for run in (lambda: time.sleep(60), sleep, long):
    print(run_tool_limited(tool_from_schema({"name": "t"}, run, timeout_s=0.05), {}))
"""


def test_threads_that_were_left_do_not_hold_up_the_end_of_the_process() -> None:
    done = run_python("-c", SCRIPT, timeout_s=30)
    assert done.returncode == 0
    assert done.stdout.count("was left") == 3
    assert "Traceback" not in done.stderr
