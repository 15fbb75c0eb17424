"""What a server means by declining a request: one of our errors, by status, code and words.

Servers spell the same failure differently. Shapes and words were recorded from text-generation-webui 4.7.3,
llama-cpp-python 0.3.36, llama.cpp's server of August 2026, vLLM, OpenAI and Azure, or read in the sources of
Ollama 0.33, SGLang, KoboldCpp 1.102 and LM Studio's clients (mid 2026). An error that comes inside an answer
of status 200 is judged by its words and its own code.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from bridle.endpoints.json_paths import integer_at, text_at, value_at
from bridle.endpoints.transport.overflow_words import overflow
from bridle.endpoints.transport.surrogates import mended_json
from bridle.errors import (
    AuthError,
    BadResponse,
    ConstraintRejected,
    ContentFiltered,
    ContextOverflow,
    EndpointError,
    ModelNotFound,
    RateLimited,
    RequestRefused,
    ServerBusy,
    ServerCrashed,
    UnsupportedParameter,
)
from bridle.messages import JSON

__all__ = ["Refused", "error_message", "understood"]


def error_message(body: str) -> str:
    """Take the message out of an error body in any of the known shapes; empty when it has none of them.

    >>> error_message('{"detail": [{"loc": ["body", "max_tokens"], "msg": "too small"}]}')
    'body.max_tokens: too small'
    """
    return _message(_json(body))


def _json(body: str) -> JSON:
    try:
        return cast("JSON", json.loads(mended_json(body)))  # json's own types are what JSON spells out
    except (ValueError, RecursionError):
        return None


def _message(value: JSON) -> str:
    if isinstance(value, str):
        # Ollama passes on what its runner answered: JSON text inside the text.
        return (_message(_json(value)) if value.startswith("{") else "") or value
    if isinstance(value, list):
        return "; ".join(filter(None, (_message(one) for one in value)))
    if not isinstance(value, dict):
        return ""
    for key in ("error", "detail", "message", "msg"):
        if found := _message(value.get(key)):
            where = value.get("loc")
            path = ".".join(map(str, where)) if isinstance(where, list) else ""
            return f"{path}: {found}" if path else found
    return ""


@dataclass(frozen=True, slots=True)
class Refused:
    """What a server has answered: its status, the whole body, and the members that most bodies have."""

    status: int
    body: str
    message: str = ""
    code: str = ""
    kind: str = ""
    parameter: str = ""
    value: JSON = None

    @property
    def words(self) -> str:
        """All by which it can be understood: its message, code and type, or the body where it has none."""
        return "\n".join(filter(None, (self.message or self.body, self.code, self.kind)))

    @classmethod
    def read(cls, status: int, body: str) -> Refused:
        """Read an error's body; a status of 200 is replaced by the one that it names, if it does."""
        value = _json(body)
        error = value_at(value, "error")
        inner = error if isinstance(error, dict) else value
        code = value_at(inner, "code")
        named = integer_at(inner, "code") or integer_at(inner, "status_code") or integer_at(inner, "status")
        if isinstance(code, str) and re.fullmatch(r"[45]\d\d", code):
            named = int(code)
        if status < 400 and named is not None and 400 <= named < 600:
            status = named
        return cls(
            status,
            body,
            _message(value),
            code if isinstance(code, str) else "",
            text_at(inner, "type"),
            text_at(inner, "param"),
            inner,
        )


@dataclass(frozen=True, slots=True)
class _Rule:
    """Words by which a kind of error is known, at any of some statuses (all, where there are none)."""

    error: type[EndpointError]
    words: re.Pattern[str]
    hint: str
    statuses: Sequence[int]
    facts: Mapping[str, object]


def _rule(
    error: type[EndpointError], *words: str, hint: str = "", statuses: Sequence[int] = (), **facts: object
) -> _Rule:
    return _Rule(error, re.compile("|".join(words), re.IGNORECASE), hint, statuses, facts)


CONSTRAINTS = (
    r"response_format|json_schema|grammar(?:_string)?|structured_outputs?|guided_\w+|tool_choice|tools"
)
"""Names of the fields that carry a constraint."""
LIGHTEN = "the server cannot hold the answer in this way: simplify it, or use another constraint"

