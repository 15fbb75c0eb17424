"""See that Ollama has left out a part of the prompt, where it is a version that does so without a word.

Versions that know `truncate` and `shift` refuse a prompt that is too long. Older ones pass over these fields:
they drop the oldest messages of a chat, then tokens from the middle, and answer to the rest. What such a
version counted tells it: a prompt that was cut has as many tokens as the window, or, since the server runs
llama.cpp's own (0.30), about half of it (`contextShiftPromptLimit` in llm/llama_server.go, 0.33).
"""

from __future__ import annotations

from dataclasses import dataclass

from bridle.endpoints.base import Request
from bridle.endpoints.overflow import FEWEST_WORDS, SHARE
from bridle.errors import ContextOverflow, PromptTruncated

__all__ = ["HINT", "Prompts", "counts_after_cut", "text_of"]

HINT = "give a larger context_tokens (it goes to Ollama as num_ctx), or shorten the conversation"
SLACK = 32
"""Tokens that the same messages may have more or less in a later prompt: what surrounds the last one."""
BYTES_PER_TOKEN = 4.0
"""What a prompt has at least when half of it, or more, was not counted; whole ones are mostly below."""


def text_of(request: Request) -> str:
    """Return the text of a request of which the words are certainly in the prompt."""
    if request.prompt:
        return "".join(segment.text for segment in request.prompt)
    return "\n".join(f"{m.role} {m.content}" for m in request.messages)


def counts_after_cut(window: int, n_keep: int) -> frozenset[int]:
    """Return how many tokens a prompt may have after it was cut, for a window below which `n_keep` are kept.

    >>> sorted(counts_after_cut(4096, 4))
    [2050, 2051, 4095, 4096]
    """
    half = {window - max((window - keep) // 2, 1) for keep in (n_keep, n_keep + 1)}
    return frozenset({window, window - 1} | half | {min(half) + 1})


@dataclass
class Prompts:
    """The prompt by which is told how many tokens the next one has at least: mostly the last one."""

    text: str = ""
    n_tokens: int = 0

    def least(self, text: str, *, is_silent: bool) -> int:
        """Return how many tokens a prompt has at least: as many as words, and as the prompt it goes on."""
        words = len(text.split())
        least = int(SHARE * words) if words >= FEWEST_WORDS else 0
        return max(least, self._grown(text) - SLACK) if is_silent else least

    def goes_on(self, text: str) -> bool:
        """Whether a prompt begins with the whole of an earlier one."""
        return self.n_tokens > 0 and text.startswith(self.text)

    def _grown(self, text: str) -> int:
        if not self.goes_on(text):
            return 0
        return self.n_tokens + int(SHARE * len(text[len(self.text) :].split()))

    def refuse(self, request: Request, window: int, name: str) -> None:
        """Refuse what is certainly too long.

        Raises:
            ContextOverflow: when the prompt has more tokens than the window.
        """
        least = self.least(text_of(request), is_silent=True)
        if least >= window:
            raise ContextOverflow(
                f"a prompt of at least {least} tokens exceeds the window of {window} of {name}, "
                "which would leave a part of it out without a word",
                hint=HINT,
                prompt_tokens=least,
                context_tokens=window,
            )

    def check(
        self, request: Request, counted: int, *, window: int, n_keep: int, is_silent: bool, name: str
    ) -> None:
        """Compare what was counted with what the prompt has at least, and remember it.

        A version that `is_silent` is not given the benefit of the doubt.

        Raises:
            PromptTruncated: when a part of the prompt was left out.
        """
        text = text_of(request)
        least = self.least(text, is_silent=is_silent)
        looks_cut = is_silent and (
            counted == window - 1
            or (
                counted in counts_after_cut(window, n_keep)
                and not self.goes_on(text)
                and len(text.encode()) > BYTES_PER_TOKEN * counted
            )
        )
        if counted >= window or looks_cut or counted < least:
            has = f"of at least {least}" if counted < least else "where the prompt may have had any number"
            raise PromptTruncated(
                f"{name} read {counted} tokens {has}, in a window of {window}: it has left a part out",
                hint=HINT,
                prompt_tokens=counted,
                least_tokens=least,
                context_tokens=window,
            )
        if counted >= self._grown(text):
            self.text, self.n_tokens = text, counted  # else what is lost bit by bit would never be seen
