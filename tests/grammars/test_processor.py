"""The logits processor, in llama-cpp-python's own loop: whatever the model says at random is a sentence."""

from __future__ import annotations

import gc
import importlib
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bridle.errors import ConfigError, GrammarError
from bridle.grammars import (
    Alt,
    Bounds,
    Chars,
    Grammar,
    Lit,
    Repeat,
    Seq,
    call_grammar,
    matches,
    schema_grammar,
)
from bridle.grammars.engines import FloatArray, gbnf, table
from bridle.grammars.engines.table import EngineName
from bridle.grammars.processor import logits_processor
from bridle.messages import ToolSpec
from bridle.wrappers import get_wrapper
from tiny_gguf import write_tiny_llama

BOUNDS = Bounds(string_chars=6, array_items=2, object_members=1, thoughts_chars=8, depth=1)
PERSON = schema_grammar(
    {
        "properties": {"name": {"type": "string"}, "age": {"type": "integer", "maximum": 150}},
        "required": ["name", "age"],
    },
    bounds=BOUNDS,
)
CALLS = call_grammar(
    [
        ToolSpec("now"),
        ToolSpec(
            "look_up",
            "",
            {
                "type": "object",
                "properties": {
                    "of": {"enum": ["🧿 日本", "größe"]},
                    "page": {"type": "integer", "minimum": 0},
                },
                "required": ["of"],
            },
        ),
    ],
    get_wrapper("hermes").syntax.shape,
    "call",
    bounds=BOUNDS,
)
SPANNING = Grammar(Seq((Lit("🧿"), Repeat(Alt((Lit(" 日本"), Chars(((0x4E00, 0x9FFF),)))), 1, 8), Lit("!"))))


def load(path: Path, **options: Any) -> Any:
    module: Any = importlib.import_module("llama_cpp")
    return module.Llama(str(path), n_ctx=512, n_threads=1, verbose=False, **options)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_llama(tmp_path_factory.mktemp("model") / "tiny.gguf", 700)


@pytest.fixture(scope="module")
def llama(file: Path) -> Iterator[Any]:
    loaded = load(file)
    yield loaded
    loaded.close()


@pytest.fixture(params=["llguidance", "gbnf", "outlines"])
def engine(request: pytest.FixtureRequest) -> EngineName:
    if request.param == "outlines":
        pytest.importorskip("outlines_core", reason="needs the extra 'outlines'")
    name: EngineName = request.param
    return name


def listed(*processors: object) -> Any:
    module: Any = importlib.import_module("llama_cpp")
    return module.LogitsProcessorList(list(processors))


def ends_of(llama: Any) -> set[int]:
    module: Any = importlib.import_module("llama_cpp")
    vocab = module.llama_model_get_vocab(llama.model)
    return {token for token in range(llama.n_vocab()) if module.llama_vocab_is_eog(vocab, token)}


def never(*_: object) -> bool:
    return False


def answer(llama: Any, prompt: str | list[int], held: object, **options: Any) -> tuple[str, str]:
    """Return the text of an answer and why it ended."""
    given = {"temperature": 1.5, "top_k": 0, "max_tokens": 300, "logits_processor": listed(held), **options}
    made = llama.create_completion(prompt, **given)
    return made["choices"][0]["text"], made["choices"][0]["finish_reason"]


@pytest.mark.parametrize("grammar", [PERSON, CALLS, SPANNING], ids=["object", "call", "characters of tokens"])
def test_random_answers_are_sentences(llama: Any, engine: EngineName, grammar: Grammar) -> None:
    held = logits_processor(llama, grammar, engine)
    found: set[str] = set()
    for seed in range(12):
        text, why = answer(llama, "the name is" * (1 + seed % 3), held, seed=seed)
        assert (matches(grammar, text), why) == (True, "stop"), text
        found.add(text)
    assert len(found) > 1


def test_penalties_and_other_processors_do_not_undo_the_grammar(llama: Any) -> None:
    held = logits_processor(llama, PERSON)

    def shift(_: object, scores: FloatArray) -> FloatArray:
        return scores + np.float32(3.0)

    for seed in range(5):
        made = llama.create_completion(
            "you",
            logits_processor=listed(held, shift),
            temperature=1.5,
            repeat_penalty=1.3,
            presence_penalty=0.5,
            max_tokens=300,
            seed=seed,
        )
        assert matches(PERSON, made["choices"][0]["text"])


def test_a_stream_is_held_too(llama: Any, engine: EngineName) -> None:
    parts = llama.create_completion(
        "hello", logits_processor=listed(logits_processor(llama, PERSON, engine)), stream=True, max_tokens=300
    )
    assert matches(PERSON, "".join(part["choices"][0]["text"] for part in parts))


def test_an_answer_that_was_cut_is_not_continued_by_the_next(llama: Any, engine: EngineName) -> None:
    held = logits_processor(llama, Grammar(Repeat(Lit("ab"), 3, 3)), engine)
    prompt = llama.tokenize(b"you said")
    short, why = answer(llama, prompt, held, max_tokens=3)
    assert (short, why) == ("aba", "length")
    # The next prompt is the old one with all that was answered: as if the old answer went on.
    longer = prompt + llama.tokenize(b"aba", add_bos=False)
    assert longer == prompt + [llama.tokenize(bytes([byte]), add_bos=False)[0] for byte in b"aba"]
    assert answer(llama, longer, held) == ("ababab", "stop")
    assert answer(llama, longer, held) == ("ababab", "stop")
    assert answer(llama, prompt, held) == ("ababab", "stop")
    assert answer(llama, prompt, held, max_tokens=1) == ("a", "length")
    assert answer(llama, [*prompt, 5], held) == ("ababab", "stop")


