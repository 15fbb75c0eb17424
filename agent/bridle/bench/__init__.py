"""Measurements of the memory agent that a user can repeat: nested key-value pairs, and LoCoMo's questions.

Each module says what it measures and how it counts. Nothing here is needed to run an agent.
"""

from __future__ import annotations

__all__: list[str] = []
