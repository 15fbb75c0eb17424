"""A process that meets a limit of its machine while it uses the agents' database.

    python store_limits.py steps|migration|fork|"read-only home"|"read-only file" HOME

It prints the error that it gets, and fails when anything that was acknowledged is lost.
"""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from bridle.agent.prompt import COMPACT
from bridle.agent.state import new_state
from bridle.agent.store import FILE_NAME, Counts, Store
from bridle.errors import StoreError, StoreUnwritable
from store_killing import TURNS, check_file, look_at_migrated
from store_scripts import grow, make_version_1

NOBODY = 65534


def limit_files(size: int) -> None:
    """Let no file of this process grow beyond a size in bytes; -1 for any size."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def steps(home: Path) -> None:
    """Write steps until a file may not grow, then without a limit go on in the same process."""
    with Store(home) as store:
        state, written = store.create(new_state("ada", COMPACT)), 0
        limit_files(2_000_000)
        try:
            while True:
                state = grow(store, state, f"message {written} " + "x" * 2000)
                written += 1
        except StoreUnwritable as error:
            print(error)
        limit_files(-1)
        assert written > 10, written
        assert store.load("ada") == state
        assert store.counts("ada") == Counts(written, written)
        grow(store, state, "there is room again")
        assert store.find_messages("ada", "room").total == 1
    check_file(home)


def migration(home: Path) -> None:
    """Open a file of version 1 where there is no room for its copy, nor for the new tables."""
    make_version_1(home, turns=TURNS)
    before = (home / FILE_NAME).read_bytes()
    for size in (len(before) // 2, len(before) + 1):
        limit_files(size)
        try:
            Store(home).close()
        except StoreUnwritable as error:
            print(error)
        else:
            raise AssertionError(f"a limit of {size} bytes did not matter")
        limit_files(-1)
        assert (home / FILE_NAME).read_bytes() == before
    look_at_migrated(home)


def read_only(home: Path, target: Path) -> None:
    """Use a home, or a file, that may be read and not written; as root, become somebody else first."""
    with Store(home) as store:
        grow(store, store.create(new_state("ada", COMPACT)))
    before = (home / FILE_NAME).read_bytes()
    home.chmod(0o777)
    (home / FILE_NAME).chmod(0o666)
    target.chmod(0o555)
    if os.geteuid() == 0:
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    try:
        with Store(home) as store:
            store.create(new_state("bob", COMPACT))
    except StoreUnwritable as error:
        print(error)
    else:
        raise AssertionError("it was written")
    assert (home / FILE_NAME).read_bytes() == before


def fork(home: Path) -> None:
    """Use and close a store in a forked child while the parent goes on with it."""
    with Store(home) as store:
        state = store.create(new_state("ada", COMPACT))
        child = os.fork()
        if not child:
            try:
                store.agents()
            except StoreError as error:
                print(error, flush=True)
            store.close()
            os._exit(0)
        with closing(Store(home)) as other:
            for number in range(50):
                state = grow(store if number % 2 else other, state, f"message {number}")
        assert os.waitpid(child, 0)[1] == 0
        assert grow(store, state, "the last").revision == 52
    check_file(home)


def main() -> None:
    """Do what the command line says."""
    home = Path(sys.argv[2])
    works: dict[str, Callable[[], None]] = {
        "steps": lambda: steps(home),
        "migration": lambda: migration(home),
        "fork": lambda: fork(home),
        "read-only home": lambda: read_only(home, home),
        "read-only file": lambda: read_only(home, home / FILE_NAME),
    }
    works[sys.argv[1]]()


if __name__ == "__main__":
    main()
