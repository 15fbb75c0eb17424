"""What Ollama tells of itself and its models: its version, what it has, what is loaded, what each can do.

Format: server/routes.go and api/types.go of Ollama 0.33 (2026-08). Older versions leave members out; nothing
here needs one that only a new one has.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bridle.endpoints.base import GO_TEMPLATE, ModelInfo
from bridle.endpoints.driver import Ask
from bridle.endpoints.json_paths import integer_at, list_at, text_at, value_at
from bridle.endpoints.transport.http import HttpCall
from bridle.errors import BadResponse, ModelNotFound, RequestRefused
from bridle.messages import JSON

__all__ = [
    "Shown",
    "ask_models",
    "ask_running",
    "ask_shown",
    "ask_version",
    "first_model",
    "is_same_model",
    "loaded_context",
    "no_model",
    "read_shown",
    "read_version",
]

NO_TEMPLATE = "{{.Prompt}}"
"""What stands for a template, without blanks, where the server's own code or the file's Jinja renders."""
EMBEDDING_FAMILIES = ("bert", "nomic-bert", "jina-bert-v2")
"""Families that only make embeddings; versions before 0.6.4 do not tell a model's capabilities."""
CLOUD_TAG = re.compile(r"[:-]cloud$")


@dataclass(frozen=True, slots=True)
class Shown:
    """What `/api/show` says of a model. `capabilities` is None where the version does not tell them.

    `num_ctx`, `num_keep` and `stops` are parameters of its Modelfile. `trained_tokens` is the window that the
    model was made for. A model `is_remote` when Ollama passes requests on to its own cloud.
    """

    metadata: Mapping[str, JSON] = field(default_factory=dict[str, JSON])
    capabilities: frozenset[str] | None = None
    trained_tokens: int | None = None
    num_ctx: int | None = None
    num_keep: int | None = None
    stops: tuple[str, ...] = ()
    is_remote: bool = False

    @property
    def is_embedding(self) -> bool:
        """Whether the model makes embeddings and nothing else."""
        if self.capabilities is None:
            return text_at(dict(self.metadata), "general.architecture") in EMBEDDING_FAMILIES
        return "embedding" in self.capabilities and "completion" not in self.capabilities


def read_shown(body: JSON, model: str) -> Shown:
    """Read an answer of `/api/show`.

    >>> read_shown({"parameters": "num_ctx    8192\\nstop    \\"</s>\\""}, "m").stops
    ('</s>',)
    """
    info = value_at(body, "model_info")
    metadata = dict(info) if isinstance(info, dict) else {}
    family = text_at(body, "details", "family")
    if family and not text_at(metadata, "general.architecture"):
        metadata["general.architecture"] = family
    architecture = text_at(metadata, "general.architecture")
    template = text_at(body, "template")
    if "".join(template.split()) not in ("", NO_TEMPLATE):
        metadata[GO_TEMPLATE] = template
    told = value_at(body, "capabilities")
    parameters = _parameters(text_at(body, "parameters"))
    return Shown(
        metadata,
        frozenset(one for one in told if isinstance(one, str)) if isinstance(told, list) else None,
        integer_at(metadata, f"{architecture}.context_length"),
        _whole(parameters.get("num_ctx", [""])[-1]),
        _whole(parameters.get("num_keep", [""])[-1]),
        tuple(parameters.get("stop", ())),
        bool(text_at(body, "remote_host") or text_at(body, "remote_model") or CLOUD_TAG.search(model)),
    )


