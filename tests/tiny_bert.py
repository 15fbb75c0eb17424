"""Writes very small BERT models with random weights, for tests of embeddings that need a real encoder's file.

The vocabulary is WordPiece's kind, letters and some words; llama.cpp loads the file and pools what it says.
"""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np

__all__ = ["write_tiny_bert"]

_WORDS = (
    "the",
    "a",
    "dog",
    "cat",
    "barks",
    "sleeps",
    "memory",
    "has",
    "tiers",
    "search",
    "document",
    "query",
)
_DIM, _HEADS, _LAYERS, _WINDOW = 32, 2, 2, 64


def write_tiny_bert(
    path: Path, *, pooling: int | None = gguf.PoolingType.MEAN, architecture: str = "bert"
) -> Path:
    """Write a model and return its path; without `pooling` the file does not say how vectors become one."""
    letters = [chr(code) for code in range(33, 127)]
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    # llama.cpp's spelling of WordPiece: what begins a word has a mark, what goes on has none.
    begun = [f"\u2581{one}" for one in dict.fromkeys([*letters, *_WORDS])]
    tokens = [*special, *begun, *letters]
    writer = gguf.GGUFWriter(str(path), architecture)
    writer.add_name("tiny random bert")
    writer.add_context_length(_WINDOW)
    writer.add_embedding_length(_DIM)
    writer.add_feed_forward_length(2 * _DIM)
    writer.add_block_count(_LAYERS)
    writer.add_head_count(_HEADS)
    writer.add_layer_norm_eps(1e-12)
    writer.add_causal_attention(False)
    if pooling is not None:
        writer.add_pooling_type(gguf.PoolingType(pooling))
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_types([3] * len(special) + [1] * (len(tokens) - len(special)))
    writer.add_token_type_count(2)
    for name, number in (("pad", 0), ("unk", 1), ("bos", 2), ("sep", 3), ("eos", 3), ("mask", 4)):
        getattr(writer, f"add_{name}_token_id")(number)
    _add_tensors(writer, len(tokens))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add_tensors(writer: gguf.GGUFWriter, n_vocab: int) -> None:
    rng = np.random.default_rng(0)

    def add(name: str, *shape: int) -> None:
        writer.add_tensor(name, (rng.standard_normal(shape) * 0.3).astype(np.float32))

    def add_norm(name: str) -> None:
        writer.add_tensor(f"{name}.weight", np.ones(_DIM, np.float32))
        writer.add_tensor(f"{name}.bias", np.zeros(_DIM, np.float32))

    add("token_embd.weight", n_vocab, _DIM)
    add("position_embd.weight", _WINDOW, _DIM)
    add("token_types.weight", 2, _DIM)
    add_norm("token_embd_norm")
    for layer in range(_LAYERS):
        block = f"blk.{layer}."
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            add(f"{block}{part}.weight", _DIM, _DIM)
            add(f"{block}{part}.bias", _DIM)
        add_norm(f"{block}attn_output_norm")
        add(f"{block}ffn_up.weight", 2 * _DIM, _DIM)
        add(f"{block}ffn_up.bias", 2 * _DIM)
        add(f"{block}ffn_down.weight", _DIM, 2 * _DIM)
        add(f"{block}ffn_down.bias", _DIM)
        add_norm(f"{block}layer_output_norm")
