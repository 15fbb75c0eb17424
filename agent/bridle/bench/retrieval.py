"""How much of the evidence does a search of the archive bring back? Recall among the first k, on LoCoMo.

Each conversation gets a store of its own, as a person's would be: how rare a word is counts within it. Its
turns are stored by the product's own `conversation_drafts` (the turn, found by its date and the turn before
it as well), a picture as a note of what it shows, and each question is put to the archive as it stands. What
is counted is one turn of the conversation: that is what an agent would be shown.

Recall is the share of a question's evidence among the first k, averaged over all questions that have any; a
hit is a question with at least one. Published for the authors' dense retriever, by turns: .588 at 5, .675 at
10, .799 at 25, .848 at 50 (table 3 of https://arxiv.org/abs/2402.17753, over all 50 conversations).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bridle.agent.archival.archive import Archive
from bridle.agent.archival.base import Draft, Embedder
from bridle.agent.archival.conversations import Said, conversation_drafts
from bridle.agent.store import Store
from bridle.bench.locomo import Conversation, Question, TurnId, Utterance
from bridle.endpoints.base import Endpoint, Request
from bridle.errors import EmbedderUnavailable
from bridle.wrappers import Segment

__all__ = ["CUTS", "Asked", "hits_at", "recall_at", "retrieve", "tokens_per_unit", "turn_drafts", "units"]

CUTS = (5, 10, 25, 50)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, and the turns that the archive gave for it, best first."""

    question: Question
    found: tuple[TurnId, ...]

    def recall(self, k: int) -> float:
        """The share of the evidence among the first `k`."""
        return len(self.question.evidence & set(self.found[:k])) / len(self.question.evidence)


def turn_drafts(conversation: Conversation) -> list[tuple[TurnId, Draft]]:
    """Write the turns of a conversation as passages; the turn before one is of the same session."""
    turns = [turn for session in conversation.sessions for turn in session]
    drafts = [
        draft for session in conversation.sessions for draft in conversation_drafts(map(_said, session))
    ]
    return [(turn.id, draft) for turn, draft in zip(turns, drafts, strict=True)]


def _said(turn: Utterance) -> Said:
    named = f"D{turn.id[0]}:{turn.id[1]}"  # with it, equal words of two sessions are two passages
    return Said(turn.speaker, _words(turn), turn.at, {"turn": named})


def _words(turn: Utterance) -> str:
    return f"{turn.text} [picture: {turn.caption}]".strip() if turn.caption else turn.text


def retrieve(
    conversation: Conversation, home: Path, *, embedder: Embedder | None = None
) -> tuple[Asked, ...]:
    """Store a conversation in a new store in `home`, and put each question with evidence to it.

    Raises:
        EmbedderUnavailable: when an embedder is given and cannot be asked.
        StoreError: when the store cannot be written.
    """
    asked: list[Asked] = []
    with Store(home) as store:
        archive = Archive(store, embedder=embedder)
        source = archive.create_source("conversation", conversation.name)
        turns = turn_drafts(conversation)
        ids = archive.add(source, [draft for _, draft in turns])
        _check(archive.warning)
        turn_of = {passage: turn for passage, (turn, _) in zip(ids, turns, strict=True)}
        for question in conversation.questions:
            if question.evidence:
                results = archive.search([source], question.text, size=max(CUTS))
                _check(results.warning)
                asked.append(Asked(question, tuple(turn_of[one.passage.id] for one in results.found)))
    return tuple(asked)


def _check(warning: str) -> None:
    """Refuse to measure words alone where vectors were asked for."""
    if warning:
        raise EmbedderUnavailable(warning, hint="correct --embedder, or leave it out to search by words")


def recall_at(asked: Sequence[Asked], k: int) -> float:
    """The mean share of the evidence among the first `k`; 0 where nothing was asked."""
    return sum(one.recall(k) for one in asked) / max(len(asked), 1)


def hits_at(asked: Sequence[Asked], k: int) -> float:
    """The share of questions with some evidence among the first `k`."""
    return sum(one.recall(k) > 0 for one in asked) / max(len(asked), 1)


def units(conversations: Sequence[Conversation]) -> list[str]:
    """The texts that can be retrieved, as an agent would be shown them."""
    return [draft.text for one in conversations for _, draft in turn_drafts(one)]


def tokens_per_unit(texts: Sequence[str], model: Endpoint) -> float | None:
    """The mean size of texts in the tokens of a model; None where it cannot tell."""
    counts = [model.count_tokens(Request(prompt=(Segment(text),))) for text in texts]
    told = [count for count in counts if count is not None]
    return sum(told) / len(told) if told else None
