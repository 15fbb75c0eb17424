"""The memory agent: core memory, recall and archival, and the loop that answers.

    from bridle.agent import open_agent

The names below are imported when they are first used: training and the commands that only read the store
need a small part, and must not wait for the endpoints.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bridle.agent.functions import FUNCTIONS
    from bridle.agent.memory import Block, Core, EditError
    from bridle.agent.progress import AskedAgain, Finished, Progress, Saying, Thinking, Turn
    from bridle.agent.prompt import COMPACT, FULL, Profile
    from bridle.agent.runner import Agent, open_agent
    from bridle.agent.state import AgentState, Step
    from bridle.agent.store import AgentInfo, Store

__all__ = [
    "COMPACT",
    "FULL",
    "FUNCTIONS",
    "Agent",
    "AgentInfo",
    "AgentState",
    "AskedAgain",
    "Block",
    "Core",
    "EditError",
    "Finished",
    "Profile",
    "Progress",
    "Saying",
    "Step",
    "Store",
    "Thinking",
    "Turn",
    "open_agent",
]

_HOMES = {
    "functions": ("FUNCTIONS",),
    "memory": ("Block", "Core", "EditError"),
    "progress": ("AskedAgain", "Finished", "Progress", "Saying", "Thinking", "Turn"),
    "prompt": ("COMPACT", "FULL", "Profile"),
    "runner": ("Agent", "open_agent"),
    "state": ("AgentState", "Step"),
    "store": ("AgentInfo", "Store"),
}


def __getattr__(name: str) -> object:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"bridle.agent.{module}"), name)
    raise AttributeError(f"module 'bridle.agent' has no attribute {name!r}")
