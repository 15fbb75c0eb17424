"""Answers that an endpoint tells in unusual ways are read all the same."""

from __future__ import annotations

from collections.abc import Callable

from agent_scripts import say, written
from bridle.agent.functions import FUNCTIONS
from bridle.endpoints.base import Answer, Request, Supports
from bridle.endpoints.responding import respond
from bridle.endpoints.scripted import Scripted
from bridle.messages import Delta, Message


class Whole(Scripted):
    """Tells its answer only when it is whole."""

    def complete(
        self,
        request: Request,
        on_text: Callable[[str], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Answer:
        return super().complete(request, None, should_stop)


def test_an_answer_that_was_not_streamed_is_read_when_somebody_listens() -> None:
    supports = Supports(prompt=True, grammar=True)
    endpoint = Whole([written(say("Hello."))], supports=supports, grammar_checked=False)
    told: list[Delta] = []
    completion = respond(
        endpoint, [Message("user", "hi")], FUNCTIONS,
        tool_choice="required", wrapper="chatml-compact", on_delta=told.append,
    )  # fmt: skip
    assert completion.message.calls == (say("Hello."),)
    assert any(delta.arguments for delta in told)


def test_prose_does_not_begin_with_what_was_begun_for_the_model() -> None:
    endpoint = Scripted(["Nice to meet you!"], supports=Supports(prompt=True))
    completion = respond(
        endpoint, [Message("user", "hi")], FUNCTIONS, tool_choice="required", wrapper="generic", retries=0
    )
    assert completion.message.content == "Nice to meet you!"
    assert all(refusal.text in ("", "Nice to meet you!") for refusal in completion.refusals)
