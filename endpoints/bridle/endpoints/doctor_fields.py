"""Which fields of OpenAI's two routes a server reads: each is tried with a constraint that shows it.

Servers take fields that they do not know without a word, so that status 200 says nothing. Here one made-up
word is all that may be said; if it comes back, the field was read.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, cast

from bridle.endpoints.doctor_canaries import shown
from bridle.endpoints.http_endpoint import HttpEndpoint
from bridle.endpoints.json_paths import list_at, text_at, value_at
from bridle.endpoints.transport.http import HttpCall
from bridle.errors import AuthError, EndpointError, ModelNotFound, Unreachable
from bridle.messages import JSON

__all__ = ["FieldFinding", "examine_fields"]

Reading = Literal["honoured", "ignored", "refused", "unknown", "no route"]
"""Seen to hold; taken, and it did not; an error; not to be seen, or not tried; the route is missing."""
MAX_TOKENS = 48
LONGEST_S = 60.0
"""After so many seconds no further field is tried."""
FIELD_S = 20.0
"""How long the answer to one field is waited for."""
NOT_TRIED = "not tried: the server took too long over the others"


@dataclass(frozen=True, slots=True)
class FieldFinding:
    """What a server does with a field of a route; `detail` says what came back in place of the word."""

    route: str
    field: str
    reading: Reading
    detail: str


_ROUTES: Mapping[str, dict[str, JSON]] = {
    "/v1/completions": {"prompt": "Say hello."},
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "Say hello."}]},
}


def examine_fields(endpoint: HttpEndpoint) -> tuple[FieldFinding, ...]:
    """Try every field that any server reads a constraint from, on both routes, within `LONGEST_S` seconds."""
    word = "".join(random.sample("bcdfghjklmnpqrstvwxz", 5))
    until = time.monotonic() + LONGEST_S
    usual = endpoint.http.timeouts
    found: list[FieldFinding] = []
    try:
        for route, start in _ROUTES.items():
            for field, members in _fields(word, chat="messages" in start).items():
                left_s = until - time.monotonic()
                if left_s <= 0:
                    found.append(FieldFinding(route, field, "unknown", NOT_TRIED))
                    continue
                endpoint.http.timeouts = replace(usual, total_s=min(FIELD_S, left_s))
                one = _try(endpoint, route, field, {**start, **members}, word)
                found.append(one)
                if one.reading == "no route":
                    break
    finally:
        endpoint.http.timeouts = usual
    return tuple(found)


def _fields(word: str, *, chat: bool) -> dict[str, dict[str, JSON]]:
    gbnf = f'root ::= "{word}"\n'
    only: JSON = {"type": "string", "enum": [word]}
    schema: JSON = {
        "type": "object",
        "properties": {"word": only},
        "required": ["word"],
        "additionalProperties": False,
    }
    form: JSON = {"name": "answer", "schema": schema, "strict": True}
    tool: JSON = {
        "type": "function",
        "function": {"name": f"do_{word}", "parameters": {"type": "object", "properties": {}}},
    }
    fields: dict[str, dict[str, JSON]] = {
        "grammar": {"grammar": gbnf},
        "grammar_string": {"grammar_string": gbnf},
        "ebnf": {"ebnf": gbnf},
        "regex": {"regex": word},
        "response_format (json_schema)": {"response_format": {"type": "json_schema", "json_schema": form}},
        "response_format (json_object)": {"response_format": {"type": "json_object", "schema": schema}},
        "json_schema": {"json_schema": schema},
        "structured_outputs": {"structured_outputs": {"regex": word}},
        "guided_regex": {"guided_regex": word},
    }
    if chat:
        name: JSON = {"type": "function", "function": {"name": f"do_{word}"}}
        asked: JSON = [{"role": "user", "content": "Say hello. Do not call a function."}]
        choices: dict[str, JSON] = {"required": "required", "a name": name}
        for title, choice in choices.items():
            fields[f"tool_choice ({title})"] = {"messages": asked, "tools": [tool], "tool_choice": choice}
    return fields


def _try(
    endpoint: HttpEndpoint, route: str, field: str, members: Mapping[str, JSON], word: str
) -> FieldFinding:
    model: dict[str, JSON] = {"model": endpoint.model} if endpoint.model else {}
    body = {**model, "max_tokens": MAX_TOKENS, "temperature": 0.0, **members}
    try:
        answer = endpoint.http.ask(HttpCall(endpoint.driver.root + route, body))
    except (Unreachable, AuthError):
        raise
    except EndpointError as error:
        if error.retryable or error.facts.get("status") == 200:
            return FieldFinding(route, field, "unknown", error.message)
        missing = error.facts.get("status") in (404, 405) and not isinstance(error, ModelNotFound)
        return FieldFinding(route, field, "no route" if missing else "refused", error.message)
    message = value_at(answer, "choices", 0, "message")
    text = (text_at(answer, "choices", 0, "text") or text_at(message, "content")).strip()
    names = [text_at(one, "function", "name") for one in list_at(message, "tool_calls")]
    if text == word or _object(text) == {"word": word} or f"do_{word}" in names:
        return FieldFinding(route, field, "honoured", "")
    if "json_object" in field and _object(text) is not None:
        return FieldFinding(route, field, "honoured", f"as any JSON object: {shown(text)}")
    if not (text or names) and text_at(answer, "choices", 0, "finish_reason") == "length":
        return FieldFinding(route, field, "unknown", "it was still thinking at the limit")
    said = f"called {names[0]}" if names else shown(text)
    return FieldFinding(route, field, "ignored", said)


def _object(text: str) -> object:
    """The JSON object that a text is; None where it is none."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return cast("object", value) if isinstance(value, dict) else None
