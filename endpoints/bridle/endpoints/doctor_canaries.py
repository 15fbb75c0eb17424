"""The canaries of `bridle.endpoints.doctor`, one for each thing that an endpoint may be able to do.

A canary asks a short question or two, and says whether it was seen that the endpoint does it, None where that
could not be told, and how, in words. It raises an `EndpointError` where the endpoint cannot be asked so.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from bridle.endpoints.base import Answer, Endpoint, Request, Sampling
from bridle.endpoints.choose import choose
from bridle.endpoints.http_endpoint import HttpEndpoint
from bridle.errors import ContextOverflow, PromptTruncated
from bridle.grammars import choice_grammar
from bridle.messages import JSON, Message, ToolSpec
from bridle.wrappers import Segment

__all__ = ["CANARIES", "Outcome", "Patient", "shown"]

SAY = Message("user", "Say hello.")
NO_CALL = Message("user", "Say hello. Do not call a function.")
"""With this a model that is not made to call does not do it by itself."""
NO_JSON = Message("user", "Say hello in plain words, and not in JSON.")
"""OpenAI's JSON mode is refused where no message has the word in it."""
NONSENSE = Message("user", "Say twenty words at random that have nothing to do with each other.")
"""The answers to this differ, where a greeting is the same with many seeds."""
MAX_TOKENS = 24
MAX_SECONDS = 20.0
LARGEST_WINDOW = 40_000
"""A prompt to overflow a larger window would take a server without a quick answer minutes to read."""
MOST_FOR_A_LETTER = 3
"""Tokens of a prompt of one letter: a mark of the beginning, a blank, the letter; any template has more."""
STILL = "it was still thinking at the limit"
_LETTERS = "bcdfghjklmnpqrstvwxz"

Outcome = tuple[bool | None, str]


