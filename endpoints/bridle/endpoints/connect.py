"""From a spec to an endpoint.

A driver's module is imported when an endpoint of its kind is opened, so this module is light: `--help` can
show the kinds.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from bridle.endpoints.config import EndpointConfig
from bridle.endpoints.environment import OPENAI_HOST, Key, key_for, usual_url, value
from bridle.endpoints.kinds import KINDS, Kind, kind_named, load
from bridle.endpoints.memgpt_config import read_config_dict
from bridle.endpoints.specs import AUTO, parse_spec, spec_help
from bridle.errors import BadResponse, ConfigError, EndpointError, ServerBusy

if TYPE_CHECKING:
    from typing import Protocol

    from bridle.endpoints.base import Endpoint
    from bridle.endpoints.recognise import Identified
    from bridle.endpoints.transport.http import Http
    from bridle.endpoints.transport.http_watch import OnWait, Timeouts

    class Discovering(Endpoint, Protocol):
        """An endpoint that asks its server which model answers, when it is opened."""

        def discover(self) -> None: ...

    class Opener(Protocol):
        """What opens an endpoint of a kind that is no plain `Driver`."""

        def __call__(self, url: str, http: Http, entry: EndpointConfig) -> Discovering: ...


__all__ = [
    "KINDS",
    "Kind",
    "Spec",
    "Waiting",
    "connect",
    "open_http",
    "open_server",
    "parse_spec",
    "read_spec",
    "spec_help",
]

Spec = str | Path | EndpointConfig | Mapping[str, object] | Sequence[Mapping[str, object]]
"""What names an endpoint: a spec, an entry, or a dict or `config_list` as MemGPT and AutoGen write it."""

NO_OPTIONS = EndpointConfig("")


@dataclass(frozen=True, slots=True)
class Waiting:
    """How long a server is waited for, in seconds, altogether and in parts; `on_wait` is told of it."""

    timeout_s: float | None = None
    timeouts: Timeouts | None = None
    on_wait: OnWait | None = None


NO_WAITING = Waiting()

_log = logging.getLogger(__name__)


def connect(
    spec: Spec,
    *,
    model: str | None = None,
    context_tokens: int | None = None,
    api_key: str | None = None,
    timeout_s: float | None = None,
    timeouts: Timeouts | None = None,
    on_wait: OnWait | None = None,
    offline: bool = False,
) -> Endpoint:
    """Open the endpoint that a spec names.

    A spec is also a dict in MemGPT's or AutoGen's form, as it is; it is not changed. "auto" is what
    `bridle.endpoints.discovery` finds first. `model` and `context_tokens` override what the spec says.
    `api_key` overrides the environment. `timeout_s` limits a whole request to a server, `timeouts` each part
    of it; `on_wait` is told (what, seconds so far) while a server loads its model. With `offline`, an address
    that is not this machine is refused. A server is asked at once which model it has, so one that is
    down is reported here; only where the spec names the model, later.

    Raises:
        ConfigError: for a spec that means nothing, or lacks what its kind needs.
        EndpointError: and its kinds, when the model or the server cannot be reached.
    """
    entry, key = read_spec(spec)
    key = key if api_key is None else api_key
    if entry.kind == AUTO:
        entry = _first_found(entry, offline)
    entry = replace(
        entry,
        model=model if model is not None else entry.model,
        context_tokens=context_tokens if context_tokens is not None else entry.context_tokens,
    )
    if entry.kind and kind_named(entry.kind).takes != "url":
        return _open_local(entry, KINDS[entry.kind])
    return _open_url(entry, key, Waiting(timeout_s, timeouts, on_wait), offline)


def read_spec(spec: Spec) -> tuple[EndpointConfig, str | None]:
    """Read whatever names an endpoint into an entry, and the key that came with it.

    Raises:
        ConfigError, FormatError: for what means nothing, and for a wrapper that does not exist.
    """
    if isinstance(spec, EndpointConfig):
        return spec, None
    if isinstance(spec, str | Path):
        return parse_spec(spec), None
    found = read_config_dict(spec)
    for name, reason in found.ignored.items():
        _log.info("%s has no effect: %s", name, reason)
    if found.entry.wrapper:
        from bridle.endpoints.choose import OWN
        from bridle.wrappers import get_wrapper

        if found.entry.wrapper not in ("auto", OWN):
            get_wrapper(found.entry.wrapper)
    return found.entry, found.api_key


def _first_found(entry: EndpointConfig, offline: bool) -> EndpointConfig:
    from bridle.endpoints.discovery import first_server

    server = first_server(offline=offline)
    _log.info("auto is %s at %s: %s", server.kind, server.url, server.reason)
    found = server.entry
    return replace(
        found,
        model=entry.model or found.model,
        context_tokens=entry.context_tokens or found.context_tokens,
    )


def _open_local(entry: EndpointConfig, kind: Kind) -> Endpoint:
    if entry.model:
        raise ConfigError(
            f"the model {entry.model!r} cannot be chosen for {entry.kind}",
            hint="a model goes with a server's URL",
        )
    if entry.url or (kind.takes == "path") != bool(entry.path):
        needs = "a path and no url" if kind.takes == "path" else "neither url nor path"
        raise ConfigError(f"the endpoint {entry}", hint=f"{entry.kind} takes {needs}")
    open_it = cast("Callable[..., Endpoint]", load(kind.opens))
    given = [] if kind.takes == "nothing" else [os.path.expanduser(entry.path)]
    window = {} if entry.context_tokens is None else {"context_tokens": entry.context_tokens}
    endpoint = open_it(*given, **window)
    _tell(endpoint, entry)
    return endpoint


def _open_url(entry: EndpointConfig, key: str | None, waiting: Waiting, offline: bool) -> Endpoint:
    if entry.path:
        raise ConfigError(f"the endpoint {entry}", hint=f"{entry.kind} takes a url and no path")
    entry = _completed(entry)
    url, http = open_http(
        entry.url,
        kind=entry.kind,
        api_key_env=entry.api_key_env,
        api_key=key,
        waiting=waiting,
        offline=offline,
        options=entry,
    )
    if not entry.kind:
        entry = _looked_at(entry, url, http)
    if not http.key and urlsplit(url).hostname == OPENAI_HOST:
        raise ConfigError(
            "OpenAI needs a key and none is set", hint=f"set the environment variable {http.key_env}"
        )
    endpoint = open_server(entry, http)
    try:
        endpoint.discover()
    except EndpointError as error:
        if not entry.model:
            endpoint.close()
            raise
        _log.info("%s: the model list was not read: %s", endpoint.name, error)
    return endpoint


def _completed(entry: EndpointConfig) -> EndpointConfig:
    """Add what the environment says: the usual address, and Azure's version and deployment."""
    if entry.kind == "azure":
        entry = replace(
            entry,
            model=entry.model or value("azure_deployment"),
            api_version=entry.api_version or value("azure_version"),
        )
    url = entry.url or (usual_url(entry.kind) if entry.kind else "")
    if not url:
        raise ConfigError(
            f"the endpoint of kind {entry.kind!r} has no address",
            hint="give its URL, or set AZURE_OPENAI_ENDPOINT" if entry.kind == "azure" else "give its URL",
        )
    return replace(entry, url=url)


