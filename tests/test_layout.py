"""The four folders that make one package: no file makes it two, and every tool is told the same four."""

from __future__ import annotations

import ast
import doctest
import importlib
import re
import types
from pathlib import Path

import pytest

from bridle.cli.version import EXTRAS
from bridle.errors import MissingExtra
from project import PARTS, ROOT, modules, run_python, setting

MODULES = dict(modules())
IMPORTABLE = [name for name in MODULES if not name.endswith("__main__")]
LINE_LIMIT = 600


def strings(dotted: str) -> list[str]:
    value = setting(dotted)
    assert isinstance(value, list)
    return [str(item) for item in value]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def test_no_part_owns_the_namespace() -> None:
    assert [part for part in PARTS if (ROOT / part / "bridle" / "__init__.py").exists()] == []
    assert [part for part in PARTS if (ROOT / part / "__init__.py").exists()] == []


@pytest.mark.parametrize(
    ("key", "also"),
    [
        ("tool.hatch.build.dev-mode-dirs", []),
        ("tool.pytest.ini_options.pythonpath", ["tests"]),
        ("tool.mypy.mypy_path", ["tests"]),
        ("tool.mypy.files", ["tests"]),
        ("tool.pyright.include", ["tests"]),
        ("tool.pyright.extraPaths", ["tests"]),
        ("tool.ruff.src", ["tests"]),
        ("tool.coverage.run.source_dirs", []),
    ],
)
def test_every_tool_is_told_the_four_parts(key: str, also: list[str]) -> None:
    assert strings(key) == [*PARTS, *also]


@pytest.mark.parametrize("key", ["tool.hatch.build.targets.wheel.packages", "tool.ruff.namespace-packages"])
def test_every_tool_is_told_the_four_packages(key: str) -> None:
    assert strings(key) == [f"{part}/bridle" for part in PARTS]


def test_the_source_archive_names_only_what_exists_in_a_checkout() -> None:
    named = set(strings("tool.hatch.build.targets.sdist.only-include"))
    assert named >= {*PARTS, "tests", "pyproject.toml", "LICENSE"}


def test_types_are_marked_once_in_each_part() -> None:
    marked = {file.parent.relative_to(ROOT).as_posix() for file in ROOT.glob("*/bridle/**/py.typed")}
    packages = {folder.relative_to(ROOT).as_posix() for folder in ROOT.glob("*/bridle/*") if folder.is_dir()}
    expected = {name for name in packages if not name.endswith("__pycache__")}
    assert marked == {"wrappers/bridle", *expected}


def test_no_two_parts_own_the_same_file() -> None:
    files = [
        file.relative_to(ROOT / part).as_posix()
        for part in PARTS
        for file in (ROOT / part / "bridle").rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    ]
    assert len(files) == len(set(files))


def test_version_lists_the_extras_that_pyproject_declares() -> None:
    declared = setting("project.optional-dependencies")
    assert isinstance(declared, dict)
    extras = {
        str(name): tuple(_distribution(str(line)) for line in lines)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        for name, lines in declared.items()  # pyright: ignore[reportUnknownVariableType]
        if name not in {"all", "dev"}
    }
    assert extras == dict(EXTRAS)
    assert strings("project.optional-dependencies.all") == [f"bridle[{','.join(extras)}]"]


def _distribution(requirement: str) -> str:
    return re.split(r"[\[<>=!;]", requirement)[0].strip()


def test_links_between_pages_lead_somewhere() -> None:
    pages = [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        ROOT / "CHANGELOG.md",
        *(ROOT / "docs").rglob("*.md"),
    ]
    broken = [
        f"{page.relative_to(ROOT)}: {link}"
        for page in pages
        for link in re.findall(r"\]\(([^)#\s]+)", page.read_text("utf-8"))
        if "://" not in link and not (page.parent / link).exists()
    ]
    assert broken == []


def test_no_module_is_longer_than_a_reader_bears() -> None:
    lengths = {name: len(file.read_text("utf-8").splitlines()) for name, file in MODULES.items()}
    assert {name: length for name, length in lengths.items() if length > LINE_LIMIT} == {}


@pytest.mark.parametrize("name", IMPORTABLE)
def test_public_names_are_listed_and_exist(name: str) -> None:
    module = _import(name)
    listed = getattr(module, "__all__", None)
    assert listed is not None, f"{name} has no __all__"
    assert [item for item in listed if not hasattr(module, item)] == []
    assert sorted(_public(module) - set(listed)) == []


@pytest.mark.parametrize("name", IMPORTABLE)
def test_examples_in_docstrings_are_true(name: str) -> None:
    results = doctest.testmod(_import(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert results.failed == 0


def test_the_package_runs_without_being_installed() -> None:
    done = run_python(
        "-S", "-c", "import bridle.messages, bridle.errors; import bridle; print(bridle.__file__)"
    )
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "None", "")


def _import(name: str) -> types.ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("bridle"):
            raise
        pytest.skip(f"needs {error.name}, an optional package that is not installed")
    except MissingExtra as error:
        pytest.skip(error.message)


def _public(module: types.ModuleType) -> set[str]:
    return {
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and isinstance(value, type | types.FunctionType)
        and value.__module__ == module.__name__
    }


def functions_of(file: Path) -> dict[str, str]:
    """The functions at the top of a file, with what decorates them."""
    body = ast.parse(file.read_text("utf-8")).body
    found = [node for node in body if isinstance(node, ast.FunctionDef)]
    return {node.name: " ".join(map(ast.unparse, node.decorator_list)) for node in found}


def test_no_test_switches_off_what_all_tests_have_by_taking_its_name() -> None:
    common = ROOT / "tests" / "conftest.py"
    for_all = {name for name, how in functions_of(common).items() if "autouse=True" in how}
    assert "own_home" in for_all
    others = [file for file in (ROOT / "tests").rglob("*.py") if file != common]
    assert [file.name for file in others if for_all & functions_of(file).keys()] == []
