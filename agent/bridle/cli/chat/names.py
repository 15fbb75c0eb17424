"""Names for agents that were given none: two friendly words, such as MellowOtter."""

from __future__ import annotations

import random
from collections.abc import Collection

__all__ = ["friendly_name"]

FIRST = (
    "Able", "Agile", "Amber", "Brave", "Bright", "Calm", "Candid", "Cheerful", "Clever", "Cosy", "Curious",
    "Daring", "Eager", "Earnest", "Fair", "Gentle", "Glad", "Golden", "Happy", "Honest", "Humble", "Jolly",
    "Keen", "Kind", "Lively", "Loyal", "Lucky", "Mellow", "Merry", "Mild", "Neat", "Nimble", "Noble",
    "Patient", "Polite", "Proud", "Quick", "Quiet", "Rapid", "Ready", "Sincere", "Steady", "Sunny", "Swift",
    "Tidy", "Tranquil", "Vivid", "Warm", "Willing", "Witty",
)  # fmt: skip
SECOND = (
    "Alder", "Badger", "Beech", "Birch", "Bison", "Clover", "Comet", "Condor", "Crane", "Dolphin", "Falcon",
    "Fern", "Finch", "Gecko", "Hazel", "Heron", "Ibis", "Jay", "Juniper", "Kestrel", "Koala", "Lark", "Lemur",
    "Lynx", "Magpie", "Maple", "Marmot", "Newt", "Orca", "Oriole", "Osprey", "Otter", "Panda", "Pebble",
    "Pelican", "Plover", "Puffin", "Quail", "Raven", "Robin", "Rowan", "Sparrow", "Swan", "Tern", "Thistle",
    "Toucan", "Walrus", "Willow", "Wombat", "Wren",
)  # fmt: skip


def friendly_name(taken: Collection[str] = (), *, chance: random.Random | None = None) -> str:
    """Make a name that is not `taken`, in any case of its letters.

    >>> friendly_name(chance=random.Random(1))
    'CleverPuffin'
    """
    chance = chance or random.SystemRandom()
    used = {name.casefold() for name in taken}
    number = 1
    while True:
        name = chance.choice(FIRST) + chance.choice(SECOND)
        if number > len(FIRST):  # nearly all of them are taken
            name += str(number)
        if name.casefold() not in used:
            return name
        number += 1
