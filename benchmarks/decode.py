"""What a grammar costs while a model in this process writes: milliseconds per token, paired, in one run.

    python benchmarks/decode.py [--model FILE.gguf] [--rounds N] [--skip-create-completion]

1. Our loop with a grammar of calls against our loop without one, on the given model (default: a random model
   of the shape of the embedded one). Both answer the same prompt in turn, and each pair gives a ratio.
2. Our loop with the grammar against `llama_cpp.Llama.create_completion(grammar=...)` with the same grammar as
   GBNF, on a random model with 32,000 tokens; and against our loop without a grammar on that model.

Random models are written by `tests/tiny_gguf.py`: Llama architecture, float32 weights from numpy's generator,
a byte-level BPE vocabulary of 256 bytes and random merges. Their answers are noise that the grammar bends
into calls, the hardest case for a constraint: nearly every choice of the model is refused.

Models run on one thread, and what is counted is the process's CPU time (`--clock wall` for time on the wall,
which other programs disturb more). Numbers are medians over the rounds, with the quartiles in brackets.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / part) for part in ("wrappers", "grammars", "endpoints", "agent", "tests")]

from bridle.endpoints.base import Request, Sampling  # noqa: E402
from bridle.endpoints.llamacpp import LlamaCpp  # noqa: E402
from bridle.grammars import Bounds, Grammar, call_grammar, to_gbnf  # noqa: E402
from bridle.messages import JSON, ToolSpec  # noqa: E402
from bridle.wrappers import Segment, get_wrapper  # noqa: E402
from tiny_gguf import write_tiny_llama  # noqa: E402

STRING: JSON = {"type": "string"}
BLOCK: JSON = {"enum": ["persona", "human"]}
PAGE: JSON = {"type": "integer", "minimum": 0, "maximum": 99}
ARGUMENTS: dict[str, dict[str, JSON]] = {
    "send_message": {"message": STRING},
    "core_memory_append": {"name": BLOCK, "content": STRING},
    "core_memory_replace": {"name": BLOCK, "old_content": STRING, "new_content": STRING},
    "archival_memory_search": {"query": STRING, "page": PAGE},
    "conversation_search": {"query": STRING, "page": PAGE},
    "archival_memory_insert": {"content": STRING, "request_heartbeat": {"type": "boolean"}},
}
TOOLS = tuple(
    ToolSpec(name, "", {"type": "object", "properties": arguments, "required": list(arguments)})
    for name, arguments in ARGUMENTS.items()
)
PROMPT = (
    Segment("<|im_start|>system\n", control=True),
    Segment("You call functions: " + ", ".join(tool.name for tool in TOOLS) + "."),
    Segment("<|im_end|>\n<|im_start|>user\n", control=True),
    Segment("By the way, my sister Ana moved to Lisbon."),
    Segment("<|im_end|>\n<|im_start|>assistant\n", control=True),
)
OPENINGS = ("", "Well", "So", "Now", "Ah", "And", "But", "First", "Then", "Oh")
"""Beginnings of the answer to try: a random model may end its free answer at once, which measures nothing."""
SAMPLING = (("greedy", Sampling()), ("temperature 0.8", Sampling(temperature=0.8, seed=1)))

CLOCKS = {"cpu": time.process_time, "wall": time.perf_counter}
clock = time.process_time

Measured = tuple[float, int]
"""Seconds and tokens of one answer."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What a grammar costs while a model writes.")
    parser.add_argument(
        "--model", type=Path, help="a GGUF file (default: a random one, shaped like the embedded)"
    )
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--clock", choices=CLOCKS, default="cpu")
    parser.add_argument("--skip-create-completion", action="store_true")
    options = parser.parse_args()
    global clock  # noqa: PLW0603  # one run has one clock
    clock = CLOCKS[options.clock]
    grammar = call_grammar(
        TOOLS, get_wrapper("chatml").syntax.shape, "call", bounds=Bounds(string_chars=60, thoughts_chars=80)
    )
    with tempfile.TemporaryDirectory() as folder:
        path = options.model or write_tiny_llama(
            Path(folder) / "embedded.gguf", n_vocab=3072, dim=192, layers=6
        )
        print(f"{path.name}: constrained against free, ms per token, {options.rounds} rounds")
        against_free(path, grammar, options.rounds)
        if not options.skip_create_completion:
            path = write_tiny_llama(Path(folder) / "random32k.gguf", n_vocab=32_000)
            print(f"\n{path.name}: our loop against create_completion(grammar=...), ms per token")
            against_create_completion(path, grammar, options.rounds)


