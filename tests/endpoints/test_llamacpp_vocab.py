"""Prompts become tokens: exactly as the whole string would, and never special tokens from content."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from pathlib import Path

import gguf
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridle.endpoints.base import Request
from bridle.endpoints.llamacpp import LlamaCpp
from bridle.endpoints.llamacpp.native import Model
from bridle.endpoints.llamacpp.vocab import Vocabulary
from bridle.wrappers import Segment
from tiny_gguf import CONTROL_TOKENS, vocabulary, write_tiny_llama

MARKS = (*CONTROL_TOKENS, "<tool_call>")
N_VOCAB = 640
DEFINED = vocabulary(N_VOCAB)[0].index("<tool_call>")
CONTROL_IDS = range(N_VOCAB - len(CONTROL_TOKENS), N_VOCAB)
START, END, TEXT_START = CONTROL_IDS


def marked_model(path: Path) -> Path:
    """Write a model in which `<tool_call>` is a token of kind USER_DEFINED, and which wants a first token."""
    raw = bytearray(write_tiny_llama(path, N_VOCAB).read_bytes())
    types = raw.index(b"tokenizer.ggml.token_type") + len("tokenizer.ggml.token_type") + 4 + 4 + 8
    raw[types + 4 * DEFINED] = 4
    raw[raw.index(b"tokenizer.ggml.add_bos_token") + len("tokenizer.ggml.add_bos_token") + 4] = 1
    path.write_bytes(raw)
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Model]:
    path = marked_model(tmp_path_factory.mktemp("vocab") / "marked.gguf")
    found = Model(str(path), context_tokens=64, batch_tokens=64, threads=1)
    yield found
    found.close()


@pytest.fixture(scope="module")
def vocab(model: Model) -> Vocabulary:
    return Vocabulary(model.lib, model.vocab)


def as_one_string(model: Model, text: str) -> list[int]:
    """Let llama.cpp tokenize a whole prompt in which everything may be a special token."""
    raw = text.encode()
    out = (ctypes.c_int32 * (len(raw) + 8))()
    return out[: model.lib.llama_tokenize(model.vocab, raw, len(raw), out, len(out), True, True)]


def decoded(vocab: Vocabulary, tokens: list[int]) -> str:
    return b"".join(
        CONTROL_TOKENS[t - START].encode() if t >= START else vocab.piece(t) for t in tokens
    ).decode()


PIECES = st.lists(
    st.one_of(
        st.sampled_from([*MARKS, "<", "|", "im_end|>", "<tool", "_call>", " ", "\n", "é"]),
        st.text(max_size=8),
    ),
    max_size=6,
).map("".join)
SEGMENTS = st.lists(st.builds(Segment, PIECES, control=st.just(False)), max_size=4)


@given(contents=SEGMENTS)
def test_content_never_becomes_a_special_token(vocab: Vocabulary, contents: list[Segment]) -> None:
    tokens = vocab.encode(contents, MARKS)[1:]
    assert not set(tokens) & {*CONTROL_IDS, DEFINED}
    text = "".join(segment.text for segment in contents)
    assert decoded(vocab, tokens) == text.encode("utf-8", "replace").decode()


@given(contents=SEGMENTS, cut=st.integers(0, 30))
def test_content_beside_control_text_forms_no_mark(
    vocab: Vocabulary, contents: list[Segment], cut: int
) -> None:
    # The control text ends with the beginning of a mark, and content would go on with the rest.
    mark = "<tool_call>"
    control = Segment("<|im_start|>user\n" + mark[: 1 + cut % (len(mark) - 1)], control=True)
    rest = Segment(mark[1 + cut % (len(mark) - 1) :])
    tokens = vocab.encode([control, rest, *contents], MARKS)
    assert [token for token in tokens[1:] if token in (*CONTROL_IDS, DEFINED)] == [START]


@given(
    texts=st.lists(st.tuples(st.text(st.characters(blacklist_characters="<"), max_size=20), st.booleans()))
)
def test_a_prompt_without_tricks_is_tokenized_like_one_string(
    model: Model, vocab: Vocabulary, texts: list[tuple[str, bool]]
) -> None:
    segments = [
        segment
        for text, marked in texts
        for segment in (Segment("<|im_start|>user\n" if marked else "", control=True), Segment(text))
    ]
    segments.append(Segment("<|im_end|>\n<tool_call>\n<|im_start|>assistant\n", control=True))
    assert vocab.encode(segments, MARKS) == as_one_string(model, "".join(s.text for s in segments))


def test_the_first_token_is_added_once(vocab: Vocabulary) -> None:
    assert vocab.encode([Segment("a")]) == [TEXT_START, *vocab.encode([Segment("a")])[1:]]
    assert vocab.encode([Segment("<|endoftext|>a", control=True)]) == vocab.encode([Segment("a")])
    assert vocab.encode([]) == [TEXT_START]


def test_a_defined_token_that_is_no_mark_of_the_format_stays_whole(vocab: Vocabulary) -> None:
    assert DEFINED in vocab.encode([Segment("a <tool_call> b")], CONTROL_TOKENS)
    assert DEFINED not in vocab.encode([Segment("a <tool_call> b")], MARKS)


def test_end_tokens_have_no_text_and_other_special_tokens_theirs(vocab: Vocabulary) -> None:
    assert {END, TEXT_START} <= vocab.ends
    assert vocab.piece(END) == b""
    assert vocab.piece(START) == b"<|im_start|>"
    assert vocab.piece(DEFINED) == b"<tool_call>"


@pytest.mark.parametrize("run", ["a", " ", ".", "é", "7", "\n"])
def test_a_very_long_run_loses_nothing(vocab: Vocabulary, run: str) -> None:
    text = "before " + run * 30_000 + " after"
    assert decoded(vocab, vocab.encode([Segment(text)])[1:]) == text


def test_text_that_is_no_unicode_is_replaced(vocab: Vocabulary) -> None:
    assert decoded(vocab, vocab.encode([Segment("a\ud800b\0")])[1:]) == "a?b\0"


def test_whitespace_goes_where_a_special_token_takes_it_away(
    model: Model, vocab: Vocabulary, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = model.lib.llama_vocab_get_attr
    strips = model.lib.LLAMA_TOKEN_ATTR_LSTRIP | model.lib.LLAMA_TOKEN_ATTR_RSTRIP

    def with_strips(pointer: int, token: int) -> int:
        return real(pointer, token) | (strips if token == START else 0)

    monkeypatch.setattr(model.lib, "llama_vocab_get_attr", with_strips)
    strict = Vocabulary(model.lib, model.vocab)
    segments = [Segment("a \n"), Segment("<|im_start|>\n", control=True), Segment(" b ")]
    stripped = [Segment("a"), Segment("<|im_start|>", control=True), Segment("b ")]
    assert strict.encode(segments) == vocab.encode(stripped)


def test_buffers_that_are_too_small_are_made_again(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = Vocabulary(model.lib, model.vocab)
    lib = model.lib
    tokenize, piece = lib.llama_tokenize, lib.llama_token_to_piece

    def tokenize_in_more(*args: object) -> int:
        return tokenize(*args) if args[4] == 999 else -999  # type: ignore[arg-type]  # pyright: ignore

    def piece_in_more(*args: object) -> int:
        return piece(*args) if args[3] == 999 else -999  # type: ignore[arg-type]  # pyright: ignore

    tokens, text = wanted.encode([Segment("some words")]), wanted.piece(300)
    monkeypatch.setattr(lib, "llama_tokenize", tokenize_in_more)
    monkeypatch.setattr(lib, "llama_token_to_piece", piece_in_more)
    vocab = Vocabulary(lib, model.vocab)
    assert vocab.encode([Segment("some words")]) == tokens
    assert vocab.piece(300) == text


@pytest.fixture(scope="module")
def spaced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a model with a SentencePiece vocabulary, which puts a space before the first word."""
    path = tmp_path_factory.mktemp("vocab") / "spaced.gguf"
    words = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "[INST]", "[/INST]"]
    letters = [*"▁abcdefghijklmnopqrstuvwxyz", "▁hello", "▁he", "ll", "llo", "▁h"]
    kinds = [2, 3, 3, *[6] * 256, 3, 3, *[1] * len(letters)]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(64)
    writer.add_embedding_length(32)
    writer.add_block_count(1)
    writer.add_feed_forward_length(32)
    writer.add_head_count(1)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("llama")
    writer.add_token_list([*words, *letters])
    writer.add_token_scores([0.0] * len(words) + [float(len(text)) for text in letters])
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    weights = np.random.default_rng(0).standard_normal
    shapes = {
        "token_embd": (len(kinds), 32),
        "output_norm": (32,),
        "blk.0.attn_norm": (32,),
        "blk.0.ffn_norm": (32,),
    }
    names = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
    shapes |= {f"blk.0.{name}": (32, 32) for name in names}
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", weights(shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_a_sentencepiece_model_gets_the_spaces_of_the_whole_string(spaced: Path) -> None:
    segments = (Segment("[INST] ", control=True), Segment("hello [INST]"), Segment(" [/INST]", control=True))
    with LlamaCpp(spaced) as endpoint:
        tokens = endpoint._runtime.tokens(Request(segments))  # pyright: ignore[reportPrivateUsage]
        model = Model(str(spaced), context_tokens=64, batch_tokens=64, threads=1)
        # The same string, with a word in place of the mark that is content.
        marked = as_one_string(model, "[INST] hello  [/INST]")
        model.close()
    assert tokens[:4] == marked[:4]
    assert tokens[-1] == marked[-1]
    assert [token for token in tokens if token in (259, 260)] == [259, 260]
