"""Changes of a conversation that a person makes afterwards, as pure functions of the state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bridle.agent.prompt import turns_of
from bridle.agent.state import AgentState
from bridle.errors import InputError
from bridle.messages import Message, ToolCall

__all__ = ["last_said", "popped", "rethought", "rewritten"]


def popped(state: AgentState, count: int) -> AgentState:
    """The state without the last `count` turns of the conversation; memory stays as it is.

    Raises:
        InputError: for a count that is not 1 or more, or more than there are.
    """
    turns = turns_of(state.history)
    spoken = [at for at, turn in enumerate(turns) if any(message.role == "user" for message in turn)]
    if not 1 <= count <= len(spoken):
        there = f"there {'is' if len(spoken) == 1 else 'are'} {len(spoken)} in sight"
        raise InputError(f"{count} turns cannot be taken back; {there}", hint="give a smaller number")
    kept = tuple(message for turn in turns[: spoken[-count]] for message in turn)
    return replace(state, history=kept, turn=max(state.turn - count, 0))


def last_said(state: AgentState) -> str:
    """What the user said last.

    Raises:
        InputError: where nothing has been said.
    """
    for message in reversed(state.history):
        if message.role == "user":
            return message.content
    raise InputError("nothing has been said yet", hint="say something first")


def rethought(state: AgentState, thoughts: str) -> AgentState:
    """The state with other inner thoughts before the agent's last call.

    Raises:
        InputError: where the agent has done nothing yet.
    """
    return _changed(state, lambda message: replace(message, thoughts=thoughts))


def rewritten(state: AgentState, text: str) -> AgentState:
    """The state with another last reply.

    Raises:
        InputError: where the agent has done nothing yet, the last turn has no reply, or `text` is empty.
    """
    if not text.strip():
        raise InputError("the new reply is empty", hint="write what the agent should have said")
    said = (ToolCall("send_message", {"message": text.strip()}),)
    turn = [message for turn in turns_of(state.history)[-1:] for message in turn]
    if turn and not any(call.name == "send_message" for message in turn for call in message.calls):
        raise InputError("the last turn has no reply", hint="try it again, or say something new")
    return _changed(state, lambda message: replace(message, content="", calls=said))


def _changed(state: AgentState, change: Callable[[Message], Message]) -> AgentState:
    for at in range(len(state.history) - 1, -1, -1):
        if state.history[at].role == "assistant":
            return replace(
                state, history=(*state.history[:at], change(state.history[at]), *state.history[at + 1 :])
            )
    raise InputError("the agent has not answered yet", hint="say something first")
