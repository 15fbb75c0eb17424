"""The example of docs/store.md runs."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from agent_scripts import NOW
from bridle.agent.prompt import COMPACT
from bridle.agent.state import Record, new_state
from bridle.agent.store import SCHEMA_VERSION, Store
from bridle.agent.store.ranking import MOST_RANKED
from project import ROOT
from store_scripts import say

PAGE = (ROOT / "docs" / "store.md").read_text("utf-8")


def test_the_example_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Store(tmp_path) as store:
        for name in ("default", "work"):
            store.create(new_state(name, COMPACT))
        say(store, "default", Record("user", "I like green tea.", NOW))
        say(store, "default", Record("user", "I like cats.", NOW + timedelta(days=1)))
        store.write_block("default", "human", "Likes tea")
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(block, "docs/store.md", "exec"), {"home": tmp_path})
    first, second = capsys.readouterr().out.splitlines()
    assert first == "2026-11-20 user I like green tea."
    assert second.endswith("user  → Likes tea")
    with Store(tmp_path) as store:
        work = store.load("work")
        assert work is not None
        assert work.core.block("team").value == "We meet on Mondays."


def test_the_page_has_the_numbers_of_the_program() -> None:
    assert f"now {SCHEMA_VERSION})" in PAGE
    assert f"Beyond {MOST_RANKED:,} matches" in PAGE
    assert len(PAGE.splitlines()) <= 80
