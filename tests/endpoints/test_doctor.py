"""An examination proves what is held, finds what is not, and recommends what works."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager

import pytest

from bridle.cli import main
from bridle.endpoints.config import load_config
from bridle.endpoints.connect import connect
from bridle.endpoints.doctor import Diagnosis, Finding, examine
from bridle.errors import AuthError, Unreachable
from servers.fake import Server, json_response, unused_url
from servers.kinds import make_fake


@contextmanager
def fake(kind: str) -> Generator[Server]:
    server = make_fake(kind)
    try:
        yield server
    finally:
        server.close()


def diagnosed(kind: str, server: Server) -> Diagnosis:
    endpoint = connect(f"{kind}@{server.url}")
    try:
        return examine(endpoint)
    finally:
        endpoint.close()


def verdicts(diagnosis: Diagnosis) -> dict[str, str]:
    return {finding.name: finding.verdict for finding in diagnosis.findings}


def test_a_server_that_holds_grammars_is_proven_to() -> None:
    with fake("llama-server") as server:
        found = diagnosed("llama-server", server)
    seen = verdicts(found)
    assert (seen["grammar"], seen["no grammar left over"], seen["stop strings"]) == ("proven",) * 3
    assert (found.rung, found.valid, found.asked) == ("grammar", 3, 3)
    assert seen["overflow is told"] == "proven"
    by_field = {(one.route, one.field): one.reading for one in found.fields}
    assert by_field["/v1/completions", "grammar"] == "honoured"
    assert by_field["/v1/completions", "response_format (json_schema)"] == "ignored"
    assert by_field["/v1/completions", "grammar_string"] == "ignored"


def test_a_server_that_ignores_what_it_claims_is_found_out() -> None:
    with fake("openai") as server:
        found = diagnosed("openai", server)
    seen = verdicts(found)
    assert seen["chat"] == "proven"
    for name in ("schema in a chat", "forced tool", "named tool", "JSON mode"):
        assert seen[name] == "violated"
    detail = next(one.detail for one in found.findings if one.name == "schema in a chat")
    assert "was all that could be said" in detail
    assert found.rung == "auto"
    assert found.valid == 0
    assert {one.reading for one in found.fields} == {"ignored"}


def test_what_a_kind_does_not_have_is_neither_proven_nor_violated() -> None:
    with fake("openai") as server:
        seen = verdicts(diagnosed("openai", server))
    assert (seen["grammar"], seen["regular expression"], seen["token count"]) == ("absent",) * 3


def test_a_field_that_is_refused_says_so_and_a_missing_route_is_left() -> None:
    with fake("openai") as server:
        server.routes["POST /v1/completions"] = lambda _: json_response({"error": "no such field"}, 400)
        del server.routes["POST /v1/chat/completions"]
        found = diagnosed("openai", server)
    refused = [one for one in found.fields if one.route == "/v1/completions"]
    assert {one.reading for one in refused} == {"refused"}
    assert "no such field" in refused[0].detail
    assert [one.reading for one in found.fields if one.route != "/v1/completions"] == ["no route"]


def test_a_server_that_answers_nobody_is_an_error() -> None:
    with fake("openai") as server:
        server.routes["POST /v1/completions"] = lambda _: json_response({"error": "who are you"}, 401)
        with pytest.raises(AuthError):
            diagnosed("openai", server)
    endpoint = connect(f"openai:m@{unused_url()}")
    with pytest.raises(Unreachable):
        examine(endpoint)
    endpoint.close()


def test_each_finding_is_told_when_it_is_made() -> None:
    told: list[Finding] = []
    with fake("llama-server") as server:
        endpoint = connect(f"llama-server@{server.url}")
        found = examine(endpoint, told.append)
        endpoint.close()
    assert tuple(told) == found.findings


def test_a_model_in_this_process_is_proven_by_its_own_decoder() -> None:
    endpoint = connect("embedded")
    found = examine(endpoint)
    endpoint.close()
    seen = verdicts(found)
    assert (seen["grammar"], seen["token count"], seen["seed"]) == ("proven",) * 3
    assert (found.rung, found.valid, found.fields) == ("grammar", 3, ())


def test_the_command_prints_a_table_and_saves_what_to_use(capsys: pytest.CaptureFixture[str]) -> None:
    with fake("llama-server") as server:
        assert main(["doctor", server.url, "--save", "mine"]) == 0
        said = capsys.readouterr()
        assert "grammar               proven" in said.out
        assert "response_format (json_schema)   ignored" in said.out
        assert "constraint  grammar" in said.out
        assert "bridle chat --endpoint mine" in said.err
        entry = load_config().endpoints["mine"]
        assert (entry.kind, entry.constraint) == ("llama-server", "grammar")
        assert main(["doctor", "mine", "--json"]) == 0
        body = json.loads(capsys.readouterr().out)
    assert body["valid_calls"] == body["asked_calls"] == 3
    assert body["constraint"] == "grammar"


def test_a_server_on_which_calls_fail_is_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    with fake("openai") as server:
        assert main(["doctor", f"openai@{server.url}"]) == 1
    assert "calls fail here" in capsys.readouterr().err
