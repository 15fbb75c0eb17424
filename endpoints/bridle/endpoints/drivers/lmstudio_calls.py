"""What else LM Studio can be asked over its websocket: tokens, templates, and models to load.

Format: the Python package `lmstudio` 1.5.0 (sync_api.py, json_api.py, _sdk_models).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

from bridle.endpoints.drivers.lmstudio_models import Listed
from bridle.endpoints.drivers.lmstudio_prediction import history, specifier
from bridle.endpoints.drivers.lmstudio_socket import Session
from bridle.endpoints.json_paths import integer_at, list_at, text_at, value_at
from bridle.errors import BadResponse
from bridle.messages import JSON, Message

__all__ = [
    "IDLE_S",
    "apply_template",
    "context_tokens",
    "count_tokens",
    "instance",
    "list_loaded",
    "load",
    "tokenize",
    "unload",
]

IDLE_S = 3600
"""How long a model that was loaded for a request stays in memory without another one, in seconds."""

ShowProgress = Callable[[float], None]
"""Is told how much of a model has been loaded, from 0 to 1."""


def tokenize(session: Session, model: str, text: str) -> list[int]:
    """Split a text into the numbers of the model's tokens."""
    result = session.call("tokenize", {"specifier": specifier(model), "inputString": text})
    return [int(one) for one in list_at(result, "tokens") if isinstance(one, int | float)]


def count_tokens(session: Session, model: str, text: str) -> int:
    """Count the model's tokens in a text."""
    result = session.call("countTokens", {"specifier": specifier(model), "inputString": text})
    return _known(integer_at(result, "tokenCount"), session, result)


def apply_template(session: Session, model: str, messages: tuple[Message, ...]) -> str:
    """Render messages of nothing but text with the model's own template."""
    parameter: dict[str, JSON] = {
        "specifier": specifier(model),
        "history": history(messages),
        "predictionConfigStack": {"layers": []},
        "opts": {},
    }
    return text_at(session.call("applyPromptTemplate", parameter), "formatted")


def instance(session: Session, model: str) -> Listed:
    """Tell about the instance of a model that is in memory.

    Raises:
        ModelNotFound: when there is none.
    """
    result = session.call("getModelInfo", {"specifier": specifier(model), "throwIfNotFound": True})
    return _listed(result)


def context_tokens(session: Session, model: str) -> int:
    """Tell the window that a model in memory was loaded with."""
    found = instance(session, model)
    return _known(found.context_tokens, session, found.name)


def list_loaded(session: Session) -> list[Listed]:
    """List the models in memory that belong to the session's namespace."""
    result = session.call("listLoaded")
    return [_listed(one) for one in (result if isinstance(result, list) else [])]


def load(
    session: Session,
    model: str,
    context: int | None = None,
    idle_s: int = IDLE_S,
    on_progress: ShowProgress | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Listed:
    """Load a model unless it is in memory, with a window of `context` tokens, and tell what came of it.

    It is unloaded when nobody has asked it for `idle_s` seconds. One that is in memory keeps its window.

    Raises:
        Cancelled: when `should_stop` said so.
        ModelNotFound: when LM Studio has no such model.
        EndpointError: and its other kinds.
    """
    fields: list[JSON] = [] if context is None else [{"key": "llm.load.contextLength", "value": context}]
    parameter: dict[str, JSON] = {
        "identifier": model,
        "loadConfigStack": {"layers": [{"layerName": "apiOverride", "config": {"fields": fields}}]},
        "loadTtlMs": 1000 * idle_s,
    }
    info: JSON = None
    with closing(session.channel("getOrLoad", parameter, should_stop)) as packets:
        for packet in packets:
            progress = value_at(packet, "progress")
            if on_progress is not None and isinstance(progress, int | float):
                on_progress(float(progress))
            info = value_at(packet, "info") or info
    return _listed(info)


def unload(session: Session, identifier: str) -> None:
    """Free the memory that an instance of a model takes."""
    session.call("unloadModel", {"identifier": identifier})


def _listed(info: JSON) -> Listed:
    return Listed(
        text_at(info, "identifier") or text_at(info, "modelKey"),
        text_at(info, "modelKey"),
        True,
        integer_at(info, "contextLength"),
        integer_at(info, "maxContextLength"),
        text_at(info, "type") == "embedding",
        text_at(info, "architecture"),
        text_at(info, "displayName"),
        text_at(info, "paramsString"),
        text_at(info, "format"),
    )


def _known(number: int | None, session: Session, answer: object) -> int:
    if number is None:
        raise BadResponse(
            f"{session.url} answered without the number that was asked for: {answer!r}"[:300],
            hint="this version of LM Studio may be too old or too new for bridle",
            url=session.url,
        )
    return number
