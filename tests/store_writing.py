"""A process that writes steps of an agent which others write, too.

    python store_writing.py HOME WHO COUNT

It takes the newest state whenever another was quicker, and prints a line for each step that it has written.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from agent_scripts import NOW
from bridle.agent.prompt import COMPACT
from bridle.agent.state import AgentState, Record, new_state
from bridle.agent.store import Store
from bridle.errors import StaleRevision, StoreError


def newest(store: Store) -> AgentState:
    """The agent as it is now; it is made by whoever comes first."""
    state = store.load("ada")
    if state is None:
        try:
            return store.create(new_state("ada", COMPACT))
        except StoreError:
            state = store.load("ada")
            assert state is not None
    return state


def main() -> None:
    """Write as many steps as the command line says."""
    home, who, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    with Store(home) as store:
        state, done = newest(store), 0
        while done < count:
            try:
                with store.transaction(state, f"{who} {done}") as step:
                    for part in range(3):
                        step.record(Record("user", f"{who} {done} {part}", NOW), state.turn + 1)
                    state = step.save(replace(step.state, turn=state.turn + 1))
            except StaleRevision:
                state = newest(store)
                continue
            done += 1
            print(who, done, flush=True)


if __name__ == "__main__":
    main()
