"""Find out by asking what an endpoint really does: canaries that only a kept promise lets live.

A constraint is asked for under which nothing but a made-up word can be said. If that word comes back, the
constraint was held: no model says it by chance. Everything here is a few short answers, so an examination
takes seconds. It asks the endpoint's own server and nobody else, and changes nothing but what the endpoint
remembers of refused constraints.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from bridle.endpoints.asking import ConstraintChoice
from bridle.endpoints.base import Endpoint
from bridle.endpoints.choose import Chosen
from bridle.endpoints.doctor_canaries import CANARIES, Outcome, Patient
from bridle.endpoints.doctor_fields import FieldFinding, examine_fields
from bridle.endpoints.http_endpoint import HttpEndpoint
from bridle.endpoints.ladder import forget
from bridle.endpoints.responding import respond
from bridle.errors import AuthError, EndpointError, InputError, ModelNotFound, Unreachable
from bridle.messages import JSON, Message, ToolSpec

__all__ = ["Diagnosis", "Finding", "Verdict", "examine"]

Verdict = Literal["proven", "claimed", "violated", "absent"]
"""Seen to be so; said to be so and not tried; said to be so and seen not to be; neither said nor seen."""

CALLS = 3
MAX_SECONDS = 60.0
"""Of one call: on a slow processor reading the tools takes longer than a canary may."""
FATAL = (AuthError, ModelNotFound, Unreachable)
BASIC = ("raw prompt", "chat")
"""The canaries of the two routes: where neither route works, there is nothing to examine."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one canary showed; `detail` says how, in words."""

    name: str
    verdict: Verdict
    detail: str
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was found, and what follows from it.

    `rung` is what to hold calls with; `valid` of `asked` calls through it were valid. `problem` says why the
    examination ended at once: the server fails whatever it is asked. Then nothing follows.
    """

    findings: tuple[Finding, ...]
    fields: tuple[FieldFinding, ...]
    chosen: Chosen
    rung: ConstraintChoice
    valid: int
    asked: int
    seconds: float
    problem: str = ""


def examine(endpoint: Endpoint, on_finding: Callable[[Finding], None] | None = None) -> Diagnosis:
    """Try everything that an endpoint may be able to do, and say what it can be trusted with.

    Nothing is asked twice because it failed: a failure is a finding.

    Raises:
        Unreachable, AuthError, ModelNotFound: when nothing can be asked at all.
    """
    with _asked_once(endpoint):
        return _examined(endpoint, on_finding or _nobody)


@contextmanager
def _asked_once(endpoint: Endpoint) -> Generator[None]:
    if not isinstance(endpoint, HttpEndpoint):
        yield
        return
    usual, endpoint.http.retries = endpoint.http.retries, 0
    try:
        yield
    finally:
        endpoint.http.retries = usual


def _nobody(_: Finding) -> None:
    """Tell nobody."""


def _examined(endpoint: Endpoint, on_finding: Callable[[Finding], None]) -> Diagnosis:
    start = time.perf_counter()
    forget(endpoint)
    patient = Patient(endpoint)
    findings: list[Finding] = []
    failures: dict[str, EndpointError | InputError] = {}
    for name, canary in CANARIES.items():
        began = time.perf_counter()
        verdict, detail, error = _tried(canary, patient, patient.claims(name))
        if error is not None:
            failures[name] = error
        findings.append(Finding(name, verdict, detail, time.perf_counter() - began))
        on_finding(findings[-1])
        if name == BASIC[-1] and (problem := _problem(patient, failures)):
            lasted = time.perf_counter() - start
            return Diagnosis(tuple(findings), (), patient.chosen, "auto", 0, 0, lasted, problem)
    fields = examine_fields(endpoint) if isinstance(endpoint, HttpEndpoint) else ()
    rung = _best_rung({finding.name: finding.verdict for finding in findings})
    valid = _valid_calls(endpoint, rung)
    return Diagnosis(tuple(findings), fields, patient.chosen, rung, valid, CALLS, time.perf_counter() - start)


def _problem(patient: Patient, failures: Mapping[str, EndpointError | InputError]) -> str:
    """Say why nothing can be examined: all routes that there are fail, and not because of what was asked."""
    routes = [name for name in BASIC if patient.claims(name)]
    found = [failures[name] for name in routes if name in failures]
    if len(found) < len(routes) or not any(map(_is_servers_own, found)):
        return ""
    return found[-1].message


def _is_servers_own(error: EndpointError | InputError) -> bool:
    status = error.facts.get("status")
    return error.retryable or (isinstance(status, int) and status >= 500)


def _tried(
    canary: Callable[[Patient], Outcome], patient: Patient, claimed: bool
) -> tuple[Verdict, str, EndpointError | InputError | None]:
    failure: EndpointError | InputError | None = None
    try:
        seen, detail = canary(patient)
    except FATAL:
        raise
    except (EndpointError, InputError) as error:
        seen, detail, failure = None if error.retryable else False, error.message, error
    if seen is None:
        return "claimed" if claimed else "absent", detail, failure
    if seen:
        return "proven", detail, failure
    return "violated" if claimed else "absent", detail, failure


_RUNG_NAMES: Mapping[str, ConstraintChoice] = {
    "grammar": "grammar",
    "schema in a prompt": "schema",
    "schema in a chat": "schema",
    "forced tool": "tool",
}


def _best_rung(verdicts: Mapping[str, Verdict]) -> ConstraintChoice:
    for name, rung in _RUNG_NAMES.items():
        if verdicts.get(name) == "proven":
            return rung
    return "auto"


def _valid_calls(endpoint: Endpoint, constraint: ConstraintChoice) -> int:
    """Ask for a few calls in the way that is recommended, and count the valid ones."""
    level: JSON = {"type": "integer", "minimum": 0, "maximum": 100}
    lamp = ToolSpec(
        "set_lamp",
        "Set the lamp.",
        {"type": "object", "properties": {"level": level}, "required": ["level"]},
    )
    valid = 0
    for number in range(CALLS):
        asked = [Message("user", f"Set the lamp to {20 * number + 20}.")]
        try:
            completion = respond(
                endpoint,
                asked,
                [lamp],
                tool_choice="required",
                constraint=constraint,
                max_tokens=256,
                max_seconds=MAX_SECONDS,
                retries=0,
            )
        except FATAL:
            raise
        except EndpointError:
            continue
        valid += bool(completion.message.calls) and completion.finish == "stop"
    return valid
