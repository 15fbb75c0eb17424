"""Ollama by its own API: what is sent, formats, tools, thoughts, and what comes back."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from bridle.endpoints import respond
from bridle.endpoints.base import Request, Sampling
from bridle.endpoints.drivers.ollama import Ollama
from bridle.errors import (
    EndpointError,
    StreamTruncated,
)
from bridle.messages import JSON, Message, ToolCall
from servers.asking_ollama import ADD, CHAT, PET, PROMPT, nothing, opened, server
from servers.fake import json_response
from servers.fake_ollama import FakeOllama
from servers.fake_ollama_models import FakeModel

__all__ = ["server"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_prompt_goes_raw_with_the_window_and_without_leave_to_cut_it(
    server: FakeOllama, stream: bool
) -> None:
    endpoint = opened(server)
    answer = endpoint.complete(replace(PROMPT, stop=("X",)), nothing if stream else None)
    assert answer.text == server.text
    assert answer.usage.prompt_tokens == len("<|user|>Hello")
    assert answer.usage.completion_tokens == len(server.text)
    assert server.body == {
        "model": "m",
        "stream": stream,
        "prompt": "<|user|>Hello",
        "raw": True,
        "think": False,
        "truncate": False,
        "shift": False,
        "options": {
            "temperature": 0.0,
            "top_k": 0,
            "top_p": 1.0,
            "min_p": 0.0,
            "repeat_penalty": 1.0,
            "repeat_last_n": 64,
            "presence_penalty": 0.0,
            "frequency_penalty": 0.0,
            "num_ctx": 4096,
            "num_predict": 200,
            "stop": ["X"],
        },
    }
    assert answer.sent == server.body
    assert not any(seen.path.startswith("/v1") for seen in server.seen)
    endpoint.close()


def test_a_chat_has_ollamas_own_shape_of_calls_and_results(server: FakeOllama) -> None:
    endpoint = opened(server)
    call = ToolCall("add", {"a": 1})
    messages = (
        Message("system", "Be brief."),
        Message("assistant", "", "I must add.", (call,), extra={"call_ids": ["c1"]}),
        Message("tool", "1", name="add"),
        Message("assistant", "", calls=(call,)),
        Message("tool", "2", extra={"tool_call_id": "c1"}),
    )
    answer = endpoint.complete(Request(messages=messages, tools=(ADD,)))
    function = {"name": "add", "arguments": {"a": 1}}
    assert server.body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {
            "role": "assistant",
            "content": "",
            "thinking": "I must add.",
            "tool_calls": [{"id": "c1", "function": function}],
        },
        {"role": "tool", "content": "1", "tool_name": "add"},
        {"role": "assistant", "content": "", "tool_calls": [{"function": function}]},
        {"role": "tool", "content": "2", "tool_name": "add", "tool_call_id": "c1"},
    ]
    assert [tool["function"]["name"] for tool in server.body["tools"]] == ["add"]
    assert "stop" not in server.body["options"]
    assert (answer.sent_as, answer.dropped) == (("tools",), ())
    endpoint.close()


def test_sampling_has_the_servers_names_and_its_own_options_are_taken(server: FakeOllama) -> None:
    endpoint = opened(server)
    extra: dict[str, JSON] = {"num_keep": 8, "keep_alive": "10m", "num_ctx": 5, "mirostat": 1}
    chosen = Sampling(0.5, 5, 0.9, 0.1, 1.2, 32, 0.3, 0.4, 7, extra)
    answer = endpoint.complete(replace(PROMPT, sampling=chosen))
    assert server.body["options"] == {
        "temperature": 0.5,
        "top_k": 5,
        "top_p": 0.9,
        "min_p": 0.1,
        "repeat_penalty": 1.2,
        "repeat_last_n": 32,
        "presence_penalty": 0.3,
        "frequency_penalty": 0.4,
        "seed": 7,
        "num_keep": 8,
        "num_ctx": 4096,
        "num_predict": 200,
        "stop": [],
    }
    assert server.body["keep_alive"] == "10m"
    assert answer.dropped == ("num_ctx", "mirostat")
    endpoint.close()


@pytest.mark.parametrize("request_", [PROMPT, CHAT], ids=["prompt", "chat"])
def test_a_schema_is_held_on_both_routes(server: FakeOllama, request_: Request) -> None:
    endpoint = opened(server)
    assert endpoint.supports.prompt_schema
    assert endpoint.supports.json_schema
    answer = endpoint.complete(replace(request_, schema=PET))
    assert server.body["format"] == PET
    assert json.loads(answer.text)["kind"] in ("cat", "dog")
    assert (answer.sent_as, answer.dropped) == (("format",), ())
    server.text = '{"age": 3, "kind": "cat"}'
    assert endpoint.complete(replace(request_, schema=PET)).text == server.text
    endpoint.close()


def test_any_object_is_held_in_a_chat(server: FakeOllama) -> None:
    endpoint = opened(server)
    assert endpoint.complete(replace(CHAT, json_mode=True)).text == "{}"
    assert server.body["format"] == "json"
    endpoint.close()


def test_tools_are_left_out_beside_a_format_and_that_is_said(server: FakeOllama) -> None:
    server.calls = [("add", {"a": 1})]
    endpoint = opened(server)
    answer = endpoint.complete(replace(CHAT, tools=(ADD,), schema=PET))
    assert "tools" not in server.body
    assert answer.dropped == ("tools",)
    assert not answer.calls
    answer = endpoint.complete(replace(CHAT, tools=(ADD,), tool_choice="required"))
    assert answer.dropped == ("tool_choice",)
    assert "tool_choice" not in server.body
    endpoint.close()


@pytest.mark.parametrize("stream", [False, True])
def test_calls_come_whole_with_objects_for_arguments(server: FakeOllama, stream: bool) -> None:
    server.calls = [("add", {"a": 1, "b": "ä"}), ("add", {"a": 2})]
    endpoint = opened(server)
    answer = endpoint.complete(replace(CHAT, tools=(ADD,)), nothing if stream else None)
    assert [(call.name, json.loads(call.arguments), call.id) for call in answer.calls] == [
        ("add", {"a": 1, "b": "ä"}, "call_00000000"),
        ("add", {"a": 2}, "call_00000001"),
    ]
    assert (answer.text, answer.finish) == ("", "stop")
    endpoint.close()


@pytest.mark.parametrize("stream", [False, True])
def test_thoughts_are_apart_from_the_text(server: FakeOllama, stream: bool) -> None:
    server.models["m:latest"] = FakeModel(capabilities=("completion", "thinking"))
    server.thoughts = "Who is it? 🤔"
    endpoint = opened(server)
    on_text = nothing if stream else None
    answer = endpoint.complete(replace(CHAT, think=True), on_text)
    assert (answer.thoughts, answer.text, server.body["think"]) == (server.thoughts, server.text, True)
    answer = endpoint.complete(replace(CHAT, think=False), on_text)
    assert (answer.thoughts, server.body["think"]) == ("", False)
    endpoint.complete(CHAT)
    assert "think" not in server.body
    endpoint.close()


def test_what_a_reasoning_model_writes_to_a_prompt_stays_as_it_is(server: FakeOllama) -> None:
    server.models["m:latest"] = FakeModel(capabilities=("completion", "thinking"))
    server.text = "<think>So.</think>Yes."
    endpoint = opened(server)
    answer = endpoint.complete(PROMPT)
    assert (answer.text, answer.thoughts) == ("<think>So.</think>Yes.", "")
    endpoint.close()


def test_a_model_that_cannot_think_or_call_is_not_asked_to(server: FakeOllama) -> None:
    server.models["m:latest"] = FakeModel(capabilities=("completion",))
    endpoint = opened(server)
    assert not endpoint.supports.tools
    answer = endpoint.complete(replace(CHAT, think=True, tools=(ADD,)))
    assert answer.dropped == ("tools", "think")
    assert not {"think", "tools"} & set(server.body)
    endpoint.close()


def test_logprobs_are_read(server: FakeOllama) -> None:
    top = [{"token": "Yes", "logprob": -0.1}, {"token": "No", "logprob": -2.5}]
    line = {"response": "Yes", "done": True, "logprobs": [{**top[0], "top_logprobs": top}]}
    server.routes["POST /api/generate"] = lambda _: json_response(line)
    endpoint = opened(server)
    answer = endpoint.complete(replace(PROMPT, logprobs=30))
    assert (server.body["logprobs"], server.body["top_logprobs"]) == (True, 20)
    assert [(one.text, one.logprob, one.others) for one in answer.tokens] == [
        ("Yes", -0.1, {"Yes": -0.1, "No": -2.5})
    ]
    endpoint.close()


def test_the_stop_strings_of_the_models_file_stay_in_a_chat(server: FakeOllama) -> None:
    server.models["m:latest"] = FakeModel(parameters='stop    "<|im_end|>"\nstop    "END"\nnum_keep 24')
    endpoint = opened(server)
    endpoint.complete(replace(CHAT, stop=("X", "END")))
    assert server.body["options"]["stop"] == ["X", "END", "<|im_end|>"]
    endpoint.complete(replace(PROMPT, stop=("X",)))
    assert server.body["options"]["stop"] == ["X"]
    endpoint.close()


def test_an_error_inside_a_stream_is_raised(server: FakeOllama) -> None:
    endpoint = opened(server)
    lines = [server.piece("ab"), server.error_line("prediction aborted, token repeat limit reached")]
    server.routes["POST /api/generate"] = lambda _: server.stream(lines)
    pieces: list[str] = []
    with pytest.raises(EndpointError, match="token repeat limit"):
        endpoint.complete(PROMPT, pieces.append)
    assert pieces == ["ab"]
    endpoint.close()


@pytest.mark.parametrize(
    "body", [{"response": "x"}, {"response": "x", "done": "yes"}, [], "Ollama is running", {"choices": []}]
)
def test_what_is_no_answer_is_not_taken_for_one(body: Any) -> None:
    assert Ollama("http://h").read(body) is None


def test_a_completion_without_a_reason_has_stopped() -> None:
    piece = Ollama("http://h").read({"response": "x", "done": True, "prompt_eval_count": 4})
    assert piece is not None
    assert piece.finish_reason == "stop"
    assert piece.usage is not None
    assert (piece.usage.prompt_tokens, piece.usage.completion_tokens) == (4, 0)


@pytest.mark.parametrize("chunk_bytes", [1, 2, 3, 7, 1000])
def test_lines_may_be_cut_anywhere(server: FakeOllama, chunk_bytes: int) -> None:
    server.models["m:latest"] = FakeModel(capabilities=("completion", "tools", "thinking"))
    server.thoughts, server.chunk_bytes = "Ä… 🤔\u2028", chunk_bytes
    endpoint = opened(server)
    for calls in ([], [("add", {"a": 1, "b": "ü\u2028"})]):
        server.calls = calls
        streamed = endpoint.complete(replace(CHAT, tools=(ADD,)), nothing)
        assert streamed == endpoint.complete(replace(CHAT, tools=(ADD,)))
        assert (streamed.thoughts, bool(streamed.calls)) == (server.thoughts, bool(calls))
    endpoint.close()


def test_a_stream_that_ends_before_its_last_line_is_not_complete(server: FakeOllama) -> None:
    server.without_end = True
    endpoint = opened(server)
    for request in (PROMPT, CHAT):
        with pytest.raises(StreamTruncated) as caught:
            endpoint.complete(request, nothing)
        assert caught.value.partial == server.text
    endpoint.close()


def test_a_call_is_held_by_a_schema_in_the_prompt_that_the_wrapper_writes(server: FakeOllama) -> None:
    endpoint = opened(server)
    completion = respond(endpoint, [Message("user", "1?")], [ADD], tool_choice="required", wrapper="chatml")
    assert [call.name for call in completion.message.calls] == ["add"]
    assert server.body["prompt"].startswith("<|im_start|>")
    assert (completion.constraint.proof, completion.constraint.sent_as) == ("claimed", ("format",))
    assert "tools" not in server.body
    endpoint.close()


def test_how_much_to_think_can_be_said_in_ollamas_own_words(server: FakeOllama) -> None:
    server.models["m:latest"] = FakeModel("gptoss", capabilities=("completion", "thinking"))
    endpoint = opened(server)
    sampling = Sampling(extra={"think": "low"})
    assert endpoint.complete(replace(CHAT, sampling=sampling)).dropped == ()
    assert server.body["think"] == "low"
    endpoint.complete(replace(PROMPT, sampling=sampling))
    assert server.body["think"] is False
    endpoint.close()
