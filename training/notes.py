"""Notes: sentences that fit no topic, the questions that ask for them, and what a search for them gives."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from entities import POOLS, WORDS, pick_value, pseudo
from frames import Piece, Split, pick, plain, render

__all__ = ["Note", "aside", "listing", "note", "question", "sentence_about"]


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence, and what it is about."""

    text: str
    about: str
    ask: tuple[str, ...]


# (sentence, what it is about, questions). <x> is what it is about.
_KINDS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("the <x> is <spot>", "object", ("where is the <x>", "where's the <x>", "where did I put the <x>", "where did I leave the <x>",
     "have you seen the <x>", "I can't find the <x>, where is it", "where do I find the <x>", "do you know where the <x> is", "what happened to the <x>", "wheres the <x>", "where can the <x> be", "where did we put the <x>", "I need the <x>, where is it", "in which place is the <x>")),
    ("I (put|left|hid|keep) the <x> <spot>", "object", ("where is the <x>", "where did I put the <x>", "where did I leave the <x>", "where did I hide the <x>", "where do I keep the <x>", "do you remember where I put the <x>", "find the <x>", "where have I put the <x>", "where on earth is the <x>")),
    ("the <x> (is on|moved to|was moved to|is now on|has been moved to) <weekday_clock>", "event", ("when is the <x>", "when's the <x>", "what day is the <x>", "what time is the <x>", "when does the <x> start",
     "on which day is the <x>", "do you know when the <x> is", "when do we have the <x>", "is the <x> on Friday", "tell me when the <x> is", "when was the <x> again", "at what time does the <x> begin", "how long until the <x>")),
    ("the <x> (starts at|begins at|is at|ends at) <clock>", "event", ("when is the <x>", "when does the <x> start", "what time does the <x> start", "what time is the <x>", "at what time is the <x>", "when does the <x> begin", "when does the <x> end", "how late is the <x>")),
    ("the <x> is <code>", "secret", ("what is the <x>", "what's the <x>", "whats the <x>", "do you know the <x>", "the <x>?", "give me the <x>", "I forgot the <x>", "what was the <x>", "I need the <x>", "can you tell me the <x>", "look up the <x>", "tell me the <x>")),
    ("<x> (borrowed|has|took|still has|lost) (the|my) <object>", "person", ("what did <x> borrow", "what does <x> have", "what about <x>", "what do you know about <x>", "what has <x> got", "what did <x> take", "anything about <x>", "did <x> take something")),
    ("<x> (owes me|gave me|paid me|lent me) <size>", "person", ("what does <x> owe me", "how much does <x> owe me", "what do you know about <x>", "what did <x> give me", "what about <x>", "does <x> owe me money", "how much did <x> lend me")),
    ("<x> (likes|hates|collects|wants|prefers) <liked>", "person", ("what does <x> like", "what do you know about <x>", "what about <x>", "who is <x>", "what can I give <x>", "what does <x> want", "tell me about <x>", "what does <x> hate")),
    ("<x> is coming (on <weekday>|at <clock>|next week)", "person", ("when is <x> coming", "when does <x> come", "who is <x>", "what about <x>", "when will <x> be here", "is <x> coming", "when do I see <x>")),
    ("the <x> (costs|is worth) <size>", "noun", ("how much is the <x>", "what does the <x> cost", "how much does the <x> cost", "what's the price of the <x>", "how expensive is the <x>", "what is the <x> worth")),
    ("the <x> (closes|opens) at <clock>", "shop", ("when does the <x> close", "when does the <x> open", "is the <x> open", "how long is the <x> open", "what time does the <x> close", "what are the hours of the <x>", "until when is the <x> open")),
    ("the <x> is (broken|empty|ready|lost|at the repair shop|too small|in the wash|locked|finished|sold)", "noun", ("what about the <x>", "how is the <x>", "is the <x> ok", "what happened to the <x>", "what's wrong with the <x>", "what is the state of the <x>", "what's up with the <x>", "does the <x> work")),
    ("the <x> <word> <word2>", "word", ("what about the <x>", "what do you know about the <x>", "what is the <x>", "anything on the <x>", "tell me about the <x>", "what did I note about the <x>", "is there a note about the <x>", "do you have a note about the <x>", "what's with the <x>")),
    ("the recipe for <x> needs <word> and <word2>", "liked", ("what do I need for <x>", "what does the recipe for <x> need", "how do I make <x>", "what's in <x>", "how do I cook <x>")),
)

