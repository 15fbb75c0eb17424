"""The page about grammars says what is true: its example runs, and its table has every bound."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from bridle.grammars import Bounds

PAGE = (Path(__file__).parents[2] / "docs" / "grammars.md").read_text(encoding="utf-8")


def test_the_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    exec(PAGE.split("```python\n", 1)[1].split("```", 1)[0], {})
    assert "root ::=" in capsys.readouterr().out


def test_every_bound_is_listed_with_its_default() -> None:
    for field in fields(Bounds):
        assert f"| `{field.name}` | {field.default} |" in PAGE
