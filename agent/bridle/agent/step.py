"""What an agent does next, as a pure function: `step(state, event, now)` gives the next state and what is to
be done.

A turn always ends with a reply. After a function the model is asked again whether it wished so or not,
because small models forget to ask; when the turn's steps, tokens or seconds are used up, and after a call
that was made too often, nothing but a reply is allowed; an answer that holds no call is asked for again
twice; and then a fixed sentence says so honestly. Another one is said where a small model was made to write
to memory what it did not expect.

What does not fit is let go in three stages: results of functions in earlier turns are cut, then the oldest
turns leave and are summed up, and then (`AskModel.shrink`) the runner shows less of the present turn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from bridle.agent.editing import edited, told_of_edit
from bridle.agent.evicting import evict, plain_summary, shorten_results
from bridle.agent.functions import MEMORY_FUNCTIONS, constraint, functions_of, wants_heartbeat
from bridle.agent.prompt import history_limit, memory_text, memory_turn, size_of, trim
from bridle.agent.state import (
    AgentState,
    AskModel,
    Did,
    Edited,
    Effect,
    Event,
    Happened,
    Interrupted,
    ModelAnswered,
    Noted,
    Overflowed,
    Reason,
    Record,
    Reply,
    RunTool,
    Step,
    Summarise,
    Summarised,
    ToolReturned,
    UserSaid,
)
from bridle.messages import JSON, Completion, Message, ToolCall
from bridle.wrappers.checking import check_call

__all__ = ["DOUBTED", "GIVE_UP", "KEPT_CHARS", "MOST_ASKS", "PRESSURE", "REPEATED", "UNSURE", "step"]

GIVE_UP = "I could not work out an answer."
REPEATED = "Failed: you have just done that"
UNSURE = "I am not sure what to keep of that. Please say it in other words."
DOUBTED = "Not done: the model was not sure"
PRESSURE = (
    "The conversation fills {percent} % of what you can see, and its oldest part will leave soon. Write down"
    " now what matters of it, in core memory or as a note."
)
GREETING = "Hello! {persona}Tell me something about you, and I will remember it."
NOTHING_TO_SAY = "I have nothing to add."
MOST_ASKS = 2
_WRITES = ("core_memory_append", "core_memory_replace", "archival_memory_insert")
KEPT_CHARS = 32000
"""How much conversation the state of a profile that does not sum up carries, in characters."""
PRESSURE_SHARE = 0.75
"""From this share of the window on, the model is told that it fills up."""
SUMMARY_CHARS = 1200

Result = tuple[AgentState, tuple[Effect, ...]]


def step(state: AgentState, event: Event, now: datetime) -> Result:
    """Take one event. The effects are to be done in their order; `AskModel`, `RunTool` and `Summarise` lead
    to the next event."""
    match event:
        case UserSaid():
            return _user_said(state, event, now)
        case Happened():
            return _happened(state, event, now)
        case ModelAnswered():
            return _answered(state, event.completion, now)
        case ToolReturned():
            return _returned(state, event, now)
        case Overflowed():
            return _overflowed(state, now)
        case Summarised():
            return _summarised(state, event, now)
        case Interrupted():
            return _closed(state), ()


def _user_said(state: AgentState, event: UserSaid, now: datetime) -> Result:
    text = f"{event.speaker}: {event.text}" if event.speaker else event.text
    opened = _opened(state, text, event.at, event.stored)
    return _begin(opened, [Record("user", event.text, event.at, event.speaker)], "message", now)


def _happened(state: AgentState, event: Happened, now: datetime) -> Result:
    if state.profile.grounded:
        return _said_by_rule(state, event)
    opened = _opened(state, f"({event.text})", event.at, event.stored)
    return _begin(replace(opened, reply_only=event.only_reply), [], "event", now)


def _said_by_rule(state: AgentState, event: Happened) -> Result:
    """What an agent says whose model knows only messages: it was never shown that something else happens."""
    if event.what != "login":
        return _closed(state), (Reply(NOTHING_TO_SAY),)
    lines = [line for block in state.core.blocks if block.label == "persona" for line in block.lines]
    text = GREETING.format(persona=" ".join([*lines[:1], ""]))
    # No turn of the conversation: the model is not shown it, and it is not counted.
    return _closed(state), (Record("assistant", text, event.at), Reply(text))


def _opened(state: AgentState, text: str, at: datetime, stored: tuple[int, int]) -> AgentState:
    before = _closed(state)
    said = Message("user", text)
    history = (*before.history, said)
    if not state.profile.summarises:
        history = trim(history, KEPT_CHARS)
    if state.profile.memory_stays:
        memory = memory_text(state.profile, state.core, at, *stored)
        history = (*history[:-1], memory_turn(history, memory), said)
    return replace(before, history=history, turn=state.turn + 1, is_open=True, at=at)


def _begin(state: AgentState, first: Sequence[Effect], reason: Reason, now: datetime) -> Result:
    if state.profile.summarises and _fullness(state) > 1:
        shorter, effects = _let_go(state, now)
        if effects:
            return shorter, (*first, *effects)
    state, noted = _warned(state)
    return state, (*first, *noted, _ask(state, now, reason))


def _fullness(state: AgentState) -> float:
    """How much of what the conversation may take it takes, in characters; 1 is all."""
    return sum(map(size_of, state.history)) / history_limit(state.profile, state.window)


def _warned(state: AgentState) -> tuple[AgentState, tuple[Effect, ...]]:
    """Tell the model that its window fills up, once until something has left it."""
    share = _fullness(state)
    if state.window:
        share = max(share, state.prompt_tokens / state.window)
    if not state.profile.warns or state.warned or share < PRESSURE_SHARE:
        return state, ()
    text = PRESSURE.format(percent=round(100 * share))
    return _with_note(replace(state, warned=True), text), (Noted(f"memory pressure: {share:.0%} is used"),)


def _overflowed(state: AgentState, now: datetime) -> Result:
    if state.pending is not None:
        return state, ()
    shorter = shorten_results(state.history)
    if state.is_open and shorter != state.history:
        state = replace(state, history=shorter)
        return state, (Noted("older results were cut"), _ask(state, now, "overflow"))
    state, effects = _let_go(state, now)
    if effects or not state.is_open:
        return state, effects
    return state, (replace(_ask(state, now, "overflow"), shrink=True),)


def _let_go(state: AgentState, now: datetime) -> Result:
    """Let the oldest turns leave; no effects where there is but the newest one."""
    parts = evict(state.history)
    if not parts.gone:
        return state, ()
    # At once, so that the summary is whole also where the model never comes to write a better one.
    plain = plain_summary(state.summary, parts.gone, _summary_chars(state))
    after = replace(
        state,
        history=parts.kept,
        summary=plain,
        evicted=state.evicted + len(parts.gone),
        warned=False,
        prompt_tokens=0,
    )
    return after, (Summarise(parts.gone, state.summary),)


def _summarised(state: AgentState, event: Summarised, now: datetime) -> Result:
    text = event.text.strip()[: _summary_chars(state)]
    how = "summed up" if text else "noted without the model"
    state = replace(state, summary=text or state.summary)
    count = len(event.asked.messages)
    noted = Noted(f"{count} older messages are no longer shown, {how}; searches still find them")
    if not state.is_open or state.pending is not None:
        return state, (noted,)
    return state, (noted, _ask(state, now, "overflow"))


def _summary_chars(state: AgentState) -> int:
    return min(SUMMARY_CHARS, history_limit(state.profile, state.window) // 6)


def _closed(state: AgentState) -> AgentState:
    if state.pending is not None:
        state = _with_result(state, state.pending, "Failed: this was interrupted")
    return replace(state, is_open=False, at=None, steps=0, asks=0, tokens=0, notes=(), reply_only=False)


def _is_last(state: AgentState, now: datetime) -> bool:
    limits = state.limits
    steps = limits.steps or state.profile.max_steps
    seconds = (now - state.at).total_seconds() if state.at is not None else 0.0
    return (
        state.reply_only
        or state.steps >= steps - 1
        or (limits.tokens is not None and state.tokens >= limits.tokens)
        or (limits.seconds is not None and seconds >= limits.seconds)
    )


def _ask(state: AgentState, now: datetime, reason: Reason) -> AskModel:
    last = _is_last(state, now)
    shown = (*functions_of(state.profile), *state.tools)
    allowed, thoughts = constraint(
        state.profile, state.core, state.history, state.at, reply_only=last, tools=state.tools
    )
    return AskModel(shown, allowed, last, thoughts, reason)


def _answered(state: AgentState, completion: Completion, now: datetime) -> Result:
    if not state.is_open or state.pending is not None:
        return state, ()
    usage, message = completion.usage, completion.message
    was_last = _is_last(state, now)  # this answer's own tokens do not take back what was allowed
    state = replace(
        state,
        tokens=state.tokens + usage.prompt_tokens + usage.completion_tokens,
        prompt_tokens=usage.prompt_tokens + usage.completion_tokens,
    )
    if not message.calls:
        if _is_plain_text(completion):
            return _reply(state, message.thoughts, message.content.strip(), now)
        reasons = [refusal.reason for refusal in completion.refusals]
        return _ask_again(state, "; ".join(reasons) or "there is no call", now)
    call = message.calls[0]
    if len(message.calls) > 1:
        state = _with_note(state, f"Only {call.name} was run. Call one function at a time.")
    if call.name == "send_message":
        text = str(call.arguments.get("message", "")).strip()
        if not text:
            return _ask_again(state, "the message is empty", now)
        return _reply(state, message.thoughts, text, now)
    if was_last:
        return _ask_again(state, "only send_message may be called now", now)
    if _is_doubtful(state, call, completion):
        doubted = Did(Step(message.thoughts, call, DOUBTED))
        after, effects = _reply(state, "unclear", UNSURE, now)
        return after, (doubted, *effects)
    return _dispatch(replace(state, steps=state.steps + 1), call, message.thoughts, now)


def _is_doubtful(state: AgentState, call: ToolCall, completion: Completion) -> bool:
    """Does the call write to memory what the model would hardly have written, had nothing held it?"""
    most, cost = state.profile.doubt_nats, completion.cost
    return most is not None and cost is not None and call.name in _WRITES and cost.nats > most


def _is_plain_text(completion: Completion) -> bool:
    """Is it a whole text in which nothing wants to be a call? Many models answer so."""
    text = completion.message.content
    whole = completion.finish == "stop" and bool(text.strip())
    return whole and all(refusal.text == text for refusal in completion.refusals)


def _ask_again(state: AgentState, reason: str, now: datetime) -> Result:
    if state.asks >= MOST_ASKS:
        return _reply(state, "", GIVE_UP, now, did=False)
    text = f"Your last answer could not be used: {reason.rstrip('.')}. Call exactly one function."
    again = replace(_with_note(state, text), asks=state.asks + 1)
    return again, (_ask(again, now, "again"),)


def _with_note(state: AgentState, text: str) -> AgentState:
    return replace(state, notes=(*state.notes, Message("system", text)))


def _reply(state: AgentState, thoughts: str, text: str, now: datetime, *, did: bool = True) -> Result:
    call = ToolCall("send_message", {"message": text})
    done = _closed(_with_result(_with_call(state, thoughts, call), call, "OK"))
    steps = (Did(Step(thoughts, call, "OK")),) if did else ()
    return done, (Record("assistant", text, now), *steps, Reply(text))


def _with_call(state: AgentState, thoughts: str, call: ToolCall) -> AgentState:
    said = Message("assistant", thoughts=thoughts, calls=(call,))
    return replace(state, history=(*state.history, said))


def _with_result(state: AgentState, call: ToolCall, text: str) -> AgentState:
    return replace(state, history=(*state.history, Message("tool", text, name=call.name)), pending=None)


def _dispatch(state: AgentState, call: ToolCall, thoughts: str, now: datetime) -> Result:
    known = check_call(call.name, dict(call.arguments), (*functions_of(state.profile), *state.tools))
    earlier = sum(_same(call, one) for one in state.turn_calls)
    state = _with_call(state, thoughts, call)
    if isinstance(known, str):
        return _finish(state, call, f"Failed: {known}", now)
    if earlier >= state.limits.repeats:
        return _finish(replace(state, reply_only=True), call, REPEATED, now)
    if call.name in ("core_memory_append", "core_memory_replace"):
        return _edit(state, call, now)
    if call.name == "pause_heartbeats":
        pause = timedelta(minutes=float(str(call.arguments["minutes"])))  # 30.0 is an integer in JSON Schema
        return _finish(replace(state, paused_until=now + pause), call, "OK", now)
    return replace(state, pending=call), (RunTool(call),)


def _same(one: ToolCall, other: ToolCall) -> bool:
    return one.name == other.name and _essence(one.arguments) == _essence(other.arguments)


def _essence(arguments: Mapping[str, JSON]) -> dict[str, JSON]:
    return {key: value for key, value in arguments.items() if key != "request_heartbeat"}


def _edit(state: AgentState, call: ToolCall, now: datetime) -> Result:
    done = edited(state.profile, state.core, call)
    if isinstance(done, str):
        return _finish(state, call, f"Failed: {done}", now)
    label, core = done
    kept = Edited(label, state.core.block(label).value, core.block(label).value, now)
    told = told_of_edit(state.profile, state.core.block(label), core.block(label))
    return _finish(replace(state, core=core), call, told, now, [kept])


def _returned(state: AgentState, event: ToolReturned, now: datetime) -> Result:
    if state.pending != event.call:
        return state, ()
    # What a search found was recorded when it was said; it would only find itself.
    found = () if event.call.name in MEMORY_FUNCTIONS else (Record("tool", event.text, now, event.call.name),)
    return _finish(state, event.call, event.text, now, found)


def _finish(
    state: AgentState, call: ToolCall, text: str, now: datetime, kept: Sequence[Effect] = ()
) -> Result:
    """A function has returned: show its result, and ask for the next step."""
    thoughts = state.history[-1].thoughts
    after, noted = _warned(_with_result(state, call, text))
    reason: Reason = "requested" if wants_heartbeat(call.arguments) else "forced"
    return after, (*kept, Did(Step(thoughts, call, text)), *noted, _ask(after, now, reason))
