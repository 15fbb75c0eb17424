"""An endpoint that answers from a list: for tests, and for trying a program without a model.

Its tokens are pieces of four characters: limits, the window and the usage are counted in them. A script in a
file is

- `NAME.jsonl`: one JSON value per line, a text or `{"text": …, "finish": "stop" | "length"}`;
- `NAME.toml`: `[[answers]]` tables with the same keys;
- any other name: one answer per line, as it stands.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import cast, get_args

from bridle.endpoints.abilities import refuse_dropped, unsupported
from bridle.endpoints.base import Answer, Request, Supports
from bridle.endpoints.stops import StopCutter
from bridle.errors import BridleError, ConfigError, ContextOverflow, InputError, RequestRefused
from bridle.grammars import matches
from bridle.messages import Finish, Usage, message_to_dict

__all__ = ["Scripted", "from_file"]

TOKEN_CHARS = 4


class Scripted:
    """Gives its answers one after the other and keeps every request in `requests`.

    An answer may be a text, an `Answer` with a reason of its own, native calls or thoughts, or an error to
    raise. When
    `supports.grammar` is set, an answer that the request's grammar does not hold is refused, so that a script
    cannot say what a real engine could not.
    """

    def __init__(
        self,
        answers: Iterable[str | Answer | BridleError],
        *,
        name: str = "scripted",
        window: int | None = None,
        supports: Supports | None = None,
        grammar_checked: bool = True,
    ) -> None:
        self._answers = tuple(answers)
        self._name = name
        self._window = window
        self._supports = supports or Supports(prompt=True, chat=True)
        self._grammar_checked = grammar_checked
        self.requests: list[Request] = []
        self.wrapper = ""
        self.constraint = ""

    @property
    def name(self) -> str:
        return self._name

    @property
    def model(self) -> str:
        return "scripted"

    @property
    def supports(self) -> Supports:
        return self._supports

    @property
    def context_tokens(self) -> int | None:
        return self._window

    @property
    def chat_template(self) -> str | None:
        return None

    def complete(
        self,
        request: Request,
        on_text: Callable[[str], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Answer:
        """Give the next answer, cut by the request's stop strings and limit.

        Raises:
            InputError: for a request without a prompt and without messages.
            RequestRefused: when the script is used up, or its answer breaks the request's grammar.
            ContextOverflow: when a window was given and the prompt does not fit it.
        """
        if not request.prompt and not request.messages:
            raise InputError("a request has neither a prompt nor messages", hint="give one of them")
        dropped = unsupported(self._supports, request)
        refuse_dropped(request, dropped, self._name)
        self.requests.append(request)
        given = self._next()
        if isinstance(given, BridleError):
            raise given
        prompt_tokens = self._check_window(request)
        self._check_grammar(request, given)
        limit = request.max_tokens if self._window is None else self._window - prompt_tokens
        limit = min(x for x in (limit, request.max_tokens, len(given.text) + 1) if x is not None)
        cutter, finish, n_tokens = StopCutter(request.stop), given.finish, 0
        for start in range(0, len(given.text), TOKEN_CHARS):
            if should_stop is not None and should_stop():
                finish = "cancelled"
                break
            if n_tokens == limit:
                finish = "length"
                break
            n_tokens += 1
            _show(cutter.feed(given.text[start : start + TOKEN_CHARS]), on_text)
            if cutter.found:
                finish = "stop"
                break
        _show(cutter.close(), on_text)
        usage = Usage(prompt_tokens, n_tokens, sampled_tokens=n_tokens)
        reason = given.finish_reason if finish == given.finish else finish
        held = request.grammar is not None and self._supports.grammar and self._grammar_checked
        engine = "script" if held else ""
        ended = finish == given.finish
        return replace(
            given,
            text=cutter.text,
            finish=finish,
            finish_reason=reason,
            usage=usage,
            engine=engine,
            dropped=dropped,
            calls=given.calls if ended else (),
        )

    def count_tokens(self, request: Request) -> int | None:
        """Count the request's text in pieces of four characters; None without a window."""
        return None if self._window is None else _count(request)

    def close(self) -> None:
        """Do nothing: a script holds nothing."""

    def _next(self) -> Answer | BridleError:
        asked = len(self.requests)
        if asked > len(self._answers):
            raise RequestRefused(
                f"the script {self._name} has {len(self._answers)} answers and was asked for number {asked}",
                hint="add answers to it",
            )
        given = self._answers[asked - 1]
        return Answer(given) if isinstance(given, str) else given

    def _check_window(self, request: Request) -> int:
        length = _count(request)
        if self._window is not None and length >= self._window:
            raise ContextOverflow(
                f"the prompt has {length} tokens, and the window of {self._name} holds {self._window}",
                hint="shorten the conversation, or give the script a larger window",
                prompt_tokens=length,
                context_tokens=self._window,
            )
        return length

    def _check_grammar(self, request: Request, given: Answer) -> None:
        held = self._supports.grammar and self._grammar_checked and given.finish == "stop"
        if held and request.grammar is not None and not matches(request.grammar, given.text):
            raise RequestRefused(
                f"answer {len(self.requests)} of the script {self._name} breaks the request's grammar: "
                f"{given.text!r}",
                hint="correct that answer",
            )


