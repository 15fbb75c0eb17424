"""Which formats there are: ours, those of packages, and a user's own; a bad one breaks nothing else."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridle.errors import FormatError
from bridle.wrappers import format_files, get_wrapper, registry, user_folder
from bridle.wrappers.registry import builtin_format
from own_syntaxes import PLAIN_FORMAT

PLAIN = PLAIN_FORMAT.replace('"mine"', '"{name}"')


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the path whose distributions are looked through anew."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    importlib.invalidate_caches()
    registry._packages.cache_clear()  # pyright: ignore[reportPrivateUsage]
    yield tmp_path
    registry._packages.cache_clear()  # pyright: ignore[reportPrivateUsage]


def install(folder: Path, points: dict[str, str]) -> None:
    info = folder / "formats_of_others-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: formats-of-others\nVersion: 1.0\n", "utf-8")
    lines = ["[bridle.formats]", *(f"{name} = {value}" for name, value in points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n", "utf-8")


def test_a_package_brings_formats(packages: Path) -> None:
    module = packages / "others_formats"
    module.mkdir()
    (module / "__init__.py").write_text("", "utf-8")
    (module / "theirs.toml").write_text(PLAIN.format(name="theirs"), "utf-8")
    install(packages, {"others": "others_formats"})
    assert format_files()["theirs"].origin == "others"
    assert get_wrapper("theirs").format.title == "Mine"
    sys.modules.pop("others_formats", None)


def test_a_package_that_names_nothing_breaks_nothing_else(packages: Path) -> None:
    install(packages, {"broken": "no_such_package_of_formats"})
    assert get_wrapper("chatml").name == "chatml"
    with pytest.raises(FormatError, match="entry point 'broken'"):
        get_wrapper("broken")


def test_a_users_own_format_wins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(registry, "user_folder", lambda: tmp_path)
    (tmp_path / "chatml.toml").write_text(PLAIN.format(name="chatml"), "utf-8")
    (tmp_path / "bad.toml").write_text("colour = 1", "utf-8")
    assert format_files()["chatml"].origin == "you"
    assert get_wrapper("chatml").format.generation == "A:"
    assert get_wrapper("hermes").name == "hermes"
    with pytest.raises(FormatError, match="colour"):
        get_wrapper("bad")


def test_a_file_is_called_what_its_format_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(registry, "user_folder", lambda: tmp_path)
    (tmp_path / "mine.toml").write_text(PLAIN.format(name="yours"), "utf-8")
    with pytest.raises(FormatError, match="name is 'yours'"):
        get_wrapper("mine")


def test_the_users_folder_lies_with_the_config() -> None:
    assert user_folder().name == "formats"
    assert user_folder().parent.name == "bridle"


def test_an_unknown_built_in_format_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        builtin_format("nothing")