RULES: tuple[_Rule, ...] = (
    _rule(
        ContentFiltered,
        r"\bcontent_filter\b|content_policy_violation|ResponsibleAIPolicyViolation",
        r"content management policy|content policy",
        hint="the service's own filter did not like the conversation",
    ),
    _rule(
        ServerCrashed,
        r"model has crashed|runner (?:process )?(?:has )?(?:unexpectedly |been )?(?:stopped|terminated)",
        r"runner process no longer running|error was encountered while running the model",
        r"EngineDeadError|EngineCore encountered",
        hint="look at the server's log; it may lack memory for this model",
    ),
    _rule(
        ServerBusy,
        r"\bloading (?:the )?model\b|model is (?:still |currently )?(?:being )?loading|model is being loaded",
        r"is currently loading",
        hint="wait until the server has loaded its model",
        statuses=(200, 400, 404, 409, 425, 500, 503),
        loading=True,
    ),
    _rule(
        ServerBusy,
        r"server is (?:busy|overloaded)|server busy|maximum pending requests exceeded|\boverloaded",
        r"no (?:free |available )?slots? (?:is |are )?(?:free|available)|\bat capacity\b",
        hint="wait, or ask less often",
        statuses=(200, 400, 500, 503, 529),
    ),
    _rule(
        BadResponse,
        r"unexpected endpoint or method",
        hint="check the kind of the endpoint and the path of its URL",
        statuses=(200,),
    ),
    _rule(
        RequestRefused,
        r"more system memory",
        hint="take a smaller model, or load it with a smaller context",
        retryable=False,
    ),
    _rule(
        ConstraintRejected,
        r"required for (?:the )?format\b",  # Ollama, of a model that it has
        hint=LIGHTEN,
        statuses=(200, 400, 500),
    ),
    _rule(
        ModelNotFound,
        r"model_not_found|DeploymentNotFound|model_not_loaded",
        r"\bmodels?\b[^\n]{0,200}?(?:not found|does not exist|is not available|not loaded)",
        r"no models? (?:is |are )?(?:currently )?loaded|model (?:is|was) unloaded",
        r"failed to load (?:the )?model",
        r"multiple models are loaded",
        hint="ask for a model that the server has, or load one",
        statuses=(200, 400, 404, 409, 422, 500, 503),
    ),
    _rule(
        ConstraintRejected,
        r"requires? --enable-auto-tool-choice",
        hint="start the server with --enable-auto-tool-choice and --tool-call-parser",
        statuses=(200, 400, 500, 501),
    ),
    _rule(
        ConstraintRejected,
        r"(?:parse|parsing|compil\w+|invalid|unsupported|error in|init\w*)[^.\n]{0,60}\bgrammar",
        r"\bgrammars?\b[^.\n]{0,60}(?:invalid|fail|error|not supported|unsupported|constraints with tools)",
        r"(?:convert|compile|transform)[^.\n]{0,40}\b(?:grammar|schema)|only one of regex, json_schema",
        r"json schema contains features|'(?:text' or 'json_object|json_schema' or 'text)'",
        r"failed to initialize samplers|xgrammar|guided decoding|structured outputs? (?:is|are) not",
        r"unable to generate parser|json schema error at #",
        r"invalid_json_schema|invalid_function_parameters|schema conversion failed",
        r"(?:invalid|unsupported) (?:json )?(?:schema|format)\b|schema is too (?:complex|large|big)",
        r"does not support (?:tools|functions?|function calling|tool|structured|json)",
        r"\btool[_ ]choice\b|\bresponse_format\b|tool-call-parser|invalid tool specification",
        r"tools param requires|--jinja|functions? (?:is|are) not supported",
        rf"'body', '(?:{CONSTRAINTS})'|\bbody\.(?:{CONSTRAINTS})\b|Field '(?:{CONSTRAINTS})'",
        rf"(?:parameter|argument|field|extra)s?(?: supplied)?:? ['\"`]?(?:{CONSTRAINTS})\b",
        hint=LIGHTEN,
        statuses=(200, 400, 404, 405, 422, 500, 501),
    ),
    _rule(
        UnsupportedParameter,
        r"(?:unsupported|unknown|unrecognized|unexpected|invalid|extra) (?:request |keyword )?"
        r"(?:parameter|argument|field)s?(?: supplied)?:? ['\"`]?(?P<name>[A-Za-z_][\w.]*)",
        r"['\"`](?P<quoted>[A-Za-z_][\w.]*)['\"`] is not supported",
        r"body\.(?P<loc>[\w.]+): extra inputs are not permitted",
        r"does not support (?P<thinking>thinking)",
        r"unsupported_parameter|unsupported_value|unknown_parameter",
        hint="leave that field out",
        statuses=(200, 400, 422, 500, 501),
    ),
)
"""In this order: what is more particular stands first."""

