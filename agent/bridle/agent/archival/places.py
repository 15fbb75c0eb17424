"""Where an index is kept: a path of this machine, or a server's address."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from bridle.errors import ConfigError

__all__ = ["host_of", "path_of"]


def path_of(uri: str) -> str:
    """Return the whole path that `uri` means.

    Raises:
        ConfigError: for a home directory that is not there.
    """
    try:
        return str(Path(uri).expanduser().absolute())
    except RuntimeError as error:
        raise ConfigError(
            f"{uri!r} is in a home directory that is not there", hint="write the whole path"
        ) from error


def host_of(uri: str) -> str | None:
    """Return the host of an address that begins with http:// or https://; None for anything else.

    >>> host_of("http://db:19530"), host_of("http://db:x"), host_of("ftp://db")
    ('db', None, None)
    """
    try:
        parts = urlsplit(uri)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return None
    return host if uri.startswith(("http://", "https://")) else None
