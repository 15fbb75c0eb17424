"""The check of GBNF against llama.cpp itself, which runs in processes that may die.

What the check takes, llama.cpp parses and samples from; what it refuses, llama.cpp refuses or dies of, but
for a few things that llama.cpp reads as something else than they say, and that are refused on purpose.
"""

from __future__ import annotations

import json
import queue
import random
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridle.errors import GrammarError
from bridle.grammars import Bounds, call_grammar, check_gbnf, to_gbnf
from bridle.messages import ToolSpec
from bridle.wrappers import JsonLayout
from bridle.wrappers.syntaxes import make_syntax
from tiny_gguf import write_tiny_llama

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the process's limits are Linux's")
WORKER = """
import ctypes, json, random, resource, sys
import llama_cpp, numpy as np
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
model = llama_cpp.Llama(sys.argv[1], vocab_only=True, verbose=False)
vocab = llama_cpp.llama_model_get_vocab(model.model)
size = llama_cpp.llama_vocab_n_tokens(vocab)
kind = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])
def sample(sampler, seed):
    rng, data = random.Random(seed), np.zeros(size, dtype=kind)
    for _ in range(6):
        data["id"], data["logit"] = np.arange(size), 0
        array = llama_cpp.llama_token_data_array(
            data=data.ctypes.data_as(llama_cpp.llama_token_data_p), size=size, selected=-1, sorted=False)
        llama_cpp.llama_sampler_apply(sampler, ctypes.byref(array))
        allowed = [i for i in np.flatnonzero(np.isfinite(data["logit"])).tolist()
                   if not llama_cpp.llama_vocab_is_eog(vocab, i)]
        if not allowed:
            return
        llama_cpp.llama_sampler_accept(sampler, rng.choice(allowed))
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 30), used + (1 << 30)))
print("ready", flush=True)
for line in sys.stdin:
    text = json.loads(line)
    sampler = llama_cpp.llama_sampler_init_grammar(vocab, text.encode("utf-8", "surrogatepass"), b"root")
    if sampler:
        sample(sampler, len(text))
        llama_cpp.llama_sampler_free(sampler)
    print("taken" if sampler else "refused", flush=True)
"""
ON_PURPOSE = (
    "defined a second time",  # llama.cpp forgets the first one
    "names no character",  # it reads [] as nothing
    "ends before it begins",  # it reads [z-a] as a class of nothing
    "is too large",  # it takes the upper end of {0,2001} away
    "an endless repetition of what may be empty",
    "can begin in more than",
    "nested too deeply",
    "hexadecimal digits of a character",  # it writes what is no character
    "cannot stand in a grammar",  # its text ends at U+0000, and half a character is none
    "is no token",
    "the grammar becomes too large",
)
"""What llama.cpp takes (sometimes, or for something else than it says), and the check does not."""
PIECES = (
    "root", " ::= ", '"', "[", "]", "(", ")", "|", "*", "+", "?", "{", "}", "{3,2}", "{2}", "{0,}", "{,2}",
    "{2001}", "{0,2001}", "{1000}", ",", "a", "-", "^", "\\", "\\d", "\\x4", "\\n", "\n", " ", "#", ".", "_",
    "3", "é", '""', "'", "\\u00e9", "[^a]", '("x"?)*', "b", "ws", "-1", "\r\n", "::=", "\nb ::= ",
    "root ::= ",
)  # fmt: skip
SEEDS = [
    'root ::= "yes" | "no"',
    "root ::= [a-z]{2,4} b?\nb ::= (\"x\" | [^\\n\\\\\"]){0,3} \"é\"",
    'root ::= item+\nitem ::= "- " [^\\r\\n\\x0b\\u2028]+ "\\n"',
    'root ::= ("a" b)* | b{2}{3}\nb ::= "x" # why\n',
    'root ::= object\nobject ::= "{" ws ( "\\"k\\"" ":" ws value ("," ws value)* )? "}"\n'
    'value ::= object | [0-9]+ | "null"\nws ::= [ \\t]{0,20}\n',
]  # fmt: skip


