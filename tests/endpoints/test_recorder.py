"""The flight recorder keeps what was asked and answered, within its limit, and disturbs nobody."""

from __future__ import annotations

import base64
import json
import os
import sqlite3
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier
from types import MappingProxyType
from typing import Any

import pytest

from bridle.endpoints import connect, respond
from bridle.endpoints.base import Answer, NativeCall, Sampling, Supports
from bridle.endpoints.observing import Observation, observed_by
from bridle.endpoints.recorder import FILE_NAME, Recorder, recording
from bridle.endpoints.recording import asked_again
from bridle.endpoints.scripted import Scripted
from bridle.endpoints.transport.wire import MOST_BYTES, tap, tapped
from bridle.errors import ConfigError, InputError, RequestRefused, StoreCorrupt
from bridle.grammars import Bounds
from bridle.messages import Message, ToolSpec
from servers.fake import ModelServer, json_response, model_server

LAMP = ToolSpec("lamp", "", {"type": "object", "properties": {"on": {"type": "boolean"}}, "required": ["on"]})
USER = [Message("user", "It is dark")]
CALL = '{\n  "function": "lamp",\n  "params": {\n    "inner_thoughts": "Light.",\n    "on": true\n  }\n}'
GRAMMAR = Supports(prompt=True, grammar=True, proven=True)


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    return Recorder(tmp_path / "deep" / FILE_NAME)


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with model_server("openai") as one:
        yield one


def observation() -> Observation:
    seen: list[Observation] = []
    with observed_by(seen.append):
        respond(Scripted([CALL], supports=GRAMMAR), USER, [LAMP], tool_choice="required", wrapper="chatml")
    return seen[0]


def test_a_row_holds_prompt_constraint_answer_and_reading(recorder: Recorder) -> None:
    seen = observation()
    number = recorder.write(seen)
    body = json.loads(json.dumps(recorder.body(number)))
    assert body["rung"] == "grammar"
    assert body["wrapper"] == "chatml"
    prompt = "".join(text for text, _ in body["request"]["prompt"])
    assert prompt == "".join(segment.text for segment in seen.request.prompt)
    assert body["request"]["grammar"].startswith("root ::=")
    assert body["answer"]["text"] == CALL
    assert body["reading"]["calls"] == [{"name": "lamp", "arguments": {"on": True}}]
    assert body["reading"]["constraint"]["proof"] == "proven"
    assert body["seconds"] == seen.seconds
    [entry] = recorder.entries()
    assert (entry.id, entry.rung, entry.outcome, entry.asked) == (number, "grammar", "answered", "It is dark")
    assert entry.answered == 'lamp("on": true)'


def test_the_servers_bytes_are_kept_as_they_came(recorder: Recorder, server: ModelServer) -> None:
    endpoint = connect(f"openai@{server.url}")
    with observed_by(recorder.observe):
        respond(endpoint, USER)
        respond(endpoint, USER, on_delta=lambda _: None)
    endpoint.close()
    whole, streamed = (recorder.body(number) for number in (1, 2))
    assert json.loads(base64.b64decode(str(whole["wire"])))["choices"][0]["message"]["content"] == server.text
    assert b"data: [DONE]" in base64.b64decode(str(streamed["wire"]))


def test_errors_are_recorded_with_their_facts(recorder: Recorder) -> None:
    broken = Scripted([RequestRefused("no such thing", hint="ask for another", status=400)])
    with observed_by(recorder.observe), pytest.raises(RequestRefused):
        respond(broken, USER)
    assert [entry.outcome for entry in recorder.entries(failed=True)] == ["RequestRefused"]
    error = recorder.body(1)["error"]
    assert error == {
        "kind": "RequestRefused",
        "message": "no such thing",
        "hint": "ask for another",
        "facts": {"status": 400},
    }


def test_a_key_is_never_recorded(recorder: Recorder, server: ModelServer) -> None:
    endpoint = connect(f"openai@{server.url}", api_key="sk-very-secret")
    with observed_by(recorder.observe):
        respond(endpoint, USER)
    endpoint.close()
    assert "sk-very-secret" not in json.dumps(recorder.body(1))
    assert b"sk-very-secret" not in recorder.file.read_bytes()


