"""See from the numbers of an answer that a server has cut the prompt without a word.

Two things can be known without the server's tokenizer. The tokenizers in use end a token where a word ends,
so a prompt has at least as many tokens as words. And a prompt that goes on from another one has at least as
many as that one had. Where a server counts fewer, it has not read all of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from bridle.endpoints.base import Answer, Request
from bridle.errors import PromptTruncated

__all__ = ["Counted"]

FEWEST_WORDS = 64
"""Shorter prompts fit everywhere, and in them a few odd tokens weigh much."""
SHARE = 0.9
"""Of what is expected; a few vocabularies have tokens for two frequent words."""


@dataclass(frozen=True, slots=True)
class _Longest:
    request: Request = field(default_factory=Request)
    n_tokens: int = 0


class Counted:
    """What a server counted for the longest prompt so far, to compare with later ones.

    Several threads may use it at once: it is replaced as a whole.
    """

    def __init__(self) -> None:
        self._longest = _Longest()

    @property
    def n_tokens(self) -> int:
        """The tokens of the longest prompt so far."""
        return self._longest.n_tokens

    def check(self, request: Request, answer: Answer, name: str, window: int | None) -> None:
        """Compare an answer's usage with what its prompt must have had.

        Raises:
            PromptTruncated: when the server counted fewer tokens than the prompt can have.
        """
        counted = answer.usage.prompt_tokens
        if counted <= 0 or answer.finish == "cancelled":
            return
        longest = self._longest
        words = len(_text(request).split())
        least = words if words >= FEWEST_WORDS else 0
        if longest.n_tokens > least and _goes_on(request, longest.request):
            least = longest.n_tokens
        if counted < SHARE * least:
            raise PromptTruncated(
                f"{name} read {counted} tokens of a prompt that has at least {least}: it has lost a part",
                hint="load the model with a larger context, or shorten the conversation",
                prompt_tokens=counted,
                least_tokens=least,
                context_tokens=window,
                answer=answer.text,
            )
        if counted > longest.n_tokens:
            self._longest = _Longest(request, counted)


def _goes_on(request: Request, earlier: Request) -> bool:
    """Whether a prompt has all that an earlier one had, and in front of what is new.

    On the chat route the server's template decides what a message becomes. It gets the same tools, schema and
    wish to think, and no thoughts, which templates leave out once they are old.
    """
    if request.prompt or earlier.prompt:
        return bool(earlier.prompt) and _text(request).startswith(_text(earlier))
    if any(message.thoughts for message in earlier.messages):
        return False
    before = request.messages[: len(earlier.messages)]
    return bool(earlier.messages) and _rendered(replace(request, messages=before)) == _rendered(earlier)


def _rendered(request: Request) -> tuple[object, ...]:
    """All of a request that a chat template may put into the prompt."""
    return (
        request.messages,
        request.tools,
        request.tool_choice,
        request.schema,
        request.json_mode,
        request.think,
    )


def _text(request: Request) -> str:
    if request.prompt:
        return "".join(segment.text for segment in request.prompt)
    return "\n".join(f"{m.role} {m.content}" for m in request.messages)
