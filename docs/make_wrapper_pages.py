"""Write what the docs say about the formats: a page for each, and the tables in `wrappers.md`.

    python docs/make_wrapper_pages.py [--check]

`--check` writes nothing, names the pages that are out of date, and ends with 1 if there are any.
"""

from __future__ import annotations

import json
import re
import runpy
import sys
import tomllib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path[:0] = [str(DOCS.parent / part) for part in ("wrappers", "grammars", "endpoints", "agent")]

from bridle.cli.wrappers.facts import CALL, MESSAGES, TOOLS, call_sample, thoughts_place  # noqa: E402
from bridle.wrappers import JsonLayout, Reading, Wrapper, builtin_formats, get_wrapper, read_calls  # noqa: E402
from bridle.wrappers.syntaxes import SYNTAXES, make_syntax  # noqa: E402
from bridle.wrappers.wrapper import ALIASES  # noqa: E402

MADE = "<!-- Made by docs/make_wrapper_pages.py; do not edit. -->"
LOOK_CHARS = 58


def pages() -> Mapping[Path, str]:
    """Every made file and what it should hold."""
    made = {DOCS / "wrappers" / f"{name}.md": page(name) for name in builtin_formats()}
    guide = DOCS / "wrappers.md"
    text = guide.read_text(encoding="utf-8")
    tables = {
        "formats": formats_table(),
        "memgpt": memgpt_table(),
        "reading": reading_table(),
        "syntaxes": syntaxes_table(),
    }
    for part, table in tables.items():
        start, end = f"<!-- made: {part} -->", "<!-- end -->"
        pattern = re.compile(f"{re.escape(start)}.*?{re.escape(end)}", re.DOTALL)
        if len(pattern.findall(text)) != 1:
            raise ValueError(f"{guide} must hold {start} … {end} once")
        text = pattern.sub(f"{start}\n{table}\n{end}".replace("\\", r"\\"), text)
    return {**made, guide: text}


def page(name: str) -> str:
    """The page of one format."""
    wrapper = get_wrapper(name)
    form = wrapper.format
    parts = [
        MADE,
        f"# {name}",
        f"{_cell(form.title)}.",
        _facts(wrapper),
        "## A short conversation",
        "As it is written for the model, up to where its answer begins; special tokens stand as text.",
        _fenced("".join(segment.text for segment in wrapper.render(MESSAGES, TOOLS))),
        "## A call",
        "A turn with one call, as the model writes it and as it stands in the history.",
        _fenced(call_sample(wrapper)),
    ]
    if form.template_values:
        parts += ["## Options", _options(wrapper)]
    parts += ["## Where it differs from the model's own template", _differences(wrapper)]
    historical = [one for one in memgpt_names() if one == name or _means(one) == name]
    if historical:
        parts += ["## MemGPT's names", _memgpt_rows(historical)]
    return "\n\n".join(parts) + "\n"


def formats_table() -> str:
    """One line per format."""
    lines = ["| wrapper | for | a call looks like |", "|---|---|---|"]
    for name, form in builtin_formats().items():
        look = _code(_look(get_wrapper(name)))
        lines.append(f"| `{name}` | [{_cell(form.title)}](wrappers/{name}.md) | {look} |")
    return "\n".join(lines)


def syntaxes_table() -> str:
    """One line per call syntax, with the call of the sample."""
    lines = ["| syntax | a call | several in a turn |", "|---|---|---|"]
    for name in sorted(SYNTAXES):
        syntax = make_syntax(name, "inner", JsonLayout())
        written = " ".join(syntax.write((CALL,), "", "", TOOLS).split())
        lines.append(f"| `{name}` | {_code(written)} | {'yes' if syntax.shape.parallel else 'no'} |")
    return "\n".join(lines)


def reading_table() -> str:
    """One line per example of what is read, repaired or refused, as the reader has it."""
    lines = ["| a model writes | what is read | by which repairs, or why not |", "|---|---|---|"]
    for raw, finish in reading_examples():
        reading = read_calls(raw, TOOLS, {"dialect": "hermes", "finish_reason": finish})
        calls = [f"{one.name}({_json(dict(one.arguments))})" for one in reading.calls]
        what = "the call " + _code(" ".join(calls)) if calls else "no call" + _beside(reading)
        why = [one.reason for one in reading.refusals]
        why += dict.fromkeys(one.what for one in reading.repairs)
        cut = " (cut off)" if finish == "length" else ""
        lines.append(f"| {_code(raw)}{cut} | {what} | {_cell('; '.join(why)) or 'none'} |")
    return "\n".join(lines)


def reading_examples() -> Sequence[tuple[str, str]]:
    """What models write, and why each ended: `stop` or `length`."""
    data = tomllib.loads((DOCS / "reading_examples.toml").read_text(encoding="utf-8"))
    return [(one["raw"], "length" if one.get("cut_off") else "stop") for one in data["examples"]]