def test_what_was_asked_can_be_asked_again(recorder: Recorder) -> None:
    number = recorder.write(observation())
    messages, tools, options = asked_again(recorder.body(number))
    assert messages == tuple(USER)
    assert tools == (LAMP,)
    assert options["tool_choice"] == "required"
    endpoint = Scripted([CALL], supports=GRAMMAR)
    known = {name: value for name, value in options.items() if value is not None}
    completion = respond(endpoint, messages, tools, wrapper="chatml", **known)  # type: ignore[arg-type]  # pyright: ignore
    assert completion.message.calls[0].arguments == {"on": True}


def test_what_limited_an_answer_is_asked_for_again_too(recorder: Recorder) -> None:
    limits: dict[str, Any] = {
        "max_seconds": 5.5,
        "field_tokens": {"inner_thoughts": 9},
        "bounds": Bounds(string_chars=9),
        "loosen": False,
        "fit": "always",
        "max_tokens": 90,
    }
    endpoint = Scripted([CALL], supports=GRAMMAR)
    with observed_by(recorder.observe):
        respond(endpoint, USER, [LAMP], tool_choice="required", wrapper="chatml", **limits)
    _, _, options = asked_again(recorder.body(1))
    assert {name: options[name] for name in limits} == limits


def test_text_that_utf_8_cannot_write_is_kept(recorder: Recorder) -> None:
    with observed_by(recorder.observe):
        respond(Scripted(["half \ud83d of it"]), [Message("user", "odd \udc00")])
    body = json.loads(json.dumps(recorder.body(1)))
    assert body["reading"]["text"] == "half \ud83d of it"
    assert "half" in recorder.entries()[0].answered


def test_native_calls_are_recorded_as_the_server_gave_them(recorder: Recorder) -> None:
    endpoint = Scripted(
        [Answer("", calls=(NativeCall("lamp", '{"on": true}', "c9"),))],
        supports=Supports(chat=True, tools=True),
    )
    with observed_by(recorder.observe):
        respond(endpoint, USER, [LAMP])
    body = json.loads(json.dumps(recorder.body(1)))
    assert body["answer"]["calls"] == [{"name": "lamp", "arguments": '{"on": true}', "id": "c9"}]


def test_the_oldest_go_when_the_file_has_grown_too_large(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / FILE_NAME, megabytes=1)
    noise = os.urandom(150_000)
    seen = replace(observation(), wire=noise)
    numbers = [recorder.write(seen) for _ in range(20)]
    kept = [entry.id for entry in recorder.entries(100)]
    assert kept[0] == numbers[-1]
    assert 2 <= len(kept) <= 7
    assert kept == sorted(kept, reverse=True)
    assert recorder.size_bytes() < 8 << 20
    with pytest.raises(InputError, match="under 1"):
        recorder.body(1)


def test_numbers_are_never_given_twice(recorder: Recorder) -> None:
    seen = observation()
    assert [recorder.write(seen), recorder.write(seen)] == [1, 2]
    assert recorder.clear() == 2
    assert recorder.write(seen) == 3


def test_only_the_owner_may_read_it(recorder: Recorder) -> None:
    recorder.write(observation())
    assert stat.S_IMODE(recorder.file.stat().st_mode) == 0o600


def test_several_write_at_once(recorder: Recorder) -> None:
    seen = observation()
    other = Recorder(recorder.file)
    with ThreadPoolExecutor(4) as pool:
        numbers = list(pool.map(Recorder.write, [recorder, other] * 12, [seen] * 24))
    assert sorted(numbers) == list(range(1, 25))


def test_a_file_that_cannot_be_written_disturbs_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / FILE_NAME).mkdir()
    recorder = Recorder(tmp_path / FILE_NAME)
    with observed_by(recorder.observe):
        assert respond(Scripted(["yes"]), USER).message.content == "yes"
    assert "could not be written" in caplog.text


def test_a_file_of_another_kind_is_said(tmp_path: Path) -> None:
    file = tmp_path / FILE_NAME
    file.write_bytes(b"not a database at all" * 100)
    with pytest.raises(StoreCorrupt, match="cannot be read"):
        Recorder(file).entries()
    file.unlink()
    with sqlite3.connect(file) as db:
        db.execute("PRAGMA user_version = 9")
    db.close()
    with pytest.raises(StoreCorrupt, match="schema 9"):
        Recorder(file).entries()


