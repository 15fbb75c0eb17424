"""Ask any endpoint once, with tools, and get back a `Completion`: the one call that the rest is built on.

It picks a wrapper, puts the question on the strongest rung of the ladder that the endpoint has, asks, reads
the answer, and steps down where that rung is declined. What was used, and how far it can be trusted, is in
`Completion.constraint`; what was tried is in `Completion.attempts`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from bridle.endpoints.abilities import check_sampling
from bridle.endpoints.asking import ConstraintChoice, Wishes, ask_about
from bridle.endpoints.base import Endpoint, Sampling
from bridle.endpoints.budget import Fit
from bridle.endpoints.climbing import Limits, climb_down
from bridle.errors import InputError
from bridle.grammars import Bounds, Grammar
from bridle.messages import JSON, Completion, Delta, Message, ToolSpec
from bridle.wrappers import Wrapper

__all__ = ["ConstraintChoice", "respond"]


def respond(
    endpoint: Endpoint,
    messages: Iterable[Message | Mapping[str, object]],
    tools: Iterable[ToolSpec | Mapping[str, object]] = (),
    *,
    tool_choice: str = "auto",
    allowed: Sequence[ToolSpec] | None = None,
    thoughts: Mapping[str, JSON] | None = None,
    wrapper: str | Path | Wrapper = "auto",
    constraint: ConstraintChoice = "auto",
    schema: Mapping[str, JSON] | None = None,
    gbnf: str | None = None,
    grammar: Grammar | None = None,
    quotes: Mapping[str, Sequence[str]] | None = None,
    parallel: int = 1,
    think: bool = False,
    max_tokens: int | None = None,
    max_seconds: float | None = None,
    field_tokens: Mapping[str, int] | None = None,
    fit: Fit = "likely",
    sampling: Sampling | None = None,
    temperature: float = 0.0,
    seed: int | None = None,
    bounds: Bounds | None = None,
    loosen: bool = True,
    retries: int = 2,
    strict: bool = False,
    on_delta: Callable[[Delta], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Completion:
    """Ask for one assistant turn.

    Args:
        endpoint: what `connect` returned.
        messages: the conversation, as `Message` or as dicts in OpenAI's shape.
        tools: what may be called; listed in the prompt.
        tool_choice: "auto" (text or a call), "none" (text), "required" (a call), or the name of the one
        function.
        allowed: narrower versions of some of the tools (same names) that the constraint holds the call to.
        thoughts: a JSON Schema that a grammar holds the thoughts before a call to.
        wrapper: a wrapper, its name, a format file, or "auto": what the config file keeps for the model, else
            what its chat template, metadata and name mean.
        constraint: "auto" takes the strongest that the endpoint can hold, and the next one where its server
            declines it or does not hold it: "grammar" of the whole turn, JSON "schema" of the call, native
            "tool" that must be called, native "tools", any "json". Each can be asked for alone; "off" is
            none.
        schema: hold the whole answer to this JSON Schema instead of to calls; needs no tools.
        gbnf: hold the whole answer to this GBNF grammar instead.
        grammar: hold the whole answer to these rules instead (`for_choice`, `for_regex`, `schema_grammar`).
        quotes: the texts that strings with `x-quoted-from` are quoted from, by name, besides those of the
            conversation: `user` (the last turn), `result` (what tools answered since) and `conversation`.
        parallel: how many calls one turn may hold under a grammar, where the call syntax knows how.
        think: under a grammar, may the turn begin with thinking, where the syntax has marks for it?
        max_tokens: limit of the answer in tokens; None is what the model's window leaves. A call that is held
            in this process is always complete within it.
        max_seconds: limit of the answer in seconds of wall time; in this process a held call is closed then.
        field_tokens: limits of single string fields of a held call, by parameter or thoughts key, in tokens;
            in this process only.
        fit: how sure an answer that a server holds must be to end within `max_tokens`: "likely" makes strings
            shorter where ordinary text would not fit, "always" until no text can exceed it.
        sampling: all sampling options; without it `temperature` and `seed` are taken.
        bounds: lengths that make every constrained answer finite.
        loosen: record schema keywords that cannot be enforced instead of refusing them; they are checked
        after
            reading all the same.
        retries: how often at most the model is asked again, with the reason, where nothing held its answer
            and it is no valid call.
        strict: refuse what the endpoint would have to leave out (`dropped`) before anything is sent.
        on_delta: called with each piece of the answer as it arrives.
        should_stop: asked between tokens; True cancels, and the completion says so.

    Raises:
        InputError: for wrong messages, tools, schemas, grammars, or an impossible combination.
        BudgetError: where `max_tokens` is less than the shortest answer needs; nothing has been generated.
        UnsupportedParameter: with `strict`, for what would be dropped.
        EndpointError: and its other kinds, when the model cannot be asked.
    """
    wishes = Wishes(
        tool_choice=tool_choice,
        allowed=allowed,
        thoughts=thoughts,
        constraint=constraint,
        schema=schema,
        gbnf=gbnf,
        grammar=grammar,
        quotes=quotes,
        fields=tuple(field_tokens or ()),
        parallel=parallel,
        think=think,
        max_tokens=max_tokens,
        fit=fit,
        bounds=bounds,
        loosen=loosen,
    )
    sampling = sampling or Sampling(temperature=temperature, seed=seed)
    check_sampling(sampling)
    for name, given in (("max_tokens", max_tokens), ("retries", retries)):
        if given is not None and given < 0:
            raise InputError(f"{name} is {given}", hint="give 0 or more")
    question, reason = ask_about(endpoint, messages, tools, wrapper, wishes)
    limits = Limits(
        max_tokens=max_tokens,
        sampling=sampling,
        max_seconds=max_seconds,
        field_tokens=field_tokens or {},
        strict=strict,
    )
    return climb_down(endpoint, question, reason, limits, retries, on_delta, should_stop)
