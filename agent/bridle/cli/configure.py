"""`bridle configure`: a walk through the settings, filled in with what is found on this machine.

It writes names of variables, never keys. All that it does not ask about stays as it was.
"""

from __future__ import annotations

import re
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from bridle.cli import output
from bridle.cli.asking import Questions
from bridle.cli.connecting import EMBEDDED
from bridle.endpoints.effective import without_password
from bridle.endpoints.environment import CHROMA_TOKEN, MILVUS_TOKEN
from bridle.endpoints.specs import short_url
from bridle.errors import ConfigError, MissingExtra

if TYPE_CHECKING:
    from bridle.endpoints.config import ArchivalConfig, Config, EmbeddingConfig, EndpointConfig
    from bridle.endpoints.discovery import Server

__all__ = ["command"]

USUAL = "the usual"
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")


class _Chosen(NamedTuple):
    """An endpoint that was chosen: its entry, what is known of its server, and the name it has if any."""

    entry: EndpointConfig
    server: Server | None = None
    name: str = ""


@click.command("configure")
@click.option("-y", "--yes", is_flag=True, help="Take all defaults and write the file.")
@click.option("--offline", is_flag=True, help="Look at nothing but this machine.")
def command(yes: bool, offline: bool) -> int:
    """Set up which model answers, how it is prompted, and where memory is kept.

    Every question has a default: the present setting, else what is found on this machine. Keys are not
    written, only the names of the variables that hold them.
    """
    from bridle.endpoints.config import load_config, save_config
    from bridle.endpoints.config_text import write_config
    from bridle.endpoints.discovery import discover

    ask = Questions(defaults=yes)
    config = load_config()
    output.print_note("Looking for model servers on this machine …")
    servers = discover(offline=offline).servers
    for number, server in enumerate(servers, 1):
        output.print_note(
            f"  {number}. {server.kind} at {short_url(server.url)}: {server.problem or server.model}"
        )
    if not servers:
        output.print_note("  none; `bridle discover` tells how to start one")

    config = _with_endpoint(config, ask, servers, offline)
    config = replace(config, embedding=_embedding(config, ask, servers), archival=_archival(config, ask))
    if config.archival.backend != "sqlite" and not config.embedding.endpoint:
        output.print_note(
            f"Without embeddings, text is searched by words and {config.archival.backend} is not used yet."
        )
    persona = ask.text("Persona of new agents", config.chat.persona, shown=config.chat.persona or USUAL)
    human = ask.text("What new agents know of you", config.chat.human, shown=config.chat.human or "nothing")
    config = replace(config, chat=replace(config.chat, persona=persona, human=human))

    click.echo(without_password(write_config(config)), nl=False)
    replaced = f"Replace {config.file} (the present one stays beside it as .bak)"
    if not ask.confirmed(f"{replaced if config.file.exists() else f'Write this to {config.file}'}?"):
        output.print_note("Nothing was written.")
        return 1
    output.print_note(f"Written: {save_config(config)}. Next: bridle chat")
    return 0


def _with_endpoint(config: Config, ask: Questions, servers: tuple[Server, ...], offline: bool) -> Config:
    chosen = _endpoint(config, ask, servers, offline)
    if chosen.entry.kind in (EMBEDDED, "auto"):
        return replace(config, default_endpoint=chosen.entry.kind)
    entry = chosen.entry
    if not entry.path:
        entry = replace(entry, model=_model(chosen, ask), api_key_env=_key_variable(chosen, ask))
    entry = replace(entry, wrapper=_wrapper(chosen, ask), context_tokens=_window(chosen, ask))
    from bridle.endpoints.config_text import check_entry

    def checked(name: str) -> str:
        check_entry(config.file, name, entry)
        return name

    name = ask.text("Name of this endpoint", chosen.name or _free_name(config, entry), check=checked)
    return replace(config, endpoints={**config.endpoints, name: entry}, default_endpoint=name)


