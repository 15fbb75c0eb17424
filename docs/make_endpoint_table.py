"""Write the table of what each kind of endpoint can hold into `endpoints.md`, from the drivers themselves.

    python docs/make_endpoint_table.py [--check]

`--check` writes nothing, and ends with 1 when the table is out of date.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path[:0] = [str(DOCS.parent / part) for part in ("wrappers", "grammars", "endpoints", "agent")]

from bridle.endpoints.base import Supports  # noqa: E402
from bridle.endpoints.driver import Driver  # noqa: E402
from bridle.endpoints.kinds import KINDS, load  # noqa: E402

PAGE = DOCS / "endpoints.md"
START, END = "<!-- made: kinds -->", "<!-- end -->"
OVERFLOW = {
    "error": "refused",
    "silent": "cut; bridle tells",
    "empty": "empty answer; bridle tells",
    "unknown": "differs",
}


def table() -> str:
    """The table as Markdown: a row for each kind that is reached over a network."""
    rows = [
        "| kind | usual address | whole turn by | JSON Schema | native tools | counts tokens | too long |"
    ]
    rows.append("|---|---|---|---|---|---|---|")
    for name, kind in KINDS.items():
        if kind.takes == "url":
            rows.append(_row(name, kind.default_url, supports_of(name)))
    return "\n".join(rows)


def supports_of(name: str) -> Supports:
    """What a kind's driver says of itself before it has seen a server."""
    kind = KINDS[name]
    driver = load(kind.driver or kind.opens)
    if not (isinstance(driver, type) and issubclass(driver, Driver)):
        raise TypeError(f"the kind {name!r} names no driver: {driver!r}")
    return driver.supports


def _row(name: str, url: str, supports: Supports) -> str:
    routes = {
        "prompts": supports.prompt_schema and supports.prompt,
        "chat": supports.json_schema and supports.chat,
    }
    schema = " and ".join(route for route, is_there in routes.items() if is_there) or "by the grammar"
    if schema == "by the grammar" and not supports.grammar:
        schema = "no"
    grammar = f"GBNF ({supports.dialect})" if supports.grammar and supports.prompt else "-"
    forced = (
        "named" if supports.named else "forced" if supports.forced else "taken" if supports.tools else "no"
    )
    counts = "yes" if supports.tokenize else "no"
    page = f"[`{name}`](servers/{name}.md)"
    where = f"`{url}`" if url else "your resource"
    return (
        f"| {page} | {where} | {grammar} | {schema} | {forced} | {counts} | {OVERFLOW[supports.overflow]} |"
    )


def updated() -> str:
    """The page with the table as it should be."""
    text = PAGE.read_text(encoding="utf-8")
    made = f"{START}\n{table()}\n{END}".replace("\\", r"\\")
    return re.sub(f"{re.escape(START)}.*?{re.escape(END)}", made, text, flags=re.DOTALL)


def main(check: bool) -> int:
    """Write the page, or say whether that is needed."""
    made = updated()
    is_stale = made != PAGE.read_text(encoding="utf-8")
    if check:
        sys.stdout.write("out of date: endpoints.md\n" if is_stale else "endpoints.md is up to date\n")
        return int(is_stale)
    PAGE.write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
