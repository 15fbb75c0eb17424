"""Find a `bridle` of other people that stands before ours.

`bridle` is a namespace package: its parts may lie in several folders, and none has a `bridle/__init__.py`. A
folder on `sys.path` that does have one (another project of that name, a stray file) takes the whole name, and
our parts can no longer be imported. This module imports nothing of `bridle`, so that it still works then.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

__all__ = ["PARTS", "find_foreign", "missing_parts", "remedy"]

PARTS = ("messages", "errors", "wrappers", "grammars", "endpoints", "agent", "cli")


def find_foreign(path: Sequence[str] | None = None) -> list[Path]:
    """Return each `bridle/__init__.py` or `bridle.py` on `path` (default `sys.path`), first found first."""
    found: list[Path] = []
    for entry in sys.path if path is None else path:
        folder = Path(entry).absolute()
        for file in (folder / "bridle" / "__init__.py", folder / "bridle.py"):
            if file.is_file() and file not in found:
                found.append(file)
    return found


def missing_parts() -> list[str]:
    """Return the parts of `bridle` that cannot be found by an import now."""
    return [part for part in PARTS if not _can_find(f"bridle.{part}")]


def remedy(file: Path) -> str:
    """Say what to do about one foreign file: who installed it is asked to go, else the file or its folder."""
    entry = file.parent.parent if file.name == "__init__.py" else file.parent
    owner = _owner(file.relative_to(entry).as_posix(), entry)
    if owner:
        return f"pip uninstall {owner}"
    if (entry / "bridle" / "cli").is_dir():  # it lies among our own files: their folder must stay
        return "delete it"
    return f"delete it, or take {str(entry)!r} off Python's path (PYTHONPATH)"


def _owner(name: str, entry: Path) -> str:
    for distribution in metadata.distributions(path=[str(entry)]):
        if any(file.as_posix() == name for file in distribution.files or ()):
            return distribution.name
    return ""


def _can_find(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # `bridle` itself is missing, or is a plain module without parts
        return False
