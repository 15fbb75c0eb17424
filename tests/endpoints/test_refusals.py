"""What each server means by declining a request: bodies that were recorded, or read in servers' sources.

`data/refusals.jsonl` has one in each line, with the error that it means and some of that error's facts. Where
the words are from stands in `bridle.endpoints.transport.refusals`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bridle import errors
from bridle.endpoints.transport.http_errors import refusal
from bridle.errors import ConstraintRejected
from servers.fake import recorded

URL = "http://127.0.0.1:1/v1/completions"
LINES = (Path(__file__).parent.parent / "data" / "refusals.jsonl").read_text("utf-8").splitlines()


@pytest.mark.parametrize("line", LINES, ids=range(len(LINES)))
def test_each_servers_words_have_a_meaning(line: str) -> None:
    case: dict[str, Any] = json.loads(line)
    found = refusal(case["status"], URL, json.dumps(case["body"]))
    assert type(found) is getattr(errors, case["error"])
    assert found.hint
    assert found.facts["status"] == case["status"]
    known = json.loads(json.dumps(found.facts | {"retryable": found.retryable}))
    assert {name: known.get(name) for name in case["facts"]} == case["facts"]
    if isinstance(found, ConstraintRejected):
        assert not found.retryable


def test_hints_name_the_way_out() -> None:
    said = {"error": {"code": "404", "message": "Resource not found"}}
    assert "api-version" in refusal(404, URL, json.dumps(said)).hint
    assert "--listen" in refusal(400, URL, '{"detail": "Invalid host header"}').hint
    assert "ollama signin" in refusal(401, URL, '{"error": "unauthorized", "signin_url": "u"}').hint
    asks = '{"error": "requires --enable-auto-tool-choice and --tool-call-parser to be set"}'
    assert "--tool-call-parser" in refusal(400, URL, asks).hint


def test_the_number_of_a_request_in_a_service_log_is_a_fact() -> None:
    assert refusal(400, URL, "{}", headers={"x-request-id": "req_1"}).facts["request_id"] == "req_1"


@pytest.mark.parametrize(
    "name",
    [
        "llama-server-0.3.36src/13_completion_bad_grammar",
        "llama-server-0.3.36src/18_completion_json_schema_unsupported",
        "llama-server-0.3.36src/44_chat_tools_plus_grammar",
    ],
)
def test_recorded_constraints_that_were_declined(name: str) -> None:
    _, response = recorded(name)
    assert isinstance(refusal(response.status, URL, response.chunks[0].decode()), ConstraintRejected)
