"""One file for each kind of server: how a request is written for it, and how its answers are read."""

__all__: list[str] = []
