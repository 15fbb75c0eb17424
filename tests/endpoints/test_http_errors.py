"""Each server's way to say no becomes one of our errors, and no exception of a library below gets through."""

from __future__ import annotations

import http.client
import inspect
import ssl
from collections.abc import Iterator

import pytest
import requests.exceptions
import urllib3.exceptions

from bridle.endpoints.transport.http_errors import error_message, from_foreign, is_foreign, overflow, refusal
from bridle.errors import (
    BadResponse,
    ConstraintRejected,
    ContextOverflow,
    EndpointError,
    RequestRefused,
    ServerCrashed,
    StreamTruncated,
    Unreachable,
)
from servers.fake import recorded

URL = "http://127.0.0.1:1/v1/completions"


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        (
            "request (2002 tokens) exceeds the available context size (1024 tokens), try increasing it",
            {"prompt_tokens": 2002, "context_tokens": 1024},
        ),
        ("the request exceeds the available context size. try increasing the context size", {}),
        (
            "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens",
            {"prompt_tokens": 5000, "context_tokens": 4096},
        ),
        (
            "This model's maximum context length is 4097 tokens. However, your messages resulted in more",
            {"context_tokens": 4097},
        ),
        (
            "Requested tokens (1024) exceed context window of 512",
            {"prompt_tokens": 1024, "context_tokens": 512},
        ),
        (
            "The input (9000 tokens) is longer than the model's context length (8192 tokens).",
            {"prompt_tokens": 9000, "context_tokens": 8192},
        ),
        ("the prompt is longer than the context length currently available to the model", {}),
        (
            "Trying to keep the first 5000 tokens when context the overflows. However, the model is loaded "
            "with context length of only 4096 tokens, which is not enough.",
            {"prompt_tokens": 5000, "context_tokens": 4096},
        ),
        ("Trying to keep the first 5000 tokens when context the overflows.", {"prompt_tokens": 5000}),
        (
            "Cannot truncate prompt with n_keep (5000) >= n_ctx (4096)",
            {"prompt_tokens": 5000, "context_tokens": 4096},
        ),
        ("the input length exceeds the context length", {}),
        ("Context size has been exceeded.", {}),
        ('{"error": {"code": "context_length_exceeded"}}', {}),
    ],
)
def test_overflow_is_understood_in_each_servers_words(text: str, numbers: dict[str, int]) -> None:
    assert overflow(text) == numbers
    error = refusal(400, URL, text)
    assert isinstance(error, ContextOverflow)
    assert {key: error.facts.get(key) for key in numbers} == numbers


def test_other_words_are_no_overflow() -> None:
    assert overflow("max_tokens must be positive") is None
    assert isinstance(refusal(429, URL, "maximum context length is 5 tokens"), RequestRefused)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('{"error": {"message": "no", "type": "x"}}', "no"),
        ('{"error": "no"}', "no"),
        ('{"object": "error", "message": "no", "code": 400}', "no"),
        ('{"detail": "no"}', "no"),
        ('{"detail": {"msg": "Server is busy", "type": "x"}}', "Server is busy"),
        (
            '{"detail": [{"loc": ["body", "a", 0], "msg": "no"}, {"msg": "nor that"}]}',
            "body.a.0: no; nor that",
        ),
        ('{"other": 1}', ""),
        ("[1, null]", ""),
        ("Internal Server Error", ""),
    ],
)
def test_the_message_is_found_in_each_shape(body: str, message: str) -> None:
    assert error_message(body) == message


