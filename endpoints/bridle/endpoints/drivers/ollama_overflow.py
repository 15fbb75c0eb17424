"""See that Ollama has left out a part of the prompt, where it is a version that does so without a word.

Versions that know `truncate` and `shift` refuse a prompt that is too long. Older ones pass over these fields:
they drop the oldest messages of a chat, then tokens from the middle, and answer to the rest. What such a
version counted tells it: a prompt that was cut has as many tokens as the window, or, since the server runs
llama.cpp's own (0.30), about half of it (`contextShiftPromptLimit` in llm/llama_server.go, 0.33).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from bridle.endpoints.base import Request
from bridle.endpoints.overflow import FEWEST_WORDS, SHARE
from bridle.errors import ContextOverflow, PromptTruncated

__all__ = ["HINT", "Prompts", "counts_after_cut"]

HINT = "give a larger context_tokens (it goes to Ollama as num_ctx), or shorten the conversation"
SLACK = 32
"""Tokens that the same messages may have more or less in a later prompt: what surrounds the last one."""
BYTES_PER_TOKEN = 4.0
"""What a prompt has at least when half of it, or more, was not counted; whole ones are mostly below."""


def counts_after_cut(window: int, n_keep: int) -> frozenset[int]:
    """Return how many tokens a prompt may have after it was cut, for a window below which `n_keep` are kept.

    >>> sorted(counts_after_cut(4096, 4))
    [2050, 2051, 4095, 4096]
    """
    half = {window - max((window - keep) // 2, 1) for keep in (n_keep, n_keep + 1)}
    return frozenset({window, window - 1} | half | {min(half) + 1})


@dataclass(frozen=True, slots=True)
class _Prompt:
    """A text of which the words are certainly in the prompt, and what else decides about its length."""

    text: str
    others: tuple[object, ...]
    n_tokens: int = 0

    @classmethod
    def of(cls, request: Request) -> _Prompt:
        if request.prompt:
            return cls("".join(segment.text for segment in request.prompt), ())
        text = "\n".join(f"{m.role} {m.content}" for m in request.messages)
        has_thoughts = any(m.thoughts for m in request.messages)  # templates leave old ones out
        return cls(text, (request.tools, request.think, object() if has_thoughts else None))

    def grown_from(self, known: _Prompt | None) -> int:
        """Return how many tokens it has at least where it goes on from a known one; 0 where it does not."""
        if known is None or known.others != self.others or not self.text.startswith(known.text):
            return 0
        return known.n_tokens + int(SHARE * len(self.text[len(known.text) :].split()))


class Prompts:
    """The prompt by which is told how many tokens the next one has at least: mostly the last one.

    Several threads may use it at once: what is known is replaced as a whole.
    """

    def __init__(self) -> None:
        self._known: _Prompt | None = None

    def least(self, request: Request, *, is_silent: bool) -> int:
        """Return how many tokens a prompt has at least: as many as words, and as the prompt it goes on."""
        prompt = _Prompt.of(request)
        words = len(prompt.text.split())
        least = int(SHARE * words) if words >= FEWEST_WORDS else 0
        return max(least, prompt.grown_from(self._known) - SLACK) if is_silent else least

    def refuse(self, request: Request, window: int, name: str) -> None:
        """Refuse what is certainly too long.

        Raises:
            ContextOverflow: when the prompt has more tokens than the window.
        """
        least = self.least(request, is_silent=True)
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
        prompt = replace(_Prompt.of(request), n_tokens=counted)
        least = self.least(request, is_silent=is_silent)
        grown = prompt.grown_from(self._known)
        looks_cut = is_silent and (
            counted == window - 1
            or (
                counted in counts_after_cut(window, n_keep)
                and not grown
                and len(prompt.text.encode()) > BYTES_PER_TOKEN * counted
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
        if counted >= grown:
            self._known = prompt  # else what is lost bit by bit would never be seen
