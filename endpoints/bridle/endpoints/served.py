"""What a server tells about its model's prompt: the chat template, metadata, and its own rendering.

Routes, read 2026-11: llama-server `/props` and `/apply-template`, Ollama `/api/show` and `_debug_render_only`
of `/api/chat` (a Go template, not Jinja), LM Studio `/api/v0/models`, text-generation-webui
`/v1/internal/model/info` and `/v1/internal/chat-prompt`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from bridle.endpoints.json_paths import text_at, value_at
from bridle.endpoints.transport.http import Http, HttpCall
from bridle.errors import BadResponse, EndpointError, RequestRefused, Unreachable
from bridle.messages import JSON, Message, ToolSpec, message_to_dict, tool_to_dict

__all__ = ["Rendered", "Served", "ask_rendering", "ask_served"]


def _nothing() -> Mapping[str, JSON]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Served:
    """What was told. `template` is a Jinja chat template, `go_template` Ollama's; either may be empty.

    `metadata` has the keys of a GGUF file, as far as the server tells them. `route` is where it was told.
    """

    kind: str
    route: str
    model: str = ""
    template: str = ""
    go_template: str = ""
    metadata: Mapping[str, JSON] = field(default_factory=_nothing)


@dataclass(frozen=True, slots=True)
class Rendered:
    """The prompt that a server makes of a conversation, and the route that told it."""

    kind: str
    route: str
    text: str


def ask_served(base: str, http: Http, model: str = "") -> Served:
    """Ask a server what it knows of its model; `base` as `bridle.endpoints.connect.open_http` returns it.

    Raises:
        Unreachable: when nothing answers there.
        RequestRefused: when no known route tells anything.
    """
    root = base.removesuffix("/v1")
    for ask in (_llama_server, _ollama, _lmstudio, _webui, _openai):
        try:
            found = ask(root, http, model)
        except Unreachable:
            raise
        except EndpointError:
            continue  # the server is there and has no such route
        if found is not None:
            return found
    raise RequestRefused(
        f"{base} tells nothing about its model", hint="is it the address of a model server?", url=base
    )


def _llama_server(root: str, http: Http, model: str) -> Served | None:
    props = http.ask(HttpCall(f"{root}/props"))
    template = text_at(props, "chat_template")
    if not template:
        return None
    path = text_at(props, "model_path").replace("\\", "/")
    name = text_at(props, "model_alias") or path.rpartition("/")[2]
    return Served("llama-server", "/props", model or name, template)


def _ollama(root: str, http: Http, model: str) -> Served | None:
    name = model or _ollama_model(root, http)
    if not name:
        return None
    shown = http.ask(HttpCall(f"{root}/api/show", {"model": name}))
    info, details = value_at(shown, "model_info"), value_at(shown, "details")
    metadata = dict(info) if isinstance(info, dict) else {}
    if "general.architecture" not in metadata and text_at(details, "family"):
        metadata["general.architecture"] = text_at(details, "family")
    go = text_at(shown, "template")
    if not (go or metadata):
        return None
    template = text_at(metadata, "tokenizer.chat_template")
    return Served("ollama", "/api/show", name, template, go, metadata)


def _ollama_model(root: str, http: Http) -> str:
    """The model that is loaded, else the first of the list."""
    for route in ("/api/ps", "/api/tags"):
        listed = value_at(http.ask(HttpCall(root + route)), "models")
        if isinstance(listed, list) and listed:
            name = text_at(listed[0], "model") or text_at(listed[0], "name")
            if name:
                return name
    return ""


def _lmstudio(root: str, http: Http, model: str) -> Served | None:
    listed = value_at(http.ask(HttpCall(f"{root}/api/v0/models")), "data")
    models = (
        [one for one in listed if "embed" not in text_at(one, "type")] if isinstance(listed, list) else []
    )
    models = [one for one in models if not model or text_at(one, "id") == model]
    models.sort(key=lambda one: text_at(one, "state") != "loaded")
    if not models or not text_at(models[0], "type"):
        return None
    metadata: dict[str, JSON] = {}
    if text_at(models[0], "arch"):
        metadata["general.architecture"] = text_at(models[0], "arch")
    return Served("lmstudio", "/api/v0/models", text_at(models[0], "id"), metadata=metadata)


def _webui(root: str, http: Http, model: str) -> Served | None:
    route = "/v1/internal/model/info"
    name = text_at(http.ask(HttpCall(root + route)), "model_name")
    return Served("webui", route, name) if name not in ("", "None") else None


def _openai(root: str, http: Http, model: str) -> Served | None:
    name = model or text_at(http.ask(HttpCall(f"{root}/v1/models")), "data", 0, "id")
    return Served("openai", "/v1/models", name) if name else None


def ask_rendering(
    base: str, http: Http, messages: Sequence[Message], tools: Sequence[ToolSpec] = (), model: str = ""
) -> Rendered:
    """Ask a server to write a conversation as the prompt that it would give its model.

    Raises:
        Unreachable: when nothing answers there.
        RequestRefused: when the server cannot do that, or its template refuses the conversation.
    """
    root = base.removesuffix("/v1")
    body: dict[str, JSON] = {"messages": [message_to_dict(message) for message in messages]}
    if tools:
        body["tools"] = [tool_to_dict(tool) for tool in tools]
    refused: EndpointError | None = None
    ways: tuple[Callable[[], Rendered | None], ...] = (
        lambda: _prompt_of("llama-server", root, "/apply-template", http, body),
        lambda: _prompt_of("webui", root, "/v1/internal/chat-prompt", http, body),
        lambda: _ollama_prompt(root, http, messages, body, model),
    )
    for ask in ways:
        try:
            found = ask()
        except Unreachable:
            raise
        except (RequestRefused, BadResponse) as error:
            if error.facts.get("status") not in (404, 405, 501):
                refused = refused or error
            continue
        if found is not None:
            return found
    if refused is not None:
        raise refused
    raise RequestRefused(
        f"{base} cannot show the prompt it writes",
        hint="llama-server, text-generation-webui and Ollama can",
        url=base,
    )


def _prompt_of(kind: str, root: str, route: str, http: Http, body: Mapping[str, JSON]) -> Rendered | None:
    value = value_at(http.ask(HttpCall(root + route, body)), "prompt")
    return Rendered(kind, route, value) if isinstance(value, str) else None


def _ollama_prompt(
    root: str, http: Http, messages: Sequence[Message], body: Mapping[str, JSON], model: str
) -> Rendered | None:
    name = model or _ollama_model(root, http)
    if not name:
        return None
    asked: dict[str, JSON] = {**body, "model": name, "stream": False, "_debug_render_only": True}
    asked["messages"] = [_for_ollama(message) for message in messages]
    asked["options"] = {"num_predict": 1}  # for a version that knows no such question and answers
    answer = http.ask(HttpCall(f"{root}/api/chat", asked))
    value = value_at(answer, "_debug_info", "rendered_template")
    return Rendered("ollama", "/api/chat", value) if isinstance(value, str) else None


def _for_ollama(message: Message) -> JSON:
    """Ollama's own shape: arguments as an object, no ids, a result with the function's name."""
    out: dict[str, JSON] = {"role": message.role, "content": message.content}
    if message.thoughts:
        out["thinking"] = message.thoughts
    if message.name is not None:
        out["tool_name"] = message.name
    if message.calls:
        out["tool_calls"] = [
            {"function": {"name": call.name, "arguments": dict(call.arguments)}} for call in message.calls
        ]
    return out