_ASIDES: tuple[str, ...] = (
    "I feel like <liked> tonight", "I'm <feeling>", "I am <feeling>", "I <verb_past> <person> today", "it is raining here", "we had <liked> for dinner", "I need to buy <liked>",
    "<person> is coming on <weekday>", "the <event> was great", "I have to pick up the <object> on <weekday>", "the <event> moved to <weekday>", "the <event> is on <weekday_clock>", "today was a long day", "I bought a new <noun>",
    "I broke my <noun>", "I lost my <noun>", "I saw a <word> in <place>", "I'm going to <place> next week", "there is a <word> in the <word2>", "I think <liked> is overrated", "we are planning a trip to <place>", "I dreamt of <liked>",
    "the <noun> is broken", "I can't find the <object>", "I won the <event>", "I went to <place> on <weekday>", "I will visit <person> in <place>", "the spare <noun> is <spot>", "the <object> is <spot>", "I put the <object> <spot>", "<person> called about the <event>",
    "I have an exam on <weekday>", "there's a sale at <company>", "we need more <liked>", "the kids are at <person>'s house", "I had a bad day", "I slept badly", "it's snowing in <place>", "I fell off my bike", "I have to call <person> tomorrow", "I owe <person> <size>",
    "<person> owes me <size>", "the rent is due on <weekday>", "I need to water the plants", "the cat threw up again", "I finished the <word> <word2>", "I'm reading a book about <word>", "I watched <liked> last night", "I'm cooking <liked> tonight", "I ran <size> today", "I quit smoking",
    "my back hurts", "I have a headache", "I'm waiting for <person>", "the <noun> <word> the <word2>", "I want to learn <language>", "I want to visit <place>", "I would love to see <place>", "next week I start at the gym", "the train was late", "the <noun> costs <size>", "<person> got married",
    "<person> had a baby", "<person> is sick", "<person> lives in <place>", "we won the game", "I cooked for <person>", "I spent <size> on <liked>", "the meeting with <person> went well", "I got a letter from <company>", "tomorrow is the <event>", "tonight is the <event>", "I left the <object> <spot>",
    "the plumber comes on <weekday_clock>", "someone stole my <noun>", "I parked the car <spot>", "I parked on level <int>", "the garden needs water", "the water bill is <size>", "I'm thinking about <liked>", "this morning I saw <person>", "yesterday I ate <liked>", "we ran out of <liked>", "I met <person> at the <event>",
    "I take the bus at <clock>", "the shop closes at <clock>", "<person> will bring <liked>", "<person> said the <word> is <word2>", "I forgot the <object> at <company>", "I have been to <place> twice", "it was <person>'s birthday", "I ordered <liked>", "the package comes on <weekday>", "the <word> <word2> on <weekday>",
)

_ASIDES += (
    "my <relation> <deed>", "<person> <deed>", "the <word> <deed>", "our <word> <deed>", "I heard that <person> <deed>", "my <relation> <person> <deed>", "<person> told me that <person2> <deed>", "the <word> in <place> is <word2>",
    "I think the <word> is <word2>", "it was a <word> <word2> on <weekday>", "there are <int> <word>s in the <word2>", "we saw <int> <word>s in <place>", "I have to <word> the <word2>", "tomorrow we <word> in <place>", "I want to <word> more", "I should <word> the <object> on <weekday>",
    "let's <word> on <weekday>", "somebody <deed>", "the weather is <word> in <place>", "last night I dreamt about a <word>", "I had <liked> for breakfast", "I can't sleep", "my tooth hurts", "I'm <feeling> and <feeling>", "I just came back from <place>", "I just woke up", "I have a meeting with <person> at <clock>",
    "on <weekday> we go to <place>", "the new <word> arrives on <weekday>", "it costs <size>", "I got <size> from <person>", "I hid the <object> <spot>", "I lent the <object> to <person>", "the <object> belongs to <person>", "the <word> is <spot>", "I'm <word> today", "everything is <word>", "the <word> <word2>s", "a <word> <deed>",
)

