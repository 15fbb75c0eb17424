"""The guard's own cases: what a vocabulary cannot spell, and where words end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from bridle.endpoints.base import Request
from bridle.endpoints.llamacpp import LlamaCpp
from bridle.endpoints.llamacpp.guard import Guard
from bridle.endpoints.llamacpp.landing import ends_word
from bridle.endpoints.llamacpp.runtime import Runtime
from bridle.errors import BudgetError, GrammarError
from bridle.grammars import Alt, Chars, Grammar, Lit, Repeat, Seq
from bridle.grammars.engines.closing import Plans
from noise import PROMPT, WILD
from tiny_gguf import write_tiny_llama

TEXT = Grammar(Seq((Lit('"'), Repeat(Chars(((32, 33), (35, 0x2FFF))), 0, 400), Lit('"'))))


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    path = write_tiny_llama(tmp_path_factory.mktemp("model") / "tiny.gguf")
    with LlamaCpp(path) as endpoint:
        yield endpoint._runtime  # pyright: ignore[reportPrivateUsage]


def plans_for(runtime: Runtime, grammar: Grammar, *, spells: bool = True) -> Plans:
    piece, spell = runtime.vocabulary.piece, runtime._speller  # pyright: ignore[reportPrivateUsage]
    return Plans(grammar, spell if spells else lambda _: None, lambda token: len(piece(token)))


def guard_for(
    runtime: Runtime,
    grammar: Grammar,
    most: int,
    *,
    spells: bool = True,
    sure: bool = True,
    timed: bool = False,
) -> Guard:
    matcher = runtime._engine(grammar).matcher(grammar)  # pyright: ignore[reportPrivateUsage]
    plans = plans_for(runtime, grammar, spells=spells)
    return Guard(plans, matcher, most, runtime.vocabulary.piece, sure=sure)


def test_a_vocabulary_that_cannot_spell_the_end_is_refused(runtime: Runtime) -> None:
    with pytest.raises(GrammarError, match="promised"):
        guard_for(runtime, TEXT, 1, spells=False)
    with pytest.raises(GrammarError, match="promised"):
        guard_for(runtime, TEXT, 300, spells=False, sure=False)
    assert guard_for(runtime, TEXT, 300, spells=False).left == 300


def test_without_a_token_for_each_byte_every_plan_is_verified(runtime: Runtime) -> None:
    assert guard_for(runtime, TEXT, 300, sure=False).left == 300
    with pytest.raises(BudgetError):
        guard_for(runtime, Grammar(Lit("a long text that is there")), 3, sure=False)


def test_the_last_word_is_not_told_before_it_is_certain(runtime: Runtime) -> None:
    matcher = runtime._engine(TEXT).matcher(TEXT)  # pyright: ignore[reportPrivateUsage]
    guard = guard_for(runtime, TEXT, 12)
    tokens = runtime._speller(b'"hello you and hell') or ()  # pyright: ignore[reportPrivateUsage]
    told = list[int]()
    for token in tokens:
        assert guard.admits(token, matcher)
        guard.took(token)
        matcher.accept(token)
        told.append(guard.told)
    assert told == sorted(told)
    assert told[-1] < len(tokens)
    back = guard.loose(None)
    assert back == len(tokens) - told[-1]
    guard.take_back(back)
    assert guard.left == 12 - len(tokens) + back
    assert guard.told == len(tokens) - back


def test_an_answer_goes_on_where_no_end_is_known(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is cut by its length then, as without a guard."""
    grammar = Grammar(Repeat(Lit("ab"), 30, 40))

    def nothing(*_: object) -> tuple[int, ...]:
        return ()

    monkeypatch.setattr(Guard, "admits", nothing)
    monkeypatch.setattr(Plans, "shortest", nothing)
    monkeypatch.setattr(Guard, "way_out", nothing)
    request = Request(PROMPT, grammar=grammar, sampling=WILD, max_tokens=13)
    run = runtime.start(request, 13, None, None)
    ending = run.go()
    assert (ending, len(run.answer)) == ("length", 13)


def test_the_model_chooses_again_among_what_fits(runtime: Runtime) -> None:
    long = "a choice that takes more tokens than are left for it"
    grammar = Grammar(Seq((Lit("x"), Alt((*(Lit(f"{n}{long}") for n in range(9)), Lit("y"), Lit("z"))))))
    texts = set[str]()
    for seed in range(12):
        request = Request(PROMPT, grammar=grammar, sampling=replace(WILD, seed=seed), max_tokens=5)
        run = runtime.start(request, 5, None, None)
        assert run.go() == "grammar"
        texts.add(run.text.close())
    assert texts <= {"xy", "xz"}
    assert len(texts) == 2


@pytest.mark.parametrize(
    ("text", "following", "ends"),
    [
        ("the end", " of", True),
        ("the en", "d of", False),
        ("end. ", "Of", False),
        ("end.", " Of", True),
        ("end", ".", True),
        ("", "a", False),
        ("a", "", False),
        ("日", "本", True),
        ("é", "é", False),
        ("it", "'s", False),
        ("a\\", "n", True),
        ("!", "\\n", False),
        ("a", "\\n", True),
    ],
)
def test_where_words_end(text: str, following: str, *, ends: bool) -> None:
    assert ends_word(text.encode(), following.encode()) is ends
