"""How much one turn may cost: steps, tokens, seconds, and how often the same call may be made."""

from __future__ import annotations

from dataclasses import dataclass

from bridle.errors import InputError

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """The budget of a turn; what is None has no limit of its own.

    `steps` are calls of functions, the reply among them; None takes the profile's. `tokens` are those of all
    prompts and answers of the turn. `seconds` are wall time, those of tools included. When one of the three
    is used up, the next step can only be a reply, so that a turn may go over by that one step. `repeats` is
    how often the same call with the same arguments is done in one turn. `tool_seconds` cuts a tool
    off before its own limit does; so do the `seconds` that are left.
    """

    steps: int | None = None
    tokens: int | None = None
    seconds: float | None = None
    repeats: int = 1
    tool_seconds: float | None = None

    def __post_init__(self) -> None:
        """Refuse limits that leave no room for a reply.

        Raises:
            InputError: for a limit below one step, token or call, or no time at all.
        """
        for name, least in (("steps", 1), ("tokens", 1), ("repeats", 1)):
            given = getattr(self, name)
            if given is not None and given < least:
                raise InputError(f"the limit of {name} is {given}", hint=f"give {least} or more, or none")
        for name in ("seconds", "tool_seconds"):
            given = getattr(self, name)
            if given is not None and not given > 0:
                raise InputError(f"the limit of {name} is {given}", hint="give more than 0, or none")
