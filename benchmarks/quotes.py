"""Does quoting help a weak model to copy? Exact arguments with and without it, on the same items, in one run.

    python benchmarks/quotes.py [--model FILE.gguf] [--items N] [--seed S] [--show N]

Each item is a request that says a name, a title or a note, and one function with one argument for it: the
agent's own `archival_memory_insert` and `archival_memory_search`, shown as the agent shows them, and four
other tools, shown together. Both arms are held by a grammar to a call of that function and see the same
prompt; in one of them the argument is quoted from the request, in the other it is any string. Decoding is
greedy. Names are put together from syllables, so that none can be known. An argument is right if it is just
what was said. Printed are both shares, how often only one arm was right, and the exact two-sided McNemar
test.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import comb
from pathlib import Path

ROOT = Path(__file__).absolute().parent.parent
sys.path[:0] = [str(ROOT / part) for part in ("wrappers", "grammars", "endpoints", "agent")]

from bridle.agent.functions import FUNCTIONS  # noqa: E402
from bridle.agent.prompt import COMPACT, compose, memory_text  # noqa: E402
from bridle.endpoints.base import Request  # noqa: E402
from bridle.endpoints.choose import choose_wrapper  # noqa: E402
from bridle.endpoints.embedded import open_embedded  # noqa: E402
from bridle.endpoints.llamacpp import LlamaCpp  # noqa: E402
from bridle.grammars import Bounds, call_grammar  # noqa: E402
from bridle.grammars.quotes import is_quoted, quoted  # noqa: E402
from bridle.messages import JSON, Message, ToolSpec  # noqa: E402
from bridle.wrappers import Wrapper  # noqa: E402

NOW = datetime(2026, 11, 20, 8, 5)
BOUNDS = Bounds(thoughts_chars=120, string_chars=240)
ONSETS = (
    "Br",
    "Cz",
    "Dv",
    "Fl",
    "Gw",
    "Hj",
    "K",
    "Kv",
    "L",
    "Mb",
    "Ng",
    "O",
    "Ph",
    "Qu",
    "Sk",
    "Szt",
    "Tz",
    "V",
    "Xi",
    "Zd",
)
VOWELS = ("a", "a", "e", "e", "i", "i", "o", "o", "u", "ae", "ei", "ou", "y", "ö", "á", "ě")
CODAS = ("ck", "dl", "ff", "gh", "lm", "nk", "rn", "rz", "st", "sz", "th", "v", "x", "zz", "l", "n")
ENDS = ("a", "o", "ie", "us", "ska", "wyn", "ell", "", "ard", "ique")


@dataclass(frozen=True, slots=True)
class Kind:
    """Requests for one function: how they are worded, and what `said` is put together from."""

    tool: ToolSpec
    key: str
    requests: Sequence[str]
    said: Sequence[str]
    agent: bool = False


def _tool(name: str, about: str, key: str, what: str) -> ToolSpec:
    schema: JSON = {"type": "string", "description": what}
    return ToolSpec(name, about, {"type": "object", "properties": {key: schema}, "required": [key]})


def _own(name: str) -> ToolSpec:
    (found,) = (tool for tool in FUNCTIONS if tool.name == name)
    return found


_NOTES = (
    "the spare key is with {name}", "{name} from {name} owes me 40 euros", "the code for {name} is {number}",
    "the {name} of {name} is behind the shed", "{name} brings the {name} at {number} o'clock",
)  # fmt: skip
_NAMES = ("{name} {name}", "{name}", "{name} {name}-{name}")
KINDS = (
    Kind(
        _own("archival_memory_insert"), "content",
        ("Save this note: {said}.", "Remember that {said}.", "Please make a note: {said}"), _NOTES, True,
    ),
    Kind(
        _own("archival_memory_search"), "query",
        ("What do you know about {said}?", "Search your notes for {said}."), _NAMES, True,
    ),
    Kind(
        _tool("call_contact", "Call a person by name.", "name", "Who to call."), "name",
        ("Call {said}.", "Please call {said} now.", "I need to talk to {said}, call them."), _NAMES,
    ),
    Kind(
        _tool("play_song", "Play a song by its title.", "title", "The title of the song."), "title",
        ("Play the song {said}.", "Play {said}, please.", 'I want to hear "{said}".'),
        ("{name} in {name}", "The {name} of {name}", "{name} {number}"),
    ),
    Kind(
        _tool("book_table", "Book a table in a restaurant.", "restaurant", "The name of the restaurant."),
        "restaurant", ("Book a table at {said}.", "Please reserve a table at {said} for tonight."),
        ("Chez {name}", "{name} & {name}", "{name}'s Kitchen"),
    ),
    Kind(
        _tool("send_parcel", "Send a parcel.", "address", "Where it goes."), "address",
        ("Send the parcel to {said}.", "The parcel goes to {said}."),
        ("{name} Street {number}, {name}", "{number} {name} Road", "{name}straße {number}"),
    ),
)  # fmt: skip


@dataclass(slots=True)
class Count:
    """Items of one kind: all, right without and with quoting, right in one arm only, and quotes by chance."""

    n: int = 0
    free: int = 0
    quoted: int = 0
    only_free: int = 0
    only_quoted: int = 0
    happened: int = 0

    def add(self, free: bool, held: bool, happened: bool) -> None:
        """Count one item."""
        self.n += 1
        self.free += free
        self.quoted += held
        self.only_free += free and not held
        self.only_quoted += held and not free
        self.happened += happened


def items(kind: Kind, count: int, rng: random.Random) -> Iterator[tuple[str, str]]:
    """Draw requests, each with the argument that it says."""
    for i in range(count):
        said = rng.choice(kind.said)
        while "{name}" in said:
            said = said.replace("{name}", _name(rng), 1)
        said = said.replace("{number}", str(rng.randint(2, 998)))
        yield kind.requests[i % len(kind.requests)].format(said=said), said


def _name(rng: random.Random) -> str:
    name = rng.choice(ONSETS) + rng.choice(VOWELS) + rng.choice(CODAS)
    return name + (rng.choice(VOWELS) + rng.choice(CODAS) if rng.random() < 0.3 else "") + rng.choice(ENDS)


def prompted(kind: Kind, request: str) -> tuple[tuple[Message, ...], tuple[ToolSpec, ...]]:
    """What the model is shown: the agent's own prompt, or a system turn and the request."""
    user = Message("user", request)
    if kind.agent:
        return compose(COMPACT, (user,), memory_text(COMPACT, COMPACT.core(), NOW)), FUNCTIONS
    return (Message("system", COMPACT.system), user), tuple(one.tool for one in KINDS if not one.agent)