def _looked_at(entry: EndpointConfig, url: str, http: Http) -> EndpointConfig:
    """Find out the kind of a bare URL; with a model named, it may be a server that lists none."""
    seen = _identified(url, http)
    if seen is not None:
        _log.info("%s is of kind %s: %s", url, seen.kind, seen.reason)
        return replace(entry, kind=seen.kind, url=seen.url)
    if not entry.model:
        raise BadResponse(
            f"{url} answers, but not as any model server that is known",
            hint="check the port; a server that lists no models is given as openai:MODEL@URL",
            url=url,
        )
    _log.info("%s is of no kind that is known, and taken for one that speaks OpenAI's API", url)
    return replace(entry, kind="openai", url=url)


def _identified(url: str, http: Http) -> Identified | None:
    """Ask a server what it is, as soon as it has loaded its model."""
    from bridle.endpoints.recognise import identify
    from bridle.endpoints.transport.http_retries import Patience

    total_s = http.timeouts.total_s
    until = time.monotonic() + total_s if total_s else None
    patience = Patience(url, http.retries, http.loading_s, until=until, on_wait=http.on_wait)
    while True:
        try:
            return identify(url, http)
        except ServerBusy as error:
            if not error.facts.get("loading"):
                raise
            patience.wait(error)


def open_server(entry: EndpointConfig, http: Http) -> Discovering:
    """Make the endpoint for an entry with a kind and a URL; nothing is sent yet."""
    from bridle.endpoints.driver import Driver
    from bridle.endpoints.http_endpoint import HttpEndpoint

    kind = kind_named(entry.kind)
    url = _root_url(entry)
    opener = load(kind.opens)
    endpoint: Discovering
    if isinstance(opener, type) and issubclass(opener, Driver):
        driver = opener(url)
        http.start_hint = driver.start_hint
        endpoint = HttpEndpoint(driver, http, model=entry.model, context_tokens=entry.context_tokens)
    else:
        endpoint = cast("Opener", opener)(url, http, replace(entry, url=url))
    if isinstance(endpoint, HttpEndpoint):
        endpoint.embedding_model = entry.embedding_model
    _tell(endpoint, entry)
    return endpoint


