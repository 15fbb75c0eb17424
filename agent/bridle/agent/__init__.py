"""The memory agent: core memory, recall and archival, and the loop that answers.

    from bridle.agent import open_agent

The names below are imported when they are first used: training and the commands that only read the store
need a small part, and must not wait for the endpoints.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bridle.agent.asynchronous import AsyncAgent
    from bridle.agent.creating import create, load, open_agent
    from bridle.agent.functions import FUNCTIONS, SMALL_FUNCTIONS
    from bridle.agent.limits import Limits
    from bridle.agent.memory import Block, Core, EditError
    from bridle.agent.progress import AskedAgain, Calling, Finished, Progress, Saying, Thinking, Turn
    from bridle.agent.prompt import COMPACT, FULL, SMALL, Profile
    from bridle.agent.prompting import ContextMap
    from bridle.agent.runner import Agent
    from bridle.agent.state import AgentState, Noted, Step
    from bridle.agent.store import AgentInfo, Store
    from bridle.agent.toolbox import Tool, as_tool, tool_from_schema

__all__ = [
    "COMPACT",
    "FULL",
    "FUNCTIONS",
    "SMALL",
    "SMALL_FUNCTIONS",
    "Agent",
    "AgentInfo",
    "AgentState",
    "AskedAgain",
    "AsyncAgent",
    "Block",
    "Calling",
    "ContextMap",
    "Core",
    "EditError",
    "Finished",
    "Limits",
    "Noted",
    "Profile",
    "Progress",
    "Saying",
    "Step",
    "Store",
    "Thinking",
    "Tool",
    "Turn",
    "as_tool",
    "create",
    "load",
    "open_agent",
    "tool_from_schema",
]

_HOMES = {
    "asynchronous": ("AsyncAgent",),
    "creating": ("create", "load", "open_agent"),
    "functions": ("FUNCTIONS", "SMALL_FUNCTIONS"),
    "limits": ("Limits",),
    "memory": ("Block", "Core", "EditError"),
    "progress": ("AskedAgain", "Calling", "Finished", "Progress", "Saying", "Thinking", "Turn"),
    "prompt": ("COMPACT", "FULL", "SMALL", "Profile"),
    "prompting": ("ContextMap",),
    "runner": ("Agent",),
    "state": ("AgentState", "Noted", "Step"),
    "store": ("AgentInfo", "Store"),
    "toolbox": ("Tool", "as_tool", "tool_from_schema"),
}


def __getattr__(name: str) -> object:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"bridle.agent.{module}"), name)
    raise AttributeError(f"module 'bridle.agent' has no attribute {name!r}")