class Patient:
    """An endpoint under examination."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.chosen = choose(endpoint)
        letters = "".join(random.sample(_LETTERS, 10))
        self.word, self.other = letters[:5], letters[5:]

    def claims(self, name: str) -> bool:
        """Whether the endpoint says that it can do what a canary tries."""
        supports = self.endpoint.supports
        claimed = {
            "raw prompt": supports.prompt,
            "chat": supports.chat,
            "grammar": supports.grammar and supports.prompt,
            "no grammar left over": supports.grammar and supports.prompt,
            "schema in a prompt": supports.prompt_schema and supports.prompt,
            "schema in a chat": supports.json_schema and supports.chat,
            "regular expression": supports.regex,
            "JSON mode": supports.json_mode,
            "native tools": supports.tools,
            "forced tool": supports.tools and supports.forced,
            "named tool": supports.tools and supports.named,
            "token count": supports.tokenize,
            "seed": supports.seed,
            "logprobs": supports.logprobs,
            "overflow is told": supports.overflow == "error",
        }
        return claimed.get(name, True)

    def prompt(self, question: Message = SAY, **constraint: Any) -> Request:
        """A short question on the prompt route."""
        wrapper = self.chosen.wrapper
        request = Request(
            prompt=wrapper.render([question]),
            control=wrapper.control,
            stop=wrapper.stop,
            max_tokens=MAX_TOKENS,
            max_seconds=MAX_SECONDS,
        )
        return replace(request, **constraint)

    def chat(self, question: Message = SAY, **constraint: Any) -> Request:
        """The same question on the chat route."""
        request = Request(messages=(question,), max_tokens=MAX_TOKENS, max_seconds=MAX_SECONDS)
        return replace(request, **constraint)

    def easy(self, question: Message = SAY, **wishes: Any) -> Request:
        """The question on whichever route there is."""
        put = self.prompt if self.endpoint.supports.prompt else self.chat
        return put(question, **wishes)

    def ask(self, request: Request) -> Answer:
        """Ask on the endpoint itself."""
        return self.endpoint.complete(request)

    @property
    def schema(self) -> dict[str, JSON]:
        """A schema that only one object satisfies."""
        only: JSON = {"type": "string", "enum": [self.other]}
        return {
            "type": "object",
            "properties": {self.word: only},
            "required": [self.word],
            "additionalProperties": False,
        }

    @property
    def tool(self) -> ToolSpec:
        """A tool that no model has heard of."""
        return ToolSpec(f"do_{self.word}", "", {"type": "object", "properties": {}})

    def is_object(self, text: str) -> bool:
        """Whether a text is the one object of the schema."""
        try:
            return bool(json.loads(text) == {self.word: self.other})
        except (ValueError, RecursionError):
            return False


def _raw_prompt(patient: Patient) -> Outcome:
    if not patient.endpoint.supports.prompt:
        return None, "this kind has no such route"
    answer = patient.ask(replace(patient.prompt(max_tokens=1), prompt=(Segment("a"),)))
    counted = answer.usage.prompt_tokens
    if counted == 0:
        return None, "the server does not count the prompt"
    return counted <= MOST_FOR_A_LETTER, f"one letter was {counted} token{'s' * (counted != 1)}"


def _chat(patient: Patient) -> Outcome:
    if not patient.endpoint.supports.chat:
        return None, "this kind has no such route"
    answer = patient.ask(patient.chat())
    return True, f"answered {len(answer.text)} characters"


def _grammar(patient: Patient) -> Outcome:
    if not patient.claims("grammar"):
        return None, "this kind takes none"
    answer = patient.ask(patient.prompt(grammar=choice_grammar([patient.word])))
    return answer.text.strip() == patient.word, _said(answer, patient.word)


def _left_over(patient: Patient) -> Outcome:
    if not patient.claims("grammar"):
        return None, "this kind takes none"
    free = patient.ask(patient.prompt())
    second = patient.ask(patient.prompt(grammar=choice_grammar([patient.other])))
    clean = free.text.strip() != patient.word and second.text.strip() == patient.other
    return clean, "the next answers were held by their own" if clean else "a grammar held later answers, too"


def _schema(patient: Patient, name: str, put: Callable[..., Request]) -> Outcome:
    if not patient.claims(name):
        return None, "this kind takes none"
    answer = patient.ask(put(schema=patient.schema, max_tokens=64))
    if _still_thinks(answer):
        return None, STILL
    held, wanted = patient.is_object(answer.text), json.dumps({patient.word: patient.other})
    return held, f"{wanted} came back" if held else _said(answer, wanted)


def _regex(patient: Patient) -> Outcome:
    if not patient.claims("regular expression"):
        return None, "this kind takes none; a grammar does it"
    answer = patient.ask(patient.prompt(regex=patient.word))
    return answer.text.strip() == patient.word, _said(answer, patient.word)


def _json_mode(patient: Patient) -> Outcome:
    if not patient.claims("JSON mode"):
        return None, "this kind has none"
    answer = patient.ask(patient.chat(NO_JSON, json_mode=True, max_tokens=128))
    if _still_thinks(answer):
        return None, STILL
    starts = answer.text.lstrip().startswith(("{", "["))
    if starts and patient.ask(patient.chat(NO_JSON)).text.lstrip().startswith(("{", "[")):
        return None, "this model writes JSON of its own accord"
    return starts, f"the answer began with {shown(answer.text, 20)}"


def _native_tools(patient: Patient) -> Outcome:
    if not patient.claims("native tools"):
        return None, _no_tools(patient, "this kind takes none")
    patient.ask(patient.chat(tools=(patient.tool,), tool_choice="auto"))
    return None, "the server takes them; whether the model calls is its own business"


def _no_tools(patient: Patient, words: str) -> str:
    """Say who has no native tools: the kind, or this model on a server of a kind that has."""
    endpoint = patient.endpoint
    of_kind = isinstance(endpoint, HttpEndpoint) and type(endpoint.driver).supports.tools
    return "this model's template leaves tools out" if of_kind and not endpoint.supports.tools else words


def _made_to_call(patient: Patient, name: str, choice: str) -> Outcome:
    if not patient.claims(name):
        return None, _no_tools(patient, "this kind cannot be told")
    other = ToolSpec(f"do_{patient.other}", "", {"type": "object", "properties": {}})
    tools = (patient.tool,) if choice == "required" else (other, patient.tool)
    answer = patient.ask(patient.chat(NO_CALL, tools=tools, tool_choice=choice, max_tokens=96))
    names = [call.name for call in answer.calls]
    if names and set(names) == {patient.tool.name}:
        return True, f"{patient.tool.name} was called"
    if names:
        return False, f"{names[0]} was called"
    if _still_thinks(answer):
        return None, STILL
    return False, f"no call within 96 tokens, but {shown(answer.text)}"


def _stop(patient: Patient) -> Outcome:
    """Say again what the model says of itself, and have it end before a piece from the middle of that."""
    request = patient.easy(NONSENSE)
    whole = patient.ask(request)
    piece = _middle(whole.text)
    if not piece:
        return None, "the answer was too short to be stopped within"
    cut = patient.ask(replace(request, stop=(*request.stop, piece)))
    if piece in cut.text:
        return False, f"the answer went on beyond {piece!r}"
    if not whole.text.startswith(cut.text.rstrip()):
        return None, "the same question was answered in another way"
    if not (whole.usage.completion_tokens and cut.usage.completion_tokens):
        return None, "the server does not count the answer"
    ended = cut.usage.completion_tokens < whole.usage.completion_tokens
    return ended, "the server ends there itself" if ended else "the server went on; bridle cut the text"


def _middle(text: str) -> str:
    """A few characters from the middle of a text that is long enough, where they stand for the first time."""
    for start in range(len(text) // 3, 2 * len(text) // 3):
        piece = text[start : start + 3]
        if piece.isascii() and piece.isalpha() and text.index(piece) == start > 4:
            return piece
    return ""


def _seed(patient: Patient) -> Outcome:
    if not patient.claims("seed"):
        return None, "this kind takes none"
    wild = [Sampling(temperature=1.5, seed=seed) for seed in (6, 7, 7, 8)]
    # The first one warms the cache: a prompt that is read whole and one that is cached differ in rounding.
    texts = [patient.ask(patient.easy(NONSENSE, sampling=sampling)).text for sampling in wild][1:]
    if texts[0] != texts[1]:
        return False, "one seed gave two texts"
    return (True, "one seed, one text") if texts[0] != texts[2] else (None, "all seeds gave one text")


def _logprobs(patient: Patient) -> Outcome:
    if not patient.claims("logprobs"):
        return None, "this kind tells none"
    answer = patient.ask(patient.easy(logprobs=2, max_tokens=3))
    return bool(answer.tokens), f"told for {len(answer.tokens)} tokens"


def _count(patient: Patient) -> Outcome:
    if not patient.claims("token count"):
        return None, "this kind counts none"
    request = patient.easy(max_tokens=1)
    counted, used = patient.endpoint.count_tokens(request), patient.ask(request).usage.prompt_tokens
    if counted is None or not used:
        return None, "the answer does not say how many it read"
    return counted == used, f"counted {counted}, read {used}"


def _stream_usage(patient: Patient) -> Outcome:
    pieces: list[str] = []
    answer = patient.endpoint.complete(patient.easy(), pieces.append)
    told = answer.usage.prompt_tokens > 0 and answer.usage.completion_tokens > 0
    return told, "tokens are counted" if told else "no token counts at the end of a stream"


def _overflow(patient: Patient) -> Outcome:
    window = patient.endpoint.context_tokens
    if window is None:
        return None, "the window is not known"
    if window > LARGEST_WINDOW:
        return None, f"not tried with a window of {window} tokens"
    words = " ".join(random.choices(["sun", "moon", "tree", "river", "cat"], k=window + 64))
    long = patient.easy(max_tokens=4)
    if long.prompt:
        long = replace(long, prompt=(*long.prompt, replace(long.prompt[-1], text=words, control=False)))
    else:
        long = replace(long, messages=(Message("user", words),))
    try:
        answer = patient.ask(long)
    except PromptTruncated as error:
        return True, f"the server cuts it in silence; bridle tells: {error.message}"
    except ContextOverflow as error:
        return True, f"refused: {error.message}"
    if answer.finish_reason == "max_seconds":
        return None, f"no answer within {MAX_SECONDS:.0f} s"
    return False, f"{window + 64} words went into a window of {window} without a word"


CANARIES: Mapping[str, Callable[[Patient], Outcome]] = {
    "raw prompt": _raw_prompt,
    "chat": _chat,
    "grammar": _grammar,
    "no grammar left over": _left_over,
    "schema in a prompt": lambda patient: _schema(patient, "schema in a prompt", patient.prompt),
    "schema in a chat": lambda patient: _schema(patient, "schema in a chat", patient.chat),
    "regular expression": _regex,
    "JSON mode": _json_mode,
    "native tools": _native_tools,
    "forced tool": lambda patient: _made_to_call(patient, "forced tool", "required"),
    "named tool": lambda patient: _made_to_call(patient, "named tool", patient.tool.name),
    "stop strings": _stop,
    "seed": _seed,
    "logprobs": _logprobs,
    "token count": _count,
    "usage in a stream": _stream_usage,
    "overflow is told": _overflow,
}


def _still_thinks(answer: Answer) -> bool:
    """Whether an answer was cut before it began: a constraint may hold what comes after the thoughts."""
    text = answer.text.strip()
    return answer.finish == "length" and (
        bool(answer.thoughts and not text) or ("<think>" in text and "</think>" not in text)
    )


def shown(text: str, most: int = 30) -> str:
    """Quote the beginning of a text; dots say that it went on."""
    text = text.strip()
    return repr(text if len(text) <= most else f"{text[: most - 1]}…")


def _said(answer: Answer, wanted: str) -> str:
    text = answer.text.strip()
    if text == wanted:
        return f"{wanted} came back"
    return f"{wanted} was all that could be said, and {shown(text)} came back"
