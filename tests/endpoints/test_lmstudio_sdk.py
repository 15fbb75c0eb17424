"""The fake of LM Studio speaks what LM Studio's own Python package speaks (lmstudio 1.5.0).

Skipped where that package is not installed: `pip install lmstudio==1.5.0` beside bridle runs it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from bridle.endpoints.base import Request, Sampling
from bridle.endpoints.drivers.lmstudio_prediction import prediction
from servers.fake_lmstudio import FakeLMStudio

lmstudio: Any = pytest.importorskip("lmstudio", reason="the package lmstudio is not installed")


@pytest.fixture
def studio() -> Iterator[FakeLMStudio]:
    one = FakeLMStudio()
    yield one
    one.close()


@pytest.fixture
def client(studio: FakeLMStudio) -> Iterator[Any]:
    with lmstudio.Client(studio.url.removeprefix("http://")) as one:
        yield one


def test_a_completion_is_held_to_a_grammar(studio: FakeLMStudio, client: Any) -> None:
    form = {"type": "gbnf", "gbnfGrammar": 'root ::= "yes" | "no"'}
    result = client.llm.model("m").complete("Well?", response_format=form, config={"maxTokens": 9})
    assert result.content == "no"
    assert (result.stats.stop_reason, result.stats.prompt_tokens_count) == ("eosFound", 5)
    assert studio.asked["prompt"] == "Well?"


def test_a_completion_is_held_to_a_schema(client: Any) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    result = client.llm.model("m").complete("Well?", response_format={"type": "json", "jsonSchema": schema})
    assert isinstance(result.parsed["a"], int)


def test_fragments_stops_and_limits_are_understood(studio: FakeLMStudio, client: Any) -> None:
    model = client.llm.model("m")
    fragments = [one.content for one in model.complete_stream("x", config={"stopStrings": [" The"]})]
    assert "".join(fragments) == "Grüße, 世界 🙂."
    result = model.complete("x", config={"maxTokens": 3})
    assert (result.content, result.stats.stop_reason) == ("Grü", "maxPredictedTokensReached")


def test_a_cancelled_completion_ends_as_the_user_stopped_it(studio: FakeLMStudio, client: Any) -> None:
    studio.pause_s = 0.05
    stream = client.llm.model("m").complete_stream("x")
    for at, _ in enumerate(stream):
        if at == 1:
            stream.cancel()
    assert stream.result().stats.stop_reason == "userStopped"
    assert studio.broken.is_set()


def test_tokens_templates_and_models_are_told(studio: FakeLMStudio, client: Any) -> None:
    model = client.llm.model("m")
    assert model.tokenize("ab") == [97, 98]
    assert model.count_tokens("abc") == 3
    assert model.get_context_length() == 4096
    assert model.get_info().architecture == "qwen3"
    assert client.llm._apply_prompt_template("m", "Hi").startswith("<|im_start|>user\nHi<|im_end|>")
    assert [one.identifier for one in client.llm.list_loaded()] == ["m"]
    assert {one.model_key for one in client.llm.list_downloaded()} == {"m", "other"}


def test_a_model_is_loaded_with_progress_and_unloaded(studio: FakeLMStudio, client: Any) -> None:
    told: list[float] = []
    model = client.llm.model("other", config={"contextLength": 777}, on_load_progress=told.append)
    assert (model.get_context_length(), told) == (777, [0.0, 0.5, 1.0])
    model.unload()
    assert studio.catalogue[1].context is None
    with pytest.raises(lmstudio.LMStudioModelNotFoundError):
        model.count_tokens("x")


def test_errors_are_told(client: Any) -> None:
    model = client.llm.model("m")
    with pytest.raises(lmstudio.LMStudioServerError, match="failed to parse grammar"):
        model.complete("x", response_format={"type": "gbnf", "gbnfGrammar": "root :="})
    with pytest.raises(lmstudio.LMStudioServerError, match="n_ctx: 4096"):
        model.complete("x" * 5000, config={"contextOverflowPolicy": "stopAtLimit"})


def test_our_prediction_has_the_shape_of_its_own() -> None:
    config = {
        "maxTokens": 5,
        "stopStrings": ["a"],
        "temperature": 0.5,
        "contextOverflowPolicy": "stopAtLimit",
        "topKSampling": 3,
        "minPSampling": 0.25,
        "repeatPenalty": 1.5,
        "topPSampling": 0.75,
        "reasoningParsing": {"enabled": False, "startString": "", "endString": ""},
    }
    form = {"type": "gbnf", "gbnfGrammar": 'root ::= "x"'}
    theirs: Any = lmstudio.json_api.CompletionEndpoint("m", "hi", form, config).creation_params
    sampling = Sampling(0.5, 3, 0.75, 0.25, 1.5)
    ours: Any = prediction(Request(max_tokens=5, stop=("a",), sampling=sampling), "hi", "m", 'root ::= "x"')
    assert ours["modelSpecifier"] == theirs["modelSpecifier"]
    assert ours["history"] == theirs["history"]
    assert [one["layerName"] for one in ours["predictionConfigStack"]["layers"]] == [
        one["layerName"] for one in theirs["predictionConfigStack"]["layers"]
    ]
    own, wanted = fields(ours), fields(theirs)
    assert {key: own[key] for key in wanted} == wanted
    assert set(own) - set(wanted) == {
        "llm.prediction.llama.presencePenalty",
        "llm.prediction.llama.frequencyPenalty",
    }


def fields(asked: Any) -> dict[str, Any]:
    layers = asked["predictionConfigStack"]["layers"]
    return {one["key"]: one["value"] for layer in layers for one in layer["config"]["fields"]}
