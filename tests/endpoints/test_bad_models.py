"""Model files whose vocabulary is not whole: each is an error in words, and the process goes on.

Each file is read in another process, since llama.cpp ends its own for some of them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np
import pytest

from bridle.endpoints.llamacpp import LlamaCpp
from bridle.errors import ConfigError, ModelFileError
from project import run_python
from tiny_gguf import vocabulary, write_tiny_llama

BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
MARKS = ["<unk>", "<s>", "</s>"]
LETTERS = [*"▁abcdefghijklmnopqrstuvwxyz", "▁hello", "▁he", "ll", "llo", "▁h"]
TOKENS, MERGES = vocabulary(400)

Fill = Callable[[gguf.GGUFWriter], None]


def write(
    path: Path, kind: str, tokens: list[str], types: list[int] | None, fill: Fill | None = None
) -> Path:
    """Write a random model with this vocabulary; `fill` adds more values."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(128)
    writer.add_embedding_length(32)
    writer.add_block_count(1)
    writer.add_feed_forward_length(32)
    writer.add_head_count(1)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model(kind)
    writer.add_token_list(tokens)
    if types is not None:
        writer.add_token_types(types)
    if fill is not None:
        fill(writer)
    weights = np.random.default_rng(0).standard_normal
    shapes = {"token_embd": (len(tokens), 32), "output_norm": (32,)}
    shapes |= {"blk.0.attn_norm": (32,), "blk.0.ffn_norm": (32,)}
    parts = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
    shapes |= {f"blk.0.{part}": (32, 32) for part in parts}
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", weights(shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def scores(writer: gguf.GGUFWriter) -> None:
    writer.add_token_scores([0.0] * (len(MARKS) + 1))


def merges(writer: gguf.GGUFWriter) -> None:
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_merges(["h e"])


def numbers_for_merges(writer: gguf.GGUFWriter) -> None:
    writer.add_tokenizer_pre("gpt-2")
    writer.add_array("tokenizer.ggml.merges", [1, 2, 3])


def unknown_splitting(writer: gguf.GGUFWriter) -> None:
    writer.add_tokenizer_pre("nonsense")
    writer.add_token_merges(MERGES)


_ASK = """
import sys
from bridle.endpoints.base import Request
from bridle.endpoints.llamacpp import LlamaCpp
from bridle.errors import BridleError
from bridle.grammars import schema_grammar
from bridle.wrappers import Segment
grammar = schema_grammar({"enum": ["{yes}", "nö"]})
for engine in ("llguidance", "gbnf"):
    try:
        with LlamaCpp(sys.argv[1], engine=engine) as endpoint:
            for text in ("aaa", "hello wörld 🧿 {}"):
                request = Request((Segment(text),), max_tokens=40, grammar=grammar)
                print(ascii(endpoint.complete(request).text))
    except BridleError as error:
        print(type(error).__name__, ascii(str(error)))
        assert error.hint
"""


def asked(path: Path) -> list[str]:
    """Ask both engines; return what they said, the errors with their names."""
    done = run_python("-c", _ASK, str(path))
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("kind", "tokens", "types", "fill", "error", "message"),
    [
        ("llama", MARKS + LETTERS, None, None, "ModelFileError", "no token for the byte 0x00 (and 216 more)"),
        ("llama", MARKS + BYTES, [2, 3, 3], None, "ModelFileError", "cannot load"),
        ("llama", MARKS + BYTES, None, scores, "ModelFileError", "cannot load"),
        ("gpt2", TOKENS, None, None, "ModelFileError", "cannot find tokenizer merges"),
        ("gpt2", TOKENS, None, numbers_for_merges, "ModelFileError", "invalid gguf type"),
        ("gpt2", TOKENS, None, unknown_splitting, "ModelFileError", "pre-tokenizer"),
        ("nonsense", TOKENS, None, None, "ModelFileError", "unknown tokenizer"),
        ("gpt2", ["a"], None, merges, "GrammarError", "0 of which end an answer"),
        (
            "gpt2",
            TOKENS,
            [5] * len(TOKENS),
            merges,
            "GrammarError",
            "cannot work with this model",
        ),
        (
            "gpt2",
            [token for token in TOKENS if "{" not in token and "n" not in token],
            None,
            merges,
            "GrammarError",
            "no token of this model's vocabulary can continue",
        ),
    ],
)
def test_a_vocabulary_that_is_not_whole_is_an_error_in_words(
    tmp_path: Path,
    kind: str,
    tokens: list[str],
    types: list[int] | None,
    fill: Fill | None,
    error: str,
    message: str,
) -> None:
    said = asked(write(tmp_path / "bad.gguf", kind, tokens, types, fill))
    assert said[0].startswith(error)
    assert message in said[0]
    # llama.cpp's own engine refuses as well, each with what it lacks.
    assert said[-1].split()[0] in ("ModelFileError", "EndpointError", "InputError")


def test_a_vocabulary_that_names_no_end_still_ends_with_the_grammar(tmp_path: Path) -> None:
    path = write(tmp_path / "endless.gguf", "llama", MARKS + BYTES + LETTERS, None, None)
    assert [line for line in asked(path) if "Error" not in line] == []
    types = [2, 3, 3, *[6] * 256, *[1] * len(LETTERS)]
    path = write(tmp_path / "sound.gguf", "llama", MARKS + BYTES + LETTERS, types, None)
    assert set(asked(path)) <= {ascii('"{yes}"'), ascii('"nö"')}


@pytest.mark.parametrize("share", [0.1, 0.6, 0.99])
def test_a_file_that_is_cut_off_is_named_with_both_sizes(tmp_path: Path, share: float) -> None:
    whole = write_tiny_llama(tmp_path / "whole.gguf")
    raw = whole.read_bytes()
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(raw[: int(len(raw) * share)])
    with pytest.raises(ModelFileError, match="cut off") as caught:
        LlamaCpp(cut)
    assert caught.value.facts["path"] == str(cut)
    assert caught.value.hint


@pytest.mark.parametrize("raw", [b"", b"<html>404</html>", b"GGML" * 100, b"\x00" * 64])
def test_a_file_of_another_kind_is_named(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(raw)
    with pytest.raises(ModelFileError, match="is not a GGUF file") as caught:
        LlamaCpp(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("option", ["context_tokens", "threads"])
@pytest.mark.parametrize("value", [0, -1, 2**31, 2**32 + 7])
def test_a_size_that_c_would_wrap_is_refused(tmp_path: Path, option: str, value: int) -> None:
    path = write_tiny_llama(tmp_path / "tiny.gguf")
    with pytest.raises(ConfigError, match=f"{option} is {value}") as caught:
        LlamaCpp(path, **{option: value})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # tested
    assert "give 1 to" in str(caught.value.hint)
