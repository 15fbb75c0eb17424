"""From a spec to an endpoint. Adding a kind is one file and one line in `KINDS`.

A driver's module is imported when an endpoint of its kind is opened, so this module is light: `--help` can
show the kinds.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, cast
from urllib.parse import urlsplit

from bridle.endpoints.config import Config, EndpointConfig, load_config
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
class Kind:
    """A way to reach a model: what opens it (`module:name`), what its spec takes, and one line about it."""

    opens: str
    takes: Literal["nothing", "path", "url"]
    about: str
    default_url: str = ""


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "embedded": Kind(
            "bridle.endpoints.embedded:open_embedded", "nothing", "the small model that comes along"
        ),
        "llamacpp": Kind("bridle.endpoints.llamacpp:LlamaCpp", "path", "a GGUF file, run in this process"),
        "lmstudio": Kind(
            "bridle.endpoints.lmstudio:open_lmstudio", "url", "LM Studio's server", "http://127.0.0.1:1234"
        ),
        "ollama": Kind("bridle.endpoints.ollama:Ollama", "url", "Ollama", "http://127.0.0.1:11434"),
        "webui": Kind(
            "bridle.endpoints.webui:WebUI",
            "url",
            "text-generation-webui with --api",
            "http://127.0.0.1:5000",
        ),
        "webui-legacy": Kind(
            "bridle.endpoints.webui_legacy:WebUILegacy",
            "url",
            "text-generation-webui until November 2023",
            "http://127.0.0.1:5000",
        ),
        "llama-server": Kind(
            "bridle.endpoints.llama_server:LlamaServer", "url", "llama.cpp's server", "http://127.0.0.1:8080"
        ),
        "llama-cpp-python": Kind(
            "bridle.endpoints.llama_cpp_server:LlamaCppServer",
            "url",
            "llama-cpp-python's server",
            "http://127.0.0.1:8000",
        ),
        "koboldcpp": Kind(
            "bridle.endpoints.koboldcpp:KoboldCpp", "url", "KoboldCpp", "http://127.0.0.1:5001"
        ),
        "vllm": Kind("bridle.endpoints.vllm:VLLM", "url", "vLLM", "http://127.0.0.1:8000"),
        "sglang": Kind("bridle.endpoints.sglang:SGLang", "url", "SGLang", "http://127.0.0.1:30000"),
        "openai": Kind(
            "bridle.endpoints.cloud:open_openai",
            "url",
            "OpenAI, or any server that speaks its API",
            "https://api.openai.com/v1",
        ),
        "azure": Kind("bridle.endpoints.cloud:open_azure", "url", "Azure OpenAI: a deployment of a model"),
        "outlines": Kind(
            "bridle.endpoints.outlines_model:open_outlines", "path", "a Transformers model, by Outlines"
        ),
        "scripted": Kind("bridle.endpoints.scripted:from_file", "path", "answers from a file, for tests"),
    }
)
"""Every kind by its name in a spec."""

_KIND_SPEC = re.compile(r"(?P<kind>[a-z][a-z0-9_-]*)(?::(?P<rest>.*?))?(?:@(?P<url>https?://.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Identified:
    """What kind of server an address has, and how that was seen."""

    kind: str
    reason: str


def spec_help() -> str:
    """Write the forms of a spec and the kinds, one per line."""
    lines = [
        "embedded, PATH.gguf, KIND:PATH, KIND[:MODEL]@URL, KIND[:MODEL] (at its usual address), a URL,",
        "or a name from the config file. Kinds:",
    ]
    for name, kind in KINDS.items():
        usual = f" (usually {kind.default_url})" if kind.default_url else ""
        lines.append(f"  {name:<10}{kind.about}{usual}")
    return "\n".join(lines)


def parse_spec(spec: str | Path, config: Config | None = None) -> EndpointConfig:
    """Read a spec into what it means; a bare URL has an empty kind. Nothing is opened.

    >>> parse_spec("openai:m@http://127.0.0.1:9/v1")  # doctest: +ELLIPSIS
    EndpointConfig(kind='openai', url='http://127.0.0.1:9/v1', path='', model='m', ...)

    Raises:
        ConfigError: for none of the known forms, with what it could have meant.
    """
    text = str(spec).strip()
    if isinstance(spec, Path) or (text.lower().endswith(".gguf") and not _names_a_kind(text)):
        return EndpointConfig("llamacpp", path=text)
    if text.startswith(("http://", "https://")):
        return EndpointConfig("", url=text)
    config = config or load_config()
    if text in config.endpoints:
        return config.endpoints[text]
    found = _KIND_SPEC.fullmatch(text)
    if found is None or found["kind"] not in KINDS:
        raise _unknown(text, config)
    kind, rest, url = KINDS[found["kind"]], found["rest"] or "", found["url"] or ""
    if kind.takes == "nothing" and (rest or url):
        raise ConfigError(
            f"{text!r}: {found['kind']} takes nothing after it", hint=f"write {found['kind']!r}"
        )
    if kind.takes == "path":
        path = f"{rest}@{url}" if url else rest
        if not path:
            raise ConfigError(f"{text!r} names no file", hint=f"write {found['kind']}:PATH")
        return EndpointConfig(found["kind"], path=path)
    return EndpointConfig(found["kind"], url=url, model=rest)


def _names_a_kind(text: str) -> bool:
    return text.split(":", 1)[0] in KINDS


def _unknown(text: str, config: Config) -> ConfigError:
    known = [*config.endpoints, *KINDS]
    near = get_close_matches(re.split("[:@]", text)[0], known, n=1)
    guess = f"did you mean {near[0]!r}? " if near else ""
    saved = ", ".join(config.endpoints) or "none"
    return ConfigError(
        f"{text!r} is no endpoint",
        hint=f"{guess}give embedded, PATH.gguf, a URL, KIND[:MODEL]@URL with KIND one of {', '.join(KINDS)}, "
        f"or a name saved in {config.file} (there: {saved})",
    )


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
    open_it = cast("Callable[..., Endpoint]", _load(kind.opens))
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
    opener = _load(kind.opens)
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


def _load(name: str) -> object:
    module, _, attribute = name.partition(":")
    return getattr(import_module(module), attribute)
