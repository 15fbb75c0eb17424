"""Both engines hold every family's grammar, and write its marks as the special tokens that they are."""

from __future__ import annotations

import ctypes
import importlib
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from bridle.grammars import (
    Alt,
    Bounds,
    Grammar,
    Lit,
    Seq,
    call_grammar,
    check_gbnf,
    matches,
    sample,
    to_gbnf,
    to_lark,
)
from bridle.grammars.engines import Engine, Matcher
from bridle.grammars.engines.gbnf import GbnfEngine
from bridle.grammars.engines.llguidance import LlguidanceEngine
from bridle.grammars.engines.marks import TOKENIZE, is_call_mark, tokenize_with
from bridle.grammars.engines.native import llama_cpp, token_bytes
from bridle.messages import JSON, ToolSpec
from bridle.wrappers import JsonLayout
from bridle.wrappers.syntaxes import SYNTAXES, make_syntax
from tiny_gguf import write_tiny_llama

BOUNDS = Bounds(
    string_chars=12,
    thoughts_chars=8,
    thinking_chars=8,
    array_items=3,
    text_chars=30,
    object_members=2,
    depth=2,
)
CONTROL = ("<|tool_call_start|>", "[TOOL_CALLS]", "<｜tool▁calls▁begin｜>", "<|im_sep|>", '<|"|>')
NESTED: JSON = {"type": "object", "properties": {"x": {"type": "number"}, "a b": {"type": "boolean"}}}
TOOLS = [
    ToolSpec("now"),
    ToolSpec(
        "find.it",
        "",
        {
            "type": "object",
            "properties": {
                "query": {"type": "string"},
                "page": {"type": ["integer", "null"]},
                "label": {"type": "string", "minLength": 2, "maxLength": 9},
                "kind": {"enum": ["a<b", 1, None]},
                "when": {"type": "string", "format": "date"},
                "words": {"type": "array", "items": {"type": "string"}},
                "of": NESTED,
                "größe": {"anyOf": [{"type": "string"}, {"type": "boolean"}]},
            },
            "required": ["query"],
        },
    ),
    ToolSpec("keep", "", {"type": "object", "additionalProperties": {"type": "string"}}),
]


@dataclass(frozen=True)
class Model:
    """A vocabulary with the bytes of its tokens, and an engine of each kind."""

    pieces: list[bytes]
    engines: tuple[Engine, ...]
    special: frozenset[int]
    pointer: int
    by_byte: dict[int, list[int]] = field(default_factory=dict[int, list[int]])

    def starting(self, byte: int) -> list[int]:
        if byte not in self.by_byte:
            self.by_byte[byte] = [i for i, piece in enumerate(self.pieces) if piece[:1] == bytes([byte])]
        return self.by_byte[byte]

    def cut(self, text: str, rng: random.Random) -> list[int]:
        """Return tokens that spell a text, one of many ways; marks are mostly special tokens."""
        raw, tokens, at = text.encode(), list[int](), 0
        while at < len(raw):
            fitting = [i for i in self.starting(raw[at]) if raw.startswith(self.pieces[i], at)]
            longest = max(fitting, key=lambda i: len(self.pieces[i]))
            tokens.append(rng.choice([longest, rng.choice([i for i in fitting if i not in self.special])]))
            at += len(self.pieces[tokens[-1]])
        return tokens


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Model]:
    path = write_tiny_llama(tmp_path_factory.mktemp("model") / "tiny.gguf", 700, control=CONTROL)
    module: Any = importlib.import_module("llama_cpp")
    loaded = module.Llama(str(path), vocab_only=True, verbose=False)
    vocab: int = module.llama_model_get_vocab(loaded.model)
    size: int = module.llama_vocab_n_tokens(vocab)
    ends = frozenset(i for i in range(size) if module.llama_vocab_is_eog(vocab, i))
    pieces = [token_bytes(llama_cpp(), vocab, i) for i in range(size)]
    special = frozenset(range(size - len(CONTROL) - 3, size))
    engines = (LlguidanceEngine(vocab, size, ends), GbnfEngine(vocab, size, ends))
    yield Model([b"" if i in ends else piece for i, piece in enumerate(pieces)], engines, special, vocab)
    loaded.close()


