"""The agents' database: one SQLite file with their state, core memory, conversation, archives and vectors.

from bridle.agent.store import Store
"""

from __future__ import annotations

from bridle.agent.store.agents import AgentInfo, Counts, Store
from bridle.agent.store.blocks import StoredEdit
from bridle.agent.store.database import FILE_NAME
from bridle.agent.store.messages import Logged
from bridle.agent.store.recall import PAGE_SIZE, Hit, Page, page_lines, read_days, render_page
from bridle.agent.store.schema import SCHEMA_VERSION
from bridle.agent.store.transaction import Transaction

__all__ = [
    "FILE_NAME",
    "PAGE_SIZE",
    "SCHEMA_VERSION",
    "AgentInfo",
    "Counts",
    "Hit",
    "Logged",
    "Page",
    "Store",
    "StoredEdit",
    "Transaction",
    "page_lines",
    "read_days",
    "render_page",
]
