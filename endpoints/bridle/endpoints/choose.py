"""Which wrapper a model gets: the one that was asked for, that is kept for it, or that its template means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

from bridle.endpoints.base import GO_TEMPLATE, Configured, Endpoint
from bridle.endpoints.config import load_config
from bridle.errors import FormatError
from bridle.messages import JSON
from bridle.wrappers import Detection, Wrapper, detect, get_wrapper
from bridle.wrappers.detection import UNKNOWN

__all__ = ["OWN", "Chosen", "choose", "choose_wrapper"]

FAIRLY_SURE = 0.5
"""From here on a model is handed tools and calls in the way of the family that was detected."""
OWN = "template"
"""The name that asks for the model's own chat template in place of a wrapper."""


@runtime_checkable
class _Told(Protocol):
    """An endpoint that tells something of what stands in its model's file."""

    @property
    def metadata(self) -> Mapping[str, JSON]: ...


@runtime_checkable
class _Described(_Told, Protocol):
    """An endpoint that has read its model's file."""

    @property
    def special_tokens(self) -> Sequence[str]: ...

    @property
    def bos(self) -> str: ...

    @property
    def eos(self) -> str: ...


class Chosen(NamedTuple):
    """A wrapper, why it is this one, and whether it is only the usual one because nothing is known."""

    wrapper: Wrapper
    reason: str
    guessed: bool = False


def choose_wrapper(endpoint: Endpoint, wrapper: str | Path | Wrapper = "auto") -> tuple[Wrapper, str]:
    """Find the wrapper for an endpoint's model, and say why it is this one; as `choose`, in short."""
    return choose(endpoint, wrapper)[:2]


def choose(endpoint: Endpoint, wrapper: str | Path | Wrapper = "auto") -> Chosen:
    """Find the wrapper for an endpoint's model, and say why it is this one.

    "auto" is what the endpoint's own configuration names, else what the config file keeps for the model
    (`bridle wrappers use`), else what is detected by the model's chat template, metadata and name. A template
    of no known family writes the prompt itself, and "template" asks for that in any case.

    Raises:
        FormatError: for a wrapper that does not exist or whose file is bad, and for "template" where the
            endpoint knows no chat template.
        ConfigError: for a bad config file.
    """
    if isinstance(wrapper, Wrapper):
        return Chosen(wrapper, "given")
    if wrapper == OWN:
        return Chosen(*_by_own_template(endpoint))
    if wrapper != "auto":
        return Chosen(get_wrapper(wrapper), "given")
    if isinstance(endpoint, Configured) and endpoint.wrapper not in ("", "auto"):
        named = choose(endpoint, endpoint.wrapper)
        return named._replace(reason="named in the endpoint's configuration")
    config = load_config()
    kept = config.wrappers.get(endpoint.model, "auto")
    if kept == OWN:
        own, reason = _by_own_template(endpoint)
        return Chosen(own, f"{reason}; kept for the model {endpoint.model!r} in {config.file}")
    if kept != "auto":
        try:
            return Chosen(get_wrapper(kept), f"kept for the model {endpoint.model!r} in {config.file}")
        except FormatError as error:
            raise FormatError(
                f"{config.file}: [wrappers] {endpoint.model!r} = {kept!r}: {error.message}", hint=error.hint
            ) from error
    found = _detect(endpoint)
    if endpoint.chat_template and detect(endpoint.chat_template).confidence <= UNKNOWN:
        own, words = _own(endpoint, found)
        return Chosen(own, f"{found.reason}; the model's own chat template writes the prompt{words}")
    return Chosen(get_wrapper(found.format), found.reason, found.confidence <= UNKNOWN)


def _by_own_template(endpoint: Endpoint) -> tuple[Wrapper, str]:
    if not endpoint.chat_template:
        raise FormatError(
            f"the endpoint {endpoint.name!r} does not tell the model's chat template",
            hint="name a wrapper: `bridle wrappers list` shows all",
        )
    wrapper, words = _own(endpoint, _detect(endpoint))
    return wrapper, f"the model's own chat template{words}; calls as in {wrapper.format.name}"


def _detect(endpoint: Endpoint) -> Detection:
    metadata: Mapping[str, object] = endpoint.metadata if isinstance(endpoint, _Told) else {}
    if isinstance(endpoint, _Described):
        metadata = {**metadata, "tokenizer.ggml.tokens": endpoint.special_tokens}
    go = metadata.get(GO_TEMPLATE)
    return detect(
        endpoint.chat_template,
        metadata=metadata,
        name=endpoint.model,
        go_template=go if isinstance(go, str) else None,
    )


def _family(found: Detection) -> str | None:
    return found.format if found.confidence >= FAIRLY_SURE else None


def _own(endpoint: Endpoint, found: Detection) -> tuple[Wrapper, str]:
    """The wrapper of the model's own chat template, and words for what that leaves out."""
    from bridle.wrappers.own_template import own_wrapper, tells_calls, tells_tools  # Jinja: most do without
    from bridle.wrappers.templates import ChatTemplate

    source = endpoint.chat_template or ""
    template = ChatTemplate(source, name=endpoint.model)
    special: Sequence[str] = ()
    if isinstance(endpoint, _Described):
        template = ChatTemplate(source, endpoint.bos, endpoint.eos, endpoint.model)
        special = endpoint.special_tokens
    words = ", which leaves tools out: they are told in words"
    if tells_tools(template):
        words = "" if tells_calls(template) else ", which leaves past calls out: they are written as text"
    return own_wrapper(template, _family(found), special), words