def _beside(reading: Reading) -> str:
    return f", the text {_code(reading.text)}" if reading.text else ""


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def memgpt_table() -> str:
    """One line per name of MemGPT's configs."""
    return _memgpt_rows(list(memgpt_names()))


@lru_cache(maxsize=1)
def memgpt_names() -> Mapping[str, tuple[str, str]]:
    """Each name with what was wrong in the original and what it means here."""
    data = tomllib.loads((DOCS / "memgpt_names.toml").read_text(encoding="utf-8"))
    return {name: (_line(one["was"]), _line(one["is"])) for name, one in data["names"].items()}


def _memgpt_rows(names: Sequence[str]) -> str:
    lines = ["| name in a MemGPT config | wrong in the original | here |", "|---|---|---|"]
    for name in names:
        was, now = memgpt_names()[name]
        lines.append(f"| `{name}` | {_cell(was)} | {_cell(now)} |")
    return "\n".join(lines)


def _means(name: str) -> str:
    return ALIASES[name].format if name in ALIASES else name


def _facts(wrapper: Wrapper) -> str:
    form = wrapper.format
    rows = [
        ("source", _linked(form.source)),
        ("call syntax", f"`{wrapper.syntax.dialect}`{', several calls in a turn' * _parallel(wrapper)}"),
        ("thoughts", _cell(thoughts_place(wrapper))),
        ("system role", "yes" if form.system_role else "no: its text stands before the first user's"),
        ("begins with", _code(form.bos) if form.bos else "nothing (no BOS is written)"),
        ("the answer follows", _code(form.generation) if form.generation else "(the template writes it)"),
        ("stops at", _codes(form.stop)),
        ("special tokens", _codes(form.special)),
        ("marks of plain text", _codes(form.marks)),
        ("detected by", _codes(form.detect)),
    ]
    lines = ["| | |", "|---|---|", *(f"| {label} | {value} |" for label, value in rows if value)]
    return "\n".join(lines)


def _parallel(wrapper: Wrapper) -> bool:
    return wrapper.syntax.shape.parallel


def _options(wrapper: Wrapper) -> str:
    values = wrapper.format.template_values.items()
    return "\n".join(f"- `{key}`, usually {_code(_json(value))}" for key, value in values)


def _differences(wrapper: Wrapper) -> str:
    """What the format lists, and which real templates it was compared with."""
    found = wrapper.format.differences
    files = _compared_with().get(wrapper.format.name, ())
    if files:
        named = ", ".join(f"`{file}`" for file in files)
        lead = (
            f"Compared byte for byte, in 12 conversations, with {named} of llama.cpp's `models/templates`. "
        )
        lead += "What differs, and why:" if found else "Nothing differs."
    elif any("not compared" in one.lower() for one in found):
        lead = ""
    else:
        lead = "Not compared with the real template: the layout is the one that the source describes."
    listed = "\n".join(f"- {_sentence(_cell(one))}" for one in found)
    return "\n\n".join(part for part in (lead, listed) if part)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "."


@lru_cache(maxsize=1)
def _compared_with() -> Mapping[str, Sequence[str]]:
    """The real templates of each format, by the script that compares them."""
    references = runpy.run_path(str(DOCS.parent / "benchmarks" / "templates.py"))["REFERENCES"]
    return {name: [one.file for one in group] for name, group in references.items()}


def _look(wrapper: Wrapper) -> str:
    text = " ".join(call_sample(wrapper).split())
    return text if len(text) <= LOOK_CHARS else f"{text[:LOOK_CHARS]}…"


def _codes(items: Sequence[str]) -> str:
    return " ".join(_code(item) for item in items)


def _code(text: str) -> str:
    shown = text.replace("\n", "\\n").replace("|", "\\|")
    marks = "``" if "`" in shown else "`"
    blank = " " if shown.startswith("`") or shown.endswith("`") or shown != shown.strip() else ""
    return f"{marks}{blank}{shown}{blank}{marks}"


def _cell(text: str) -> str:
    return re.sub(r"(`[^`]*`)|<", lambda one: one[1] or "&lt;", text).replace("|", "\\|")


def _linked(text: str) -> str:
    return re.sub(r"https?://[^\s,;)]+", lambda url: f"<{url[0]}>", _cell(text))


def _fenced(text: str) -> str:
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def _line(text: str) -> str:
    return " ".join(text.split())


def main(check: bool) -> int:
    """Write the pages, or say which are out of date."""
    made = pages()
    stale = [
        path for path, text in made.items() if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    stale += [path for path in (DOCS / "wrappers").glob("*.md") if path not in made]
    for path in stale:
        sys.stdout.write(f"{'out of date' if check else 'made anew'}: {path.relative_to(DOCS)}\n")
        if not check and path in made:
            path.write_text(made[path], encoding="utf-8")
        elif not check:
            path.unlink()
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
