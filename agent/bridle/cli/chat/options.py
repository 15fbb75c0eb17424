"""What a conversation can be given on the command line: one value, and the click options that fill it.

`bridle chat` takes `SHARED`; `bridle run` takes these and MemGPT's own flags (`OF_MEMGPT`, read in MemGPT
0.3.25, 2024).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bridle.agent.presets import PROFILE_NAMES
from bridle.errors import InputError

if TYPE_CHECKING:
    from bridle.endpoints.config import EndpointConfig

__all__ = ["OF_MEMGPT", "SHARED", "ChatOptions", "endpoint_of", "with_options"]

TEXT_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

LEAST_WINDOW = 256
"""In tokens; a smaller window cannot even hold an agent's instructions."""

Option = Callable[[Any], Any]
"""A decorator as `click.option` gives it."""


@dataclass(frozen=True, slots=True)
class ChatOptions:
    """What was asked for; None and False are what was not.

    `heartbeat` is in minutes, `max_seconds` and the other limits are those of a turn. `agent` None lets
    `bridle run` ask, or make a new one.
    """

    agent: str | None = None
    endpoint: str | None = None
    model: str | None = None
    wrapper: str | None = None
    offline: bool = False
    persona: str | None = None
    human: str | None = None
    system: Path | None = None
    preset: str | None = None
    profile: str | None = None
    context_window: int | None = None
    max_steps: int | None = None
    max_tokens: int | None = None
    max_seconds: float | None = None
    files: Path | None = None
    allow_host: tuple[str, ...] = ()
    mcp: tuple[str, ...] = ()
    heartbeat: float | None = None
    stream: bool | None = None
    strip_ui: bool = False
    debug: bool = False
    script: Path | None = None
    as_json: bool = False
    model_wrapper: str | None = None
    model_endpoint: str | None = None
    model_endpoint_type: str | None = None
    core_memory_limit: int | None = None
    first: bool = False
    verify: bool = True
    yes: bool = False


SHARED: Sequence[Option] = (
    click.option("--endpoint", metavar="SPEC", help="The model; default: the configured one, else embedded."),
    click.option("--model", metavar="NAME", help="Which model of a server."),
    click.option(
        "--wrapper", metavar="W", help="The prompt format: a name or a .toml file; default: by the model."
    ),
    click.option("--offline", is_flag=True, help="Connect to nothing but this machine."),
    click.option("--persona", metavar="P", help="Who a new agent is: a name, or a text file."),
    click.option("--human", metavar="H", help="What a new agent knows of you: a name, or a text file."),
    click.option("--system", metavar="FILE", type=TEXT_FILE, help="A new agent's instructions."),
    click.option("--preset", metavar="P", help="Persona, human, instructions and tools of a new agent."),
    click.option("--profile", type=click.Choice(PROFILE_NAMES), help="Its functions; default: by the model."),
    click.option(
        "--context-window",
        type=click.IntRange(min=LEAST_WINDOW),
        metavar="N",
        help="The model's window, in tokens.",
    ),
    click.option(
        "--max-steps", type=click.IntRange(min=1), metavar="N", help="Functions called in a turn at most."
    ),
    click.option(
        "--max-tokens", type=click.IntRange(min=1), metavar="N", help="Tokens of a turn, prompts among them."
    ),
    click.option(
        "--max-seconds", type=click.FloatRange(min=0, min_open=True), metavar="S", help="Time of a turn."
    ),
    click.option(
        "--files",
        metavar="FOLDER",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        help="Let the agent read files in this folder, and write to them.",
    ),
    click.option(
        "--allow-host", metavar="HOST", multiple=True, help="Let the agent make HTTP requests to this host."
    ),
    click.option(
        "--mcp", metavar="SERVER", multiple=True, help="Tools of an MCP server: a command line, or a URL."
    ),
    click.option(
        "--heartbeat",
        type=click.FloatRange(min=0, min_open=True),
        metavar="MINUTES",
        help="At a terminal: let the agent act when nobody has written for so long.",
    ),
    click.option(
        "--stream/--no-stream", default=None, help="Show a reply as it comes; default: at a terminal."
    ),
    click.option("--strip-ui", is_flag=True, help="Plain lines: no colours, no toolbar, no line editor."),
    click.option("--debug", is_flag=True, help="After each turn, show how every answer was held (/why)."),
    click.option(
        "--script",
        type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
        metavar="FILE",
        help="Say the lines of this file, one message each, and leave.",
    ),
    click.option("--json", "as_json", is_flag=True, help="Print one JSON object per turn."),
)
"""The options of every conversation but `--agent`."""

OF_MEMGPT: Sequence[Option] = (
    click.option("--model-wrapper", metavar="W", help="As --wrapper."),
    click.option("--model-endpoint", metavar="URL", help="The address of the model's server."),
    click.option(
        "--model-endpoint-type", metavar="KIND", help="What that server is: webui, lmstudio, ollama, …"
    ),
    click.option(
        "--core-memory-limit",
        type=click.IntRange(min=1),
        metavar="N",
        help="Characters of each block.",
    ),
    click.option("--first", is_flag=True, help="You speak first, not the agent."),
    click.option("--no-verify", "verify", flag_value=False, default=True, help="Take any first message."),
    click.option("-y", "--yes", is_flag=True, help="Ask nothing: take the defaults."),
)
"""Flags that MemGPT's `run` had besides."""


def with_options(options: Sequence[Option]) -> Option:
    """Give a command's function several options, in their order."""

    def decorate(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def endpoint_of(options: ChatOptions) -> str | EndpointConfig | None:
    """What names the endpoint: a spec, or what MemGPT's flags mean together.

    Raises:
        InputError: where both ways are used at once.
        ConfigError: for a kind of server that is not known.
    """
    named, url = options.model_endpoint_type, options.model_endpoint
    if named is None and url is None:
        return options.endpoint
    if options.endpoint is not None:
        raise InputError(
            "--endpoint and --model-endpoint were both given",
            hint="give --endpoint SPEC alone, or --model-endpoint-type KIND --model-endpoint URL",
        )
    from bridle.endpoints.memgpt_config import read_config_dict

    return read_config_dict({"model_endpoint_type": named, "model_endpoint": url}).entry
