"""Which addresses of the web an agent may ask: an allow-list of hosts, and no other machine by accident.

An entry is `[SCHEME://]HOST[:PORT]`: `api.example.org`, `*.example.org` (all below it, not itself),
`http://localhost:8080`. Without a scheme both http and https are allowed, and without a port only the
scheme's own. A name may lead to this machine or into a private network only if that address, or `localhost`,
is an entry itself: what a name leads to is decided by whoever owns the name.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from bridle.errors import ConfigError, InputError

__all__ = ["AllowedHosts", "Target"]

PORTS = {"http": 80, "https": 443}
_NAME = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?")
_LOCAL_NAMES = ("localhost",)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Target:
    """Where a URL leads: scheme, host in small letters, and port."""

    scheme: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class _Rule:
    scheme: str
    host: str
    port: int | None

    def allows(self, target: Target) -> bool:
        if self.scheme and self.scheme != target.scheme:
            return False
        if target.port != (self.port if self.port is not None else PORTS[target.scheme]):
            return False
        if self.host.startswith("*."):
            return target.host.endswith(self.host[1:]) and target.host != self.host[2:]
        return target.host == self.host


class AllowedHosts:
    """An allow-list. It asks no name server."""

    def __init__(self, entries: Iterable[str]) -> None:
        """Read the entries.

        Raises:
            ConfigError: for one that is no host.
        """
        self.entries = tuple(entries)
        self._rules = [_rule(entry) for entry in self.entries]
        named = [rule.host for rule in self._rules]
        self._local = any(host in _LOCAL_NAMES for host in named)
        self._addresses = {address for host in named if (address := _address(host)) is not None}

    def target(self, url: str) -> Target:
        """Say where a URL leads, if it may be asked.

        Raises:
            InputError: for what is no URL of the web, and for a host that is not allowed.
        """
        target = _target(url)
        if not any(rule.allows(target) for rule in self._rules):
            shown = target.host if target.port == PORTS[target.scheme] else f"{target.host}:{target.port}"
            raise InputError(
                f"{target.scheme}://{shown} is not allowed", hint=f"allowed are {', '.join(self.entries)}"
            )
        return target

    def check_address(self, host: str, address: str) -> None:
        """Refuse an address that a name has led to.

        Raises:
            InputError: when it is on this machine or in a private network, and not allowed itself.
        """
        found = _address(address)
        if found is None or (found.is_global and not found.is_multicast):
            return
        if found in self._addresses or (found.is_loopback and self._local):
            return
        raise InputError(
            f"{host} leads to {found}, which is no public address", hint="it must be allowed by its address"
        )


def _rule(entry: str) -> _Rule:
    scheme, divider, rest = entry.strip().lower().rpartition("://")
    try:
        parts = urlsplit(f"//{rest}")
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise ConfigError(f"{entry!r} is no host: {error}", hint="write it as HOST or HOST:PORT") from error
    extra = parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc
    known = _NAME.fullmatch(_plain(host).removeprefix("*.")) or _address(host) is not None
    if extra or not known or (divider and scheme not in PORTS) or (divider and not scheme):
        raise ConfigError(
            f"{entry!r} is no host",
            hint="write HOST, *.HOST, HOST:PORT or https://HOST, and ü as xn--…",
        )
    return _Rule(scheme, _plain(host), port)


def _target(url: str) -> Target:
    if url != url.strip() or any(ord(one) < 33 or ord(one) == 127 for one in url) or "\\" in url:
        raise InputError(f"{url!r} is no URL: it has blanks or control characters")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise InputError(f"{url!r} is no URL: {error}") from error
    if parts.scheme not in PORTS or not host:
        raise InputError(f"{url!r} is no URL of the web", hint="write https://HOST/PATH")
    if "@" in parts.netloc:
        raise InputError(f"the URL of {host} has a user in it", hint="leave it out")
    if _address(host) is None and not _NAME.fullmatch(_plain(host)):
        # Two standards of names with other letters disagree on what they mean.
        raise InputError(f"{host!r} is no name of a host", hint="write other letters as xn--…")
    return Target(parts.scheme, _plain(host), port if port is not None else PORTS[parts.scheme])


def _plain(host: str) -> str:
    """One spelling of a host: small letters, no dot at its end, addresses as Python writes them."""
    name = host.lower().removesuffix(".")
    address = _address(name)
    return name if address is None else str(address)


def _address(host: str) -> Address | None:
    """Read an address; one of IPv4 inside IPv6 is the one inside."""
    try:
        found = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        return inner or found
    return found
