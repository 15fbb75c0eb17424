"""The scripted endpoint: its files, and the checks by which it is as strict as a real one."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridle.endpoints.base import Answer, Request, Supports
from bridle.endpoints.connect import connect
from bridle.endpoints.scripted import Scripted, from_file
from bridle.errors import BadResponse, ConfigError, ContextOverflow, RequestRefused
from bridle.grammars import Grammar, Lit, alt
from bridle.messages import Message
from bridle.wrappers import Segment

ASK = Request(prompt=(Segment("12345678"),))
YES_NO = Grammar(alt(Lit("yes"), Lit("no")))


def test_answers_come_in_order_and_requests_are_kept() -> None:
    script = Scripted(["one", Answer("two", "length", "length")])
    assert script.complete(ASK).text == "one"
    second = Request(messages=(Message("user", "hi"),))
    assert script.complete(second).finish == "length"
    assert script.requests == [ASK, second]


def test_a_script_that_is_used_up_says_its_name_and_length() -> None:
    script = Scripted(["one"], name="scripted:demo.txt")
    script.complete(ASK)
    with pytest.raises(RequestRefused, match=r"demo\.txt has 1 answers and was asked for number 2"):
        script.complete(ASK)


def test_an_error_in_a_script_is_raised() -> None:
    script = Scripted([BadResponse("broken"), "fine"])
    with pytest.raises(BadResponse, match="broken"):
        script.complete(ASK)
    assert script.complete(ASK).text == "fine"


@given(st.text(max_size=40), st.integers(0, 12))
def test_streaming_gives_the_text_up_to_the_limit(text: str, limit: int) -> None:
    pieces: list[str] = []
    answer = Scripted([text]).complete(Request(prompt=ASK.prompt, max_tokens=limit), pieces.append)
    assert "".join(pieces) == answer.text == text[: 4 * limit]
    assert (answer.finish == "length") == (len(text) > 4 * limit)
    assert answer.usage.completion_tokens == -(-len(answer.text) // 4)


def test_a_grammar_is_checked_where_one_is_held() -> None:
    holds = Supports(prompt=True, grammar=True)
    request = Request(prompt=ASK.prompt, grammar=YES_NO)
    answer = Scripted(["yes"], supports=holds).complete(request)
    assert (answer.text, answer.engine, answer.dropped) == ("yes", "script", ())
    with pytest.raises(RequestRefused, match=r"answer 1 .* breaks the request's grammar: 'maybe'"):
        Scripted(["maybe"], supports=holds).complete(request)
    assert Scripted(["maybe"], supports=holds, grammar_checked=False).complete(request).text == "maybe"
    assert Scripted([Answer("ye", "length")], supports=holds).complete(request).finish == "length"
    unheld = Scripted(["maybe"]).complete(request)
    assert (unheld.engine, unheld.dropped) == ("", ("grammar",))


def test_a_window_is_kept() -> None:
    script = Scripted(["x" * 100] * 3, window=5)
    assert script.context_tokens == 5
    assert script.count_tokens(ASK) == 2
    answer = script.complete(ASK)
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.finish) == (2, 3, "length")
    assert script.complete(Request(prompt=ASK.prompt, max_tokens=1)).usage.completion_tokens == 1
    with pytest.raises(ContextOverflow):
        script.complete(Request(messages=(Message("user", "hi"),)))
    assert Scripted([]).count_tokens(ASK) is None


@pytest.mark.parametrize(
    ("name", "text", "answers"),
    [
        ("a.txt", '{"function": "f"}\r\n\nhe said "so"\n', ['{"function": "f"}', 'he said "so"']),
        ("a.jsonl", '"one\\ntwo"\n\n{"text": "cut", "finish": "length"}\n', ["one\ntwo", "cut"]),
        (
            "a.TOML",
            '[[answers]]\ntext = "one"\n[[answers]]\ntext = """two\nthree"""\n',
            ["one", "two\nthree"],
        ),
        ("a", "\ufeffone\n", ["one"]),
    ],
)
def test_script_files(tmp_path: Path, name: str, text: str, answers: list[str]) -> None:
    file = tmp_path / name
    file.write_bytes(text.encode())
    script = from_file(file)
    found = [script.complete(ASK) for _ in answers]
    assert [one.text for one in found] == answers
    assert [one.finish for one in found] == ["length" if one == "cut" else "stop" for one in answers]
    with pytest.raises(RequestRefused, match=name):
        script.complete(ASK)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.jsonl", b'"fine"\n{"text": 5}', "line 2"),
        ("a.jsonl", b'{"text": "x", "finish": "never"}', "never"),
        ("a.jsonl", b'{"text": "x", "stop": "y"}', "stop"),
        ("a.jsonl", b"[1", "line 1 is not JSON"),
        ("a.toml", b"answers = 5", "has no answers"),
        ("a.toml", b"= 5", "not TOML"),
        ("a.txt", b"\xff\xfe\x00", "cannot be read"),
    ],
)
def test_wrong_script_files_are_refused(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=says) as caught:
        from_file(tmp_path / name)
    assert str(tmp_path / name) in caught.value.message


def test_a_missing_script_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no\.txt"):
        connect(f"scripted:{tmp_path / 'no.txt'}")


def test_a_spec_opens_a_script(tmp_path: Path) -> None:
    file = tmp_path / "demo.txt"
    file.write_text("hello\n")
    endpoint = connect(f"scripted:{file}", context_tokens=50)
    assert endpoint.name == f"scripted:{file}"
    assert endpoint.context_tokens == 50
    assert endpoint.complete(ASK).text == "hello"
    endpoint.close()
