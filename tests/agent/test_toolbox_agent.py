"""Tools in the hands of an agent: what a scripted model, random weights and the embedded model call."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Annotated, Literal

import pytest

from agent_scripts import WRAPPER, call, say, scripted, written
from bridle.agent import Agent, Store
from bridle.agent.progress import Turn
from bridle.agent.prompt import FULL
from bridle.agent.toolbox import Tool, as_tool, file_tools, mcp_tools, run_tool_limited
from bridle.agent.toolbox.hosts import AllowedHosts
from bridle.agent.toolbox.mcp import mcp_server
from bridle.agent.toolbox.running import left_behind
from bridle.endpoints.base import Endpoint
from bridle.endpoints.config import load_config
from bridle.endpoints.connect import connect
from bridle.endpoints.llamacpp import LlamaCpp
from bridle.endpoints.responding import respond
from bridle.grammars import Bounds
from bridle.messages import ToolCall
from project import ROOT
from tiny_gguf import write_tiny_llama

SERVER = str(Path(__file__).parent.parent / "servers" / "mcp_server.py")


def weather(city: str, days: int = 1) -> str:
    """Tell the weather."""
    return f"{days} fine days in {city}"


def broken() -> str:
    """Fail."""
    raise RuntimeError("no luck")


def turn(tmp_path: Path, tools: list[Tool], *calls: ToolCall | str) -> Turn:
    with Store(tmp_path) as store:
        agent = Agent.open(
            store, "a", scripted([*calls, say("done")]), wrapper="chatml-compact", profile=FULL, tools=tools
        )
        return agent.turn("go")


def results(found: Turn) -> list[str]:
    return [step.result for step in found.steps[:-1]]


def test_an_agent_calls_a_function_and_sees_its_result(tmp_path: Path) -> None:
    found = turn(tmp_path, [as_tool(weather)], call("weather", city="Oslo", days=2))
    assert results(found) == ["2 fine days in Oslo"]
    assert found.reply == "done"


def test_a_tool_that_fails_or_hangs_does_not_end_the_turn(tmp_path: Path) -> None:
    go_on = threading.Event()

    def hang() -> None:
        """Hang."""
        go_on.wait(20)

    tools = [as_tool(broken), as_tool(hang, timeout_s=0.05)]
    found = turn(tmp_path, tools, call("broken"), call("hang"))
    assert results(found) == [
        "Failed: RuntimeError: no luck",
        "Failed: hang took longer than 0.05 s and was left",
    ]
    assert found.reply == "done"
    go_on.set()
    while left_behind():
        go_on.wait(0.01)


def test_wrong_arguments_come_back_to_the_model_and_reach_no_function(tmp_path: Path) -> None:
    called: list[int] = []

    def count(number: int) -> None:
        """Count."""
        called.append(number)

    found = turn(tmp_path, [as_tool(count)], call("count", number=3))
    assert (results(found), called) == (["OK"], [3])
    assert "Additional properties" in run_tool_limited(as_tool(count), {"number": 1, "more": 1})


def test_files_and_mcp_servers_are_called_in_one_turn(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    with mcp_tools([sys.executable, SERVER, "stdio"]) as served:
        found = turn(
            tmp_path,
            [*file_tools(folder), *served],
            call("append_to_text_file", filename="a.txt", content="a line"),
            call("read_from_text_file", filename="a.txt"),
            call("add", first=2, second=3),
        )
    assert results(found) == ["OK", "[a.txt, lines 1 to 1 of 1]\na line", "5"]


class Color(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Place:
    city: str
    color: Color = Color.RED


@dataclass
class Tree:
    value: int
    children: tuple[Tree, ...] = ()


def numbers(whole: int, part: float, yes: bool) -> object:
    return [type(one).__name__ for one in (whole, part, yes)]


def choices(
    color: Color, unit: Literal["C", 1, True], level: Annotated[int, {"minimum": 1, "maximum": 9}]
) -> object:
    assert isinstance(color, Color)
    assert 1 <= level <= 9
    return [color, unit, level]


def days(first: date, last: date | None = None) -> object:
    return f"{first.year} {last.year if last else ''}"


def several(names: list[str], pair: tuple[int, str], tags: set[int], table: dict[str, bool]) -> object:
    assert isinstance(tags, set)
    assert isinstance(pair, tuple)
    return [names, pair, tags, table]


def records(place: Place, places: list[Place], tree: Tree | None = None) -> object:
    assert isinstance(place, Place)
    assert all(isinstance(one.color, Color) for one in places)
    return tree


FUNCTIONS: tuple[Callable[..., object], ...] = (weather, numbers, choices, days, several, records)


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlamaCpp]:
    path = write_tiny_llama(tmp_path_factory.mktemp("noise") / "noise.gguf", n_vocab=2048)
    endpoint = LlamaCpp(path, context_tokens=8192, threads=1)
    yield endpoint
    endpoint.close()


@pytest.mark.parametrize("count", [20, pytest.param(200, marks=pytest.mark.slow)])
@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda one: str(getattr(one, "__name__", "")))
def test_random_weights_call_every_typed_function_with_what_it_takes(
    noise: LlamaCpp, function: Callable[..., object], count: int
) -> None:
    tool = as_tool(function)
    for seed in range(count):
        completion = respond(
            noise, [{"role": "user", "content": "go"}], tools=[tool.spec], tool_choice="required",
            wrapper="chatml", temperature=3.0, seed=seed, bounds=Bounds(string_chars=24, thoughts_chars=8),
        )  # fmt: skip
        (one,) = completion.message.calls
        assert (completion.constraint.proof, completion.refusals) == ("proven", ())
        text = run_tool_limited(tool, one.arguments)
        assert not text.startswith("Failed"), (one, text)


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda one: str(getattr(one, "__name__", "")))
def test_the_embedded_model_calls_functions_that_it_never_saw_with_what_they_take(
    embedded: Endpoint, function: Callable[..., object]
) -> None:
    tool = as_tool(function)
    for seed in range(2):
        asked = [{"role": "user", "content": f"Call {tool.name} for Oslo, red, 3 days"}]
        completion = respond(
            embedded,
            asked,
            tools=[tool.spec],
            tool_choice="required",
            temperature=1.0,
            seed=seed,
            max_tokens=300,
        )
        (one,) = completion.message.calls
        assert completion.constraint.proof == "proven"
        assert not run_tool_limited(tool, one.arguments).startswith("Failed"), one


@pytest.fixture(scope="module")
def embedded() -> Iterator[Endpoint]:
    with closing(connect("embedded")) as endpoint:
        yield endpoint


PAGE = (ROOT / "docs" / "tools.md").read_text("utf-8")


def test_the_example_of_the_page_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    script = tmp_path / "answers.txt"
    answers = (call("weather", city="Oslo"), say("It is fine."))
    script.write_text("".join(written(one)[len(WRAPPER.prime) :] + "\n" for one in answers), "utf-8")
    code = code.replace('"embedded"', f'"scripted:{script}", wrapper="chatml-compact"')
    exec(compile(code, "docs/tools.md", "exec"), {})
    assert capsys.readouterr().out == "It is fine.\n"


def test_the_config_file_of_the_page_is_read(tmp_path: Path) -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    file = tmp_path / "config.toml"
    file.write_text(text, "utf-8")
    found = load_config(file).tools
    assert AllowedHosts(found.http_hosts).target("https://en.wikipedia.org/wiki").host == "en.wikipedia.org"
    assert [mcp_server(*one).name for one in found.mcp] == ["time", "far"]
