"""Places in the rules of a grammar, as nodes of a tree that all ways to read an answer share."""

from __future__ import annotations

from typing import TypeAlias

from bridle.grammars.ir import Node, Repeat

__all__ = ["Place", "State", "entry"]


class Place:
    """A node of the rules, how far the text has come in it, and the place that follows.

    `done` counts the parts of a sequence or the bytes of a text that are over, or is the least of a
    repetition, whose most is `most`; `begun` are the first bytes of a character. `labels` are the names of
    the fields that it is in.
    """

    __slots__ = ("begun", "done", "heads", "known", "labels", "most", "next", "node", "weight")

    def __init__(
        self, node: Node, done: int, most: int, begun: bytes, following: Place | None, labels: tuple[str, ...]
    ) -> None:
        self.node = node
        self.done = done
        self.most = most
        self.begun = begun
        self.next = following
        self.labels = labels
        self.weight = -1
        self.heads: State | None = None
        self.known: dict[tuple[int, int, int, bytes], Place] = {}

    def after(self, node: Node, done: int = 0, most: int = 0, begun: bytes = b"", label: str = "") -> Place:
        """Return the place of a node that this one follows; equal places are one."""
        key = (id(node), done, most, begun)
        found = self.known.get(key)
        if found is None:
            labels = (*self.labels, label) if label else self.labels
            found = self.known[key] = Place(node, done, most, begun, self, labels)
        return found


State: TypeAlias = tuple[Place, ...]
"""Where the next byte can be read: at or inside texts and characters, or nowhere because all is over. A text
that the grammar does not allow has no place."""


def entry(node: Node, following: Place) -> Place:
    """Return the place at the beginning of a node."""
    if isinstance(node, Repeat):
        return following.after(node, node.least, node.most)
    return following.after(node)
