"""Conversations in the shape of LoCoMo's file, made from a seed: two people, dated sessions, and questions
whose answers stand in one turn, in the turn after a question, under a date, in two turns, or in a picture."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

THINGS = (
    "kayak", "violin", "greenhouse", "telescope", "sourdough", "marathon", "pottery", "orchard", "chess",
    "beehive", "camera", "bicycle", "aquarium", "novel", "sculpture", "tango", "falcon", "quilt", "sailboat",
)  # fmt: skip
FEELINGS = ("thrilled", "nervous", "exhausted", "proud", "curious", "jealous", "grateful", "disappointed")
PLACES = ("Lisbon", "Tromso", "Kyoto", "Quito", "Cork", "Perth", "Turin", "Bergen", "Nairobi", "Malmo")
CHATTER = (
    "That sounds great, tell me more about it!", "I have been busy with work lately.", "Wow, well done!",
    "How has your week been?", "I really needed to hear that, thanks.", "It was good to see everybody again.",
    "Take care and talk to you soon!", "My weekend was quiet, I mostly stayed at home.",
)  # fmt: skip
NAMES = (("Imogen", "Tobias"), ("Delphine", "Osric"), ("Yusuf", "Marta"), ("Bea", "Lionel"))


@dataclass
class Sample:
    """One conversation while it is made."""

    rng: random.Random
    names: tuple[str, str]
    talk: dict[str, object] = field(default_factory=dict[str, object])
    qa: list[dict[str, object]] = field(default_factory=list[dict[str, object]])
    session: list[dict[str, object]] = field(default_factory=list[dict[str, object]])
    number: int = 0

    def begin(self, at: datetime) -> None:
        self.number += 1
        self.session = []
        self.talk[f"session_{self.number}"] = self.session
        half = "am" if at.hour < 12 else "pm"
        self.talk[f"session_{self.number}_date_time"] = (
            f"{(at.hour - 1) % 12 + 1}:{at.minute:02d} {half} on {at.day} {at:%B}, {at.year}"
        )

    def say(self, who: int, text: str, **more: object) -> str:
        named = f"D{self.number}:{len(self.session) + 1}"
        self.session.append({"speaker": self.names[who], "dia_id": named, "text": text, **more})
        return named

    def ask(self, question: str, answer: str, evidence: list[str], category: int) -> None:
        self.qa.append({"question": question, "answer": answer, "evidence": evidence, "category": category})


def locomo(conversations: int, sessions: int, seed: int) -> list[dict[str, object]]:
    """Samples as `locomo10.json` holds them; equal arguments give equal ones."""
    return [_sample(random.Random(f"{seed} {number}"), number, sessions) for number in range(conversations)]


def _sample(rng: random.Random, number: int, sessions: int) -> dict[str, object]:
    sample = Sample(rng, NAMES[number % len(NAMES)])
    at = datetime(2023, 1, 9, 8, 15)
    firsts: dict[str, str] = {}
    for things in _spread(rng, sessions):
        at += timedelta(days=rng.randrange(5, 20), minutes=rng.randrange(700))
        sample.begin(at)
        for thing in things:
            _scene(sample, thing, at, firsts)
    sample.talk |= {"speaker_a": sample.names[0], "speaker_b": sample.names[1]}
    return {"sample_id": f"made-{number}", "conversation": sample.talk, "qa": sample.qa}


def _spread(rng: random.Random, sessions: int) -> Iterator[list[str]]:
    for _ in range(sessions):
        yield rng.sample(THINGS, 3)


def _scene(sample: Sample, thing: str, at: datetime, firsts: dict[str, str]) -> None:
    rng, who = sample.rng, sample.rng.randrange(2)
    name, other = sample.names[who], sample.names[1 - who]
    for _ in range(rng.randrange(1, 4)):
        sample.say(rng.randrange(2), rng.choice(CHATTER))
    feeling, place = rng.choice(FEELINGS), rng.choice(PLACES)
    sample.say(1 - who, f"How did it go with the {thing}, {name}?")
    answer = sample.say(who, f"I was {feeling}, to be honest. We did it near {place}.")
    day = f"{at:%B} {at.year}"
    sample.ask(f"How did {name} feel about the {thing} in {day}?", feeling, [answer], 4)
    sample.ask(f"When was {name} near {place}?", day, [answer], 2)
    shown = sample.say(
        1 - who, "Look what I saw!", img_url=["x"], blip_caption=f"a photo of a {thing} beside a red door"
    )
    sample.ask(f"What did {other} see beside a red door in {day}?", thing, [shown], 4)
    if thing in firsts:
        sample.ask(f"Where has the {thing} been talked about?", place, [firsts[thing], answer], 1)
    firsts[thing] = answer
