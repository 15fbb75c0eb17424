"""`bridle doctor`: prove by asking what a server honours, and what to use it with."""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import click

from bridle.cli.connecting import EndpointCommand, Progress, check_model, check_new_name, save_as
from bridle.cli.output import print_error, print_json, print_note, printable
from bridle.endpoints.specs import short_url

if TYPE_CHECKING:
    from bridle.endpoints.base import Endpoint
    from bridle.endpoints.config import EndpointConfig
    from bridle.endpoints.doctor import Diagnosis, Finding

__all__ = ["command"]

FAILED = 1
_WHO = re.compile(r"https?://\S+ answered ")
WIDTH = 100
"""Of the table, in characters; the JSON has all that is cut."""


@click.command("doctor", cls=EndpointCommand)
@click.argument("endpoint", metavar="[SPEC]", default="auto")
@click.option("--model", metavar="NAME", help="The model, where the endpoint has several.")
@click.option(
    "--save", metavar="NAME", help="Write the endpoint and what to use it with into the config file."
)
@click.option("--offline", is_flag=True, help="Refuse addresses that are not this machine.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(endpoint: str, model: str | None, save: str | None, offline: bool, as_json: bool) -> int:
    """Ask an endpoint a few short questions that show what it really does.

    Each constraint is tried with a made-up word that is all that may be said: proven means that it came back,
    violated that the server takes the constraint and does not hold it. Without SPEC the first server that
    `bridle discover` finds is examined.

    \b
    bridle doctor http://127.0.0.1:8080
    bridle doctor lmstudio --save studio
    """
    from bridle.endpoints.config import load_config
    from bridle.endpoints.connect import connect, parse_spec
    from bridle.endpoints.doctor import examine

    if save is not None:
        check_new_name(save)
    entry = parse_spec(endpoint, load_config())
    opened = connect(entry, model=model, on_wait=Progress(), offline=offline)
    check_model(opened, model or entry.model)
    try:
        if not as_json:
            _introduce(opened)
        diagnosis = examine(opened, None if as_json else _show)
        if as_json:
            print_json(_as_json(opened, diagnosis))
        elif not diagnosis.problem:
            _show_rest(diagnosis)
        if diagnosis.problem:
            print_error(
                f"the server fails whatever it is asked: {diagnosis.problem}", hint="look at the server's log"
            )
            return FAILED
        if save is not None:
            save_as(save, _entry(opened, entry, diagnosis))
    finally:
        opened.close()
    return 0 if diagnosis.valid == diagnosis.asked else FAILED


def _introduce(endpoint: Endpoint) -> None:
    window = f"{endpoint.context_tokens:,} tokens" if endpoint.context_tokens else "unknown"
    print(printable(endpoint.name))
    print(printable(f"  model {endpoint.model or 'unknown'}, window {window}"))
    print(flush=True)


def _show(finding: Finding) -> None:
    verdict = "-" if finding.verdict == "absent" else finding.verdict
    _print_row(f"  {finding.name:<22}{verdict:<10}", finding.detail)


def _show_rest(diagnosis: Diagnosis) -> None:
    route = ""
    for one in diagnosis.fields:
        if one.route != route:
            route = one.route
            print(f"\n  fields that {route} reads")
        field = "all of them" if one.reading == "no route" else one.field
        _print_row(f"    {field:<32}{one.reading:<10}", one.detail, short=True)
    chosen = diagnosis.chosen
    print()
    _print_row("wrapper     ", f"{chosen.wrapper.name}: {chosen.reason}")
    print(f"constraint  {diagnosis.rung}")
    print(f"calls       {diagnosis.valid} of {diagnosis.asked} valid so, {diagnosis.seconds:.1f} s in all")
    if diagnosis.valid < diagnosis.asked:
        print_note("calls fail here: load another model, or use a server that holds a grammar")


def _print_row(label: str, text: str, *, short: bool = False) -> None:
    """Print a text beside its label: in a terminal on as many lines as it takes, else on a short one."""
    text = _WHO.sub("answered ", printable(text))
    width = min(shutil.get_terminal_size().columns, WIDTH) if sys.stdout.isatty() else WIDTH
    room = max(width - len(label), 20)
    if sys.stdout.isatty() and not short:
        text = f"\n{' ' * len(label)}".join(textwrap.wrap(text, room, break_on_hyphens=False))
    else:
        text = textwrap.shorten(text, room, placeholder=" …")
    print(f"{label}{text}".rstrip(), flush=True)


def _entry(endpoint: Endpoint, entry: EndpointConfig, diagnosis: Diagnosis) -> EndpointConfig:
    """The entry that is saved: what was opened, with what was found out about it."""
    from bridle.endpoints.http_endpoint import HttpEndpoint

    chosen = diagnosis.chosen
    entry = replace(
        entry,
        model=endpoint.model if entry.path == "" else "",
        wrapper=entry.wrapper if chosen.guessed else chosen.wrapper.name,
        constraint=diagnosis.rung,
    )
    if isinstance(endpoint, HttpEndpoint):
        entry = replace(entry, kind=endpoint.driver.kind, url=short_url(endpoint.driver.base))
    return entry


def _as_json(endpoint: Endpoint, diagnosis: Diagnosis) -> dict[str, object]:
    return {
        "endpoint": endpoint.name,
        "model": endpoint.model,
        "context_tokens": endpoint.context_tokens,
        "findings": [asdict(finding) for finding in diagnosis.findings],
        "fields": [asdict(field) for field in diagnosis.fields],
        "wrapper": diagnosis.chosen.wrapper.name,
        "wrapper_reason": diagnosis.chosen.reason,
        "constraint": diagnosis.rung,
        "valid_calls": diagnosis.valid,
        "asked_calls": diagnosis.asked,
        "seconds": round(diagnosis.seconds, 3),
        "problem": diagnosis.problem,
    }
