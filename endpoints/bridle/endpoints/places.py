"""Where model servers may listen: the usual ports of this machine, and the addresses that are configured.

Plain sockets tell where something listens, all at once and without an import of anything large.
"""

from __future__ import annotations

import errno
import selectors
import socket
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from bridle.endpoints.config import EndpointConfig, load_config
from bridle.endpoints.environment import addresses
from bridle.endpoints.kinds import KINDS
from bridle.endpoints.transport.http import is_loopback
from bridle.errors import ConfigError

__all__ = ["NO_ENTRY", "PORTS", "Place", "listening", "local_address", "open_ports", "places"]

PORTS = (1234, 1337, 4891, 5000, 5001, 5005, 8000, 8001, 8080, 8081, 11434, 30000, 41343)
"""Ports that model servers take when nobody says otherwise: LM Studio, Jan, GPT4All, text-generation-webui,
KoboldCpp, the web UI's old stream, vLLM and llama-cpp-python (and the next one), llama-server (and the next
one), Ollama, SGLang, LM Studio's SDK."""

OPENS_WITHIN_S = 0.2
"""How long a port of this machine is waited for; it opens or refuses at once, except on Windows."""
NO_ENTRY = EndpointConfig("")


@dataclass(frozen=True, slots=True)
class Place:
    """An address to look at, who named it, and what the config file says of it, below which `name`."""

    url: str
    named_by: str = ""
    name: str = ""
    entry: EndpointConfig = NO_ENTRY


def places(*, offline: bool = False) -> list[Place]:
    """List where to look: addresses of the environment, of the config file, and the usual ports here."""
    found = [Place(one.url, one.variable, entry=EndpointConfig(one.kind)) for one in addresses()]
    config = load_config()
    for name, entry in config.endpoints.items():
        if entry.kind in KINDS and KINDS[entry.kind].takes == "url" and entry.url:
            found.append(Place(entry.url, f"[endpoints.{name}]", name, entry))
    found += [Place(f"http://{host}:{port}") for port in PORTS for host in ("127.0.0.1", "[::1]")]
    first: dict[tuple[str, int], Place] = {}
    for place in found:
        if place.entry.kind != "azure" and (not offline or is_loopback(place.url)):
            first.setdefault(local_address(place.url), place)
    return list(first.values())


def open_ports(wanted: Iterable[tuple[str, int]], within_s: float = OPENS_WITHIN_S) -> set[tuple[str, int]]:
    """Find out which of these addresses of this machine take a connection."""
    found: set[tuple[str, int]] = set()
    until = time.monotonic() + within_s
    with selectors.DefaultSelector() as waiting:
        sockets: dict[int, socket.socket] = {}
        for host, port in wanted:
            one = _connecting(host, port)
            if one is not None:
                sockets[one.fileno()] = one
                waiting.register(one, selectors.EVENT_WRITE, (host, port))
        while waiting.get_map() and (left_s := until - time.monotonic()) > 0:
            for key, _ in waiting.select(left_s):
                one = sockets[key.fd]
                if one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
                    found.add(key.data)
                waiting.unregister(one)
        for one in sockets.values():
            one.close()
    return found


def _connecting(host: str, port: int) -> socket.socket | None:
    """Begin to connect; None where that cannot even begin."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        one = socket.socket(family, socket.SOCK_STREAM)
    except OSError:
        return None  # this machine has no IPv6
    one.setblocking(False)
    begun = one.connect_ex((host, port))
    if begun in (0, errno.EINPROGRESS, errno.EWOULDBLOCK, getattr(errno, "WSAEWOULDBLOCK", 0)):
        return one
    one.close()
    return None


def listening(wanted: Sequence[Place]) -> list[Place]:
    """Leave out what refuses a connection on this machine; other machines are asked later."""
    local = {local_address(place.url): place for place in wanted if is_loopback(place.url)}
    open_here = open_ports(local)
    also = {("127.0.0.1", port) for host, port in open_here if host == "127.0.0.1"}
    kept: list[Place] = []
    for place in wanted:
        at = local_address(place.url)
        twice = at[0] == "::1" and ("127.0.0.1", at[1]) in also
        if not is_loopback(place.url) or (at in open_here and not twice):
            kept.append(place)
    return kept


def _host_port(url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfigError(f"{url!r} is no address: {error}", hint="write http://HOST:PORT") from error
    return parts.hostname or "", port or (443 if parts.scheme == "https" else 80)


def local_address(url: str) -> tuple[str, int]:
    """The address with numbers in place of this machine's names."""
    host, port = _host_port(url)
    return ("127.0.0.1" if host == "localhost" or host.endswith(".localhost") else host), port
