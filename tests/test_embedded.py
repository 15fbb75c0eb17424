"""The embedded model in the product: it fits the prompt it was trained on, remembers, and always answers."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from bridle.agent import open_agent
from bridle.agent.functions import FUNCTIONS
from bridle.agent.prompt import COMPACT, compose, memory_text
from bridle.endpoints import connect, respond
from bridle.endpoints.embedded import MODEL_PATH, model_facts
from bridle.endpoints.llamacpp import LlamaCpp
from bridle.messages import Message, ToolSpec
from bridle.wrappers import detect, get_wrapper

HUNDRED = Path(__file__).parent / "data" / "hundred_messages.txt"
TOLD = ["My name is Thessaly.", "I live in Wrexbury.", "I work as a falconer.", "My dog is called Ozymand."]
ASKED = {
    "What is my name?": "Thessaly",
    "Where do I live?": "Wrexbury",
    "What is my job?": "falconer",
    "What is my dog called?": "Ozymand",
}


def test_the_file_is_the_one_that_its_card_describes() -> None:
    facts = model_facts()
    assert hashlib.sha256(MODEL_PATH.read_bytes()).hexdigest() == facts["sha256"]
    assert MODEL_PATH.stat().st_size == facts["size_bytes"]
    assert MODEL_PATH.stat().st_size <= 4_000_000


def test_the_prompt_is_the_one_that_it_was_trained_on() -> None:
    memory = memory_text(COMPACT, COMPACT.core(), datetime(2026, 11, 20, 8, 5))
    prompt = get_wrapper("chatml-compact").render(
        compose(COMPACT, [Message("user", "hello")], memory), FUNCTIONS
    )
    found = hashlib.sha256("".join(segment.text for segment in prompt).encode()).hexdigest()
    with LlamaCpp(MODEL_PATH) as model:
        assert model.metadata["bridle.prompt_sha256"] == found, "the prompt changed: train the model again"
    assert model_facts()["prompt_sha256"] == found


def test_its_own_template_chooses_its_wrapper() -> None:
    endpoint = connect("embedded")
    assert detect(endpoint.chat_template).format == "chatml-compact"
    assert endpoint.name == "embedded"
    assert endpoint.context_tokens == 2048
    endpoint.close()


def chat(home: Path, lines: list[str]) -> list[dict[str, object]]:
    script = home / "script.txt"
    script.write_text("\n".join(lines) + "\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "bridle.cli", "chat", "--script", str(script), "--json"],
        env={**os.environ, "BRIDLE_HOME": str(home), "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_what_one_process_is_told_the_next_one_knows(tmp_path: Path) -> None:
    told = chat(tmp_path, TOLD)
    assert all(turn["reply"] for turn in told)
    answers = chat(tmp_path, list(ASKED))
    for answer, right in zip(answers, ASKED.values(), strict=True):
        assert right in str(answer["reply"]), answer


def held_to_the_end(messages: list[str], home: Path) -> None:
    known = {tool.name for tool in FUNCTIONS}
    with open_agent("default", home=home) as agent:
        for message in messages:
            turn = agent.turn(message)
            assert turn.reply, message
            for completion in turn.completions:
                assert completion.refusals == (), message
                assert [call.name in known for call in completion.message.calls] == [True], message
                assert completion.constraint.proof == "proven"


def test_every_turn_of_the_model_is_a_valid_call_and_every_turn_has_a_reply(tmp_path: Path) -> None:
    held_to_the_end(HUNDRED.read_text(encoding="utf-8").splitlines()[::4], tmp_path)


@pytest.mark.slow
def test_a_hundred_messages_are_answered(tmp_path: Path) -> None:
    messages = HUNDRED.read_text(encoding="utf-8").splitlines()
    assert len(messages) == 100
    held_to_the_end(messages, tmp_path)


def test_a_tool_it_has_never_seen_gets_a_valid_call() -> None:
    lamp = ToolSpec(
        "lamp",
        "Switch a lamp on or off.",
        {
            "type": "object",
            "properties": {"room": {"enum": ["kitchen", "attic"]}, "on": {"type": "boolean"}},
            "required": ["room", "on"],
        },
    )
    endpoint = connect("embedded")
    asked = [Message("user", "Turn on the lamp in the kitchen")]
    completion = respond(endpoint, asked, [lamp], tool_choice="required")
    assert [call.name for call in completion.message.calls] == ["lamp"]
    assert completion.message.calls[0].arguments["room"] == "kitchen"
    endpoint.close()
