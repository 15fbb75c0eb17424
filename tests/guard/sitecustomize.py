"""Keep a test, and every Python that it starts, on this machine: connecting, sending and looking up names.

Python runs this file when it starts, where its folder is on PYTHONPATH; `tests/conftest.py` puts it there and
installs the same hook in pytest itself. What was refused is also written to the file that `LEAKS` names, so
that it is seen at the end even where somebody swallowed the error. Sockets of compiled code are not seen.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import sys

__all__ = ["LEAKS", "install", "is_here"]

LEAKS = "BRIDLE_TEST_LEAKS"
"""The environment variable that names the file."""
_TO_ADDRESS = ("socket.connect", "socket.sendto", "socket.sendmsg")
_OF_NAME = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo")


def install() -> None:
    """Refuse what would leave this machine, from now on and for ever: a hook cannot be taken out."""
    sys.addaudithook(_watch)


def _watch(event: str, args: tuple[object, ...]) -> None:
    if event in _TO_ADDRESS:
        host = _host(args[1])
    elif event in _OF_NAME:
        host = _host(args[0])
    else:
        return
    if host is not None and host.endswith(".invalid"):  # which no name server may know: RFC 6761
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    if host is not None and not is_here(host):
        _refuse(f"{event} to {host!r}")


def _host(address: object) -> str | None:
    """The host of an address; None for a path of this machine, and where any address is meant."""
    if isinstance(address, tuple):
        address = address[0] if address else None  # pyright: ignore[reportUnknownVariableType]
    if isinstance(address, bytes):
        address = address.decode("utf-8", "replace")
    return address if isinstance(address, str) and not address.startswith(("/", "\0")) else None


def is_here(host: str) -> bool:
    """Is it this machine? An empty host means every address of it, as servers write it."""
    if host in ("", "localhost"):
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _refuse(what: str) -> None:
    told = f"a test wanted to leave this machine: {what}"
    file = os.environ.get(LEAKS)
    if file:
        with open(file, "a", encoding="utf-8") as leaks:
            leaks.write(f"{told}\n")
    raise AssertionError(told)


if __name__ == "sitecustomize":
    install()
