"""Open a store that is there already: commands that only look make no file."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from bridle.errors import InputError

if TYPE_CHECKING:
    from bridle.agent.store import Store

__all__ = ["existing_store", "store_of", "time_text"]


@contextmanager
def existing_store() -> Generator[Store | None]:
    """Open the store of the home directory, or lend None where there is none."""
    from bridle.agent.store import FILE_NAME, Store
    from bridle.endpoints.config import home

    folder = home()
    try:
        (folder / FILE_NAME).stat()
    except FileNotFoundError:
        yield None
        return
    except OSError:
        Store(folder).close()  # it says why the file cannot be opened
        raise
    with Store(folder) as store:
        yield store


@contextmanager
def store_of(agent: str) -> Generator[Store]:
    """Open the store that has an agent.

    Raises:
        InputError: when there is none of that name, with those that there are.
    """
    with existing_store() as store:
        names = [] if store is None else [info.name for info in store.agents()]
        if store is None or agent not in names:
            known = ", ".join(names) or "none; `bridle chat` makes one"
            raise InputError(f"there is no agent {agent!r}", hint=f"the agents are: {known}")
        yield store


def time_text(ns: int) -> str:
    """Write a time in nanoseconds since 1970 as the clock here shows it, to the minute."""
    return datetime.fromtimestamp(ns / 1e9).astimezone().isoformat(sep=" ", timespec="minutes")
