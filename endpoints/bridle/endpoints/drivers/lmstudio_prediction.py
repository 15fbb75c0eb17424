"""What LM Studio is asked over its websocket, and what it answers: a raw prompt held to a grammar.

Format: the Python package `lmstudio` 1.5.0 (_kv_config.py, json_api.py, _sdk_models) and the keys in
lmstudio-js (lms-kv-config/src/schema.ts, 2026). There is one kind of prediction, for chats: a raw prompt goes
as the only message, with a template that writes nothing but that message. (Newer versions also have a
channel `completeRawText`, which that package does not use.)
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from bridle.endpoints.base import Request, Sampling
from bridle.endpoints.driver import Piece
from bridle.endpoints.json_paths import integer_at, list_at, text_at, value_at
from bridle.messages import JSON, Message, Usage

__all__ = ["CONSTRAINT", "STOP_REASONS", "history", "is_held", "prediction", "read_packet", "specifier"]

CONSTRAINT = "llm.prediction.structured"
"""The field that carries a grammar or a schema."""
STOP_REASONS: Mapping[str, str] = MappingProxyType(
    {
        "eosFound": "stop",
        "stopStringFound": "stop",
        "toolCalls": "tool_calls",
        "maxPredictedTokensReached": "length",
    }
)
"""Its words for why an answer ended, where OpenAI has one for that, too."""
_RAW_TEMPLATE: JSON = {
    "type": "jinja",
    "jinjaPromptTemplate": {
        "template": "{% for message in messages %}{{ message['content'] }}{% endfor %}",
        "bosToken": "",
        "eosToken": "",
        "inputConfig": {"messagesConfig": {"contentConfig": {"type": "string"}}, "useTools": False},
    },
    "stopStrings": [],
}


def specifier(model: str) -> JSON:
    """Name a model; without a name any that is loaded will do."""
    return {"type": "query", "query": {"identifier": model} if model else {}}


def history(messages: tuple[Message, ...]) -> JSON:
    """Write messages that have nothing but text."""
    return {
        "messages": [
            {"role": one.role, "content": [{"type": "text", "text": one.content}]} for one in messages
        ]
    }


def prediction(request: Request, prompt: str, model: str, gbnf: str) -> dict[str, JSON]:
    """Write the prediction for a request with a rendered prompt; `gbnf` is its grammar, or empty.

    A context that overflows ends the answer; LM Studio would otherwise cut something out of the middle.
    """
    fields: dict[str, JSON] = {
        "llm.prediction.contextOverflowPolicy": "stopAtLimit",
        "llm.prediction.stopStrings": list(request.stop),
        "llm.prediction.reasoning.parsing": {"enabled": False, "startString": "", "endString": ""},
        **_sampling(request.sampling),
    }
    if request.max_tokens is not None:
        fields["llm.prediction.maxPredictedTokens"] = {"checked": True, "value": request.max_tokens}
    if gbnf:
        fields[CONSTRAINT] = {"type": "gbnf", "gbnfGrammar": gbnf}
    elif request.schema is not None:
        fields[CONSTRAINT] = {"type": "json", "jsonSchema": dict(request.schema)}
    return {
        "modelSpecifier": specifier(model),
        "history": history((Message("user", prompt),)),
        "predictionConfigStack": {
            "layers": [
                _layer("apiOverride", fields),
                _layer("completeModeFormatting", {"llm.prediction.promptTemplate": _RAW_TEMPLATE}),
            ]
        },
    }


def is_held(sent: Mapping[str, JSON]) -> bool:
    """Say whether a prediction carries a grammar or a schema."""
    layers = list_at(value_at(sent.get("predictionConfigStack"), "layers"))
    fields = [field for layer in layers for field in list_at(layer, "config", "fields")]
    return any(text_at(field, "key") == CONSTRAINT for field in fields)


def _layer(name: str, fields: Mapping[str, JSON]) -> JSON:
    return {
        "layerName": name,
        "config": {"fields": [{"key": key, "value": value} for key, value in fields.items()]},
    }


def _sampling(sampling: Sampling) -> dict[str, JSON]:
    """Write all that is known there: what is left out is as the user has set it for the model."""
    checked: dict[str, int | float] = {
        "llm.prediction.topPSampling": sampling.top_p,
        "llm.prediction.minPSampling": sampling.min_p,
        "llm.prediction.repeatPenalty": sampling.repeat_penalty,
        "llm.prediction.llama.presencePenalty": sampling.presence_penalty,
        "llm.prediction.llama.frequencyPenalty": sampling.frequency_penalty,
    }
    if sampling.seed is not None:
        checked["llm.prediction.seed"] = sampling.seed
    return {
        "llm.prediction.temperature": sampling.temperature,
        "llm.prediction.topKSampling": sampling.top_k,
        **{key: {"checked": True, "value": value} for key, value in checked.items()},
    }


def read_packet(packet: JSON) -> Piece:
    """Read one message of a prediction; a piece of nothing for what is only for people to see.

    Text inside marks of thoughts stays text, since the marks belong to the prompt's format.
    """
    if text_at(packet, "type") == "fragment":
        return Piece(text_at(packet, "fragment", "content"))
    if text_at(packet, "type") != "success":
        return Piece()
    stats = value_at(packet, "stats")
    reason = text_at(stats, "stopReason") or "unknown"
    return Piece(
        "",
        STOP_REASONS.get(reason, reason),
        Usage(integer_at(stats, "promptTokensCount") or 0, integer_at(stats, "predictedTokensCount") or 0),
    )
