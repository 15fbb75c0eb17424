"""Searching what was said and noted: what is found, in which order, on which page."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_scripts import NOW
from bridle.agent.prompt import COMPACT
from bridle.agent.state import Record, new_state
from bridle.agent.store import Store, Transaction
from bridle.agent.store.recall import PAGE_SIZE, Hit, Page, read_days, render_page
from bridle.errors import InputError


@pytest.fixture
def step(tmp_path: Path) -> Iterator[Transaction]:
    """A step of an agent, next to another agent who has the same words in store."""
    with Store(tmp_path) as store:
        other = store.create(new_state("other", COMPACT))
        with store.transaction(other) as transaction:
            transaction.insert("the spare key of others", NOW)
            transaction.record(Record("user", "the spare key of others", NOW), 1)
            transaction.save(other)
        state = store.create(new_state("ada", COMPACT))
        with store.transaction(state) as transaction:
            transaction.save(state)
            yield transaction


def found(page: Page) -> list[str]:
    return [hit.text for hit in page.hits]


def test_a_question_finds_the_note_that_answers_it(step: Transaction) -> None:
    for note in ("the spare key is under the blue pot", "the meeting is on Thursday", "I like potatoes"):
        step.insert(note, NOW)
    page = step.find_passages("Where is the spare key?", 0)
    assert (found(page), page.total) == (["the spare key is under the blue pot"], 1)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("keys", "the spare key"),
        ("meetings", "we are meeting at noon"),
        ("cafe", "the café at the corner"),
        ("CAFÉ", "the cafe at the corner"),
        ("cafe\u0301", "the café at the corner"),
        ("wi-fi", "the wi-fi password is 123"),
        ("boss", "Boss: Margaret Hale"),
        ("berg", "I live in Bergen"),
        ("what", "what"),
    ],
)
def test_words_are_found_in_their_other_forms(step: Transaction, query: str, text: str) -> None:
    step.insert(text, NOW)
    step.insert("something else entirely", NOW)
    assert found(step.find_passages(query, 0)) == [text]


def test_the_better_match_comes_first(step: Transaction) -> None:
    for note in ("a red car", "a blue pot", "the blue car", "a bicycle"):
        step.insert(note, NOW)
    assert found(step.find_passages("blue car", 0))[0] == "the blue car"
    assert step.find_passages("blue car", 0).total == 3


def test_a_whole_word_is_better_than_the_beginning_of_one(step: Transaction) -> None:
    step.insert("potatoes", NOW)
    step.insert("the pot", NOW)
    assert found(step.find_passages("pot", 0)) == ["the pot"]


@pytest.mark.parametrize("query", ["", " ", "%", '"', "' OR 1=1 --", "* ^ : ( ) - +", "\0"])
def test_a_query_without_words_lists_the_newest_first(step: Transaction, query: str) -> None:
    for note in ("first", "second", "third"):
        step.insert(note, NOW)
    page = step.find_passages(query, 0)
    wanted = [] if query == "' OR 1=1 --" else ["third", "second", "first"]
    assert (found(page), page.total) == (wanted, len(wanted))


@pytest.mark.parametrize(
    "query", ["NEAR(a b)", "text:key", '"key', "key*", "-key", "key AND", "NOT key", "{key}"]
)
def test_operators_are_plain_text(step: Transaction, query: str) -> None:
    step.insert("the spare key", NOW)
    step.insert("100 % cotton", NOW)
    assert found(step.find_passages(query, 0)) == ([] if query.startswith("NEAR") else ["the spare key"])


def test_pages_have_the_true_total_and_no_hit_twice(step: Transaction) -> None:
    for number in range(12):
        step.insert(f"note number {number}", NOW)
    pages = [step.find_passages("note", number) for number in range(4)]
    assert [len(page.hits) for page in pages] == [PAGE_SIZE, PAGE_SIZE, 2, 0]
    assert {page.total for page in pages} == {12}
    assert len({text for page in pages for text in found(page)}) == 12
    assert step.find_passages("note", 10**30).hits == ()


def test_a_very_long_query_is_searched(step: Transaction) -> None:
    step.insert("the spare key", NOW)
    assert step.find_passages("key " + " ".join(f"word{number}" for number in range(5000)), 0).total == 1


@given(st.text(max_size=60))
def test_no_query_breaks_the_search(tmp_path_factory: pytest.TempPathFactory, query: str) -> None:
    step = _shared_step(tmp_path_factory)
    page = step.find_passages(query, 0)
    assert page.total >= len(page.hits)
    assert step.find_messages(query, 3, 9).total >= 0


_SHARED: list[tuple[Store, Transaction]] = []


def _shared_step(factory: pytest.TempPathFactory) -> Transaction:
    """One step for all examples of a property; it ends with the tests."""
    if not _SHARED:
        store = Store(factory.mktemp("search"))
        state = store.create(new_state("ada", COMPACT))
        with store.transaction(state) as transaction:
            transaction.insert("the spare key is under the blue pot 100 %", NOW)
            transaction.save(state)
        _SHARED.append((store, transaction))
    return _SHARED[0][1]


@pytest.fixture(autouse=True, scope="module")
def close_shared() -> Iterator[None]:
    yield
    while _SHARED:
        _SHARED.pop()[0].close()


def test_both_sides_of_the_conversation_are_found_but_not_the_present_turn(step: Transaction) -> None:
    step.record(Record("user", "my cat is called Miro", NOW), 1)
    step.record(Record("assistant", "Miro is a nice name for a cat", NOW), 1)
    step.record(Record("user", "what did I say about my cat?", NOW), 2)
    page = step.find_messages("cat", 0, 2)
    assert {(hit.role, hit.day) for hit in page.hits} == {("user", "2026-11-20"), ("assistant", "2026-11-20")}
    assert page.total == 2
    assert step.find_messages("", 0, 2).hits[0].role == "assistant"


def test_days_are_inclusive_and_those_of_the_users_clock(step: Transaction) -> None:
    late = datetime(2026, 11, 3, 23, 59, 59, tzinfo=timezone(timedelta(hours=-9)))
    for number, at in enumerate((late, late + timedelta(seconds=1), late + timedelta(days=2))):
        step.record(Record("user", f"message {number}", at), 1)
    one = step.find_messages_by_day(("2026-11-03", "2026-11-03"), 0, 9)
    assert (found(one), one.total) == (["message 0"], 1)
    both = step.find_messages_by_day(("2026-11-03", "2026-11-04"), 0, 9)
    assert found(both) == ["message 0", "message 1"]
    assert step.find_messages_by_day(("2026-11-03", "2026-11-05"), 0, 1).total == 0
    assert step.find_messages_by_day(("0001-01-01", "9999-12-31"), 0, 9).total == 3


@pytest.mark.parametrize(
    "text", ["yesterday", "2026-13-01", "2026-02-30", "20261103", "2026-W01-1", "", "٢٠٢٦-١١-٠٣"]
)
def test_what_is_no_date_is_named(text: str) -> None:
    with pytest.raises(InputError, match="is not a date"):
        read_days(text, "2026-11-03")


def test_days_must_be_in_order() -> None:
    assert read_days(" 2026-11-03", "2026-11-03 ") == ("2026-11-03", "2026-11-03")
    with pytest.raises(InputError, match="the first day 2026-11-04 is after the last day 2026-11-03"):
        read_days("2026-11-04", "2026-11-03")


@pytest.mark.parametrize(
    ("page", "text"),
    [
        (Page((), 0, 0), "No results."),
        (Page((), 0, 3), "No results."),
        (Page((), 7, 2), "No results on page 2; there are 7 results."),
        (Page((), 1, 1), "No results on page 1; there is 1 result."),
        (Page((Hit("Boss is\n Margaret  Hale"),), 1, 0), "1 of 1:\n- Boss is Margaret Hale"),
        (
            Page((Hit("a", "user", "2026-11-03"), Hit("b", "assistant", "2026-11-04")), 7, 1),
            "2 of 7:\n- [2026-11-03] user: a\n- [2026-11-04] assistant: b",
        ),
        (Page((Hit("x" * 500),), 1, 0), "1 of 1:\n- " + "x" * 399 + "…"),
    ],
)
def test_a_page_as_the_model_sees_it(page: Page, text: str) -> None:
    assert render_page(page) == text
