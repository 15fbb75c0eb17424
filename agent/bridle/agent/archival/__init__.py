"""Archival memory: passages of agents and of loaded sources, found by words and by meaning.

The text of every passage lies in the agents' database, and so does its full-text index; what compares vectors
(SQLite with numpy, Milvus, Postgres, Chroma) is derived from it and can be built again at any time.
"""

from __future__ import annotations

from bridle.agent.archival.base import Draft, Embedder, Entry, Found, Passage, Results, VectorIndex

__all__ = ["Draft", "Embedder", "Entry", "Found", "Passage", "Results", "VectorIndex"]
