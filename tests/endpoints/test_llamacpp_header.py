"""The headers of model files, sound and broken."""

from __future__ import annotations

import struct
from pathlib import Path

import gguf
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridle.endpoints.llamacpp import read_header
from bridle.errors import ModelFileError
from tiny_gguf import CONTROL_TOKENS, write_tiny_llama


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("header") / "tiny.gguf"
    return write_tiny_llama(path, chat_template="{{ messages }}", n_ctx=512)


def test_the_header_says_what_the_model_is(tiny: Path) -> None:
    header = read_header(tiny)
    assert (header.version, header.architecture, header.name) == (3, "llama", "tiny random llama 0")
    assert (header.context_tokens, header.chat_template) == (512, "{{ messages }}")
    assert header.metadata["tokenizer.ggml.add_bos_token"] is False
    assert header.metadata["llama.block_count"] == 2
    assert "tokenizer.ggml.tokens" not in header.metadata
    assert (header.bos, header.eos) == ("<|endoftext|>", "<|im_end|>")
    assert header.special_tokens == CONTROL_TOKENS
    # The writer pads the last tensor, which llama.cpp does not ask for.
    assert 0 <= tiny.stat().st_size - header.size_bytes < 32


def test_what_a_header_lacks_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "bare.gguf"
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 2, 0, 0))
    header = read_header(path)
    assert (header.architecture, header.name, header.chat_template, header.context_tokens) == (
        "",
        "",
        None,
        None,
    )


def test_a_token_that_the_vocabulary_lacks_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_token_list(["<s>", "</s>", "ü"])
    writer.add_token_types([3, 1, 4, 3])
    writer.add_bos_token_id(2)
    writer.add_eos_token_id(3)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    header = read_header(path)
    assert (header.bos, header.eos, header.special_tokens) == ("ü", "", ("<s>", "ü"))


def test_types_of_tokens_that_are_cut_off_are_none(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    key = b"tokenizer.ggml.token_type"
    array = struct.pack("<IIQ", 9, 5, 1 << 60)
    path.write_bytes(b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, len(key)) + key + array)
    with pytest.raises(ModelFileError, match="is cut off"):
        read_header(path)


@pytest.mark.parametrize("kind", ["F32", "F16", "Q8_0", "Q4_0", "Q6_K", "IQ4_NL", "BF16"])
def test_the_size_agrees_with_the_public_writer(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "model.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_array("llama.some", [[1, 2], [3, 4]])
    writer.add_array("llama.words", ["a", "bc"])
    block, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[kind]]
    data = np.zeros((3, 512 // block * size), dtype=np.uint8)
    writer.add_tensor("x", data, raw_dtype=gguf.GGMLQuantizationType[kind])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    assert 0 <= path.stat().st_size - read_header(path).size_bytes < 32


@given(share=st.floats(0, 1, exclude_max=True))
@settings(max_examples=80)
def test_a_file_cut_anywhere_is_refused(tiny: Path, share: float) -> None:
    raw = tiny.read_bytes()[: read_header(tiny).size_bytes]
    cut = tiny.with_name("cut.gguf")
    cut.write_bytes(raw[: int(len(raw) * share)])
    with pytest.raises(ModelFileError, match=r"cut off|not a GGUF"):
        read_header(cut)


@given(place=st.integers(4, 30_000), byte=st.integers(0, 255))
@settings(max_examples=300)
def test_a_damaged_header_gives_a_header_or_an_error_and_nothing_else(
    tiny: Path, place: int, byte: int
) -> None:
    raw = bytearray(tiny.read_bytes())
    raw[place] = byte
    damaged = tiny.with_name("damaged.gguf")
    damaged.write_bytes(raw)
    refused = ""
    try:
        size = read_header(damaged).size_bytes
    except ModelFileError as error:
        size, refused = 0, str(error)
    assert size <= len(raw)
    assert bool(refused) == (size == 0)
    assert not refused or str(damaged) in refused


def damaged(tmp_path: Path, raw: bytes) -> Path:
    path = tmp_path / "damaged.gguf"
    path.write_bytes(raw)
    return path


def value(kind: int, body: bytes) -> bytes:
    return (
        b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 1) + b"k" + struct.pack("<I", kind) + body
    )


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "not a GGUF"),
        (b"PK\x03\x04 something else", "not a GGUF"),
        (b"GGUF" + struct.pack("<IQQ", 1, 0, 0), "of version 1"),
        (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "big-endian"),
        (value(99, b""), "value of type 99"),
        (value(9, struct.pack("<IQ", 99, 1)), "array of type 99"),
        (value(9, struct.pack("<IQ", 9, 1) * 5), "array of type 9"),
        (value(9, struct.pack("<IQ", 8, 1 << 62) + b"\xff" * 9), "cut off"),
        (value(9, struct.pack("<IQ", 4, 1 << 61)) + struct.pack("<Q", 1), "same|cut off"),
        (value(8, struct.pack("<Q", 1 << 60)), "cut off"),
        (b"GGUF" + struct.pack("<IQQQcI", 3, 1, 0, 1, b"t", 9), "9 dimensions"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, raw: bytes, message: str) -> None:
    with pytest.raises(ModelFileError, match=message):
        read_header(damaged(tmp_path, raw))


def test_a_vocabulary_with_a_token_twice_is_refused(tiny: Path, tmp_path: Path) -> None:
    # llama.cpp ends the whole process then.
    raw = tiny.read_bytes()
    twice = raw.replace(struct.pack("<Q", 1) + b"b", struct.pack("<Q", 1) + b"a", 1)
    assert twice != raw
    with pytest.raises(ModelFileError, match="same token twice"):
        read_header(damaged(tmp_path, twice))


def test_a_path_that_is_no_readable_file(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="does not exist"):
        read_header(tmp_path / "missing.gguf")
    with pytest.raises(ModelFileError, match="is a directory"):
        read_header(tmp_path)


def test_a_file_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    path = damaged(tmp_path, b"GGUF")
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ModelFileError, match="cannot be read: Permission denied"):
        read_header(path)
