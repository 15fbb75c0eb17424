"""What makes vectors of texts: any endpoint with embeddings, a GGUF in this process, or hashed words.

Each kind has a module-level class with the methods of `bridle.agent.archival.base.Embedder`; here is what
they share: prefixes, parts of long texts, and which one a configuration names. Nothing is opened or asked
before the first text is embedded; the number of dimensions is what the model then answers, never a table.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from bridle.endpoints.config_values import Config, EndpointConfig
from bridle.errors import (
    BridleError,
    ContextOverflow,
    EmbedderUnavailable,
    EndpointError,
    InputError,
    MissingExtra,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bridle.agent.archival.base import Embedder, Vectors
    from bridle.endpoints.base import Endpoint

__all__ = [
    "HASHING",
    "PREFIXES",
    "ModelEmbedder",
    "Prefixes",
    "TextModel",
    "halves",
    "open_embedder",
    "prefixes_of",
    "unit_rows",
]

HASHING = "hashing"
"""The spec of the embedder that needs no model; `hashing:1024` gives it so many dimensions."""
USUAL_WEIGHT = 1.0
"""Chosen on one half of LoCoMo and confirmed on the other, 50 times; flat from .3 to 2."""
BATCH = 32
"""Texts in one request; a server with a slow model answers it well within its time."""
LEAST_CHARS = 16
"""A part this short that is still too long for a model means that something else is wrong."""

SLOW_S = 1.0
PAUSE, MOST_PAUSE_S = 10.0, 60.0
"""A model whose failure took longer than `SLOW_S` is left alone for `PAUSE` times as long: each search would
wait for a server that is gone until its network has noticed."""

Prefixes = tuple[str, str]
"""What stands before a passage, and before a question."""

PREFIXES: Mapping[str, Prefixes] = MappingProxyType(
    {
        "nomic-embed": ("search_document: ", "search_query: "),
        "multilingual-e5-large-instruct": ("", "Instruct: Find what answers the question.\nQuery: "),
        "e5-": ("passage: ", "query: "),
        "mxbai-embed": ("", "Represent this sentence for searching relevant passages: "),
        "bge-large-en": ("", "Represent this sentence for searching relevant passages: "),
        "bge-base-en": ("", "Represent this sentence for searching relevant passages: "),
        "bge-small-en": ("", "Represent this sentence for searching relevant passages: "),
        "snowflake-arctic-embed": ("", "Represent this sentence for searching relevant passages: "),
        "embeddinggemma": ("title: none | text: ", "task: search result | query: "),
        "qwen3-embedding": ("", "Instruct: Find passages that answer the question.\nQuery:"),
    }
)
"""By a part of the model's name; the model cards say so (read November 2026). The first that fits counts."""


class TextModel(Protocol):
    """What turns texts into vectors of any length, in one go; ContextOverflow when one of them is too long.

    `model` is its name, known after the first vectors at the latest.
    """

    @property
    def model(self) -> str: ...

    def vectors(self, texts: Sequence[str]) -> Sequence[Sequence[float]] | Vectors: ...

    def close(self) -> None: ...


