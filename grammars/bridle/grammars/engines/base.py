"""What an engine is: it turns a grammar into matchers, each of which follows one answer token by token."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Generic, Protocol, TypeAlias, TypeVar

from bridle.grammars.ir import Grammar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    FloatArray: TypeAlias = NDArray[np.float32]
    BitArray: TypeAlias = NDArray[np.uint8]
else:
    FloatArray: TypeAlias = object
    BitArray: TypeAlias = object

__all__ = ["BitArray", "Engine", "FloatArray", "Matcher", "Recent"]

_T = TypeVar("_T")


class Matcher(Protocol):
    """Follows one answer. A token that ends an answer is allowed where `accepting` is true."""

    def forced(self) -> list[int]:
        """Return the tokens that must come next; none where there is a choice or the engine cannot tell."""
        ...

    def allows(self, token: int) -> bool:
        """Tell whether this token may come next, for little more than the price of one token."""
        ...

    def ends_with(self, tokens: Sequence[int]) -> bool:
        """Tell whether the answer may go on with exactly these tokens and then end; it does not."""
        ...

    def allowed(self) -> BitArray | None:
        """Return 1 for each token that may come next, else 0; None where only the end may, or it costs much.

        The array holds until the next call of the matcher.
        """
        ...

    def mask_into(self, logits: FloatArray) -> None:
        """Set the logits of all tokens that may not come next to minus infinity, in place."""
        ...

    def accept(self, token: int) -> None:
        """Take the next token.

        Raises:
            GrammarError: when it is not allowed; the matcher then stays where it was.
        """
        ...

    def clone(self) -> Matcher:
        """Return another matcher that stands where this one does, for a few microseconds."""
        ...

    @property
    def done(self) -> bool:
        """Nothing may follow but the end."""
        ...

    @property
    def accepting(self) -> bool:
        """The end may come now."""
        ...


class Engine(Protocol):
    """Makes matchers for one model's vocabulary. Compiled grammars are kept and used again."""

    @property
    def name(self) -> str:
        """What reports call it."""
        ...

    def matcher(self, grammar: Grammar | str) -> Matcher:
        """Start an answer. A `str` is GBNF text, which not every engine takes.

        Raises:
            GrammarError: for a grammar that the engine cannot hold.
        """
        ...


class Recent(Generic[_T]):
    """Keeps the values that were used last: an agent's grammars change with its memory, step by step."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._values: OrderedDict[str, _T] = OrderedDict()

    def get(self, key: str, make: Callable[[], _T]) -> _T:
        """Return the value of a key, made now if it is not known."""
        if key in self._values:
            self._values.move_to_end(key)
            return self._values[key]
        value = self._values[key] = make()
        if len(self._values) > self._size:
            self._values.popitem(last=False)
        return value
