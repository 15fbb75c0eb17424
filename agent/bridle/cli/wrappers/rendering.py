"""`bridle wrappers render`: a conversation as the prompt that a model gets."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, cast

import click

from bridle.cli import output
from bridle.cli.files import load_json, load_tools
from bridle.cli.screen import visible
from bridle.cli.wrappers.model_files import is_model_file, read_model_file
from bridle.errors import InputError

if TYPE_CHECKING:
    from bridle.messages import JSON, Message, ToolSpec
    from bridle.wrappers import Segment
    from bridle.wrappers.syntaxes import ThoughtsPlace

__all__ = ["print_prompt", "render"]

PYTHON_WORDS = ("True", "False")
"""What people write for JSON's true and false."""


@click.command("render")
@click.argument("name")
@click.option(
    "--messages",
    "messages_file",
    required=True,
    metavar="FILE",
    help="JSON: a list of messages, or a request.",
)
@click.option("--tools", "tools_file", metavar="FILE", help="JSON: tools in OpenAI's shape.")
@click.option("--segments", is_flag=True, help='Print JSON lines {"control": …, "text": …}.')
@click.option("--prime", is_flag=True, help="Begin a call, as where nothing else makes a model call.")
@click.option("--thoughts", type=click.Choice(["inner", "outer", "none"]), help="Where thoughts stand.")
@click.option("--hints", is_flag=True, default=None, help="Remind of the memory functions.")
@click.option("--roles", is_flag=True, default=None, help="Give events and results roles of their own.")
@click.option("--set", "values", multiple=True, metavar="KEY=VALUE", help="A variable of the template.")
def render(
    name: str,
    messages_file: str,
    tools_file: str | None,
    segments: bool,
    prime: bool,
    thoughts: ThoughtsPlace | None,
    hints: bool | None,
    roles: bool | None,
    values: tuple[str, ...],
) -> None:
    """Write a conversation as the wrapper NAME does, up to where the model's answer begins.

    NAME is a wrapper or a .toml or .yaml file of a format; or, for a model's own chat template, a .gguf file,
    a .jinja file, a tokenizer_config.json or the folder that holds one.
    FILE may be `-` for standard input. In a terminal control text is coloured; in a pipe the prompt is what
    goes to a server, where control text inside a message is broken.
    """
    messages, tools = _load_request(messages_file, tools_file)
    from bridle.wrappers import get_wrapper, wrapper_names

    if is_model_file(name) and name not in wrapper_names():
        if prime or thoughts or hints or roles:
            raise click.UsageError("--prime, --thoughts, --hints and --roles are options of wrappers")
        written, control = _by_own_template(name, messages, tools, _values(values))
    else:
        wrapper = get_wrapper(name, thoughts=thoughts, hints=hints, roles=roles, values=_values(values))
        written, control = wrapper.render(messages, tools, prime=prime), wrapper.control
    if segments:
        for segment in written:
            output.print_json({"control": segment.control, "text": segment.text})
    else:
        print_prompt(written, control)


def _by_own_template(
    name: str, messages: Sequence[Message], tools: Sequence[ToolSpec], values: Mapping[str, JSON]
) -> tuple[Sequence[Segment], Sequence[str]]:
    from bridle.wrappers.templates import ChatTemplate

    facts = read_model_file(name)
    if not facts.template:
        raise InputError(f"{facts.where!r} holds no chat template", hint="name a wrapper instead")
    template = ChatTemplate(facts.template, facts.bos, facts.eos, facts.where)
    return template.render(messages, tools, extra=values), template.tokens


def _load_request(
    messages_file: str, tools_file: str | None
) -> tuple[tuple[Message, ...], tuple[ToolSpec, ...]]:
    """Read a conversation: a list of messages, or a request with `messages` and `tools`."""
    from bridle.messages import as_messages, as_tools

    value = load_json(messages_file, "--messages")
    request = cast("Mapping[str, object]", value) if isinstance(value, dict) else {"messages": value}
    value = request.get("messages")
    if not isinstance(value, list):
        raise InputError(
            f"--messages {messages_file!r} does not hold messages",
            hint='it must hold a list of {"role": …, "content": …}',
        )
    tools = load_tools(tools_file) if tools_file else request.get("tools") or []
    messages = as_messages(cast("list[Mapping[str, object]]", value))
    return messages, as_tools(cast("list[Mapping[str, object]]", tools))


def print_prompt(segments: Sequence[Segment], control: Sequence[str]) -> None:
    """Write a prompt: in colours to a terminal, else the bytes that a server would get."""
    from bridle.wrappers import flatten

    if not sys.stdout.isatty():
        sys.stdout.flush()
        sys.stdout.buffer.write(flatten(segments, control).encode("utf-8", "backslashreplace"))
        sys.stdout.buffer.flush()
        return
    from rich.text import Text

    console = output.console()
    text = Text()
    for segment in segments:
        text.append(visible(segment.text), style="bold magenta" if segment.control else "")
    console.print(text, soft_wrap=True)


def _values(given: Iterable[str]) -> Mapping[str, JSON]:
    found: dict[str, JSON] = {}
    for one in given:
        key, mark, value = one.partition("=")
        if not mark or not key.isidentifier():
            raise InputError(f"--set {one!r} sets nothing", hint="write KEY=VALUE, for example thinking=true")
        try:
            found[key] = json.loads(value.lower() if value in PYTHON_WORDS else value)
        except ValueError:
            found[key] = value
    return found