_QUESTIONS: tuple[tuple[str, str], ...] = (
    ("what is the capital of <place>", "capital of <place>"), ("who wrote <liked>", "<liked>"), ("how far is <place>", "<place>"), ("why is the <word> so <word2>", "<word> <word2>"),
    ("how does a <noun> work", "<noun>"), ("what does <word> mean", "<word>"), ("where is the <object>", "<object>"), ("when is the <event>", "<event>"), ("who is <person>", "<person>"),
    ("how many people live in <place>", "people <place>"), ("who invented the <word>", "<word>"), ("what is the <noun>", "<noun>"), ("where is <place>", "<place>"), ("is <place> nice", "<place>"),
    ("how old is <person>", "<person>"), ("where does <person> live", "<person>"), ("when does the <word> open", "<word>"), ("who has the <object>", "<object>"), ("where can I buy <liked>", "<liked>"),
    ("is <liked> healthy", "<liked>"), ("what colour is the <word>", "<word>"), ("how much does the <object> cost", "<object>"), ("what is <liked>", "<liked>"), ("when was <person> born", "<person>"), ("why do people like <liked>", "<liked>"),
    ("where did I park the car", "car"), ("what's on my shopping list", "shopping list"), ("what do I have to do today", "today"), ("who is the president of <place>", "president of <place>"), ("how do I get to <place>", "<place>"), ("what is the best <word>", "<word>"),
    ("what time is the <event>", "<event>"), ("which <word> is the <word2>", "<word> <word2>"), ("what did <person> say", "<person>"), ("when is <person> coming", "<person>"), ("what are my notes about <word>", "<word>"), ("do you have a note about <word>", "<word>"), ("search your notes for <word>", "<word>"),
    ("is there anything about <word> in your notes", "<word>"), ("what is in the <word>", "<word>"), ("does <person> like <liked>", "<person> <liked>"), ("can cats eat <liked>", "<liked>"), ("who won the <event>", "<event>"), ("are there <word> in <place>", "<word> <place>"), ("what's the population of <place>", "population of <place>"),
    ("how tall is <person>", "<person>"), ("what happened in <place>", "<place>"), ("who is coming to the <event>", "<event>"), ("how do you cook <liked>", "<liked>"), ("which day is the <event>", "<event>"), ("what is the <word> of the <word2>", "<word> <word2>"), ("look in your notes for <word>", "<word>"), ("what did I write down about <word>", "<word>"),
    ("find my note about <word>", "<word>"), ("have I noted anything about <word>", "<word>"), ("what do you know about <word>", "<word>"), ("what do you know about <person>", "<person>"), ("do you know <person>", "<person>"), ("what do you think of <liked>", "<liked>"),
)

_SHOPS = ("bakery", "library", "post office", "pharmacy", "supermarket", "museum", "pool", "gym", "bank", "town hall", "butcher", "zoo", "bookshop", "cinema", "pub", "market", "hardware store", "dry cleaner", "garage", "kiosk")
_SECRETS = ("wifi password", "Wi-Fi password", "door code", "alarm code", "gate code", "garage code", "safe code", "office code", "router password", "guest password", "locker combination", "key safe code", "admin password", "room number", "meeting id", "flight number", "order number", "bin number", "tax number", "serial number")


_RELATIONS = ("sister", "brother", "boss", "mother", "father", "mum", "dad", "wife", "husband", "neighbour", "son", "daughter", "friend", "teacher", "dog", "cat", "cousin", "uncle", "aunt", "colleague", "landlord", "roommate", "grandma", "team")


