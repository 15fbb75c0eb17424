"""What ends a process that hands it to llama.cpp 0.3.36 does not end ours: each kind of it.

The kinds are those that were measured on llama-cpp-python: grammars that do not parse (it then uses a null
sampler), that parse for ever or take all memory, and tokens that the sampler was not asked about first.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from bridle.messages import JSON
from tiny_gguf import write_tiny_llama

DEADLY: Mapping[str, tuple[str, str]] = {
    "an open bracket": ("root ::= (", "close the parenthesis"),
    "an open set": ("root ::= [a", "has no end"),
    "an open text": ('root ::= "a', "has no end"),
    "no rules": ("", "no rule called 'root'"),
    "no rule root": ('main ::= "a"', "no rule called 'root'"),
    "an undefined rule": ("root ::= nothing", "'nothing' is not defined"),
    "a class escape in a text": (r'root ::= "\d"', "escape"),
    "a class escape in a set": (r"root ::= [\d]{4}", "escape"),
    "an underscore in a name": ('root ::= my_rule\nmy_rule ::= "a"', "'_' cannot stand here"),
    "left recursion": ('root ::= root "a" | "b"', "begins with itself"),
    "left recursion behind nothing": (
        'root ::= a "x"\na ::= e e root\ne ::= f\nf ::= "y"?',
        "begins with itself",
    ),
    "a loop around nothing": ('root ::= ("")*', "endless repetition of what may be empty"),
    "a loop around loops around nothing": ('root ::= (""*)*', "nothing to repeat"),
    "a repetition from more to less": ('root ::= "a"{3,2}', "runs from 3 to 2"),
    "five thousand repetitions": ("root ::= char{0,5000}\nchar ::= [a-z]", "5000 is too large"),
    "the first number that is taken as endless": ('root ::= "a"{0,2001}', "2001 is too large"),
    "repetitions of repetitions": ('root ::= ("a"{0,60}){60}', "60 repetitions make 3660 rules"),
    "a number that overflows": ('root ::= "a"{99999999999999999999}', "99999999999999999999 is too large"),
    "a token that there is not": ("root ::= <no_such_token>", "a token cannot stand here"),
    "the number of a token that there is not": ("root ::= <[999999]>", "a token cannot stand here"),
    "tokens behind characters": ('root ::= ["" [^x] !<[7]> root', "a token cannot stand here"),
    "a hundred thousand brackets": ("root ::= " + "(" * 100_000, "nested too deeply"),
    "a range from more to less": ("root ::= [z-a]", "ends before it begins"),
    "a zero byte": ('root ::= "a\0b"', "U+0000"),
}
"""A grammar by its kind, and what the error has to say of it."""

HEAVY: Mapping[str, JSON] = {
    "a long string": {"type": "string", "maxLength": 5000},
    "a class escape": {"type": "string", "pattern": r"^\d{4}-\d{2}$"},
    "an empty object": {"type": "object", "properties": {}, "additionalProperties": False},
    "no schema at all": {},
    "many items": {"type": "array", "items": {"type": "integer"}, "minItems": 60, "maxItems": 64},
    "a long list of a long list": {
        "type": "array",
        "maxItems": 60,
        "items": {"type": "array", "maxItems": 60, "items": {"type": "boolean"}},
    },
}
"""Schemas that servers and converters of the llama.cpp family fail with, some of them for ever."""

_START = """
import sys; sys.path[:0] = {path!r}
import llama_cpp
from bridle.errors import BridleError, GrammarError
from bridle.grammars import Bounds, schema_grammar
from bridle.grammars.engines.gbnf import GbnfEngine
from bridle.grammars.engines.llguidance import LlguidanceEngine
FILE = {file!r}
loaded = llama_cpp.Llama(FILE, vocab_only=True, verbose=False)
vocab = llama_cpp.llama_model_get_vocab(loaded.model)
ENDS = [638, 639]
engine = GbnfEngine(vocab, 640, ENDS)
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_llama(tmp_path_factory.mktemp("model") / "tiny.gguf", n_ctx=512)