def from_file(
    path: str | Path, *, context_tokens: int | None = None, supports: Supports | None = None
) -> Scripted:
    """Read a script; see the head of this module for the formats. It is asked by prompts alone.

    Raises:
        ConfigError: when the file cannot be read, with the line that is wrong.
    """
    file = Path(path)
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the script {file} cannot be read: {error}", hint="give a text file") from error
    readers = {".jsonl": _from_jsonl, ".toml": _from_toml}
    answers = readers.get(file.suffix.lower(), _from_lines)(file, text)
    by_prompt = Supports(prompt=True)
    return Scripted(answers, name=f"scripted:{file}", window=context_tokens, supports=supports or by_prompt)


def _from_lines(file: Path, text: str) -> list[Answer]:
    return [Answer(line) for line in text.splitlines() if line.strip()]


def _from_jsonl(file: Path, text: str) -> list[Answer]:
    answers: list[Answer] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            answers.append(_answer(f"{file}, line {number}", json.loads(line)))
        except ValueError as error:
            raise ConfigError(
                f"{file}, line {number} is not JSON: {error}", hint="one value per line"
            ) from error
    return answers


def _from_toml(file: Path, text: str) -> list[Answer]:
    try:
        listed: object = tomllib.loads(text).get("answers")
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"the script {file} is not TOML: {error}", hint="correct that place") from error
    if not isinstance(listed, list):
        raise ConfigError(f"the script {file} has no answers", hint="write [[answers]] tables with a text")
    return [_answer(f"{file}, answer {i}", one) for i, one in enumerate(cast("list[object]", listed), 1)]


def _answer(where: str, value: object) -> Answer:
    if isinstance(value, str):
        return Answer(value)
    shape = cast("dict[str, object]", value) if isinstance(value, dict) else {}
    text, finish = shape.get("text"), shape.get("finish", "stop")
    if not isinstance(text, str) or finish not in get_args(Finish) or set(shape) - {"text", "finish"}:
        raise ConfigError(
            f"{where} is {value!r}", hint='write a text, or {"text": "…", "finish": "stop"} (or "length")'
        )
    return Answer(text, cast("Finish", finish), str(finish))


def _show(text: str, on_text: Callable[[str], None] | None) -> None:
    if text and on_text is not None:
        on_text(text)


def _count(request: Request) -> int:
    """Count what a request would put before a model, in tokens of this module."""
    n_chars = sum(len(segment.text) for segment in request.prompt)
    n_chars += sum(len(json.dumps(message_to_dict(m), ensure_ascii=False)) for m in request.messages)
    return -(-n_chars // TOKEN_CHARS)
