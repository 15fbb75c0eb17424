"""What an agent does next, as a pure function: `step(state, event, now)` gives the next state and what is
to be done.

A turn always ends with a reply. After a function the model is asked again whether it wished so or not,
because small models forget to ask; the last allowed step, and the step after a call that was made twice,
allow nothing but a reply; an answer that holds no call is asked for again twice; and then a fixed sentence
says so honestly. Another one is said where a small model was made to write to memory what it did not expect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from bridle.agent.functions import FUNCTIONS, constraint
from bridle.agent.memory import Core, EditError
from bridle.agent.prompt import memory_text, memory_turn, trim
from bridle.agent.state import (
    AgentState,
    AskModel,
    Did,
    Edited,
    Effect,
    Event,
    Interrupted,
    ModelAnswered,
    Record,
    Reply,
    RunTool,
    Step,
    ToolReturned,
    UserSaid,
)
from bridle.messages import JSON, Completion, Message, ToolCall
from bridle.wrappers.checking import check_call

__all__ = ["DOUBTED", "GIVE_UP", "KEPT_CHARS", "MOST_ASKS", "REPEATED", "UNSURE", "step"]

GIVE_UP = "I could not work out an answer."
REPEATED = "Failed: you have just done that"
UNSURE = "I am not sure what to keep of that. Please say it in other words."
DOUBTED = "Not done: the model was not sure"
MOST_ASKS = 2
_WRITES = ("core_memory_append", "core_memory_replace", "archival_memory_insert")
KEPT_CHARS = 32000
"""How much conversation the state carries, in characters; more than any profile shows."""

Result = tuple[AgentState, tuple[Effect, ...]]


def step(state: AgentState, event: Event, now: datetime) -> Result:
    """Take one event. The effects are to be done in their order; `AskModel` and `RunTool` lead to the next
    event."""
    match event:
        case UserSaid():
            return _user_said(state, event)
        case ModelAnswered():
            return _answered(state, event.completion, now)
        case ToolReturned():
            return _returned(state, event, now)
        case Interrupted():
            return _closed(state), ()


def _user_said(state: AgentState, event: UserSaid) -> Result:
    before = _closed(state)
    said = Message("user", event.text)
    history = trim((*before.history, said), KEPT_CHARS)
    if state.profile.memory_stays:
        memory = memory_text(state.profile, state.core, event.at, *event.stored)
        history = (*history[:-1], memory_turn(history, memory), said)
    opened = replace(before, history=history, turn=state.turn + 1, is_open=True, at=event.at)
    return opened, (Record("user", event.text, event.at), _ask(opened))


def _closed(state: AgentState) -> AgentState:
    if state.pending is not None:
        state = _with_result(state, state.pending, "Failed: this was interrupted")
    return replace(state, is_open=False, at=None, steps=0, asks=0, notes=(), reply_only=False)


def _is_last(state: AgentState) -> bool:
    return state.reply_only or state.steps >= state.profile.max_steps - 1


def _ask(state: AgentState) -> AskModel:
    last = _is_last(state)
    allowed, thoughts = constraint(state.profile, state.core, state.history, state.at, reply_only=last)
    return AskModel(FUNCTIONS, allowed, last, thoughts)


def _answered(state: AgentState, completion: Completion, now: datetime) -> Result:
    if not state.is_open:
        return state, ()
    message = completion.message
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
    if _is_last(state):
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
    return again, (_ask(again),)


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
    known = check_call(call.name, dict(call.arguments), FUNCTIONS)
    repeated = any(_same(call, earlier) for earlier in state.turn_calls)
    state = _with_call(state, thoughts, call)
    if isinstance(known, str):
        return _finish(state, call, f"Failed: {known}")
    if repeated:
        return _finish(replace(state, reply_only=True), call, REPEATED)
    if call.name in ("core_memory_append", "core_memory_replace"):
        return _edit(state, call, now)
    if call.name == "pause_heartbeats":
        pause = timedelta(minutes=float(str(call.arguments["minutes"])))  # 30.0 is an integer in JSON Schema
        return _finish(replace(state, paused_until=now + pause), call, "OK")
    return replace(state, pending=call), (RunTool(call),)


def _same(one: ToolCall, other: ToolCall) -> bool:
    return one.name == other.name and _essence(one.arguments) == _essence(other.arguments)


def _essence(arguments: Mapping[str, JSON]) -> dict[str, JSON]:
    return {key: value for key, value in arguments.items() if key != "request_heartbeat"}


def _edit(state: AgentState, call: ToolCall, now: datetime) -> Result:
    given = {key: str(value) for key, value in call.arguments.items()}
    label = given["name"]
    if state.profile.line_edits and (reason := _other_key(call.name, given)):
        return _finish(state, call, f"Failed: {reason}")
    try:
        core = _edited(state.core, call.name, given)
    except EditError as error:
        return _finish(state, call, f"Failed: {error.message}")
    edited = Edited(label, state.core.block(label).value, core.block(label).value, now)
    return _finish(replace(state, core=core), call, "OK", [edited])


def _other_key(name: str, given: Mapping[str, str]) -> str:
    """Why a line may not become another one: a value is changed under its key, or the line deleted."""
    if name != "core_memory_replace" or not given["new_content"].strip():
        return ""
    (old, colon, _), (new, other, _) = (given[key].partition(": ") for key in ("old_content", "new_content"))
    if (old if colon else "") == (new if other else ""):
        return ""
    return f"the new line must begin as the old one does: {old + colon if colon else 'without a key'}"


def _edited(core: Core, name: str, given: Mapping[str, str]) -> Core:
    if name == "core_memory_append":
        return core.append(given["name"], given["content"])
    return core.replace(given["name"], given["old_content"], given["new_content"])


def _returned(state: AgentState, event: ToolReturned, now: datetime) -> Result:
    if state.pending != event.call:
        return state, ()
    return _finish(state, event.call, event.text)


def _finish(state: AgentState, call: ToolCall, text: str, edits: Sequence[Effect] = ()) -> Result:
    """A function has returned: show its result, and ask for the next step."""
    thoughts = state.history[-1].thoughts
    after = _with_result(state, call, text)
    return after, (*edits, Did(Step(thoughts, call, text)), _ask(after))
