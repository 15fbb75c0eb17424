"""What automata are asked: is there any text, how long are the texts, and which rules write them.

Rules come from an automaton by taking out one state after the other; where that grows too much, each state
of an automaton without loops becomes a rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from bridle.grammars.ir import EMPTY, ENDLESS, Chars, Node, Repeat, alt, optional, seq
from bridle.grammars.moves import Moves, joined
from bridle.grammars.regular import LARGEST, Automaton, TooLarge

__all__ = ["is_empty", "lengths", "rules_of", "trimmed"]

_NESTED = 10  # brackets inside brackets in one rule; llguidance takes some thirty
_DEEPEST = 60  # the same where parts cannot become rules
_LARGEST_RULES = 20_000  # parts of the rules that one automaton becomes


def trimmed(whole: Automaton) -> Automaton:
    """Return the smallest automaton of the same language; one without accepting states when it is empty."""
    useful = _leading_to(whole, whole.accepting) & _reached(whole)
    if 0 not in useful:
        return Automaton(((),), frozenset())
    lean = Automaton(
        tuple(
            tuple(move for move in moves if move[2] in useful) if state in useful else ()
            for state, moves in enumerate(whole.moves)
        ),
        whole.accepting & useful,
    )
    if _longest(lean) is not None:
        return _folded(lean)
    group = {state: int(state in whole.accepting) for state in useful}
    size = len(set(group.values()))
    while True:
        seen: dict[object, int] = {}
        finer: dict[int, int] = {}
        for state in sorted(useful):
            moves = joined((a, b, group[to]) for a, b, to in whole.moves[state] if to in useful)
            finer[state] = seen.setdefault((group[state], moves), len(seen))
        group = finer
        if len(seen) == size:
            break
        size = len(seen)
    # State 0 comes first in the loop above, so that its group is number 0.
    one_of = {number: state for state, number in reversed(group.items())}
    moves_of = [
        joined((a, b, group[to]) for a, b, to in whole.moves[one_of[number]] if to in useful)
        for number in range(size)
    ]
    accepting = frozenset(group[state] for state in useful if state in whole.accepting)
    return Automaton(tuple(moves_of), accepting)


def _folded(whole: Automaton) -> Automaton:
    """Make states of an automaton without loops one where they do the same, the last ones first."""
    group: dict[int, int] = {}
    seen: dict[tuple[bool, Moves], int] = {}
    for state in _last_first(whole):
        moves = joined((first, last, group[to]) for first, last, to in whole.moves[state])
        group[state] = seen.setdefault((state in whole.accepting, moves), len(seen))
    top = len(seen) - 1  # the start is the last one, and must be number 0
    moves_of = [tuple((a, b, top - to) for a, b, to in moves) for _, moves in reversed(seen)]
    accepting = frozenset(top - number for (accepts, _), number in seen.items() if accepts)
    return Automaton(tuple(moves_of), accepting)


def is_empty(whole: Automaton) -> bool:
    """Tell whether no text at all is accepted."""
    return not (_reached(whole) & whole.accepting)


def lengths(whole: Automaton) -> tuple[int, int | None]:
    """Return how many characters the shortest and the longest text of a trimmed automaton have."""
    level, least = {0}, 0
    while not level & whole.accepting:
        level = {to for state in level for _, _, to in whole.moves[state]}
        least += 1
    most = _longest(whole)
    return least, most


def rules_of(
    whole: Automaton,
    leaf: Callable[[Chars], Node],
    share: Callable[[str, Node], Node] | None = None,
    *,
    deepest: int = LARGEST,
) -> Node | None:
    """Return rules for the texts of a trimmed automaton; None when there are none.

    `leaf` writes one character, `share` makes a rule of a part that is used several times; without it the
    rules are one piece, which may become too large. Not more than `deepest` rules stand inside each other.

    Raises:
        TooLarge: when the rules become too many.
    """
    if not whole.accepting:
        return None
    return _eliminated(whole, leaf) if share is None else _layered(whole, leaf, share, deepest)


def _layered(
    whole: Automaton, leaf: Callable[[Chars], Node], share: Callable[[str, Node], Node], deepest: int
) -> Node:
    """Write each state, the last ones first; states that lead to each other are taken out one by one."""
    uses = [0] * len(whole.moves)
    for moves in whole.moves:
        for to in {to for _, _, to in moves}:
            uses[to] += 1
    written: dict[int, Node] = {}
    runs: dict[int, tuple[Moves, bool, int, Node]] = {}
    depth: dict[int, int] = {}
    groups = _circles(whole)
    _check_depth(whole, groups, deepest)
    for group in groups:
        for state in group:
            moves, accepts = whole.moves[state], state in whole.accepting
            onward = tuple(move for move in moves if move[2] not in group)
            run = _run(state, whole, runs, written) if len(onward) == len(moves) else None
            if run is not None:
                runs[state] = run
                node, depth[state] = _repeated(run, leaf), 1
            elif len(group) > 1:
                node, depth[state] = _around(whole, state, group, written, leaf), _NESTED
            else:
                parts = [seq(leaf(chars), written[to]) for chars, to in _by_target(onward)]
                node = alt(*parts) if parts else EMPTY
                node = optional(node) if parts and accepts else node
                if len(onward) < len(moves):
                    loop = leaf(Chars(tuple((first, last) for first, last, to in moves if to == state)))
                    node = seq(Repeat(loop, 0, ENDLESS), node)
                depth[state] = 1 + max((depth[to] for _, _, to in onward), default=0)
            if node != EMPTY and (uses[state] > 1 or depth[state] > _NESTED):
                node, depth[state] = share("part", node), 0
            written[state] = node
    return written[0]


def _check_depth(whole: Automaton, groups: Sequence[Sequence[int]], deepest: int) -> None:
    """Give up before a rule is made; states that all do the same stand beside, not inside each other."""
    below: dict[int, int] = {}
    for group in groups:
        for state in group:
            onward = {to for _, _, to in whole.moves[state] if to not in group}
            chain = len(onward) == 1 and [move[:2] for move in whole.moves[state]] == [
                move[:2] for to in onward for move in whole.moves[to]
            ]
            below[state] = max((below[to] for to in onward), default=0) + (0 if chain else 1)
            if below[state] > deepest:
                raise TooLarge


def _around(
    whole: Automaton,
    start: int,
    group: Sequence[int],
    written: dict[int, Node],
    leaf: Callable[[Chars], Node],
) -> Node:
    """Write one of several states that lead to each other."""
    edges: _Edges = {-1: {start: (EMPTY, 0, 0)}, -2: {}}
    for state in group:
        moves = whole.moves[state]
        inner = tuple(move for move in moves if move[2] in group)
        edges[state] = {to: (leaf(chars), 1, 1) for chars, to in _by_target(inner)}
        ways = [
            seq(leaf(chars), written[to])
            for chars, to in _by_target(tuple(move for move in moves if move[2] not in group))
        ]
        if ways:
            out = alt(*ways)
            edges[state][-2] = (optional(out) if state in whole.accepting else out, len(ways), 2)
        elif state in whole.accepting:
            edges[state][-2] = (EMPTY, 0, 0)
    return _all_taken_out(edges)


def _circles(whole: Automaton) -> list[list[int]]:
    """Return the states in groups that lead to each other (Tarjan's algorithm), the last groups first."""
    number: dict[int, int] = {}
    low: dict[int, int] = {}
    stack: list[int] = []
    found: list[list[int]] = []
    targets = [sorted({to for _, _, to in moves}) for moves in whole.moves]
    number[0] = low[0] = 0
    stack.append(0)
    waiting = {0}
    path = [(0, iter(targets[0]))]
    while path:
        state, left = path[-1]
        to = next(left, None)
        if to is not None:
            if to not in number:
                number[to] = low[to] = len(number)
                stack.append(to)
                waiting.add(to)
                path.append((to, iter(targets[to])))
            elif to in waiting:
                low[state] = min(low[state], number[to])
            continue
        path.pop()
        if path:
            low[path[-1][0]] = min(low[path[-1][0]], low[state])
        if low[state] == number[state]:
            at = stack.index(state)
            found.append(stack[at:])
            waiting.difference_update(stack[at:])
            del stack[at:]
    return found


def _run(
    state: int,
    whole: Automaton,
    runs: dict[int, tuple[Moves, bool, int, Node]],
    written: dict[int, Node],
) -> tuple[Moves, bool, int, Node] | None:
    """Return (characters, may it end anywhere, how many, what follows) of states that all do the same."""
    moves, accepts = whole.moves[state], state in whole.accepting
    targets = {to for _, _, to in moves}
    if len(targets) != 1:
        return None
    after = targets.pop()
    same = tuple((first, last, 0) for first, last, _ in moves)
    known = runs.get(after)
    if known is not None and known[:2] == (same, accepts):
        return same, accepts, known[2] + 1, known[3]
    if accepts and written[after] != EMPTY:
        return None
    return same, accepts, 1, written[after]


def _repeated(run: tuple[Moves, bool, int, Node], leaf: Callable[[Chars], Node]) -> Node:
    moves, accepts, count, rest = run
    chars = leaf(Chars(tuple((first, last) for first, last, _ in moves)))
    if count == 1:
        return optional(chars) if accepts else seq(chars, rest)
    return Repeat(chars, 0, count) if accepts else seq(Repeat(chars, count, count), rest)


def _last_first(whole: Automaton) -> list[int]:
    ordered: list[int] = []
    seen = {0}
    path = [(0, iter([to for _, _, to in whole.moves[0]]))]
    while path:
        state, targets = path[-1]
        to = next(targets, None)
        if to is None:
            ordered.append(state)
            path.pop()
        elif to not in seen:
            seen.add(to)
            path.append((to, iter([goal for _, _, goal in whole.moves[to]])))
    return ordered


_Edges: TypeAlias = dict[int, dict[int, tuple[Node, int, int]]]
"""For two states what leads from one to the other: rules, how many parts they have, and how deep they are."""


def _eliminated(whole: Automaton, leaf: Callable[[Chars], Node]) -> Node:
    edges: _Edges = {-1: {0: (EMPTY, 0, 0)}, -2: {}}
    for state, moves in enumerate(whole.moves):
        edges[state] = {to: (leaf(chars), 1, 1) for chars, to in _by_target(moves)}
        if state in whole.accepting:
            edges[state][-2] = (EMPTY, 0, 0)
    return _all_taken_out(edges)


def _all_taken_out(edges: _Edges) -> Node:
    """Take out one state after the other, the least connected first, and write what led through it."""
    into: dict[int, set[int]] = {state: set() for state in edges}
    for state, found in edges.items():
        for to in found:
            into[to].add(state)
    waiting = {state for state in edges if state >= 0}
    while waiting:
        state = min(waiting, key=lambda one: (len(into[one]) * len(edges[one]), one))
        waiting.discard(state)
        _take_out(state, edges, into)
    return edges[-1][-2][0]


def _take_out(state: int, edges: _Edges, into: dict[int, set[int]]) -> None:
    out = edges.pop(state)
    loop, loop_size, loop_depth = out.pop(state, (EMPTY, 0, 0))
    around = Repeat(loop, 0, ENDLESS) if loop != EMPTY else EMPTY
    for before in into.pop(state) - {state}:
        first, first_size, first_depth = edges[before].pop(state)
        for after, (last, last_size, last_depth) in out.items():
            node, size = seq(first, around, last), first_size + loop_size + last_size + 1
            depth = max(first_depth, loop_depth, last_depth)
            if after in edges[before]:
                other, other_size, other_depth = edges[before][after]
                node, size, depth = _either(other, node), size + other_size, max(depth, other_depth) + 1
            if size > _LARGEST_RULES or depth > _DEEPEST:
                raise TooLarge
            edges[before][after] = (node, size, depth)
            into[after].add(before)
    for after in out:
        into[after].discard(state)


def _either(one: Node, other: Node) -> Node:
    if EMPTY in (one, other):
        return optional(other if one == EMPTY else one)
    return alt(one, other)


def _by_target(moves: Moves) -> list[tuple[Chars, int]]:
    grouped: dict[int, list[tuple[int, int]]] = {}
    for first, last, to in moves:
        grouped.setdefault(to, []).append((first, last))
    return [(Chars(tuple(ranges)), to) for to, ranges in grouped.items()]


def _longest(whole: Automaton) -> int | None:
    """Return the longest way through a trimmed automaton; None when there is a loop."""
    ordered = _last_first(whole)
    place = {state: i for i, state in enumerate(ordered)}
    longest: dict[int, int] = {}
    for state in ordered:
        targets = {to for _, _, to in whole.moves[state]}
        if any(place[to] >= place[state] for to in targets):
            return None
        longest[state] = max((longest[to] + 1 for to in targets), default=0)
    return longest[0]


def _reached(whole: Automaton) -> set[int]:
    found, waiting = {0}, [0]
    while waiting:
        for _, _, to in whole.moves[waiting.pop()]:
            if to not in found:
                found.add(to)
                waiting.append(to)
    return found


def _leading_to(whole: Automaton, goals: Iterable[int]) -> set[int]:
    before: dict[int, set[int]] = {}
    for state, moves in enumerate(whole.moves):
        for _, _, to in moves:
            before.setdefault(to, set()).add(state)
    found, waiting = set(goals), list(goals)
    while waiting:
        for state in before.get(waiting.pop(), ()):
            if state not in found:
                found.add(state)
                waiting.append(state)
    return found
