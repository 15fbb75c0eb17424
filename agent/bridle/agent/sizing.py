"""Which profile a model gets: by its wrapper, and by how many parameters it has where that can be known."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from bridle.agent.prompt import COMPACT, FULL, SMALL, Profile
from bridle.endpoints.base import Endpoint
from bridle.messages import JSON
from bridle.wrappers import Wrapper

__all__ = ["billions", "profile_for", "size_in"]

COMPACT_WRAPPER = "chatml-compact"
"""The prompt format of models that were trained on the compact profile."""
SMALL_BILLIONS = 4.6
"""Up to so many billion parameters a model is small: those sold as 4B have up to 4.6."""
LEAST_FULL_WINDOW = 4096
"""Tokens. The full profile's instructions and functions are about 1,200, its memory up to 1,300."""
_SIZE = re.compile(r"(?<![a-z0-9.])(?:e)?([0-9]+(?:\.[0-9]+)?)(b|m)(?![a-z0-9])", re.IGNORECASE)


@runtime_checkable
class _Told(Protocol):
    """An endpoint that tells something of what stands in its model's file."""

    @property
    def metadata(self) -> Mapping[str, JSON]: ...


def profile_for(endpoint: Endpoint, wrapper: Wrapper) -> Profile:
    """The profile for this model; the full one where its size cannot be known.

    A window that would be half full of the full profile's instructions gets the small one as well.
    """
    if wrapper.format.name == COMPACT_WRAPPER:
        return COMPACT
    size, window = billions(endpoint), endpoint.context_tokens
    small = size is not None and size <= SMALL_BILLIONS
    return SMALL if small or (window is not None and window < LEAST_FULL_WINDOW) else FULL


def billions(endpoint: Endpoint) -> float | None:
    """How many billion parameters a model has, by its file's metadata, else by its name; None if unknown."""
    metadata: Mapping[str, JSON] = endpoint.metadata if isinstance(endpoint, _Told) else {}
    count = metadata.get("general.parameter_count")
    if isinstance(count, int | float) and count > 0:
        return float(count) / 1e9
    for told in (metadata.get("general.size_label"), endpoint.model):
        if isinstance(told, str) and (size := size_in(told)) is not None:
            return size
    return None


def size_in(name: str) -> float | None:
    """Read a number of parameters out of a model's name, in billions; of several the largest.

    >>> size_in("Llama-3.2-3B-Instruct-Q4_K_M.gguf"), size_in("smollm2:360m"), size_in("gpt-4o")
    (3.0, 0.36, None)
    """
    found = [float(number) / (1 if unit.lower() == "b" else 1000) for number, unit in _SIZE.findall(name)]
    return max(found, default=None)
