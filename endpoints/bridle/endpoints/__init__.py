"""Endpoints: how a model is reached, in process or over HTTP, and asked for valid calls.

What is large is imported when it is first needed: a look at the configuration or at what runs on this machine
takes a tenth of the time of all of it (measured: 0.04 s and 0.4 s).
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from bridle.endpoints.connect import connect

if TYPE_CHECKING:
    from bridle.endpoints.base import Answer, Endpoint, Request, Sampling, Supports
    from bridle.endpoints.respond import respond

__all__ = ["Answer", "Endpoint", "Request", "Sampling", "Supports", "connect", "respond"]


def __getattr__(name: str) -> object:
    if name in ("Answer", "Endpoint", "Request", "Sampling", "Supports"):
        return getattr(import_module("bridle.endpoints.base"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class _Package(ModuleType):
    """Keeps the name `respond` for the function, which the module of that name would take on its import."""

    def _respond(self) -> object:
        return import_module("bridle.endpoints.respond").respond

    def _keep(self, _: object) -> None:
        return

    respond = property(_respond, _keep)


sys.modules[__name__].__class__ = _Package
