"""Bytes to and from servers: connections, limits, framing, and what went wrong in one tree of errors."""

__all__: list[str] = []
