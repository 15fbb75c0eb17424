"""Specs: the short texts that name an endpoint, on the command line and in Python. Nothing is opened here."""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path

from bridle.endpoints.config import Config, EndpointConfig, load_config
from bridle.endpoints.kinds import AUTO, KINDS
from bridle.errors import ConfigError

__all__ = ["AUTO", "parse_spec", "short_url", "spec_help", "spec_of"]

_PLACE = r"(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\]):[0-9]{1,5}(?:/.*)?"
"""HOST:PORT, and what may follow, without the scheme."""
_KIND_SPEC = re.compile(
    rf"(?P<kind>[a-z][a-z0-9_-]*)(?::(?P<rest>.*?))?(?:@(?P<url>https?://.*|{_PLACE}))?", re.DOTALL
)


def spec_help() -> str:
    """Write the forms of a spec and the kinds, one per line."""
    lines = [
        "embedded, PATH.gguf, KIND:PATH, KIND[:MODEL]@URL, KIND[:MODEL] (at its usual address), a URL,",
        "auto (the first server that `bridle discover` finds), or a name from the config file. Kinds:",
    ]
    width = max(map(len, KINDS)) + 2
    for name, kind in KINDS.items():
        usual = f" (usually {kind.default_url})" if kind.default_url else ""
        lines.append(f"  {name:<{width}}{kind.about}{usual}")
    return "\n".join(lines)


def parse_spec(spec: str | Path, config: Config | None = None) -> EndpointConfig:
    """Read a spec into what it means; a bare URL has an empty kind.

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
    if text == AUTO:
        return EndpointConfig(AUTO)
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
    if url and "://" not in url:
        url = f"http://{url}"
    return EndpointConfig(found["kind"], url=url, model=rest)


def spec_of(entry: EndpointConfig) -> str:
    """Write the spec that means an entry's kind, model, and address or path; the rest has no place in it.

    >>> spec_of(EndpointConfig("ollama", "http://127.0.0.1:11434", model="qwen3:8b"))
    'ollama:qwen3:8b@http://127.0.0.1:11434'
    """
    if entry.path:
        return f"{entry.kind}:{entry.path}"
    model = f":{entry.model}" if entry.model else ""
    at = f"@{entry.url}" if entry.url and entry.kind else entry.url
    return f"{entry.kind}{model}{at}"


def short_url(url: str) -> str:
    """Leave out the `/v1` of an address that has no other path; it is added where it belongs.

    >>> short_url("http://h:1/v1/"), short_url("https://h/api/v1")
    ('http://h:1', 'https://h/api/v1')
    """
    url = url.rstrip("/")
    short = url.removesuffix("/v1")
    return short if short.count("/") == 2 else url


def _names_a_kind(text: str) -> bool:
    return text.split(":", 1)[0] in KINDS


def _unknown(text: str, config: Config) -> ConfigError:
    known = [*config.endpoints, *KINDS, AUTO]
    near = get_close_matches(re.split("[:@]", text)[0], known, n=1)
    guess = f"did you mean {near[0]!r}? " if near else ""
    saved = ", ".join(config.endpoints) or "none"
    return ConfigError(
        f"{text!r} is no endpoint",
        hint=f"{guess}give embedded, auto, PATH.gguf, a URL, KIND[:MODEL]@URL with KIND one of "
        f"{', '.join(KINDS)}, or a name saved in {config.file} (there: {saved})",
    )
