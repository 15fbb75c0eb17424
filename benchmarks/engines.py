"""What constraints cost at real vocabularies: ratios between loops that write the same tokens, in one run.

    python benchmarks/engines.py VOCABULARY.gguf [...] [--rounds N] [--clock wall] [--skip create outlines]

VOCABULARY is a file with a tokenizer and no weights (see `random_models.py`); a small model with random
weights is made around it, and made to write one realistic call of each of eleven tools (`oracle.py`).

1. Set-up: the engine's tokenizer, compiling grammars of 11 and 330 tools, and the memory that both take.
2. Masks: microseconds per token, best of four passes, with bounded and with long strings.
3. Loops: constrained against free, against `Llama.create_completion(grammar=LlamaGrammar...)`, and against
   Outlines' default path without its set-up where outlines is installed.

Times are this process's CPU time on one thread, or time on the wall with `--clock wall`; the ratios are
medians over the rounds, in which all loops take turns, with the quartiles in brackets.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).absolute().parent.parent
sys.path[:0] = [str(ROOT / part) for part in ("benchmarks", "wrappers", "grammars", "endpoints", "agent")]

import numpy as np  # noqa: E402
from memory_tools import CALLS, TOOLS, many_tools  # noqa: E402
from oracle import OracleCache, script, their_llama  # noqa: E402
from random_models import write_random_model  # noqa: E402

from bridle.endpoints.base import Request, Sampling  # noqa: E402
from bridle.endpoints.llamacpp.runtime import Runtime  # noqa: E402
from bridle.grammars import Bounds, Grammar, call_grammar, schema_grammar, to_gbnf  # noqa: E402
from bridle.grammars.engines.base import Engine  # noqa: E402
from bridle.grammars.engines.llguidance import LlguidanceEngine  # noqa: E402
from bridle.messages import JSON, ToolCall  # noqa: E402
from bridle.wrappers import Segment, get_wrapper  # noqa: E402

SYNTAX = get_wrapper("chatml").syntax
BOUNDED = Bounds()
LONG = Bounds(string_chars=100_000, thoughts_chars=100_000)
LISTED = "\n".join(json.dumps({"name": tool.name, "parameters": tool.parameters}) for tool in TOOLS)
PROMPT = (Segment(f"Call one of these functions.\n{LISTED}\nMy sister Ana moved to Lisbon.\n"),)
"""It lists the functions, as an agent's prompt does. Outlines evaluates it anew for each answer."""
UNION: JSON = {
    "anyOf": [
        {
            "type": "object",
            "properties": {
                "thoughts": {"type": "string"},
                "function": {"const": tool.name},
                "params": {**tool.parameters, "additionalProperties": False},
            },
            "required": ["thoughts", "function", "params"],
            "additionalProperties": False,
        }
        for tool in TOOLS
    ]
}
"""A call of any tool as JSON, which both Outlines and we take."""
WAYS = {
    "greedy": Sampling(),
    "temperature 0.8": Sampling(temperature=0.8, seed=1),
    "top-k 40, top-p 0.95": Sampling(temperature=0.8, top_k=40, top_p=0.95, seed=1),
}
T = TypeVar("T")
CLOCKS = {"cpu": time.process_time, "wall": time.perf_counter}
clock = time.process_time


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What constraints cost at real vocabularies.")
    parser.add_argument("vocabularies", type=Path, nargs="+", metavar="VOCABULARY")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clock", choices=CLOCKS, default="cpu")
    parser.add_argument("--skip", nargs="*", choices=("create", "outlines"), default=[])
    parser.add_argument("--dim", type=int, default=64, help="the model's width")
    parser.add_argument("--q8", action="store_true", help="store the weights as Q8_0")
    options = parser.parse_args()
    global clock  # noqa: PLW0603  # one run has one clock
    clock = CLOCKS[options.clock]
    for vocabulary in options.vocabularies:
        with tempfile.TemporaryDirectory() as folder:
            path = write_random_model(
                vocabulary, Path(folder) / "random.gguf", dim=options.dim, q8=options.q8
            )
            measure(path, vocabulary.stem, options)


def measure(path: Path, name: str, options: argparse.Namespace) -> None:
    """Measure one vocabulary."""
    runtime = Runtime(str(path), window=4096, threads=1, gpu_layers=0, engine="llguidance")
    print(
        f"{name}: {runtime.vocabulary.size} tokens, {path.stat().st_size / 1e6:.0f} MB, {options.clock} time"
    )
    engine = setup(runtime)
    scripts = [
        script(runtime.vocabulary, SYNTAX.write([call], thoughts, "", TOOLS)) for thoughts, call in CALLS
    ]
    for title, bounds in (("bounded strings", BOUNDED), ("long strings", LONG)):
        masks(engine, call_grammar(TOOLS, SYNTAX.shape, "call", bounds=bounds), runtime, scripts, title)
    loops(runtime, path, scripts, options)
    runtime.close()