def against_free(path: Path, grammar: Grammar, rounds: int) -> None:
    """Compare answers with and without the grammar."""
    with LlamaCpp(path, threads=1) as endpoint:
        for name, sampling in SAMPLING:
            held, free = requests(endpoint, grammar, sampling)
            shown = endpoint.complete(held)
            compare(
                name,
                ("constrained", partial(ours, endpoint, held)),
                ("free", partial(ours, endpoint, free)),
                rounds,
            )
            share = shown.usage.forced_tokens / shown.usage.completion_tokens
            print(f"  {'':18}{shown.usage.completion_tokens} tokens, {share:.0%} forced: {shown.text[:60]!r}")
        print(f"  batches: {', '.join(f'{n}: {1000 * s:.2f} ms' for n, s in endpoint.batch_costs.items())}")


def requests(endpoint: LlamaCpp, grammar: Grammar, sampling: Sampling) -> tuple[Request, Request]:
    """Return a constrained and a free question whose answers are of about the same length."""
    for opening in OPENINGS:
        prompt = (*PROMPT, Segment(opening))
        held = Request(prompt, max_tokens=grammar.longest_bytes, sampling=sampling, grammar=grammar)
        length = endpoint.complete(held).usage.completion_tokens
        free = Request(prompt, max_tokens=length, sampling=sampling)
        if endpoint.complete(free).usage.completion_tokens > length / 3:
            return held, free
    raise SystemExit("every free answer of this model is too short to be compared")


def against_create_completion(path: Path, grammar: Grammar, rounds: int) -> None:
    """Compare with the high-level interface of llama-cpp-python, and with a free answer."""
    from llama_cpp import Llama
    from llama_cpp.llama_grammar import LlamaGrammar

    theirs = Llama(str(path), n_ctx=2048, n_batch=512, n_threads=1, n_threads_batch=1, verbose=False)
    gbnf = to_gbnf(grammar)
    text = "".join(segment.text for segment in PROMPT)

    def create(temperature: float) -> Measured:
        began = clock()
        answer = theirs.create_completion(
            text,
            grammar=LlamaGrammar.from_string(gbnf, verbose=False),
            max_tokens=200,
            temperature=temperature,
            repeat_penalty=1.0,
        )
        assert isinstance(answer, dict), "this is not a stream"
        return clock() - began, answer.get("usage", {})["completion_tokens"]

    with LlamaCpp(path, threads=1) as endpoint:
        for name, sampling in SAMPLING:
            held = Request(PROMPT, max_tokens=200, sampling=sampling, grammar=grammar)
            ours(endpoint, held)
            compare(
                name,
                ("create_completion", partial(create, sampling.temperature)),
                ("our loop", partial(ours, endpoint, held)),
                rounds,
            )
            free = replace(held, grammar=None)
            compare(
                name,
                ("our loop, free", partial(ours, endpoint, free)),
                ("our loop", partial(ours, endpoint, held)),
                rounds,
            )


def ours(endpoint: LlamaCpp, request: Request) -> Measured:
    """Time one answer of our loop."""
    began = clock()
    usage = endpoint.complete(request).usage
    return clock() - began, usage.completion_tokens


def compare(
    title: str,
    first: tuple[str, Callable[[], Measured]],
    second: tuple[str, Callable[[], Measured]],
    rounds: int,
) -> None:
    """Run both in turn, and print the medians and the median of the paired ratios first / second."""
    pairs: list[tuple[float, float]] = []
    for turn in range(rounds):
        order = (first, second) if turn % 2 else (second, first)
        times = {name: 1000 * seconds / max(tokens, 1) for name, run in order for seconds, tokens in [run()]}
        pairs.append((times[first[0]], times[second[0]]))
    left, right = spread([a for a, _ in pairs]), spread([b for _, b in pairs])
    print(f"  {title:18}{first[0]} {left}, {second[0]} {right}, ratio {spread([a / b for a, b in pairs])}")


def spread(values: Sequence[float]) -> str:
    """Write the median and the quartiles."""
    if len(values) < 2:
        return f"{values[0]:.3f}"
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return f"{middle:.3f} [{low:.3f}-{high:.3f}]"


if __name__ == "__main__":
    main()