class ModelEmbedder:
    """A model behind any endpoint, or in this process; see `bridle.agent.archival.base.Embedder`.

    `kind` and `model` name it in the fingerprint; an empty `model` is what its server says. `opening` is
    called when it is first needed.
    """

    def __init__(
        self, kind: str, model: str, opening: Callable[[], TextModel], *, weight: float = USUAL_WEIGHT
    ) -> None:
        self._kind, self._model, self._opening = kind, model, opening
        self._weight = weight
        self._opened: TextModel | None = None
        self._dimensions = 0
        self._failure: EmbedderUnavailable | None = None
        self._until = 0.0

    @property
    def fingerprint(self) -> str:
        """Kind, model, dimensions and prefixes. Asks the model once for its dimensions.

        Raises:
            EmbedderUnavailable: when the model cannot be asked.
        """
        dimensions = self.dimensions
        before, asked = prefixes_of(self._model)
        prefixed = f" {before!r} {asked!r}" if before or asked else ""
        return f"{self._kind} {self._model} {dimensions}{prefixed} unit"

    @property
    def dimensions(self) -> int:
        """As many as the model answers with.

        Raises:
            EmbedderUnavailable: when the model cannot be asked.
        """
        if not self._dimensions:
            self._asked(["a"])
        return self._dimensions

    @property
    def weight(self) -> float:
        return self._weight

    def passages(self, texts: Sequence[str]) -> Vectors:
        """Embed passages; see `bridle.agent.archival.base.Embedder`."""
        import numpy as np

        dimensions = self.dimensions
        before = prefixes_of(self._model)[0]
        rows = [
            self._rows([before + text for text in texts[at : at + BATCH]])
            for at in range(0, len(texts), BATCH)
        ]
        return np.concatenate(rows) if rows else np.empty((0, dimensions), np.float32)

    def query(self, text: str) -> Vectors:
        """Embed a question; see `bridle.agent.archival.base.Embedder`."""
        dimensions = self.dimensions
        found: Vectors = self._rows([prefixes_of(self._model)[1] + text])[0]
        return found.reshape(dimensions)

    def close(self) -> None:
        """Free the model, or end the connection."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def _rows(self, texts: Sequence[str]) -> Vectors:
        """Embed texts; those that are too long for the model by halves, weighted by their lengths."""
        import numpy as np

        try:
            return unit_rows(self._asked([text if text.strip() else "-" for text in texts]))
        except ContextOverflow as error:
            if len(texts) > 1:
                middle = len(texts) // 2
                return np.concatenate([self._rows(texts[:middle]), self._rows(texts[middle:])])
            if len(texts[0]) <= LEAST_CHARS:
                raise EmbedderUnavailable(
                    f"{self._kind} {self._model} finds {texts[0]!r} too long: {error.message}",
                    hint="give the model a larger window, or another model in [embedding]",
                ) from error
        first, second = halves(texts[0])
        rows = self._rows([first, second])
        joined: Vectors = (rows * np.array([[len(first)], [len(second)]], np.float32)).sum(axis=0)
        return unit_rows(joined[None])

    def _asked(self, texts: Sequence[str]) -> NDArray[np.float32]:
        import numpy as np

        if self._failure is not None and time.monotonic() < self._until:
            raise self._failure
        start = time.monotonic()
        try:
            self._opened = self._opened or self._opening()
            found = np.asarray(self._opened.vectors(texts), np.float32)
        except ContextOverflow:
            raise
        except (EndpointError, InputError, MissingExtra) as error:
            self._failure = _unavailable(f"{self._kind} {self._model}", error)
            took = time.monotonic() - start
            self._until = start + (min(MOST_PAUSE_S, PAUSE * took) if took > SLOW_S else 0.0)
            raise self._failure from error
        self._model = self._model or self._opened.model
        self._dimensions = self._dimensions or found.shape[-1]
        if found.shape != (len(texts), self._dimensions) or not np.isfinite(found).all():
            raise EmbedderUnavailable(
                f"{self._kind} {self._model} made vectors of shape {found.shape} of {len(texts)} texts",
                hint=f"it made {self._dimensions} finite numbers of each before",
            )
        return found


def unit_rows(rows: Vectors) -> Vectors:
    """Scale each row to length 1; one of zeros stays."""
    import numpy as np

    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, 1), np.float32)


def halves(text: str) -> tuple[str, str]:
    """Part a text near its middle, between words where it can be.

    >>> halves("one two three four")
    ('one two', 'three four')
    """
    middle = len(text) // 2
    at = max(text.rfind(" ", middle // 2, middle + 1), text.rfind("\n", middle // 2, middle + 1))
    return (text[:at], text[at + 1 :]) if at > 0 else (text[:middle], text[middle:])


def prefixes_of(model: str) -> Prefixes:
    """The prefixes that a model was trained with, by its name; two empty ones for most.

    >>> prefixes_of("nomic-embed-text:latest")
    ('search_document: ', 'search_query: ')
    """
    name = model.lower()
    return next((prefixes for part, prefixes in PREFIXES.items() if part in name), ("", ""))


def open_embedder(config: Config, *, offline: bool = False) -> Embedder | None:
    """The embedder that a configuration names; None where it names none. Nothing is connected yet.

    Raises:
        ConfigError: for an endpoint that means nothing.
    """
    from bridle.endpoints.specs import parse_spec

    spec, model = config.embedding.endpoint, config.embedding.model
    if not spec:
        return None
    if spec.partition(":")[0] == HASHING:
        from bridle.agent.archival.hashing import hashing_embedder

        return hashing_embedder(spec)
    entry = parse_spec(spec, config)
    if entry.kind == "llamacpp":
        return _gguf(entry.path)
    return _endpoint(entry, model, offline)


def _gguf(path: str) -> Embedder:
    from pathlib import Path

    def opening() -> TextModel:
        from bridle.endpoints.llamacpp.embedding import EmbeddingModel

        return EmbeddingModel(Path(path).expanduser())

    return ModelEmbedder("gguf", Path(path).stem, opening)


def _endpoint(entry: EndpointConfig, model: str, offline: bool) -> Embedder:
    name = model or entry.embedding_model or entry.model
    asked = replace(entry, model=name, embedding_model=name)

    def opening() -> TextModel:
        from bridle.endpoints.connect import connect

        return _Asked(connect(asked, offline=offline))

    return ModelEmbedder(entry.kind or "endpoint", name, opening)


class _Asked:
    """An endpoint as a `TextModel`."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self.model = endpoint.model

    def vectors(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        from bridle.endpoints.embedding import embed

        found = embed(self._endpoint, texts)
        self.model = found.model or self.model
        return found.vectors

    def close(self) -> None:
        self._endpoint.close()


def _unavailable(name: str, error: BridleError) -> EmbedderUnavailable:
    return EmbedderUnavailable(
        f"{name} makes no vectors now: {error.message}",
        hint=error.hint or "start it, or take [embedding] out of the config file",
    )
