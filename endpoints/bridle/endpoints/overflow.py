"""See from the numbers of an answer that a server has cut the prompt without a word.

Two things can be known without the server's tokenizer. The tokenizers in use end a token where a word ends,
so a prompt has at least as many tokens as words. And a prompt that goes on from another one has at least as
many as that one had. Where a server counts fewer, it has not read all of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from bridle.endpoints.base import Answer, Request
from bridle.errors import PromptTruncated

__all__ = ["Counted"]

FEWEST_WORDS = 64
"""Shorter prompts fit everywhere, and in them a few odd tokens weigh much."""
SHARE = 0.9
"""Of what is expected; a few vocabularies have tokens for two frequent words."""


@dataclass
class Counted:
    """What a server counted for the longest prompt so far, to compare with later ones."""

    text: str = ""
    n_tokens: int = 0

    def check(self, request: Request, answer: Answer, name: str, window: int | None) -> None:
        """Compare an answer's usage with what its prompt must have had.

        Raises:
            PromptTruncated: when the server counted fewer tokens than the prompt can have.
        """
        counted = answer.usage.prompt_tokens
        if counted <= 0 or answer.finish == "cancelled":
            return
        text = _text(request)
        words = len(text.split())
        least = words if words >= FEWEST_WORDS else 0
        if self.n_tokens > least and text.startswith(self.text):
            least = self.n_tokens
        if counted < SHARE * least:
            raise PromptTruncated(
                f"{name} read {counted} tokens of a prompt that has at least {least}: it has lost a part",
                hint="load the model with a larger context, or shorten the conversation",
                prompt_tokens=counted,
                least_tokens=least,
                context_tokens=window,
                answer=answer.text,
            )
        if counted > self.n_tokens:
            self.text, self.n_tokens = text, counted


def _text(request: Request) -> str:
    if request.prompt:
        return "".join(segment.text for segment in request.prompt)
    return "\n".join(f"{m.role} {m.content}" for m in request.messages)
