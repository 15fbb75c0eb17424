"""Writes very small Llama models with random weights, for tests that need a model file and no weights.

The file is a real GGUF (version 3) that llama.cpp loads: a byte-level BPE vocabulary made of the 256 bytes,
of pieces of English and of JSON, and of three control tokens. What such a model says is noise, which is what
a constraint has to be tested against.
"""

from __future__ import annotations

import random
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["CONTROL_TOKENS", "vocabulary", "write_tiny_llama"]

CONTROL_TOKENS = ("<|im_start|>", "<|im_end|>", "<|endoftext|>")
_WORDS = (
    " the and you that with this have from what name live user assistant function params true false null"
    " inner thoughts message request heartbeat content memory send core archival search query page date label"
    " human persona append replace insert number value city Hello hello is are was my your not for on in to"
    " of"
)
_JOINED = (
    '":',
    '",',
    '"}',
    '"}}',
    '{"',
    "[]",
    "{}",
    "</",
    "<tool_call>",
    "    ",
    "\n\n",
    "00",
    "19",
    "20",
    "\\n",
    '\\"',
)
_U32, _F32, _BOOL, _STRING, _ARRAY, _I32 = 4, 6, 7, 8, 9, 5
_ALIGNMENT = 32


def vocabulary(n_vocab: int, seed: int = 0) -> tuple[list[str], list[str]]:
    """Return tokens in GPT-2's spelling, control tokens last, and the merges that make the longer ones."""
    letters = _byte_letters()
    tokens = [letters[byte] for byte in range(256)]
    room = n_vocab - len(tokens) - len(CONTROL_TOKENS)
    if room < 0:
        raise ValueError(f"a vocabulary of {n_vocab} does not hold 256 bytes and the control tokens")
    known, merges = set(tokens), list[str]()

    def merge(left: str, right: str) -> None:
        if len(merges) < room and left + right not in known:
            known.add(left + right)
            tokens.append(left + right)
            merges.append(f"{left} {right}")

    words = [*_JOINED, *(" " + word for word in _WORDS.split()), *_WORDS.split()]
    for word in words:
        spelled = "".join(letters[byte] for byte in word.encode())
        for end in range(2, len(spelled) + 1):
            merge(spelled[: end - 1], spelled[end - 1 : end])
    rng = random.Random(seed)
    common = [letters[byte] for byte in b" etaoinshrdlucmfwyp,.0123456789"]
    while len(merges) < room:
        left = rng.choice(tokens)
        if len(left) < 12:
            merge(left, rng.choice(common))
    return [*tokens, *CONTROL_TOKENS], merges


