"""The websocket side of the fake of LM Studio: greeting, remote calls, predictions and loading.

Written with the part of `websockets` that does no input or output, on the socket that the HTTP server took.
"""

from __future__ import annotations

import json
import select
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import jinja2
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from bridle.errors import GrammarError
from servers.fake import Seen
from servers.holding import held_by_gbnf, held_by_schema

if TYPE_CHECKING:
    from servers.fake_lmstudio import FakeLMStudio, Loaded

__all__ = ["Refused", "Talk", "describe"]

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "<|im_start|>assistant\n"
)
ABOUT_A_MODEL = frozenset({"getModelInfo", "countTokens", "tokenize", "applyPromptTemplate", "getLoadConfig"})


class Refused(Exception):
    """What is answered with an error: a title, and perhaps a code."""

    def __init__(self, title: str, code: str = "", **more: str) -> None:
        super().__init__(title)
        shown = {"displayData": {"code": code}} if code else {}
        self.error: dict[str, Any] = {"title": title, "rootTitle": title, **shown, **more}


class Wire:
    """A websocket on a connected socket, for one thread."""

    def __init__(self, connected: socket.socket, chunk_bytes: int) -> None:
        self._socket = connected
        self._chunk_bytes = chunk_bytes
        self._protocol = ServerProtocol(max_size=None)
        self._waiting: list[str] = []
        self.gone = False
        self.path = ""
        self.headers: dict[str, str] = {}
        while not self.path and not self.gone:
            self._read()

    def send(self, message: object) -> None:
        self._protocol.send_text(json.dumps(message, ensure_ascii=False).encode())
        self._flush()

    def messages(self) -> Iterator[dict[str, Any]]:
        """Yield what comes until the client goes away."""
        while True:
            while self._waiting:
                yield json.loads(self._waiting.pop(0))
            if self.gone:
                return
            self._read()

    def is_cancelled(self, channel: int, seconds: float) -> bool:
        """Wait so long, or until something comes, and look whether it cancels a channel."""
        if select.select([self._socket], [], [], seconds)[0]:
            self._read()
        wanted = {"type": "channelSend", "channelId": channel, "message": {"type": "cancel"}}
        return any(json.loads(one) == wanted for one in self._waiting)

    def close(self) -> None:
        """Close in good order."""
        if not self.gone:
            self._protocol.send_close(1000)
            self._flush()

    def _read(self) -> None:
        try:
            data = self._socket.recv(1 << 16)
        except OSError:
            data = b""
        if data:
            self._protocol.receive_data(data)
        else:
            self.gone = True
            return
        for event in self._protocol.events_received():
            if isinstance(event, Request):
                self.path = event.path
                self.headers = {name.lower(): value for name, value in event.headers.raw_items()}
                self._protocol.send_response(self._protocol.accept(event))
            elif isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                assert event.fin
                self._waiting.append(bytes(event.data).decode())
            elif isinstance(event, Frame) and event.opcode is Opcode.CLOSE:
                self.gone = True
        self._flush()

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            size = self._chunk_bytes or len(data) or 1
            try:
                for at in range(0, len(data), size):
                    self._socket.sendall(data[at : at + size])
            except OSError:
                self.gone = True


