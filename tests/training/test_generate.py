"""The generator of training cases: right by construction, the same everywhere, and nothing held out leaks."""

from __future__ import annotations

import importlib
import random
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, cast

import pytest
from jsonschema import Draft202012Validator

from bridle.agent.functions import FUNCTIONS
from bridle.agent.memory import EditError
from bridle.agent.prompt import COMPACT, memory_text
from bridle.messages import ToolCall
from bridle.wrappers import get_wrapper

TRAINING = Path(__file__).resolve().parents[2] / "training"
sys.path.insert(0, str(TRAINING))

generate: Any = importlib.import_module("generate")
frames: Any = importlib.import_module("frames")
entities: Any = importlib.import_module("entities")
topics: Any = importlib.import_module("topics")
talk: Any = importlib.import_module("talk")
world: Any = importlib.import_module("world")
dialogues: Any = importlib.import_module("dialogues")
texts: Any = importlib.import_module("texts")
toolbox: Any = importlib.import_module("toolbox")
toolparts: Any = importlib.import_module("toolparts")

SPLITS = ("train", "entities", "frames")


def cases(split: str, count: int = 120, seed: int = 5) -> list[Any]:
    return [case for group in islice(generate.groups(seed, split), count) for case in group]


@pytest.mark.parametrize("split", SPLITS)
def test_every_call_is_valid_for_its_tool_and_within_the_profile(split: str) -> None:
    for case in cases(split):
        tools = FUNCTIONS if case.tools is None else case.tools
        (tool,) = [tool for tool in tools if tool.name == case.call.name]
        validator: Any = Draft202012Validator(dict(tool.parameters))
        validator.validate(dict(case.call.arguments))
        assert len(case.thoughts) <= COMPACT.thoughts_chars
        texts = [value for value in case.call.arguments.values() if isinstance(value, str)]
        assert all(len(text) <= COMPACT.string_chars for text in texts), case
        assert generate.judge(case, case.call) == (True, True)


@pytest.mark.parametrize("split", SPLITS)
def test_edits_can_be_done_and_fail_only_where_the_block_is_full(split: str) -> None:
    done = 0
    for case in cases(split):
        arguments = {key: str(value) for key, value in case.call.arguments.items()}
        if case.tools is None and case.call.name == "core_memory_replace":
            assert arguments["old_content"] in case.core.block(arguments["name"]).lines
            case.core.replace(arguments["name"], arguments["old_content"], arguments["new_content"])
            done += 1
        elif case.tools is None and case.call.name == "core_memory_append":
            block = case.core.block(arguments["name"])
            if len(block.value) + len(arguments["content"]) < block.limit:
                case.core.append(arguments["name"], arguments["content"])
            else:
                with pytest.raises(EditError, match="limit"):
                    case.core.append(arguments["name"], arguments["content"])
            done += 1
    assert done > 50


def test_the_target_is_what_the_wrapper_reads_back() -> None:
    wrapper = get_wrapper("chatml-compact")
    for case in cases("train", 60):
        tools = FUNCTIONS if case.tools is None else case.tools
        _, target = generate.segments(case)
        reading = wrapper.read(target[0].text, tools)
        assert (reading.thoughts, reading.calls) == (case.thoughts, (case.call,))
        assert target[-1].control


def test_the_prompt_ends_where_the_answer_begins_and_shows_live_memory() -> None:
    for case in cases("train", 40):
        prompt, _ = generate.segments(case)
        text = "".join(segment.text for segment in prompt)
        assert text.endswith("<|im_start|>assistant\n")
        if case.tools is None:
            assert memory_text(COMPACT, case.core, case.now) in text
            assert "core_memory_append(" in text
        else:
            assert all(f"\n{tool.name}(" in text for tool in case.tools)


@pytest.mark.parametrize("kind", generate.KINDS)
@pytest.mark.parametrize("split", SPLITS)
def test_each_kind_can_be_asked_for(kind: str, split: str) -> None:
    groups: Iterator[tuple[Any, ...]] = generate.groups(1, split, kind)
    found = list(islice(groups, 2))
    assert [[case.kind for case in group] for group in found] == [[kind], [kind]]


def test_unknown_kinds_are_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="the kinds are fact, correction"):
        next(generate.groups(1, "train", "poem"))


