"""See from an answer and its numbers that a server has cut the prompt, or failed, without a word.

Two things can be known without the server's tokenizer. The tokenizers in use end a token where a word ends,
so a prompt has at least as many tokens as words. And a prompt that goes on from another one has at least as
many as that one had. Where a server counts fewer, it has not read all of it; or it counts only what it had
not read before, as some do that keep a prompt in memory. So of a prompt that begins like an earlier one, a
count that fits what is new is believed.

An answer of nothing at all may be the model's own, if it ended by itself. Otherwise there was none.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from bridle.endpoints.base import Answer, Request
from bridle.errors import BadResponse, ContextOverflow, PromptTruncated

__all__ = ["Counted", "check_said"]

FEWEST_WORDS = 64
"""Shorter prompts fit everywhere, and in them a few odd tokens weigh much."""
SHARE = 0.9
"""Of what is expected; a few vocabularies have tokens for two frequent words."""
MOST_KNOWN = 16
"""How many prompts are remembered, two at most for each conversation that goes on."""
LEAST_SHARED = 0.25
"""The share of a prompt that must have been in an earlier one to be taken for read."""
SLACK = 64
"""Tokens that a server may count, or read again, beside what is new."""
ROUGHLY = 1.5
"""How many times as many tokens new text may have as its length says."""
EMPTY_MEANS_FAILED = 8
"""An answer of so many tokens that has no text at all has failed; a few may be parts of one character."""
NO_ROOM = frozenset({"contextLengthReached", "model_length"})
"""Reasons that name the window."""
AT_LIMIT = frozenset({"length", "limit", "max_tokens", "maxPredictedTokensReached"}) | NO_ROOM
NOT_ASKED = frozenset({"load", "unload"})
"""Reasons of a server that has done something else with the model."""


def check_said(
    request: Request, answer: Answer, name: str, window: int | None, *, counts: bool, ends: bool
) -> None:
    """Refuse an answer of nothing at all that no model has ended.

    `counts` says that its numbers are true, `ends` that a server of this kind says why an answer is over.

    Raises:
        ContextOverflow: where the numbers, or the reason, say that there was no room for one.
        BadResponse: where nothing tells why.
    """
    if answer.text or answer.thoughts or answer.calls or request.max_tokens == 0:
        return
    usage, reason = answer.usage, answer.finish_reason
    fills = counts and window is not None and usage.prompt_tokens >= window
    none_written = usage.completion_tokens == 0 and reason in AT_LIMIT
    # Of a call that was cut llama-server tells nothing at all; without numbers that may be what has happened.
    is_call = bool(request.tools) and request.tool_choice != "none"
    certain = not is_call and (request.max_tokens is None or request.max_tokens >= EMPTY_MEANS_FAILED)
    told = counts and usage.prompt_tokens > 0
    if fills or reason in NO_ROOM or (none_written and (certain or told)):
        length = usage.prompt_tokens or None
        prompt = f"a prompt of {length} tokens" if length else "a prompt"
        raise ContextOverflow(
            f"{name} answered with nothing at all to {prompt}, for want of room",
            hint="shorten the conversation, or load the model with a larger context",
            prompt_tokens=length,
            context_tokens=window,
            max_tokens=request.max_tokens,
        )
    is_cut = answer.finish == "length" and reason not in AT_LIMIT
    if is_cut or reason in NOT_ASKED or (ends and not reason):
        raise BadResponse(
            f"{name} answered with nothing at all, and the reason {reason!r}",
            hint="look at the server's log: the prompt may be too long, or the model has failed",
            finish_reason=reason,
        )


@dataclass(frozen=True, slots=True)
class _Known:
    """A prompt that was sent, and how many tokens it has; where it `is_counted`, by the server."""

    request: Request = field(default_factory=Request)
    text: str = ""
    n_tokens: int = 0
    is_counted: bool = True

    @property
    def per_char(self) -> float:
        """Tokens for each character."""
        return self.n_tokens / max(1, len(self.text))


class Counted:
    """What a server counted for the prompts so far, to compare with later ones.

    Several threads may use it at once: it is replaced as a whole.
    """

    def __init__(self) -> None:
        self._known: tuple[_Known, ...] = ()

    @property
    def n_tokens(self) -> int:
        """The tokens of the longest prompt so far."""
        return max((one.n_tokens for one in self._known if one.is_counted), default=0)

    def check(self, request: Request, answer: Answer, name: str, window: int | None) -> None:
        """Compare an answer's usage with what its prompt must have had.

        Raises:
            PromptTruncated: when the server counted fewer tokens than the prompt can have.
        """
        usage = answer.usage
        # Who counts what was kept apart says so, and then the two are the prompt.
        counted = usage.prompt_tokens + (
            usage.cached_tokens if usage.cached_tokens > usage.prompt_tokens else 0
        )
        if counted <= 0 or answer.finish == "cancelled":
            return
        text = _text(request)
        known = self._known
        words = len(text.split())
        least = max(
            [words if words >= FEWEST_WORDS else 0]
            + [one.n_tokens for one in known if one.is_counted and _goes_on(request, one.request)]
        )
        if counted >= SHARE * least:
            self._remember(_Known(request, text, counted))
            return
        like = max(known, key=lambda one: _n_shared(text, one.text), default=_Known())
        n_tokens = max(least, int(like.per_char * len(text)))
        self._remember(_Known(request, text, n_tokens, is_counted=False))
        if not _is_new_part(text, counted, like, window):
            raise PromptTruncated(
                f"{name} read {counted} tokens of a prompt that has at least {least}: it has lost a part",
                hint="load the model with a larger context, or shorten the conversation",
                prompt_tokens=counted,
                least_tokens=least,
                context_tokens=window,
                answer=answer.text,
            )

    def _remember(self, new: _Known) -> None:
        """Keep a prompt in the place of those that it goes on from; the oldest goes where there are many."""

        def stays(one: _Known) -> bool:
            replaced = new.is_counted or not one.is_counted
            return not (replaced and new.text.startswith(one.text) and one.n_tokens <= new.n_tokens)

        self._known = (*filter(stays, self._known), new)[-MOST_KNOWN:]


def _is_new_part(text: str, counted: int, known: _Known, window: int | None) -> bool:
    """Whether a count is what a server would tell that had read a known prompt before.

    One that has lost a part has nearly as many tokens as its window. So what would exceed it is no such case.
    """
    shared = _n_shared(text, known.text)
    if not known.text or shared < LEAST_SHARED * len(text):
        return False
    fits = window is None or known.per_char * len(text) <= window
    return fits and counted <= ROUGHLY * known.per_char * (len(text) - shared) + SLACK


def _n_shared(one: str, other: str) -> int:
    """Count the characters with which both texts begin.

    >>> _n_shared("abc", "abd"), _n_shared("", "a")
    (2, 0)
    """
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one.startswith(other[:middle]):
            low = middle
        else:
            high = middle - 1
    return low


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
