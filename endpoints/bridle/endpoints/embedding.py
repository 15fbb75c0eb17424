"""Embeddings of any endpoint: asked for in one way, and an error where there are none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bridle.endpoints.base import Embeds
from bridle.errors import InputError

if TYPE_CHECKING:
    from bridle.endpoints.base import Embeddings, Endpoint

__all__ = ["embed"]


def embed(endpoint: Endpoint, texts: Sequence[str]) -> Embeddings:
    """Return one vector for each text, in their order.

    Raises:
        InputError: for an endpoint that makes none, and for a single text in place of a list.
        ContextOverflow: for a text that is longer than the model takes; nothing is cut.
        EndpointError: and its other kinds.
    """
    if isinstance(texts, str):
        raise InputError("embed was given one text", hint="give a list of texts")
    if not isinstance(endpoint, Embeds):
        raise InputError(
            f"{endpoint.name} makes no embeddings",
            hint="connect to a server that does, such as ollama:nomic-embed-text",
        )
    return endpoint.embed(texts)
