"""An examination proves what is held, finds what is not, and recommends what works."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from typing import ClassVar

import pytest

from bridle.cli import main
from bridle.endpoints import doctor_fields
from bridle.endpoints.base import Answer, NativeCall, Request, Supports
from bridle.endpoints.config import load_config
from bridle.endpoints.connect import connect
from bridle.endpoints.doctor import Diagnosis, Finding, examine
from bridle.endpoints.doctor_canaries import LARGEST_WINDOW, Patient
from bridle.endpoints.doctor_fields import examine_fields
from bridle.endpoints.http_endpoint import HttpEndpoint
from bridle.endpoints.scripted import Scripted
from bridle.errors import (
    AuthError,
    EndpointError,
    RateLimited,
    RequestRefused,
    ServerBusy,
    TimedOut,
    Unreachable,
)
from bridle.grammars import to_gbnf
from bridle.messages import Usage
from cli_runs import in_terminal
from servers.fake import Response, Seen, Server, json_response, unused_url
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
        assert load_config().endpoints["mine"].url == server.url
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


class Told(Scripted):
    """Says what a function makes of the request."""

    def __init__(
        self, say: Callable[[Request], Answer], supports: Supports, window: int | None = None
    ) -> None:
        super().__init__([], supports=supports, window=window)
        self._say = say

    def complete(
        self,
        request: Request,
        on_text: Callable[[str], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Answer:
        self.requests.append(request)
        return self._say(request)


CHAT = Supports(
    chat=True, json_schema=True, json_mode=True, tools=True, forced=True, named=True, seed=True, parallel=True
)


def hello(_: Request) -> Answer:
    return Answer("Hello!", usage=Usage(5, 2))


def test_a_model_that_thinks_until_the_limit_breaks_no_promise() -> None:
    seen = verdicts(examine(Told(lambda _: Answer("", "length", thoughts="Hm. " * 20), CHAT)))
    for name in ("schema in a chat", "forced tool", "named tool", "JSON mode"):
        assert seen[name] == "claimed"
    opened = verdicts(examine(Told(lambda _: Answer("<think>Hm. Hm.", "length"), CHAT)))
    assert opened["schema in a chat"] == "claimed"


@pytest.mark.parametrize("error", [ServerBusy("busy"), RateLimited("slower"), TimedOut("too long")])
def test_a_server_that_has_no_time_breaks_no_promise(error: EndpointError) -> None:
    def refuse(_: Request) -> Answer:
        raise error

    found = examine(Told(refuse, CHAT))
    assert "violated" not in verdicts(found).values()
    assert found.valid == 0


def test_a_model_that_calls_what_it_sees_unless_told_not_to_is_not_forced() -> None:
    def eager(request: Request) -> Answer:
        told_not_to = "not call" in request.messages[0].content
        if not request.tools or told_not_to:
            return hello(request)
        return Answer("", calls=(NativeCall(request.tools[-1].name),))

    seen = verdicts(examine(Told(eager, CHAT)))
    assert (seen["forced tool"], seen["named tool"]) == ("violated", "violated")


def test_json_mode_is_asked_for_as_openai_wants_it() -> None:
    def strict(request: Request) -> Answer:
        if request.json_mode and "JSON" not in request.messages[0].content:
            raise RequestRefused("'messages' must contain the word 'json'", status=400)
        return Answer("{}" if request.json_mode else "Hello!")

    assert verdicts(examine(Told(strict, CHAT)))["JSON mode"] == "proven"


@pytest.mark.parametrize(("overhead", "verdict"), [(2, "proven"), (5, "violated")])
def test_a_template_around_a_raw_prompt_is_seen(overhead: int, verdict: str) -> None:
    def counting(request: Request) -> Answer:
        n_chars = sum(len(segment.text) for segment in request.prompt)
        return Answer("Hello!", usage=Usage(-(-n_chars // 4) + overhead, 2))

    assert verdicts(examine(Told(counting, Supports(prompt=True, parallel=True))))["raw prompt"] == verdict


@pytest.mark.parametrize(("reason", "verdict"), [("max_seconds", "claimed"), ("stop", "violated")])
def test_a_long_prompt_that_takes_too_long_shows_nothing(reason: str, verdict: str) -> None:
    def slow(request: Request) -> Answer:
        assert request.max_seconds is not None
        return Answer("", "length" if reason == "max_seconds" else "stop", reason)

    supports = Supports(chat=True, parallel=True, overflow="error")
    assert verdicts(examine(Told(slow, supports, window=512)))["overflow is told"] == verdict


def test_a_model_that_always_writes_json_proves_no_json_mode() -> None:
    seen = verdicts(examine(Told(lambda _: Answer('{"say": "hello"}'), CHAT)))
    assert seen["JSON mode"] == "claimed"


def test_the_two_made_up_words_share_nothing() -> None:
    for _ in range(50):
        patient = Patient(Told(hello, CHAT))
        assert not set(patient.word) & set(patient.other)


def test_a_field_whose_answer_was_all_thinking_is_unknown() -> None:
    thinking = {"choices": [{"message": {"content": "", "reasoning": "Hm."}, "finish_reason": "length"}]}
    with fake("openai") as server:
        server.routes["POST /v1/chat/completions"] = lambda _: json_response(thinking)
        found = diagnosed("openai", server)
    assert {one.reading for one in found.fields if "chat" in one.route} == {"unknown"}


def test_what_was_refused_before_is_tried_anew() -> None:
    class Remembering(Told):
        refused: ClassVar[dict[str, str]] = {"schema scripted": "long ago"}
        held: ClassVar[set[str]] = set()

    endpoint = Remembering(hello, CHAT)
    examine(endpoint)
    assert "long ago" not in endpoint.refused.values()


HOLDS = Supports(prompt=True, grammar=True, seed=True, logprobs=True, tokenize=True, parallel=True)


def held(request: Request) -> str:
    """The only text that a request's grammar allows; a greeting where it has none."""
    found = None if request.grammar is None else re.search(r'"([a-z#]+)"', to_gbnf(request.grammar))
    return "Hello!" if found is None else found[1]


