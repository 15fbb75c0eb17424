"""`bridle wrappers check`: is a format right, in itself and against what a server writes?"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from bridle.cli import output
from bridle.errors import FormatError, InputError, RequestRefused

if TYPE_CHECKING:
    from bridle.messages import Message, ToolSpec
    from bridle.wrappers import Wrapper

__all__ = ["check", "first_difference"]

CONTEXT_CHARS = 30


@click.command("check")
@click.argument("name", metavar="NAME")
@click.option("--against", metavar="URL", help="A server that shows the prompt it writes.")
@click.option("--model", default="", metavar="M", help="The server's model, where it has several.")
@click.option("--offline", is_flag=True, help="Refuse addresses that are not this machine.")
@click.option("--quiet", is_flag=True, help="Do not print the prompt.")
def check(name: str, against: str | None, model: str, offline: bool, quiet: bool) -> int:
    """Check a format: the file NAME.toml, or the wrapper NAME.

    Prints the prompt of a short conversation, then what is wrong, and ends with 1 if anything is. With
    --against, what a server writes for the same conversations is compared, and the first difference shown:
    llama-server, text-generation-webui and Ollama can tell.
    """
    from bridle.cli.wrappers.facts import MESSAGES, TOOLS
    from bridle.cli.wrappers.faults import find_faults, find_notes
    from bridle.cli.wrappers.rendering import print_prompt
    from bridle.wrappers import get_wrapper

    if name.lower().endswith(".toml") and not Path(name).exists():
        raise InputError(f"there is no file {name!r}", hint="check the path, or give the name of a wrapper")
    try:
        wrapper = get_wrapper(name)
    except FormatError as error:
        problems = error.facts.get("problems")
        if not isinstance(problems, tuple):
            raise
        return _told(name, [str(one) for one in cast("tuple[object, ...]", problems)])
    if against is not None:
        return _compare(wrapper, against, model, offline)
    faults = find_faults(wrapper, thoughts_chosen=_names_thoughts(name))
    with suppress(FormatError):  # a template that fails is among the faults
        if not quiet:
            print_prompt(wrapper.render(MESSAGES, TOOLS), wrapper.control)
            click.echo()
    for note in find_notes(wrapper):
        output.print_note(f"note: {note}")
    return _told(name, faults)


def _names_thoughts(name: str) -> bool:
    """Whether the file that was given has the key `thoughts`: left out, it is no choice of anybody."""
    if not name.lower().endswith(".toml"):
        return False
    return "thoughts" in tomllib.loads(Path(name).read_text(encoding="utf-8"))


def _told(name: str, faults: Sequence[str]) -> int:
    for fault in faults:
        output.print_note(f"wrong: {fault}")
    if not faults:
        output.print_note(f"{name}: nothing is wrong")
    return 1 if faults else 0


def _compare(wrapper: Wrapper, url: str, model: str, offline: bool) -> int:
    """Render each conversation here and there; 1 if any differs."""
    from bridle.cli.wrappers.facts import MESSAGES, TOOLS
    from bridle.endpoints.connect import open_http
    from bridle.endpoints.served import ask_rendering

    talks: tuple[tuple[str, Sequence[Message], Sequence[ToolSpec]], ...] = (
        ("a question", MESSAGES[1:2], ()),
        ("with a system turn", MESSAGES[:2], ()),
        ("with tools", MESSAGES[:2], TOOLS),
        ("with a call and its result", MESSAGES, TOOLS),
    )
    base, http = open_http(url, offline=offline)
    n_different = 0
    try:
        for title, messages, tools in talks:
            try:
                theirs = ask_rendering(base, http, messages, tools, model)
            except RequestRefused as error:
                if messages is talks[0][1]:
                    raise
                click.echo(f"{title}: the server refuses it ({output.printable(error.message)})")
                continue
            found = _difference(wrapper, messages, tools, theirs.text)
            n_different += bool(found)
            click.echo(f"{title}: {found or f'equal to {theirs.kind} {theirs.route}'}")
    finally:
        http.close()
    for known in wrapper.format.differences if n_different else ():
        output.print_note(f"a known difference: {known}")
    return 1 if n_different else 0


def _difference(wrapper: Wrapper, messages: Sequence[Message], tools: Sequence[ToolSpec], theirs: str) -> str:
    """The first difference in words; empty where there is none but the BOS token, which servers add later."""
    ours = "".join(segment.text for segment in wrapper.render(messages, tools))
    bos = wrapper.format.bos
    if bos and ours.startswith(bos) and not theirs.startswith(bos):
        ours = ours.removeprefix(bos)
    return first_difference(ours, theirs)


def first_difference(ours: str, theirs: str) -> str:
    """Say where two texts part, and how each goes on there; empty for equal ones.

    >>> first_difference("abc", "abd")
    "differs at character 2: ours goes on 'c', the server's 'd', after 'ab'"
    """
    if ours == theirs:
        return ""
    pairs = enumerate(zip(ours, theirs, strict=False))
    at = next((i for i, (one, other) in pairs if one != other), min(len(ours), len(theirs)))
    shown = slice(at, at + CONTEXT_CHARS)
    before = ours[max(0, at - CONTEXT_CHARS) : at]
    return (
        f"differs at character {at}: ours goes on {ours[shown]!r}, the server's {theirs[shown]!r},"
        f" after {before!r}"
    )
