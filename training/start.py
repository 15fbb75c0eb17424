"""Weights to start from: embeddings that stay apart, and heads that copy from the first step on.

From random weights a model of this size needs most of an hour on one CPU thread until it copies verbatim, and
copying is most of its work. So two heads of the first layer start as heads that look at the token before,
and five of the second as induction heads (Olsson et al. 2022): they look for the place after an earlier
copy of this token, and propose what stands there. Training is free to change all of it.
"""

from __future__ import annotations

import math

import torch
from model import Llama, Shape
from torch import Tensor

__all__ = ["fits", "start"]

SPREAD = 0.5
"""Standard deviation of embeddings: large against what layers add at first, which would drown them."""
LOGITS = 0.2
"""The last norm's weight, which keeps the logits small in spite of that."""
QUIET = 0.1
"""Matrices that add to the stream start this much smaller."""


@torch.no_grad()
def start(model: Llama, seed: int) -> None:
    """Set all weights. Size 0 of the stream is constant, the last third is kept free for the token before."""
    random = torch.Generator().manual_seed(seed)
    shape = model.shape
    for name, weight in model.named_parameters():
        if weight.dim() == 2 and "embd" not in name:
            weight.normal_(0, 1 / math.sqrt(weight.shape[1]), generator=random)
            if name.endswith(("attn_output.weight", "ffn_down.weight")):
                weight.mul_(QUIET)
    table = model.token_embd.weight
    table.normal_(0, SPREAD, generator=random)
    free = _free(shape.d_model)
    table[:, free:] *= QUIET
    table -= table.mean(0)
    table[:, 0] = 4 * SPREAD
    model.output_norm.weight.fill_(LOGITS)
    speeds = torch.angle(model.turns[1])
    _look_back(model, speeds, free)
    _look_up(model, free)


def fits(shape: Shape) -> bool:
    """Has a model of this shape the layers and heads that are set here?"""
    free = _free(shape.d_model)
    return (
        shape.n_layers >= 2
        and shape.n_heads >= 6
        and 2 * shape.d_head <= shape.d_model - free
        and shape.d_model - free >= 60
        and shape.d_head >= max((free - 1) // 5, 16)
    )


def _free(d_model: int) -> int:
    return d_model - d_model // 3


def _look_back(model: Llama, speeds: Tensor, free: int) -> None:
    """Heads 0 and 1 of layer 0 see the token before, and write a part of its embedding to the free third."""
    layer, size = model.blk[0], model.shape.d_head
    gain = torch.full_like(speeds, 3.0)
    gain[:3] = torch.tensor([5.5, 4.0, 4.0])[: len(gain)]
    for head in range(2):
        rows = slice(head * size, (head + 1) * size)
        for matrix in (layer.attn_q, layer.attn_k, layer.attn_v):
            matrix.weight[rows] *= QUIET
        # The constant, 3.85 after the norm, gives the same query everywhere and a key turned one step ahead.
        layer.attn_q.weight[rows, 0][0::2] = gain / 3.85
        layer.attn_q.weight[rows, 0][1::2] = 0
        layer.attn_k.weight[rows, 0][0::2] = gain * speeds.cos() / 3.85
        layer.attn_k.weight[rows, 0][1::2] = gain * speeds.sin() / 3.85
        for place in range(size):
            layer.attn_v.weight[head * size + place, 1 + head * size + place] += 1
            layer.attn_output.weight[free + head * size + place, head * size + place] += SPREAD


def _look_up(model: Llama, free: int) -> None:
    """Heads 0 to 4 of layer 1 look for tokens whose token before equals this one, and copy them.

    Only the slow pairs of a head compare: fast ones turn too much over the distance.
    """
    layer, size = model.blk[1], model.shape.d_head
    slow = range(size - 12, size)
    width = (free - 1) // 5
    for head in range(5):
        rows = slice(head * size, (head + 1) * size)
        for matrix in (layer.attn_q, layer.attn_k, layer.attn_v):
            matrix.weight[rows] *= QUIET
        for place, row in enumerate(slow):
            layer.attn_q.weight[head * size + row, 1 + len(slow) * head + place] += math.sqrt(6)
            layer.attn_k.weight[head * size + row, free + len(slow) * head + place] += math.sqrt(6)
        for place in range(width):
            layer.attn_v.weight[head * size + place, 1 + head * width + place] += 1
            layer.attn_output.weight[1 + head * width + place, head * size + place] += 2 * SPREAD
