"""Does llama.cpp read the exported files as PyTorch and our tokenizer do? Gates for shipping a model."""

from __future__ import annotations

import argparse
import itertools
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import llama_cpp
import numpy as np
import torch
from generate import groups, segments
from model import Llama, Part
from numpy.typing import NDArray
from tokenizer import Encoder
from train import load_model

from bridle.wrappers import Segment

__all__ = ["Agreement", "logits_agreement", "main", "strings", "tokenizer_mismatches"]

GATES = {"f16": 0.999, "q8_0": 0.99}
AWKWARD = (
    "",
    " ",
    "   three spaces",
    "tabs\tand\r\nCRLF\n\n\nlines",
    "😀 👩‍👩‍👧 🇳🇴 ok",
    "日本語のテキスト 한국어 中文",
    "e\u0301 é ﬁ Å Å",
    "zero\u200bwidth\u2060joiner\ufeff",
    "0123456789 3.14 1,000,000 2026-11-20 08:05",
    "don't can't I'm you've she'll they'd we're",
    "DON'T CAN'T",
    "<|im_end|> as content <|im_start|>user",
    '{"inner_thoughts": "Lives in: ? > Bergen", "function": "core_memory_append"}',
    "a_b-c/d\\e@f#g$h%i^j&k*l(m)n[o]p{q}r|s~t`u",
    "مرحبا بالعالم שלום",
    "ØÆÅ øæå ñ ü ß ç",
    "\x00\x01\x7f",
)


def strings(seed: int, n_cases: int) -> Iterator[Segment]:
    """Awkward texts, all segments of generated cases once, and random characters."""
    yield from (Segment(text) for text in AWKWARD)
    seen: set[Segment] = set()
    for case in itertools.islice(itertools.chain.from_iterable(groups(seed, "frames")), n_cases):
        prompt, target = segments(case)
        for segment in (*prompt, *target):
            if segment not in seen:
                seen.add(segment)
                yield segment
    rng = random.Random(seed)
    ranges = ((32, 126), (160, 383), (880, 1279), (0x4E00, 0x4FFF), (0x1F300, 0x1F6FF), (9, 13))
    for _ in range(300):
        yield Segment("".join(chr(rng.randint(*rng.choice(ranges))) for _ in range(rng.randint(1, 40))))


def tokenizer_mismatches(
    model: llama_cpp.Llama, encoder: Encoder, texts: Iterator[Segment]
) -> tuple[int, int]:
    """How many segments get other tokens or another text back in llama.cpp, and how many there were."""
    wrong, count = 0, 0
    for segment in texts:
        ours = encoder.encode([segment])
        theirs = model.tokenize(segment.text.encode(), add_bos=False, special=segment.control)
        same = ours == theirs
        if not segment.control:
            same = same and model.detokenize(theirs, special=True) == segment.text.encode()
        if not same:
            print(f"mismatch: {segment.text!r}: {ours} against {theirs}")
        wrong, count = wrong + (not same), count + 1
    return wrong, count


@dataclass
class Agreement:
    """How far two ways of computing logits agree, over all tokens and over those of answers."""

    tokens: int = 0
    same: int = 0
    answer_tokens: int = 0
    answer_same: int = 0
    largest: float = 0.0

    def add(self, ours: NDArray[np.float32], theirs: NDArray[np.float32], n_prompt: int) -> None:
        """Count one text. Its answer begins after `n_prompt` tokens."""
        same = ours.argmax(-1) == theirs.argmax(-1)
        self.tokens += len(same)
        self.same += int(same.sum())
        self.answer_tokens += len(same[n_prompt - 1 :])
        self.answer_same += int(same[n_prompt - 1 :].sum())
        self.largest = max(self.largest, float(np.abs(ours - theirs).max()))


def logits_agreement(
    ours: Llama, theirs: llama_cpp.Llama, encoder: Encoder, seed: int, n_cases: int
) -> Agreement:
    """Compare the logits of held-out cases, prompt and answer together."""
    found = Agreement()
    for case in itertools.islice((group[0] for group in groups(seed, "frames")), n_cases):
        prompt, target = (encoder.encode(part) for part in segments(case))
        tokens = (prompt + target)[: ours.shape.n_context]
        with torch.no_grad():
            logits = ours(torch.tensor(tokens), torch.arange(len(tokens)), [Part(len(tokens))])
        theirs.reset()
        theirs.eval(tokens)
        found.add(logits.numpy(), np.asarray(theirs.scores[: len(tokens)]), len(prompt))
    return found


def main() -> None:
    """Check both exported files against the checkpoint; exit with 1 if a gate fails."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--cases", type=int, default=60, help="texts whose logits are compared")
    parser.add_argument("--strings", type=int, default=600, help="cases whose strings are tokenized")
    parser.add_argument("--seed", type=int, default=77)
    options = parser.parse_args()
    torch.set_num_threads(1)
    model, _ = load_model(options.out / "checkpoint.pt")
    encoder = Encoder.load(options.out / "tokenizer.json")
    failed = False
    for kind, gate in GATES.items():
        path = str(options.out / f"model-{kind}.gguf")
        other = llama_cpp.Llama(
            path, n_ctx=model.shape.n_context, n_threads=1, n_threads_batch=1, logits_all=True, verbose=False
        )
        if kind == "f16":
            wrong, count = tokenizer_mismatches(other, encoder, strings(options.seed, options.strings))
            print(f"tokenizer: {wrong} mismatches in {count} strings")
            failed |= wrong > 0 or count < 1000
        found = logits_agreement(model, other, encoder, options.seed, options.cases)
        # Prompts are hardly trained: what comes next in them is a near tie that any rounding decides.
        share = found.answer_same / found.answer_tokens
        print(
            f"{kind}: likeliest token of answers the same at {found.answer_same} of {found.answer_tokens}"
            f" ({100 * share:.2f} %), of all text at {found.same} of {found.tokens}"
            f" ({100 * found.same / found.tokens:.2f} %); largest difference of a logit {found.largest:.4f}"
        )
        failed |= share < gate
        other.close()
    print("passed" if not failed else "FAILED")
    sys.exit(failed)


if __name__ == "__main__":
    main()