def _root_url(entry: EndpointConfig) -> str:
    """The URL of a server with routes of its own, whatever was pasted behind its place."""
    from bridle.endpoints.addresses import base_url
    from bridle.endpoints.recognise import server_root

    if entry.kind == "azure":
        return entry.url
    url = base_url(entry.url)
    return url if entry.kind == "openai" else f"{server_root(url)}/v1"


def _tell(endpoint: Endpoint, entry: EndpointConfig) -> None:
    """Tell an endpoint which wrapper and constraint its entry names: they are what "auto" means."""
    from bridle.endpoints.base import Configured

    if isinstance(endpoint, Configured):
        endpoint.wrapper = entry.wrapper
        endpoint.constraint = entry.constraint


def open_http(
    url: str,
    *,
    kind: str = "",
    api_key_env: str = "",
    api_key: str | None = None,
    waiting: Waiting = NO_WAITING,
    offline: bool = False,
    options: EndpointConfig = NO_OPTIONS,
) -> tuple[str, Http]:
    """Check a server's address and make the connection to it, with the key that belongs there.

    `kind` is what the caller says that the server is. `options` gives the proxy and whom to trust.

    Raises:
        ConfigError: for what is no address, a key that cannot be one, and a foreign host while `offline`.
    """
    from bridle.endpoints.addresses import base_url
    from bridle.endpoints.transport.http import Http

    base = base_url(url)
    key = _key(base, kind, api_key_env, api_key)
    if not (key.text.isascii() and key.text.isprintable()):
        raise ConfigError(
            f"the key for {base} has a line break or another character that no key has",
            hint=f"set {key.variable} to the key and nothing else",
        )
    http = Http(
        key.text,
        key.variable,
        timeouts=_timeouts(waiting),
        on_wait=waiting.on_wait,
        offline=offline,
        proxy=options.proxy,
        ca_file=os.path.expanduser(options.ca_file),
        verify=not options.insecure,
    )
    http.check_host(base)
    return base, http


def _timeouts(waiting: Waiting) -> Timeouts:
    from bridle.endpoints.transport.http_watch import Timeouts

    limits = waiting.timeouts or Timeouts()
    return limits if waiting.timeout_s is None else replace(limits, total_s=waiting.timeout_s)


def _key(url: str, kind: str, env: str, given: str | None) -> Key:
    if given is not None:
        return Key(given, env or key_for(url, kind).variable)
    if not env:
        return key_for(url, kind)
    if not os.environ.get(env):
        raise ConfigError(f"the environment variable {env} of the key for {url} is not set", hint="set it")
    return Key(os.environ[env], env)
