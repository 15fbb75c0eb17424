"""What can be known about the user: each topic has a key in core memory, wordings and a reply."""

from __future__ import annotations

import random
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from entities import DATA, pick_value
from frames import Piece, Split, article, held, join_words, pick, render

__all__ = ["Topic", "draw_topic", "upper"]

Spec = Mapping[str, object]

_ATTRIBUTES = cast("list[Spec]", tomllib.loads((DATA / "attributes.toml").read_text("utf-8"))["attribute"])
_FAMILIES = {
    str(family["name"]): family
    for family in cast("list[Spec]", tomllib.loads((DATA / "families.toml").read_text("utf-8"))["family"])
}
_NOUNS = {name: cast("dict[str, str]", family.get("nouns", {})) for name, family in _FAMILIES.items()}
_COMMON = (
    "Name",
    "Name",
    "Lives in",
    "Lives in",
    "Job",
    "Job",
    "Age",
    "From",
    "Likes",
    "Likes",
    "Dislikes",
    "Hobby",
    "Works at",
    "Birthday",
    "Phone",
    "Email",
)


def upper(text: str) -> str:
    """The text with a capital first letter, the rest as it is."""
    return text[:1].upper() + text[1:]


@dataclass(frozen=True, slots=True)
class Topic:
    """One thing to know. `noun` is what the user calls it, for topics that come in kinds."""

    family: str
    key: str
    prefix: str
    noun: str
    query: str
    pool: str
    multi: bool
    spec: Spec

    @property
    def slot(self) -> tuple[str, str]:
        """What can hold one value only, unless `multi`."""
        return self.key, self.prefix

    def line(self, value: str) -> str:
        """The line of core memory."""
        return f"{self.key}: {self.prefix}{value}"

    def words(self, name: str, rng: random.Random, split: Split, **slots: str) -> list[Piece]:
        """A wording of one kind: say, ask, fix, drop or about."""
        frame = pick(rng, cast("Sequence[str]", self.spec[name]), split)
        while ("<o>" in frame or "<a o>" in frame) and "o" not in slots:
            frame = pick(rng, cast("Sequence[str]", self.spec[name]), "train")
        return render(rng, frame, {**slots, "n": self.noun})

    @property
    def about(self) -> tuple[str, ...]:
        """Names of it that may stand for its value: "my job", but not "what I do"."""
        names = cast("Sequence[str]", self.spec["about"])
        fitting = tuple(one for one in names if one.startswith(("my ", "the ")) and not self.multi)
        return () if self.pool == "field" else fitting

    @property
    def yours(self) -> str:
        """How the agent names it."""
        return str(self.spec["yours"]).replace("<n>", self.noun)

    def reply(self, values: Sequence[str]) -> str:
        """The agent's statement of the values, without a capital letter and a full stop."""
        template = str(self.spec["reply"])
        if len(values) > 1 and "replies" in self.spec:
            template = str(self.spec["replies"])
        if self.key == "Job" and values[0].startswith("in "):
            template = "you work <v>"
        value = join_words(values)
        return template.replace("<n>", self.noun).replace("<a v>", article(value)).replace("<v>", value)

    def value(self, rng: random.Random, split: Split, avoid: Sequence[str] = ()) -> str:
        """A fresh value, other than those to avoid."""
        return pick_value(rng, self.pool, split, tuple(one.lower() for one in avoid))


def _attribute(rng: random.Random) -> Topic:
    spec = rng.choice(_ATTRIBUTES)
    if rng.random() < 0.5:
        key = rng.choice(_COMMON)
        spec = next(one for one in _ATTRIBUTES if one["key"] == key)
    key = str(spec["key"])
    return Topic("attribute", key, "", "", key.lower(), str(spec["pool"]), bool(spec.get("multi")), spec)


_OWNED = {
    "birthday": "day",
    "phone number": "phone",
    "number": "phone",
    "email": "email",
    "address": "street",
    "job": "job",
    "age": "age",
    "dog": "petname",
    "car": "car",
    "favourite food": "liked",
    "hobby": "hobby",
    "favourite colour": "color",
    "hometown": "place",
    "company": "company",
    "school": "school",
    "boyfriend": "person",
    "wife": "person",
    "husband": "person",
    "boss": "person",
}
"""What belongs to somebody else: "my mum's birthday"; and where its values come from."""


def _owned(rng: random.Random, split: Split) -> Topic:
    people = [name for name in _NOUNS["relation"] if " " not in name]
    while True:
        thing = rng.choice(list(_OWNED))
        noun = f"{rng.choice(people)}'s {thing}"
        if held(noun, 20) == (split != "train"):
            break
    spec = _FAMILIES["generic"]
    return Topic("generic", upper(noun), "", noun, noun, _OWNED[thing], False, spec)


def draw_topic(rng: random.Random, split: Split) -> Topic:
    """A random topic; nouns of the generic kind belong to the split."""
    kind = rng.random()
    if kind < 0.5:
        return _attribute(rng)
    if kind < 0.54:
        return _owned(rng, split)
    shares = (("relation", 0.67), ("pet", 0.75), ("favourite", 0.83), ("group", 0.86), ("generic", 1.0))
    family = next(name for name, upto in shares if kind < upto)
    spec = _FAMILIES[family]
    if family == "generic":
        noun = name = pick_value(rng, "noun", split)
    else:
        nouns = _NOUNS[family]
        names = [n for n in nouns if nouns[n] != n or (held(n, 12) == (split != "train")) or family == "pet"]
        noun = rng.choice(names)
        name = nouns[noun]
    key = str(spec["key"]).replace("<N>", upper(name)).replace("<n>", name)
    prefix = str(spec.get("prefix", "")).replace("<n>", name)
    query = name if family == "pet" else key.lower() if family == "favourite" else name
    return Topic(family, key, prefix, noun, query, str(spec["pool"]), False, spec)