def _endpoint(config: Config, ask: Questions, servers: tuple[Server, ...], offline: bool) -> _Chosen:
    able = [one for one in servers if not one.problem]
    default = config.default_endpoint or (able[0].spec if able else EMBEDDED)
    found: list[_Chosen] = []

    def checked(answer: str) -> str:
        found.append(_meant(answer, config, servers, offline))
        return answer

    numbers = "a number from above, " if servers else ""
    ask.text(f"Endpoint: {numbers}a spec, or a URL", default, check=checked)
    return found[-1]


def _meant(answer: str, config: Config, servers: tuple[Server, ...], offline: bool) -> _Chosen:
    """Find out what an answer means, and ask a server that was not found before what it is."""
    from bridle.endpoints.discovery import discover
    from bridle.endpoints.environment import usual_url
    from bridle.endpoints.specs import parse_spec

    for number, server in enumerate(servers, 1):
        if answer == str(number) or (answer == server.spec and answer not in config.endpoints):
            return _saved(server, config)
    entry = parse_spec(answer, config)
    name = answer if answer in config.endpoints else ""
    if entry.path or entry.kind in (EMBEDDED, "auto", "azure"):
        return _Chosen(entry, None, name)
    url = entry.url or usual_url(entry.kind)
    known = [one for one in servers if short_url(one.url) == short_url(url)]
    known = known or list(discover([url], offline=offline).servers)
    there = known[0] if known else None
    if not entry.kind and there is None:
        raise ConfigError(
            f"no model server answers at {url}", hint="start it, or say what it is: KIND@URL, as webui@URL"
        )
    kind = entry.kind or (there.kind if there else "")
    return _Chosen(replace(entry, kind=kind, url=short_url(url)), there, name)


def _saved(server: Server, config: Config) -> _Chosen:
    """The entry that a server has in the config file, else a new one."""
    for name, entry in config.endpoints.items():
        if entry.kind == server.kind and short_url(entry.url) == short_url(server.url):
            return _Chosen(entry, server, name)
    return _Chosen(replace(server.entry, url=short_url(server.url)), server)


def _model(chosen: _Chosen, ask: Questions) -> str:
    server = chosen.server
    if server is not None and len(server.models) > 1:
        names = [
            f"{one.name}{' (loaded)' if one.loaded else ''}" for one in server.models if not one.embedding
        ]
        output.print_note(f"Models: {', '.join(names)}")
    default = chosen.entry.model
    usual = f"what is loaded: {server.model}" if server and server.model else "what is loaded"
    names = [one.name for one in server.models] if server is not None else []

    def checked(answer: str) -> str:
        if answer and answer != default and names and answer not in names:
            raise ConfigError(f"it lists no model {answer!r}", hint=f"it has {', '.join(names)}")
        return answer

    return ask.text("Model", default, shown=default or usual, check=checked)


def _key_variable(chosen: _Chosen, ask: Questions) -> str:
    from bridle.endpoints.transport.http import is_loopback

    def checked(answer: str) -> str:
        if answer and not _VARIABLE.fullmatch(answer):
            raise ConfigError(
                "that is not the name of a variable", hint="give its name, never the key itself"
            )
        return answer

    held = chosen.entry.api_key_env
    if is_loopback(chosen.entry.url) and not held:
        return ""
    question = "Environment variable that holds the key"
    return ask.text(question, held, shown=held or "the service's own, or BRIDLE_API_KEY", check=checked)


def _wrapper(chosen: _Chosen, ask: Questions) -> str:
    server = chosen.server

    def checked(answer: str) -> str:
        if answer not in ("", "auto", "template"):
            from bridle.wrappers import get_wrapper

            get_wrapper(answer)
        return "" if answer == "auto" else answer

    found = f"auto: {server.wrapper}" if server and server.wrapper else "auto"
    held = chosen.entry.wrapper
    return ask.text("Wrapper (prompt format)", held, shown=held or found, check=checked)