def takes(matcher: Matcher, tokens: list[int]) -> bool:
    for token in tokens:
        if not matcher.allows(token):
            return False
        matcher.accept(token)
    return matcher.accepting


@pytest.mark.parametrize("name", SYNTAXES)
def test_both_engines_hold_every_family_s_grammar(model: Model, name: str) -> None:
    shape = make_syntax(name, "inner", JsonLayout()).shape
    grammar = call_grammar(TOOLS, shape, "text_or_call", bounds=BOUNDS, parallel=2, think=True, gap=True)
    check_gbnf(to_gbnf(grammar), tokens=False)
    assert to_lark(grammar).startswith("start: ROOT\n")
    rng = random.Random(7)
    for _ in range(5):
        text = sample(grammar, rng).replace("\0", "")
        at = rng.randrange(len(text))
        for tried in (text, text[:at], text[:at] + rng.choice('<>"/,x ') + text[at:]):
            held = matches(grammar, tried)
            for engine in model.engines:
                tokens = model.cut(tried, rng)
                # Where only one text can follow, llguidance wants the tokens that its tokenizer makes of it.
                assert takes(engine.matcher(grammar), tokens) == held, (engine.name, tried)


@pytest.mark.parametrize("mark", [text for text in CONTROL if is_call_mark(text.encode())])
def test_a_mark_of_a_call_is_written_as_its_token(model: Model, mark: str) -> None:
    token = model.pieces.index(mark.encode())
    forced = Grammar(Seq((Lit(f"a\n{mark}[x"), Alt((Lit("y"), Lit("z"))))))
    choice = Grammar(Alt((Lit(f"{mark}y"), Lit("no"))))
    for engine in model.engines:
        matcher = engine.matcher(choice)
        logits = np.zeros(len(model.pieces), dtype=np.float32)
        matcher.mask_into(logits)
        assert logits[token] == 0.0
        matcher.accept(token)
        assert takes(matcher, [model.pieces.index(b"y")])
    tokens = model.engines[0].matcher(forced).forced()
    assert token in tokens
    assert b"".join(model.pieces[i] for i in tokens) == f"a\n{mark}[x".encode()
    assert takes(model.engines[0].matcher(forced), [*model.engines[0].matcher(forced).forced()]) is False
    assert (
        b"".join(model.pieces[i] for i in model.engines[0].matcher(forced).forced())
        == f"a\n{mark}[x".encode()
    )


def test_other_control_tokens_are_never_text(model: Model) -> None:
    assert not is_call_mark(b"<|im_sep|>")
    token = CONTROL.index("<|im_sep|>") + len(model.pieces) - len(CONTROL)
    for engine in model.engines:
        matcher = engine.matcher(Grammar(Alt((Lit("<|im_sep|>"), Lit("no")))))
        assert not matcher.allows(token)
        assert matcher.allows(model.pieces.index(b"<"))


def test_texts_around_marks_are_tokenized_as_ever(model: Model) -> None:
    mark = b"[TOOL_CALLS]"
    tokenize = TOKENIZE(tokenize_with(llama_cpp(), model.pointer, {mark: model.pieces.index(mark)}))

    def tokens(text: bytes, room: int = 64, *, add: bool = False) -> list[bytes] | int:
        out = (ctypes.c_int32 * 64)()
        buffer = ctypes.create_string_buffer(text, len(text))
        count = tokenize(model.pointer, ctypes.addressof(buffer), len(text), out, room, add, False)
        return [model.pieces[token] for token in out[:count]] if count >= 0 else count

    assert tokens(b" the" + mark + b" and" + mark) == [b" the", mark, b" and", mark]
    assert tokens(mark + b" and") == [mark, b" and"]
    assert tokens(b" the") == [b" the"]
    assert tokens(b" the" + mark + b" and", room=2) == -3
    assert tokens(b" the" + mark, room=0) == -2
    for spelled in (tokens(mark, add=True), tokens(mark + b"\xff")):
        assert isinstance(spelled, list)
        assert mark not in spelled
