"""A model's own chat template as a wrapper: tools for a family that is known, words for one that is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridle.endpoints import respond
from bridle.endpoints.base import Sampling
from bridle.endpoints.choose import choose_wrapper
from bridle.endpoints.llamacpp import LlamaCpp
from bridle.errors import TemplateError
from bridle.messages import Message, ToolCall, ToolSpec
from bridle.wrappers import get_wrapper
from bridle.wrappers.own_template import own_wrapper, tells_calls, tells_tools
from bridle.wrappers.templates import ChatTemplate
from tiny_gguf import write_tiny_llama

PLAIN = (
    "{{ bos_token }}{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|done|>{% endfor %}<|assistant|>"
)
KNOWING = (
    "{% if tools %}[TOOLS]{{ tools | tojson }}[/TOOLS]{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}"
    "{% for c in m.tool_calls %}<tool_call>\n{{ c.function | tojson }}\n</tool_call>{% endfor %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}"
)
LAMP = ToolSpec("lamp", "Switch it.", {"type": "object", "properties": {"on": {"type": "boolean"}}})
TALK = (
    Message("system", "Short."),
    Message("user", "Light! <|done|>"),
    Message("assistant", calls=(ToolCall("lamp", {"on": True}),)),
    Message("tool", "OK", name="lamp"),
    Message("user", "Thanks"),
)


def text_of(template: str, family: str | None) -> str:
    wrapper = own_wrapper(ChatTemplate(template, "<s>", "<|done|>"), family)
    return "".join(segment.text for segment in wrapper.render(TALK, [LAMP]))


def test_an_unknown_family_is_told_of_tools_in_words() -> None:
    text = text_of(PLAIN, None)
    assert text.startswith("<s><|system|>Short.\n")
    assert '"name": "lamp"' in text.split("<|done|>")[0]
    assert '<|assistant|>{"name": "lamp", "arguments": {"on": true}}<|done|>' in text
    assert "<|user|>FUNCTION RETURN: OK<|done|>" in text
    assert text.endswith("<|user|>Thanks<|done|><|assistant|>")


def test_a_known_familys_template_is_handed_tools_and_calls() -> None:
    text = text_of(KNOWING, "hermes")
    assert text.startswith("[TOOLS][{")
    assert "FUNCTION RETURN" not in text
    assert "<tool_call>" in text


@pytest.mark.parametrize(
    ("family", "calls"), [("gemma2", "gemma2"), ("chatml", "chatml"), ("mistral-v3", "generic")]
)
def test_a_known_familys_template_that_leaves_tools_out_is_told_of_them_in_words(
    family: str, calls: str
) -> None:
    template = ChatTemplate(PLAIN, "<s>", "<|done|>")
    assert not tells_tools(template)
    wrapper = own_wrapper(template, family)
    assert wrapper.format.name == calls
    assert set(get_wrapper(family).stop) <= set(wrapper.stop)
    text = text_of(PLAIN, family)
    assert "lamp" in text.split("<|done|>")[0], "no tool is dropped"
    written = get_wrapper(calls).syntax.write(TALK[2].calls, "", "", [LAMP])
    assert f"<|assistant|>{written}<|done|>" in text
    assert "<|user|>FUNCTION RETURN: OK<|done|>" in text
    assert wrapper.read(written, [LAMP]).calls[0].arguments == {"on": True}


def test_a_template_that_leaves_only_past_calls_out_is_handed_them_as_text() -> None:
    source = KNOWING.replace("m.tool_calls", "[]")
    template = ChatTemplate(source)
    assert tells_tools(template)
    assert not tells_calls(template)
    assert tells_calls(ChatTemplate(KNOWING))
    text = text_of(source, "hermes")
    assert text.startswith("[TOOLS][{")
    assert get_wrapper("hermes").syntax.write(TALK[2].calls, "", "", [LAMP]).strip() in text
    assert "FUNCTION RETURN: OK" in text


def test_what_a_user_writes_stays_content() -> None:
    wrapper = own_wrapper(ChatTemplate(PLAIN, "<s>", "<|done|>"), None)
    segments = wrapper.render(TALK, [LAMP])
    assert any("Light! <|done|>" in segment.text for segment in segments if not segment.control)


def test_thinking_that_the_template_opens_is_known() -> None:
    assert own_wrapper(ChatTemplate(KNOWING), "hermes").opens_thinking
    assert not own_wrapper(ChatTemplate(PLAIN), None).opens_thinking
    reading = own_wrapper(ChatTemplate(KNOWING), "hermes").read("Hm.\n</think>\nYes.", [LAMP])
    assert (reading.thoughts, reading.text) == ("Hm.", "Yes.")


def test_a_template_that_fails_says_so() -> None:
    wrapper = own_wrapper(ChatTemplate("{{ raise_exception('no') }}", name="odd.gguf"), None)
    assert not wrapper.opens_thinking
    with pytest.raises(TemplateError, match=r"odd\.gguf"):
        wrapper.render(TALK)


def test_a_template_that_fails_at_tools_is_told_in_words() -> None:
    source = "{% if tools %}{{ raise_exception('no tools') }}{% endif %}" + PLAIN
    assert not tells_tools(ChatTemplate(source))
    assert '"name": "lamp"' in text_of(source, "gemma2")


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (PLAIN, "leaves tools out: they are told in words; calls as in generic"),
        (KNOWING, "the model's own chat template; calls as in hermes"),
        (KNOWING.replace("m.tool_calls", "[]"), "leaves past calls out: they are written as text"),
    ],
)
def test_the_reason_tells_what_the_template_leaves_out(tmp_path: Path, source: str, says: str) -> None:
    path = write_tiny_llama(tmp_path / "odd.gguf", chat_template=source)
    with LlamaCpp(path) as endpoint:
        wrapper, reason = choose_wrapper(endpoint, "template")
    assert wrapper.name == "template"
    assert says in reason


def test_a_model_with_a_strange_template_calls_under_the_constraint(tmp_path: Path) -> None:
    path = write_tiny_llama(tmp_path / "odd.gguf", n_ctx=8192, chat_template=PLAIN)
    with LlamaCpp(path) as endpoint:
        completion = respond(
            endpoint, TALK, [LAMP], tool_choice="required", sampling=Sampling(temperature=1.5, seed=3)
        )
    assert completion.wrapper == "template"
    assert "own chat template" in completion.wrapper_reason
    assert completion.constraint.proof == "proven"
    assert [call.name for call in completion.message.calls] == ["lamp"]
    assert get_wrapper("generic").syntax.read(completion.raw, [LAMP]).calls == completion.message.calls
