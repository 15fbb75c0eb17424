"""BFCL's ground truth, said with faults: how many calls a reader still finds, and how many it makes up.

    python benchmarks/faults --data FOLDER [--parser package.module:function] [--sample N] [--show N]

FOLDER is `bfcl_eval/data` of a user's own bfcl-eval (`pip install --no-deps bfcl-eval`, Apache-2.0). The
answers of simple_python, multiple and parallel are said in the dialects json, hermes and memgpt (memgpt says
one call at a time), each with every kind of fault. A kind either leaves one sensible reading (`told.py`),
which is checked by BFCL's rules (`truth.py`), or must give no call (`refused.py`): then any call is a false
one. Choices are drawn from a seed.

Readers have the signature of `bridle.wrappers.parse_calls`. To compare: `peers:strict`,
`peers:json_repair_calls` and `peers:json_repair_known` (these two need `pip install json_repair`).
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / part) for part in ("wrappers", "grammars", "endpoints", "agent")]

import refused  # noqa: E402, F401  # fills REFUSE
import told  # noqa: E402, F401  # fills RECOVER
from case import RECOVER, REFUSE, Case, Kind, Said  # noqa: E402
from speech import DIALECTS  # noqa: E402
from truth import CATEGORIES, Call, Item, load, right  # noqa: E402

Parser = Callable[[str, Sequence[dict[str, Any]], dict[str, str]], "list[dict[str, Any]] | None"]


def main() -> None:
    """Read the options, run every kind, print the tables."""
    options = _options()
    parser = _parser(options.parser)
    items = {name: _items(options.data, name, options.sample) for name in CATEGORIES}
    kinds = {k: v for k, v in {**RECOVER, **REFUSE}.items() if not options.kind or k in options.kind}
    started = time.perf_counter()
    tally, wrong = _run(parser, kinds, items, options.dialect or list(DIALECTS))
    spent = time.perf_counter() - started
    _print_table(tally)
    reads = sum(sum(counts.values()) for counts in tally.values())
    print(f"{len(kinds)} kinds, {reads} texts, {1000 * spent / max(1, reads):.2f} ms each with checking")
    for line in wrong[: options.show]:
        print(line)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="BFCL's ground truth, said with faults.")
    parser.add_argument("--data", type=Path, required=True, help="bfcl_eval/data of an installed bfcl-eval")
    parser.add_argument("--parser", default="bridle.wrappers:parse_calls", help="package.module:function")
    parser.add_argument("--sample", type=int, help="at most so many items of each category")
    parser.add_argument("--kind", action="append", help="only this kind of fault; may be repeated")
    parser.add_argument("--dialect", action="append", choices=DIALECTS)
    parser.add_argument("--show", type=int, default=0, help="print so many of the texts read wrongly")
    return parser.parse_args()


def _parser(name: str) -> Parser:
    module, _, function = name.partition(":")
    found: Parser = getattr(importlib.import_module(module), function)
    return found


def _items(folder: Path, category: str, sample: int | None) -> list[Item]:
    """Return the items whose first answer is right by the rules, without equal calls in parallel."""
    items = [item for item in load(folder, category) if _sound(item)]
    if sample and sample < len(items):
        items = Random(category).sample(items, sample)
    return items


def _sound(item: Item) -> bool:
    calls = [repr(call) for call in item.calls]
    return right(item, item.calls) and len(set(calls)) == len(calls)


def _run(
    parser: Parser, kinds: dict[str, Kind], items: dict[str, list[Item]], dialects: list[str]
) -> tuple[dict[str, Counter[str]], list[str]]:
    """Return for each kind how often it was read right, wrong or not at all, and the texts read wrongly."""
    tally: dict[str, Counter[str]] = defaultdict(Counter)
    wrong: list[str] = []
    for case in _cases(items, dialects):
        for name, said in _said(case, kinds):
            meta = {"dialect": case.dialect, "finish_reason": said.finish}
            try:
                got = parser(said.text, case.item.tools, meta) or []
            except Exception as error:  # noqa: BLE001  # a reader that raises is what is counted
                got, verdict = [], "crash"
                wrong.append(f"{name} {case.item.id} {case.dialect}: {error!r} {said.text!r}")
            else:
                verdict = _verdict(name, case.item, got, said)
                if verdict not in {"recovered", "refused"}:
                    wrong.append(
                        f"{name} {case.item.id} {case.dialect}: {verdict} {said.text!r}\n    got {got}"
                    )
            tally[name][verdict] += 1
    return tally, wrong


def _cases(items: dict[str, list[Item]], dialects: list[str]) -> Iterator[Case]:
    """Yield each item in each dialect; all texts of an item follow each other, as those of a program do."""
    for category, those in items.items():
        spoken = [dialect for dialect in dialects if category != "parallel" or dialect != "memgpt"]
        for item in those:
            for dialect in spoken:
                yield Case(item, dialect, Random())


def _said(case: Case, kinds: dict[str, Kind]) -> Iterator[tuple[str, Said]]:
    """Yield what each kind of fault makes of a case; parallel calls are only damaged, never to be refused."""
    for name, kind in kinds.items():
        if case.item.category == "parallel" and name in REFUSE:
            continue
        case.rng.seed(f"{name} {case.dialect} {case.item.id}")
        said = kind(case)
        if said is not None:
            yield name, said if isinstance(said, Said) else Said(said)


def _verdict(kind: str, item: Item, got: list[dict[str, Any]], said: Said) -> str:
    if kind in REFUSE:
        return "false call" if got else "refused"
    calls: list[Call] = [(call["name"], call["arguments"]) for call in got]
    if said.undo:
        if not any(said.undo(value) != value for _, arguments in calls for value in _strings(arguments)):
            return "wrong" if got else "lost"
        calls = [(name, _undone(arguments, said.undo)) for name, arguments in calls]
    if right(item, calls):
        return "recovered"
    return "wrong" if got else "lost"


def _strings(arguments: dict[str, Any]) -> Iterator[str]:
    return (value for value in arguments.values() if isinstance(value, str))


def _undone(arguments: dict[str, Any], undo: Callable[[str], str]) -> dict[str, Any]:
    return {key: undo(value) if isinstance(value, str) else value for key, value in arguments.items()}


def _print_table(tally: dict[str, Counter[str]]) -> None:
    print(f"{'kind':34}{'texts':>7}{'recovered':>11}{'wrong':>7}{'lost':>7}{'crash':>7}")
    for name in [name for name in RECOVER if name in tally]:
        _print_row(name, tally[name])
    total = sum((tally[name] for name in RECOVER if name in tally), Counter[str]())
    _print_row("all that can be told", total)
    print(f"\n{'kind':34}{'texts':>7}{'refused':>11}{'false calls':>13}")
    for name in [name for name in REFUSE if name in tally]:
        _print_refused(name, tally[name])
    _print_refused("all that must be refused", sum((tally[n] for n in REFUSE if n in tally), Counter[str]()))


def _print_row(name: str, counts: Counter[str]) -> None:
    n = max(1, sum(counts.values()))
    print(
        f"{name:34}{sum(counts.values()):7}{counts['recovered'] / n:11.1%}{counts['wrong']:7}"
        f"{counts['lost']:7}{counts['crash']:7}"
    )


def _print_refused(name: str, counts: Counter[str]) -> None:
    n = max(1, sum(counts.values()))
    print(f"{name:34}{sum(counts.values()):7}{counts['refused'] / n:11.1%}{counts['false call']:13}")


if __name__ == "__main__":
    main()
