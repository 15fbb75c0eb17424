"""From a spec to an endpoint. Adding a kind is one file and one line in `KINDS`.

A driver's module is imported when an endpoint of its kind is opened, so this module is light: `--help` can
show the kinds.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from bridle.endpoints.config import EndpointConfig
from bridle.endpoints.kinds import KINDS, Kind, load
from bridle.endpoints.specs import parse_spec, spec_help
from bridle.errors import ConfigError, EndpointError, Unreachable

if TYPE_CHECKING:
    from typing import Protocol

    from bridle.endpoints.base import Endpoint
    from bridle.endpoints.http import Http

    class Discovering(Endpoint, Protocol):
        """An endpoint that asks its server which model answers, when it is opened."""

        def discover(self) -> None: ...

    class Opener(Protocol):
        """What opens an endpoint of a kind that is no plain `Driver`."""

        def __call__(self, url: str, http: Http, entry: EndpointConfig) -> Discovering: ...


__all__ = ["KINDS", "Identified", "Kind", "connect", "identify", "open_http", "parse_spec", "spec_help"]

OPENAI_HOST = "api.openai.com"
OPENAI_KEY = "OPENAI_API_KEY"
ANY_KEY = "BRIDLE_API_KEY"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Identified:
    """What kind of server an address has, and how that was seen."""

    kind: str
    reason: str


def connect(
    spec: str | Path | EndpointConfig,
    *,
    model: str | None = None,
    context_tokens: int | None = None,
    api_key: str | None = None,
    timeout_s: float | None = None,
    offline: bool = False,
) -> Endpoint:
    """Open the endpoint that a spec names.

    `model` and `context_tokens` override what the spec says. `api_key` overrides the environment. `timeout_s`
    limits a whole request to a server. With `offline`, an address that is not this machine is refused. A
    server is asked at once which model it has, so one that is down is reported here; only where the spec
    names the model, later.

    Raises:
        ConfigError: for a spec that means nothing, or lacks what its kind needs.
        EndpointError: and its kinds, when the model or the server cannot be reached.
    """
    entry = spec if isinstance(spec, EndpointConfig) else parse_spec(spec)
    entry = replace(
        entry,
        model=model if model is not None else entry.model,
        context_tokens=context_tokens if context_tokens is not None else entry.context_tokens,
    )
    if entry.kind and entry.kind not in KINDS:
        raise ConfigError(
            f"no kind of endpoint is called {entry.kind!r}", hint=f"kinds are {', '.join(KINDS)}"
        )
    kind = KINDS[entry.kind] if entry.kind else None
    if kind is None or kind.takes == "url":
        return _open_url(entry, kind, api_key, timeout_s, offline)
    return _open_local(entry, kind)


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
    return open_it(*given, **window)


def _open_url(
    entry: EndpointConfig, kind: Kind | None, api_key: str | None, timeout_s: float | None, offline: bool
) -> Endpoint:
    from bridle.endpoints.driver import Driver
    from bridle.endpoints.http_endpoint import HttpEndpoint

    if entry.path:
        raise ConfigError(f"the endpoint {entry}", hint=f"{entry.kind} takes a url and no path")
    url, http = open_http(
        entry.url or (kind.default_url if kind else ""),
        api_key_env=entry.api_key_env,
        api_key=api_key,
        timeout_s=timeout_s,
        offline=offline,
    )
    if kind is None:
        seen = identify(url, http)
        _log.info("%s is of kind %s: %s", url, seen.kind, seen.reason)
        kind = KINDS[seen.kind]
    if not http.key and urlsplit(url).hostname == OPENAI_HOST:
        raise ConfigError(
            "OpenAI needs a key and none is set", hint=f"set the environment variable {http.key_env}"
        )
    opener = load(kind.opens)
    endpoint: Discovering
    if isinstance(opener, type) and issubclass(opener, Driver):
        driver = opener(url)
        http.start_hint = driver.start_hint
        endpoint = HttpEndpoint(driver, http, model=entry.model, context_tokens=entry.context_tokens)
    else:
        endpoint = cast("Opener", opener)(url, http, entry)
    try:
        endpoint.discover()
    except EndpointError as error:
        if not entry.model:
            endpoint.close()
            raise
        _log.info("%s: the model list was not read: %s", endpoint.name, error)
    return endpoint


def open_http(
    url: str,
    *,
    api_key_env: str = "",
    api_key: str | None = None,
    timeout_s: float | None = None,
    offline: bool = False,
) -> tuple[str, Http]:
    """Check a server's address and make the connection to it, with the key that belongs there.

    Raises:
        ConfigError: for what is no address, a key that cannot be one, and a foreign host while `offline`.
    """
    from bridle.endpoints.addresses import base_url
    from bridle.endpoints.http import Http, Timeouts

    base = base_url(url)
    key, key_env = _key(base, api_key_env, api_key)
    if not (key.isascii() and key.isprintable()):
        raise ConfigError(
            f"the key for {base} has a line break or another character that no key has",
            hint=f"set {key_env} to the key and nothing else",
        )
    http = Http(key, key_env, timeouts=Timeouts(total_s=timeout_s), offline=offline)
    http.check_host(base)
    return base, http


def _key(url: str, env: str, given: str | None) -> tuple[str, str]:
    """Choose the key and the name of the variable that holds it; OpenAI's own key goes to no other host."""
    name = env or (OPENAI_KEY if urlsplit(url).hostname == OPENAI_HOST else ANY_KEY)
    if given is not None:
        return given, name
    if env and not os.environ.get(env):
        raise ConfigError(f"the environment variable {env} of the key for {url} is not set", hint="set it")
    return os.environ.get(name, ""), name


def identify(url: str, http: Http) -> Identified:
    """Find out what kind of server has an address, by routes that only one kind answers.

    Raises:
        Unreachable: when nothing answers there at all.
    """
    from bridle.endpoints.http import HttpCall, Timeouts
    from bridle.endpoints.json_paths import value_at

    root = url.removesuffix("/v1")
    probe = replace(http, timeouts=Timeouts(connect_s=3.0, first_byte_s=5.0, idle_s=5.0), retries=0)
    signs = (("webui", "/v1/internal/model/info", "model_name"), ("lmstudio", "/api/v0/models", "data"))
    try:
        for kind, route, member in signs:
            try:
                body = probe.ask(HttpCall(root + route))
            except Unreachable:
                raise
            except EndpointError:
                continue  # the server is there and has no such route
            if value_at(body, member) is not None:
                return Identified(kind, f"it answers {route} with {member!r}")
    finally:
        probe.close()
    return Identified("openai", "it has no route of another kind that is known")
