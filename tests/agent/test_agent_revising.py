"""What a person changes afterwards: turns taken back, other thoughts, other replies, other instructions."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_scripts import NOW, append, call, say, scripted
from bridle.agent import Agent, Store
from bridle.agent.limits import Limits
from bridle.agent.prompt import FULL, SMALL
from bridle.agent.toolbox import as_tool
from bridle.endpoints.base import Request
from bridle.endpoints.scripted import Scripted
from bridle.errors import InputError
from bridle.messages import ToolCall


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path) as opened:
        yield opened


def text_of(request: Request) -> str:
    return "".join(segment.text for segment in request.prompt)


def talk(store: Store, *answers: ToolCall | str, window: int | None = None) -> tuple[Agent, Scripted]:
    endpoint = scripted(answers, window=window)
    agent = Agent.open(store, "ada", endpoint, wrapper="chatml", profile=FULL, clock=lambda: NOW)
    return agent, endpoint


def test_a_turn_that_is_taken_back_is_found_by_nobody(store: Store) -> None:
    agent, endpoint = talk(store, append("Pet: cat"), say("A cat!"), say("Hello."))
    agent.turn("I have a zebra")
    agent.pop()
    assert agent.state.turn == 0
    assert store.find_messages("ada", "zebra", 0).total == 0
    assert agent.state.core.block("human").lines == ("Pet: cat",)
    agent.turn("hello")
    assert "zebra" not in text_of(endpoint.requests[-1])
    with pytest.raises(InputError, match="5 turns cannot be taken back; there is 1"):
        agent.pop(5)


def test_a_turn_is_tried_again(store: Store) -> None:
    agent, endpoint = talk(store, say("Bad."), say("Good."))
    agent.turn("tell me")
    assert agent.retry().reply == "Good."
    assert "Bad." not in text_of(endpoint.requests[1])
    assert [one.text for one in store.messages("ada")] == ["tell me", "Good."]
    assert agent.state.turn == 1


def test_nothing_can_be_tried_again_before_anything_was_said(store: Store) -> None:
    agent, _ = talk(store)
    for action in (agent.retry, lambda: agent.rethink("x"), lambda: agent.rewrite("x")):
        with pytest.raises(InputError, match=r"nothing has been said|not answered"):
            action()


def test_thoughts_and_replies_are_rewritten_where_they_are_seen_and_searched(store: Store) -> None:
    agent, endpoint = talk(store, say("It is Rome."), say("Yes."))
    agent.turn("capital?")
    agent.rethink("It is in the north.")
    agent.rewrite("It is Oslo.")
    assert [one.text for one in store.messages("ada")] == ["capital?", "It is Oslo."]
    assert store.find_messages("ada", "Rome", 0).total == 0
    agent.turn("sure?")
    shown = text_of(endpoint.requests[-1])
    assert "It is in the north." in shown
    assert "It is Oslo." in shown
    assert "Rome" not in shown


def test_other_instructions_are_kept_and_can_be_taken_back(store: Store) -> None:
    agent, endpoint = talk(store, say("a"), say("b"))
    agent.swap_system("Speak like a sailor.")
    agent.turn("hi")
    assert "Speak like a sailor." in text_of(endpoint.requests[0])
    assert FULL.system.splitlines()[0] not in text_of(endpoint.requests[0])
    agent.swap_system("")
    agent.turn("hi")
    assert FULL.system.splitlines()[0] in text_of(endpoint.requests[1])


def test_an_edit_is_undone(store: Store) -> None:
    agent, _ = talk(store, append("Pet: cat"), say("ok"))
    agent.turn("I have a cat")
    edit = agent.undo()
    assert edit.label == "human"
    assert agent.state.core.block("human").lines == ()
    with pytest.raises(InputError):
        agent.undo("human")


def test_a_conversation_is_summed_up_by_hand(store: Store) -> None:
    agent, endpoint = talk(store, say("one"), say("two"), "We counted.", say("three"))
    agent.turn("zebra")
    agent.turn("second")
    assert agent.summarize() == "We counted."
    agent.turn("third")
    assert "We counted." in text_of(endpoint.requests[-1])
    assert "zebra" not in text_of(endpoint.requests[-1])
    assert store.find_messages("ada", "zebra", 0).total >= 1


def test_heartbeats_and_warnings_are_turns_that_nobody_said(store: Store) -> None:
    agent, endpoint = talk(store, say("Still there?"), say("Noted."))
    assert agent.heartbeat("An hour has passed.").reply == "Still there?"
    assert agent.warn_memory().reply == "Noted."
    assert "(An hour has passed.)" in text_of(endpoint.requests[0])
    assert [one.role for one in store.messages("ada")] == ["assistant", "assistant"]


def test_another_model_goes_on_with_the_same_agent(store: Store) -> None:
    agent, _ = talk(store, append("Pet: cat"), say("ok"))
    agent.turn("I have a cat")
    other = scripted([say("cat")], window=2048)
    agent.use(other, "chatml")
    assert (agent.endpoint, agent.state.profile) == (other, SMALL)
    assert agent.turn("my pet?").reply == "cat"
    assert "1. Pet: cat" in text_of(other.requests[0])


def test_the_map_of_the_window_adds_up(store: Store) -> None:
    agent, endpoint = talk(store, say("ok"), window=6000)
    agent.turn("hello")
    before = agent.context()
    assert before.exact
    assert before.window == 6000
    assert sum(count for _, count in before.parts) == 6000
    assert [name for name, _ in before.parts] == [
        "instructions", "summary", "conversation", "memory", "answer", "free",
    ]  # fmt: skip
    agent.swap_system("x" * 4000)
    after = dict(agent.context().parts)
    assert after["instructions"] > dict(before.parts)["instructions"]
    assert endpoint.requests[0].max_tokens is None or endpoint.requests[0].max_tokens > 0


def test_the_map_says_when_nobody_counts(store: Store) -> None:
    agent, _ = talk(store, say("ok"))
    agent.turn("hello")
    assert not agent.context().exact
    assert agent.context().window is None


def test_a_tool_of_ones_own_is_offered_called_and_its_result_is_found_again(store: Store) -> None:
    def weather(city: str) -> str:
        """Tell the weather.

        Args:
            city: Where.
        """
        return f"It rains in {city}."

    def fails() -> str:
        """Fail."""
        raise ValueError("no luck")

    endpoint = scripted(
        [call("weather", city="Bergen"), call("fails"), call("weather", town="x"), say("Rain.")]
    )
    agent = Agent.open(
        store, "ada", endpoint, wrapper="chatml-compact", profile=FULL, clock=lambda: NOW,
        tools=[as_tool(weather), as_tool(fails)], limits=Limits(steps=6),
    )  # fmt: skip
    turn = agent.turn("weather in Bergen?")
    assert [step.result for step in turn.steps][:2] == ["It rains in Bergen.", "Failed: ValueError: no luck"]
    assert "wrong arguments for weather" in text_of(endpoint.requests[3])
    assert turn.reply == "Rain."
    assert "weather" in text_of(endpoint.requests[0])
    assert "It rains in Bergen." in [hit.text for hit in store.find_messages("ada", "rains", 0).hits]


def test_a_tool_with_the_name_of_a_memory_function_is_refused(store: Store) -> None:
    def send_message(message: str) -> str:
        """Send."""
        return message

    with pytest.raises(InputError, match="send_message"):
        Agent.open(store, "ada", scripted([]), wrapper="chatml", tools=[as_tool(send_message)])


def test_a_tool_that_hangs_is_cut_off_and_the_turn_ends(store: Store) -> None:
    go_on = threading.Event()

    def hangs() -> str:
        """Hang."""
        go_on.wait(20)
        return "late"

    tool = as_tool(hangs, timeout_s=0.05)
    endpoint = scripted([call("hangs"), say("It took too long.")])
    agent = Agent.open(store, "ada", endpoint, wrapper="chatml-compact", profile=FULL, tools=[tool])
    turn = agent.turn("try")
    go_on.set()
    assert turn.steps[0].result.startswith("Failed: hangs took longer than")
    assert turn.reply == "It took too long."