def argument(
    endpoint: LlamaCpp, wrapper: Wrapper, kind: Kind, request: str, quotes: Mapping[str, Sequence[str]] | None
) -> str:
    """Ask for the call and return its argument."""
    messages, tools = prompted(kind, request)
    tool = kind.tool if quotes is None else quoted(kind.tool, {kind.key: "user"})
    grammar = call_grammar([tool], wrapper.syntax.shape, "call", bounds=BOUNDS, quotes=quotes)
    prompt = wrapper.render(messages, tools)
    answer = endpoint.complete(
        Request(prompt=prompt, control=wrapper.control, stop=wrapper.stop, grammar=grammar)
    )
    calls = wrapper.syntax.read(answer.text, [kind.tool]).calls
    return str(calls[0].arguments[kind.key]) if calls else ""


def mcnemar(one: int, other: int) -> float:
    """The exact two-sided p value of so many pairs that differ one way, and so many the other."""
    n = one + other
    return min(1.0, 2 * sum(comb(n, k) for k in range(min(one, other) + 1)) / 2**n)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Exact arguments with and without quoting.")
    parser.add_argument("--model", type=Path, help="a GGUF file instead of the embedded model")
    parser.add_argument("--items", type=int, default=50, help="items of each kind")
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--show", type=int, default=0, help="print so many items of each kind")
    args = parser.parse_args()
    counts: dict[str, Count] = {}
    begun = time.process_time()
    with open_embedded() if args.model is None else LlamaCpp(args.model) as endpoint:
        wrapper, _ = choose_wrapper(endpoint, "auto")
        for number, kind in enumerate(KINDS):
            count = counts[kind.tool.name] = Count()
            for i, (request, said) in enumerate(
                items(kind, args.items, random.Random(args.seed * 100 + number))
            ):
                free = argument(endpoint, wrapper, kind, request, None)
                held = argument(endpoint, wrapper, kind, request, {"user": [request]})
                assert is_quoted(held, [request]), held
                count.add(free == said, held == said, is_quoted(free, [request]))
                if i < args.show:
                    print(f"  {request!r}: {free!r} | {held!r}")
    total = Count(*(sum(getattr(one, name) for one in counts.values()) for name in Count.__slots__))
    print("| function | n | exact without | exact with | only without | only with | p |")
    print("|---|---|---|---|---|---|---|")
    for name, one in {**counts, "all": total}.items():
        p = mcnemar(one.only_free, one.only_quoted)
        row = (one.n, f"{one.free / one.n:.0%}", f"{one.quoted / one.n:.0%}", one.only_free, one.only_quoted)
        print("|", name, "|", " | ".join(map(str, row)), f"| {p:.2g} |")
    print(f"without quoting, {total.happened} of {total.n} arguments happened to be quotes")
    print(f"{time.process_time() - begun:.0f} s of CPU time")


if __name__ == "__main__":
    main()
