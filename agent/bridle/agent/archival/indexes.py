"""Where vectors can be kept, by name, and the archive that a configuration describes.

A store of vectors is one class, made with a URI, the name of a space, and the number of dimensions; it makes
no connection before it is used. `docs/archival.md` shows how to add one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol, cast

from bridle.agent.archival.archive import Archive
from bridle.agent.archival.embedders import open_embedder
from bridle.errors import ConfigError

if TYPE_CHECKING:
    from bridle.agent.archival.base import VectorIndex
    from bridle.agent.archival.comparing import OpensIndex
    from bridle.agent.archival.kept import Space
    from bridle.agent.store.database import Database
    from bridle.endpoints.config_values import Config

__all__ = ["INDEXES", "Backend", "OpensSpace", "index_opener", "open_archive"]


class OpensSpace(Protocol):
    """The class of an index, or what else makes one. `space` names what it may use at that URI.

    With `offline`, a URI of another machine is a `ConfigError`.
    """

    def __call__(self, uri: str, *, space: str, dimensions: int, offline: bool = False) -> VectorIndex: ...


@dataclass(frozen=True, slots=True)
class Backend:
    """A kind of index: its class as `module:name`, and its file in the home directory.

    Without a `file` it is a server, and the configuration has to name its URI.
    """

    opens: str
    file: str = ""


INDEXES: Mapping[str, Backend] = MappingProxyType(
    {
        "milvus": Backend("bridle.agent.archival.milvus:MilvusIndex", "milvus.db"),
        "postgres": Backend("bridle.agent.archival.postgres:PostgresIndex"),
        "chroma": Backend("bridle.agent.archival.chroma:ChromaIndex", "chroma"),
    }
)
"""All but the usual one, which is the agents' database itself ("sqlite")."""


def open_archive(store: Database, config: Config, *, offline: bool = False) -> Archive:
    """Make the archive of a store, with the embedder and the index that a configuration names.

    Nothing is connected yet. Where no embedder is named, searches are by text and the index is not needed.

    Raises:
        ConfigError: for an embedder or a URI that means nothing, and a foreign host while `offline`.
        MissingExtra: when the index needs a package that is not installed.
    """
    embedder = open_embedder(config, offline=offline)
    backend = config.archival.backend
    if backend not in INDEXES:
        return Archive(store, embedder=embedder)
    opening = index_opener(backend, config.archival.uri, store.home, offline=offline)
    return Archive(store, embedder=embedder, index=opening)


def index_opener(backend: str, uri: str, home: Path, *, offline: bool = False) -> OpensIndex:
    """Make what opens the spaces of a backend. An empty URI is its file in the home directory.

    Raises:
        ConfigError: for a backend that needs a URI, and none is given.
    """
    kind = INDEXES[backend]
    if not uri and not kind.file:
        raise ConfigError(
            f"the archival backend {backend!r} has no uri",
            hint='write one under [archival], such as uri = "postgresql://localhost/bridle"',
        )
    place = uri or str(home / kind.file)

    def opening(_store: Database, space: Space) -> VectorIndex:
        return _loaded(kind)(place, space=space.name, dimensions=space.dimensions, offline=offline)

    return opening


def _loaded(kind: Backend) -> OpensSpace:
    module, _, name = kind.opens.partition(":")
    # The table says which class it is, and the contract suite that it is made so.
    return cast("Callable[..., VectorIndex]", getattr(import_module(module), name))