class Talk:
    """One connection, from the greeting to its end."""

    def __init__(self, fake: FakeLMStudio, connected: socket.socket) -> None:
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        self.fake = fake
        self.wire = Wire(connected, fake.chunk_bytes)
        fake.seen.append(Seen("GET", self.wire.path, self.wire.headers, {}))
        self.namespace = self.wire.path.strip("/")
        messages = self.wire.messages()
        greeting = next(messages, None)
        if greeting is None or not self._let_in(greeting):
            return
        for message in messages:
            if message["type"] == "rpcCall":
                self._answer(message)
            elif message["type"] == "channelCreate":
                self._open(message)
        self.wire.close()

    def _let_in(self, greeting: dict[str, Any]) -> bool:
        assert greeting["authVersion"] == 1
        token = f"sk-lm-{greeting['clientIdentifier']}:{greeting['clientPasskey']}"
        if self.fake.token and token != self.fake.token:
            self.wire.send({"success": False, "error": {"title": "Invalid API token"}})
            return False
        self.wire.send({"success": True})
        return True

    def _answer(self, message: dict[str, Any]) -> None:
        head = {"callId": message["callId"]}
        try:
            result = self._result(message["endpoint"], message.get("parameter") or {})
        except Refused as error:
            self.wire.send({"type": "rpcError", **head, "error": error.error})
        else:
            self.wire.send({"type": "rpcResult", **head} | ({} if result is None else {"result": result}))

    def _result(self, endpoint: str, parameter: dict[str, Any]) -> object:
        embedding = self.namespace == "embedding"
        if endpoint == "listLoaded":
            found = [one for one in self.fake.catalogue if one.embedding is embedding and one.context]
            return [describe(one) for one in found]
        if endpoint == "listDownloadedModels":
            return [describe(one, loaded=False) for one in self.fake.catalogue]
        if endpoint == "unloadModel":
            self._model(parameter["identifier"]).context = None
            return None
        if endpoint not in ABOUT_A_MODEL:
            raise Refused(f"Unknown endpoint {endpoint!r}")
        model = self._specified(parameter["specifier"])
        if endpoint == "getModelInfo":
            return describe(model)
        if endpoint == "getLoadConfig":
            return {"fields": [{"key": "llm.load.contextLength", "value": model.context}]}
        if endpoint == "applyPromptTemplate":
            return {"formatted": _render(CHATML, parameter["history"])}
        text = parameter["inputString"]
        return {"tokenCount": len(text)} if endpoint == "countTokens" else {"tokens": [ord(c) for c in text]}

    def _specified(self, specifier: dict[str, Any]) -> Loaded:
        assert specifier["type"] == "query"
        return self._model(specifier["query"].get("identifier", ""))

    def _model(self, name: str) -> Loaded:
        found = self.fake.find(name, embedding=self.namespace == "embedding")
        if found is None or found.context is None:
            raise Refused(f"No model found that fits the query {name!r}", "generic.noModelMatchingQuery")
        return found

    def _open(self, message: dict[str, Any]) -> None:
        number, parameter = message["channelId"], message["creationParameter"]
        run = {"predict": self._predict, "getOrLoad": self._load}[message["endpoint"]]
        try:
            for packet in run(number, parameter):
                self.wire.send({"type": "channelSend", "channelId": number, "message": packet})
        except Refused as error:
            self.wire.send({"type": "channelError", "channelId": number, "error": error.error})
            return
        self.wire.send({"type": "channelClose", "channelId": number})

    def _load(self, _: int, parameter: dict[str, Any]) -> Iterator[dict[str, Any]]:
        found = self.fake.find(parameter["identifier"], embedding=self.namespace == "embedding")
        if found is None:
            raise Refused("Model not found", "generic.pathNotFound", suggestion="Run `lms ls` to see yours")
        if found.context is not None:
            yield {"type": "alreadyLoaded", "info": describe(found)}
            return
        assert parameter["loadTtlMs"] >= 1
        yield {"type": "startLoading", "identifier": found.name, "info": describe(found, loaded=False)}
        for progress in (0.5, 1.0):
            yield {"type": "loadProgress", "progress": progress}
        found.context = _fields(parameter["loadConfigStack"]).get("llm.load.contextLength", 4096)
        yield {"type": "loadSuccess", "info": describe(found)}

    def _predict(self, number: int, parameter: dict[str, Any]) -> Iterator[dict[str, Any]]:
        model = self._specified(parameter["modelSpecifier"])
        fields = _fields(parameter["predictionConfigStack"])
        template = fields.get("llm.prediction.promptTemplate")
        raw = template["jinjaPromptTemplate"]["template"] if template else CHATML
        prompt = _render(raw, parameter["history"])
        limit = _checked(fields.get("llm.prediction.maxPredictedTokens"))
        stops = fields.get("llm.prediction.stopStrings", [])
        self.fake.requests.append({"prompt": prompt, "stop": stops, "max_tokens": limit, "fields": fields})
        length = self._fitting(prompt, model, fields)
        text, reason = self.fake.shorten(self._held(model, fields), stops, limit)
        room = (model.context or 0) - length
        if room < len(text):
            text, reason = text[:room], "contextLengthReached"
        yield {"type": "promptProcessingProgress", "progress": 1.0}
        said = 0
        for at in range(0, len(text), 3):
            if self._cancelled(number, self.fake.pause_s):
                reason = "userStopped"
                break
            said += len(text[at : at + 3])
            yield {"type": "fragment", "fragment": _fragment(text[at : at + 3])}
        if not self.fake.without_end:
            yield self._success(model, fields, {"prompt": length, "predicted": said, "reason": reason})

    def _fitting(self, prompt: str, model: Loaded, fields: dict[str, Any]) -> int:
        context = model.context or 0
        if len(prompt) < context:
            return len(prompt)
        if fields.get("llm.prediction.contextOverflowPolicy") == "stopAtLimit":
            raise Refused(
                "The number of tokens to keep from the initial prompt is greater than the context length "
                f"(n_keep: {len(prompt)}>= n_ctx: {context})"
            )
        return context // 2

    def _held(self, model: Loaded, fields: dict[str, Any]) -> str:
        asked = fields.get("llm.prediction.structured", {"type": "none"})
        if asked["type"] == "gbnf":
            if model.form != "gguf":
                code = "generic.engineDoesNotSupportFeature"
                raise Refused("The engine does not support structured output by a grammar", code)
            try:
                return held_by_gbnf(asked["gbnfGrammar"], self.fake.text)
            except GrammarError as error:
                said = "Failed to initialize samplers: failed to parse grammar"
                raise Refused("Error in predicting", cause=said) from error
        text = self.fake.text
        return held_by_schema(asked["jsonSchema"], text) if asked["type"] == "json" else text

    def _cancelled(self, number: int, seconds: float) -> bool:
        stopped = self.wire.is_cancelled(number, seconds)
        if stopped or self.wire.gone:
            self.fake.broken.set()
        return stopped or self.wire.gone

    def _success(self, model: Loaded, fields: dict[str, Any], said: dict[str, Any]) -> dict[str, Any]:
        stats = {
            "stopReason": said["reason"],
            "tokensPerSecond": 99.0,
            "promptTokensCount": said["prompt"],
            "predictedTokensCount": said["predicted"],
            "totalTokensCount": said["prompt"] + said["predicted"],
        }
        return {
            "type": "success",
            "stats": stats,
            "modelInfo": describe(model),
            "loadModelConfig": {"fields": [{"key": "llm.load.contextLength", "value": model.context}]},
            "predictionConfig": {"fields": [{"key": key, "value": fields[key]} for key in fields]},
        }


