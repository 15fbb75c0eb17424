"""`bridle version`: what is installed here, for a bug report; and who stands in our way."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib import metadata

import click

from bridle.cli import output, shadow

__all__ = ["EXTRAS", "bridle_version", "command", "describe"]

# The extras of pyproject.toml and what each installs; a test compares the two.
EXTRAS: Mapping[str, tuple[str, ...]] = {
    "chroma": ("chromadb", "numpy"),
    "docs": ("beautifulsoup4", "pypdfium2", "python-docx"),
    "llama": ("llama-cpp-python", "llguidance", "numpy"),
    "lmstudio": ("websockets",),
    "mcp": ("mcp",),
    "milvus": ("milvus-lite", "numpy", "pymilvus"),
    "outlines": ("outlines",),
    "postgres": ("numpy", "psycopg"),
    "repl": ("prompt_toolkit",),
}


@click.command("version")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(as_json: bool) -> int:
    """Show the versions of bridle, Python and the optional packages.

    A `bridle/__init__.py` of another project that stands before ours is named, with the way to be rid of it.
    """
    facts = describe()
    if as_json:
        output.print_json(facts)
    else:
        _print_text(facts)
    for file in shadow.find_foreign():
        output.print_note(f"warning: {file} is not of this program but takes its name: {shadow.remedy(file)}")
    missing = shadow.missing_parts()
    if missing:
        output.print_error(f"these parts of bridle cannot be imported: {', '.join(missing)}")
    return 1 if missing else 0


def describe() -> dict[str, object]:
    """Return the facts of `bridle version --json`; a package that is not installed has the version None."""
    return {
        "version": bridle_version(),
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "platform": platform.platform(),
        "extras": {extra: {name: _version(name) for name in names} for extra, names in EXTRAS.items()},
        "foreign": [str(file) for file in shadow.find_foreign()],
        "missing_parts": shadow.missing_parts(),
    }


def bridle_version() -> str:
    """Return the installed version; `unknown` when run from a checkout that is not installed."""
    return _version("bridle") or "unknown"


def _print_text(facts: Mapping[str, object]) -> None:
    click.echo(f"bridle {facts['version']}")
    click.echo(f"Python {facts['python']} ({facts['implementation']})")
    click.echo(str(facts["platform"]))
    for extra, names in EXTRAS.items():
        found = [f"{name} {_version(name) or 'missing'}" for name in names]
        click.echo(f"extra {extra}: {', '.join(found)}")


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