@pytest.mark.parametrize(
    ("name", "error", "says"),
    [
        ("llama-cpp-python-server-0.3.36/09_completion_overflow", ContextOverflow, "512"),
        ("llama-cpp-python-server-0.3.36/25_chat_overflow", ContextOverflow, "512"),
        (
            "llama-cpp-python-server-0.3.36/11_completion_max_tokens_minus1",
            RequestRefused,
            "validation error",
        ),
        (
            "llama-cpp-python-server-0.3.36/18_chat_json_schema_openai_style",
            ConstraintRejected,
            "response_format",
        ),
        ("llama-cpp-python-server-0.3.36/29_not_json", RequestRefused, "Internal Server Error"),
        ("llama-cpp-python-server-0.3.36/30_nopath", RequestRefused, "Not Found"),
        ("llama-server-0.3.36src/33_v1_completions_overflow", ContextOverflow, "2002"),
        ("llama-server-0.3.36src/47_chat_overflow", ContextOverflow, "2028"),
        ("llama-server-0.3.36src/36_chat_json_schema", ConstraintRejected, "initialize samplers"),
        ("text-generation-webui-v4.7.3/25_completion_bad_type", RequestRefused, "body.max_tokens"),
        ("text-generation-webui-v4.7.3/46_host_header", RequestRefused, "Invalid host header"),
        ("text-generation-webui-v4.7.3/50_completion_no_model", RequestRefused, "Internal Server Error"),
    ],
)
def test_recorded_refusals(name: str, error: type[EndpointError], says: str) -> None:
    _, response = recorded(name)
    found = refusal(response.status, URL, response.chunks[0].decode())
    assert type(found) is error
    assert says in found.message
    assert found.facts["status"] == response.status
    assert not found.retryable


def test_the_numbers_of_a_recorded_overflow_are_facts() -> None:
    _, response = recorded("llama-cpp-python-server-0.3.36/09_completion_overflow")
    found = refusal(response.status, URL, response.chunks[0].decode())
    assert found.facts["context_tokens"] == 512
    assert isinstance(found.facts["prompt_tokens"], int)


def test_a_page_with_an_error_status_is_no_models_answer() -> None:
    assert isinstance(refusal(502, URL, "<html>Bad gateway</html>"), BadResponse)
    assert isinstance(refusal(401, URL, "<html>Log in</html>"), RequestRefused)


def test_a_missing_path_outside_v1_gets_a_hint() -> None:
    assert "/v1" in refusal(404, "http://h/api/completions", "").hint


def foreign_errors() -> Iterator[Exception]:
    """One of each exception that requests and urllib3 define, built without their arguments."""
    for module, root in (
        (requests.exceptions, requests.exceptions.RequestException),
        (urllib3.exceptions, urllib3.exceptions.HTTPError),
    ):
        for _, one in inspect.getmembers(module, inspect.isclass):
            if issubclass(one, root):
                error = one.__new__(one)
                error.args = ("something",)
                vars(error).update(partial=1, expected=2, length=b"x")  # what some of them print
                yield error
    yield from (ConnectionResetError("reset"), TimeoutError("late"), OSError("odd"))


@pytest.mark.parametrize("error", list(foreign_errors()), ids=lambda error: type(error).__name__)
def test_every_foreign_error_has_a_meaning_here(error: Exception) -> None:
    assert is_foreign(error)
    found = from_foreign(error, URL, "start it")
    assert isinstance(found, (Unreachable, BadResponse))
    assert "http://127.0.0.1:1" in found.message
    assert found.facts["url"] == URL
    assert found.hint


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (requests.exceptions.ConnectTimeout("slow"), "in time"),
        (requests.exceptions.SSLError("wrong version number"), "secure"),
        (ssl.SSLCertVerificationError("self-signed certificate"), "secure"),
        (requests.exceptions.ProxyError("no proxy"), "the proxy gives no way"),
    ],
)
def test_unreachable_has_its_kinds(error: Exception, says: str) -> None:
    found = from_foreign(error, URL)
    assert isinstance(found, Unreachable)
    assert says in found.message


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ssl.SSLEOFError("EOF occurred"), ServerCrashed),
        (ConnectionResetError("reset"), ServerCrashed),
        (http.client.IncompleteRead(b"", 5), StreamTruncated),
        (requests.exceptions.SSLError("bad record"), BadResponse),
        (TimeoutError("late"), BadResponse),
    ],
)
def test_what_broke_within_an_answer_was_reached(error: Exception, kind: type[EndpointError]) -> None:
    found = from_foreign(error, URL, begun=True)
    assert type(found) is kind
    assert "dropped" not in found.facts


def test_a_mistake_in_a_program_is_not_the_networks() -> None:
    assert not is_foreign(KeyError("x"))