class _Slots(dict[str, str]):
    """Values made when a template asks for them."""

    def __init__(self, rng: random.Random, split: Split, **known: str) -> None:
        super().__init__(known)
        self._rng, self._split = rng, split

    def __missing__(self, name: str) -> str:
        rng = self._rng
        if name == "int":
            value = str(rng.randint(1, 99))
        elif name in ("spot", "feeling", "verb_past", "weekday", "language", "event", "month", "instrument"):
            value = rng.choice(POOLS[name])
        elif name == "deed":
            value = plain(render(rng, rng.choice(POOLS["deed"]), self))
        elif name == "relation":
            value = rng.choice(_RELATIONS)
        elif name == "object":
            value = _object(rng, self._split)
        elif name == "size":
            value = f"{rng.randint(2, 300)} {rng.choice(('euros', 'dollars', 'pounds', 'kilos', 'km', 'hours'))}"
        else:
            value = pick_value(rng, {"word2": "word", "person2": "person"}.get(name, name), self._split)
        self[name] = value
        return value


def _object(rng: random.Random, split: Split) -> str:
    kind = rng.random()
    if kind < 0.55:
        return pick_value(rng, "object", split)
    if kind < 0.75:
        return f"{rng.choice(POOLS['color'])} {pick_value(rng, 'word', split)}"
    return pick_value(rng, "word", split) if kind < 0.9 else pseudo(rng)


def _about(rng: random.Random, kind: str, split: Split) -> str:
    if kind == "shop":
        return rng.choice(_SHOPS)
    if kind == "secret":
        return rng.choice(_SECRETS)
    if kind == "event" and rng.random() < 0.7:
        return rng.choice(POOLS["event"])
    if kind in ("event", "word"):
        return f"{pick_value(rng, 'word', split)} {pick_value(rng, 'word', split)}" if rng.random() < 0.4 else pick_value(rng, "word", split)
    return _object(rng, split) if kind == "object" else pick_value(rng, kind, split)


def note(rng: random.Random, split: Split) -> Note:
    """A note that can be asked for."""
    text, kind, asks = rng.choice(_KINDS)
    about = _about(rng, kind, split)
    slots = _Slots(rng, split, x=about)
    return Note(plain(render(rng, text, slots)), about, asks)


def aside(rng: random.Random, split: Split) -> str:
    """A sentence that nobody will ask for."""
    return plain(render(rng, pick(rng, _ASIDES, split), _Slots(rng, split)))


def question(rng: random.Random, split: Split) -> tuple[list[Piece], str]:
    """A question that no topic answers, and what to search for."""
    chosen = pick(rng, _PATTERNS, split)
    slots = _Slots(rng, split)
    return render(rng, chosen, slots), plain(render(rng, _TARGETS[chosen], slots))


_TARGETS = dict(_QUESTIONS)
_PATTERNS = tuple(_TARGETS)

_ABOUT = (
    "I talked to my boss about <v>", "we should talk about <v>", "<v> was great", "I am thinking about <v>", "tell me more about <v>", "I was at <v> yesterday", "<v> is on my mind", "I like <v>", "I need <v> by Friday",
    "do you know <v>?", "I don't care about <v>", "let's not forget <v>", "I read about <v>", "<v> again, as always", "the news about <v> is good", "I saw <v> today", "my sister asked about <v>", "<v> cost me a lot", "it is all about <v>", "there is a problem with <v>",
)


def sentence_about(rng: random.Random, thing: str) -> str:
    """Something that was said about a thing."""
    frame = rng.choice(_ABOUT)
    if rng.random() < 0.4:
        frame += rng.choice((", as you know", " this week", " and I was tired", ", believe me", ", or so they say", " again"))
    text = frame.replace("<v>", thing)
    return text[:1].upper() + text[1:] if rng.random() < 0.6 else text


def listing(lines: Sequence[str], more: int = 0) -> str:
    """What a search returns: a page of five at most, under the number of all, which counts `more` unseen ones."""
    if not lines:
        return "No results."
    shown = lines[:5]
    head = f"{len(shown)} of {len(lines) + (more if len(lines) >= 5 else 0)}:"
    lines = shown
    return "\n".join((head, *(f"- {line}" for line in lines)))
