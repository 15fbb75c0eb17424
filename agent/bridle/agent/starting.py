"""With what a new agent begins."""

from __future__ import annotations

from dataclasses import replace

from bridle.agent.memory import Block, Core
from bridle.agent.prompt import Profile
from bridle.agent.state import AgentState, clean_text, new_state
from bridle.errors import InputError

__all__ = ["first_state"]


def first_state(
    name: str,
    profile: Profile,
    *,
    persona: str | None = None,
    human: str | None = None,
    system: str | None = None,
    block_chars: int | None = None,
) -> AgentState:
    """The agent of that name before anything was said; what is None is the profile's.

    `persona` and `human` are what its memory begins with, `block_chars` limits every block, and `system`
    takes the place of the instructions.

    Raises:
        InputError: for a name that cannot name an agent, and a text that is longer than its block.
    """
    state = new_state(name, profile)
    texts = {"persona": persona, "human": human}
    blocks = tuple(_begun(block, texts.get(block.label), block_chars) for block in state.core.blocks)
    return replace(state, core=Core(blocks), system=clean_text(system or "").strip())


def _begun(block: Block, text: str | None, block_chars: int | None) -> Block:
    """A block with the text that it begins with."""
    limit = block.limit if block_chars is None else block_chars
    value = block.value if text is None else clean_text(text)
    value = "\n".join(line.strip() for line in value.splitlines() if line.strip())
    if len(value) > limit:
        raise InputError(
            f"the text for block {block.label!r} has {len(value)} characters, its limit is {limit}",
            hint="shorten it, or raise the limit",
        )
    return replace(block, value=value, limit=limit)
