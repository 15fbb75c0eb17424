"""Writes random-weight models around a given vocabulary, for measuring what does not depend on sense.

A vocabulary file is a GGUF file with tokenizer values and no weights, such as the `ggml-vocab-*.gguf` in the
source distribution of llama-cpp-python (`pip download --no-binary llama-cpp-python llama-cpp-python`). Its
values are copied byte by byte behind the header of a small Llama model with numpy's random weights, in less
than a second also for 262,144 tokens. Format: GGUF version 3, read November 2026 at
https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["Tensor", "n_tokens", "write_random_model"]

_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_U32, _F32, _STRING, _ARRAY = 4, 6, 8, 9
_F32_TENSOR, _F16_TENSOR, _Q8_0_TENSOR = 0, 1, 8
_ALIGNMENT = 32
_HEAD = 32  # a head's width
_Q8_0 = 32  # values per block

Tensor = tuple[int, tuple[int, ...], bytes]
"""ggml's type, the shape as numpy gives it, and the data."""


def write_random_model(
    vocabulary: Path, out: Path, *, dim: int = 64, layers: int = 2, n_ctx: int = 4096, q8: bool = False
) -> Path:
    """Write a model with this file's vocabulary and return its path; `q8` stores the weights as Q8_0."""
    kept = [raw for key, raw in _values(vocabulary) if key.startswith("tokenizer.ggml.")]
    size = n_tokens(vocabulary)
    heads = dim // _HEAD
    own = [
        _key("general.architecture", _STRING) + _string("llama"),
        _key("general.name", _STRING) + _string(f"random weights, {vocabulary.stem}"),
        *(
            _key(f"llama.{name}", _U32) + struct.pack("<I", value)
            for name, value in (
                ("context_length", n_ctx),
                ("embedding_length", dim),
                ("block_count", layers),
                ("feed_forward_length", 2 * dim),
                ("attention.head_count", heads),
                ("attention.head_count_kv", heads),
                ("rope.dimension_count", _HEAD),
                ("vocab_size", size),
            )
        ),
        _key("llama.attention.layer_norm_rms_epsilon", _F32) + struct.pack("<f", 1e-5),
    ]
    out.write_bytes(_file([*own, *kept], _weights(size, dim, layers, q8=q8)))
    return out


def n_tokens(vocabulary: Path) -> int:
    """Return how many tokens a vocabulary file holds."""
    for key, raw in _values(vocabulary):
        if key == "tokenizer.ggml.tokens":
            start = 8 + len(key) + 8  # the key's length, the key, the type of the value and of its items
            return int.from_bytes(raw[start : start + 8], "little")
    raise SystemExit(f"{vocabulary} holds no vocabulary")


def _values(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the key and all bytes of each value in a GGUF file's header."""
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if data[:4] != b"GGUF":
            raise SystemExit(f"{path} is not a GGUF file")
        (count,) = struct.unpack_from("<Q", data, 16)
        at = 24
        for _ in range(count):
            start = at
            (length,) = struct.unpack_from("<Q", data, at)
            key = data[at + 8 : at + 8 + length].decode()
            at += 8 + length
            (kind,) = struct.unpack_from("<I", data, at)
            at = _behind(data, at + 4, kind)
            yield key, data[start:at]


def _behind(data: mmap.mmap, at: int, kind: int) -> int:
    """Return where a value ends."""
    if kind == _STRING:
        return at + 8 + int.from_bytes(data[at : at + 8], "little")
    if kind != _ARRAY:
        return at + _SIZES[kind]
    inner, count = struct.unpack_from("<IQ", data, at)
    at += 12
    if inner in _SIZES:
        return at + int(count) * _SIZES[inner]
    for _ in range(count):
        at = _behind(data, at, inner)
    return at


def _weights(n_vocab: int, dim: int, layers: int, *, q8: bool) -> dict[str, Tensor]:
    rng = np.random.default_rng(0)

    def matrix(rows: int, columns: int, scale: float) -> Tensor:
        values = rng.standard_normal((rows, columns), dtype=np.float32) * np.float32(scale)
        return _q8_0(values) if q8 else (_F16_TENSOR, values.shape, values.astype(np.float16).tobytes())

    ones: Tensor = (_F32_TENSOR, (dim,), np.ones(dim, dtype=np.float32).tobytes())
    inner = dim**-0.5
    tensors = {"token_embd.weight": matrix(n_vocab, dim, 2 * inner)}
    for layer in range(layers):
        block = f"blk.{layer}."
        tensors[block + "attn_norm.weight"] = ones
        for part in ("q", "k", "v", "output"):
            tensors[f"{block}attn_{part}.weight"] = matrix(dim, dim, inner)
        tensors[block + "ffn_norm.weight"] = ones
        tensors[block + "ffn_gate.weight"] = matrix(2 * dim, dim, inner)
        tensors[block + "ffn_up.weight"] = matrix(2 * dim, dim, inner)
        tensors[block + "ffn_down.weight"] = matrix(dim, 2 * dim, inner)
    tensors["output_norm.weight"] = ones
    return tensors


def _q8_0(values: NDArray[np.float32]) -> Tensor:
    """Quantise: blocks of 32 bytes, each behind its scale as a 16-bit float."""
    blocks = values.reshape(-1, _Q8_0)
    scales = (np.abs(blocks).max(axis=1) / 127).astype(np.float16)
    steps = np.rint(blocks / np.maximum(scales.astype(np.float32), 1e-8)[:, None])
    packed = np.zeros(len(blocks), dtype=np.dtype([("scale", np.float16), ("steps", np.int8, (_Q8_0,))]))
    packed["scale"], packed["steps"] = scales, np.clip(steps, -127, 127)
    return _Q8_0_TENSOR, values.shape, packed.tobytes()


def _file(values: list[bytes], tensors: dict[str, Tensor]) -> bytes:
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(values)) + b"".join(values)
    infos, parts, at = b"", list[bytes](), 0
    for name, (kind, shape, data) in tensors.items():
        sizes = shape[::-1]
        infos += _string(name) + struct.pack(f"<I{len(sizes)}QIQ", len(sizes), *sizes, kind, at)
        parts += [data, b"\0" * (-len(data) % _ALIGNMENT)]
        at += len(data) + len(parts[-1])
    return b"".join([head, infos, b"\0" * (-(len(head) + len(infos)) % _ALIGNMENT), *parts])


def _string(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def _key(name: str, kind: int) -> bytes:
    return _string(name) + struct.pack("<I", kind)