def write_tiny_llama(
    path: str | Path,
    n_vocab: int = 640,
    seed: int = 0,
    chat_template: str | None = None,
    n_ctx: int = 2048,
    layers: int = 2,
    dim: int = 64,
    marks: tuple[str, ...] = (),
    control: tuple[str, ...] = (),
) -> Path:
    """Write a random-weight model and return its path. The same arguments write the same bytes.

    `marks` become tokens of their own after the control tokens, which plain text makes (type "user defined"),
    and `control` more control tokens behind them. The vocabulary grows by them.
    """
    tokens, merges = vocabulary(n_vocab, seed)
    if set(marks + control) & set(tokens):
        raise ValueError(f"some of {marks + control!r} are tokens already: llama.cpp ends the process")
    first_control = len(tokens) - len(CONTROL_TOKENS)
    types = [1] * first_control + [3] * len(CONTROL_TOKENS) + [4] * len(marks) + [3] * len(control)
    tokens += marks + control
    n_vocab += len(marks) + len(control)
    heads = max(1, dim // 32)
    values = [
        _text("general.architecture", "llama"),
        _text("general.name", f"tiny random llama {seed}"),
        _number("llama.context_length", n_ctx),
        _number("llama.embedding_length", dim),
        _number("llama.block_count", layers),
        _number("llama.feed_forward_length", 2 * dim),
        _number("llama.attention.head_count", heads),
        _number("llama.attention.head_count_kv", heads),
        _number("llama.rope.dimension_count", dim // heads),
        _number("llama.vocab_size", n_vocab),
        _key("llama.attention.layer_norm_rms_epsilon", _F32) + struct.pack("<f", 1e-5),
        _text("tokenizer.ggml.model", "gpt2"),
        _text("tokenizer.ggml.pre", "gpt-2"),
        _key("tokenizer.ggml.tokens", _ARRAY) + _strings(tokens),
        _key("tokenizer.ggml.token_type", _ARRAY)
        + struct.pack("<IQ", _I32, len(types))
        + np.array(types, dtype="<i4").tobytes(),
        _key("tokenizer.ggml.merges", _ARRAY) + _strings(merges),
        _number("tokenizer.ggml.bos_token_id", first_control + 2),
        _number("tokenizer.ggml.eos_token_id", first_control + 1),
        _key("tokenizer.ggml.add_bos_token", _BOOL) + b"\0",
    ]
    if chat_template is not None:
        values.append(_text("tokenizer.chat_template", chat_template))
    tensors = _random_tensors(n_vocab, layers, dim, seed)
    out = Path(path)
    out.write_bytes(_gguf(values, tensors))
    return out


def _byte_letters() -> list[str]:
    """Return GPT-2's printable stand-in for each byte."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = [""] * 256
    for byte in plain:
        letters[byte] = chr(byte)
    others = [byte for byte in range(256) if not letters[byte]]
    for place, byte in enumerate(others):
        letters[byte] = chr(256 + place)
    return letters


def _random_tensors(n_vocab: int, layers: int, dim: int, seed: int) -> dict[str, NDArray[np.float32]]:
    rng = np.random.default_rng(seed)

    def weights(rows: int, columns: int, scale: float) -> NDArray[np.float32]:
        return (rng.standard_normal((rows, columns)) * scale).astype(np.float32)

    ones = np.ones(dim, dtype=np.float32)
    inner = dim**-0.5
    tensors = {"token_embd.weight": weights(n_vocab, dim, 1.0)}
    for layer in range(layers):
        block = f"blk.{layer}."
        tensors[block + "attn_norm.weight"] = ones
        for part in ("q", "k", "v", "output"):
            tensors[f"{block}attn_{part}.weight"] = weights(dim, dim, inner)
        tensors[block + "ffn_norm.weight"] = ones
        tensors[block + "ffn_gate.weight"] = weights(2 * dim, dim, inner)
        tensors[block + "ffn_up.weight"] = weights(2 * dim, dim, inner)
        tensors[block + "ffn_down.weight"] = weights(dim, 2 * dim, inner)
    tensors["output_norm.weight"] = ones
    tensors["output.weight"] = weights(n_vocab, dim, 2 * inner)
    return tensors


def _gguf(values: list[bytes], tensors: dict[str, NDArray[np.float32]]) -> bytes:
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(values)) + b"".join(values)
    infos, data = b"", bytearray()
    for name, tensor in tensors.items():
        shape = tensor.shape[::-1]
        infos += _string(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, 0, len(data))
        data += tensor.tobytes()
        data += b"\0" * (-len(data) % _ALIGNMENT)
    return head + infos + b"\0" * (-(len(head) + len(infos)) % _ALIGNMENT) + bytes(data)


def _string(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def _key(name: str, kind: int) -> bytes:
    return _string(name) + struct.pack("<I", kind)


def _text(name: str, value: str) -> bytes:
    return _key(name, _STRING) + _string(value)


def _number(name: str, value: int) -> bytes:
    return _key(name, _U32) + struct.pack("<I", value)


def _strings(texts: list[str]) -> bytes:
    return struct.pack("<IQ", _STRING, len(texts)) + b"".join(_string(text) for text in texts)
