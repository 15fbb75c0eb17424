"""Imports go one way, and what is heavy is imported in one place. Read from the source, not by running it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from project import modules, run_python

# A module may import from its own part, and from parts of a lower rank.
RANKS: Mapping[str, int] = {
    "messages": 0,
    "errors": 0,
    "wrappers": 1,
    "grammars": 2,
    "endpoints": 3,
    "agent": 4,
    "bench": 5,
    "server": 5,
    "integrations": 5,
    "cli": 6,
}
BASE = {"messages", "errors"}

# Who may import what is heavy (a module or a part): at the top of a module, or only in a function.
TOP, LAZY = "top", "lazy"
HEAVY: Mapping[str, Mapping[str, str]] = {
    "requests": {"bridle.endpoints": TOP, "bridle.agent": LAZY},
    "openai": {"bridle.endpoints": LAZY},
    "jinja2": {"bridle.wrappers": TOP},
    "jsonschema": {"bridle.wrappers": TOP, "bridle.grammars": TOP},
    "numpy": {
        "bridle.endpoints.llamacpp": TOP,
        "bridle.grammars.engines": TOP,
        "bridle.agent.archival.vectors": TOP,
        "bridle.agent": LAZY,
        "bridle.bench": LAZY,
    },
    "llama_cpp": {"bridle.endpoints": LAZY},
    "llguidance": {"bridle.endpoints": LAZY, "bridle.grammars": LAZY},
    "outlines": {"bridle.grammars": LAZY, "bridle.endpoints": LAZY},
    "websockets": {"bridle.endpoints": LAZY},
    "prompt_toolkit": {"bridle.cli.chat.editor": TOP, "bridle.cli": LAZY},
    "pymilvus": {"bridle.agent.archival": LAZY},
    "psycopg": {"bridle.agent": LAZY},
    "chromadb": {"bridle.agent.archival": LAZY},
    "pypdfium2": {"bridle.agent.loading": LAZY},
    "docx": {"bridle.agent.loading": LAZY},
    "bs4": {"bridle.agent.loading": LAZY},
    "mcp": {"bridle.agent": LAZY},
    "rich": {"bridle.cli": LAZY},
    "click": {"bridle.cli": TOP},
    "platformdirs": {"bridle": TOP},
    "torch": {},
    "gguf": {},
    "hypothesis": {},
    "pytest": {},
}


class Import(NamedTuple):
    """One imported module, where it stands, and whether it is run when the importing module is."""

    target: str
    line: int
    at_top: bool


def imports(source: str, module: str, *, is_package: bool) -> Iterator[Import]:
    """Yield every import of a source text; those for the type checker alone are left out.

    >>> [i.target for i in imports("from .a import b", "p.q.r", is_package=False)]
    ['p.q.a.b']
    """
    yield from _walk(ast.parse(source).body, module.split(".") + ([""] if is_package else []), at_top=True)


def _walk(body: list[ast.stmt], place: list[str], *, at_top: bool) -> Iterator[Import]:
    for node in body:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno, at_top)
        elif isinstance(node, ast.ImportFrom):
            base = place[: len(place) - node.level] if node.level else []
            prefix = [*base, *([node.module] if node.module else [])]
            for alias in node.names:
                yield Import(".".join([*prefix, alias.name]), node.lineno, at_top)
        elif not _for_types_only(node):
            inside = at_top and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            for child in _blocks(node):
                yield from _walk(child, place, at_top=inside)


def _for_types_only(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _blocks(node: ast.stmt) -> Iterator[list[ast.stmt]]:
    for name in ("body", "orelse", "finalbody"):
        block = getattr(node, name, None)
        if isinstance(block, list):
            yield block
    for handler in getattr(node, "handlers", []):
        yield handler.body
    for case in getattr(node, "cases", []):
        yield case.body


def part_of(module: str) -> str:
    """Return the part that a module of bridle belongs to: `bridle.cli.chat` is of `cli`."""
    return module.split(".")[1] if "." in module else ""


def wrong_arrows(found: list[Import], module: str) -> list[str]:
    """Return the imports that point at the same rank of another part, or upwards."""
    here = part_of(module)
    wrong: list[str] = []
    for item in found:
        if item.target.split(".")[0] != "bridle":
            continue
        there = part_of(item.target)
        allowed = there == here or {here, there} <= BASE or RANKS.get(there, 99) < RANKS[here]
        if not allowed:
            wrong.append(f"line {item.line}: {item.target}")
    return wrong


def wrong_heavy(found: list[Import], module: str) -> list[str]:
    """Return the imports of heavy packages that this module may not make, or not at its top."""
    wrong: list[str] = []
    for item in found:
        package = item.target.split(".")[0]
        if package not in HEAVY:
            continue
        rules = [how for place, how in HEAVY[package].items() if f"{module}.".startswith(f"{place}.")]
        if not rules or (item.at_top and TOP not in rules):
            wrong.append(f"line {item.line}: {package}{' at the top' if rules else ''}")
    return wrong


def imports_of(name: str, file: Path) -> list[Import]:
    return list(imports(file.read_text("utf-8"), name, is_package=file.name == "__init__.py"))


MODULES = dict(modules())


def test_every_part_has_a_rank() -> None:
    assert {part_of(name) for name in MODULES} <= set(RANKS)


@pytest.mark.parametrize("name", MODULES)
def test_imports_go_one_way(name: str) -> None:
    assert wrong_arrows(imports_of(name, MODULES[name]), name) == []


@pytest.mark.parametrize("name", MODULES)
def test_heavy_packages_are_imported_where_they_belong(name: str) -> None:
    assert wrong_heavy(imports_of(name, MODULES[name]), name) == []


def test_no_module_needs_itself_to_be_imported() -> None:
    graph = {name: _at_top(name) for name in MODULES}
    while leaves := [name for name, needs in graph.items() if not needs & set(graph)]:
        for name in leaves:
            del graph[name]
    assert graph == {}


def _at_top(name: str) -> set[str]:
    """Return the modules of bridle that are run before this one has been."""
    found: set[str] = set()
    for item in imports_of(name, MODULES[name]):
        if item.at_top:
            parent = item.target.rpartition(".")[0]
            found |= {target for target in (item.target, parent) if target in MODULES}
    # `from package import module` inside that package does not wait for the package.
    return {target for target in found if target != name and not name.startswith(f"{target}.")}


def test_every_part_is_imported_without_the_optional_packages() -> None:
    missing = ["bs4", "chromadb", "docx", "llama_cpp", "llguidance", "mcp", "numpy", "outlines"]
    missing += ["prompt_toolkit", "psycopg", "pymilvus", "pypdfium2"]
    parts = [name for name in MODULES if name.count(".") == 1]
    block = f"import sys; sys.modules.update(dict.fromkeys({missing!r}))"
    done = run_python("-c", f"{block}; import {', '.join(parts)}")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("bridle.wrappers.x", "from bridle.grammars import y"),
        ("bridle.wrappers.x", "def f():\n    import bridle.agent.loop"),
        ("bridle.bench.x", "from bridle.server import app"),
        ("bridle.errors", "try:\n    import os\nexcept ImportError:\n    from bridle.wrappers import x"),
        ("bridle.endpoints.x", "from ..cli import output"),
    ],
)
def test_an_arrow_that_points_up_is_found(module: str, source: str) -> None:
    assert len(wrong_arrows(list(imports(source, module, is_package=False)), module)) == 1


@pytest.mark.parametrize(
    ("module", "source", "count"),
    [
        ("bridle.endpoints.x", "import llama_cpp", 1),
        ("bridle.endpoints.x", "class A:\n    import numpy as np", 1),
        ("bridle.endpoints.x", "def f():\n    from llama_cpp import llama_decode", 0),
        ("bridle.endpoints.x", "if TYPE_CHECKING:\n    import numpy", 0),
        ("bridle.agent.x", "import requests", 1),
        ("bridle.endpoints.x", "match a:\n    case 1:\n        import torch", 1),
    ],
)
def test_a_heavy_import_out_of_place_is_found(module: str, source: str, count: int) -> None:
    assert len(wrong_heavy(list(imports(source, module, is_package=False)), module)) == count
