"""What every index of vectors does alike: it checks what it is given, and puts what it found into one order.

It knows nothing of servers and files; those are in the modules beside it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

from bridle.agent.archival.base import Entry
from bridle.endpoints.effective import MASK, without_password
from bridle.errors import ConfigError, InputError, MissingExtra

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bridle.agent.archival.base import Vectors

    Ids = NDArray[np.int64]

__all__ = [
    "PLACES",
    "best",
    "check_space",
    "distinct",
    "is_here",
    "named",
    "need_packages",
    "refuse_foreign",
    "unit",
]

PLACES = 6
"""Cosines that agree in so many places are equal: float32 and the order of sums give the rest."""

_SPACE = re.compile(r"[a-z][a-z0-9_]{2,59}")


def best(ids: Sequence[int] | Ids, cosines: Sequence[float] | Vectors, k: int) -> list[tuple[int, float]]:
    """Choose the `k` largest cosines, the largest first and equal ones by id.

    >>> best([3, 1, 2], [0.5, 0.5, 0.75], 2)
    [(2, 0.75), (1, 0.5)]
    """
    import numpy as np

    found = np.asarray(ids, np.int64)
    values = np.clip(np.asarray(cosines, np.float64), -1.0, 1.0)
    order = np.lexsort((found, -np.round(values, PLACES)))[:k]
    return [(int(found[at]), float(values[at])) for at in order]


def distinct(entries: Sequence[Entry], dimensions: int) -> tuple[list[Entry], Vectors]:
    """Return the last entry of each id and a matrix of their vectors, each of length 1.

    Raises:
        InputError: for a vector of another number of dimensions, and for one with a number that is none.
    """
    import numpy as np

    kept = list({entry.id: entry for entry in entries}.values())
    if not kept:
        return kept, np.zeros((0, dimensions), np.float32)
    for entry in kept:
        if len(entry.vector) != dimensions:
            raise _wrong_length(len(entry.vector), dimensions, f" of entry {entry.id}")
    matrix = np.asarray([entry.vector for entry in kept], np.float32)
    return kept, _scaled(matrix)


def unit(vector: Vectors, dimensions: int) -> Vectors:
    """Return a question's vector as one of length 1.

    Raises:
        InputError: for another number of dimensions, and for a number that is none.
    """
    import numpy as np

    given = np.asarray(vector, np.float32).reshape(-1)
    if len(given) != dimensions:
        raise _wrong_length(len(given), dimensions, "")
    one: Vectors = _scaled(given[None, :])[0]
    return one


def check_space(space: str) -> str:
    """Return the name under which an index is kept, if it is one in all of them.

    Raises:
        InputError: for a name that some server would not take.
    """
    if not _SPACE.fullmatch(space):
        raise InputError(
            f"{space!r} is no name of an index", hint="3 to 60 small letters, digits and _, a letter first"
        )
    return space


def need_packages(what: str, extra: str, *names: str) -> None:
    """Say at once which extra is missing, without importing what takes seconds.

    Raises:
        MissingExtra: when one of these packages is not installed.
    """
    for name in names:
        try:
            found = find_spec(name) is not None
        except ValueError:  # it is blocked: sys.modules holds None
            found = False
        if not found:
            raise MissingExtra(f"{what} needs the package {name}, which is not installed", extra=extra)


def refuse_foreign(hosts: Iterable[str], what: str) -> None:
    """Refuse hosts that are not this machine; an empty name and a path are this machine.

    Raises:
        ConfigError: naming the first one.
    """
    for host in hosts:
        if not is_here(host):
            raise ConfigError(
                f"offline: {what} is on {host!r}, which is not this machine",
                hint="leave offline mode, or keep archival data on this machine",
            )


def is_here(host: str) -> bool:
    """Say whether a host is this machine, without asking a name server; nothing and a path are.

    >>> is_here("127.0.0.1"), is_here("/run/postgresql"), is_here("db.example.com")
    (True, True, False)
    """
    name = host.strip("[]").lower()
    if name in ("", "localhost") or name.endswith(".localhost") or name.startswith(("/", "@")):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def named(uri: str) -> str:
    """Return an address without its password, so that it stays the same when that changes.

    >>> named("http://me:se/cr@et@host:19530/db")
    'http://me@host:19530/db'
    """
    return without_password(uri).replace(f":{MASK}@", "@")


def _wrong_length(given: int, wanted: int, whose: str) -> InputError:
    return InputError(
        f"the vector{whose} has {given} dimensions, and this index has {wanted}",
        hint="it was made by another embedding model; `bridle memory reembed` makes all anew",
        given=given,
        wanted=wanted,
    )


def _scaled(rows: Vectors) -> Vectors:
    """Rows of length 1; a row of zeros stays one, and is like nothing."""
    import numpy as np

    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not np.isfinite(lengths).all():
        raise InputError("a vector has numbers that are infinite or none", hint="look at what made it")
    scaled: Vectors = (rows / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    return scaled
