"""The rules of an open grammar: tokens, lists of parts in each state of a machine, and nothing at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field

from bridle.grammars.ir import EMPTY, ENDLESS, Alt, Chars, Lit, Node, OpenGrammar, Ref, Repeat, Seq, alt, seq
from bridle.grammars.json_text import escaped

__all__ = ["NOTHING", "Machine", "OpenStore"]

_LONG = 3  # ranges of a class that is written once
NOTHING = Alt(())
"""What no text matches; it is gone from finished grammars."""


@dataclass(frozen=True, slots=True)
class Machine:
    """A list whose items depend on what came before.

    `steps` returns the items that may come in a state, each with the state behind it; `final` tells whether
    the list may end.
    """

    start: Hashable
    steps: Callable[[Hashable], Sequence[tuple[Node, Hashable]]]
    final: Callable[[Hashable], bool]


@dataclass(slots=True)
class OpenStore:
    """Collects the rules of one grammar."""

    rules: dict[str, Node] = field(default_factory=dict[str, Node])
    tokens: set[str] = field(default_factory=set[str])
    _names: dict[Node, str] = field(default_factory=dict[Node, str])
    _taken: Counter[str] = field(default_factory=Counter[str])

    def name(self, kind: str) -> str:
        """Return a new name of a rule."""
        self._taken[kind] += 1
        return f"{kind}-{self._taken[kind]}"

    def token(self, kind: str, node: Node) -> Node:
        """Return a reference to the token of this text; equal ones are one."""
        if node == NOTHING:
            return NOTHING
        if node not in self._names:
            self._names[node] = self.name(kind)
            self.rules[self._names[node]] = node
            self.tokens.add(self._names[node])
        return Ref(self._names[node])

    def text(self, text: str) -> Node:
        """Return the token of exactly this text."""
        return self.token("text", Lit(text))

    def char(self, chars: Chars) -> Node:
        """Return one of these characters inside a JSON string."""
        node = escaped(chars)
        long = isinstance(node, Alt) or (isinstance(node, Chars) and len(node.ranges) > _LONG)
        return self.token("char", node) if long else node

    def rule(self, kind: str, node: Node) -> Node:
        """Return a reference to a rule, which is no token."""
        name = self.name(kind)
        self.rules[name] = node
        return Ref(name)

    def listed(self, begin: str, end: str, machine: Machine) -> Node:
        """Return rules for a list that a machine describes, between two signs, with commas."""
        return _List(self, end, machine).whole(begin)

    def finished(self, root: Node) -> OpenGrammar | None:
        """Return the grammar without parts that nothing matches; None when that is all of it."""
        alive: set[str] = set()
        grown = True
        while grown:
            found = {name for name in self.rules if name in alive or _matches(self.rules[name], alive)}
            grown, alive = len(found) > len(alive), found
        if not _matches(root, alive):
            return None
        start = _living(root, alive)
        rules = {name: _living(node, alive) for name, node in self.rules.items() if name in alive}
        used = _used(start, rules)
        kept = {name: node for name, node in rules.items() if name in used}
        return OpenGrammar(start, kept, frozenset(self.tokens & used))


class _List:
    """Writes the states of one machine, each once."""

    def __init__(self, store: OpenStore, end: str, machine: Machine) -> None:
        self._store = store
        self._machine = machine
        self._end = store.text(end)
        self._comma = store.text(", ")
        self._states: dict[Hashable, str] = {}
        self._waiting: list[Hashable] = []

    def whole(self, begin: str) -> Node:
        start = self._machine.start
        ways = [self._end] if self._machine.final(start) else []
        body = alt(*ways, self._items(start))
        while self._waiting:
            state = self._waiting.pop()
            self._store.rules[self._states[state]] = self._items(state)
        return seq(self._store.text(begin), body)

    def _behind(self, state: Hashable) -> Node:
        """Return what stands behind an item that leads to a state."""
        more = seq(self._comma, self._more(state))
        return alt(self._end, more) if self._machine.final(state) else more

    def _more(self, state: Hashable) -> Node:
        if state not in self._states:
            self._states[state] = self._store.name("list")
            self._waiting.append(state)
        return Ref(self._states[state])

    def _items(self, state: Hashable) -> Node:
        """Return one item or more, up to the end of the list."""
        steps = self._machine.steps(state)
        loops = [node for node, to in steps if to == state]
        onward = [seq(node, self._behind(to)) for node, to in steps if to != state]
        if not loops:
            return alt(*onward) if onward else NOTHING
        loop = alt(*loops)
        ways: list[Node] = []
        if onward:
            ways.append(seq(Repeat(seq(loop, self._comma), 0, ENDLESS), alt(*onward)))
        if self._machine.final(state):
            ways.append(seq(loop, Repeat(seq(self._comma, loop), 0, ENDLESS), self._end))
        return alt(*ways) if ways else NOTHING


def _matches(node: Node, alive: set[str]) -> bool:
    """Tell whether some text matches, going by rules that are known to match one."""
    match node:
        case Lit():
            return True
        case Chars():
            return bool(node.allowed())
        case Seq(items):
            return all(_matches(item, alive) for item in items)
        case Alt(items):
            return any(_matches(item, alive) for item in items)
        case Repeat(item, least, _):
            return least == 0 or _matches(item, alive)
        case _:
            return node.name in alive


def _living(node: Node, alive: set[str]) -> Node:
    match node:
        case Seq(items):
            return Seq(tuple(_living(item, alive) for item in items))
        case Alt(items):
            return alt(*(_living(item, alive) for item in items if _matches(item, alive)))
        case Repeat(item, least, most):
            return Repeat(_living(item, alive), least, most) if _matches(item, alive) else EMPTY
        case _:
            return node


def _used(root: Node, rules: dict[str, Node]) -> set[str]:
    found: set[str] = set()
    waiting: list[Node] = [root]
    while waiting:
        node = waiting.pop()
        match node:
            case Seq(items) | Alt(items):
                waiting.extend(items)
            case Repeat(item):
                waiting.append(item)
            case Ref(name) if name not in found:
                found.add(name)
                waiting.append(rules[name])
            case _:
                pass
    return found
