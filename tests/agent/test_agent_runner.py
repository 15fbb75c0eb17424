"""The agent on an endpoint: prompts, tools, stored steps, progress, failures, and the next process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

import bridle.agent
from agent_scripts import NOW, WRAPPER, append, call, say, scripted, written
from bridle.agent import Agent, AskedAgain, Finished, Progress, Saying, Step, Store, Thinking, open_agent
from bridle.agent.archival.archive import Archive
from bridle.agent.fit import answer_tokens, views
from bridle.agent.functions import FUNCTIONS, narrow
from bridle.agent.progress import Teller
from bridle.agent.prompt import COMPACT, FULL, compose, memory_text
from bridle.agent.state import AgentState, Record, new_state
from bridle.agent.step import GIVE_UP
from bridle.agent.tools import QUOTED_CHARS, insert_note, search_memory
from bridle.endpoints.base import Answer, Endpoint, Request, Supports
from bridle.endpoints.scripted import Scripted
from bridle.errors import ContextOverflow, FormatError, InputError, RequestRefused, StoreError, Unreachable
from bridle.messages import JSON, Delta, Message, ToolCall
from servers.fake import model_server


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path) as opened:
        yield opened


def agent_on(store: Store, endpoint: Endpoint, clock: Callable[[], datetime] = lambda: NOW) -> Agent:
    return Agent.open(store, "ada", endpoint, wrapper="chatml-compact", clock=clock)


def text_of(request: Request) -> str:
    return "".join(segment.text for segment in request.prompt)


def search(query: str, page: int | None = None) -> ToolCall:
    given = {"query": query} | ({} if page is None else {"page": page})
    return ToolCall("archival_memory_search", {**given, "request_heartbeat": True})


def recall(query: str) -> ToolCall:
    return call("conversation_search", query=query, request_heartbeat=True)


def note(content: str) -> ToolCall:
    return call("archival_memory_insert", content=content, request_heartbeat=True)


def on_days(start: str, end: str) -> ToolCall:
    return call("conversation_search_date", start_date=start, end_date=end, request_heartbeat=False)


def test_a_turn_edits_memory_and_replies(store: Store) -> None:
    endpoint = scripted([append("Lives in: Bergen"), say("Got it.")])
    agent = agent_on(store, endpoint)
    turn = agent.turn("I live in Bergen")
    assert (turn.user, turn.reply, turn.cancelled) == ("I live in Bergen", "Got it.", False)
    assert turn.steps == (Step("hm", append("Lives in: Bergen"), "OK"), Step("hm", say("Got it."), "OK"))
    assert [completion.constraint.proof for completion in turn.completions] == ["proven", "proven"]
    assert store.load("ada") == agent.state
    assert agent.state.core.block("human").lines == ("Lives in: Bergen",)


def test_the_prompt_is_what_the_model_was_trained_on(store: Store) -> None:
    endpoint = scripted([append("Lives in: Bergen"), say("Got it."), say("Bergen.")])
    agent = agent_on(store, endpoint)
    agent.turn("I live in Bergen")
    agent.turn("where do I live?")
    empty, full = COMPACT.core(), COMPACT.core().append("human", "Lives in: Bergen")
    steps = [
        Message("user", "I live in Bergen"),
        Message("assistant", thoughts="hm", calls=(append("Lives in: Bergen"),)),
        Message("tool", "OK", name="core_memory_append"),
        Message("assistant", thoughts="hm", calls=(say("Got it."),)),
        Message("tool", "OK", name="send_message"),
        Message("user", "where do I live?"),
    ]
    shown = [(steps[:1], empty), (steps[:3], full), (steps, full)]
    assert [request.prompt for request in endpoint.requests] == [
        WRAPPER.render(compose(COMPACT, history, memory_text(COMPACT, core, NOW)), FUNCTIONS)
        for history, core in shown
    ]


def test_with_the_full_profile_every_prompt_goes_on_where_the_last_answer_ended(store: Store) -> None:
    ticks = iter(NOW + timedelta(minutes=count) for count in range(100))
    calls = [append("Lives in: Bergen"), say("Got it."), say("Bergen."), search("x"), append("Job: falconer")]
    texts = [written(one) for one in (*calls, say("ok"), say("Falconer."))]
    endpoint = scripted(texts)
    agent = Agent.open(store, "ada", endpoint, wrapper=WRAPPER, profile=FULL, clock=lambda: next(ticks))
    for said in ("I live in Bergen", "where do I live?", "find x. I am a falconer", "what am I?"):
        agent.turn(said)
    prompts = [text_of(request) for request in endpoint.requests]
    assert len(prompts) == len(texts)
    for prompt, text, following in zip(prompts, texts, prompts[1:], strict=False):
        assert following.startswith(prompt + text)
    shown = [message.content for message in agent.state.history if message.role == "system"]
    assert [text.startswith("[persona ") for text in shown] == [True, True, False, True]
    assert "Lives in: Bergen" in shown[1]
    assert "[stored] 2 messages, 0 notes" in shown[1]
    assert shown[2] == "[stored] 4 messages, 0 notes\n[time]\n" + shown[2].splitlines()[-1]
    assert "Job: falconer" in shown[3]


def test_the_full_profile_shows_memory_when_the_turn_that_held_it_has_left(store: Store) -> None:
    long = say("x" * 9000)
    endpoint = scripted([long, long, long, "You greeted me.", long, long])
    agent = Agent.open(store, "ada", endpoint, wrapper=WRAPPER, profile=FULL, clock=lambda: NOW)
    notes = [note for _ in range(5) for note in agent.turn("hello").notes]
    assert any("no longer shown, summed up" in note for note in notes)
    assert agent.state.history[0].content.startswith("[persona ")
    assert agent.state.summary == "You greeted me."
    assert "[earlier]\nYou greeted me." in text_of(endpoint.requests[-1])
    assert "User: hello\nAssistant: xxx" in text_of(endpoint.requests[3])
    compact = next(views(COMPACT, agent.state.history, agent.state.core))
    assert all(message.role != "system" for message in compact.history)
    assert agent.store.find_messages("ada", "hello", 0).total >= 5


def test_the_time_that_is_shown_stays_the_same_within_a_turn(store: Store) -> None:
    ticks = iter(NOW + timedelta(minutes=count) for count in range(100))
    endpoint = scripted([append("a"), append("b"), say("ok")])
    agent_on(store, endpoint, lambda: next(ticks)).turn("hello")
    times = {text_of(request).split("[time]\n")[1].split("<")[0] for request in endpoint.requests}
    assert len(times) == 1


def test_the_constraint_knows_the_blocks_and_the_lines(store: Store) -> None:
    edit: dict[str, JSON] = {
        "name": "human",
        "old_content": "x",
        "new_content": "Name: Ada",
        "request_heartbeat": True,
    }
    right = edit | {"name": "persona", "old_content": "My name is Sam."}
    supports = Supports(prompt=True, grammar=True)
    first, second = (call("core_memory_replace", **one) for one in (right, edit))
    texts = [written(first, "chat"), written(second, "saved")]
    agent = agent_on(store, Scripted([*texts, written(say("."), "saved")], supports=supports))
    with pytest.raises(RequestRefused, match=r"answer 2 .* breaks the request's grammar"):
        agent.turn("I am Ada")


def test_notes_are_kept_and_found_on_pages(store: Store) -> None:
    notes = [note(f"The spare key number {number}") for number in range(5)]
    searches = [search("where is the key"), search("key", 1), search("key", 2)]
    endpoint = scripted([*notes, say("Noted."), note("The spare key number 5"), *searches, say("?")])
    agent = agent_on(store, endpoint)
    assert [step.result for step in agent.turn("keep this").steps] == ["OK"] * 6
    results = [step.result for step in agent.turn("and?").steps[1:4]]
    assert results[0].startswith("5 of 6:\n- The spare key number ")
    assert results[1].startswith("1 of 6:\n- The spare key number ")
    assert results[2] == "No results on page 2; there are 6 results."


def test_what_was_said_is_found_but_not_what_is_being_said(store: Store) -> None:
    endpoint = scripted([say("Hello, Ada."), recall("Ada"), on_days("2026-11-20", "2026-11-20"), say(".")])
    agent = agent_on(store, endpoint)
    agent.turn("I am Ada")
    results = [step.result for step in agent.turn("what did I say about Ada?").steps]
    both = ["- [2026-11-20] user: I am Ada", "- [2026-11-20] assistant: Hello, Ada."]
    assert sorted(results[0].splitlines()) == sorted(["2 of 2:", *both])
    assert results[1].splitlines() == ["2 of 2:", *both]


@pytest.mark.parametrize(
    ("one", "result"),
    [
        (note(" "), "Failed: the content is empty; write what should be kept"),
        (note("x"), "OK"),
        (search("x", -1), "Failed: there is no page -1; pages are counted from 0"),
        (
            call("conversation_search", query="x", page=0.5),
            "Failed: there is no page 0.5; pages are counted from 0",
        ),
        (call("conversation_search", query="x", page=1.0), "No results."),
        (search("x"), "No results."),
        (on_days("2026-1-1", "x"), "Failed: '2026-1-1' is not a date; write YYYY-MM-DD"),
        (
            on_days("2026-11-21", "2026-11-20"),
            "Failed: the first day 2026-11-21 is after the last day 2026-11-20",
        ),
        (
            call("fly"),
            "Failed: there is no function 'fly' here; the searches are archival_memory_search,"
            " conversation_search, conversation_search_date, memory_search",
        ),
    ],
)
def test_a_function_says_what_came_of_it(store: Store, one: ToolCall, result: str) -> None:
    state = store.create(new_state("ada", COMPACT))
    if one.name != "archival_memory_insert":
        assert search_memory(store, Archive(store), state, one) == result
        return
    with store.transaction(state) as transaction:
        assert insert_note(transaction, one, NOW) == result
        transaction.save(state)


def test_long_results_are_cut_to_the_profile(store: Store) -> None:
    state = store.create(new_state("ada", COMPACT))
    with store.transaction(state) as transaction:
        transaction.insert("key " + "x" * 3000, NOW)
        transaction.save(state)
    (first, _) = agent_on(store, scripted([search("key"), say("ok")])).turn("hello").steps
    assert len(first.result) == len("1 of 1:\n- ") + QUOTED_CHARS
    assert COMPACT.string_chars > QUOTED_CHARS


def test_plain_text_from_an_endpoint_without_grammars_is_a_reply(store: Store) -> None:
    endpoint = Scripted(["Hello!"], supports=Supports(chat=True))
    turn = agent_on(store, endpoint).turn("hello")
    assert turn.reply == "Hello!"
    assert turn.steps == (Step("", say("Hello!"), "OK"),)


def test_an_unusable_answer_is_asked_for_again_with_the_reason(store: Store) -> None:
    endpoint = scripted(
        ['"x", "function": "fly", "params": {}}', '"x", "function": "send_message", "params'] * 2, held=False
    )
    told: list[Progress] = []
    turn = agent_on(store, endpoint).turn("hello", told.append)
    assert (turn.reply, turn.steps) == (GIVE_UP, ())
    again = [one.reasons for one in told if isinstance(one, AskedAgain)]
    assert [reasons[0][:30] for reasons in again] == [
        "there is no function 'fly'; th",
        "the call cannot be used: it is",
    ]
    assert "Your last answer could not be used: there is no function 'fly'" in text_of(endpoint.requests[1])
    assert "it is not complete" in text_of(endpoint.requests[2])
    assert [row.text for row in recalled(store)] == ["hello", GIVE_UP]


def recalled(store: Store) -> list[Record]:
    with store.reading() as connection:
        rows = connection.execute("SELECT role, text FROM messages ORDER BY id").fetchall()
    return [Record(role, text, NOW) for role, text in rows]


def test_progress_is_told_as_it_happens(store: Store) -> None:
    told: list[Progress] = []
    agent_on(store, scripted([append("a"), say('Hi "you" 😀\n.')])).turn("hello", told.append)
    thoughts = "".join(one.text for one in told if isinstance(one, Thinking))
    said = [one.text for one in told if isinstance(one, Saying)]
    assert thoughts == "hmhm"
    assert "".join(said) == 'Hi "you" 😀\n.'
    assert len(said) > 1
    finished = [at for at, one in enumerate(told) if isinstance(one, Finished)]
    first_said = next(at for at, one in enumerate(told) if isinstance(one, Saying))
    assert finished[0] < first_said < finished[1] == len(told) - 1


def test_a_step_is_stored_before_it_is_told(store: Store) -> None:
    lines: list[tuple[str, ...]] = []

    def look(progress: Progress) -> None:
        state = store.load("ada")
        if isinstance(progress, Finished) and state is not None:
            lines.append(state.core.block("human").lines)

    agent_on(store, scripted([append("a"), append("b"), say("ok")])).turn("hello", look)
    assert lines == [("a",), ("a", "b"), ("a", "b")]


def test_a_cancelled_turn_has_no_reply_and_the_agent_goes_on(store: Store) -> None:
    endpoint = scripted([append("a"), say("a long answer that nobody waits for"), say("hello")])
    agent = agent_on(store, endpoint)
    heard: list[str] = []

    def listen(progress: Progress) -> None:
        if isinstance(progress, Saying):
            heard.append(progress.text)

    turn = agent.turn("one", listen, lambda: bool(heard))
    assert (turn.cancelled, turn.reply, len(turn.steps)) == (True, "", 1)
    assert (agent.state.is_open, agent.unanswered) == (False, "")
    assert agent.turn("two").reply == "hello"
    assert [row.text for row in recalled(store)] == ["one", "two", "hello"]
    assert agent.state.core.block("human").lines == ("a",)


@pytest.mark.parametrize("where", ["first", "second"])
def test_a_model_that_fails_ends_the_turn_and_loses_nothing(store: Store, where: str) -> None:
    failure = Unreachable("nothing answers")
    endpoint = scripted([failure, say("ok")] if where == "first" else [append("a"), failure, say("ok")])
    agent = agent_on(store, endpoint)
    with pytest.raises(Unreachable):
        agent.turn("one")
    assert not agent.state.is_open
    assert agent.turn("two").reply == "ok"
    assert [row.text for row in recalled(store)] == ["one", "two", "ok"]


class Dying(Scripted):
    """Dies in the middle of its second answer, as with Ctrl-C."""

    def complete(
        self,
        request: Request,
        on_text: Callable[[str], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Answer:
        if len(self.requests) == 1:
            raise KeyboardInterrupt
        return super().complete(request, on_text, should_stop)


def test_an_interrupt_ends_the_turn(store: Store) -> None:
    endpoint = Dying(
        [written(append("a"))], supports=Supports(prompt=True, grammar=True), grammar_checked=False
    )
    agent = agent_on(store, endpoint)
    with pytest.raises(KeyboardInterrupt):
        agent.turn("one")
    assert store.load("ada") == agent.state
    assert not agent.state.is_open


def test_the_next_process_goes_on_and_shows_what_was_not_answered(store: Store) -> None:
    first = agent_on(store, scripted([]))
    state = first.state
    with store.transaction(state) as transaction:  # a process that died after its first step
        from bridle.agent.state import UserSaid
        from bridle.agent.step import step

        left, _ = step(state, UserSaid("I live in Bergen", NOW), NOW)
        transaction.record(Record("user", "I live in Bergen", NOW), left.turn)
        transaction.save(left)
    endpoint = scripted([say("hello")])
    second = agent_on(store, endpoint)
    assert second.unanswered == "I live in Bergen"
    assert second.turn("hi").reply == "hello"
    assert second.unanswered == ""
    assert [row.text for row in recalled(store)] == ["I live in Bergen", "hi", "hello"]
    assert "I live in Bergen" in text_of(endpoint.requests[0])


def test_two_agents_of_one_name_take_turns(store: Store, tmp_path: Path) -> None:
    left = agent_on(store, scripted([append("a"), say("1"), say("3")]))
    with Store(tmp_path) as other:
        right = agent_on(other, scripted([append("b"), say("2")]))
        for agent, reply in ((left, "1"), (right, "2"), (left, "3")):
            assert agent.turn("hello").reply == reply
    assert left.state.core.block("human").lines == ("a", "b")
    assert left.state.turn == 3


def test_a_turn_that_another_process_overtook_is_refused(store: Store, tmp_path: Path) -> None:
    agent = agent_on(store, scripted([say("1")]))
    with Store(tmp_path) as other:
        thief = agent_on(other, scripted([say("2")]))

        def overtake(progress: Progress) -> None:
            if isinstance(progress, Thinking):
                thief.turn("mine")

        with pytest.raises(StoreError, match="changed by another process"):
            agent.turn("hello", overtake)
    assert [row.text for row in recalled(store)] == ["hello", "mine", "2"]


def test_an_agent_that_was_deleted_is_named(store: Store) -> None:
    agent = agent_on(store, scripted([]))
    store.delete("ada")
    with pytest.raises(StoreError, match="'ada' has been deleted"):
        agent.turn("hello")


@pytest.mark.parametrize(
    ("wrapper", "profile"), [("chatml-compact", COMPACT), ("chatml", FULL), ("auto", FULL)]
)
def test_the_profile_goes_with_the_wrapper(store: Store, wrapper: str, profile: object) -> None:
    agent = Agent.open(store, "ada", scripted([]), wrapper=wrapper)
    assert agent.state.profile is profile
    assert agent.wrapper.name == ("chatml" if wrapper == "auto" else wrapper)
    assert ("is the default" in agent.wrapper_reason) == (wrapper == "auto")
    assert (
        Agent.open(store, "eve", scripted([]), wrapper=agent.wrapper, profile=COMPACT).state.profile
        is COMPACT
    )


def test_an_unknown_wrapper_and_a_bad_name_make_no_agent(store: Store) -> None:
    with pytest.raises(FormatError, match="no wrapper 'chatlm'"):
        Agent.open(store, "ada", scripted([]), wrapper="chatlm")
    with pytest.raises(InputError, match="cannot name an agent"):
        Agent.open(store, "", scripted([]))
    assert store.agents() == ()


def test_the_full_profile_shows_counts(store: Store) -> None:
    endpoint = Scripted(["Hello!"] * 2, supports=Supports(chat=True))
    agent = Agent.open(store, "ada", endpoint, wrapper="chatml", clock=lambda: NOW)
    agent.turn("one")
    agent.turn("two")
    shown = "\n".join(message.content for message in endpoint.requests[1].messages)
    assert "[stored] 2 messages, 0 notes" in shown


def test_halves_of_surrogates_do_not_reach_the_store(store: Store) -> None:
    params = '{"name": "human", "content": "x\\ud83d", "request_heartbeat": true}'
    text = f'"\\ud800", "function": "core_memory_append", "params": {params}}}'
    endpoint = scripted(
        [text, '"", "function": "send_message", "params": {"message": "\\ud83d\\ude00 \\udc00"}}'], held=False
    )
    turn = agent_on(store, endpoint).turn("a\udcff")
    assert (turn.user, turn.reply) == ("a\ufffd", "😀 \ufffd")
    assert turn.steps[0].call == append("x\ufffd")
    assert turn.steps[0].thoughts == "\ufffd"


def test_a_long_conversation_is_shown_from_the_end_on(store: Store) -> None:
    endpoint = scripted([say("ok " + "y" * 100) for _ in range(60)], held=False)
    agent = agent_on(store, endpoint)
    for number in range(60):
        agent.turn(f"message {number} " + "x" * 100)
    prompt = text_of(endpoint.requests[-1])
    assert "message 59 " in prompt
    assert "message 0 " not in prompt
    assert store.counts("ada").messages == 120


def test_a_prompt_that_does_not_fit_loses_its_oldest_turns(store: Store) -> None:
    answers = [say("ok " + "y" * 200) for _ in range(6)]
    endpoint = scripted(answers, window=900)
    agent = agent_on(store, endpoint)
    for number in range(6):
        assert agent.turn(f"message {number} " + "x" * 200).reply.startswith("ok")
    room = 900 - answer_tokens(COMPACT, 900)
    sizes = [endpoint.count_tokens(request) or 0 for request in endpoint.requests]
    assert max(sizes) <= room
    assert "message 5 " in text_of(endpoint.requests[-1])
    assert "message 0 " not in text_of(endpoint.requests[-1])


def test_where_tokens_cannot_be_counted_the_endpoint_says_what_is_too_long(store: Store) -> None:
    overflow = ContextOverflow("too long")
    long = [say("y" * 200) for _ in range(5)]
    endpoint = scripted([*long, overflow, overflow, say("short")])
    agent = agent_on(store, endpoint)
    for _ in range(5):
        agent.turn("x" * 200)
    assert agent.turn("now?").reply == "short"
    sizes = [len(text_of(request)) for request in endpoint.requests[-3:]]
    assert sizes[0] > sizes[1] > sizes[2]


def test_long_results_are_cut_before_a_turn_is_given_up(store: Store) -> None:
    state = store.create(new_state("ada", COMPACT))
    with store.transaction(state) as transaction:
        for _ in range(5):
            transaction.insert("key " + "z" * 300, NOW)
        transaction.save(state)
    endpoint = scripted([search("key"), say("found")], window=750)
    assert agent_on(store, endpoint).turn("where?").reply == "found"
    assert text_of(endpoint.requests[1]).count("z") < 900


def test_a_message_that_cannot_fit_is_cut_in_its_middle_and_told(store: Store) -> None:
    endpoint = scripted([say("ok"), say("ok")], window=800)
    agent = agent_on(store, endpoint)
    turn = agent.turn("begin " + "x" * 4000 + " end")
    assert turn.reply == "ok"
    shown = text_of(endpoint.requests[-1])
    assert "begin xxx" in shown
    assert " […] " in shown
    assert "xxx end" in shown
    assert turn.notes == ("the prompt did not fit the model's window: the message was cut in its middle",)
    assert agent.turn("hello").reply == "ok"
    assert agent.store.find_messages("ada", "begin", 0).hits[0].text.endswith(" end")


def test_a_window_that_holds_not_even_the_instructions_is_told_with_the_numbers(store: Store) -> None:
    agent = agent_on(store, scripted([say("ok")], window=300))
    with pytest.raises(ContextOverflow, match="of the 300 tokens") as caught:
        agent.turn("hello")
    assert caught.value.facts["context_tokens"] == 300
    assert not agent.state.is_open


def test_views_get_shorter_and_keep_the_newest_message() -> None:
    step = (
        Message("assistant", calls=(search("x"),)),
        Message("tool", "r" * 500, name="archival_memory_search"),
    )
    turn = (Message("user", "now"), *step, *step)
    old = [
        message
        for number in range(9)
        for message in (Message("user", f"{number}" * 100), Message("tool", "OK"))
    ]
    core = COMPACT.core().append("human", "old " * 50).append("human", "middle " * 20).append("human", "new")
    found = list(views(COMPACT, [*old, *turn], core))
    sizes = [
        sum(len(message.content) + 1 for message in view.history)
        + sum(len(b.value) for b in view.core.blocks)
        for view in found
    ]
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) == len(sizes)
    assert all(Message("user", "now") in view.history for view in found)
    assert found[-1].history[0] == turn[0]
    assert found[-1].history[-1].content == "r" * 79 + "…"
    assert len(found[-1].history) == 3
    assert found[-1].core.block("human").value == "new"
    assert [view.history for view in views(COMPACT, (), COMPACT.core())] == [()]


def test_memory_in_a_costly_script_does_not_end_an_agent(store: Store) -> None:
    endpoint = scripted([append("x" * 240), append("y" * 240), say("ok"), say("yes")], window=1300)
    agent = agent_on(store, endpoint)
    assert agent.turn("a" * 900).reply == "ok"
    endpoint._window = 520  # pyright: ignore[reportPrivateUsage]  # as if each character cost two tokens
    assert agent.turn("still there?").reply == "yes"
    assert "x" * 240 not in text_of(endpoint.requests[-1])
    assert agent.state.core.block("human").lines == ("x" * 240, "y" * 240)


def test_an_answer_has_a_quarter_of_a_small_window() -> None:
    assert answer_tokens(COMPACT, 2048) == 244
    assert answer_tokens(FULL, 2048) == 512


def test_an_agent_in_five_lines(tmp_path: Path) -> None:
    script = tmp_path / "answers.txt"
    script.write_text(written(say("Hello, Ada."))[len(WRAPPER.prime) :], "utf-8")
    with open_agent(
        "friend", f"scripted:{script}", home=tmp_path / "home", wrapper="chatml-compact"
    ) as agent:
        assert agent.turn("I am Ada").reply == "Hello, Ada."
    with open_agent("friend", scripted([say("Ada.")]), home=tmp_path / "home", wrapper=WRAPPER) as agent:
        assert agent.turn("who am I?").reply == "Ada."
        assert agent.state.turn == 2


def test_every_public_name_is_there() -> None:
    for name in bridle.agent.__all__:
        assert getattr(bridle.agent, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Agnet'"):
        getattr(bridle.agent, "Agn" + "et")


def test_the_reply_is_all_that_the_last_step_can_be(store: Store) -> None:
    lines = [append(f"line {number}") for number in range(COMPACT.max_steps - 1)]
    endpoint = scripted([*lines, say("done")])
    assert agent_on(store, endpoint).turn("hello").reply == "done"
    assert [tool.name for tool in narrow(COMPACT.core(), reply_only=True)] == ["send_message"]
    grammars = [request.grammar for request in endpoint.requests]
    assert grammars[-1] is not None
    assert grammars[-1] != grammars[0]


def test_two_processes_may_make_the_same_agent_at_the_same_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store(tmp_path) as first, Store(tmp_path) as second:

        def load_late(name: str) -> AgentState | None:
            monkeypatch.undo()
            agent_on(second, scripted([]))
            return None

        monkeypatch.setattr(first, "load", load_late)
        assert agent_on(first, scripted([say("Hi.")])).turn("hello").reply == "Hi."


def test_an_agent_that_cannot_be_made_is_an_error(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def create(state: AgentState) -> AgentState:
        raise StoreError("the disk is full")

    monkeypatch.setattr(store, "create", create)
    with pytest.raises(StoreError, match="the disk is full"):
        agent_on(store, scripted([]))


def test_what_a_broken_constraint_let_through_does_not_count() -> None:
    told: list[object] = []
    teller = Teller(told.append)
    for delta in (
        Delta(index=0, call_name="send_message"),
        Delta(index=0, arguments='{"message": "Hel'),
        Delta(restart=True),
        Delta(index=0, call_name="send_message"),
        Delta(index=0, arguments='{"message": "Hi"}'),
    ):
        teller(delta)
    [again] = [one for one in told if isinstance(one, AskedAgain)]
    assert "did not hold" in again.reasons[0]
    said = [one.text for one in told[told.index(again) :] if isinstance(one, Saying)]
    assert "".join(said) == "Hi"


def test_an_agent_is_opened_with_a_configuration_of_memgpt() -> None:
    with model_server("openai") as server:
        config = {"model_endpoint_type": "openai", "model_endpoint": server.url, "model": "m"}
        with open_agent("ada", config) as agent:
            assert agent.endpoint.model == "m"


def test_a_turn_stops_between_steps_also_where_the_endpoint_does_not_look(store: Store) -> None:
    class Deaf(Scripted):
        def complete(
            self,
            request: Request,
            on_text: Callable[[str], None] | None = None,
            should_stop: Callable[[], bool] | None = None,
        ) -> Answer:
            return super().complete(request, on_text, None)

    endpoint = Deaf(
        [written(append(f"Fact {number}: x")) for number in range(9)],
        supports=Supports(prompt=True, grammar=True, proven=True),
        grammar_checked=False,
    )
    told: list[Progress] = []
    agent = agent_on(store, endpoint)
    turn = agent.turn("hello", told.append, lambda: any(isinstance(one, Finished) for one in told))
    assert (turn.cancelled, len(turn.steps), len(endpoint.requests)) == (True, 1, 1)
    assert not agent.state.is_open
