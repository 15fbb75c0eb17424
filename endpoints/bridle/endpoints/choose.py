"""Which wrapper a model gets: the one that was asked for, that is kept for it, or that its template means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from bridle.endpoints.base import Endpoint
from bridle.endpoints.config import load_config
from bridle.errors import FormatError
from bridle.messages import JSON
from bridle.wrappers import Wrapper, detect, get_wrapper

__all__ = ["choose_wrapper"]


@runtime_checkable
class _Described(Protocol):
    """An endpoint that knows what stands in its model's file."""

    @property
    def metadata(self) -> Mapping[str, JSON]: ...

    @property
    def special_tokens(self) -> Sequence[str]: ...


def choose_wrapper(endpoint: Endpoint, wrapper: str | Path | Wrapper = "auto") -> tuple[Wrapper, str]:
    """Find the wrapper for an endpoint's model, and say why it is this one.

    "auto" is what the config file keeps for the model (`bridle wrappers use`), else what is detected by the
    model's chat template, metadata and name.

    Raises:
        FormatError: for a wrapper that does not exist or whose file is bad.
        ConfigError: for a bad config file.
    """
    if isinstance(wrapper, Wrapper):
        return wrapper, "given"
    if wrapper != "auto":
        return get_wrapper(wrapper), "given"
    config = load_config()
    kept = config.wrappers.get(endpoint.model, "auto")
    if kept != "auto":
        try:
            return get_wrapper(kept), f"kept for the model {endpoint.model!r} in {config.file}"
        except FormatError as error:
            raise FormatError(
                f"{config.file}: [wrappers] {endpoint.model!r} = {kept!r}: {error.message}", hint=error.hint
            ) from error
    metadata: Mapping[str, object] = {}
    if isinstance(endpoint, _Described):
        metadata = {**endpoint.metadata, "tokenizer.ggml.tokens": endpoint.special_tokens}
    found = detect(endpoint.chat_template, metadata=metadata, name=endpoint.model)
    return get_wrapper(found.format), found.reason
