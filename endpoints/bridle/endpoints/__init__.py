"""Endpoints: how a model is reached, in process or over HTTP, and asked for valid calls.

What is large is imported when it is first needed: a look at the configuration or at what runs on this machine
takes a tenth of the time of all of it (measured: 0.04 s and 0.4 s).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from bridle.endpoints.connect import connect

if TYPE_CHECKING:
    from bridle.endpoints.asynchronous import arespond, astream
    from bridle.endpoints.base import Answer, Endpoint, Request, Sampling, Supports
    from bridle.endpoints.embedding import embed
    from bridle.endpoints.responding import respond

__all__ = [
    "Answer",
    "Endpoint",
    "Request",
    "Sampling",
    "Supports",
    "arespond",
    "astream",
    "connect",
    "embed",
    "respond",
]

_PLACES = {
    **dict.fromkeys(("Answer", "Endpoint", "Request", "Sampling", "Supports"), "base"),
    **dict.fromkeys(("arespond", "astream"), "asynchronous"),
    "embed": "embedding",
    "respond": "responding",
}


def __getattr__(name: str) -> object:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
