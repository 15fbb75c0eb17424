"""`bridle ask`: one question to a model, answered with text or with calls that are valid."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import click

from bridle.cli.completions import completion_as_json
from bridle.cli.connecting import EMBEDDED, EndpointCommand, open_endpoint
from bridle.cli.files import load_object, load_tools, read_text
from bridle.cli.output import print_json, print_note
from bridle.cli.screen import visible
from bridle.errors import InputError

if TYPE_CHECKING:
    from bridle.endpoints.asking import ConstraintChoice
    from bridle.messages import Completion, Delta

__all__ = ["Options", "command", "print_weakened"]

INCOMPLETE = 4
EMBEDDED_WRAPPER = "chatml-compact"
IMAGES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF", b"BM", b"%PDF")


class _Finite(click.FloatRange):
    """A number in a range, and neither infinite nor none at all."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read a number."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is no finite number.", param, ctx)
        return number


class Options(TypedDict):
    """What `bridle ask` was given."""

    text: str | None
    system: str | None
    endpoint: str | None
    model: str | None
    wrapper: str | None
    tools: str | None
    tool_choice: str
    schema: str | None
    grammar: str | None
    choices: tuple[str, ...]
    constraint: ConstraintChoice
    parallel: int
    think: bool
    max_tokens: int | None
    max_seconds: float | None
    retries: int
    strict: bool
    temperature: float
    seed: int | None
    offline: bool
    as_json: bool


@click.command("ask", cls=EndpointCommand)
@click.argument("text", required=False)
@click.option("--system", metavar="TEXT", help="Instructions that come before the question.")
@click.option("--endpoint", metavar="SPEC", help="What to ask; default: the configured one, else embedded.")
@click.option("--model", metavar="NAME", help="The model, where the endpoint has several.")
@click.option(
    "--wrapper", metavar="NAME", help="How the prompt is written; default: by the model's template."
)
@click.option("--tools", metavar="FILE", help="A JSON file with tools in OpenAI's shape.")
@click.option(
    "--tool-choice",
    metavar="CHOICE",
    default="auto",
    show_default=True,
    help="auto, none, required, or a name.",
)
@click.option("--schema", metavar="FILE", help="A JSON Schema that the whole answer must fit.")
@click.option("--grammar", metavar="FILE", help="A GBNF grammar that the whole answer must fit.")
@click.option(
    "--constraint",
    type=click.Choice(["auto", "off", "grammar", "schema", "tool", "tools", "json"]),
    default="auto",
    show_default=True,
    help="What holds a call to its form.",
)
@click.option("--choice", "choices", metavar="TEXT", multiple=True, help="The answer is one of these TEXTs.")
@click.option(
    "--parallel", type=click.IntRange(min=1), default=1, metavar="N", help="Up to N calls in one answer."
)
@click.option("--think", is_flag=True, help="A held answer may begin with thinking.")
@click.option("--max-tokens", type=click.IntRange(min=1), metavar="N", help="Limit of the answer.")
@click.option("--max-seconds", type=_Finite(min=0, min_open=True), metavar="S", help="Limit in seconds.")
@click.option(
    "--retries",
    type=click.IntRange(min=0),
    default=2,
    show_default=True,
    metavar="N",
    help="How often an answer that nothing held is asked for again.",
)
@click.option("--strict", is_flag=True, help="Refuse what the endpoint cannot be told.")
@click.option("--temperature", type=_Finite(min=0), default=0.0, show_default=True, metavar="T")
@click.option("--seed", type=click.IntRange(min=0), metavar="N", help="The same seed gives the same text.")
@click.option("--offline", is_flag=True, help="Refuse addresses that are not this machine.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: calls, text, raw, constraint.")
def command(**options: Unpack[Options]) -> int:
    """Ask a model once. TEXT may also come from standard input.

    \b
    bridle ask "What is 2 + 2?" --endpoint http://127.0.0.1:1234
    bridle ask "Turn on the lamp" --tools lamp.json --tool-choice required --json
    bridle ask "Tea or coffee?" --choice tea --choice coffee
    """
    given = [name for name in ("schema", "grammar", "choices") if options[name]]
    if len(given) > 1:
        first, second = (f"--{name.removesuffix('s')}" for name in given[:2])
        raise click.UsageError(f"{first} and {second} cannot be given together")
    question = _question(options["text"])
    opened, completion = _ask(question, options)
    if options["as_json"]:
        print_json(completion_as_json(completion))
    else:
        _print_rest(completion, streamed=_streams(options))
    if opened == EMBEDDED:
        _print_limits(completion)
    return INCOMPLETE if completion.finish != "stop" or completion.refusals else 0


