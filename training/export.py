"""Write a checkpoint as GGUF files that llama.cpp reads: F16 for parity checks, Q8_0 to ship.

The architecture is `llama`. Queries and keys need no permutation, since rotary positions turn
neighbouring pairs in training as in llama.cpp. There is no output tensor: llama.cpp reuses the
embeddings.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, cast

import gguf
import numpy as np
import torch
from model import Llama
from prefix import prompt_sha256
from tokenizer import CONTROL
from train import load_model

__all__ = ["CHAT_TEMPLATE", "write_gguf"]

CHAT_TEMPLATE = """\
{#- bridle:chatml-compact -#}
{%- for message in messages -%}
{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{ '<|im_start|>assistant\\n' }}
{%- endif -%}
"""
LICENSE = "Apache-2.0"


def write_gguf(
    path: Path, model: Llama, tokenizer: Path, kind: Literal["F16", "Q8_0"], facts: Mapping[str, object]
) -> None:
    """Write one file. `facts` are a checkpoint's: the seed and what was used go into the metadata."""
    writer = gguf.GGUFWriter(path, "llama")
    _describe(writer, model, kind, facts)
    _vocabulary(writer, tokenizer)
    for name, weight in model.named_parameters():
        data = weight.detach().float().numpy()
        if weight.dim() < 2:
            writer.add_tensor(name, data)
        elif kind == "F16":
            writer.add_tensor(name, data.astype(np.float16))
        else:
            packed = gguf.quants.quantize(data, gguf.GGMLQuantizationType.Q8_0)
            writer.add_tensor(name, packed, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _describe(writer: gguf.GGUFWriter, model: Llama, kind: str, facts: Mapping[str, object]) -> None:
    shape = model.shape
    plan = cast("Mapping[str, int | float]", facts["plan"])
    writer.add_name("bridle embedded")
    writer.add_description(
        "A very small model for tests and first steps: English, memory functions, tool calls."
    )
    writer.add_license(LICENSE)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16 if kind == "F16" else gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_context_length(shape.n_context)
    writer.add_embedding_length(shape.d_model)
    writer.add_block_count(shape.n_layers)
    writer.add_feed_forward_length(shape.d_ff)
    writer.add_head_count(shape.n_heads)
    writer.add_head_count_kv(shape.n_heads)
    writer.add_layer_norm_rms_eps(shape.norm_eps)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_rope_dimension_count(shape.d_head)
    writer.add_vocab_size(shape.n_vocab)
    writer.add_string("bridle.prompt_sha256", prompt_sha256())
    writer.add_uint32("bridle.seed", int(plan["seed"]))
    writer.add_uint32("bridle.steps", int(cast("int", facts["step"])))
    writer.add_uint32("bridle.cpu_seconds", int(cast("float", facts["cpu_s"])))


def _vocabulary(writer: gguf.GGUFWriter, tokenizer: Path) -> None:
    model = json.loads(tokenizer.read_text("utf-8"))["model"]
    ids = cast("dict[str, int]", model["vocab"])
    tokens = sorted(ids, key=ids.__getitem__)
    control, normal = gguf.TokenType.CONTROL, gguf.TokenType.NORMAL
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([control if token in CONTROL else normal for token in tokens])
    writer.add_token_merges([one if isinstance(one, str) else " ".join(one) for one in model["merges"]])
    writer.add_bos_token_id(ids["<|endoftext|>"])
    writer.add_eos_token_id(ids["<|im_end|>"])
    writer.add_pad_token_id(ids["<|pad|>"])
    writer.add_add_bos_token(False)
    writer.add_chat_template(CHAT_TEMPLATE)


def main() -> None:
    """Write model-f16.gguf and model-q8_0.gguf beside a run's checkpoint."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    options = parser.parse_args()
    torch.set_num_threads(1)
    model, facts = load_model(options.out / "checkpoint.pt")
    for kind in ("F16", "Q8_0"):
        path = options.out / f"model-{kind.lower()}.gguf"
        write_gguf(path, model, options.out / "tokenizer.json", kind, facts)
        print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
