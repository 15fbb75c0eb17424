"""Nothing leaves this machine unasked: the suite's own guard, `--offline`, and what imports do."""

from __future__ import annotations

import ast
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from bridle.cli import cli, main
from bridle.endpoints.config import home
from guard.sitecustomize import LEAKS
from project import modules, run_python

FAR = "192.0.2.7"  # for documentation only: RFC 5737
TRIES = {
    "a connection": f"socket.socket().connect(({FAR!r}, 80))",
    "a connection by name": "socket.create_connection(('example.org', 80), 1)",
    "a look-up": "socket.getaddrinfo('example.org', 443)",
    "an old look-up": "socket.gethostbyname('example.org')",
    "a datagram": f"socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ({FAR!r}, 53))",
    "a datagram in pieces": (
        f"socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendmsg([b'x'], [], 0, ({FAR!r}, 53))"
    ),
    "a request": "__import__('requests').get('http://example.org', timeout=1)",
    "an asynchronous one": "import asyncio; asyncio.run(asyncio.open_connection('example.org', 80))",
}


def tried(code: str, leaks: Path) -> subprocess.CompletedProcess[str]:
    """Run a line in another Python, which writes what it was refused to a file of its own."""
    return run_python("-c", f"import socket; {code}", env={LEAKS: str(leaks)})


@pytest.mark.parametrize("code", TRIES.values(), ids=TRIES)
def test_a_process_that_a_test_starts_is_kept_here(code: str, tmp_path: Path) -> None:
    done = tried(code, tmp_path / "leaks")
    assert done.returncode != 0
    assert "a test wanted to leave this machine" in done.stderr
    assert "a test wanted to leave this machine" in (tmp_path / "leaks").read_text("utf-8")


def test_a_refusal_that_is_swallowed_is_still_seen(tmp_path: Path) -> None:
    swallowed = f"import contextlib\nwith contextlib.suppress(BaseException): {TRIES['a look-up']}"
    done = run_python("-c", f"import socket\n{swallowed}", env={LEAKS: str(tmp_path / "leaks")})
    assert done.returncode == 0
    assert "'example.org'" in (tmp_path / "leaks").read_text("utf-8")


def test_pytest_itself_is_kept_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LEAKS, str(tmp_path / "leaks"))
    with pytest.raises(AssertionError, match="wanted to leave"):
        socket.getaddrinfo("example.org", 443)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one, pytest.raises(AssertionError, match=FAR):
        one.connect((FAR, 53))
    assert len((tmp_path / "leaks").read_text("utf-8").splitlines()) == 2


def test_a_name_that_nobody_can_have_is_not_asked_for() -> None:
    with pytest.raises(socket.gaierror, match="Name or service not known"):
        socket.getaddrinfo("no-such-host.invalid", 80)


def test_this_machine_may_be_talked_to() -> None:
    assert socket.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname(), 5) as one,
    ):
        assert one.getpeername() == server.getsockname()


