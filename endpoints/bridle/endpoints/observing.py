"""Let somebody watch what is asked and answered: a flight recorder, a benchmark.

Who watches is set for the code that runs inside a `with` block, and for nothing else; without a watcher
nothing is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from bridle.endpoints.asking import Question
from bridle.endpoints.base import Answer, Endpoint, Request
from bridle.errors import BridleError
from bridle.messages import Completion

__all__ = ["Observation", "is_observed", "observed_by", "tell"]


@dataclass(frozen=True, slots=True)
class Observation:
    """One request to a model, and what became of it: an answer and its reading, or an error.

    `started` is seconds since the epoch, `seconds` the time that the request took.
    """

    endpoint: Endpoint
    question: Question
    wrapper_reason: str
    rung: str
    request: Request
    started: float
    seconds: float
    wire: bytes = b""
    """What a server sent, as it came; empty for a model in this process."""
    answer: Answer | None = None
    completion: Completion | None = None
    error: BridleError | None = None


Observer = Callable[[Observation], None]

_observers: ContextVar[tuple[Observer, ...]] = ContextVar("observers", default=())


@contextmanager
def observed_by(observer: Observer) -> Generator[None, None, None]:
    """Tell `observer` of every request that is made inside the block."""
    token = _observers.set((*_observers.get(), observer))
    try:
        yield
    finally:
        _observers.reset(token)


def is_observed() -> bool:
    """Whether anybody watches."""
    return bool(_observers.get())


def tell(observation: Observation) -> None:
    """Tell those who watch."""
    for observer in _observers.get():
        observer(observation)
