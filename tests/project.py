"""Where the project's parts lie, and how a test runs the program in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# llama_cpp opens the null device when it is imported and leaves it open until Python ends.
WARNINGS = ("-W", "error", "-W", "ignore:unclosed file <_io.TextIOWrapper name='/dev/null':ResourceWarning")
PARTS = ("wrappers", "grammars", "endpoints", "agent")


def pyproject() -> dict[str, object]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def setting(dotted: str) -> object:
    """Return one value of pyproject.toml, such as `tool.mypy.files`."""
    value: object = pyproject()
    for key in dotted.split("."):
        assert isinstance(value, dict), dotted
        value = value[key]  # pyright: ignore[reportUnknownVariableType]  # TOML values are what the test checks
    return value  # pyright: ignore[reportUnknownVariableType]


def modules() -> Iterator[tuple[str, Path]]:
    """Yield the dotted name and the file of every module of the package."""
    for part in PARTS:
        for file in sorted((ROOT / part / "bridle").rglob("*.py")):
            names = file.relative_to(ROOT / part).with_suffix("").parts
            yield ".".join(names[:-1] if names[-1] == "__init__" else names), file


def run_python(
    *args: str, stdin: str = "", env: Mapping[str, str] | None = None, timeout_s: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run this Python on `args`, with the checkout's parts importable; warnings are errors there too."""
    path = os.pathsep.join(str(ROOT / part) for part in PARTS)
    return subprocess.run(
        [sys.executable, *WARNINGS, *args],
        input=stdin,
        env={**os.environ, "PYTHONPATH": path, "PYTHONUTF8": "1", **(env or {})},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=timeout_s,
        check=False,
    )


def run_bridle(
    *args: str, stdin: str = "", env: Mapping[str, str] | None = None, timeout_s: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    return run_python("-m", "bridle.cli", *args, stdin=stdin, env=env, timeout_s=timeout_s)