def survived(file: Path, code: str) -> list[str]:
    """Run code in a process of its own, which must end by itself; return the lines that it printed."""
    done = subprocess.run(
        [sys.executable, "-c", _START.format(path=sys.path, file=str(file)) + code],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def refusals(file: Path) -> dict[str, str]:
    """What is said about each deadly grammar, all in one process."""
    said = survived(
        file,
        f"""
for text in {[text for text, _ in DEADLY.values()]!r}:
    try:
        engine.matcher(text)
        print("taken")
    except GrammarError as error:
        print("refused:", ascii(str(error)[:400]))
""",
    )
    return dict(zip(DEADLY, said, strict=True))


@pytest.mark.parametrize("kind", DEADLY)
def test_a_deadly_grammar_is_refused_in_words(refusals: dict[str, str], kind: str) -> None:
    assert refusals[kind].startswith("refused:")
    assert DEADLY[kind][1] in refusals[kind]


def test_a_deadly_grammar_in_a_question_leaves_a_usable_model(file: Path) -> None:
    said = survived(
        file,
        f"""
from bridle.endpoints.base import Request
from bridle.endpoints.llamacpp import LlamaCpp
from bridle.wrappers import Segment
prompt = (Segment("Say it."),)
with LlamaCpp(FILE) as endpoint:
    for text in {[text for text, _ in DEADLY.values()]!r}:
        try:
            endpoint.complete(Request(prompt, max_tokens=20, gbnf=text))
        except GrammarError:
            print("refused")
    print(endpoint.complete(Request(prompt, max_tokens=20, gbnf='root ::= "yes"')).text)
""",
    )
    assert said == ["refused"] * len(DEADLY) + ["yes"]


def test_random_grammars_do_not_kill_the_process(file: Path) -> None:
    said = survived(
        file,
        r"""
import random
pieces = ['"a"', '"b" ', '[a-c]', '[^x]', '(', ')', '|', '*', '+', '?', '{2}', '{0,3}', '{1,}', ' a ', ' b ',
          ' root ', '"', '""', '[', '\\', '\n', '\na ::= ', '\nb ::= ', '.', '#', '<[12]>', '_']
taken = 0
for seed in range(1500):
    rng = random.Random(seed)
    text = "root ::= " + "".join(rng.choice(pieces) for _ in range(rng.randrange(1, 14)))
    text += rng.choice(["", '\na ::= "x" b?\nb ::= [yz] | "w" a', '\na ::= b b\nb ::= "x"?'])
    try:
        matcher = engine.matcher(text)
    except GrammarError:
        continue
    taken += 1
    for _ in range(6):
        token = rng.choice([t for t in range(640) if matcher.allows(t)] or [0])
        try:
            matcher.accept(token)
        except GrammarError:
            break
        matcher.done
print(taken)
""",
    )
    assert int(said[-1]) > 50


def test_any_token_may_be_asked_about_and_offered(file: Path) -> None:
    # llama.cpp's sampler ends the process for a token that the vocabulary does not have or the grammar not
    # allow ("Unexpected empty grammar stack"): controls, ends, blanks, halves of characters.
    said = survived(
        file,
        """
tokens = [*range(640), -1, 640, 10**6, 2**31, -2**40, 2**70]
for engine in (engine, LlguidanceEngine(vocab, 640, ENDS)):
    matcher = engine.matcher(schema_grammar({"enum": ["{yes}", "nö"]}))
    taken = refused = 0
    while not matcher.done:
        good = [token for token in tokens if matcher.allows(token)]
        for token in tokens:
            if token not in good:
                assert not matcher.ends_with([token])
                try:
                    matcher.accept(token)
                except GrammarError:
                    refused += 1
        matcher.accept(good[0])
        taken += 1
    print(taken, refused > 100 * taken, matcher.accepting)
""",
    )
    assert len(said) == 2
    assert all(line.endswith(" True True") and int(line.split()[0]) > 0 for line in said)


def test_schemas_that_are_too_much_for_converters_are_held(file: Path) -> None:
    said = survived(
        file,
        f"""
import random
from bridle.grammars import sample
pieces = [loaded.detokenize([token]) for token in range(256)]
engines = (engine, LlguidanceEngine(vocab, 640, ENDS))
for kind, schema in {dict(HEAVY)!r}.items():
    grammar = schema_grammar(schema, bounds=Bounds(declared_chars=5000))
    for engine in engines:
        for seed in range(3):
            text = sample(grammar, random.Random(seed)).encode()[:2000]
            matcher = engine.matcher(grammar)
            for byte in text:
                matcher.accept(pieces.index(bytes([byte])))
            assert len(text) == 2000 or matcher.accepting
    print(kind)
""",
    )
    assert said == list(HEAVY)
