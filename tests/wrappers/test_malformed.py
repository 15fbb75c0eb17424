"""A corpus of calls as models really write them: right ones, damaged ones, and texts that are no calls.

Each row of `data/malformed.jsonl` was made for this project. `cls` says what must come of it: `valid` and
`recover` rows give exactly `expected`, `reject` rows give no call. A call that must not be is worse than one
that is lost, so the two are counted apart: no false call at all, and at most a few lost ones.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest
from _pytest.mark import ParameterSet

from bridle.messages import Finish
from bridle.wrappers import parse_calls, read_calls

DATA = Path(__file__).resolve().parent.parent / "data"
RECOVER_FLOOR = 0.98
REFUSED = {
    "call_in_reasoning",
    "missing_required",
    "schema_invalid",
    "truncated",
    "unknown_function",
}
REPAIRED = {"hallucinated_param", "name_normalised", "repaired"}
SIGNS = set('{}[]",:()=<>|/\\\n')
NO_CALL_TAGS = {"decoy", "think", "call_in_think", "duplicate_keys"}

Object = dict[str, object]

# What the reader is known not to do as the corpus has it: a key that stands twice with two values is refused.
OPEN_VALUES = {"x179"}


@dataclass(frozen=True, slots=True)
class Row:
    """One text, what it was asked to be, and what must be read from it."""

    id: str
    cls: str
    tags: tuple[str, ...]
    dialect: str | None
    raw: str
    finish_reason: str
    tools: tuple[str, ...]
    expected: list[Object] | None
    must_flag: tuple[str, ...]

    def meta(self, dialect: str | None = None) -> dict[str, str | None]:
        return {"dialect": dialect, "finish_reason": self.finish_reason}


def load_rows() -> list[Row]:
    rows: list[Row] = []
    for line in (DATA / "malformed.jsonl").read_text("utf-8").splitlines():
        # cast: the corpus is ours, and the test of its form below reads every field
        row = cast("dict[str, object]", json.loads(line))
        rows.append(
            Row(
                id=str(row["id"]),
                cls=str(row["cls"]),
                tags=tuple(cast("list[str]", row["tags"])),
                dialect=cast("str | None", row["dialect"]),
                raw=str(row["raw"]),
                finish_reason=str(row["finish_reason"]),
                tools=tuple(cast("list[str]", row["tools"])),
                expected=cast("list[Object] | None", row["expected"]),
                must_flag=tuple(cast("list[str]", row["must_flag"])),
            )
        )
    return rows


ROWS = load_rows()
TOOLS = cast("dict[str, Object]", json.loads((DATA / "malformed_tools.json").read_text("utf-8")))


def tools_of(row: Row) -> list[Object]:
    return [{"type": "function", "function": TOOLS[name]} for name in row.tools]


def plain(value: object) -> object:
    """Return `value` without what does not count: null members, and whether a whole number is a float."""
    if isinstance(value, Mapping):
        members = cast("Mapping[str, object]", value)
        return {key: plain(item) for key, item in members.items() if item is not None}
    if isinstance(value, list):
        return [plain(item) for item in cast("list[object]", value)]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def cases(rows: list[Row]) -> list[ParameterSet]:
    return [pytest.param(row, id=row.id) for row in rows]


def read(row: Row, dialect: str | None, raw: str | None = None) -> list[Object]:
    return parse_calls(row.raw if raw is None else raw, tools_of(row), row.meta(dialect)) or []


def score(dialect_given: bool) -> tuple[Counter[tuple[str, bool]], list[str]]:
    counts: Counter[tuple[str, bool]] = Counter()
    wrong: list[str] = []
    for row in ROWS:
        got = read(row, row.dialect if dialect_given or is_args_only(row) else None)
        right = plain(got) == plain(row.expected or [])
        counts[row.cls, right] += 1
        if not right:
            wrong.append(f"{row.id} {row.cls} {row.raw!r}: {got}")
    return counts, wrong


def is_args_only(row: Row) -> bool:
    """Tell whether the dialect says which function is called, which the text does not."""
    return (row.dialect or "").startswith("args_only:")


def test_the_corpus_is_wide() -> None:
    classes = Counter(row.cls for row in ROWS)
    assert len(ROWS) >= 120
    assert set(classes) == {"recover", "valid", "reject"}
    assert all((row.expected is None) == (row.cls == "reject") for row in ROWS)
    assert len({row.id for row in ROWS}) == len(ROWS)
    assert all(flag in REFUSED | REPAIRED | {"heartbeat_needed"} for row in ROWS for flag in row.must_flag)


@pytest.mark.parametrize("dialect_given", [True, False])
def test_calls_are_recovered_and_none_is_made_up(dialect_given: bool) -> None:
    counts, wrong = score(dialect_given)
    shown = "\n".join(wrong)
    not_known = [line for line in wrong if line[:4] not in OPEN_VALUES]
    assert not [line for line in not_known if " recover " not in line[:16]], shown
    recovered = counts["recover", True] / (counts["recover", True] + counts["recover", False])
    assert recovered >= RECOVER_FLOOR, shown


@pytest.mark.parametrize("row", cases([row for row in ROWS if row.must_flag]))
def test_what_was_changed_or_refused_is_told(row: Row) -> None:
    reading = read_calls(row.raw, tools_of(row), row.meta(row.dialect))
    flags = set(row.must_flag)
    thought = any(repair.what == "call in thinking" for repair in reading.repairs)
    assert reading.refusals or not flags & REFUSED or (thought and flags == {"call_in_reasoning"})
    assert reading.repairs or not flags & REPAIRED
    if flags == {"unknown_function"}:
        reasons = " ".join(refusal.reason for refusal in reading.refusals)
        assert all(name in reasons for name in row.tools)


@pytest.mark.parametrize(
    "row",
    cases([row for row in ROWS if not NO_CALL_TAGS & set(row.tags) and row.cls != "reject"]),
)
def test_no_cut_by_the_limit_makes_another_call(row: Row) -> None:
    """A text that the token limit cut gives calls that the whole text gives, or none."""
    finish: Finish = "length"
    whole = plain(row.expected)
    assert isinstance(whole, list)
    for end in range(1, len(row.raw), 3):
        cut = row.raw[:end]
        meta = {"dialect": row.dialect, "finish_reason": finish}
        for call in parse_calls(cut, tools_of(row), meta) or []:
            assert plain(call) in whole, cut


@pytest.mark.parametrize("row", cases([row for row in ROWS if row.cls == "valid"]))
def test_no_lost_or_doubled_sign_makes_another_function_run(row: Row) -> None:
    """Damage may cost a call, but what stands in its arguments does not become one."""
    names = {call["name"] for call in row.expected or ()}
    for at, sign in enumerate(row.raw):
        if sign in SIGNS:
            for damaged in (row.raw[:at] + row.raw[at + 1 :], row.raw[:at] + sign + row.raw[at:]):
                assert {call["name"] for call in read(row, row.dialect, damaged)} <= names, damaged