def _parameters(text: str) -> dict[str, list[str]]:
    """Read the lines `name  value` of a Modelfile's parameters; texts are in quotation marks."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        name, _, value = line.strip().partition(" ")
        if name and value:
            found.setdefault(name, []).append(_unquoted(value.strip()))
    return found


def _unquoted(value: str) -> str:
    if not value.startswith('"'):
        return value
    try:
        read: JSON = json.loads(value)
    except ValueError:  # Go has escapes that JSON has not
        return value.strip('"')
    return read if isinstance(read, str) else value


def _whole(text: str) -> int | None:
    return int(text) if text.isdecimal() else None


def is_same_model(one: str, other: str) -> bool:
    """Whether two names mean one model: without a tag it is `latest`, and case does not matter.

    >>> is_same_model("Llama3", "llama3:latest")
    True
    """
    return _full_name(one) == _full_name(other)


def _full_name(name: str) -> str:
    name = name.lower()
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def read_version(body: JSON) -> tuple[int, ...]:
    """Read an answer of `/api/version`; empty where there is none. One that was built by hand is the newest.

    >>> read_version({"version": "0.12.3-rc1"})
    (0, 12, 3)
    """
    numbers = re.match(r"v?(\d+)\.(\d+)\.(\d+)", text_at(body, "version"))
    if numbers is None:
        return ()
    version = tuple(map(int, numbers.groups()))
    return version if any(version) else (99, 0, 0)


def ask_version(ask: Ask, root: str) -> tuple[int, ...]:
    """Ask for the server's version; empty where a proxy in front of it does not tell."""
    return read_version(_optional(ask, f"{root}/api/version"))


def ask_running(ask: Ask, root: str) -> tuple[JSON, ...]:
    """Ask which models are loaded, the one that is used longest first; older versions cannot tell."""
    return tuple(list_at(_optional(ask, f"{root}/api/ps"), "models"))


def _optional(ask: Ask, url: str) -> JSON:
    try:
        return ask(HttpCall(url))
    except (RequestRefused, BadResponse):
        return None


def ask_shown(ask: Ask, root: str, model: str) -> Shown:
    """Ask what there is to know of a model.

    Raises:
        ModelNotFound: when the server does not have it.
    """
    url = f"{root}/api/show"
    try:
        return read_shown(ask(HttpCall(url, {"model": model, "name": model})), model)
    except RequestRefused as error:
        if error.facts.get("status") == 404 and "not found" in str(error.facts.get("body")):
            raise no_model(root, model, **error.facts) from error
        return read_shown(None, model)  # it may be able to run it all the same
    except BadResponse:
        return read_shown(None, model)


def no_model(root: str, model: str, **facts: object) -> ModelNotFound:
    """Build the error for a model that was not pulled."""
    hint = f"ask for a model that the server has, or get it: ollama pull {model}"
    error = ModelNotFound(f"{root} has no model {model!r}", hint=hint)
    error.facts.update(facts)
    return error


def ask_models(ask: Ask, root: str) -> tuple[ModelInfo, ...]:
    """List the models that were pulled, the newest first, and what is known of each."""
    running = ask_running(ask, root)
    listed = list_at(ask(HttpCall(f"{root}/api/tags")), "models")
    return tuple(_info(ask, root, one, running) for one in listed if _name(one))


def _info(ask: Ask, root: str, listed: JSON, running: Sequence[JSON]) -> ModelInfo:
    name = _name(listed)
    try:
        shown = ask_shown(ask, root, name)
    except ModelNotFound:
        shown = read_shown(listed, name)  # it was deleted this moment, or a proxy made the list
    loaded = any(is_same_model(_name(one), name) for one in running)
    context = loaded_context(running, name)
    return ModelInfo(name, loaded, context, shown.trained_tokens, shown.is_embedding)


def first_model(ask: Ask, root: str, running: Sequence[JSON]) -> str:
    """Choose a model that writes text: one that is loaded, else the newest.

    Raises:
        ModelNotFound: when there is none.
    """
    for one in (*running, *list_at(ask(HttpCall(f"{root}/api/tags")), "models")):
        name = _name(one)
        if name and not read_shown(one, name).is_embedding:
            return name.removesuffix(":latest")
    raise ModelNotFound(
        f"{root} has no model that writes text", hint="get one with: ollama pull NAME", url=root
    )


def loaded_context(running: Sequence[JSON], model: str) -> int | None:
    """Return the window that a model is loaded with, in tokens; None when it is not, or that is not told."""
    found = (integer_at(one, "context_length") for one in running if is_same_model(_name(one), model))
    return next((context for context in found if context), None)


def _name(one: JSON) -> str:
    return text_at(one, "model") or text_at(one, "name")
