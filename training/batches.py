"""Groups of cases as trees of tokens, many trees to a training step.

All agent prompts begin alike; that prefix is computed once per step. What cases of one group have in
common (earlier turns, memory, a first call before its answer) is computed once per group. Each part of a
tree sees its ancestors and itself, and positions continue from the parent, so a case has exactly the
logits that it would have alone.
"""

from __future__ import annotations

import os.path
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from model import Part
from torch import Tensor

__all__ = ["Batch", "Example", "Node", "Tree", "batches", "collate", "common_start", "tree"]

SHORTEST = 24
"""A common part below this many tokens is computed again: a part of its own takes longer."""


@dataclass(frozen=True)
class Example:
    """The tokens of one case: a prompt and the answer to be learnt."""

    prompt: tuple[int, ...]
    target: tuple[int, ...]


@dataclass(frozen=True)
class Node:
    """Tokens after those of the node `parent` (-1: none), and what each weighs as an answer (0: is none)."""

    tokens: tuple[int, ...]
    targets: tuple[float, ...]
    parent: int


@dataclass(frozen=True)
class Tree:
    """Cases of a group, after the shared prefix or from the start; parents come before children."""

    shared: bool
    nodes: tuple[Node, ...]

    @property
    def n_tokens(self) -> int:
        """How many tokens are computed."""
        return sum(len(node.tokens) for node in self.nodes)

    @property
    def length(self) -> int:
        """How many tokens the longest case has."""
        ends: list[int] = []
        for node in self.nodes:
            ends.append(len(node.tokens) + (ends[node.parent] if node.parent >= 0 else 0))
        return max(ends)


@dataclass(frozen=True)
class Batch:
    """One step: packed tokens, and at the places `wanted` what comes next (`labels`) and its weight."""

    tokens: Tensor
    positions: Tensor
    parts: tuple[Part, ...]
    wanted: Tensor
    labels: Tensor
    weights: Tensor
    n_targets: int


Marked = tuple[tuple[int, float], ...]


def common_start(texts: Sequence[Sequence[int]]) -> int:
    """How many tokens all texts begin with."""
    return len(os.path.commonprefix(list(texts)))  # noqa: RUF071  # it compares any sequences, which is meant


def tree(
    examples: Sequence[Example], prefix: Sequence[int], weigh: Mapping[int, float] | None = None
) -> Iterator[Tree]:
    """One tree for the examples that begin with `prefix`, one for the others.

    Each answer's token weighs 1, or what `weigh` says for its place in the answer.
    """
    heavy = weigh or {}
    start = tuple(prefix)
    for shared in (True, False):
        skip = len(start) if shared else 0
        texts = [
            tuple((token, 0.0) for token in one.prompt[skip:])
            + tuple((token, heavy.get(place, 1.0)) for place, token in enumerate(one.target))
            for one in examples
            if (one.prompt[: len(start)] == start) == shared
        ]
        if texts:
            nodes: list[Node] = []
            _grow(nodes, texts, -1)
            yield Tree(shared, tuple(nodes))


def _grow(nodes: list[Node], texts: Sequence[Marked], parent: int) -> None:
    """Add nodes for what `texts` begin with, then for each set of them that goes on alike."""
    plain = [tuple(token for token, _ in text) for text in texts]
    n = common_start(plain)
    if n >= SHORTEST or len(texts) == 1:
        targets = tuple(max(text[place][1] for text in texts) for place in range(n))
        nodes.append(Node(plain[0][:n], targets, parent))
        parent = len(nodes) - 1
    else:
        n = 0
    sets: dict[tuple[int, ...], list[Marked]] = {}
    for text, tokens in zip(texts, plain, strict=True):
        if rest := text[n:]:
            sets.setdefault(tokens[n : n + SHORTEST], []).append(rest)
    for one in sets.values():
        _grow(nodes, one if len(set(one)) > 1 else one[:1], parent)


def collate(
    trees: Sequence[Tree],
    prefix: Sequence[int],
    *,
    gaps: Sequence[int] = (),
    others: float = 0.0,
    keep: float = 1.0,
    rng: random.Random | None = None,
) -> Batch:
    """Pack trees. `gaps` shift the positions of single trees after the prefix.

    Tokens that are no targets weigh `others`, and only a share `keep` of them is predicted at all.
    """
    rng = rng or random.Random(0)
    n_prefix = len(prefix) if any(one.shared for one in trees) else 0
    tokens, positions = list(prefix[:n_prefix]), list(range(n_prefix))
    parts = [Part(n_prefix)] if n_prefix else []
    wanted: list[tuple[int, int, float]] = []
    for index, one in enumerate(trees):
        root = n_prefix if one.shared else 0
        gap = gaps[index] if gaps else 0
        # Of each node: its ancestors' parts and its own, where its last token lies, and the next position.
        ends: list[tuple[tuple[int, ...], int, int]] = []
        for node in one.nodes:
            if node.parent >= 0:
                parents, last, position = ends[node.parent]
            else:
                parents, last, position = ((0,) if root else ()), root - 1, root + gap
            begin = len(tokens)
            for offset, (token, target) in enumerate(zip(node.tokens, node.targets, strict=True)):
                place = begin + offset - 1 if offset else last
                if place >= 0 and (target or (others and rng.random() < keep)):
                    wanted.append((place, token, target or others))
            tokens += node.tokens
            positions += range(position, position + len(node.tokens))
            parts.append(Part(len(node.tokens), parents))
            ends.append(((*parents, len(parts) - 1), len(tokens) - 1, position + len(node.tokens)))
    places, labels, weights = zip(*wanted, strict=True) if wanted else ((), (), ())
    return Batch(
        torch.tensor(tokens),
        torch.tensor(positions),
        tuple(parts),
        torch.tensor(places, dtype=torch.long),
        torch.tensor(labels, dtype=torch.long),
        torch.tensor(weights),
        sum(weight >= 1.0 for weight in weights),
    )


def batches(trees: Iterable[Tree], n_tokens: int, n_prefix: int) -> Iterator[list[Tree]]:
    """Take trees until a step computes about `n_tokens` tokens, the shared prefix included."""
    taken: list[Tree] = []
    size = n_prefix
    for one in trees:
        if taken and size + one.n_tokens > n_tokens:
            yield taken
            taken, size = [], n_prefix
        taken.append(one)
        size += one.n_tokens
