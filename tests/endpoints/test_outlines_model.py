"""A Transformers model by Outlines: held to our grammars, streamed, stopped, counted; skipped without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bridle.endpoints.base import Endpoint, Request, Sampling
from bridle.endpoints.connect import connect
from bridle.endpoints.drivers.outlines_model import OutlinesModel
from bridle.endpoints.responding import respond
from bridle.errors import ContextOverflow, InputError, ModelFileError, UnsupportedParameter
from bridle.grammars import choice_grammar
from bridle.messages import JSON, Message, ToolSpec
from bridle.wrappers import Segment

LEVEL: JSON = {"type": "integer", "minimum": 0, "maximum": 100}
ROOM: JSON = {"enum": ["kitchen", "attic"]}
LAMP = ToolSpec(
    "set_lamp",
    "",
    {"type": "object", "properties": {"room": ROOM, "level": LEVEL}, "required": ["room", "level"]},
)
SAID = [Message("user", "Set the lamp in the attic to 40")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with random weights and a tokenizer of bytes."""
    pytest.importorskip("outlines", reason="outlines is not installed")
    pytest.importorskip("torch", reason="torch is not installed")
    transformers: Any = pytest.importorskip("transformers", reason="transformers is not installed")
    tokenizers: Any = pytest.importorskip("tokenizers", reason="tokenizers is not installed")
    place = tmp_path_factory.mktemp("model")
    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: number for number, letter in enumerate(alphabet)} | {"<|end|>": len(alphabet)}
    made = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=vocabulary, merges=[]))
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, eos_token="<|end|>", pad_token="<|end|>"
    )
    fast.save_pretrained(str(place))
    transformers.set_seed(1)
    config = transformers.LlamaConfig(
        vocab_size=len(fast), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=2, max_position_embeddings=2048, eos_token_id=fast.eos_token_id,
        bos_token_id=None,
    )  # fmt: skip
    transformers.LlamaForCausalLM(config).save_pretrained(str(place))
    return place


@pytest.fixture(scope="module")
def endpoint(folder: Path) -> Endpoint:
    return connect(f"outlines:{folder}")


def request(text: str = "Say it:", max_tokens: int | None = 40, **wishes: Any) -> Request:
    return Request(prompt=(Segment(text),), max_tokens=max_tokens, **wishes)


@pytest.mark.filterwarnings("ignore")
class TestTransformers:
    """What holds for a model of random weights; its library warns of much that is none of our business."""

    def test_every_forced_call_is_valid(self, endpoint: Endpoint) -> None:
        for seed in range(8):
            completion = respond(
                endpoint, SAID, [LAMP], tool_choice="required", wrapper="chatml", temperature=1.5, seed=seed,
                max_tokens=600, fit="always",
            )  # fmt: skip
            assert [call.name for call in completion.message.calls] == ["set_lamp"]
            assert completion.constraint.proof == "claimed"

    def test_a_choice_is_held_and_streamed(self, endpoint: Endpoint) -> None:
        pieces: list[str] = []
        answer = endpoint.complete(request(grammar=choice_grammar(["zqä", "wkü"])), pieces.append)
        assert answer.text in ("zqä", "wkü")
        assert "".join(pieces) == answer.text
        assert answer.finish == "stop"
        assert answer.usage.completion_tokens >= 4

    def test_the_limit_and_the_stop_strings_end_an_answer(self, endpoint: Endpoint) -> None:
        long = choice_grammar(["abc#def"])
        cut = endpoint.complete(request(grammar=long, max_tokens=2))
        assert (cut.text, cut.finish) == ("ab", "length")
        stopped = endpoint.complete(request(grammar=long, stop=("#",)))
        assert (stopped.text, stopped.finish) == ("abc", "stop")

    def test_a_request_can_be_stopped_and_has_a_deadline(self, endpoint: Endpoint) -> None:
        long = choice_grammar(["xx " * 150])
        pieces: list[str] = []
        stopped = endpoint.complete(
            request(grammar=long, max_tokens=600), pieces.append, lambda: len(pieces) > 3
        )
        assert stopped.finish == "cancelled"
        assert 0 < len(stopped.text) < 450
        timed = endpoint.complete(request(grammar=long, max_tokens=600, max_seconds=0.05))
        assert (timed.finish, timed.finish_reason) == ("length", "max_seconds")

    def test_tokens_are_counted_and_the_window_is_kept(self, endpoint: Endpoint) -> None:
        assert endpoint.context_tokens == 2048
        assert endpoint.count_tokens(request("four")) == 4
        with pytest.raises(ContextOverflow) as caught:
            endpoint.complete(request("x" * 2040))
        assert caught.value.facts["prompt_tokens"] == 2040

    def test_one_seed_is_one_text(self, endpoint: Endpoint) -> None:
        texts = [
            endpoint.complete(request(sampling=Sampling(temperature=1.0, seed=seed))).text
            for seed in (3, 3, 4)
        ]
        assert texts[0] == texts[1] != texts[2]

    def test_what_cannot_be_told_is_said(self, endpoint: Endpoint) -> None:
        wish = request(sampling=Sampling(presence_penalty=0.5, extra={"mirostat": 2}), max_tokens=1)
        assert endpoint.complete(wish).dropped == ("presence_penalty", "mirostat")
        with pytest.raises(UnsupportedParameter):
            endpoint.complete(request(sampling=Sampling(presence_penalty=0.5), strict=True))
        with pytest.raises(InputError, match="GBNF"):
            endpoint.complete(request(gbnf='root ::= "x"'))


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"builtins\.object is no model"):
        OutlinesModel(object())
    with pytest.raises(ModelFileError, match=r"no config\.json"):
        connect(f"outlines:{tmp_path}")
