"""What the commands of `bridle grammar` are given: files of tools, schemas and GBNF, and texts to quote."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, TypeVar, cast

import click

from bridle.cli.files import as_json, listed_tools, read_text
from bridle.errors import InputError

if TYPE_CHECKING:
    from bridle.grammars import Grammar, Mode, Profile
    from bridle.grammars.gbnf_dialects import Dialect
    from bridle.messages import JSON, ToolSpec
    from bridle.wrappers import Wrapper

__all__ = [
    "DIALECTS",
    "PROFILES",
    "THE_FILE",
    "Kind",
    "as_mode",
    "kind_of",
    "quotes_of",
    "quotes_option",
    "read_schema",
    "read_tools",
    "turn_grammar",
    "turn_options",
    "wrapper_of",
]

Kind = Literal["tools", "schema", "gbnf"]
Command = TypeVar("Command", bound=Callable[..., object])

THE_FILE = "the file"
DIALECTS: tuple[Dialect, ...] = ("llama.cpp", "koboldcpp", "webui", "xgrammar")
PROFILES: tuple[Profile, ...] = ("generic", "openai-strict", "ollama", "lmstudio", "vllm", "llama-server")
MODES = ("call", "text-or-call", "text")

quotes_option = click.option(
    "--quote",
    "quotes",
    multiple=True,
    metavar="NAME=TEXT",
    help="A text for x-quoted-from; NAME=@FILE reads it.",
)


def turn_options(command: Command) -> Command:
    """Add the options that say what a turn with calls looks like."""
    options = (
        click.option("--wrapper", metavar="W", help="How the model writes calls: a wrapper or its file."),
        click.option(
            "--mode", type=click.Choice(MODES), default="call", show_default=True, help="What a turn holds."
        ),
        click.option("--only", metavar="NAME", help="The one function that may be called."),
        click.option("--parallel", type=click.IntRange(min=1), default=1, metavar="N", help="Up to N calls."),
        click.option("--think", is_flag=True, help="The turn may begin with thinking."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def as_mode(mode: str) -> Mode:
    """The mode as `call_grammar` calls it."""
    return cast("Mode", mode.replace("-", "_"))


def wrapper_of(name: str | None) -> tuple[Wrapper, str]:
    """The wrapper of that name, or the default one with a note that says so."""
    from bridle.wrappers import get_wrapper
    from bridle.wrappers.detection import DEFAULT

    if name is not None:
        return get_wrapper(name), ""
    return get_wrapper(DEFAULT), f"the wrapper is {DEFAULT}, the default; name another with --wrapper"


def turn_grammar(
    tools: Sequence[ToolSpec],
    wrapper: Wrapper,
    mode: Mode,
    *,
    only: str | None,
    parallel: int,
    think: bool,
    loosen: bool,
    quotes: Mapping[str, Sequence[str]],
) -> Grammar:
    """The grammar of a turn, as it holds a model that has been given a prompt by this wrapper."""
    from bridle.grammars import call_grammar

    return call_grammar(
        tools,
        wrapper.syntax.shape,
        mode,
        only=only,
        parallel=parallel,
        think=think,
        loosen=loosen,
        opened=wrapper.opens_thinking,
        gap=wrapper.syntax.gap_always,
        stop=wrapper.stop,
        quotes=quotes,
    )


def quotes_of(given: Iterable[str]) -> dict[str, list[str]]:
    """The texts to quote from, by their names."""
    found: dict[str, list[str]] = {}
    for one in given:
        name, mark, text = one.partition("=")
        if not mark or not name:
            raise InputError(
                f"--quote {one!r} names no text", hint="write NAME=TEXT, or NAME=@FILE for a file's text"
            )
        if text.startswith("@"):
            text = read_text(text[1:], "--quote")
        found.setdefault(name, []).append(text)
    return found


def read_tools(path: str, text: str | None = None) -> tuple[ToolSpec, ...]:
    """Read a file of tools, or its text.

    Raises:
        InputError: for a file of anything else, which it names.
    """
    from bridle.messages import as_tools

    value = as_json(read_text(path, THE_FILE) if text is None else text, path, THE_FILE)
    listed = listed_tools(value, path, THE_FILE)
    for tool in listed:
        if "name" not in tool and "function" not in tool and _is_schema(tool):
            raise InputError(
                f"the file {path!r} holds a JSON Schema, no tools", hint="use `bridle grammar from-schema`"
            )
    if not listed:
        raise InputError(f"the file {path!r} holds an empty list of tools", hint="list at least one tool")
    return as_tools(listed)


def read_schema(path: str, text: str | None = None) -> Mapping[str, JSON] | bool:
    """Read a file of a JSON Schema, or its text.

    Raises:
        InputError: for a file of anything else, which it names.
        SchemaError: for a schema that is not valid.
    """
    from bridle.grammars.schema_keywords import check_schema

    value = as_json(read_text(path, THE_FILE) if text is None else text, path, THE_FILE)
    if _is_tools(value):
        raise InputError(
            f"the file {path!r} holds tools, no JSON Schema", hint="use `bridle grammar from-tools`"
        )
    if not isinstance(value, bool | dict):
        raise InputError(
            f"the file {path!r} holds {_named(value)}", hint="a JSON Schema is an object, true or false"
        )
    schema = cast("Mapping[str, JSON] | bool", value)
    if isinstance(schema, Mapping) and not _is_schema(schema):
        for key in ("schema", "json_schema"):
            if isinstance(schema.get(key), dict):
                raise InputError(
                    f"the file {path!r} holds a schema under {key!r}, and is none itself",
                    hint=f"write what stands under {key!r} to a file of its own",
                )
    check_schema(schema)
    return schema


def kind_of(path: str, text: str) -> Kind:
    """What a file holds: tools or a JSON Schema where it is JSON, else GBNF.

    Raises:
        InputError: for JSON that is neither, and for a file of JSON that is not valid.
    """
    try:
        value: object = json.loads(text)
    except RecursionError as error:
        raise InputError(f"the file {path!r} cannot be read: {error}", hint="check the file") from error
    except ValueError:
        if path.lower().endswith(".json") or text.lstrip()[:1] in ("{", "["):
            as_json(text, path, THE_FILE)  # says where it is wrong
        return "gbnf"
    if _is_tools(value):
        return "tools"
    if isinstance(value, bool | dict):
        return "schema"
    raise InputError(
        f"the file {path!r} holds {_named(value)}",
        hint="give a GBNF grammar, a JSON Schema or a list of tools",
    )


def _is_tools(value: object) -> bool:
    if isinstance(value, list):
        listed = cast("list[object]", value)
        return bool(listed) and all(isinstance(one, dict) for one in listed)
    if not isinstance(value, dict):
        return False
    body = cast("Mapping[str, object]", value)
    named = isinstance(body.get("name"), str) and any(
        key in body for key in ("parameters", "inputSchema", "input_schema")
    )
    return named or isinstance(body.get("tools"), list) or isinstance(body.get("function"), dict)


def _is_schema(value: Mapping[str, object]) -> bool:
    from bridle.grammars.schema_keywords import ANNOTATIONS, RESTRICTING

    return any(key in RESTRICTING or key in ANNOTATIONS for key in value)


def _named(value: object) -> str:
    match value:
        case None:
            return "null"
        case str():
            return "a text"
        case list():
            return "a list"
        case _:
            return "a number"
