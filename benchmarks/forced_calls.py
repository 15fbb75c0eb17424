"""How many forced calls are valid on a real llama-server: bridle's way, and the server's own?

    python benchmarks/forced_calls.py [--calls N] [--models embedded random] [--max-tokens N] [--fit always]

Needs a llama-server (`tests/servers/build_llama_server.sh`). For each model it is started with a chat
template that tells tools in the manner of Hermes, so that its own way has what it needs. Then each of N
questions, with one or two random tools of its own, is asked twice at the same temperature and with the same
limit and seed: by `respond(…, tool_choice="required")`, and on the chat route with the server's own
`tool_choice: "required"`. An answer counts when it ended by itself, holds a call, and each call is of one of
the tools, with arguments that satisfy its schema by jsonschema. What bridle refuses before it sends anything,
because the shortest answer or the prompt does not fit, is counted apart.

The random model has random weights behind a real vocabulary (`random_models.py`). It must be a real one:
llama.cpp (0c1e570) reads a token of a lead byte and an ASCII letter, which only made-up ones have, as another
character, and so lets it stand in a grammar where it is wrong.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).absolute().parent.parent
PARTS = ("benchmarks", "wrappers", "grammars", "endpoints", "agent", "tests")
sys.path[:0] = [str(ROOT / part) for part in PARTS]

import jsonschema  # noqa: E402
from guarantee import random_tools  # noqa: E402
from random_models import write_random_model  # noqa: E402

from bridle.endpoints import Endpoint, connect, respond  # noqa: E402
from bridle.endpoints.base import Request, Sampling  # noqa: E402
from bridle.errors import BridleError, BudgetError, ContextOverflow  # noqa: E402
from bridle.messages import Message, ToolSpec  # noqa: E402
from servers.real import EMBEDDED, LLAMA_SERVER, llama_server  # noqa: E402

TEMPLATE = (
    "{% if tools %}<|im_start|>system\nYou may call functions: <tools>"
    "{% for tool in tools %}{{ tool | tojson }}\n{% endfor %}</tools>\nFor a call write "
    '<tool_call>\n{"name": "NAME", "arguments": {…}}\n</tool_call><|im_end|>\n{% endif %}'
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}"
    "{% for c in m.tool_calls or [] %}<tool_call>\n{{ c.function | tojson }}\n</tool_call>{% endfor %}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
QUESTIONS = (
    "Go.",
    "What is the weather in Paris?",
    "Remember that I like tea.",
    "Say hello.",
    "Find the page.",
)
Called = Sequence[tuple[str, object]]


@dataclass(slots=True)
class Tally:
    """What came of the questions that were put in one way."""

    n_valid: int = 0
    n_refused: int = 0
    n_tokens: int = 0
    seconds: float = 0.0
    wrong: Counter[str] = field(default_factory=Counter[str])
    shown: list[str] = field(default_factory=list[str])


def main() -> None:
    """Ask, count and print; the exit code is 1 when an answer in bridle's way was not valid."""
    parser = argparse.ArgumentParser(description="How many forced calls are valid on a real llama-server?")
    parser.add_argument("--calls", type=int, default=200, help="per model and way")
    parser.add_argument("--models", nargs="+", choices=("embedded", "random"), default=["embedded", "random"])
    parser.add_argument("--vocabulary", type=Path, help="of the random model, else the embedded model's")
    parser.add_argument("--max-tokens", type=int, default=600)
    parser.add_argument("--fit", choices=("likely", "always"), default="always")
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    options = parser.parse_args()
    if not LLAMA_SERVER.exists():
        sys.exit(f"no {LLAMA_SERVER}: build it with tests/servers/build_llama_server.sh")
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        for name in options.models:
            for way, tally in measured(Path(folder), name, options):
                asked = options.calls - tally.n_refused
                share = 100 * tally.n_valid / asked
                print(
                    f"{name:9} {way:9} {tally.n_valid} of {asked} valid ({share:.1f} %), "
                    f"{tally.n_refused} refused before sending, {tally.n_tokens / asked:.0f} tokens and "
                    f"{tally.seconds / asked:.2f} s per call; wrong: {dict(tally.wrong) or 'nothing'}",
                    flush=True,
                )
                for one in tally.shown[:5]:
                    print("   ", one)
                failed |= way == "bridle" and tally.n_valid < asked
    sys.exit(1 if failed else 0)