def test_a_seed_gives_the_same_cases_in_every_process() -> None:
    command = [sys.executable, str(TRAINING / "generate.py"), "--show", "6", "--seed", "11", "--brief"]
    parts = [str(TRAINING.parent / part) for part in ("wrappers", "grammars", "endpoints", "agent")]
    shown = [
        subprocess.run(
            command,
            env={"PYTHONPATH": ":".join(parts), "PYTHONHASHSEED": seed, "PYTHONIOENCODING": "utf-8"},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert shown[0] == shown[1]
    assert shown[0]
    assert cases("train", 5, seed=1) != cases("train", 5, seed=2)


@pytest.mark.parametrize("pool", ["person", "place", "company", "petname", "thing", "email", "word"])
def test_held_out_values_never_train(pool: str) -> None:
    rng = random.Random(3)
    trained = {entities.pick_value(rng, pool, "train").lower() for _ in range(400)}
    out = {entities.pick_value(rng, pool, "entities").lower() for _ in range(400)}
    assert not trained & out
    assert all(not frames.held(value, 20) for value in trained)


def test_held_out_wordings_never_train_and_the_commonest_always_do() -> None:
    rng = random.Random(4)
    lists = [
        talk.words(name) for name in ("qframe", "forget", "correct", "whoami", "rename", "about_me", "said")
    ]
    for wordings in lists:
        trained = {frames.pick(rng, wordings, "train") for _ in range(2000)}
        out = {frames.pick(rng, wordings, "frames") for _ in range(500)}
        assert out
        assert not trained & out
        assert trained | out == set(wordings)
        assert set(wordings[:3]) <= trained


def test_every_attribute_has_enough_wordings() -> None:
    for spec in (*topics._ATTRIBUTES, *topics._FAMILIES.values()):
        assert len(spec["say"]) >= 8, spec
        assert len(spec["ask"]) >= 7, spec
        assert len(spec.get("fix", spec.get("drop"))) >= 4, spec


def test_noise_never_touches_a_value() -> None:
    rng = random.Random(6)
    style = frames.Style(True, False, False, True, True, True)
    for _ in range(200):
        message = style.write(
            rng, [("I'm living in ", False), ("Süd-Örebro", True), (" these days", False)], "."
        )
        assert "Süd-Örebro" in message
        assert message.endswith(".")


def test_both_sides_of_a_contrast_share_the_message() -> None:
    for group in islice(generate.groups(8, "train"), 400):
        kinds = {case.kind for case in group}
        asked = [case.history[-1].content for case in group if case.kind in ("search_archive", "answer_core")]
        if {"search_archive", "answer_core", "correction"} <= kinds and len(asked) == len(set(asked)) + 1:
            return
    pytest.fail("no contrast group was found")


def test_judging_counts_what_a_message_must_hold() -> None:
    (case,) = next(generate.groups(2, "train", "answer_core"))
    value = case.accept[0]
    assert generate.judge(case, ToolCall("send_message", {"message": f"It is {value.upper()}!"})) == (
        True,
        True,
    )
    assert generate.judge(case, ToolCall("send_message", {"message": "I forgot."})) == (True, False)
    assert generate.judge(case, ToolCall("pause_heartbeats", {"minutes": 3})) == (False, False)


def test_a_full_block_makes_the_edit_fail_and_the_agent_say_so() -> None:
    rng = random.Random(1)
    state = world.draw_world(rng, "train")
    turn = world.Turn(state, "x")
    assert turn.append("fact", "", "y" * 700).startswith("Failed: the block 'human' would have")
    assert turn.steps[0].result.startswith("Failed: ")


def said_values(value: object) -> Iterator[str]:
    """The texts and numbers of an argument, as they are written in a sentence."""
    if isinstance(value, bool):
        return
    if isinstance(value, dict):
        for key, one in cast("dict[str, object]", value).items():
            yield from (key, *said_values(one))
    elif isinstance(value, list):
        for one in cast("list[object]", value):
            yield from said_values(one)
    else:
        yield str(value)


@pytest.mark.parametrize("split", SPLITS)
def test_a_drill_says_every_argument_in_the_request(split: str) -> None:
    seen: set[str] = set()
    for (case,) in islice(generate.groups(3, split, "tool_match"), 300):
        (tool,) = [tool for tool in case.tools if tool.name == case.call.name]
        asked = case.history[0].content.lower()
        for key, value in case.call.arguments.items():
            seen.add(str(tool.properties[key]["type"]))
            assert all(text.lower() in asked for text in said_values(value)), (asked, key, value)
        assert len({one.name for one in case.tools}) == len(case.tools)
    assert seen >= {"string", "integer", "number", "boolean", "array"}


def test_what_is_refused_in_a_drill_is_not_in_the_list() -> None:
    refused = 0
    for case in cases("train", 400):
        if case.thoughts == "no function fits":
            refused += 1
            assert case.call.name == "send_message"
            assert "can't do that" in str(case.call.arguments["message"])
    assert refused > 20


@pytest.mark.parametrize("split", SPLITS)
def test_nouns_of_the_evaluations_tools_are_in_no_drill(split: str) -> None:
    for (case,) in islice(generate.groups(4, split, "tool_match"), 300):
        verb, *nouns = case.thoughts.split()
        assert not texts._HELD_NOUNS & set(nouns), case.thoughts
        assert verb
    assert {"oven", "flight", "television"} <= texts._HELD_NOUNS


def test_training_and_evaluation_share_no_noun_of_a_composed_tool() -> None:
    rng = random.Random(9)
    trained = {toolbox._pick_noun(rng, "train") for _ in range(3000)}
    out = {toolbox._pick_noun(rng, "entities") for _ in range(500)}
    assert not trained & out
    assert out <= set(toolparts.NOUNS)
    assert len(trained) > 120


def test_several_values_are_looked_up_line_by_line() -> None:
    for (case,) in islice(generate.groups(5, "train", "multi_value"), 60):
        lines = case.thoughts.split("; ")
        known = case.core.block("human").lines
        assert len(lines) > 1
        assert all(line in known for line in lines)
        assert all(part in case.call.arguments["message"] for part in case.accept)


def test_a_contrast_holds_what_was_told_with_no_value_another_and_the_same() -> None:
    for group in islice(generate.groups(12, "train"), 400):
        by_message: dict[str, set[str]] = {}
        for case in group:
            by_message.setdefault(case.history[-1].content, set()).add(case.kind)
        if any({"fact", "correction", "same"} <= kinds for kinds in by_message.values()):
            return
    pytest.fail("no message was a fact, a correction and known already")


def test_a_wording_for_any_attribute_names_it_and_holds_the_value() -> None:
    rng = random.Random(2)
    style = frames.Style(False, False, True, False, False, True)
    (topic,) = [one for one in (topics.draw_topic(rng, "train") for _ in range(4000)) if one.key == "Email"][
        :1
    ]
    told = {talk.tell(rng, style, topic, "ana@example.com", "train", "Sam") for _ in range(800)}
    assert all("ana@example.com" in one for one in told)
    assert "My email is ana@example.com" in told
    assert any("= ana@example.com" in one for one in told)
    assert len(told) > 100
