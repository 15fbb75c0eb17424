"""The frame of the command line: the table, the help, and how everything that goes wrong ends."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.shell_completion import BashComplete

from bridle import cli
from bridle.errors import BridleError, InputError, Unreachable
from project import PARTS, ROOT, run_bridle, run_python

HEAVY = [
    "requests",
    "openai",
    "jinja2",
    "jsonschema",
    "numpy",
    "llama_cpp",
    "llguidance",
    "rich",
    "platformdirs",
]


@pytest.fixture
def ends_with(monkeypatch: pytest.MonkeyPatch) -> Callable[[object], int]:
    """Run the command line with a command that raises what it is given, or returns it."""

    def run(outcome: object) -> int:
        @click.command("trial")
        def trial() -> object:
            if isinstance(outcome, BaseException):
                raise outcome
            return outcome

        def get_command(self: object, ctx: click.Context, name: str) -> click.Command:
            return trial

        monkeypatch.setattr(cli.LazyGroup, "get_command", get_command)
        return cli.main(["trial"])

    return run


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_line_of_the_table_is_a_command(name: str) -> None:
    module, _, attribute = cli.COMMANDS[name].target.partition(":")
    command = getattr(importlib.import_module(module), attribute)
    assert isinstance(command, click.Command)
    assert command.name == name
    assert command.help


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_help(name: str) -> None:
    done = run_bridle(name, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"Usage: bridle {name}")


@pytest.mark.parametrize("args", [["--help"], ["-h"], []])
def test_help_shows_the_table(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(args) == 0
    shown = capsys.readouterr().out
    assert all(f"  {name} " in shown for name in cli.COMMANDS)
    assert "Exit codes: 0 done, 1 failed" in shown


def test_help_imports_no_command_and_nothing_heavy() -> None:
    code = (
        "import sys; from bridle.cli import main; main(['--help']);"
        "print('LOADED', *sorted(m for m in sys.modules if m.split('.')[0] in {*sys.argv[1:], 'bridle'}))"
    )
    done = run_python("-c", code, *HEAVY)
    loaded = done.stdout.partition("LOADED")[2].split()
    assert loaded == ["bridle", "bridle.cli", "bridle.cli.output", "bridle.errors"]


def test_help_is_quick(record_property: Callable[[str, object], None]) -> None:
    resource = pytest.importorskip("resource", reason="no CPU times of children on this system")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert run_bridle("--help").returncode == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    record_property("help_cpu_s", round(cpu_s, 3))
    print(f"bridle --help: {cpu_s * 1000:.0f} ms of CPU time")
    assert cpu_s < 2  # measured 0.1 s; the bound only catches an import that does not belong here


def test_version_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("bridle ")


def test_a_table_line_that_is_no_command_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli.LazyGroup, "entries", {"odd": cli.Entry("os:sep", "Odd.")})
    with pytest.raises(TypeError, match=r"os:sep is '.', not a click command"):
        cli.main(["odd"])


@pytest.mark.parametrize(
    ("args", "named", "hint"),
    [
        (["nonsense"], "nonsense", "hint: bridle --help"),
        (["cht"], "No such command 'cht'. Did you mean 'chat'?", "hint: bridle --help"),
        (["wrappers", "lst"], "Did you mean 'list'?", "hint: bridle wrappers --help"),
        (["--caht"], "--caht", "hint: bridle --help"),
        (["version", "--nonsense"], "--nonsense", "hint: bridle version --help"),
        (["version", "extra"], "extra", "hint: bridle version --help"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_2(
    args: list[str], named: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(args) == 2
    shown = capsys.readouterr()
    error, *rest = shown.err.splitlines()
    assert error.startswith("error: ")
    assert named in error
    assert (shown.out, rest) == ("", [hint])


@pytest.mark.parametrize(
    ("error", "code", "lines"),
    [
        (InputError("no such wrapper: 'x'"), 2, ["error: no such wrapper: 'x'"]),
        (
            Unreachable("nothing at 'http://127.0.0.1:9'", hint="start it"),
            3,
            ["error: nothing at 'http://127.0.0.1:9'", "hint: start it"],
        ),
        (BridleError("two\nlines \x1b[31m"), 1, ["error: two lines \\x1b[31m"]),
    ],
)
def test_a_known_error_is_a_line_and_its_exit_code(
    error: BridleError,
    code: int,
    lines: list[str],
    ends_with: Callable[[object], int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert ends_with(error) == code
    assert capsys.readouterr().err.splitlines() == lines


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (None, 0),
        (4, 4),
        ("text", 0),
        (KeyboardInterrupt(), 130),
        (EOFError(), 1),
        (click.exceptions.Exit(3), 3),
    ],
)
def test_other_ends(outcome: object, code: int, ends_with: Callable[[object], int]) -> None:
    assert ends_with(outcome) == code


def test_a_late_interrupt_ends_as_an_early_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(**_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli.cli, "main", interrupt)
    assert cli.main([]) == 130


def test_a_file_that_cannot_be_opened_has_no_usage_hint(
    ends_with: Callable[[object], int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert ends_with(click.FileError("tools.json", "No such file")) == 1
    assert capsys.readouterr().err == "error: Could not open file 'tools.json': No such file\n"


def test_a_group_without_a_command_shows_its_help(
    ends_with: Callable[[object], int], capsys: pytest.CaptureFixture[str]
) -> None:
    error = click.exceptions.NoArgsIsHelpError(click.Context(click.Group("agents", help="List them.")))
    assert ends_with(error) == 2
    assert "List them." in capsys.readouterr().err


def test_a_fault_of_ours_keeps_its_traceback(ends_with: Callable[[object], int]) -> None:
    with pytest.raises(ZeroDivisionError):
        ends_with(ZeroDivisionError())


@pytest.mark.parametrize("lines", [1, 100_000])
def test_a_reader_that_leaves_early_is_no_error(lines: int) -> None:
    code = (
        "import sys, click; from bridle import cli;"
        f"x = click.Command('x', callback=lambda: print('x\\n' * {lines}));"
        "cli.LazyGroup.get_command = lambda *_: x;"
        "sys.exit(cli.main(['x']))"
    )
    path = os.pathsep.join(str(ROOT / part) for part in ("wrappers", "agent"))
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_one_line() -> None:
    for args in (["version"], ["version", "--json"]):
        with open("/dev/full", "wb") as full:
            done = subprocess.run(
                [sys.executable, "-c", f"import sys; from bridle.cli import main; sys.exit(main({args}))"],
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(str(ROOT / part) for part in PARTS)},
                check=False,
            )
        assert done.returncode == 1
        first = done.stderr.splitlines()[0]
        assert first == "error: standard output cannot be written: No space left on device"


def test_names_of_commands_are_completed_without_importing_them() -> None:
    completer = BashComplete(cli.cli, {}, "bridle", "_BRIDLE_COMPLETE")
    assert [item.value for item in completer.get_completions([], "a")] == ["ask", "attach", "agents"]
    assert [item.value for item in completer.get_completions([], "--v")] == ["--version"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script(shell: str) -> None:
    done = run_bridle("completion", shell)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"_BRIDLE_COMPLETE={shell}_complete" in done.stdout


def test_the_script_of_bash_is_bash() -> None:
    script = run_bridle("completion", "bash").stdout
    checked = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_the_shell_gets_its_completions() -> None:
    env = {"_BRIDLE_COMPLETE": "bash_complete", "COMP_WORDS": "bridle ver", "COMP_CWORD": "1"}
    done = run_bridle(env=env)
    assert (done.returncode, done.stdout, done.stderr) == (0, "plain,version\n", "")


def test_a_shell_that_click_dropped_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    completion = importlib.import_module("bridle.cli.completion")

    def nothing(shell: str) -> None:
        return None

    monkeypatch.setattr(completion, "get_completion_class", nothing)
    assert cli.main(["completion", "fish"]) == 2
    assert "has no completion for 'fish'" in capsys.readouterr().err
