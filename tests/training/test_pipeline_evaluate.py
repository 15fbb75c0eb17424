"""Scores of the embedded model: what counts as right, and how sure a share is."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridle.messages import ToolCall
from project import ROOT

sys.path.append(str(ROOT / "training"))
evaluate: Any = pytest.importorskip("evaluate")
generate: Any = pytest.importorskip("generate")


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_holds_the_share(counted: tuple[int, int]) -> None:
    count, n = counted
    low, high = evaluate.wilson(count, n)
    assert 0 <= low <= count / n + 1e-12
    assert count / n - 1e-12 <= high <= 1
    assert high - low <= evaluate.wilson(n // 2, n)[1] - evaluate.wilson(n // 2, n)[0] + 1e-9


def test_right_answers_score_and_wrong_ones_are_told() -> None:
    cases = [group[0] for group in islice(generate.groups(5, "entities", generate.KINDS[0]), 4)]
    answers: Iterator[ToolCall | None] = iter(
        [cases[0].call, ToolCall("nothing_like_it"), None, cases[3].call]
    )
    wrong: list[str] = []

    def ask(case: object, held: bool) -> ToolCall | None:
        return next(answers)

    total = evaluate.score(cases, ask, False, wrong)
    assert (total.n, total.valid, total.function, total.exact) == (4, 3, 2, 2)
    assert len(wrong) == 2
    assert "no call" in wrong[1]


def test_handwritten_lines_become_cases(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"memory": ["Name: Ada"], "persona": "My name is Kit.", "user": "hello", "function": "send_message"},
        {
            "memory": [],
            "history": [{"user": "hi", "assistant": "Hello!"}],
            "user": "I live in Bonn",
            "function": "core_memory_append",
            "contains": {"content": "bonn"},
        },
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n", "utf-8")
    found = evaluate.handwritten(path)
    first, second = (case for case, _ in found)
    assert first.core.block("persona").value == "My name is Kit."
    assert first.core.block("human").lines == ("Name: Ada",)
    assert [message.role for message in second.history] == ["user", "assistant", "tool", "user"]
    wrong: list[str] = []

    def ask(case: object, held: bool) -> ToolCall:
        return ToolCall("core_memory_append", {"content": "Lives in: Bonn"})

    total = evaluate.score_handwritten(found, ask, False, wrong)
    assert (total.valid, total.function, total.exact) == (2, 1, 1)
    assert len(wrong) == 1
