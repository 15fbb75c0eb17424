"""Train the embedded model on cases that are made while it trains; stop and resume at will.

The budget is CPU seconds of this process (one thread), so a busy machine changes how long it takes but
not what comes out. Muon moves the matrices, AdamW the embeddings and norms. Small steps come first:
copying is learnt after a number of steps rather than of tokens. The data are a function of the seed and
of the step at which a run resumed.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from batches import Example, Tree, batches, collate, tree
from generate import groups, segments
from model import Llama, Shape
from prefix import agent_prefix, answer_opening
from start import fits, start
from tokenizer import Encoder
from torch import Tensor, nn

__all__ = ["Plan", "Trainer", "load_model", "main"]

SAVE_EVERY_S = 300.0
LOG_EVERY = 25


@dataclass(frozen=True)
class Plan:
    """What a run does with its budget."""

    cpu_seconds: float = 4500.0
    wall_seconds: float = math.inf
    seed: int = 1
    matrix_lr: float = 2.5e-3
    vector_lr: float = 2e-3
    warm_up_steps: int = 40
    flat_until: float = 0.27
    last_lr: float = 0.02
    small_tokens: int = 2560
    large_tokens: int = 4096
    small_until: float = 0.45
    bare_until: float = 0.1
    gap_share: float = 0.12
    gap_max: int = 1000
    decision: float = 5.0
    others: float = 0.1
    others_share: float = 0.12

    def rate(self, step: int, progress: float) -> float:
        """The factor on both learning rates. `progress` is the share of the budget that is used."""
        rise = min(1.0, (step + 1) / self.warm_up_steps)
        if progress <= self.flat_until:
            return rise
        down = min(1.0, (progress - self.flat_until) / (1 - self.flat_until))
        return rise * (self.last_lr + (1 - self.last_lr) * 0.5 * (1 + math.cos(math.pi * down)))

    def step_tokens(self, progress: float) -> int:
        """How many tokens a step computes."""
        return self.small_tokens if progress < self.small_until else self.large_tokens


class Muon(torch.optim.Optimizer):
    """Momentum whose update is made orthogonal by Newton-Schulz, for matrices; equal shapes go in one stack.

    The same rule as torch.optim.Muon with adjust_lr_fn="match_rms_adamw"; one bmm for all matrices of a
    shape takes a third of the time on one CPU thread.
    """

    def __init__(
        self, params: list[nn.Parameter], lr: float, momentum: float = 0.95, decay: float = 0.05
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "decay": decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move every matrix."""
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[nn.Parameter]] = {}
            for weight in group["params"]:
                if weight.grad is not None:
                    by_shape.setdefault(weight.shape, []).append(weight)
            for shape, weights in by_shape.items():
                updates = torch.stack([self._momentum(weight, group["momentum"]) for weight in weights])
                updates = _orthogonal(updates).float()
                scale = group["lr"] * 0.2 * math.sqrt(max(shape))
                for weight, update in zip(weights, updates, strict=True):
                    weight.mul_(1 - group["lr"] * group["decay"]).add_(update, alpha=-scale)

    def _momentum(self, weight: nn.Parameter, momentum: float) -> Tensor:
        state = self.state[weight]
        if "mean" not in state:
            state["mean"] = torch.zeros_like(weight)
        grad = weight.grad
        assert grad is not None
        state["mean"].lerp_(grad, 1 - momentum)
        return grad.lerp(state["mean"], momentum)


def _orthogonal(stack: Tensor) -> Tensor:
    """Bring all singular values near 1 (quintic Newton-Schulz of Muon, Keller Jordan 2024, five rounds)."""
    a, b, c = 3.4445, -4.7750, 2.0315
    tall = stack.shape[1] > stack.shape[2]
    x = (stack.mT if tall else stack).bfloat16()
    x = x / (x.float().norm(dim=(1, 2), keepdim=True) + 1e-7).bfloat16()
    for _ in range(5):
        square = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


