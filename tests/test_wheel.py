"""The wheel: the tree's files and nothing else, small, and importable from outside the checkout."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from project import PARTS, ROOT

SIZE_LIMIT_BYTES = 15_000_000


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel alone, without what it depends on, into a folder outside the checkout."""
    target = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    done = subprocess.run(
        [*pip, "--no-deps", "--no-index", "--target", str(target), str(wheel)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return target


def run_installed(target: Path, code: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run `code` with the installed copy first; no `.pth` is read, so the checkout is not on the path."""
    path = [str(target), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    prelude = f"import sys; sys.path[:0] = {path!r}; "
    return subprocess.run(
        [sys.executable, "-I", "-S", "-W", "error", "-c", prelude + code],
        capture_output=True,
        text=True,
        cwd=cwd,
        check=False,
    )


def test_the_wheel_holds_the_tree_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if ".dist-info/" not in name}
    tree = {
        file.relative_to(ROOT / part).as_posix()
        for part in PARTS
        for file in (ROOT / part / "bridle").rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert inside == tree
    assert {name.split("/")[0] for name in inside} == {"bridle"}


def test_the_wheel_is_small(wheel: Path) -> None:
    assert wheel.stat().st_size < SIZE_LIMIT_BYTES


def test_the_wheel_says_what_it_is(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name.partition(".dist-info/")[2]: name for name in archive.namelist()}
        metadata = archive.read(names["METADATA"]).decode()
        scripts = archive.read(names["entry_points.txt"]).decode()
    assert "licenses/LICENSE" in names
    assert "License-Expression: Apache-2.0" in metadata
    assert "bridle = bridle.cli:main" in scripts


def test_an_installed_copy_is_imported_from_outside_the_checkout(installed: Path, tmp_path: Path) -> None:
    code = "import bridle.wrappers, bridle.cli as cli; print(bridle.wrappers.__file__); print(cli.__file__)"
    done = run_installed(installed, code, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert [Path(line).is_relative_to(installed) for line in done.stdout.splitlines()] == [True, True]


@pytest.mark.parametrize("part", PARTS)
def test_the_folders_of_the_checkout_are_no_packages_of_an_installed_copy(
    part: str, installed: Path, tmp_path: Path
) -> None:
    done = run_installed(installed, f"import {part}", tmp_path)
    assert done.returncode == 1
    assert f"ModuleNotFoundError: No module named '{part}'" in done.stderr


def test_the_command_line_of_an_installed_copy_runs(installed: Path, tmp_path: Path) -> None:
    done = run_installed(
        installed, "from bridle.cli import main; sys.exit(main(['version', '--json']))", tmp_path
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert '"version": "0.1.0"' in done.stdout
    assert '"foreign": [], "missing_parts": []' in done.stdout
