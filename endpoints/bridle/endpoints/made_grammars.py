"""Grammars that were made before: an agent holds step after step to the same functions.

Making one takes milliseconds, up to some fifty with long texts that are quoted from; finding it again takes a
tenth of one. A grammar is a value, so that any number of threads and endpoints may hold the same one.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence

from bridle.grammars import Grammar
from bridle.messages import JSON, ToolSpec

__all__ = ["GrammarCache"]

QUOTED = "x-quoted-from"


class GrammarCache:
    """The grammars that were used last, by what they were made from."""

    def __init__(self, size: int = 64) -> None:
        """Keep so many grammars."""
        self._size = size
        self._made: OrderedDict[tuple[object, ...], Grammar] = OrderedDict()
        self._lock = threading.Lock()

    def get(
        self,
        make: Callable[[], Grammar],
        tools: Sequence[ToolSpec],
        thoughts: Mapping[str, JSON] | None,
        quotes: Mapping[str, Sequence[str]] | None,
        *how: object,
    ) -> Grammar:
        """Return the grammar that `make` gives, or gave for the same tools, thoughts, quoted texts and `how`.

        Of `quotes` only the texts count that a schema names.
        """
        schemas = repr((tuple(tools), thoughts))
        texts = {
            name: tuple(quotes[name]) for name in sorted(quotes or ()) if quotes and repr(name) in schemas
        }
        key = (schemas, repr(texts) if QUOTED in schemas else "", repr(how))
        with self._lock:
            found = self._made.get(key)
            if found is not None:
                self._made.move_to_end(key)
                return found
        made = make()
        with self._lock:
            self._made[key] = made
            while len(self._made) > self._size:
                self._made.popitem(last=False)
        return made
