"""Addresses of servers: what people paste, made into the base that routes are put behind."""

from __future__ import annotations

import re
from urllib.parse import urlsplit, urlunsplit

from bridle.errors import ConfigError

__all__ = ["base_url"]

ROUTES = (
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/embeddings",
    "/chat/completions",
    "/completions",
    "/v1/models",
    "/models",
    "/api/chat",
    "/api/generate",
    "/api/v0",
)
"""Ends of addresses that people paste; the base is what stands before them."""


def base_url(url: str) -> str:
    """Check a server's address and cut off what people paste with it; a bare host gets `/v1`.

    >>> base_url("http://localhost:1234"), base_url("http://localhost:1234/v1/chat/completions/")
    ('http://localhost:1234/v1', 'http://localhost:1234/v1')

    Raises:
        ConfigError: for what is no address, and for one with a user, a query or a fragment in it.
    """
    try:
        parts = urlsplit(url.strip())
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigError(f"this is no URL: {error}", hint="write http://HOST:PORT/v1") from error
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigError(f"{url!r} is no address of a server", hint="write http://HOST:PORT/v1")
    version = re.fullmatch(r"api-version=[\w.-]*", parts.query)  # as Azure's addresses are shown
    if parts.username or parts.password or parts.fragment or (parts.query and not version):
        raise ConfigError(
            f"the URL of {host} has more than host, port and path",
            hint="put a key into the environment variable BRIDLE_API_KEY, not into the URL",
        )
    path = parts.path.rstrip("/")
    route = next((r for r in ROUTES if path.endswith(r)), "")
    path = path.removesuffix(route) + ("/v1" if route.startswith("/v1") else "")
    return urlunsplit((parts.scheme, parts.netloc, path or "/v1", "", ""))
