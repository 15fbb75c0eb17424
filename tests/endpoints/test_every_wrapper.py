"""Every wrapper from end to end: a prompt with a history, noise for a model, a valid call for an answer."""

from __future__ import annotations

import random
from collections.abc import Iterator

import jsonschema
import pytest

from bridle.endpoints import respond
from bridle.endpoints.base import Sampling
from bridle.endpoints.llamacpp import LlamaCpp
from bridle.grammars import Bounds
from bridle.messages import Message, ToolCall, ToolSpec
from bridle.wrappers import builtin_formats, get_wrapper
from tiny_gguf import write_tiny_llama

BOUNDS = Bounds(
    string_chars=12, thoughts_chars=16, thinking_chars=16, text_chars=20, array_items=2, object_members=2
)
TOOLS = (
    ToolSpec(
        "tide",
        "When the water is high.",
        {
            "type": "object",
            "properties": {
                "harbour": {"type": "string"},
                "days": {"type": "integer", "minimum": 1, "maximum": 9},
                "parts": {"type": "array", "items": {"enum": ["am", "pm"]}},
                "where": {"type": "object", "properties": {"lat": {"type": "number"}}, "required": ["lat"]},
            },
            "required": ["harbour", "where"],
        },
    ),
    ToolSpec("clock", "", {"type": "object", "properties": {}}),
)
TIDE = ToolCall("tide", {"harbour": "Vardø", "where": {"lat": 70.4}})
HISTORY = (
    Message("system", "You know the sea."),
    Message("user", "When is the tide in Vardø?"),
    Message("assistant", thoughts="I look.", calls=(TIDE,)),
    Message("tool", '{"high": "04:12"}', name="tide"),
    Message("assistant", "At 04:12."),
    Message("user", "And what time is it?"),
)


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlamaCpp]:
    path = write_tiny_llama(tmp_path_factory.mktemp("model") / "tiny.gguf", n_ctx=16384)
    with LlamaCpp(path) as endpoint:
        yield endpoint


@pytest.mark.parametrize("name", sorted(builtin_formats()))
def test_noise_calls_under_every_wrapper(noise: LlamaCpp, name: str) -> None:
    for seed in range(3):
        completion = respond(
            noise,
            HISTORY,
            TOOLS,
            tool_choice="required",
            wrapper=name,
            bounds=BOUNDS,
            sampling=Sampling(temperature=1.5, seed=seed),
        )
        assert completion.constraint.proof == "proven", completion.raw
        (call,) = completion.message.calls
        (tool,) = (tool for tool in TOOLS if tool.name == call.name)
        jsonschema.validate(dict(call.arguments), dict(tool.parameters))
        assert completion.refusals == ()


@pytest.mark.parametrize("name", sorted(builtin_formats()))
def test_noise_talks_or_calls_under_every_wrapper(noise: LlamaCpp, name: str) -> None:
    rng = random.Random(name)
    completion = respond(
        noise,
        HISTORY,
        TOOLS,
        wrapper=name,
        bounds=BOUNDS,
        sampling=Sampling(temperature=1.5, seed=rng.randrange(99)),
    )
    assert completion.refusals == (), completion.raw
    assert len(completion.message.calls) <= 1
    wrapper = get_wrapper(name)
    assert not any(mark in completion.message.content for mark in wrapper.format.special)