_QUOTA = re.compile(
    r"insufficient_quota|exceeded your current quota|quota (?:has been )?exceeded|billing", re.I
)
_AUTH = re.compile(
    r"authentication_error|invalid_api_key|incorrect api key|invalid api key|unauthori[sz]ed"
    r"|access denied due to invalid subscription",
    re.IGNORECASE,
)
_IN_VAIN = re.compile(
    r"validation errors?\b|must be created with embedding|failed to parse input at|token repeat limit"
    r"|parse_error",
    re.IGNORECASE,
)
"""Words of failures that the same request meets again, whatever its status."""
_OWN_FAILURES = frozenset({"server_error", "internal_server_error", "internal_error", "InternalServerError"})
"""Codes by which a server says inside an answer of status 200 that it has failed itself."""
FAILED_IN_PYTHON = "Internal Server Error"
"""All that Starlette tells of an exception: servers in Python fail so, and with the same request again."""
_THINKING = {"thinking": "think"}


def understood(refused: Refused) -> tuple[type[EndpointError], str, dict[str, object]]:
    """Say which kind of error a refusal is, what to do about it (may be empty), and its facts."""
    status, words = refused.status, refused.words
    if status not in (401, 403, 404, 429):
        numbers = overflow(refused.body)
        if numbers is not None:
            hint = "shorten the conversation, or load the model with a larger context"
            return ContextOverflow, hint, dict(numbers)
    if status in (402, 429) or _QUOTA.search(words) or "rate_limit_exceeded" in words:
        return _limited(refused)
    found = _by_words(refused)
    if status == 401 or (status == 403 and (found is None or found[0] is not ContentFiltered)):
        return AuthError, "", {}
    if status in (200, 400) and _AUTH.search(words):
        return AuthError, "", {}
    if found is not None:
        return found
    if status in (503, 529):
        return ServerBusy, "", {}
    if refused.parameter and re.match(rf"(?:{CONSTRAINTS})\b|text\.format", refused.parameter):
        return ConstraintRejected, LIGHTEN, {"parameter": refused.parameter}
    return RequestRefused, "", {"retryable": _helps_again(refused)}


def _helps_again(refused: Refused) -> bool:
    # llama-cpp-python's server reports a request that it could not validate as a failure of its own (500).
    if refused.status == 501 or _IN_VAIN.search(refused.words):
        return False
    if refused.status == 500 and refused.body.strip() == FAILED_IN_PYTHON:
        return False
    if refused.status == 200 and {refused.code, refused.kind} & _OWN_FAILURES:
        return True
    return refused.status == 408 or refused.status >= 500


def _limited(refused: Refused) -> tuple[type[EndpointError], str, dict[str, object]]:
    if refused.status == 402 or _QUOTA.search(refused.words):
        return RateLimited, "the account's quota is used up", {"quota": True, "retryable": False}
    return RateLimited, "wait, or ask less often", {}


def _by_words(refused: Refused) -> tuple[type[EndpointError], str, dict[str, object]] | None:
    for rule in RULES:
        if rule.statuses and refused.status not in rule.statuses:
            continue
        if found := rule.words.search(refused.words):
            kind, hint, facts = rule.error, rule.hint, _facts(rule, refused, found)
            parameter = str(facts.get("parameter", ""))
            if kind is UnsupportedParameter and re.match(rf"(?:{CONSTRAINTS})\b", parameter):
                kind, hint = ConstraintRejected, LIGHTEN
            return kind, hint, facts
    return None


def _facts(rule: _Rule, refused: Refused, found: re.Match[str]) -> dict[str, object]:
    facts = dict(rule.facts)
    if rule.error is ContentFiltered:
        facts |= {"side": "prompt", "categories": _categories(refused.value)}
    elif rule.error is ConstraintRejected and refused.parameter:
        facts["parameter"] = refused.parameter
    elif rule.error is UnsupportedParameter:
        named = next(filter(None, found.groupdict().values()), "")
        facts["parameter"] = _THINKING.get(named, refused.parameter or named)
    return facts


def _categories(value: JSON) -> tuple[str, ...]:
    """Name what Azure's filter has found in a prompt."""
    results = value_at(value, "innererror", "content_filter_result")
    if not isinstance(results, dict):
        return ()
    return tuple(name for name, one in results.items() if value_at(one, "filtered") is True)