def test_a_grammar_that_holds_later_answers_too_is_found_out() -> None:
    kept: list[str] = []

    def sticky(request: Request) -> Answer:
        if request.grammar is not None:
            kept[:] = [held(request)]
        return Answer(kept[0] if kept else "Hello!")

    seen = verdicts(examine(Told(sticky, HOLDS)))
    assert (seen["grammar"], seen["no grammar left over"]) == ("proven", "violated")


def test_a_server_that_calls_another_tool_than_the_named_one_is_found_out() -> None:
    def first_of_all(request: Request) -> Answer:
        return Answer("", calls=tuple(NativeCall(tool.name) for tool in request.tools[:1]))

    seen = verdicts(examine(Told(first_of_all, CHAT)))
    assert (seen["forced tool"], seen["named tool"]) == ("proven", "violated")


@pytest.mark.parametrize(
    ("texts", "verdict"),
    [("abc", "violated"), ("aab", "proven"), ("aaa", "claimed")],
)
def test_a_seed_is_proven_by_two_that_agree_and_one_that_does_not(texts: str, verdict: str) -> None:
    left = iter(f"-{texts}")

    def say(request: Request) -> Answer:
        return Answer(next(left) if request.sampling.temperature > 0 else "Hello!")

    assert verdicts(examine(Told(say, HOLDS)))["seed"] == verdict


@pytest.mark.parametrize(
    ("cut", "n_tokens", "verdict"),
    [(True, 2, "proven"), (True, 9, "violated"), (False, 9, "violated"), (True, 0, "claimed")],
)
def test_a_server_that_goes_on_after_a_stop_string_is_found_out(
    cut: bool, n_tokens: int, verdict: str
) -> None:
    text = "apples rivers wander kettle bright seven"

    def say(request: Request) -> Answer:
        piece = next((one for one in request.stop if one in text), "")
        if piece:
            assert 4 < text.index(piece) < len(text) - 8
            said = text.partition(piece)[0] if cut else text
            return Answer(said, usage=Usage(1, n_tokens))
        return Answer(text, usage=Usage(1, 9))

    for supports in (HOLDS, CHAT):
        assert verdicts(examine(Told(say, supports)))["stop strings"] == verdict


@pytest.mark.parametrize("text", ["", "Hi!", "12345 67890 12345"])
def test_an_answer_without_a_middle_shows_nothing_of_stop_strings(text: str) -> None:
    assert (
        verdicts(examine(Told(lambda _: Answer(text, usage=Usage(1, 9)), CHAT)))["stop strings"] == "claimed"
    )


def test_the_model_in_this_process_ends_at_a_stop_string() -> None:
    endpoint = connect("embedded")
    found = examine(endpoint)
    endpoint.close()
    assert verdicts(found)["stop strings"] in ("proven", "claimed")


@pytest.mark.parametrize("kind", ["openai", "llama-server", "webui"])
def test_a_server_that_fails_whatever_it_is_asked_ends_it_at_once(
    kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with fake(kind) as server:
        for name in (name for name in list(server.routes) if "compl" in name):
            server.routes[name] = lambda _: json_response({"error": {"message": "CUDA error"}}, 500)
        endpoint = connect(f"{kind}@{server.url}")
        assert isinstance(endpoint, HttpEndpoint)
        before, retries = len(server.seen), endpoint.http.retries
        found = examine(endpoint)
        assert endpoint.http.retries == retries
        endpoint.close()
        assert len([one for one in server.seen[before:] if "compl" in one.path]) < 6
        assert "CUDA error" in found.problem
        assert (found.fields, found.valid, found.asked) == ((), 0, 0)
        assert len(found.findings) == 2
        assert main(["doctor", f"{kind}@{server.url}", "--save", "mine"]) == 1
    assert "error: the server fails whatever it is asked" in capsys.readouterr().err
    assert "mine" not in load_config().endpoints


def test_a_name_that_cannot_be_saved_is_refused_before_anything_is_asked() -> None:
    with fake("openai") as server:
        assert main(["doctor", server.url, "--save", "a/b"]) == 2
        assert main(["doctor", server.url, "--save", "ollama"]) == 2
        assert server.seen == []


def test_what_takes_too_long_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_fields, "LONGEST_S", 0.0)
    with fake("openai") as server:
        found = diagnosed("openai", server)
    assert {one.reading for one in found.fields} == {"unknown"}
    assert "not tried" in found.fields[0].detail


