"""`bridle replay`: ask a recorded question again, with another wrapper, constraint or endpoint."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from bridle.cli.completions import completion_as_json
from bridle.cli.connecting import EndpointCommand, open_endpoint
from bridle.cli.logs import the_recorder
from bridle.cli.output import print_json
from bridle.cli.screen import visible
from bridle.errors import InputError

if TYPE_CHECKING:
    from bridle.messages import JSON, Completion, ToolSpec
    from bridle.wrappers import Reading

__all__ = ["command"]

INCOMPLETE = 4


@click.command("replay", cls=EndpointCommand)
@click.argument("number", type=click.IntRange(min=1))
@click.option("--endpoint", metavar="SPEC", help="Whom to ask; default: the recorded one.")
@click.option("--model", metavar="NAME", help="The model, where the endpoint has several.")
@click.option("--wrapper", metavar="NAME", help="How the prompt is written; default: as it was.")
@click.option(
    "--constraint",
    type=click.Choice(["auto", "off", "grammar", "schema", "tool", "tools", "json"]),
    help="What holds the answer; default: as it was.",
)
@click.option("--times", type=click.IntRange(1, 1000), default=1, show_default=True, metavar="N")
@click.option("--reread", is_flag=True, help="Ask nobody: read the recorded answer again.")
@click.option("--offline", is_flag=True, help="Refuse addresses that are not this machine.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per answer.")
def command(
    number: int,
    endpoint: str | None,
    model: str | None,
    wrapper: str | None,
    constraint: str | None,
    times: int,
    reread: bool,
    offline: bool,
    as_json: bool,
) -> int:
    """Ask what was recorded under NUMBER again, and compare the calls. `bridle logs` lists the numbers.

    \b
    bridle replay 7                            the same again
    bridle replay 7 --wrapper chatml --times 5
    bridle replay 7 --endpoint ollama:qwen3:4b --constraint schema
    bridle replay 7 --reread --wrapper hermes  only read the recorded text in another way
    """
    asking = (("--endpoint", endpoint), ("--model", model), ("--constraint", constraint))
    without_effect = [name for name, value in asking if value is not None]
    without_effect += ["--times"] if times > 1 else []
    if reread and without_effect:
        raise click.UsageError(f"--reread asks nobody: {' and '.join(without_effect)} would have no effect")
    body = the_recorder().body(number)
    used = wrapper or _text(body, "wrapper")
    if reread and not _recorded_raw(body):
        raise InputError(
            f"number {number} holds no text to read: the server took the calls out of it, or failed",
            hint="leave --reread out to ask again",
        )
    if reread:
        return _reread(body, used, as_json)
    from bridle.endpoints import respond
    from bridle.endpoints.recorder import recording
    from bridle.endpoints.recording import asked_again

    messages, tools, options = asked_again(body)
    if constraint is not None:
        options["constraint"] = constraint
    opened, _ = open_endpoint(endpoint or _text(body, "endpoint"), model=model, offline=offline)
    valid = 0
    try:
        for _ in range(times):
            with recording():
                completion = respond(opened, messages, tools, wrapper=used, **_known(options))
            valid += _show(body, completion, tools, as_json)
    finally:
        opened.close()
    if times > 1 and not as_json:
        print(f"{valid} of {times} answers are valid")
    return 0 if valid == times else INCOMPLETE


def _known(options: Mapping[str, object]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _show(body: Mapping[str, JSON], completion: Completion, tools: Sequence[ToolSpec], as_json: bool) -> bool:
    is_valid = completion.finish == "stop" and (not completion.refusals or bool(completion.message.calls))
    if as_json:
        print_json(completion_as_json(completion))
        return is_valid
    before = _recorded_calls(body)
    now = [{"name": call.name, "arguments": dict(call.arguments)} for call in completion.message.calls]
    report = completion.constraint
    lines = [f"then  {_calls_or_text(before, _recorded_text(body))}"]
    lines.append(f"now   {_calls_or_text(now, completion.message.content)}")
    same = (
        "the same"
        if before == now and (now or _recorded_text(body) == completion.message.content)
        else "different"
    )
    lines.append(
        f"      {same}; {report.asked}, {report.proof}; {completion.seconds:.2f} s; {completion.wrapper}"
    )
    lines += [f"      refused: {refusal.reason}" for refusal in completion.refusals]
    print(visible("\n".join(lines)))
    return is_valid


def _reread(body: Mapping[str, JSON], wrapper: str, as_json: bool) -> int:
    from bridle.endpoints.recording import asked_again
    from bridle.wrappers import get_wrapper

    _, tools, _ = asked_again(body)
    reading: Reading = get_wrapper(wrapper).read(_recorded_raw(body), tools)
    calls = [{"name": call.name, "arguments": dict(call.arguments)} for call in reading.calls]
    if as_json:
        print_json(
            {"calls": calls, "text": reading.text, "refusals": [one.reason for one in reading.refusals]}
        )
    else:
        then = _calls_or_text(_recorded_calls(body), _recorded_text(body))
        lines = [f"then  {then}", f"now   {_calls_or_text(calls, reading.text)}"]
        lines += [f"      repaired: {one.what}: {one.before!r} -> {one.after!r}" for one in reading.repairs]
        lines += [f"      refused: {one.reason}" for one in reading.refusals]
        print(visible("\n".join(lines)))
    return INCOMPLETE if reading.refusals and not reading.calls else 0


def _calls_or_text(calls: Sequence[object], text: str) -> str:
    return json.dumps(calls, ensure_ascii=False) if calls else text


def _reading(body: Mapping[str, JSON]) -> Mapping[str, JSON]:
    reading = body.get("reading")
    return reading if isinstance(reading, dict) else {}


def _recorded_calls(body: Mapping[str, JSON]) -> list[object]:
    calls = _reading(body).get("calls")
    return list(calls) if isinstance(calls, list) else []


def _recorded_text(body: Mapping[str, JSON]) -> str:
    error = body.get("error")
    failed = f"{error.get('kind')}: {error.get('message')}" if isinstance(error, dict) else ""
    return _text(_reading(body), "text") or failed


def _recorded_raw(body: Mapping[str, JSON]) -> str:
    return _text(_reading(body), "raw")


def _text(body: Mapping[str, JSON], key: str) -> str:
    value = body.get(key)
    return value if isinstance(value, str) else ""
