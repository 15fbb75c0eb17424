"""`bridle grammar`: constraints made of tools and schemas, and what they accept, on the command line."""

from __future__ import annotations

from collections.abc import Mapping

import click

from bridle.cli import Entry, LazyGroup

__all__ = ["GRAMMAR_COMMANDS", "command"]

GRAMMAR_COMMANDS: Mapping[str, Entry] = {
    "from-tools": Entry("bridle.cli.grammar.making:from_tools", "Write the constraint of calls of tools."),
    "from-schema": Entry("bridle.cli.grammar.making:from_schema", "Write the constraint of one JSON value."),
    "check": Entry("bridle.cli.grammar.checking:check", "Say what is wrong with a GBNF grammar."),
    "accepts": Entry(
        "bridle.cli.grammar.accepting:accepts", "Say whether a text fits, or where it does not."
    ),
    "report": Entry("bridle.cli.grammar.reporting:report", "Say which keywords of a schema are enforced."),
}


class _GrammarGroup(LazyGroup):
    entries = GRAMMAR_COMMANDS


@click.group("grammar", cls=_GrammarGroup)
def command() -> None:
    """Constraints on what a model writes: make, check and try them, with no model loaded."""