def describe(one: Loaded, *, loaded: bool = True) -> dict[str, Any]:
    """What the protocol says of a model, or of an instance of one."""
    model: dict[str, Any] = {
        "type": "embedding" if one.embedding else "llm",
        "modelKey": one.key,
        "format": "gguf" if one.form == "gguf" else "safetensors",
        "displayName": one.key.title(),
        "path": f"somebody/{one.key}.gguf",
        "sizeBytes": 241410208,
        "maxContextLength": one.trained,
        "architecture": one.architecture,
    }
    if not one.embedding:
        model |= {"vision": False, "trainedForToolUse": False, "paramsString": "270M"}
    if loaded:
        model |= {
            "identifier": one.name,
            "instanceReference": f"ref-{one.name}",
            "contextLength": one.context,
        }
    return model


def _fields(stack: dict[str, Any]) -> dict[str, Any]:
    """Collapse the layers of a configuration; the first that has a field counts."""
    found: dict[str, Any] = {}
    for layer in reversed(stack["layers"]):
        found |= {field["key"]: field["value"] for field in layer["config"]["fields"]}
    return found


def _checked(value: dict[str, Any] | None) -> Any:
    return value["value"] if value and value["checked"] else None


def _fragment(text: str) -> dict[str, Any]:
    return {"content": text, "tokensCount": len(text), "containsDrafted": False, "reasoningType": "none"}


def _render(template: str, history: dict[str, Any]) -> str:
    messages = [
        {"role": one["role"], "content": "".join(part["text"] for part in one["content"])}
        for one in history["messages"]
    ]
    return str(jinja2.Template(template, keep_trailing_newline=True).render(messages=messages))