def test_reset_begins_an_answer_whatever_came_before(llama: Any) -> None:
    held = logits_processor(llama, Grammar(Lit("ab")))
    a, b = (llama.tokenize(letter, add_bos=False)[0] for letter in (b"a", b"b"))
    prompt = np.array([5, 6, 7], dtype=np.intc)

    def allowed(tokens: list[int]) -> list[int]:
        scores = held(np.array([*prompt, *tokens], dtype=np.intc), np.zeros(700, dtype=np.float32))
        return [int(i) for i in np.flatnonzero(np.isfinite(scores))]

    assert (allowed([]), allowed([a])) == ([a], [b])
    assert allowed([a]) == [b]
    held.reset()
    assert allowed([a]) == [a]
    assert allowed([a, a]) == [b]


def test_a_loop_that_samples_by_itself_is_followed(llama: Any, engine: EngineName) -> None:
    held = listed(logits_processor(llama, SPANNING, engine))
    ends = ends_of(llama)
    for prompt in (b"hello", b"hello you"):
        llama.reset()
        llama._sampler = None
        llama.eval(llama.tokenize(prompt))
        written: list[int] = []
        while len(written) < 80:
            token = llama.sample(temp=1.5, top_k=0, logits_processor=held)
            if token in ends:
                break
            written.append(token)
            llama.eval([token])
        assert matches(SPANNING, llama.detokenize(written).decode())


def test_nothing_but_the_end_follows_the_end(llama: Any) -> None:
    held = listed(logits_processor(llama, Grammar(Lit("a"))))
    run = llama.generate(llama.tokenize(b"say"), temp=1.5, logits_processor=held)
    tokens = [next(run) for _ in range(4)]
    run.close()
    assert llama.detokenize(tokens[:1]) == b"a"
    assert set(tokens[1:]) <= ends_of(llama)


def test_engines_are_made_once_for_a_model(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    real = table.new_engine

    def counting(name: EngineName, vocab: int, n_vocab: int, ends: list[int]) -> object:
        made.append(name)
        return real(name, vocab, n_vocab, ends)

    monkeypatch.setattr(table, "new_engine", counting)
    one, other = load(file), load(file)
    for llama in (one, one, other):
        assert answer(llama, "x", logits_processor(llama, Grammar(Lit("yes"))))[0] == "yes"
    logits_processor(one, Grammar(Lit("yes")), "gbnf")
    assert made == ["llguidance", "llguidance", "gbnf"]
    one.close()
    other.close()


def test_a_model_is_not_kept_alive(file: Path) -> None:
    llama = load(file)
    gone = weakref.ref(llama)
    held = logits_processor(llama, PERSON, "gbnf")
    assert answer(llama, "x", held)[1] == "stop"
    llama.close()
    with pytest.raises(ConfigError, match="closed"):
        logits_processor(llama, PERSON)
    del held, llama
    gc.collect()
    assert gone() is None


def test_what_cannot_be_held_is_said_at_once(llama: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong: Any = "xgrammar"
    with pytest.raises(ConfigError, match="'xgrammar'"):
        logits_processor(llama, PERSON, wrong)
    with pytest.raises(GrammarError, match="does not read GBNF"):
        logits_processor(llama, 'root ::= "a"')
    with pytest.raises(GrammarError):
        logits_processor(llama, "root ::= (", "gbnf")
    monkeypatch.setattr(llama, "draft_model", object())
    with pytest.raises(ConfigError, match="draft"):
        logits_processor(llama, PERSON)
    monkeypatch.undo()
    monkeypatch.setattr(table, "can_begin", never)
    with pytest.raises(GrammarError, match="vocabulary"):
        logits_processor(llama, PERSON)


def test_a_caller_s_gbnf_is_held(llama: Any) -> None:
    held = logits_processor(llama, 'root ::= ("yes" | "no") "!"+ "."', "gbnf")
    for seed in range(5):
        text, _ = answer(llama, "well", held, seed=seed, max_tokens=100)
        assert text.rstrip("!.") in ("yes", "no")


def test_scores_of_another_model_are_refused(llama: Any) -> None:
    held = logits_processor(llama, PERSON)
    with pytest.raises(GrammarError, match="64 scores, but the model has 700"):
        held(np.array([1], dtype=np.intc), np.zeros(64, dtype=np.float32))


class DeadEnd:
    """A matcher that allows nothing."""

    done = False

    def __init__(self, *_: object) -> None:
        pass

    def mask_into(self, logits: FloatArray) -> None:
        logits[:] = -np.inf


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_foreign_token_ends_the_answer(llama: Any) -> None:
    def meddle(tokens: Sequence[int], scores: FloatArray) -> FloatArray:
        scores = scores.copy()
        if len(tokens) == len(prompt):
            scores[65] = 1e9
        return scores

    prompt = llama.tokenize(b"hello")
    held = logits_processor(llama, PERSON)
    text, why = answer(llama, prompt, held, logits_processor=listed(held, meddle))
    assert (text, why) == (llama.detokenize([65]).decode(), "stop")
    tokens = np.array([1, 2, 65], dtype=np.intc)
    held(tokens[:2], np.zeros(700, dtype=np.float32))
    scores = np.zeros(700, dtype=np.float32)
    with pytest.raises(GrammarError, match="token 65"):
        held(tokens, scores)
    assert set(np.flatnonzero(np.isfinite(scores)).tolist()) == ends_of(llama)


def test_a_dead_end_is_an_error(llama: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    held = logits_processor(llama, Grammar(Lit("ab")), "gbnf")
    monkeypatch.setattr(gbnf.GbnfEngine, "matcher", DeadEnd)
    scores = np.zeros(700, dtype=np.float32)
    with pytest.raises(GrammarError, match="vocabulary"):
        held(np.array([1], dtype=np.intc), scores)
