"""Follows an answer through the rules of its grammar, and knows the shortest way to the end from anywhere.

Engines know what may come next, not how far it is to the end. The rules do: they are finite, so the shortest
text of each part is known beforehand. A state is the set of all places in the rules that the text so far can
have come to, and each place knows what has to follow it.

Parts weigh as many bytes as they have, unless the caller brings another measure, such as the number of tokens
that spell a text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from bridle.grammars.ir import EMPTY, Alt, Chars, Grammar, Lit, Node, Ref, Repeat, Seq
from bridle.grammars.places import Place, State, entry
from bridle.grammars.utf8 import any_char, char_length, completion, decoded, whole_chars

__all__ = ["TURN_TEXT", "Follower", "label_of"]

TURN_TEXT = "turn-text"
"""The kind of the rules for the text of a turn, which is no part of a call; also the name of its field."""
_LABEL = "field:"
_WIDE = 1000  # code points of a class that words can be written in


def label_of(rule: str) -> str:
    """Return the name of the field that a rule is the value of; empty where it is none.

    >>> label_of("field:1:city"), label_of("turn-text-1"), label_of("string-1")
    ('city', 'turn-text', '')
    """
    if rule.startswith(TURN_TEXT):
        return TURN_TEXT
    return rule.split(":", 2)[2] if rule.startswith(_LABEL) else ""


class Follower:
    """Follows answers of one grammar; `weigh` measures texts.

    >>> follower = Follower(Grammar(Seq((Lit("[a"), Repeat(Lit("bc"), 0, 1), Lit("]")))))
    >>> state = follower.advance(follower.start(), b"[ab")
    >>> next(follower.ends(state)), follower.weight(state)
    (b'c]', 2)
    """

    def __init__(self, grammar: Grammar, weigh: Callable[[bytes], int] = len) -> None:
        self._grammar = grammar
        self._weigh = weigh
        self._bytes: dict[int, bytes] = {}
        self._shortest: dict[int, tuple[int, bytes]] = {}
        self._wide: dict[int, bool] = {}
        self._held: dict[tuple[int, int], bool] = {}
        self._runs: dict[tuple[object, str], bool] = {}
        self._labels = {name: label_of(name) for name in grammar.rules}

    def start(self) -> State:
        """Return the state of an answer of which nothing is written yet."""
        return self._heads(entry(self._grammar.root, Place(EMPTY, 0, 0, b"", None, ())))

    def advance(self, state: State, piece: bytes) -> State:
        """Return the state after some more bytes of the answer."""
        size = len(piece)
        state, start = self._skip(state, piece) if size > 2 else (state, 0)
        levels: dict[int, dict[Place, None]] = {start: dict.fromkeys(state)}
        for at in range(start, size):
            for place in levels.pop(at, ()):
                for end, places in self._step(place, piece, at, size):
                    levels.setdefault(end, {}).update(dict.fromkeys(places))
        return tuple(levels.get(size, ()))

    def weight(self, state: State) -> int:
        """Return the weight of the shortest end: of its parts, one by one."""
        return min(self._weight(place) for place in state)

    def ends(self, state: State) -> Iterator[bytes]:
        """Yield the shortest end from each place, the shortest of them first."""
        for place in sorted(state, key=self._weight):
            yield self._end(place)

    def may_end(self, state: State) -> bool:
        """May the answer end here?"""
        return any(place.next is None for place in state)

    def free(self, state: State) -> bool:
        """Is this inside free text, whose words nobody lists?"""
        return any(isinstance(place.node, Chars) and self._is_wide(place.node) for place in state)

    def in_char(self, state: State) -> bool:
        """Is this between the bytes of one character?"""
        return any(place.begun for place in state)

    def fields(self, state: State) -> tuple[str, ...]:
        """Return the names of the fields that this may be in, outer ones first."""
        found = dict.fromkeys(name for place in state for name in place.labels)
        return tuple(found)

    def end_of(self, state: State, field: str) -> bytes:
        """Return the shortest text that ends the value of a field; none where what follows may come now."""
        if not all(field in place.labels for place in state):
            return b""
        place: Place | None = min(state, key=self._weight)
        parts: list[bytes] = []
        while place is not None and field in place.labels:
            parts.append(self._rest(place))
            place = place.next
        return b"".join(parts)

    def _skip(self, state: State, piece: bytes) -> tuple[State, int]:
        """Read characters at once that free text goes on with and nothing else; return how many bytes."""
        text = whole_chars(piece)
        if len(text) < 3 or not self._goes_on(state, text[0]):
            return state, 0
        after = self._union(place.next for place in state if self._is_free(place))
        count = 1
        while count < len(text) and self._goes_on(after, text[count]):
            count += 1
        repeats = [place.next for place in after if self._is_free(place) and place.next is not None]
        if not repeats or any(not isinstance(place.node, Repeat) or place.done for place in repeats):
            return state, 0
        count = 1 + min([count - 1, *(place.most for place in repeats)])
        if count < 3:
            return state, 0
        ends = (
            place.next.after(place.node, 0, place.most - count + 2)
            for place in repeats
            if place.next is not None
        )
        return self._union(ends), len(text[:count].encode())

    def _union(self, places: Iterable[Place | None]) -> State:
        found: dict[Place, None] = {}
        for place in places:
            if place is not None:
                found.update(dict.fromkeys(self._heads(place)))
        return tuple(found)

    def _goes_on(self, state: State, char: str) -> bool:
        """Can all free text here go on with a character, and nothing else read it?"""
        key = tuple((id(place.node), place.done, place.begun) for place in state), char
        found = self._runs.get(key)
        if found is None:
            free = [place for place in state if self._is_free(place)]
            found = bool(free) and all(
                self._is_free(place) == bool(self._step(place, char.encode(), 0, len(char.encode())))
                for place in state
            )
            self._runs[key] = found
        return found

    def _is_free(self, place: Place) -> bool:
        return isinstance(place.node, Chars) and not place.begun and self._is_wide(place.node)

    def _step(self, place: Place, piece: bytes, at: int, size: int) -> Iterable[tuple[int, State]]:
        """Return what reading at a place leads to: where in the piece, and the places then."""
        node, following = place.node, place.next
        if following is None:
            return ()
        if isinstance(node, Lit):
            text, done = self._text(node), place.done
            left = len(text) - done
            if left <= size - at:
                return ((at + left, self._heads(following)),) if piece.startswith(text[done:], at) else ()
            return (
                ((size, (following.after(node, done + size - at),)),)
                if text.startswith(piece[at:], done)
                else ()
            )
        assert isinstance(node, Chars)
        return self._read_char(place, node, following, piece[at:], at)

    def _read_char(
        self, place: Place, node: Chars, following: Place, piece: bytes, at: int
    ) -> Iterable[tuple[int, State]]:
        raw = place.begun + piece[:4]
        length = char_length(raw[0])
        if len(raw) < length:
            if completion(node, raw, length) is None:
                return ()
            return ((at + len(piece), (following.after(node, begun=raw),)),)
        point = raw[0] if length == 1 else decoded(raw[:length])
        if point < 0 or not self._holds(node, point):
            return ()
        return ((at + length - len(place.begun), self._heads(following)),)

    def _holds(self, node: Chars, point: int) -> bool:
        key = id(node), point
        found = self._held.get(key)
        if found is None:
            found = self._held[key] = node.holds(point)
        return found

    def _is_wide(self, node: Chars) -> bool:
        found = self._wide.get(id(node))
        if found is None:
            found = sum(last - first + 1 for first, last in node.allowed()) > _WIDE
            self._wide[id(node)] = found
        return found

    def _text(self, node: Lit) -> bytes:
        found = self._bytes.get(id(node))
        if found is None:
            found = self._bytes[id(node)] = node.text.encode("utf-8", "surrogatepass")
        return found

    def _heads(self, place: Place) -> State:
        if place.heads is None:
            found: dict[Place, None] = {}
            todo, seen = [place], set[object]()
            while todo:
                one = todo.pop()
                if one in seen:
                    continue
                seen.add(one)
                node = one.node
                if one.next is None or isinstance(node, Chars) or (isinstance(node, Lit) and node.text):
                    found[one] = None
                else:
                    todo += self._opened(one, one.next, seen)
            place.heads = tuple(found)
        return place.heads

    def _opened(self, place: Place, following: Place, seen: set[object]) -> list[Place]:
        """Return where a place that is no text leads to without reading anything, the last choice first."""
        match place.node:
            case Seq(items):
                at = place.done
                if at >= len(items):
                    return [following]
                behind = following if at + 1 == len(items) else following.after(place.node, at + 1)
                return [entry(items[at], behind)]
            case Alt(items):
                return [entry(item, following) for item in reversed(items)]
            case Repeat(item):
                return self._repeated(place, item, following, seen)
            case Ref(name):
                if place.done:
                    return [following]
                label = self._labels[name]
                behind = following.after(place.node, 1, label=label) if label else following
                return [entry(self._grammar.rules[name], behind)]
            case _:
                return [following]

    def _repeated(self, place: Place, item: Node, following: Place, seen: set[object]) -> list[Place]:
        least, most = place.done, place.most
        if most == 0:
            return [following]
        if least and not self._of(item)[1]:
            least = 0  # as often as wanted of nothing
        if least:
            return [entry(item, following.after(place.node, least - 1, most - 1))]
        # Where nothing has been read since, fewer repetitions lead nowhere that more do not.
        key = id(place.node), id(following)
        if key in seen:
            return [following]
        seen.add(key)
        return [following, entry(item, following.after(place.node, 0, most - 1))]

    def _weight(self, place: Place) -> int:
        if place.weight < 0:
            own, after = 0, place.next
            if after is not None:
                text = self._rest(place)
                own = self._weigh(text) if text else 0
                own += self._weight(after)
            place.weight = own
        return place.weight

    def _end(self, place: Place) -> bytes:
        parts: list[bytes] = []
        while place.next is not None:
            parts.append(self._rest(place))
            place = place.next
        return b"".join(parts)

    def _rest(self, place: Place) -> bytes:
        """Return the shortest text from a place to the one that follows."""
        match place.node:
            case Lit():
                return self._text(place.node)[place.done :]
            case Chars() if place.begun:
                return completion(place.node, place.begun, char_length(place.begun[0])) or b""
            case Seq(items):
                return b"".join(self._of(item)[1] for item in items[place.done :])
            case Repeat(item):
                return self._of(item)[1] * place.done
            case Ref() if place.done:
                return b""
            case _:
                return self._of(place.node)[1]

    def _of(self, node: Node) -> tuple[int, bytes]:
        """Return the weight of a node's shortest text, and the text."""
        found = self._shortest.get(id(node))
        if found is None:
            text = self._shortest_text(node)
            found = self._shortest[id(node)] = self._weigh(text) if text else 0, text
        return found

    def _shortest_text(self, node: Node) -> bytes:
        match node:
            case Lit():
                return self._text(node)
            case Chars():
                return any_char(node)
            case Seq(items):
                return b"".join(self._of(item)[1] for item in items)
            case Alt(items):
                return min((self._of(item) for item in items), key=lambda found: found[0])[1]
            case Repeat(item, least, _):
                return self._of(item)[1] * least
            case Ref(name):
                return self._of(self._grammar.rules[name])[1]