def _ask(question: str, options: Options) -> tuple[str, Completion]:
    """Ask, and close the endpoint; tells which endpoint it was."""
    tools = load_tools(options["tools"])
    schema, grammar = options["schema"], options["grammar"]
    schema_body = load_object(schema, "--schema") if schema is not None else None
    gbnf = read_text(grammar, "--grammar") if grammar is not None else None

    from bridle.endpoints import respond
    from bridle.endpoints.recorder import recording
    from bridle.grammars import choice_grammar

    system = options["system"]
    messages: list[Mapping[str, object]] = [{"role": "system", "content": system}] if system else []
    messages.append({"role": "user", "content": question})
    choices = choice_grammar(options["choices"]) if options["choices"] else None
    opened, wrapper = open_endpoint(
        options["endpoint"], model=options["model"], wrapper=options["wrapper"], offline=options["offline"]
    )
    live = _Live()
    try:
        with recording():
            return opened.name, respond(
                opened,
                messages,
                tools,
                tool_choice=options["tool_choice"],
                wrapper=wrapper,
                constraint=options["constraint"],
                schema=schema_body,
                gbnf=gbnf,
                grammar=choices,
                parallel=options["parallel"],
                think=options["think"],
                max_tokens=options["max_tokens"],
                max_seconds=options["max_seconds"],
                retries=options["retries"],
                strict=options["strict"],
                temperature=options["temperature"],
                seed=options["seed"],
                on_delta=live.show if _streams(options) else None,
            )
    finally:
        live.end()
        opened.close()


def _streams(options: Options) -> bool:
    """Only a terminal shows an answer as it comes: what is void later cannot be taken out of a pipe."""
    return sys.stdout.isatty() and not options["as_json"]


def _question(text: str | None) -> str:
    if text is not None and not text.strip():
        raise click.UsageError("nothing was asked: TEXT is empty")
    if text is not None:
        return text
    if not sys.stdin or sys.stdin.isatty():  # there is none where it was closed
        raise click.UsageError("nothing was asked: give TEXT, or pipe it to standard input")
    raw = sys.stdin.buffer.read()
    try:
        asked = raw.decode("utf-8-sig").strip()
        picture = raw.startswith(b"%PDF-") or (raw.startswith(IMAGES) and "\0" in asked)
    except UnicodeDecodeError as error:
        if raw.startswith(IMAGES):
            raise _picture() from error
        raise InputError(
            f"standard input is not UTF-8 text: byte {error.start} is {raw[error.start]:#04x}",
            hint="only text can be asked, no images",
        ) from error
    if picture:  # "BMW" is text, and a small GIF may be UTF-8
        raise _picture()
    if not asked:
        raise click.UsageError("nothing was asked: standard input is empty")
    return asked


def _picture() -> InputError:
    return InputError("standard input is an image or a PDF", hint="only text can be asked")


class _Live:
    """Shows an answer as it comes; what is void by now is marked as such."""

    def __init__(self) -> None:
        self._is_open = False

    def show(self, delta: Delta) -> None:
        """Write what has come."""
        if delta.restart:
            self.end()
            print_note("that was no valid answer; the model is asked in another way, or again")
        if delta.text:
            sys.stdout.write(_shown(delta.text))
            sys.stdout.flush()
            self._is_open = not delta.text.endswith("\n")

    def end(self) -> None:
        """End the line that is begun, if one is: notes and errors have lines of their own."""
        if self._is_open:
            sys.stdout.write("\n")
            sys.stdout.flush()
        self._is_open = False


def _shown(text: str) -> str:
    """What a terminal must not obey becomes visible; a pipe gets the text as it is."""
    return visible(text) if sys.stdout.isatty() else text


def _print_rest(completion: Completion, *, streamed: bool) -> None:
    if completion.message.content and not streamed:
        sys.stdout.write(completion.message.content + "\n")
    for call in completion.message.calls:
        arguments = json.dumps(dict(call.arguments), ensure_ascii=False)
        sys.stdout.write(_shown(f"{call.name} {arguments}\n"))
    for refusal in completion.refusals:
        print_note(f"not a call: {refusal.reason}")
    if completion.finish == "length":
        limit = "time" if completion.finish_reason == "max_seconds" else "token"
        print_note(f"the answer was cut off at the {limit} limit")
    if completion.constraint.weakened:
        print_weakened(completion.constraint.weakened)
    if completion.dropped:
        print_note(f"the endpoint cannot be told: {', '.join(completion.dropped)}")


def print_weakened(weakened: Sequence[str]) -> None:
    """Say which keywords nothing held, and in which way more was held than the schema wants."""
    from bridle.cli.grammar.notations import SIGNS

    for one in weakened:
        pointer, _, keyword = one.rpartition(" ")
        at = f" at {pointer}" if pointer.strip() else ""
        if keyword in SIGNS:
            print_note(f"held more strictly than asked{at}: {SIGNS[keyword]}")
        else:
            print_note(f"not enforced{at}: {keyword}")


def _print_limits(completion: Completion) -> None:
    """What the model that comes along cannot be asked for, where it was."""
    if completion.wrapper != EMBEDDED_WRAPPER:
        print_note(f"note: the embedded model was trained with {EMBEDDED_WRAPPER}, not {completion.wrapper}")
    elif completion.refusals:
        print_note(
            "hint: the embedded model knows only the memory functions of an agent: use `bridle chat`,"
            " or point --endpoint at another model"
        )
