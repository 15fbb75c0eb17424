"""What commands share: open the endpoint that a person means, with its wrapper, and keep one under a name."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bridle.cli.output import print_note
from bridle.errors import EndpointError, ModelNotFound

if TYPE_CHECKING:
    from bridle.endpoints import Endpoint
    from bridle.endpoints.config import EndpointConfig

__all__ = [
    "EMBEDDED",
    "EndpointCommand",
    "Progress",
    "check_model",
    "check_new_name",
    "open_endpoint",
    "save_as",
    "usual_entry",
]

EMBEDDED = "embedded"
PROGRESS_S = 5.0


class EndpointCommand(click.Command):
    """Lists the forms of an endpoint's spec below the options, read from the table of kinds."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from bridle.endpoints.connect import spec_help

        with formatter.section("Endpoints (SPEC)"):
            for line in spec_help().splitlines():
                formatter.write(f"{' ' * formatter.current_indent}{line}\n")


class Progress:
    """Says now and then that a server is still loading its model."""

    def __init__(self) -> None:
        self._next_s = 0.0

    def __call__(self, what: str, waited_s: float) -> None:
        """Note what is waited for, every few seconds."""
        if waited_s >= self._next_s:
            self._next_s = waited_s + PROGRESS_S
            print_note(f"waiting for {what} ({waited_s:.0f} s)")


def usual_entry(spec: str | EndpointConfig | None) -> EndpointConfig:
    """Read `spec`, else what BRIDLE_ENDPOINT names, else the configured default, else the embedded model.

    Raises:
        ConfigError: for a spec that means nothing, and for a bad config file.
    """
    from bridle.endpoints.config import EndpointConfig, load_config
    from bridle.endpoints.connect import parse_spec
    from bridle.endpoints.environment import ENDPOINT

    if isinstance(spec, EndpointConfig):
        return spec
    config = load_config()
    usual = os.environ.get(ENDPOINT) or config.default_endpoint or EMBEDDED
    return parse_spec(usual if spec is None else spec, config)


def open_endpoint(
    spec: str | EndpointConfig | None,
    *,
    model: str | None = None,
    wrapper: str | None = None,
    context_tokens: int | None = None,
    offline: bool = False,
) -> tuple[Endpoint, str]:
    """Open what `usual_entry` finds, and return it with the wrapper to use.

    The wrapper is the given one, else that of the endpoint's entry in the config file, else "auto". A wrapper
    that does not exist is refused before anything is opened. `context_tokens` overrides the known window.

    Raises:
        ConfigError, FormatError: for a spec or a wrapper that does not exist.
        EndpointError: and its kinds, when the model cannot be reached.
    """
    from bridle.endpoints.choose import OWN
    from bridle.endpoints.connect import connect
    from bridle.wrappers import get_wrapper

    entry = usual_entry(spec)
    chosen = wrapper or entry.wrapper
    if chosen not in ("", "auto", OWN):
        get_wrapper(chosen)
    endpoint = connect(entry, model=model, context_tokens=context_tokens, on_wait=Progress(), offline=offline)
    check_model(endpoint, model or entry.model)
    return endpoint, chosen or "auto"


def check_model(endpoint: Endpoint, model: str) -> None:
    """Refuse the name of a model that the server has not, or say that it takes no notice of names.

    Raises:
        ModelNotFound: with the names that there are.
    """
    from bridle.endpoints.base import ListsModels
    from bridle.endpoints.http_endpoint import HttpEndpoint
    from bridle.endpoints.kinds import kind_named
    from bridle.endpoints.transport.http import is_loopback

    if not model or not isinstance(endpoint, ListsModels) or not isinstance(endpoint, HttpEndpoint):
        return
    names = kind_named(endpoint.driver.kind).names
    if not names and not is_loopback(endpoint.driver.base):
        return  # a service has more models than it lists
    try:
        listed = [one for one in endpoint.models() if not one.embedding]
    except EndpointError:
        return  # the answer to the question will say what is wrong
    if not listed or any(one.name in model or model in one.name for one in listed):
        return
    there = ", ".join(one.name for one in listed)
    if names == "refused":
        endpoint.close()
        raise ModelNotFound(f"{endpoint.driver.base} has no model {model!r}", hint=f"it has {there}")
    ends = ": it answers with what is loaded, whatever the name" if names == "ignored" else ""
    print_note(f"{endpoint.driver.base} lists no model {model!r}, but {there}{ends}")


def check_new_name(name: str) -> None:
    """Refuse a name that no endpoint can be saved under, before anything is asked.

    Raises:
        ConfigError: for such a name.
    """
    from bridle.endpoints.config import config_file
    from bridle.endpoints.config_text import check_name

    check_name(config_file(), name)


def save_as(name: str, entry: EndpointConfig) -> Path:
    """Write an endpoint into the config file, and say so, and what had the name before; return the file.

    Raises:
        ConfigError: for a bad name, and when the file cannot be read or written.
    """
    from bridle.endpoints.config import load_config, save_endpoint
    from bridle.endpoints.specs import short_url, spec_of

    former = load_config().endpoints.get(name)
    file = save_endpoint(name, entry)
    print_note(f"{spec_of(entry)} is saved as {name} in {file}: bridle chat --endpoint {name}")
    if former is not None and (former.kind, short_url(former.url), former.path) != (
        entry.kind,
        short_url(entry.url),
        entry.path,
    ):
        print_note(f"before, {name} was {spec_of(former)}; the former file stays beside it as .bak")
    return file
