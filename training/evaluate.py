"""How often does a model choose the right function with the right arguments? Asked through the product
itself.

Free: nothing holds the answer. Held: by the grammar of the calls that make sense in the agent's state, as
in the agent. Generated cases come from a seed that training does not use; hand-written ones from a file
of lines.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import cast

from generate import KINDS, Case, groups, judge, messages

from bridle.agent.functions import FUNCTIONS, constraint
from bridle.agent.prompt import COMPACT
from bridle.messages import JSON, Message, ToolCall

__all__ = ["Ask", "Score", "connect_ask", "handwritten", "main", "score", "wilson"]

Ask = Callable[[Case, bool], ToolCall | None]
"""Puts a case to a model, held by a grammar or not; None where the answer is no call."""
SEED = 990_001
MAX_TOKENS = 320
SPLITS = ("train", "entities", "frames")
EARLY_ROWS = 40
"""So many of the hand-written rows were there while the constraint was designed; the others came after it."""
PLAIN = (
    *("fact", "correction", "rename", "note", "conv_search", "answer_core", "search_archive"),
    *("answer_archive", "conv_answer", "answer_none", "note_saved", "ack", "smalltalk", "whoami"),
)
"""The plain steps of a memory agent: one thing said or asked, with everything that follows from it."""


@dataclass
class Score:
    """Counts of cases: all, answered by a valid call, by the right function, with the right arguments."""

    n: int = 0
    valid: int = 0
    function: int = 0
    exact: int = 0

    def add(self, call: ToolCall | None, function: bool, exact: bool) -> None:
        """Count one answer."""
        self.n, self.valid = self.n + 1, self.valid + (call is not None)
        self.function, self.exact = self.function + function, self.exact + exact

    def __add__(self, other: Score) -> Score:
        return Score(
            self.n + other.n,
            self.valid + other.valid,
            self.function + other.function,
            self.exact + other.exact,
        )

    def __str__(self) -> str:
        parts = [f"n {self.n:4d}", f"valid {100 * self.valid / max(self.n, 1):5.1f} %"]
        for name, count in (("function", self.function), ("exact", self.exact)):
            low, high = wilson(count, self.n)
            parts.append(f"{name} {100 * count / max(self.n, 1):5.1f} % [{100 * low:.0f}-{100 * high:.0f}]")
        return "  ".join(parts)


def wilson(count: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """The 95 % interval of a share by Wilson's score.

    >>> [round(x, 3) for x in wilson(98, 100)]
    [0.93, 0.994]
    """
    if n == 0:
        return 0.0, 1.0
    p = count / n
    middle, spread = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)


def connect_ask(path: Path, temperature: float = 0.0) -> tuple[Ask, Callable[[], None]]:
    """Open a GGUF file in this process; gives what asks it and what closes it."""
    from bridle.endpoints import connect, respond
    from bridle.grammars import Bounds

    endpoint = connect(f"llamacpp:{path}")
    bounds = Bounds(string_chars=COMPACT.string_chars, thoughts_chars=COMPACT.thoughts_chars)

    def ask(case: Case, held: bool) -> ToolCall | None:
        allowed, thoughts = None, None
        if case.tools is None:
            allowed, thoughts = constraint(COMPACT, case.core, case.history, case.now)
        completion = respond(
            endpoint,
            messages(case),
            FUNCTIONS if case.tools is None else case.tools,
            # Without a grammar, "required" would begin the call for the model; "auto" leaves it alone.
            tool_choice="required" if held else "auto",
            allowed=allowed,
            thoughts=thoughts,
            wrapper="chatml-compact",
            constraint="grammar" if held else "off",
            bounds=bounds,
            max_tokens=MAX_TOKENS,
            temperature=temperature,
            seed=1,
        )
        return completion.message.calls[0] if completion.message.calls else None

    return ask, endpoint.close


def score(cases: Iterable[Case], ask: Ask, held: bool, wrong: list[str] | None = None) -> Score:
    """Ask all cases. Descriptions of wrong answers are added to `wrong`."""
    total = Score()
    for case in cases:
        call = ask(case, held)
        function, exact = judge(case, call) if call is not None else (False, False)
        total.add(call, function, exact)
        if wrong is not None and not exact:
            said = next((m.content for m in reversed(case.history) if m.role == "user"), "")
            wrong.append(f"{case.kind}: {said!r} -> {_brief(call)}; right: {_brief(case.call)}")
    return total


def _brief(call: ToolCall | None) -> str:
    return (
        "no call" if call is None else f"{call.name}({json.dumps(dict(call.arguments), ensure_ascii=False)})"
    )


def handwritten(path: Path) -> list[tuple[Case, dict[str, str]]]:
    """Cases that a person wrote, and what the arguments must contain, whatever the case of letters."""
    out: list[tuple[Case, dict[str, str]]] = []
    for line in path.read_text("utf-8").splitlines():
        if not line.strip():
            continue
        row = cast("dict[str, object]", json.loads(line))
        core = COMPACT.core()
        if persona := row.get("persona"):
            core = core.replace("persona", COMPACT.persona, str(persona))
        for known in cast("list[str]", row.get("memory", [])):
            core = core.append("human", known)
        history = (*_earlier(row.get("history", [])), Message("user", str(row["user"])))
        case = Case(
            kind="handwritten",
            history=history,
            core=core,
            now=datetime(2026, 11, 20, 8, 5),
            tools=None,
            system=None,
            thoughts="",
            call=ToolCall(str(row["function"])),
        )
        out.append((case, cast("dict[str, str]", row.get("contains", {}))))
    return out


def _earlier(rows: object) -> tuple[Message, ...]:
    """Earlier turns: `{"user": text, "assistant": text}` or `{"role": …, "content": …}` each."""
    out: list[Message] = []
    for row in cast("list[dict[str, str]]", rows):
        said = {row["role"]: row["content"]} if "role" in row else row
        for role, text in said.items():
            if role == "user":
                out.append(Message("user", text))
            else:
                call = ToolCall("send_message", {"message": text})
                out += [
                    Message("assistant", thoughts="chat", calls=(call,)),
                    Message("tool", "OK", name="send_message"),
                ]
    return tuple(out)


def score_handwritten(
    rows: Sequence[tuple[Case, dict[str, str]]], ask: Ask, held: bool, wrong: list[str]
) -> Score:
    """Right function, and every argument that is named contains what it should."""
    total = Score()
    for case, contains in rows:
        call = ask(case, held)
        function = call is not None and call.name == case.call.name
        arguments: dict[str, JSON] = dict(call.arguments) if call is not None else {}
        held_all = all(part.lower() in str(arguments.get(key, "")).lower() for key, part in contains.items())
        total.add(call, function, function and held_all)
        if not (function and held_all):
            wrong.append(
                f"{case.history[-1].content!r} -> {_brief(call)}; right: {case.call.name} {contains}"
            )
    return total


def main() -> None:
    """Score a GGUF file on generated splits and on hand-written lines; print a table for each."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--per-kind", type=int, default=25, help="cases of each kind in each split")
    parser.add_argument("--splits", nargs="*", default=list(SPLITS), choices=SPLITS)
    parser.add_argument("--handwritten", type=Path, default=Path(__file__).with_name("handwritten.jsonl"))
    parser.add_argument("--mode", choices=("free", "held", "both"), default="both")
    parser.add_argument("--wrong", type=int, default=0, help="show up to so many wrong answers of each kind")
    parser.add_argument("--temperature", type=float, default=0.0, help="default 0: the likeliest token")
    options = parser.parse_args()
    ask, close = connect_ask(options.model, options.temperature)
    for held in (False, True):
        if options.mode == ("free" if held else "held"):
            continue
        word = "held" if held else "free"
        for split in options.splits:
            total, plain = Score(), Score()
            for kind in KINDS:
                wrong: list[str] = []
                chosen = (group[0] for group in groups(SEED, split, kind))
                one = score(itertools.islice(chosen, options.per_kind), ask, held, wrong)
                total += one
                plain += one if kind in PLAIN else Score()
                print(f"{word} {split:9s} {kind:24s} {one}", flush=True)
                for line in wrong[: options.wrong]:
                    print(f"    {line}")
            print(f"{word} {split:9s} {'(plain steps)':24s} {plain}", flush=True)
            print(f"{word} {split:9s} {'all':24s} {total}", flush=True)
        if options.handwritten.exists():
            wrong, rows = [], handwritten(options.handwritten)
            early = score_handwritten(rows[:EARLY_ROWS], ask, held, wrong)
            later = score_handwritten(rows[EARLY_ROWS:], ask, held, wrong)
            print(f"{word} {'handwritten early':34s} {early}", flush=True)
            print(f"{word} {'handwritten later':34s} {later}", flush=True)
            print(f"{word} {'handwritten':34s} {early + later}", flush=True)
            for line in wrong if options.wrong else ():
                print(f"    {line}")
    close()


if __name__ == "__main__":
    main()
