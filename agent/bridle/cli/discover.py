"""`bridle discover`: which model servers run here, what each can do, and the command that uses it."""

from __future__ import annotations

import shlex
import shutil
import sys
import textwrap
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, TextIO

import click

from bridle.cli import output
from bridle.cli.connecting import check_new_name, save_as
from bridle.endpoints.specs import short_url

if TYPE_CHECKING:
    from bridle.endpoints.base import ModelInfo
    from bridle.endpoints.discovery import Discovered, Server

__all__ = ["command", "lines_of"]

NOTHING_FOUND = 3
SHOWN_MODELS = 8


@click.command("discover")
@click.argument("urls", metavar="[URL]...", nargs=-1)
@click.option("--save", metavar="NAME", help="Keep what is found first in the config file under this name.")
@click.option("--offline", is_flag=True, help="Look at nothing but this machine.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(urls: tuple[str, ...], save: str | None, offline: bool, as_json: bool) -> int:
    """Find the model servers of this machine, or say what is at each URL.

    Looks at the ports that servers usually take, and at the addresses in the environment and in the config
    file. What listens there is asked what it is. Ends with 3 when nothing is found.
    """
    from bridle.endpoints.discovery import discover

    if save is not None:
        check_new_name(save)
    found = discover(urls, offline=offline)
    saved = ""
    if save is not None:
        found, saved = _save(found, save)
    if as_json:
        output.print_json(
            {
                "servers": [_facts(one) for one in found.servers],
                "others": dict(found.others),
                **({"saved": saved} if save is not None else {}),
            }
        )
    else:
        _print(found, urls)
    return 0 if found.servers else NOTHING_FOUND


def lines_of(server: Server) -> list[tuple[str, str]]:
    """Write what is known of a server as labels and texts, for people."""
    lines = [("seen", server.reason)]
    if server.models:
        lines.append(("models", _model_names(server)))
    elif server.model:
        lines.append(("model", server.model))
    if not server.problem:
        lines.append(("window", _window(server)))
    if server.wrapper:
        lines.append(("wrapper", f"{server.wrapper}: {server.wrapper_reason}"))
    if server.holds:
        lines.append(("can hold", ", ".join(server.holds)))
    if server.problem:
        lines += [("problem", server.problem), ("try", server.hint or "look at its log")]
    else:
        lines.append(("next", _next(server)))
    return lines


def _print(found: Discovered, urls: tuple[str, ...]) -> None:
    for number, server in enumerate(found.servers):
        if number:
            click.echo()
        version = f" {server.version}" if server.version else ""
        named = f" ({server.named_by})" if server.named_by not in ("", "given") else ""
        click.echo(output.printable(f"{server.kind}{version} at {short_url(server.url)}{named}"))
        for label, text in lines_of(server):
            click.echo(_hanging(f"  {label:<10}", output.printable(text), sys.stdout))
    if found.servers and found.others:
        click.echo(err=True)
    for url, words in found.others.items():
        output.print_note(f"{url}: {words}")
    if not found.servers and not urls:
        _print_ways()


def _hanging(label: str, text: str, stream: TextIO) -> str:
    """In a terminal, break the lines of a long text beside its label; a command stays on one line."""
    if not stream.isatty() or "next" in label:
        return label + text
    width = max(shutil.get_terminal_size().columns, 40)
    return textwrap.fill(
        label + text,
        width,
        subsequent_indent=" " * len(label),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _print_ways() -> None:
    from bridle.endpoints.kinds import KINDS

    output.print_note("No model server was found. To start one of these:")
    ways = [(kind.about, kind.start) for kind in KINDS.values() if kind.start]
    width = max(len(about) for about, _ in ways) + 2
    for about, start in ways:
        click.echo(_hanging(f"  {about:<{width}}", start, sys.stderr), err=True)
    output.print_note("None is needed for `bridle chat`: a small model comes along.")


def _facts(server: Server) -> dict[str, object]:
    facts = asdict(server)
    del facts["entry"]
    return {**facts, "spec": server.spec, "command": "" if server.problem else _next(server)}


def _next(server: Server) -> str:
    return f"bridle chat --endpoint {shlex.quote(server.spec)}"


def _window(server: Server) -> str:
    told = server.context_tokens
    trained = server.trained_tokens
    made = f"; the model was made for {trained:,}" if trained and trained != told else ""
    if told is None:
        return f"it does not say{made}: give context_tokens in the config file"
    return f"{told:,} tokens in force{made}"


def _model_names(server: Server) -> str:
    names = [_model_name(one, server) for one in server.models[:SHOWN_MODELS]]
    rest = len(server.models) - len(names)
    return ", ".join(names) + (f" and {rest} more" if rest else "")


def _model_name(model: ModelInfo, server: Server) -> str:
    notes = [
        word
        for word, is_so in (
            ("loaded", model.loaded is True),
            ("embeddings", model.embedding),
            (
                "would answer",
                model.loaded is not True and model.name == server.model and len(server.models) > 1,
            ),
        )
        if is_so
    ]
    return f"{model.name} ({', '.join(notes)})" if notes else model.name


def _save(found: Discovered, name: str) -> tuple[Discovered, str]:
    """Save the first server that can be asked; return it under its name, and the config file.

    The file is empty where no server was found.
    """
    able = [one for one in found.servers if not one.problem] or list(found.servers)
    if not able:
        return found, ""
    server = able[0]
    file = save_as(name, replace(server.entry, url=short_url(server.url)))
    if len(able) > 1:
        output.print_note("Others are saved with: bridle discover URL --save NAME")
    named = [replace(one, saved_as=name) if one is server else one for one in found.servers]
    return replace(found, servers=tuple(named)), str(file)
