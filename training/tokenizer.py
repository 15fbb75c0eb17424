"""Byte-level BPE for the embedded model: training, and encoding of a prompt segment by segment.

Only control segments may become control tokens; content is always plain text, as in the in-process
endpoint. Digits stand alone and words split as in GPT-2, which llama.cpp knows as the pre-tokenizer
`smollm`.
"""

from __future__ import annotations

import argparse
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

import tokenizers
from tokenizers import AddedToken, decoders, models, pre_tokenizers, trainers

from bridle.wrappers import Segment

__all__ = ["CONTROL", "N_VOCAB", "Encoder", "train"]

CONTROL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|pad|>")
"""Control tokens; their ids are their places here."""
N_VOCAB = 3072
_MARKS = re.compile("|".join(re.escape(mark) for mark in CONTROL))


def train(texts: Iterable[str], n_vocab: int = N_VOCAB) -> tokenizers.Tokenizer:
    """Train a vocabulary that holds all 256 bytes, so that any text survives a round trip."""
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=n_vocab,
        special_tokens=[AddedToken(mark, special=True, normalized=False) for mark in CONTROL],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


class Encoder:
    """Turns segments into token ids. Texts that come again, such as the instructions, are encoded once."""

    def __init__(self, tokenizer: tokenizers.Tokenizer) -> None:
        text = tokenizer.to_str()
        self._control = tokenizers.Tokenizer.from_str(text)
        self._plain = tokenizers.Tokenizer.from_str(text)
        self._plain.encode_special_tokens = True
        self.n_vocab = tokenizer.get_vocab_size()
        self._cached = lru_cache(maxsize=20_000)(self._encode)

    @classmethod
    def load(cls, path: Path) -> Encoder:
        """Read a tokenizer that `train` made and `save` wrote."""
        return cls(tokenizers.Tokenizer.from_file(str(path)))

    def _encode(self, text: str, control: bool) -> tuple[int, ...]:
        tokenizer = self._control if control else self._plain
        return tuple(tokenizer.encode(text, add_special_tokens=False).ids)

    def encode(self, segments: Sequence[Segment]) -> list[int]:
        """The ids of all segments, one after the other."""
        return list(itertools.chain.from_iterable(self._cached(one.text, one.control) for one in segments))

    def text(self, ids: Sequence[int]) -> str:
        """The text of ids, control tokens included."""
        return self._plain.decode(list(ids), skip_special_tokens=False)


def main() -> None:
    """Train on the content of generated cases and write tokenizer.json."""
    from generate import groups, segments

    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for tokenizer.json")
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    cases = itertools.islice(itertools.chain.from_iterable(groups(options.seed)), options.cases)
    once = Counter[str]()

    def texts() -> Iterable[str]:
        for case in cases:
            prompt, target = segments(case)
            for segment in (*prompt, *target):
                # Instructions are the same in every case; more than a few copies would fill the vocabulary.
                if segment.control:
                    yield from _MARKS.split(segment.text)
                elif len(segment.text) < 600 or once[segment.text] < 20:
                    once[segment.text] += 1
                    yield segment.text

    tokenizer = train(texts())
    options.out.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(options.out / "tokenizer.json"))
    print(f"{tokenizer.get_vocab_size()} tokens in {options.out / 'tokenizer.json'}")


if __name__ == "__main__":
    main()
