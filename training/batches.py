"""Groups of cases as trees of tokens, many trees to a training step.

All agent prompts begin alike; that prefix is computed once per step. What the cases of one group have in common comes
next, once per group, and then the branches: each sees the prefix, the common part and itself. Positions continue
from the parent, so a branch has exactly the logits that it would have alone.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from os.path import commonprefix

import torch
from torch import Tensor

from training.model import Part

__all__ = ["Batch", "Example", "Tree", "batches", "collate", "tree"]


@dataclass(frozen=True)
class Example:
    """The tokens of one case: a prompt and the answer to be learnt."""

    prompt: tuple[int, ...]
    target: tuple[int, ...]


@dataclass(frozen=True)
class Tree:
    """A group of cases after the shared prefix (`shared`) or from the start.

    `branches` are pairs of tokens and the place in them where the target begins.
    """

    shared: bool
    context: tuple[int, ...]
    branches: tuple[tuple[tuple[int, ...], int], ...]

    @property
    def n_tokens(self) -> int:
        return len(self.context) + sum(len(tokens) for tokens, _ in self.branches)

    @property
    def length(self) -> int:
        return len(self.context) + max(len(tokens) for tokens, _ in self.branches)


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


def tree(examples: Sequence[Example], prefix: Sequence[int]) -> Iterator[Tree]:
    """One tree for the examples that begin with `prefix`, one for the others."""
    start = tuple(prefix)
    for shared in (True, False):
        group = [one for one in examples if (one.prompt[: len(start)] == start) == shared]
        skip = len(start) if shared else 0
        whole = [one.prompt[skip:] + one.target for one in group]
        if not group:
            continue
        # Every branch keeps the last prompt token at least, which predicts its first target token.
        limit = min(len(one.prompt) for one in group) - skip - 1
        common = commonprefix(whole)[:limit] if len(whole) > 1 else ()
        yield Tree(
            shared,
            tuple(common),
            tuple(
                (tokens[len(common) :], len(one.prompt) - skip - len(common))
                for tokens, one in zip(whole, group, strict=True)
            ),
        )


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
    use_prefix = any(one.shared for one in trees)
    n_prefix = len(prefix) if use_prefix else 0
    tokens, positions = list(prefix) * use_prefix, list(range(n_prefix))
    places: list[int] = []
    labels: list[int] = []
    weights: list[float] = []

    def predict(place: int, label: int, weight: float) -> None:
        if weight == 1.0 or (others and rng.random() < keep):
            places.append(place)
            labels.append(label)
            weights.append(weight)

    for place in range(n_prefix - 1):
        if rng.random() < 0.1:
            predict(place, tokens[place + 1], others)
    parts = [Part(n_prefix)] if n_prefix else []
    for index, one in enumerate(trees):
        at = (n_prefix if one.shared else 0) + (gaps[index] if gaps else 0)
        begin = len(tokens)
        tokens += one.context
        n_common = len(one.context)
        positions += range(at, at + n_common)
        parents: tuple[int, ...] = (0,) if one.shared else ()
        if n_common:
            parts.append(Part(n_common, parents))
            parents = (*parents, len(parts) - 1)
        for offset in range(n_common - 1):
            predict(begin + offset, one.context[offset + 1], others)
        for branch, n_prompt in one.branches:
            start = len(tokens)
            tokens += branch
            parts.append(Part(len(branch), parents))
            positions += range(at + n_common, at + n_common + len(branch))
            for offset in range(len(branch) - 1):
                predict(start + offset, branch[offset + 1], 1.0 if offset + 1 >= n_prompt else others)
    return Batch(
        torch.tensor(tokens),
        torch.tensor(positions),
        tuple(parts),
        torch.tensor(places),
        torch.tensor(labels),
        torch.tensor(weights),
        sum(weight == 1.0 for weight in weights),
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