def test_it_is_on_unless_the_config_file_says_no(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRIDLE_HOME", str(tmp_path))
    with recording() as recorder:
        respond(Scripted(["yes"]), USER)
    assert recorder is not None
    assert len(recorder.entries()) == 1
    (tmp_path / "config.toml").write_text("schema = 1\n[recorder]\nenabled = false\n", "utf-8")
    with recording() as off:
        respond(Scripted(["yes"]), USER)
    assert off is None
    assert len(recorder.entries()) == 1
    (tmp_path / "config.toml").write_text("schema = 1\n[recorder]\nenabled = 3\n", "utf-8")
    with pytest.raises(ConfigError), recording():
        pytest.fail("a bad config file was read")


def test_without_it_nothing_is_written(own_home: Path) -> None:
    respond(Scripted(["yes"]), USER)
    assert not list(own_home.rglob(FILE_NAME))


def test_a_new_file_is_made_by_whoever_comes_first(tmp_path: Path) -> None:
    seen = observation()
    for attempt in range(8):
        start = Barrier(8)

        def first(file: Path, start: Barrier = start) -> int:
            start.wait()
            return Recorder(file).write(seen)

        with ThreadPoolExecutor(8) as pool:
            numbers = list(pool.map(first, [tmp_path / f"{attempt}.db"] * 8))
        assert sorted(numbers) == list(range(1, 9))


def test_small_rows_fill_the_file_up_to_its_limit_and_no_further(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / FILE_NAME, megabytes=1)
    seen = observation()
    for _ in range(300):
        recorder.write(replace(seen, wire=os.urandom(1500)))
    assert len(recorder.entries(1000)) < 300
    assert (1 << 20) * 0.7 < recorder.file.stat().st_size < (1 << 20) + (64 << 10)


def test_what_cannot_be_written_disturbs_nobody_and_is_said_once(
    recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    odd = Sampling(extra=MappingProxyType({"mirostat": 2}))
    with observed_by(recorder.observe):
        for _ in range(2):
            assert respond(Scripted(["yes"]), USER, sampling=odd).message.content == "yes"
    assert caplog.text.count("could not be written") == 1


def test_a_key_that_the_server_repeats_is_not_recorded(recorder: Recorder, server: ModelServer) -> None:
    server.routes["POST /v1/chat/completions"] = lambda call: json_response(
        {"seen": call.headers["authorization"], "choices": [{"message": {"content": "yes"}}]}
    )
    endpoint = connect(f"openai:m@{server.url}", api_key="sk-very-secret")
    with observed_by(recorder.observe):
        respond(endpoint, USER)
    endpoint.close()
    wire = base64.b64decode(str(recorder.body(1)["wire"]))
    assert b"Bearer ***" in wire
    assert b"sk-very-secret" not in wire


def test_of_an_endless_answer_the_beginning_is_kept() -> None:
    with tapped() as arrived:
        for _ in range(3):
            tap(b"x" * (MOST_BYTES // 2 + 1))
    assert arrived.raw == b"x" * MOST_BYTES
    tap(b"afterwards")
    assert len(arrived.raw) == MOST_BYTES


def test_a_cut_answer_counts_as_failed(recorder: Recorder) -> None:
    with observed_by(recorder.observe):
        respond(Scripted([Answer("half of", "length")]), USER)
    assert [entry.outcome for entry in recorder.entries(failed=True)] == ["length"]


def test_the_config_file_sets_the_limit_and_clearing_gives_the_space_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRIDLE_HOME", str(tmp_path))
    (tmp_path / "config.toml").write_text("schema = 1\n[recorder]\nmax_megabytes = 1\n", "utf-8")
    seen = replace(observation(), wire=os.urandom(400_000))
    with recording() as recorder:
        assert recorder is not None
        for _ in range(6):
            recorder.write(seen)
    assert len(recorder.entries(10)) < 4
    recorder.clear()
    assert recorder.size_bytes() < 100_000
