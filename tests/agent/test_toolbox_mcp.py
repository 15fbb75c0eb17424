from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from bridle.agent.functions import FUNCTIONS
from bridle.agent.toolbox import Tool, check_names, run_tool_limited
from bridle.agent.toolbox.held import not_held
from bridle.agent.toolbox.mcp import mcp_server, mcp_tools
from bridle.agent.toolbox.mcp_text import McpFailed, called, read_result, read_tools
from bridle.errors import ConfigError, InputError, MissingExtra, SchemaError, TimedOut, Unreachable
from bridle.messages import JSON, ToolSpec
from project import run_python

pytest.importorskip("mcp")

SERVER = str(Path(__file__).parent.parent / "servers" / "mcp_server.py")
STDIO = [sys.executable, SERVER, "stdio"]
PATIENCE_S = 20.0


def until(true: object) -> None:
    end = time.monotonic() + PATIENCE_S
    assert callable(true)
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def named(tools: tuple[Tool, ...]) -> dict[str, Tool]:
    return {tool.name: tool for tool in tools}


@contextmanager
def served(how: str, path: str) -> Generator[str]:
    """Run the server on a port of this machine, and give its address."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    process = subprocess.Popen([sys.executable, SERVER, how, str(port)], stderr=subprocess.DEVNULL)
    try:
        until(lambda: _listens(port))
        yield f"http://127.0.0.1:{port}{path}"
    finally:
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def children() -> set[str]:
    """The processes that this one has started and that are not reaped."""
    listed = Path(f"/proc/{os.getpid()}/task")
    if not listed.exists():
        return set()
    found = (one / "children" for one in listed.iterdir())
    return {child for one in found if one.exists() for child in one.read_text("utf-8").split()}


@pytest.fixture(scope="module")
def tools() -> Iterator[dict[str, Tool]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_API_KEY", "sk-secret")
        with mcp_tools(STDIO) as found:
            yield named(found)


def test_the_tools_of_a_program_have_their_schemas_and_descriptions(tools: dict[str, Tool]) -> None:
    assert sorted(tools) == ["add", "color", "die", "environment", "fail", "slow"]
    assert tools["add"].spec.description == "Add two numbers."
    assert tools["add"].spec.parameters["required"] == ["first"]
    assert tools["add"].source == "MCP server mcp"
    check_names(list(tools.values()), [spec.name for spec in FUNCTIONS])


def test_calls_go_to_the_program_and_come_back_as_text(tools: dict[str, Tool]) -> None:
    assert run_tool_limited(tools["add"], {"first": 2, "second": 3}) == "5"
    assert run_tool_limited(tools["add"], {"first": 2}) == "3"
    assert run_tool_limited(tools["color"], {"name": "red", "tags": ["a", "ä"]}) == "red a,ä"
    assert run_tool_limited(tools["fail"], {"why": "no"}).startswith("Failed: Error executing tool fail")
    assert run_tool_limited(tools["add"], {"first": "x"}).startswith("Failed: wrong arguments for add")


def test_calls_may_run_at_once(tools: dict[str, Tool]) -> None:
    texts: list[str] = []

    def call(number: int) -> None:
        texts.append(run_tool_limited(tools["add"], {"first": number, "second": 0}))

    threads = [threading.Thread(target=call, args=(number,)) for number in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(PATIENCE_S)
    assert sorted(texts) == [str(number) for number in range(8)]


def test_the_program_gets_none_of_the_users_keys(tools: dict[str, Tool]) -> None:
    shown = run_tool_limited(tools["environment"], {})
    assert "PATH" in shown
    assert "OPENAI_API_KEY" not in shown


def test_a_call_that_takes_too_long_is_left_and_the_next_one_works(tools: dict[str, Tool]) -> None:
    said = run_tool_limited(replace(tools["slow"], timeout_s=0.3), {"seconds": 0.8})
    assert said == "Failed: slow took longer than 0.3 s and was left"
    until(lambda: run_tool_limited(tools["add"], {"first": 1}) == "2")


def test_no_process_and_no_thread_is_left_behind() -> None:
    before, threads = children(), threading.active_count()
    with mcp_tools(STDIO) as found:
        assert found
        assert len(children()) == len(before) + (1 if children() else 0)
    assert children() == before
    until(lambda: threading.active_count() <= threads + 1)  # the loop of all async tools stays
    assert run_tool_limited(named(found)["add"], {"first": 1}).startswith("Failed: ")


def test_two_servers_are_apart_in_names_and_in_death_and_an_error_ends_both() -> None:
    before = children()
    with pytest.raises(ZeroDivisionError):
        use_two_servers()
    assert children() == before


def use_two_servers() -> None:
    with mcp_tools({"one": STDIO, "the other": STDIO}, taken=["color"]) as found:
        tools = named(found)
        assert len(tools) == 12
        assert {"one__add", "the_other__add", "one__color"} <= set(tools)
        assert run_tool_limited(tools["the_other__add"], {"first": 1}) == "2"
        assert run_tool_limited(tools["the_other__die"], {}).endswith("'the other' has ended")
        assert run_tool_limited(tools["the_other__add"], {"first": 1}).endswith("has ended")
        assert run_tool_limited(tools["one__add"], {"first": 1}) == "2"
        raise ZeroDivisionError


@pytest.mark.parametrize(("how", "path"), [("http", "/mcp"), ("sse", "/sse")])
def test_a_server_is_asked_by_its_address(how: str, path: str) -> None:
    with served(how, path) as url, mcp_tools({"far": url}, offline=True) as found:
        tools = named(found)
        assert tools["add"].source == "MCP server far"
        assert run_tool_limited(tools["add"], {"first": 2, "second": 3}) == "5"
        assert run_tool_limited(tools["fail"], {"why": "no"}).startswith("Failed: Error executing tool fail")
        assert run_tool_limited(tools["die"], {}).startswith("Failed: ")
        assert run_tool_limited(tools["add"], {"first": 2}).startswith("Failed: ")


@pytest.mark.parametrize(
    ("command", "error", "said"),
    [
        (["no-such-program"], Unreachable, "cannot be started"),
        ([sys.executable, SERVER, "broken"], Unreachable, "it says: this server does not want to"),
        ([sys.executable, SERVER, "silent"], TimedOut, "does not answer within 0.5 s"),
        ("http://127.0.0.1:9/mcp", Unreachable, "cannot be reached"),
        ("http://127.0.0.1:9/sse", Unreachable, "cannot be reached"),
    ],
)
def test_a_server_that_does_not_start_is_told(
    command: str | list[str], error: type[Exception], said: str
) -> None:
    before = children()
    within_s = 0.5 if error is TimedOut else PATIENCE_S
    with pytest.raises(error, match=said), mcp_tools(command, starts_within_s=within_s):
        pass
    assert children() == before


def test_offline_refuses_another_machine_before_anything_starts() -> None:
    with pytest.raises(InputError, match="runs offline"), mcp_tools("https://example.org/mcp", offline=True):
        pass


@pytest.mark.parametrize("spec", ["", "  ", [], [""], "'open", "http://", "https:///x"])
def test_what_is_no_command_and_no_address_is_refused(spec: str | list[str]) -> None:
    with pytest.raises(ConfigError, match="the MCP server 'x'"):
        mcp_server("x", spec)


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mcp", None)
    with pytest.raises(MissingExtra) as raised, mcp_tools(STDIO):
        pass
    assert "mcp" in raised.value.hint


def test_tools_with_schemas_that_are_none_are_left_out_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    object_of: dict[str, JSON] = {"type": "object"}
    listed: list[JSON] = [
        {"name": "good", "inputSchema": object_of, "annotations": {"title": "Good"}},
        {"name": "lost", "inputSchema": {**object_of, "properties": {"a": {"$ref": "#/none"}}}},
        {"name": "odd", "inputSchema": {**object_of, "properties": {"a": {"type": "strange"}}}},
        {"name": "text", "inputSchema": "x"},
        {"inputSchema": object_of},
        "nonsense",
    ]
    assert read_tools("s", listed) == [ToolSpec("good", "Good", object_of)]
    assert caplog.text.count("of the MCP server s is left out") == 5


def test_what_a_grammar_cannot_hold_is_listed() -> None:
    exact = ToolSpec("a", "", {"type": "object", "properties": {"x": {"enum": [1, 2]}}})
    loose = ToolSpec("a", "", {"type": "object", "properties": {"x": {"type": "array", "uniqueItems": True}}})
    assert not_held(exact) == ()
    assert not_held(loose) == ("#/properties/x uniqueItems",)
    with pytest.raises(SchemaError, match="the schema of a"):
        not_held(ToolSpec("a", "", {"type": "object", "properties": {"x": {"minimum": "a"}}}))


@pytest.mark.parametrize(
    ("name", "taken", "shown"),
    [
        ("read", (), "read"),
        ("read", ("read",), "my_server__read"),
        ("a/b.c d", (), "a_b_c_d"),
        ("1st", (), "_1st"),
        ("x" * 80, (), "x" * 64),
    ],
)
def test_names_are_made_such_as_every_server_takes(name: str, taken: tuple[str, ...], shown: str) -> None:
    assert called(name, "my server", taken) == shown


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, "a\nb"),
        ({"content": []}, "OK"),
        ({"content": [], "structuredContent": {"a": "ä"}}, '{"a": "ä"}'),
        ({"content": [{"type": "image", "data": "AA"}]}, "(image that cannot be shown as text)"),
        ({"content": [{"type": "resource", "resource": {"uri": "a:b", "text": "c"}}]}, "c"),
        ({"content": [{"type": "resource", "resource": {"uri": "a:b", "blob": "c"}}]}, "(a:b)"),
        ({"content": [{"type": "resource_link", "uri": "a:b"}]}, "(a:b)"),
        ({"content": "nonsense"}, "OK"),
    ],
)  # fmt: skip
def test_results_are_read_as_text(result: JSON, text: str) -> None:
    assert read_result(result) == text


def test_a_failure_of_the_tool_is_one_here() -> None:
    with pytest.raises(McpFailed, match="no"):
        read_result({"content": [{"type": "text", "text": "no"}], "isError": True})
    with pytest.raises(McpFailed, match="does not say why"):
        read_result({"isError": True})


SCRIPT = f"""
from bridle.agent.toolbox.mcp import mcp_tools
holding = mcp_tools({STDIO!r})
print(len(holding.__enter__()))
"""


def test_a_program_that_ends_without_closing_leaves_no_server_behind() -> None:
    done = run_python("-c", SCRIPT, timeout_s=60)
    assert done.stdout.strip() == "6"
    assert done.returncode == 0
    assert not _runs(SERVER)


def _runs(name: str) -> bool:
    end = time.monotonic() + 5
    while time.monotonic() < end:
        if not any(
            name in _command(one) and "stdio" in _command(one) and _parent(one) == "1" for one in _processes()
        ):
            return False
        time.sleep(0.05)
    return True


def _processes() -> list[Path]:
    return [one for one in Path("/proc").glob("[0-9]*") if one.is_dir()] if Path("/proc").exists() else []


def _command(process: Path) -> str:
    try:
        return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        return ""


def _parent(process: Path) -> str:
    try:
        return (process / "stat").read_text("utf-8").rpartition(")")[2].split()[1]
    except (OSError, IndexError):
        return ""