def measured(folder: Path, name: str, options: argparse.Namespace) -> Iterator[tuple[str, Tally]]:
    """Start the server with one model, and put all questions in both ways."""
    template = folder / "template.jinja"
    template.write_text(TEMPLATE, "utf-8")
    model, window = EMBEDDED, 2048
    if name == "random":
        vocabulary = options.vocabulary or EMBEDDED
        model, window = write_random_model(vocabulary, folder / "random.gguf", n_ctx=4096), 4096
    slots = ("-np", "2", "-c", str(2 * window))
    with llama_server(
        folder / "log.txt", *slots, "--chat-template-file", str(template), model=model
    ) as server:
        ways: dict[str, Callable[[Endpoint, int, argparse.Namespace], tuple[Called, str, int]]] = {
            "bridle": by_bridle,
            "server's": by_server,
        }
        for way, ask in ways.items():
            yield way, put_all(server.url, ask, options)


def put_all(
    url: str,
    ask: Callable[[Endpoint, int, argparse.Namespace], tuple[Called, str, int]],
    options: argparse.Namespace,
) -> Tally:
    """Put all questions in one way, two at a time, and judge what came back."""
    tally = Tally()

    def put(seed: int) -> None:
        endpoint = connect(f"llama-server@{url}")
        start = time.perf_counter()
        try:
            called, finish, n_tokens = ask(endpoint, seed, options)
            problem = judged(called, finish, tools_of(seed))
        except (BudgetError, ContextOverflow):
            tally.n_refused += 1
            return
        except BridleError as error:
            problem, n_tokens, called = f"{type(error).__name__}", 0, ()
            tally.shown.append(f"seed {seed}: {error}"[:300])
        finally:
            endpoint.close()
        tally.seconds += time.perf_counter() - start
        tally.n_tokens += n_tokens
        tally.n_valid += not problem
        if problem:
            tally.wrong[problem.split(":")[0]] += 1
            tally.shown.append(f"seed {seed}: {problem}; {called}"[:300])

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(put, range(options.first, options.first + options.calls)))
    return tally


def by_bridle(endpoint: Endpoint, seed: int, options: argparse.Namespace) -> tuple[Called, str, int]:
    """Ask as anybody does who has bridle choose."""
    completion = respond(
        endpoint,
        [question_of(seed)],
        tools_of(seed),
        tool_choice="required",
        max_tokens=options.max_tokens,
        fit=options.fit,
        sampling=Sampling(temperature=options.temperature, seed=seed),
    )
    called = [(call.name, dict(call.arguments)) for call in completion.message.calls]
    return called, completion.finish, completion.usage.completion_tokens


def by_server(endpoint: Endpoint, seed: int, options: argparse.Namespace) -> tuple[Called, str, int]:
    """Ask with the server's own required tools."""
    request = Request(
        messages=(question_of(seed),),
        tools=tools_of(seed),
        tool_choice="required",
        max_tokens=options.max_tokens,
        sampling=Sampling(temperature=options.temperature, seed=seed),
    )
    answer = endpoint.complete(request)
    assert not answer.dropped, answer.dropped
    called = [(call.name, _json(call.arguments)) for call in answer.calls]
    return called, answer.finish, answer.usage.completion_tokens


def judged(called: Called, finish: str, tools: Sequence[ToolSpec]) -> str:
    """Return what is wrong with an answer; empty where nothing is. The same for both ways."""
    by_name = {tool.name: tool for tool in tools}
    if finish != "stop":
        return "it did not end within the limit"
    if not called:
        return "there is no call"
    for name, arguments in called:
        if name not in by_name:
            return f"no such tool: {name}"
        validator = jsonschema.Draft202012Validator(dict(by_name[name].parameters))
        if error := next(iter(validator.iter_errors(arguments)), None):
            return f"arguments break the schema: {error.message[:80]}"
    return ""


def tools_of(seed: int) -> tuple[ToolSpec, ...]:
    """The tools of a question, few enough for the embedded model's window."""
    return random_tools(random.Random(seed))[:2]


def question_of(seed: int) -> Message:
    """What a question says."""
    return Message("user", QUESTIONS[seed % len(QUESTIONS)])


def _json(text: str) -> object:
    try:
        found: object = json.loads(text)
    except ValueError:
        return text
    return found


if __name__ == "__main__":
    main()
