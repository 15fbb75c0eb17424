"""What went wrong on the wire, as errors of ours: by status and body, or from an exception of requests.

Servers spell the same failure differently. The shapes and phrases here were recorded from
text-generation-webui 4.7.3, llama-cpp-python 0.3.36 and llama.cpp's server of August 2026, or read in the
sources of LM Studio's clients, Ollama 0.33, vLLM and SGLang (mid 2026).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from http.client import HTTPException, RemoteDisconnected
from typing import cast

from bridle.errors import BadResponse, ContextOverflow, EndpointError, RequestRefused, Unreachable

__all__ = ["bad_body", "error_message", "from_foreign", "is_foreign", "overflow", "refusal"]

_URLLIB3 = "urllib3.exceptions"

SHOWN_CHARS = 200
"""How much of a server's answer an error message quotes; `body` in the facts holds ten times as much."""

OVERFLOW_PHRASES: tuple[str, ...] = (
    r"\((?P<n>\d+) tokens\) exceeds the available context size \((?P<ctx>\d+)",
    r"exceeds? the available context size|exceed_context_size",
    r"maximum context length is (?P<ctx>\d+) tokens(?:.*?(?:requested|has|contains) (?:about )?(?P<n>\d+))?",
    r"tokens \((?P<n>\d+)\) exceed context window of (?P<ctx>\d+)",
    r"input \((?P<n>\d+) tokens\) is longer than the model's context length \((?P<ctx>\d+)",
    r"longer than the (?:model's )?context length",
    r"keep the first (?P<n>\d+) tokens.*?context length of only (?P<ctx>\d+)",
    r"keep the first (?P<n>\d+) tokens",
    r"n_keep \((?P<n>\d+)\) >= n_ctx \((?P<ctx>\d+)\)",
    r"input length exceeds the context length",
    r"context size has been exceeded",
    r"context_length_exceeded",
)
"""How servers say that a prompt is too long; `n` is the prompt's length and `ctx` the window, in tokens."""

_OVERFLOW = tuple(re.compile(phrase, re.IGNORECASE | re.DOTALL) for phrase in OVERFLOW_PHRASES)


def overflow(text: str) -> Mapping[str, int] | None:
    """Find out whether a server's words mean that the prompt is too long, and which numbers they name.

    >>> overflow("Requested tokens (1024) exceed context window of 512")
    {'prompt_tokens': 1024, 'context_tokens': 512}
    """
    for phrase in _OVERFLOW:
        if found := phrase.search(text):
            named = {"prompt_tokens": "n", "context_tokens": "ctx"}
            groups = found.groupdict()
            return {fact: int(groups[g]) for fact, g in named.items() if groups.get(g)}
    return None


def error_message(body: str) -> str:
    """Take the message out of an error body in any of the known shapes; empty when it has none of them.

    >>> error_message('{"detail": [{"loc": ["body", "max_tokens"], "msg": "too small"}]}')
    'body.max_tokens: too small'
    """
    try:
        value: object = json.loads(body)
    except ValueError:
        return ""
    return _message(value)


