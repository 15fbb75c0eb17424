"""What a model answers stands in the next prompt as it was said: the prompt goes on, and reads the same.

So a server can keep what it has read of a conversation, and a model sees its own words, not a retelling.
"""

from __future__ import annotations

import pytest

from bridle.messages import Message, ToolCall, ToolSpec
from bridle.wrappers import Wrapper, builtin_formats, get_wrapper

TOOLS = [
    ToolSpec(
        "weather.now",
        "Look up the weather.",
        {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
            "required": ["city"],
        },
    )
]
CALL = ToolCall("weather.now", {"city": 'São "Paulo"', "days": 3})
ASKED = (Message("system", "Be brief."), Message("user", "How is the weather?"))
OPENS_ANEW = {
    "airoboros-l2-70b-2.1": "a heading stands before the last answer only",
    "command-r": "the words on how to answer stand behind the last turn",
    "gemma4": "the empty thinking that begins an answer is not kept",
}
"""Formats whose own templates write a past answer in another way than they open a new one."""


def said(wrapper: Wrapper, answer: Message) -> str | None:
    """What the model said if the next prompt goes on from the one before; None if it does not."""
    before = "".join(segment.text for segment in wrapper.render(ASKED, TOOLS))
    after = "".join(segment.text for segment in wrapper.render((*ASKED, answer), TOOLS))
    if not after.startswith(before):
        return None
    rest = after[len(before) :].removesuffix(wrapper.format.generation)
    return rest[: min((rest.find(stop) for stop in wrapper.stop if stop in rest), default=len(rest))]


@pytest.mark.parametrize("name", sorted(builtin_formats()))
def test_a_past_call_stands_as_it_was_said(name: str) -> None:
    wrapper = get_wrapper(name)
    thoughts = "I look it up." if wrapper.format.thinking else ""
    answer = Message("assistant", "", thoughts, (CALL,), extra={"call_ids": ["a1B2c3D4e"]})
    answered = said(wrapper, answer)
    forgets = wrapper.format.thinking and wrapper.format.history_thoughts == "drop"
    assert (answered is None) == (name in OPENS_ANEW or forgets)
    if answered is not None:
        reading = wrapper.read(answered, TOOLS)
        assert reading.calls == (CALL,)
        assert reading.thoughts == thoughts
        assert reading.repairs == ()


@pytest.mark.parametrize("name", sorted(builtin_formats()))
def test_a_past_answer_stands_as_it_was_said(name: str) -> None:
    wrapper = get_wrapper(name)
    thoughts = "It rains." if wrapper.format.thinking else ""
    answered = said(wrapper, Message("assistant", "Take an umbrella, {dear}.", thoughts))
    if answered is not None:
        reading = wrapper.read(answered, TOOLS)
        assert (reading.text, reading.thoughts) == ("Take an umbrella, {dear}.", thoughts)
        assert reading.calls == ()
