"""`bridle logs`: what was asked and answered lately, out of the local flight recorder."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

import click

from bridle.cli.output import counted, print_json, print_note, printable
from bridle.cli.screen import visible

if TYPE_CHECKING:
    from bridle.endpoints.recorder import Entry, Recorder
    from bridle.messages import JSON

__all__ = ["command", "the_recorder"]


def the_recorder() -> Recorder:
    """Open the recorder of this home, whether or not it is switched on now."""
    from bridle.endpoints.config import home
    from bridle.endpoints.recorder import FILE_NAME, Recorder

    return Recorder(home() / FILE_NAME)


@click.group("logs", invoke_without_command=True)
@click.option("-n", "--limit", type=click.IntRange(min=1), default=20, show_default=True, metavar="N")
@click.option("--failed", is_flag=True, help="Only what gave no valid answer.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
@click.pass_context
def command(ctx: click.Context, limit: int, failed: bool, as_json: bool) -> None:
    """Show what was asked and answered lately, newest first.

    `bridle chat` and `bridle ask` record every request to a model in the data directory, up to 64 MB; nothing
    leaves this machine. `enabled = false` below [recorder] in the config file switches it off.

    \b
    bridle logs                       the last twenty
    bridle logs show 7                everything about number 7
    bridle replay 7 --wrapper hermes  ask again in another way
    """
    if ctx.invoked_subcommand is not None:
        return
    from bridle.endpoints.config import load_config

    if load_config().recorder.enabled is False:
        print_note("recording is off: [recorder] enabled = false in the config file")
    entries = the_recorder().entries(limit, failed=failed)
    for entry in entries:
        if as_json:
            print_json(asdict(entry))
        else:
            print(_line(entry))
    if not entries and not as_json:
        print_note(
            "nothing is recorded" + (" that failed" if failed else " yet: try `bridle ask` or `bridle chat`")
        )


def _line(entry: Entry) -> str:
    when = datetime.fromtimestamp(entry.started).strftime("%m-%d %H:%M:%S")
    how = entry.rung if entry.outcome == "answered" else f"{entry.rung}: {entry.outcome}"
    return visible(
        f"{entry.id:>5}  {when}  {entry.seconds:6.2f} s  {entry.endpoint}  {entry.wrapper}  [{how}]\n"
        f"       > {_cut(printable(entry.asked))}\n       < {_cut(printable(entry.answered))}"
    )


def _cut(text: str, most: int = 100) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


@command.command("show")
@click.argument("number", type=click.IntRange(min=1))
@click.option("--prompt", "part", flag_value="prompt", help="Only the prompt, as it was rendered.")
@click.option("--raw", "part", flag_value="raw", help="Only the bytes that the server sent, as they came.")
@click.option("--answer", "part", flag_value="answer", help="Only the text that the model wrote.")
@click.option("--grammar", "part", flag_value="grammar", help="Only the grammar or schema that was sent.")
@click.option("--json", "part", flag_value="json", help="Everything, as one JSON object.")
def show(number: int, part: str | None) -> None:
    """Show everything about one request: prompt, constraint, answer, how it was read, timings."""
    body = the_recorder().body(number)
    if part == "json":
        print_json(dict(body))
    elif part == "raw":
        sys.stdout.flush()
        sys.stdout.buffer.write(base64.b64decode(_text(body, "wire")))
        sys.stdout.buffer.flush()
    elif part is not None:
        text = {"prompt": _prompt, "answer": _answer, "grammar": _grammar}[part](body)
        print(text if not sys.stdout.isatty() else visible(text))
    else:
        print(visible(_report(number, body)))


def _report(number: int, body: Mapping[str, JSON]) -> str:
    reading, error = _mapping(body.get("reading")), _mapping(body.get("error"))
    answer, constraint = _mapping(body.get("answer")), _mapping(reading.get("constraint"))
    when = datetime.fromtimestamp(float(str(body["started"]))).isoformat(" ", "seconds")
    lines = [
        f"number     {number}",
        f"when       {when}, {float(str(body['seconds'])):.3f} s",
        f"endpoint   {_text(body, 'endpoint')}  (model {_text(body, 'model') or 'unknown'})",
        f"wrapper    {_text(body, 'wrapper')}: {_text(body, 'wrapper_reason')}",
        f"rung       {_text(body, 'rung')}",
    ]
    if constraint:
        sent = ", ".join(str(name) for name in _list(constraint.get("sent_as")))
        by = f", sent as {sent}" if sent else ""
        lines.append(f"constraint {constraint.get('asked')}, {constraint.get('proof')}{by}")
    if answer:
        usage = _mapping(answer.get("usage"))
        tokens = f"{usage.get('prompt_tokens')} prompt, {usage.get('completion_tokens')} answer"
        lines.append(f"finish     {answer.get('finish')} ({answer.get('finish_reason')}); tokens: {tokens}")
    if answer.get("dropped"):
        lines.append(f"dropped    {', '.join(str(name) for name in _list(answer['dropped']))}")
    if error:
        lines.append(f"error      {error.get('kind')}: {error.get('message')}")
    for repair in _list(reading.get("repairs")):
        lines.append(f"repaired   {json.dumps(repair, ensure_ascii=False)}")
    for refusal in _list(reading.get("refusals")):
        lines.append(f"refused    {_mapping(refusal).get('reason')}")
    for call in _list(reading.get("calls")):
        lines.append(f"call       {json.dumps(call, ensure_ascii=False)}")
    lines += ["", "--- prompt", _prompt(body), "--- answer", _answer(body)]
    return "\n".join(lines)


def _prompt(body: Mapping[str, JSON]) -> str:
    request = _mapping(body.get("request"))
    segments = [one for one in _list(request.get("prompt")) if isinstance(one, list) and one]
    if segments:
        return "".join(str(one[0]) for one in segments)
    return "\n".join(
        f"[{_mapping(one).get('role')}] {_mapping(one).get('content')}"
        for one in _list(request.get("messages"))
    )


def _answer(body: Mapping[str, JSON]) -> str:
    return _text(_mapping(body.get("reading")), "raw") or _text(_mapping(body.get("answer")), "text")


def _grammar(body: Mapping[str, JSON]) -> str:
    request = _mapping(body.get("request"))
    schema = request.get("schema")
    if isinstance(schema, dict):
        return json.dumps(schema, ensure_ascii=False, indent=2)
    return _text(request, "grammar") or _text(request, "regex")


def _mapping(value: JSON) -> Mapping[str, JSON]:
    return value if isinstance(value, dict) else {}


def _list(value: JSON) -> list[JSON]:
    return value if isinstance(value, list) else []


def _text(body: Mapping[str, JSON], key: str) -> str:
    value = body.get(key)
    return value if isinstance(value, str) else ""


@command.command("clear")
@click.option("--yes", is_flag=True, help="Do not ask.")
def clear(yes: bool) -> None:
    """Forget everything that is recorded."""
    if not yes:
        click.confirm("Forget all that is recorded?", abort=True)
    print_note(f"{counted(the_recorder().clear(), 'request')} forgotten")


@command.command("path")
def path() -> None:
    """Print where the recorder's file is, and its size."""
    recorder = the_recorder()
    print(f"{recorder.file} ({recorder.size_bytes() / 1e6:.1f} MB)")
