"""What a grounded agent may think, write down and search for: only what was said, or what is in memory."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_scripts import append, call
from bridle.agent.answers import answer_schema
from bridle.agent.functions import constraint, last_page, narrow
from bridle.agent.grounding import (
    Moment,
    days_schema,
    fact_schema,
    minutes_schema,
    moment,
    note_schema,
    query_schema,
    thought_schema,
)
from bridle.agent.memory import Core
from bridle.agent.prompt import COMPACT, FULL
from bridle.grammars import Bounds, call_grammar, matches
from bridle.messages import Message, ToolCall
from bridle.wrappers import get_wrapper

SAID = "Hi! I'm Ana-Lúcia, and my locker code is 44(b)."
NOW = datetime(2026, 11, 20, 8, 5)
KNOWN = (
    COMPACT.core().append("human", "Name: Ana").append("human", "Likes: tea").append("human", "Likes: jazz")
)


def allows(schema: object, text: str) -> bool:
    assert isinstance(schema, dict)
    body = cast("dict[str, object]", schema)
    if "enum" in body:
        return text in cast("list[object]", body["enum"])
    return re.search(str(body["pattern"]), text) is not None


@pytest.mark.parametrize(
    ("thought", "is_allowed"),
    [
        ("Name: Ana", True),
        ("Name: Bob", False),
        ("Name: ?", False),
        ("Age: ?", True),
        ("Likes: ?", True),
        ("Likes: tea, jazz", True),
        ("Likes: tea; Name: Ana", True),
        ("Locker code: ? > 44(b)", True),
        ("Locker code: ? > 55", False),
        ("Name: Ana > Ana-Lúcia", True),
        ("Name: Ana > Bob", False),
        ("My name is Sam.", True),
        ("My name is Sam. > My name is Ana-Lúcia.", True),
        ("chat", True),
        ("saved", False),
        ("something misread: ?", True),
        ("Something misread: ?", False),
        ("human: ?", False),
        ("whatever comes", False),
    ],
)
def test_thoughts_name_what_exists(thought: str, is_allowed: bool) -> None:
    assert allows(thought_schema(KNOWN, Moment(SAID, NOW)), thought) is is_allowed


@pytest.mark.parametrize(
    ("function", "failed", "thought", "is_allowed"),
    [
        ("core_memory_append", False, "saved", True),
        ("core_memory_append", False, "failed", False),
        ("core_memory_append", True, "failed", True),
        ("core_memory_append", True, "saved", False),
        ("core_memory_append", False, "Age: ? > 44(b)", True),
        ("core_memory_append", False, "chat", False),
        ("pause_heartbeats", False, "paused", True),
    ],
)
def test_a_result_is_thought_about_in_its_own_words(
    function: str, failed: bool, thought: str, is_allowed: bool
) -> None:
    at = Moment(SAID, NOW, function, failed)
    assert allows(thought_schema(KNOWN, at), thought) is is_allowed


@pytest.mark.parametrize(
    ("said", "thought", "is_allowed"),
    [
        ("my piano teacher's name is Bo", "Piano teacher: ? > Bo", True),
        ("Of all museums I like the Tate best", "Favourite museum: ? > Tate", True),
        ("I have a puppy called Rex", "Pet: ? > dog Rex", True),
        ("my guinea pig's name is Rex", "Pet: ? > guinea pig Rex", True),
        ("an Ocelot lives with Tom Pinder", "Pet: ? > Ocelot Pinder", False),
        ("my number is 07700 900 184", "Phone: ? > 07700 900 184", True),
        ("my number is 07700 900 184", "Phone: ? > 07700 184", False),
        ("Rex is our hamster", "Pet: ? > hamster Rex", True),
        ("what time is it?", "time 08:05", True),
        ("what time is it?", "time 08:06", False),
        ("what day is it?", "date 2026-11-20 Friday", True),
        ("what did we say yesterday?", "day: 2026-11-19", True),
        ("what did we say yesterday?", "day: 2026-10-19", False),
        ("what did I say on 2026-03-02?", "day: 2026-03-02", True),
        ("be quiet for two hours", "pause 120", True),
        ("be quiet for two hours", "pause 2", False),
        ("what time is it?", "time is short: ?", True),
        ("what time is it?", "date 2026-11-20 Monday: ?", False),
        ("what is with the turn?", "pause 30", False),
    ],
)
def test_thoughts_follow_the_message_and_the_clock(said: str, thought: str, is_allowed: bool) -> None:
    assert allows(thought_schema(COMPACT.core(), Moment(said, NOW)), thought) is is_allowed


def test_a_line_with_more_than_the_name_keeps_the_rest() -> None:
    core = COMPACT.core().replace("persona", COMPACT.persona, "My name is Sam. I am polite.")
    thoughts = thought_schema(core, Moment("Your name is Bo.", NOW))
    assert allows(thoughts, "My name is Sam. I am polite. > My name is Bo. I am polite.")
    assert allows(thoughts, "My name is Sam.")
    assert allows(fact_schema("Your name is Bo.", core), "My name is Bo. I am polite.")
    assert not allows(fact_schema("Your name is Bo.", core), "My name is Bo. I am rude.")
    assert allows(fact_schema("jazz, not rock", KNOWN.append("human", "Anthem: rock")), "Anthem: jazz")


def test_days_and_minutes_are_those_of_the_message() -> None:
    assert allows(days_schema(Moment("what did we say today?", NOW)), "2026-11-20")
    assert not allows(days_schema(Moment("what did we say today?", NOW)), "2026-11-21")
    assert allows(days_schema(Moment("what did we say on the 3rd of May?", NOW)), "2026-05-03")
    assert days_schema(Moment("", NOW)) is None
    assert minutes_schema("leave me alone for 20 minutes") == {"enum": [1, 15, 20, 30, 60]}
    assert minutes_schema("hello") is None


def test_what_this_turn_wrote_is_not_changed_by_it() -> None:
    line = "Job: falconer"
    wrote = [
        Message("user", "I am a falconer."),
        Message("assistant", thoughts="Job: ? > falconer", calls=(append(line),)),
        Message("tool", "OK", name="core_memory_append"),
    ]
    core = KNOWN.append("human", line)
    at = moment(wrote, NOW)
    assert at == Moment("I am a falconer.", NOW, "core_memory_append", False, (line,))
    assert not allows(thought_schema(core, at), f"{line} > -")
    assert allows(thought_schema(core, at), "Name: Ana > -")
    by_name = {tool.name: tool for tool in narrow(core, at=at)}
    lines = by_name["core_memory_replace"].properties["old_content"]["enum"]
    assert lines == ["My name is Sam.", "Name: Ana", "Likes: tea", "Likes: jazz"]
    assert moment([*wrote[:2], Message("tool", "Failed: no", name="core_memory_append")]).written == ()


def test_what_a_search_found_is_thought_about_freely_and_the_full_profile_quotes_nothing() -> None:
    found = [
        Message("user", "who is my boss?"),
        Message("assistant", thoughts="Boss: ?", calls=(call("archival_memory_search", query="boss"),)),
        Message("tool", "No results.", name="archival_memory_search"),
    ]
    assert constraint(COMPACT, KNOWN, found, NOW)[1] is None
    assert constraint(COMPACT, KNOWN, found[:1], NOW)[1] is not None
    unheld = narrow(KNOWN, last_page=last_page(found[:1]))
    assert constraint(FULL, KNOWN, found[:1], NOW) == (unheld, None)


def test_facts_are_quoted() -> None:
    assert allows(fact_schema(SAID), "Locker code: 44(b)")
    assert allows(fact_schema(SAID), "Name: Ana-Lúcia")
    assert not allows(fact_schema(SAID), "Name: Ana-Lucia")
    assert not allows(fact_schema(SAID), "")
    assert allows(fact_schema(SAID, may_be_empty=True), "")


@pytest.mark.parametrize(
    ("query", "is_allowed"),
    [
        ("locker code", True),
        ("hi", True),
        ("Ana-Lúcia code", True),
        ("favourite code", True),
        ("boss", True),
        ("locket", False),
        ("", False),
        ("locker code is 44(b) or so", False),
    ],
)
def test_queries_are_words_of_the_message(query: str, is_allowed: bool) -> None:
    assert allows(query_schema(SAID), query) is is_allowed
    assert allows(query_schema("What is my dog's name?"), "dog")


def test_a_list_of_what_was_told_is_true() -> None:
    schema = answer_schema(KNOWN, Moment(SAID))
    assert allows(schema, "You told me: Name: Ana; Likes: tea; Likes: jazz.")
    assert not allows(schema, "You told me: Name: Ana; Likes: tea.")
    assert not allows(schema, "You told me: Name: Bob.")
    assert not allows(schema, "You told me: Name: Ana; Name: Ana.")
    assert not allows(schema, "You told me: Likes: tea.")
    assert allows(schema, "You live in Bonn.")
    assert answer_schema(COMPACT.core(), Moment(SAID)) is None
    long = COMPACT.core().append("human", "Name: Ana").append("human", "Likes: " + "x" * 200)
    assert allows(answer_schema(long, Moment(SAID)), "You told me: Name: Ana. And 1 more.")
    assert not allows(answer_schema(long, Moment(SAID)), "You told me: Name: Ana.")
    only = COMPACT.core().append("human", "Likes: " + "x" * 200)
    assert not allows(answer_schema(only, Moment(SAID)), "You told me: Likes: x.")


def test_what_a_search_has_found_is_quoted_whole() -> None:
    notes = moment(
        [
            Message("user", "Where is the key?"),
            Message("assistant", calls=(ToolCall("archival_memory_search", {"query": "key"}),)),
            Message("tool", "2 of 2:\n- the key is under the pot\n- Key: 7", name="archival_memory_search"),
        ]
    )
    assert notes.found == ("the key is under the pot", "Key: 7")
    schema = answer_schema(KNOWN, notes)
    assert allows(schema, "Your note says: the key is under the pot.")
    assert allows(schema, "I don't know that.")
    assert allows(schema, "You live in Bonn.")
    assert not allows(schema, "Your note says: the key is under the cot.")
    assert not allows(schema, "Your note")
    logged = replace(
        notes,
        function="conversation_search",
        found=("[2026-01-02] user: hi", "[2026-01-02] assistant: Hello."),
    )
    schema = answer_schema(COMPACT.core(), logged)
    assert allows(schema, 'You said: "hi"')
    assert allows(schema, 'I said: "Hello."')
    assert not allows(schema, 'I said: "hi"')
    assert not allows(schema, 'You said: "ho"')
    failed = [Message("user", "x"), Message("tool", "Failed: no", name="archival_memory_search")]
    assert moment(failed).found == ()


@pytest.mark.parametrize(
    ("note", "is_allowed"),
    [
        ("the boiler code is 4417", True),
        ("4417", True),
        ("Remember that the boiler code is 4417", True),
        ("Remember that the boiler code is 4417. Thanks a lot", True),
        ("the boiler code", False),
        ("the boiler code is 4471", False),
    ],
)
def test_a_note_is_the_message_from_some_word_on(note: str, is_allowed: bool) -> None:
    assert allows(note_schema("Remember that the boiler code is 4417. Thanks a lot!"), note) is is_allowed
    assert note_schema("!!!") is None


@pytest.mark.parametrize("said", ["", "  ", "word " * 41])
def test_without_words_to_quote_nothing_is_held(said: str) -> None:
    assert query_schema(said) is None
    assert fact_schema(said) is None
    assert thought_schema(KNOWN, Moment(said, NOW)) is None


@settings(max_examples=50)  # each makes a grammar
@given(st.text(max_size=60))
def test_any_message_makes_a_grammar_that_holds_its_own_words(said: str) -> None:
    core = Core(KNOWN.blocks)
    grammar = call_grammar(
        narrow(core, at=Moment(said, NOW)),
        get_wrapper("chatml-compact").syntax.shape,
        "call",
        bounds=Bounds(thoughts_chars=120, string_chars=240),
        thoughts=thought_schema(core, Moment(said, NOW)),
    )
    text = '{"inner_thoughts": "chat", "function": "send_message", "params": {"message": "Hello."}}'
    assert matches(grammar, text)


def test_what_was_found_in_documents_can_only_be_quoted_with_its_place() -> None:
    found = [
        Message("user", "what is recall storage?"),
        Message(
            "assistant", thoughts="recall storage: ?", calls=(call("archival_memory_search", query="x"),)
        ),
        Message(
            "tool",
            "1 of 1:\n- [paper.pdf, page 3] Recall keeps every message.",
            name="archival_memory_search",
        ),
    ]
    (only,) = constraint(COMPACT, KNOWN, found, NOW)[0]
    assert only.name == "send_message"
    pattern = str(only.properties["message"]["pattern"])
    assert re.fullmatch(pattern, "Your note says: [paper.pdf, page 3] Recall keeps every message.")
    assert not re.fullmatch(pattern, "I did not understand that.")
    note = [*found[:2], Message("tool", "1 of 1:\n- the key is under the pot", name="archival_memory_search")]
    assert len(constraint(COMPACT, KNOWN, note, NOW)[0]) > 1


def test_of_several_passages_the_first_is_quoted() -> None:
    said = Message("user", "what is recall storage?")
    text = "2 of 2:\n- [paper.pdf, page 3] Recall keeps all.\n- [paper.pdf, page 9] It is large."
    found = [said, Message("tool", text, name="archival_memory_search")]
    pattern = str(constraint(COMPACT, KNOWN, found, NOW)[0][0].properties["message"]["pattern"])
    assert re.fullmatch(pattern, "Your note says: [paper.pdf, page 3] Recall keeps all.")
    assert not re.fullmatch(pattern, "Your note says: [paper.pdf, page 9] It is large.")


@pytest.mark.parametrize("said", ["w" * 1_000_000, "see " + "QUJD" * 5000, "a " * 100_000])
def test_what_nobody_typed_is_not_quoted(said: str) -> None:
    allowed, thoughts = constraint(COMPACT, KNOWN, [Message("user", said)], NOW)
    assert thoughts is None
    assert max(len(str(tool.parameters)) for tool in allowed) < 4000