class Oracle:
    """Asks llama.cpp about grammars, in a process that is started again when it dies or does not answer."""

    def __init__(self, model: Path) -> None:
        self._model = model
        self._process: subprocess.Popen[str] | None = None
        self._answers: queue.Queue[str] = queue.Queue()

    def ask(self, text: str, patience_s: float) -> str:
        """Return `taken`, `refused`, or `dead` for no answer in that time."""
        process = self._process or self._started()
        assert process.stdin is not None
        process.stdin.write(json.dumps(text) + "\n")
        process.stdin.flush()
        found = self._answer(patience_s)
        if not found:
            self.stop()
        return found or "dead"

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _answer(self, patience_s: float) -> str:
        try:
            return self._answers.get(timeout=patience_s)
        except queue.Empty:
            return ""

    def _started(self) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(self._model)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._process, self._answers = process, queue.Queue()
        threading.Thread(target=_read, args=(process, self._answers), daemon=True).start()
        assert self._answer(60) == "ready"
        return process


def _read(process: subprocess.Popen[str], answers: queue.Queue[str]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        answers.put(line.strip())
    answers.put("")


@pytest.fixture(scope="module")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Oracle]:
    found = Oracle(write_tiny_llama(tmp_path_factory.mktemp("model") / "tiny.gguf", 400))
    yield found
    found.stop()


def mutants(rng: random.Random, count: int) -> Iterator[str]:
    """Yield grammars in which pieces were put in, taken out, or moved."""
    tool = ToolSpec("find", "", {"properties": {"page": {"type": "integer"}, "kind": {"enum": ["a", "b"]}}})
    shape = make_syntax("hermes", "none", JsonLayout()).shape
    seeds = [*SEEDS, to_gbnf(call_grammar([tool], shape, "call", bounds=Bounds(string_chars=9)))]
    for _ in range(count):
        text = rng.choice(seeds)
        for _ in range(rng.randint(1, 3)):
            at, end = sorted(rng.randrange(len(text) + 1) for _ in range(2))
            if rng.random() < 0.2:
                piece = text[at : min(end, at + 12)]
                text = text[:end] + piece + text[end:]
            else:
                text = text[:at] + rng.choice(PIECES) + text[at + rng.choice((0, 0, 1, 3)) :]
        yield text


def names_a_token(text: str) -> bool:
    """Whether a grammar names a token, which llama.cpp looks for in a vocabulary that is not known here."""
    bare = re.sub(r'"(\\.|[^"\\])*"|\[(\\.|[^\]\\])*\]|#.*', "", text)
    return re.search(r"<[^<>\s]+>", bare) is not None


def check_mutants(oracle: Oracle, seed: int, count: int) -> None:
    for text in mutants(random.Random(seed), count):
        try:
            check_gbnf(text)
            why = ""
        except GrammarError as error:
            why = error.message
        said = oracle.ask(text, 5 if why else 60)
        if why:
            assert said != "taken" or any(known in why for known in ON_PURPOSE), (why, text)
        else:
            assert said == "taken" or names_a_token(text), (said, text)


def test_the_check_agrees_with_llama_cpp(oracle: Oracle) -> None:
    check_mutants(oracle, 1, 300)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10, 20))
def test_the_check_agrees_with_llama_cpp_on_ten_thousand_grammars(oracle: Oracle, seed: int) -> None:
    check_mutants(oracle, seed, 1000)


@pytest.mark.parametrize(
    "text",
    [
        'root ::= ("a"',
        'root ::= "a" other',
        'root ::= root "a" | "b"',
        'root ::= a\na ::= b\nb ::= "x"? a "y"',
        'a ::= "x"',
        'root ::= "a"{3,2}',
        'root ::= "a"{2001}',
        'root ::= ("a"{0,100}){100}',
        "root ::= [\\d]",
        'root ::= my_rule\nmy_rule ::= "a"',
        "root ::= *",
    ],
)
def test_what_llama_cpp_does_not_survive_never_reaches_it(oracle: Oracle, text: str) -> None:
    with pytest.raises(GrammarError):
        check_gbnf(text)
    assert oracle.ask(text, 5) in ("refused", "dead")
