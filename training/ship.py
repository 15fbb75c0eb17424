"""Put an exported model into the package, with what is known about it.

Takes the folder of a run after `export.py`, and what `parity.py` and `evaluate.py` printed. Refuses a model
that missed a parity gate. Writes the GGUF file, `model.json`, and the table of scores inside `MODEL_CARD.md`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from prefix import prompt_sha256
from train import load_model

__all__ = ["card_table", "main", "read_scores"]

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "endpoints" / "bridle" / "endpoints" / "embedded"
MARKS = ("<!-- scores -->", "<!-- end of scores -->")
LINE = re.compile(
    r"^(?P<mode>free|held) (?P<rest>.*?)\s+n\s+(?P<n>\d+)\s+valid\s+(?P<valid>[\d.]+) %\s+"
    r"function\s+(?P<function>[\d.]+) % \[(?P<function_interval>[\d-]+)\]\s+"
    r"exact\s+(?P<exact>[\d.]+) % \[(?P<exact_interval>[\d-]+)\]$"
)

Row = Mapping[str, str]


def read_scores(text: str) -> dict[tuple[str, str, str], Row]:
    """The rows that `evaluate.py` printed, by (mode, split, kind)."""
    rows: dict[tuple[str, str, str], Row] = {}
    for line in text.splitlines():
        found = LINE.match(line)
        if found is None:
            continue
        split, _, kind = found["rest"].strip().partition(" ")
        rows[found["mode"], split, kind.strip() or "all"] = found.groupdict()
    return rows


def card_table(rows: Mapping[tuple[str, str, str], Row]) -> str:
    """Markdown: each kind of step in each split, right function / exact arguments, free and held."""
    splits = [split for split in ("train", "entities", "frames") if ("held", split, "all") in rows]
    kinds = sorted(
        {kind for _, split, kind in rows if split in splits}, key=lambda kind: (kind == "all", kind)
    )
    head = [f"{split}, {mode}" for split in splits for mode in ("free", "held")]
    lines = ["| kind | " + " | ".join(head) + " |", "|---" * (len(head) + 1) + "|"]
    for kind in kinds:
        cells = [_cell(rows.get((mode, split, kind))) for split in splits for mode in ("free", "held")]
        lines.append(f"| {kind} | " + " | ".join(cells) + " |")
    for mode in ("free", "held"):
        if hand := rows.get((mode, "handwritten", "all")):
            lines += ["", f"Hand-written messages, {mode}: {_long(hand)}."]
        if total := rows.get((mode, "entities", "all")):
            lines += ["", f"Held-out values, {mode}: {_long(total)}."]
        if total := rows.get((mode, "frames", "all")):
            lines += ["", f"Held-out wordings and values, {mode}: {_long(total)}."]
    return "\n".join(lines)


def _cell(row: Row | None) -> str:
    return f"{row['function'].removesuffix('.0')} / {row['exact'].removesuffix('.0')}" if row else ""


def _long(row: Row) -> str:
    return (
        f"{row['function']} % right function [{row['function_interval']}], {row['exact']} % exact"
        f" [{row['exact_interval']}], {row['valid']} % valid (n = {row['n']})"
    )


def main() -> None:
    """Ship the model of a run."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--parity", type=Path, required=True, help="what parity.py printed")
    parser.add_argument("--scores", type=Path, required=True, help="what evaluate.py printed")
    options = parser.parse_args()
    source = options.out / "model-q8_0.gguf"
    _, facts = load_model(options.out / "checkpoint.pt")
    parity = options.parity.read_text("utf-8").strip().splitlines()
    if not parity or parity[-1] != "passed":
        raise SystemExit(f"{options.parity} does not end with 'passed': this model is not shipped")
    rows = read_scores(options.scores.read_text("utf-8"))
    data = source.read_bytes()
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()
    body = {
        "file": "bridle-embedded.gguf",
        "sha256": hashlib.sha256(data).hexdigest(),
        "size_bytes": len(data),
        "prompt_sha256": prompt_sha256(),
        "generator_commit": commit,
        **facts,
        "parity": parity,
        "scores": {f"{mode} {split}": rows[mode, split, kind] for mode, split, kind in rows if kind == "all"},
    }
    shutil.copyfile(source, TARGET / "bridle-embedded.gguf")
    (TARGET / "model.json").write_text(json.dumps(body, indent=2) + "\n", encoding="utf-8")
    card = TARGET / "MODEL_CARD.md"
    before, _, rest = card.read_text("utf-8").partition(MARKS[0])
    _, _, after = rest.partition(MARKS[1])
    card.write_text(f"{before}{MARKS[0]}\n{card_table(rows)}\n{MARKS[1]}{after}", encoding="utf-8")
    print(f"shipped {len(data)} bytes to {TARGET}")


if __name__ == "__main__":
    main()