def _window(chosen: _Chosen, ask: Questions) -> int | None:
    def checked(answer: str) -> str:
        number = answer.replace(",", "").replace("_", "")
        if number and not (number.isdecimal() and int(number) > 0):
            raise ConfigError(f"{answer!r} is no number of tokens", hint="write for example 8192")
        return number

    told = chosen.server.context_tokens if chosen.server else None
    held = str(chosen.entry.context_tokens or "")
    shown = held or (f"as the server says: {told}" if told else "as the endpoint says")
    answer = ask.text("Context window in tokens", held, shown=shown, check=checked)
    return int(answer) if answer else None


def _embedding(config: Config, ask: Questions, servers: tuple[Server, ...]) -> EmbeddingConfig:
    from bridle.agent.archival.embedders import HASHING
    from bridle.agent.archival.hashing import hashing_embedder
    from bridle.endpoints.specs import parse_spec

    held = config.embedding
    able = [(one, model.name) for one in servers for model in one.models if model.embedding]
    spec = held.endpoint or (able[0][0].spec if able else "")

    def checked(answer: str) -> str:
        if _is_hashing(answer):
            hashing_embedder(answer)
        elif answer and answer != "none":
            parse_spec(answer, config)
        return "" if answer == "none" else answer

    question = f"Endpoint for embeddings ({HASHING} needs no model)"
    endpoint = ask.text(question, spec, shown=spec or "none", check=checked)
    if not endpoint or _is_hashing(endpoint):
        return replace(held, endpoint=endpoint, model="")
    usual = held.model or next((model for one, model in able if one.spec == endpoint), "")
    return replace(held, endpoint=endpoint, model=ask.text("Model for embeddings", usual))


def _is_hashing(spec: str) -> bool:
    from bridle.agent.archival.embedders import HASHING

    return spec.partition(":")[0] == HASHING


def _archival(config: Config, ask: Questions) -> ArchivalConfig:
    from bridle.endpoints.config import home
    from bridle.endpoints.config_values import BACKENDS

    held = config.archival
    backend = ask.choice("Storage backend for archival data", BACKENDS, held.backend)
    usual = {
        "sqlite": "",
        "milvus": str(home() / "milvus.db"),
        "postgres": "postgresql://localhost/bridle",
        "chroma": str(home() / "chroma"),
    }[backend]
    uri = held.uri if backend == held.backend and held.uri and usual else usual
    title = {"sqlite": "SQLite", "milvus": "Milvus", "postgres": "Postgres", "chroma": "Chroma"}[backend]
    shown = without_password(uri) or "the agents' own file"

    def checked(answer: str) -> str:
        return _place(backend, answer)

    return replace(
        held, backend=backend, uri=ask.text(f"{title} connection URI", uri, shown=shown, check=checked)
    )


def _place(backend: str, uri: str) -> str:
    """Check what was answered to where a backend keeps its data, and make a path whole; nothing is opened.

    Raises:
        ConfigError: for what is no place of this backend.
    """
    from bridle.agent.archival.indexes import INDEXES

    if backend not in INDEXES:
        if uri:
            raise ConfigError(
                f"SQLite has no connection URI, and this is one: {without_password(uri)!r}",
                hint="leave it empty; BRIDLE_HOME names the directory of the agents' file",
            )
        return ""
    module, _, name = INDEXES[backend].opens.partition(":")
    try:
        getattr(import_module(module), name)(uri, space="checked", dimensions=1)
    except MissingExtra as error:
        output.print_note(f"Needed for it: {error}")
    if without_password(uri) != uri:
        instead = {"milvus": MILVUS_TOKEN, "chroma": CHROMA_TOKEN}.get(backend, "~/.pgpass or PGPASSWORD")
        output.print_note(f"The password will be in the config file; {instead} would keep it out.")
    is_relative = "://" not in uri and not uri.startswith("~")
    return str(Path(uri).absolute()) if is_relative else uri


def _free_name(config: Config, entry: EndpointConfig) -> str:
    """Propose a name that no other entry has; a kind's own name cannot be one."""
    names = [f"my-{entry.kind}", *(f"my-{entry.kind}-{number}" for number in range(2, 100))]
    return next(
        (name for name in names if config.endpoints.get(name, entry) == entry),
        f"my-{entry.kind}-{len(names)}",
    )