class Trainer:
    """A model, its optimizers and how far it has come."""

    def __init__(self, plan: Plan, shape: Shape, encoder: Encoder) -> None:
        self.plan = plan
        self.encoder = encoder
        self.prefix = agent_prefix(encoder)
        # The first words of a thought decide on all that follows; unweighted they drown among 500 others.
        opening = answer_opening(encoder)
        self.weigh = {opening: plan.decision, opening + 1: plan.decision / 2}
        self.room = shape.n_context - len(self.prefix)
        self.model = Llama(shape, plan.seed)
        if fits(shape):
            start(self.model, plan.seed)
        matrices = [p for n, p in self.model.named_parameters() if p.dim() == 2 and "embd" not in n]
        vectors = [p for n, p in self.model.named_parameters() if p.dim() != 2 or "embd" in n]
        self.muon = Muon(matrices, plan.matrix_lr)
        # A larger eps, and centring below: else Adam drives all rare tokens in one direction, where they
        # cannot be told apart (mean cosine 0.64 after 1,000 steps), and copying them is not learnt.
        self.adam = torch.optim.AdamW(vectors, plan.vector_lr, betas=(0.9, 0.95), eps=1e-6, weight_decay=0.0)
        self.step = 0
        self.cpu_s = 0.0
        self.wall_s = 0.0
        self.targets_seen = 0
        self.tokens_seen = 0

    @property
    def progress(self) -> float:
        """The share of the budget that is used."""
        return max(self.cpu_s / self.plan.cpu_seconds, self.wall_s / self.plan.wall_seconds)

    def trees(self) -> Iterator[Tree]:
        """Cases without end, as trees that fit the context."""
        if self.room < 1:
            raise ValueError(f"the instructions alone take {len(self.prefix)} tokens")
        for group in groups(self.plan.seed * 1_000_003 + self.step):
            examples: list[Example] = []
            for case in group:
                prompt, target = segments(case)
                examples.append(
                    Example(tuple(self.encoder.encode(prompt)), tuple(self.encoder.encode(target)))
                )
            yield from (one for one in tree(examples, self.prefix, self.weigh) if one.length <= self.room)

    def train_step(self, trees: list[Tree], rng: random.Random) -> tuple[float, int]:
        """One step of both optimizers; gives the mean loss of the target tokens and their number."""
        plan = self.plan
        gaps = [
            rng.randint(0, min(plan.gap_max, self.room - one.length)) if rng.random() < plan.gap_share else 0
            for one in trees
        ]
        prefix = self.prefix
        if self.progress < plan.bare_until:
            # Instructions that are always the same say nothing yet; without them copying is learnt sooner.
            gaps = [gap + len(prefix) * one.shared for gap, one in zip(gaps, trees, strict=True)]
            prefix = ()
        batch = collate(trees, prefix, gaps=gaps, others=plan.others, keep=plan.others_share, rng=rng)
        with torch.autocast("cpu", torch.bfloat16):
            logits = self.model(batch.tokens, batch.positions, batch.parts, batch.wanted)
        losses = F.cross_entropy(logits.float(), batch.labels, reduction="none")
        loss = (losses * batch.weights).sum() / batch.weights.sum()
        loss.backward()
        rate = plan.rate(self.step, self.progress)
        self.muon.param_groups[0]["lr"] = plan.matrix_lr * rate
        self.adam.param_groups[0]["lr"] = plan.vector_lr * rate
        self.muon.step()
        self.adam.step()
        with torch.no_grad():
            embeddings = self.model.token_embd.weight
            embeddings[:, 1:] -= embeddings[:, 1:].mean(0)
        self.model.zero_grad(set_to_none=True)
        self.tokens_seen += len(batch.tokens)
        self.targets_seen += batch.n_targets
        self.step += 1
        return float(losses.detach()[batch.weights >= 1.0].mean()), batch.n_targets

    def run(self, out: Path) -> None:
        """Train until the budget is used; log and save on the way."""
        rng = random.Random(f"{self.plan.seed} {self.step}")
        stream = _Stream(self.trees(), len(self.prefix))
        cpu_start = self.cpu_s - time.process_time()
        wall_start = self.wall_s - time.monotonic()
        saved, logged, tokens_logged = self.cpu_s, self.cpu_s, self.tokens_seen
        total, count = 0.0, 0
        while self.progress < 1:
            trees = stream.take(self.plan.step_tokens(self.progress))
            loss, n_targets = self.train_step(trees, rng)
            total, count = total + loss * n_targets, count + n_targets
            self.cpu_s = cpu_start + time.process_time()
            self.wall_s = wall_start + time.monotonic()
            if self.step % LOG_EVERY == 0:
                speed = (self.tokens_seen - tokens_logged) / (self.cpu_s - logged)
                _log(
                    out,
                    f"step {self.step} cpu_s {self.cpu_s:.0f} tokens {self.tokens_seen} targets"
                    f" {self.targets_seen} loss {total / count:.4f} tokens/s {speed:.0f}"
                    f" rate {self.plan.rate(self.step, self.progress):.3f}",
                )
                logged, tokens_logged, total, count = self.cpu_s, self.tokens_seen, 0.0, 0
            if self.cpu_s - saved > SAVE_EVERY_S:
                self.save(out)
                saved = self.cpu_s
        self.save(out)

    def save(self, out: Path) -> None:
        """Write checkpoint.pt in one go, so that an interrupted run leaves the old one."""
        state = {
            "shape": asdict(self.model.shape),
            "plan": asdict(self.plan),
            "model": self.model.state_dict(),
            "muon": self.muon.state_dict(),
            "adam": self.adam.state_dict(),
            "step": self.step,
            "cpu_s": self.cpu_s,
            "wall_s": self.wall_s,
            "targets_seen": self.targets_seen,
            "tokens_seen": self.tokens_seen,
        }
        part = out / "checkpoint.part"
        torch.save(state, part)
        os.replace(part, out / "checkpoint.pt")

    def load(self, path: Path) -> None:
        """Go on from a checkpoint."""
        state = torch.load(path, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.muon.load_state_dict(state["muon"])
        self.adam.load_state_dict(state["adam"])
        for name in ("step", "cpu_s", "wall_s", "targets_seen", "tokens_seen"):
            setattr(self, name, state[name])


class _Stream:
    """Trees by steps of a size that may change."""

    def __init__(self, trees: Iterator[Tree], n_prefix: int) -> None:
        self._trees, self._n_prefix = trees, n_prefix
        self._n_tokens = 0
        self._batches: Iterator[list[Tree]] = iter(())

    def take(self, n_tokens: int) -> list[Tree]:
        if n_tokens != self._n_tokens:
            self._n_tokens = n_tokens
            self._batches = batches(self._trees, n_tokens, self._n_prefix)
        return next(self._batches)


def load_model(path: Path) -> tuple[Llama, dict[str, object]]:
    """The model of a checkpoint, and what else stands there (plan, step, CPU seconds)."""
    state = torch.load(path, weights_only=True)
    model = Llama(Shape(**state["shape"]))
    model.load_state_dict(state["model"])
    facts = {key: state[key] for key in ("plan", "step", "cpu_s", "wall_s", "targets_seen", "tokens_seen")}
    return model.eval(), facts


def _log(out: Path, line: str) -> None:
    with (out / "log.txt").open("a", encoding="utf-8") as file:
        file.write(f"{time.strftime('%H:%M:%S', time.gmtime())} {line}\n")


def main() -> None:
    """Train with the tokenizer in OUT; go on from OUT/checkpoint.pt if it is there."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder outside the repository")
    parser.add_argument(
        "--cpu-seconds", type=float, default=4500.0, help="the whole budget, resumed runs included"
    )
    parser.add_argument("--wall-seconds", type=float, default=math.inf, help="stop by then at the latest")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(1)
    encoder = Encoder.load(options.out / "tokenizer.json")
    trainer = Trainer(
        Plan(options.cpu_seconds, options.wall_seconds, options.seed), Shape(n_vocab=encoder.n_vocab), encoder
    )
    if (options.out / "checkpoint.pt").exists():
        trainer.load(options.out / "checkpoint.pt")
    _log(
        options.out, f"start at step {trainer.step}, cpu_s {trainer.cpu_s:.0f}, prefix {len(trainer.prefix)}"
    )
    trainer.run(options.out)


if __name__ == "__main__":
    main()