def setup(runtime: Runtime) -> LlguidanceEngine:
    """Measure what is done once per model and once per list of tools."""
    vocabulary = runtime.vocabulary
    memory = resident_mb()
    seconds, engine = timed(lambda: LlguidanceEngine(vocabulary.pointer, vocabulary.size, vocabulary.ends))
    print(f"  tokenizer {seconds:.2f} s, {resident_mb() - memory:.0f} MB")
    for count in (len(TOOLS), 330):
        built, compiled = list[float](), list[float]()
        for turn in range(4):
            # Other names each time: an engine keeps what it has compiled.
            tools = tuple(replace(tool, name=f"{tool.name}{turn}") for tool in many_tools(count))
            seconds, grammar = timed(lambda: call_grammar(tools, SYNTAX.shape, "call"))  # noqa: B023
            built.append(seconds)
            compiled.append(timed(lambda: engine.matcher(grammar))[0])  # noqa: B023
        whole = [1000 * (a + b) for a, b in zip(built, compiled, strict=True)]
        print(
            f"  {count} tools: {min(whole):.1f} ms (first {whole[0]:.1f}), of which rules "
            f"{1000 * min(built):.1f}, compiling {1000 * min(compiled):.1f}"
        )
    print(f"  memory of tokenizer and eight compiled grammars: {resident_mb() - memory:.0f} MB")
    return engine


def union_value(thoughts: str, call: ToolCall) -> JSON:
    """Return a call as a value of `UNION`."""
    return {"thoughts": thoughts, "function": call.name, "params": dict(call.arguments)}


def masks(
    engine: Engine, grammar: Grammar, runtime: Runtime, scripts: Sequence[Sequence[int]], title: str
) -> None:
    """Time one mask per token of all calls; asked again, a matcher only lays it over the logits."""
    start = engine.matcher(grammar)
    logits = np.zeros(runtime.vocabulary.size, dtype=np.float32)
    both: list[list[float]] = []
    laid: list[list[float]] = []
    for _ in range(4):
        both.append([])
        laid.append([])
        for tokens in scripts:
            matcher = start.clone()
            for token in tokens:
                for times in (both[-1], laid[-1]):
                    logits.fill(0)
                    began = time.perf_counter()
                    matcher.mask_into(logits)
                    times.append(1e6 * (time.perf_counter() - began))
                matcher.accept(token)
    lay = [min(column) for column in zip(*laid, strict=True)]
    mask = [min(column) - apply for column, apply in zip(zip(*both, strict=True), lay, strict=True)]
    first = [whole - apply for whole, apply in zip(both[0], lay, strict=True)]
    print(f"  {title}: mask {quantiles(mask)} (first pass {quantiles(first)}),")
    print(f"  {'':{len(title)}}  laid over logits {quantiles(lay)}")


def loops(
    runtime: Runtime, path: Path, scripts: Sequence[Sequence[int]], options: argparse.Namespace
) -> None:
    """Compare the loops."""
    grammar = call_grammar(TOOLS, SYNTAX.shape, "call", bounds=BOUNDED)
    for title, sampling in WAYS.items():
        ways = our_ways(runtime, grammar, scripts, sampling)
        ways["constrained, every choice refused"] = lambda s=sampling: ours(
            runtime, grammar, scripts, s, wrong=True
        )
        compare(title, ways, options.rounds, scripts)
    if "create" not in options.skip:
        ways = our_ways(runtime, grammar, scripts, Sampling())
        ways["create_completion, GBNF"] = created(path, runtime, grammar, scripts)
        compare("greedy", ways, min(2, options.rounds), scripts)
    if "outlines" in options.skip:
        return
    if importlib.util.find_spec("outlines") is None or importlib.util.find_spec("numba") is None:
        print("  outlines: skipped, it is not installed here, or not the numba that its default needs")
        return
    texts = [json.dumps(union_value(thoughts, call), ensure_ascii=False) for thoughts, call in CALLS]
    scripts = [script(runtime.vocabulary, text) for text in texts]
    ways = our_ways(runtime, schema_grammar(UNION, bounds=BOUNDED), scripts, Sampling())
    ways["outlines"] = outlined(path, scripts)
    compare("the same calls by a JSON schema, greedy", ways, options.rounds, scripts)


def our_ways(
    runtime: Runtime, grammar: Grammar, scripts: Sequence[Sequence[int]], sampling: Sampling
) -> dict[str, Callable[[], float]]:
    """Return our loop without and with a grammar."""
    return {
        "constrained": lambda: ours(runtime, grammar, scripts, sampling),
        "constrained, cost not measured": lambda: ours(runtime, grammar, scripts, sampling, measure=False),
        "free": lambda: ours(runtime, None, scripts, sampling),
    }


