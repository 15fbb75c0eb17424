"""Which wrapper a model gets: the one that was asked for, that is kept for it, or that its template means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from bridle.endpoints.base import Endpoint
from bridle.endpoints.config import load_config
from bridle.errors import FormatError
from bridle.messages import JSON
from bridle.wrappers import Detection, Wrapper, detect, get_wrapper
from bridle.wrappers.detection import UNKNOWN

__all__ = ["OWN", "choose_wrapper"]

FAIRLY_SURE = 0.5
"""From here on a model is handed tools and calls in the way of the family that was detected."""
OWN = "template"
"""The name that asks for the model's own chat template in place of a wrapper."""


@runtime_checkable
class _Described(Protocol):
    """An endpoint that knows what stands in its model's file."""

    @property
    def metadata(self) -> Mapping[str, JSON]: ...

    @property
    def special_tokens(self) -> Sequence[str]: ...

    @property
    def bos(self) -> str: ...

    @property
    def eos(self) -> str: ...


def choose_wrapper(endpoint: Endpoint, wrapper: str | Path | Wrapper = "auto") -> tuple[Wrapper, str]:
    """Find the wrapper for an endpoint's model, and say why it is this one.

    "auto" is what the config file keeps for the model (`bridle wrappers use`), else what is detected by the
    model's chat template, metadata and name. A template of no known family writes the prompt itself, and
    "template" asks for that in any case.

    Raises:
        FormatError: for a wrapper that does not exist or whose file is bad, and for "template" where the
            endpoint knows no chat template.
        ConfigError: for a bad config file.
    """
    if isinstance(wrapper, Wrapper):
        return wrapper, "given"
    if wrapper == OWN:
        return _by_own_template(endpoint)
    if wrapper != "auto":
        return get_wrapper(wrapper), "given"
    config = load_config()
    kept = config.wrappers.get(endpoint.model, "auto")
    if kept == OWN:
        own, reason = _by_own_template(endpoint)
        return own, f"{reason}; kept for the model {endpoint.model!r} in {config.file}"
    if kept != "auto":
        try:
            return get_wrapper(kept), f"kept for the model {endpoint.model!r} in {config.file}"
        except FormatError as error:
            raise FormatError(
                f"{config.file}: [wrappers] {endpoint.model!r} = {kept!r}: {error.message}", hint=error.hint
            ) from error
    found = _detect(endpoint)
    if endpoint.chat_template and detect(endpoint.chat_template).confidence <= UNKNOWN:
        return _own(endpoint, found), f"{found.reason}; the model's own chat template writes the prompt"
    return get_wrapper(found.format), found.reason


def _by_own_template(endpoint: Endpoint) -> tuple[Wrapper, str]:
    if not endpoint.chat_template:
        raise FormatError(
            f"the endpoint {endpoint.name!r} does not tell the model's chat template",
            hint="name a wrapper: `bridle wrappers list` shows all",
        )
    found = _detect(endpoint)
    reason = f"the model's own chat template; calls as in {_family(found) or 'generic'}"
    return _own(endpoint, found), reason


def _detect(endpoint: Endpoint) -> Detection:
    metadata: Mapping[str, object] = {}
    if isinstance(endpoint, _Described):
        metadata = {**endpoint.metadata, "tokenizer.ggml.tokens": endpoint.special_tokens}
    return detect(endpoint.chat_template, metadata=metadata, name=endpoint.model)


def _family(found: Detection) -> str | None:
    return found.format if found.confidence >= FAIRLY_SURE else None


def _own(endpoint: Endpoint, found: Detection) -> Wrapper:
    from bridle.wrappers.own_template import own_wrapper  # Jinja, which most wrappers do without
    from bridle.wrappers.templates import ChatTemplate

    source = endpoint.chat_template or ""
    if isinstance(endpoint, _Described):
        template = ChatTemplate(source, endpoint.bos, endpoint.eos, endpoint.model)
        return own_wrapper(template, _family(found), endpoint.special_tokens)
    return own_wrapper(ChatTemplate(source, name=endpoint.model), _family(found))