def test_a_field_that_is_not_answered_is_not_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_fields, "FIELD_S", 0.05)
    monkeypatch.setattr(doctor_fields, "LONGEST_S", 0.3)
    with fake("openai") as server:
        chat = server.routes["POST /v1/chat/completions"]

        def slow(seen: Seen) -> Response:
            server.hold(5.0)
            return chat(seen)

        endpoint = connect(f"openai@{server.url}")
        assert isinstance(endpoint, HttpEndpoint)
        server.routes["POST /v1/completions"] = server.routes["POST /v1/chat/completions"] = slow
        usual = endpoint.http.timeouts
        found = examine_fields(endpoint)
        assert endpoint.http.timeouts == usual
        endpoint.close()
    assert {one.reading for one in found} == {"unknown"}


def test_a_route_that_is_not_there_is_told_once_whatever_its_page() -> None:
    page = Response(404, (b"<html>Not here</html>",), "text/html")
    with fake("openai") as server:
        del server.routes["POST /v1/completions"]
        server.routes["*"] = lambda _: page
        found = diagnosed("openai", server)
    assert [one.reading for one in found.fields if one.route == "/v1/completions"] == ["no route"]


def test_a_field_whose_answer_is_broken_is_unknown() -> None:
    with fake("openai") as server:
        server.routes["POST /v1/completions"] = lambda _: Response(200, (b"{",))
        found = diagnosed("openai", server)
    assert {one.reading for one in found.fields if one.route == "/v1/completions"} == {"unknown"}


def test_the_command_says_that_a_model_is_being_loaded(capsys: pytest.CaptureFixture[str]) -> None:
    loading = {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}
    with fake("llama-server") as server:
        states, props = iter([True, False]), server.routes["GET /props"]

        def loads(seen: Seen) -> Response:
            busy = json_response(loading, 503, {"Retry-After": "0.05"})
            return busy if next(states, False) else props(seen)

        server.routes["GET /props"] = loads
        assert main(["doctor", server.url]) == 0
    assert "to load its model" in capsys.readouterr().err


def test_json_mode_counts_as_a_field_that_is_read() -> None:
    with fake("openai") as server:
        chat = server.routes["POST /v1/chat/completions"]

        def in_json(seen: Seen) -> Response:
            wanted = seen.body.get("response_format", {}).get("type") == "json_object"
            said = {"choices": [{"message": {"content": "{}"}, "finish_reason": "stop"}]}
            return json_response(said) if wanted and not seen.body.get("stream") else chat(seen)

        server.routes["POST /v1/chat/completions"] = in_json
        found = diagnosed("openai", server)
    (one,) = [f for f in found.fields if "json_object" in f.field and "chat" in f.route]
    assert (one.reading, one.detail) == ("honoured", "as any JSON object: '{}'")


def test_a_template_without_tools_is_told_as_such() -> None:
    with fake("llama-server") as server:
        endpoint = connect(f"llama-server@{server.url}")
        assert isinstance(endpoint, HttpEndpoint)
        able = endpoint.driver.supports
        endpoint.driver.supports = replace(able, tools=False, forced=False, named=False)
        found = examine(endpoint)
        endpoint.close()
    detail = {one.name: one.detail for one in found.findings}
    assert detail["native tools"] == detail["forced tool"] == "this model's template leaves tools out"


def test_the_table_has_no_long_line_and_a_line_for_each_finding(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with fake("openai") as server:
        server.routes["POST /v1/completions"] = lambda _: json_response({"error": "no field " * 30}, 400)
        main(["doctor", f"openai@{server.url}"])
        shown = capsys.readouterr().out
        assert max(map(len, shown.splitlines())) <= 100
        assert re.search(r" (no|field) …\n", shown)
        assert "\n\nwrapper     " in shown
        assert shown.splitlines()[2] == ""
        screen = in_terminal(monkeypatch)
        main(["doctor", f"openai@{server.url}"])
    lines = screen.getvalue().splitlines()
    assert max(map(len, lines)) <= 100
    assert lines[4].startswith(" " * 34 + "field")


def test_what_is_counted_or_told_wrongly_is_found_out() -> None:
    miscounting = Told(lambda _: Answer("Hello!", usage=Usage(1_000, 2)), HOLDS, window=2_000)
    seen = verdicts(examine(miscounting))
    assert (seen["token count"], seen["logprobs"]) == ("violated", "violated")


def test_a_huge_window_is_not_filled() -> None:
    endpoint = Told(hello, CHAT, window=LARGEST_WINDOW + 1)
    assert verdicts(examine(endpoint))["overflow is told"] == "absent"
    assert max(len(request.messages[0].content) for request in endpoint.requests) < 5_000
