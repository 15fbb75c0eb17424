"""Each format's exact bytes, for one conversation that has everything in it.

The conversation is `golden/conversation.json`; each `golden/NAME.txt` is what the wrapper NAME writes for it.
The turn marks were checked by eye against the public source that each format file names. To accept a wanted
change run this file as a script.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bridle.messages import Message, ToolSpec, as_messages, as_tools
from bridle.wrappers import get_wrapper, wrapper_names

GOLDEN = Path(__file__).parent / "golden"


def conversation() -> tuple[tuple[Message, ...], tuple[ToolSpec, ...]]:
    body = json.loads((GOLDEN / "conversation.json").read_text(encoding="utf-8"))
    return as_messages(body["messages"]), as_tools(body["tools"])


def rendered(name: str) -> str:
    messages, tools = conversation()
    wrapper = get_wrapper(name)
    return "".join(segment.text for segment in wrapper.render(messages, tools))


@pytest.mark.parametrize("name", wrapper_names())
def test_the_prompt_is_byte_for_byte_the_golden_one(name: str) -> None:
    assert rendered(name) == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", wrapper_names())
def test_priming_adds_only_the_beginning_of_a_call(name: str) -> None:
    messages, tools = conversation()
    wrapper = get_wrapper(name)
    plain = rendered(name)
    primed = "".join(segment.text for segment in wrapper.render(messages, tools, prime=True))
    assert primed == plain + wrapper.prime


@pytest.mark.parametrize("name", wrapper_names())
def test_what_priming_begins_is_how_the_syntax_begins_a_call(name: str) -> None:
    messages, tools = conversation()
    wrapper = get_wrapper(name)
    call = next(message for message in messages if message.calls)
    written = wrapper.syntax.write(call.calls, "", "", tools)
    closing = wrapper.syntax.shape.think_close if wrapper.opens_thinking else ""
    assert (closing + written).startswith(wrapper.prime)
    assert (
        wrapper.read(wrapper.prime + written[len(wrapper.prime) - len(closing) :], tools).calls == call.calls
    )


if __name__ == "__main__":
    for each in wrapper_names():
        (GOLDEN / f"{each}.txt").write_text(rendered(each), encoding="utf-8")
