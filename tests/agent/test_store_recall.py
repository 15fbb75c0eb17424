"""Searching what was said: what is found, in which order, on which page, and what is never found."""

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
from bridle.agent.store import Store
from bridle.agent.store.messages import SEARCHES
from bridle.agent.store.ranking import MOST_RANKED
from bridle.agent.store.recall import PAGE_SIZE, Hit, Page, read_days, render_page
from bridle.agent.store.words import MOST_WORDS, words
from bridle.errors import InputError
from bridle.messages import Role
from store_scripts import rows, say


class Talk:
    """A conversation with an agent, next to another agent who has the same words in store.

    What `say` adds was said on a day of its own, so that nothing else was said just before it.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.days = 0
        for name in ("ada", "other"):
            store.create(new_state(name, COMPACT))
        self.add(Record("user", "the spare key of others: g1 g2 r1", NOW), name="other")

    def add(self, *said: Record, turn: int = 1, name: str = "ada") -> None:
        say(self.store, name, *said, turn=turn)

    def say(self, *texts: str, role: Role = "user", name: str = "", turn: int = 1) -> None:
        for text in texts:
            self.days += 1
            self.add(Record(role, text, NOW + timedelta(days=self.days), name), turn=turn)

    def find(self, query: str, page: int = 0, before_turn: int | None = None) -> Page:
        return self.store.find_messages("ada", query, page, before_turn)

    def found(self, query: str) -> list[str]:
        return [hit.text for hit in self.find(query).hits]


@pytest.fixture
def talk(tmp_path: Path) -> Iterator[Talk]:
    with Store(tmp_path) as store:
        yield Talk(store)


def test_a_question_finds_the_message_that_answers_it(talk: Talk) -> None:
    talk.say("the spare key is under the blue pot", "the meeting is on Thursday", "I like potatoes")
    page = talk.find("Where is the spare key?")
    assert [hit.text for hit in page.hits] == ["the spare key is under the blue pot"]
    assert page.total == 1


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
        ("東京", "東京に住んでいます"),
        ("what", "what"),
    ],
)
def test_words_are_found_in_their_other_forms(talk: Talk, query: str, text: str) -> None:
    talk.say(text, "something else entirely")
    assert talk.found(query) == [text]


def test_the_better_match_comes_first(talk: Talk) -> None:
    talk.say("a red car", "a blue pot", "the blue car", "a bicycle")
    assert talk.found("blue car")[0] == "the blue car"
    assert talk.find("blue car").total == 3


def test_a_whole_word_is_better_than_the_beginning_of_one(talk: Talk) -> None:
    talk.say("potatoes", "the pot")
    assert talk.found("pot") == ["the pot"]
    assert talk.found("po") == []  # two letters begin too many words


@pytest.mark.parametrize("query", ["", " ", "\n"])
def test_an_empty_query_lists_the_newest_first(talk: Talk, query: str) -> None:
    talk.say("first", "second", "third")
    assert (talk.found(query), talk.find(query).total) == (["third", "second", "first"], 3)


@pytest.mark.parametrize("query", ["%", "_", '"', "' OR 1=1 --", "* ^ : ( ) - +", "\0", "\U0001f98a"])
def test_marks_find_what_holds_them_and_nothing_else(talk: Talk, query: str) -> None:
    talk.say("first", f"here: {query}", "third")
    found = [f"here: {query}"] if not query.isascii() or not any(c.isalnum() for c in query) else []
    assert talk.found(query) == (found or talk.found("OR 1=1"))
    talk.say("nothing of the kind")
    assert talk.find("%%%").total == 0


@pytest.mark.parametrize(
    "query", ["NEAR(a b)", "text:key", '"key', "key*", "-key", "key AND", "NOT key", "{key}"]
)
def test_operators_are_plain_text(talk: Talk, query: str) -> None:
    talk.say("the spare key", "a cotton bag")
    assert talk.found(query) == ([] if query.startswith("NEAR") else ["the spare key"])


@pytest.mark.parametrize("query", ["g1", "g2", "owner:g2", "g2 OR key", "r1 g1 g2"])
def test_an_agent_never_finds_what_another_was_told(talk: Talk, query: str) -> None:
    talk.say("nothing of that kind")
    assert talk.found(query) == []


def test_pages_have_the_true_total_and_no_hit_twice(talk: Talk) -> None:
    talk.say(*(f"note number {number}x" for number in range(12)))
    pages = [talk.find("note", number) for number in range(4)]
    assert [len(page.hits) for page in pages] == [PAGE_SIZE, PAGE_SIZE, 2, 0]
    assert {page.total for page in pages} == {12}
    assert len({hit.text for page in pages for hit in page.hits}) == 12
    assert talk.find("note", 10**30).hits == talk.find("", 10**30).hits == ()
    newest = [talk.find("", number) for number in range(4)]
    assert [hit.text for page in newest for hit in page.hits] == [
        f"note number {n}x" for n in range(11, -1, -1)
    ]
    assert {page.total for page in newest} == {12}


def test_a_very_long_query_is_searched(talk: Talk) -> None:
    talk.say("the spare key")
    assert talk.find("key " + " ".join(f"word{number}" for number in range(5000))).total == 1


@given(st.text(max_size=60))
def test_no_query_breaks_the_search(tmp_path_factory: pytest.TempPathFactory, query: str) -> None:
    talk = _shared_talk(tmp_path_factory)
    page = talk.find(query)
    assert page.total >= len(page.hits)
    assert talk.find(query, 3, 9).total >= 0


_SHARED: list[Talk] = []


def _shared_talk(factory: pytest.TempPathFactory) -> Talk:
    """One conversation for all examples of a property; it ends with the tests."""
    if not _SHARED:
        _SHARED.append(Talk(Store(factory.mktemp("search"))))
        _SHARED[0].say("the spare key is under the blue pot 100 %")
    return _SHARED[0]


@pytest.fixture(autouse=True, scope="module")
def close_shared() -> Iterator[None]:
    yield
    while _SHARED:
        _SHARED.pop().store.close()


def test_both_sides_of_the_conversation_are_found_but_not_the_present_turn(talk: Talk) -> None:
    talk.add(
        Record("user", "my cat is called Miro", NOW),
        Record("assistant", "Miro is a nice name for a cat", NOW),
    )
    talk.add(Record("user", "what did I say about my cat?", NOW), turn=2)
    page = talk.find("cat", before_turn=2)
    assert {(hit.role, hit.day) for hit in page.hits} == {("user", "2026-11-20"), ("assistant", "2026-11-20")}
    assert page.total == talk.find("", before_turn=2).total == 2
    assert talk.find("", before_turn=2).hits[0].role == "assistant"
    assert talk.find("cat").total == talk.find("").total == 3


def test_an_answer_is_found_by_the_question_before_it(talk: Talk) -> None:
    talk.say("I bought a lamp", "the garden is large")
    talk.add(
        Record("assistant", "What is your dog called?", NOW), Record("user", "Ozymand, after a poem.", NOW)
    )
    talk.say("the dog is asleep")
    assert set(talk.found("what is the name of the dog that I have called?")[:3]) == {
        "What is your dog called?",
        "the dog is asleep",
        "Ozymand, after a poem.",
    }


def test_a_messages_own_words_count_more_than_those_before_it(talk: Talk) -> None:
    talk.add(Record("assistant", "one about the harbour", NOW), Record("user", "two about a lamp", NOW))
    assert talk.found("harbour") == ["one about the harbour", "two about a lamp"]
    assert talk.found("lamp") == ["two about a lamp"]


def test_what_was_said_the_day_before_does_not_belong_to_a_message(talk: Talk) -> None:
    talk.say("the harbour was cold", "good morning")
    assert talk.found("harbour") == ["the harbour was cold"]


@pytest.mark.parametrize("query", ["2026-12-01", "1 December", "on Tuesday", "December 2026"])
def test_a_message_is_found_by_its_day(talk: Talk, query: str) -> None:
    talk.add(Record("user", "we went to the harbour", datetime(2026, 12, 1, 9, tzinfo=NOW.tzinfo)))
    talk.add(Record("user", "we went swimming", datetime(2025, 4, 3, 9, tzinfo=NOW.tzinfo)))
    assert talk.found(query) == ["we went to the harbour"]


def test_may_is_a_month_only_where_it_looks_like_one(talk: Talk) -> None:
    talk.add(Record("user", "we went to the harbour", datetime(2026, 5, 8, 9, tzinfo=NOW.tzinfo)))
    for query in ("What happened in May?", "8 may", "May 2026"):
        assert talk.found(query) == ["we went to the harbour"], query
    assert talk.found("May I ask about cats?") == []


def test_a_speaker_is_found_by_name_and_shown(talk: Talk) -> None:
    talk.say("I prefer tea", name="Caroline")
    talk.say("I prefer coffee", name="Melanie")
    (hit,) = talk.find("What does Caroline prefer to drink in the garden of Caroline?").hits[:1]
    assert hit == Hit("I prefer tea", "Caroline", "2026-11-21")


def test_what_a_function_gave_is_found_after_what_was_said(talk: Talk) -> None:
    talk.say("line 7: the harbour opens at nine", role="tool", name="read_from_text_file")
    talk.say("somebody asked when that harbour might open its gates")
    hits = talk.find("harbour").hits
    assert [hit.role for hit in hits] == ["user", "read_from_text_file"]
    assert [hit.role for hit in talk.find("").hits] == ["user", "read_from_text_file"]
    assert talk.find("").total == 2
    assert talk.store.counts("ada").messages == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *((name, "1 of 1:\n- [2026-11-20] user: the harbour") for name in SEARCHES),
        ("core_memory_append", "OK"),
        ("lamp", "Failed: there is no harbour"),
        ("lamp", "None"),
        ("lamp", " "),
    ],
)
def test_what_is_not_worth_finding_is_in_the_log_alone(talk: Talk, name: str, text: str) -> None:
    talk.say(text, role="tool", name=name)
    assert talk.find("harbour OK failed none").total == talk.find("").total == 0
    assert talk.store.find_messages_by_day("ada", ("0001-01-01", "9999-12-31")).total == 0
    assert [(one.name, one.text) for one in talk.store.messages("ada")] == [(name, text)]


def test_what_was_taken_back_is_never_found(talk: Talk) -> None:
    talk.add(Record("user", "the harbour", NOW), Record("assistant", "a lighthouse", NOW), turn=1)
    talk.add(Record("user", "the secret word", NOW), Record("assistant", "a hidden reply", NOW), turn=2)
    talk.add(Record("user", "something else", NOW), turn=3)
    forget(talk.store, 2)
    for query in ("secret", "hidden", "reply word"):
        assert talk.find(query).total == 0, query
    assert [hit.text for hit in talk.find("").hits] == ["something else", "a lighthouse", "the harbour"]
    assert talk.find("").total == talk.store.counts("ada").messages == 3
    assert talk.store.find_messages_by_day("ada", ("2026-11-20", "2026-11-20")).total == 3
    assert [one.turn for one in talk.store.messages("ada")] == [1, 1, 3]
    assert talk.found("lighthouse") == ["a lighthouse", "something else"]  # which now comes after it
    assert talk.found("harbour") == ["the harbour", "a lighthouse"]
    forget(talk.store, 2)
    assert talk.find("").total == 3


def test_a_reply_alone_is_taken_back(talk: Talk) -> None:
    talk.add(Record("user", "hello", NOW), Record("assistant", "a wrong reply", NOW), turn=1)
    forget(talk.store, 1, "assistant")
    talk.add(Record("assistant", "a better reply", NOW), turn=1)
    assert talk.found("reply") == ["a better reply"]
    assert talk.found("wrong") == []
    assert [one.text for one in talk.store.messages("ada")] == ["hello", "a better reply"]


def forget(store: Store, turn: int, role: str | None = None) -> None:
    state = store.load("ada")
    assert state is not None
    with store.transaction(state) as transaction:
        transaction.forget(turn, role)
        transaction.save(state)


def test_the_index_is_made_anew_from_the_messages(tmp_path: Path, talk: Talk) -> None:
    talk.say("the harbour")
    talk.say("the harbour office", role="tool", name="read_from_text_file")
    talk.say("2 of 2: harbour", role="tool", name="conversation_search")
    talk.say("a secret harbour", turn=2)
    forget(talk.store, 2)
    before = (talk.find("harbour"), talk.find(""), rows(tmp_path, "SELECT * FROM totals"))
    with talk.store.writing() as connection:
        connection.execute("INSERT INTO messages_text (messages_text) VALUES ('delete-all')")
        connection.execute("UPDATE totals SET number = 99")
    assert talk.find("harbour").total == 0
    talk.store.rebuild_text()
    assert (talk.find("harbour"), talk.find(""), rows(tmp_path, "SELECT * FROM totals")) == before
    assert [hit.text for hit in before[0].hits] == ["the harbour", "the harbour office"]


def test_days_are_inclusive_and_those_of_the_users_clock(talk: Talk) -> None:
    late = datetime(2026, 11, 3, 23, 59, 59, tzinfo=timezone(timedelta(hours=-9)))
    for number, at in enumerate((late, late + timedelta(seconds=1), late + timedelta(days=2))):
        talk.add(Record("user", f"message {number}", at))
    find = talk.store.find_messages_by_day
    one = find("ada", ("2026-11-03", "2026-11-03"))
    assert ([hit.text for hit in one.hits], one.total) == (["message 0"], 1)
    both = find("ada", ("2026-11-03", "2026-11-04"), 0, 9)
    assert [hit.text for hit in both.hits] == ["message 0", "message 1"]
    assert find("ada", ("2026-11-03", "2026-11-05"), 0, 1).total == 0
    assert find("ada", ("0001-01-01", "9999-12-31")).total == 3


def test_the_log_is_read_in_pieces_from_its_end(talk: Talk) -> None:
    texts = [f"message {number}" for number in range(7)]
    talk.say(*texts)
    log = talk.store.messages
    assert [one.text for one in log("ada")] == texts
    newest = log("ada", newest=3)
    assert [one.text for one in newest] == texts[4:]
    older = log("ada", newest=3, before=newest[0].id)
    assert [one.text for one in older] == texts[1:4]
    assert [one.text for one in log("ada", newest=9, before=older[0].id)] == texts[:1]
    assert log("ada", before=log("ada")[0].id) == log("ada", newest=0) == ()
    assert (newest[-1].role, newest[-1].turn, newest[-1].at) == ("user", 1, NOW + timedelta(days=7))


def test_an_unknown_agent_is_named(talk: Talk) -> None:
    for look in (
        lambda: talk.store.find_messages("eve", "x"),
        lambda: talk.store.find_messages_by_day("eve", ("2026-11-03", "2026-11-03")),
        lambda: talk.store.messages("eve"),
    ):
        with pytest.raises(InputError, match="there is no agent 'eve'") as caught:
            look()
        assert "ada, other" in caught.value.hint


def test_a_word_that_is_everywhere_leaves_the_order_to_the_rarer_ones(talk: Talk, tmp_path: Path) -> None:
    many = MOST_RANKED + 200
    with talk.store.writing() as connection:
        connection.executemany(
            "INSERT INTO messages (agent_id, turn, step, idx, role, text, owner, day, created_ns)"
            " VALUES (1, 1, 'many', ?, 'user', ?, 'g1', '2026-11-20', 0)",
            (
                (number, f"common chatter {number}x {'rare harbour' if number % 700 == 3 else ''}")
                for number in range(many)
            ),
        )
    common, both = talk.find("common"), talk.find("common rare")
    assert common.total == both.total == many
    assert [hit.text.split()[2] for hit in common.hits] == [f"{many - n}x" for n in range(1, 6)]
    assert [hit.text.endswith("rare harbour") for hit in both.hits] == [True] * 5
    second = talk.find("common rare", 1)
    rare = len(range(3, many, 700))
    assert [hit.text.endswith("rare harbour") for hit in second.hits] == [n < rare - 5 for n in range(5)]
    seen = [hit.text for page in range(4) for hit in talk.find("common rare", page).hits]
    assert len(set(seen)) == 20
    last = talk.find("common rare", (many - 1) // PAGE_SIZE)
    assert last.hits[-1].text.startswith("common chatter 0x")
    assert rows(tmp_path, "SELECT number FROM totals WHERE owner = 'g1'") == [(many,)]


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


def test_days_come_in_their_order_also_where_they_were_stored_in_another(talk: Talk) -> None:
    for days, text in ((2, "later"), (1, "earlier")):
        talk.add(Record("user", text, NOW + timedelta(days=days)))
    page = talk.store.find_messages_by_day("ada", ("2026-11-20", "2026-11-30"))
    assert [hit.text for hit in page.hits] == ["earlier", "later"]


def test_of_a_question_without_end_the_first_words_are_searched() -> None:
    assert words(" ".join(f"w{number}" for number in range(3 * MOST_WORDS)))[-1] == f"w{MOST_WORDS - 1}"
