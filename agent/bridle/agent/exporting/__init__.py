"""Agents as documents: written to a file, read from one, and what they look like in between.

document.py   the format, versioned
places.py     reading JSON with the place of every fault
transfer.py   from a store and into one
letta.py      the same agent as an agent file of Letta
"""

from bridle.agent.exporting.document import AgentDocument, is_document, read_document, write_document
from bridle.agent.exporting.transfer import Restored, SourceDocument, export_agent, restore_agents

__all__ = [
    "AgentDocument",
    "Restored",
    "SourceDocument",
    "export_agent",
    "is_document",
    "read_document",
    "restore_agents",
    "write_document",
]