def ours(
    runtime: Runtime,
    grammar: Grammar | None,
    scripts: Sequence[Sequence[int]],
    sampling: Sampling,
    *,
    wrong: bool = False,
    measure: bool = True,
) -> float:
    """Write all calls with our loop; return the seconds it took."""
    total = 0.0
    for tokens in scripts:
        # A budget makes the loop keep a way to end in time; with room, it is never needed here.
        most = len(tokens) if grammar is None else len(tokens) + 64
        request = Request(PROMPT, max_tokens=most, sampling=sampling, grammar=grammar)
        n_prompt = len(runtime.tokens(request))
        began = clock()
        run = runtime.start(request, most, None, None)
        worst = next(iter(runtime.vocabulary.ends)) if wrong else None
        run.costs.measure &= measure
        run.cache = OracleCache(runtime.cache, n_prompt, tokens, worst).as_cache()
        run.go()
        total += clock() - began
        if run.answer != list(tokens):
            raise SystemExit(f"the loop wrote other tokens: {run.answer} instead of {list(tokens)}")
    return total


def created(
    path: Path, runtime: Runtime, grammar: Grammar, scripts: Sequence[Sequence[int]]
) -> Callable[[], float]:
    """Return what writes the calls with llama-cpp-python's high-level interface."""
    from llama_cpp.llama_grammar import LlamaGrammar

    theirs = their_llama(str(path), 4096)
    gbnf = to_gbnf(grammar)
    prompt = runtime.tokens(Request(PROMPT, max_tokens=1, sampling=Sampling()))

    def run() -> float:
        total = 0.0
        for tokens in scripts:
            theirs.write(tokens)
            held = LlamaGrammar.from_string(gbnf, verbose=False)
            began = clock()
            answer = theirs.create_completion(
                list(prompt), grammar=held, max_tokens=len(tokens), temperature=0.0, repeat_penalty=1.0
            )
            total += clock() - began
            # The last token is not evaluated any more.
            if not np.array_equal(theirs.input_ids[len(prompt) :][: len(tokens) - 1], tokens[:-1]):
                raise SystemExit(f"create_completion wrote other tokens: {answer}")
        return total

    return run


def outlined(path: Path, scripts: Sequence[Sequence[int]]) -> Callable[[], float]:
    """Return what writes the calls with Outlines' default for a JSON schema, which is set up here."""
    import outlines
    from outlines.types import JsonSchema

    theirs = their_llama(str(path), 4096)
    seconds, generator = timed(
        lambda: outlines.Generator(outlines.from_llamacpp(theirs), JsonSchema(json.dumps(UNION)))
    )
    prompt = PROMPT[0].text

    def run(wanted: Sequence[Sequence[int]] = scripts) -> float:
        total = 0.0
        for tokens in wanted:
            theirs.write([*tokens, theirs.token_eos()])
            began = clock()
            answer = generator(prompt, max_tokens=len(tokens) + 1, temperature=0.0)
            total += clock() - began
            if not np.array_equal(theirs.input_ids[theirs.start :][: len(tokens) - 1], tokens[:-1]):
                raise SystemExit(f"outlines wrote other tokens: {answer}")
        return total

    print(f"  outlines: set-up {seconds:.1f} s, and {run(scripts[:1]):.1f} s for the first answer")
    return run


def compare(
    title: str, ways: dict[str, Callable[[], float]], rounds: int, scripts: Sequence[Sequence[int]]
) -> None:
    """Run all ways in turn; print milliseconds per token, and how many times the first one's each takes."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    next(iter(ways.values()))()  # what is compiled once is compiled now
    for turn in range(rounds):
        names = list(ways) if turn % 2 else list(reversed(ways))
        for name in names:
            seconds[name].append(ways[name]())
    first, n_tokens = next(iter(seconds.values())), sum(map(len, scripts))
    print(f"  {title}, {n_tokens} tokens:")
    for name, took in seconds.items():
        ratios = [a / b for a, b in zip(took, first, strict=True)]
        print(f"    {name:36}{spread([1000 * s / n_tokens for s in took])} ms per token, x {spread(ratios)}")


def timed(act: Callable[[], T]) -> tuple[float, T]:
    """Return the CPU seconds of an act, and what it returned."""
    began = time.process_time()
    value = act()
    return time.process_time() - began, value


def resident_mb() -> float:
    """Return this process's memory."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        return 0.0
    return int(statm.read_text().split()[1]) * 4096 / 1e6


def quantiles(values: Sequence[float]) -> str:
    """Write the usual ones, in microseconds."""
    p50, p90, p99, most = np.percentile(values, [50, 90, 99, 100])
    return f"p50 {p50:.0f} p90 {p90:.0f} p99 {p99:.0f} max {most:.0f} µs"


def spread(values: Sequence[float]) -> str:
    """Write the median and the quartiles."""
    if len(values) < 2:
        return f"{values[0]:.3f}"
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return f"{middle:.3f} [{low:.3f}-{high:.3f}]"


if __name__ == "__main__":
    main()