def _message(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "; ".join(filter(None, (_message(one) for one in cast("list[object]", value))))
    if not isinstance(value, dict):
        return ""
    shape = cast("dict[str, object]", value)
    for key in ("error", "detail", "message", "msg"):
        if found := _message(shape.get(key)):
            where = shape.get("loc")
            path = ".".join(map(str, cast("list[object]", where))) if isinstance(where, list) else ""
            return f"{path}: {found}" if path else found
    return ""


def refusal(
    status: int, url: str, body: str, *, key_env: str = "", has_key: bool = False, wait: str | None = None
) -> EndpointError:
    """Build the error for an answer of status 400 or above; `wait` is the value of Retry-After."""
    said = error_message(body)
    numbers = overflow(body) if status not in (401, 403, 404, 429) else None
    error: EndpointError
    if numbers is not None:
        error = ContextOverflow(
            f"{url} says that the prompt is too long: {_shown(said or body)}",
            hint="shorten the conversation, or load the model with a larger context",
        )
        error.facts.update(numbers)
    elif status not in (401, 403) and not said and body.lstrip().startswith("<"):
        return bad_body(status, url, body)
    else:
        error = RequestRefused(
            f"{url} answered {status}: {_shown(said or body) or 'nothing else'}",
            hint=_hint(status, url, said, key_env or "BRIDLE_API_KEY", has_key),
            retryable=_helps_again(status, body),
            retry_after_s=_seconds(wait),
        )
    error.facts.update(url=url, status=status, body=body[: 10 * SHOWN_CHARS])
    return error


def _helps_again(status: int, body: str) -> bool:
    # llama-cpp-python's server reports a request that it could not validate as a failure of its own (500).
    if "insufficient_quota" in body or "validation error" in body or status == 501:
        return False
    return status in (408, 429) or status >= 500


def _hint(status: int, url: str, said: str, key_env: str, has_key: bool) -> str:
    if status in (401, 403):
        given = "the key was not accepted" if has_key else "no key was sent"
        return f"{given}; put the right one into the environment variable {key_env}"
    if status == 404 and "model" in said.lower():
        return "ask for a model that the server has"
    if status == 404:
        inside = "check the kind of the endpoint and the path of its URL"
        return inside if "/v1/" in url else f"OpenAI-compatible servers answer below /v1: {inside}"
    if status == 429:
        return "wait, or ask less often"
    if status >= 500:
        return "look at the server's log; a server without a loaded model answers so, too"
    return "the server declined the request; its own words say why"


def _seconds(wait: str | None) -> float | None:
    try:
        return max(0.0, float(wait)) if wait is not None else None
    except ValueError:
        return None


def bad_body(status: int, url: str, body: str, *, hint: str = "") -> BadResponse:
    """Build the error for an answer that is not of the shape that such a server answers."""
    kind = "a web page" if body.lstrip()[:1] == "<" else "something that is not the expected JSON"
    return BadResponse(
        f"{url} answered {status} with {kind}: {_shown(body)!r}",
        hint=hint or "check that host, port and path are those of a model server's API",
        url=url,
        status=status,
        body=body[: 10 * SHOWN_CHARS],
    )


def _shown(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= SHOWN_CHARS else text[: SHOWN_CHARS - 1] + "…"


def is_foreign(error: Exception) -> bool:
    """Tell what comes from the network, or from a library that talks to it, from a mistake in a program."""
    return isinstance(error, (OSError, HTTPException, UnicodeError)) or type(error).__module__ == _URLLIB3


def from_foreign(error: Exception, url: str, start_hint: str = "") -> EndpointError:
    """Turn an exception of requests, urllib3 or the socket layer into one of ours (raise it `from` that)."""
    chain = " ".join(f"{type(e).__name__} {e}" for e in _causes(error))
    start = start_hint or "start the server, or correct host and port"
    address = "/".join(url.split("/", 3)[:3])
    if "SSLError" in chain or "CertificateError" in chain:
        return Unreachable(
            f"no secure connection to {url}: {_shown(str(error))}",
            hint="a local server usually speaks http, not https; else its certificate is not trusted here",
            retryable=False,
            url=url,
        )
    if "InvalidURL" in chain or "LocationParseError" in chain:
        return Unreachable(
            f"no host can have that name: {url}", hint="check the spelling", retryable=False, url=url
        )
    if "NameResolutionError" in chain or "gaierror" in chain:
        return Unreachable(f"no host of that name: {url}", hint="check the spelling of the host", url=url)
    if "Timeout" in chain and "ReadTimeout" not in chain:
        return Unreachable(f"nothing answers at {address} in time", hint=start, url=url)
    if "NewConnectionError" in chain or "ConnectionRefusedError" in chain or "ProxyError" in chain:
        return Unreachable(f"nothing listens at {address}", hint=start, url=url)
    if "BadStatusLine" in chain:
        return BadResponse(f"what listens at {url} does not speak HTTP", hint="check the port", url=url)
    dropped = any(isinstance(e, (RemoteDisconnected, ConnectionError)) for e in _causes(error))
    return BadResponse(
        f"the connection to {url} broke off: {_shown(str(error))}",
        hint="the server may have crashed or restarted: look at its log",
        retryable=dropped or "ProtocolError" in chain,
        url=url,
        dropped=dropped,
    )


def _causes(error: BaseException) -> list[BaseException]:
    """List an exception and those below it; urllib3 and requests keep them in `args` and `reason`."""
    found: list[BaseException] = []
    queue: list[object] = [error]
    while queue:
        one = queue.pop(0)
        if isinstance(one, BaseException) and one not in found:
            found.append(one)
            queue += [*one.args, getattr(one, "reason", None), one.__cause__, one.__context__]
    return found