def commands(group: click.Group, *names: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield every command that does something, with the words that call it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        if isinstance(found, click.Group):
            yield from commands(found, *names, name)
        elif found is not None:
            yield (*names, name), found


def options(command: click.Command) -> set[str]:
    return {one for parameter in command.params for one in parameter.opts}


FAR_URL = f"http://{FAR}:1234"
CONNECTING = {
    "chat": ["--endpoint", FAR_URL],
    "run": ["--yes", "--endpoint", FAR_URL],
    "ask": ["hi", "--endpoint", FAR_URL],
    "discover": [FAR_URL],
    "configure": ["--yes"],
    "load webpage": ["--urls", FAR_URL, "--name", "pages"],
    "load database": ["--query", "SELECT 1", "--uri", f"postgresql://u@{FAR}/d", "--name", "rows"],
    "memory show": ["ada", "--endpoint", FAR_URL],
    "tools": ["--mcp", FAR_URL],
    "bench memory": ["--nested-kv", "--endpoint", FAR_URL],
    "wrappers detect": [FAR_URL],
    "wrappers check": ["chatml", "--against", FAR_URL],
    "doctor": [FAR_URL],
    "replay": ["1", "--endpoint", FAR_URL],
}
"""What each command that may connect is called with to make it want to leave this machine."""
CONFIGURED = {
    "load directory": ["--input-files", "TEXT", "--name", "files"],
    "load text": ["TEXT", "--name", "text"],
    "memory import": ["ada", "MEMORY"],
    "memory reembed": ["ada"],
    "memory reindex": ["ada"],
    "memory search": ["ada", "hello"],
    "memory status": ["ada"],
    "sources delete": ["kept", "--yes"],
}
"""The commands that connect only to what the settings name: an embedder, or an index elsewhere."""
ALONE = {
    *(f"agents {name}" for name in ("create", "delete", "export", "fork", "humans", "import", "list")),
    *(f"agents {name}" for name in ("personas", "presets", "rename", "show")),
    *("attach", "completion", "config path", "config show", "version"),
    *(f"grammar {name}" for name in ("accepts", "check", "from-schema", "from-tools", "report")),
    *("logs clear", "logs path", "logs show"),
    *(f"memory block {name}" for name in ("add", "limit", "remove", "share")),
    *(f"memory {name}" for name in ("diff", "edit", "export", "log", "undo")),
    *(f"sources {name}" for name in ("attach", "detach", "list", "show")),
    *(f"wrappers {name}" for name in ("list", "parse", "render", "show", "use")),
}
"""The commands that have no reason to connect to anything."""


def test_every_command_is_known_to_connect_or_not() -> None:
    assert {" ".join(names) for names, _ in commands(cli)} == {*CONNECTING, *CONFIGURED, *ALONE}


def test_what_may_connect_can_be_kept_offline() -> None:
    without = [names for names, one in commands(cli) if "--offline" not in options(one)]
    assert {" ".join(names) for names in without} == ALONE


@pytest.mark.parametrize("name", [one for one in CONNECTING if one != "configure"])
def test_offline_refuses_another_machine(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    record_something()
    assert main(["agents", "create", "ada"]) == 0
    capsys.readouterr()
    code = main([*name.split(), *CONNECTING[name], "--offline"])
    out, err = capsys.readouterr()
    assert code in (2, 3), (out, err)
    assert FAR in err
    assert "not this machine" in err
    assert "offline" in err


def record_something() -> None:
    """Ask once, so that there is something to replay."""
    script = home() / "answers.txt"
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text("hello\n", "utf-8")
    assert main(["ask", "hi", "--endpoint", f"scripted:{script}"]) == 0


@pytest.mark.parametrize("name", CONFIGURED)
def test_offline_leaves_out_what_the_settings_name_elsewhere(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home().mkdir(parents=True, exist_ok=True)
    (home() / "config.toml").write_text(
        f'schema = 1\n[embedding]\nendpoint = "openai:some-model@{FAR_URL}/v1"\n', "utf-8"
    )
    assert main(["agents", "create", "ada"]) == 0
    text, memory = tmp_path / "text.md", tmp_path / "memory.md"
    text.write_text("# Hello\n\nNothing of this is sent anywhere.\n", "utf-8")
    assert main(["memory", "export", "ada", "--output", str(memory)]) == 0
    assert main(["load", "text", str(text), "--name", "kept", "--offline"]) == 0
    capsys.readouterr()
    files = {"TEXT": str(text), "MEMORY": str(memory)}
    given = [files.get(one, one) for one in CONFIGURED[name]]
    code = main([*name.split(), *given, "--offline"])  # the guard fails the suite if it tries to connect
    out, err = capsys.readouterr()
    assert code == 0 or "not this machine" in err, (code, out, err)


def test_configuring_offline_asks_this_machine_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", FAR_URL)
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    assert main(["configure", *CONNECTING["configure"], "--offline"]) == 0
    assert FAR not in capsys.readouterr().out


TELEMETRY = {
    "amplitude", "analytics", "bugsnag", "datadog", "ddtrace", "mixpanel", "newrelic", "opentelemetry",
    "posthog", "rollbar", "scarf", "segment", "sentry_sdk", "statsd", "wandb",
}  # fmt: skip


@pytest.mark.parametrize(("name", "file"), tuple(modules()))
def test_no_module_imports_telemetry(name: str, file: Path) -> None:
    nodes = list(ast.walk(ast.parse(file.read_text("utf-8"))))
    found = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    found |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    assert {one.partition(".")[0] for one in found} & TELEMETRY == set(), name


def test_no_module_uses_a_socket_when_it_is_imported() -> None:
    # urllib3 binds one to ::1 when it is imported, to see whether there is IPv6; nothing is sent.
    names = [name for name, _ in modules() if not name.endswith("__main__")]
    code = f"""
import sys, importlib
seen = []
harmless = ("socket.__new__", "socket.bind")
def watch(event, args):
    if event.startswith("socket.") and event not in harmless:
        seen.append(event)
sys.addaudithook(watch)
for name in {names!r}:
    importlib.import_module(name)
assert not seen, seen
assert not set(sys.modules) & {TELEMETRY!r}, set(sys.modules) & {TELEMETRY!r}
"""
    done = run_python("-c", code)
    assert (done.returncode, done.stderr) == (0, "")
