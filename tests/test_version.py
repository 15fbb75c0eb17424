"""`bridle version`: what it says, and that a foreign package which takes our name is found and named."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from bridle.cli import shadow, version
from project import ROOT, run_bridle, run_python

MAIN = ROOT / "agent" / "bridle" / "cli" / "__main__.py"


def foreign(folder: Path, name: str = "bridle/__init__.py", text: str = "") -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, "utf-8")
    return file


def test_json_has_every_fact() -> None:
    done = run_bridle("version", "--json")
    facts = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert set(facts) == {
        "version",
        "python",
        "implementation",
        "platform",
        "extras",
        "foreign",
        "missing_parts",
    }
    assert facts["python"] == sys.version.split()[0]
    assert facts["foreign"] == []
    assert facts["missing_parts"] == []


def test_text_names_each_extra() -> None:
    lines = CliRunner().invoke(version.command).stdout.splitlines()
    assert lines[0] == f"bridle {version.bridle_version()}"
    assert [line.split()[1] for line in lines[3:]] == [f"{extra}:" for extra in version.EXTRAS]


def test_a_package_that_is_not_installed_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(version, "EXTRAS", {"odd": ("no-such-distribution",)})
    assert version.describe()["extras"] == {"odd": {"no-such-distribution": None}}
    assert "extra odd: no-such-distribution missing" in CliRunner().invoke(version.command).stdout


def test_a_foreign_package_which_lets_us_in_is_named(tmp_path: Path) -> None:
    text = "from pkgutil import extend_path\n__path__ = extend_path(__path__, __name__)\n"
    file = foreign(tmp_path, text=text)
    script = "import sys; sys.path.insert(0, sys.argv.pop(1)); from bridle.cli import main; sys.exit(main())"
    done = run_python("-c", script, str(tmp_path), "version")
    assert done.returncode == 0
    assert done.stderr.startswith(f"warning: {file} is not of this program")


def test_a_part_that_cannot_be_found_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadow, "PARTS", ("cli", "nowhere"))
    result = CliRunner().invoke(version.command, standalone_mode=False)
    assert result.return_value == 1
    assert result.stderr == "error: these parts of bridle cannot be imported: nowhere\n"


@pytest.mark.parametrize("name", ["bridle/__init__.py", "bridle.py"])
def test_run_by_path_it_names_who_hides_it(name: str, tmp_path: Path) -> None:
    file = foreign(tmp_path, name)
    done = run_python(str(MAIN), "version", env={"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 1
    assert done.stderr == f"error: {file} hides the parts of this program\nhint: {shadow.remedy(file)}\n"
    assert f"take {str(tmp_path)!r} off Python's path" in done.stderr


def test_the_project_that_installed_a_foreign_file_is_named(tmp_path: Path) -> None:
    file = foreign(tmp_path)
    foreign(tmp_path, "other-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    assert "delete it, or take" in shadow.remedy(file)
    foreign(tmp_path, "other-1.0.dist-info/RECORD", "bridle/__init__.py,,\n")
    assert shadow.remedy(file) == "pip uninstall other"


def test_a_stray_file_among_our_own_is_to_be_deleted(tmp_path: Path) -> None:
    file = foreign(tmp_path)
    foreign(tmp_path, "bridle/cli/__init__.py")
    assert shadow.remedy(file) == "delete it"


def test_run_by_path_without_our_parts_the_fault_is_shown() -> None:
    done = run_python("-S", str(MAIN), "version", env={"PYTHONPATH": ""})
    assert done.returncode == 1
    assert "ModuleNotFoundError: No module named 'bridle'" in done.stderr


def test_a_fault_of_another_package_is_not_blamed_on_a_namesake(tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("import no_such_module", "utf-8")
    parts = run_python("-c", "import os; print(os.environ['PYTHONPATH'])").stdout.strip()
    done = run_python(str(MAIN), env={"PYTHONPATH": f"{tmp_path}:{parts}"})
    assert done.returncode == 1
    assert done.stderr.endswith("ModuleNotFoundError: No module named 'no_such_module'\n")


@given(st.lists(st.sampled_from(["none", "package", "module", "absent"]), max_size=6))
def test_each_foreign_file_is_found_once_in_order(
    tmp_path_factory: pytest.TempPathFactory, kinds: list[str]
) -> None:
    root = tmp_path_factory.mktemp("path")
    path: list[str] = []
    expected: list[Path] = []
    for number, kind in enumerate(kinds):
        folder = root / str(number)
        path += [str(folder), str(folder)]
        if kind != "absent":
            folder.mkdir()
        if kind in {"package", "module"}:
            expected.append(foreign(folder, {"package": "bridle/__init__.py", "module": "bridle.py"}[kind]))
    assert shadow.find_foreign(path) == expected


def test_a_plain_module_of_our_name_has_no_parts(tmp_path: Path) -> None:
    foreign(tmp_path, "bridle.py")
    code = "import sys; sys.path.insert(0, sys.argv[1]); import shadow; print(len(shadow.missing_parts()))"
    env = {"PYTHONPATH": str(MAIN.parent)}
    done = run_python("-c", code, str(tmp_path), env=env)
    assert (done.returncode, done.stdout.strip()) == (0, str(len(shadow.PARTS)))
