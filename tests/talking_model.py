"""A model for long conversations: it reads the end of its prompt and uses every part of memory in turn.

What it does follows from the prompt alone, so that it can go on in another process, and in any turn. Its
tokens are pieces of four characters; a prompt that does not fit its window is refused, as servers do.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable

from bridle.agent.functions import FUNCTIONS, SMALL_FUNCTIONS
from bridle.endpoints.base import Answer, Request, Supports
from bridle.errors import ContextOverflow
from bridle.messages import ToolCall, Usage
from bridle.wrappers import get_wrapper

__all__ = ["WRAPPER", "TalkingModel", "said_in_turn"]

WRAPPER = get_wrapper("chatml-compact")

TOKEN_CHARS = 4
THINGS = ("kayak", "violin", "orchard", "telescope", "sourdough", "marathon", "beehive", "lighthouse")
FILLER = "We walked along the river for a while and talked about this and that, as one does."
_TURN = re.compile(r"<\|im_start\|>(\w+)\n(.*?)(?=<\|im_end\|>|\Z)", re.DOTALL)
_LINES = re.compile(r"\[human[^\]]*\]\n(?!\[)([^\n]+)")


def said_in_turn(number: int) -> str:
    """What the user says in a turn, counted from 0: facts, notes, questions, and now and then a story."""
    rng = random.Random(number)
    thing, earlier = THINGS[number % len(THINGS)], rng.randrange(max(number, 1))
    match number % 5:
        case 0:
            return f"My {thing} number {number} is blue."
        case 1:
            return f"Keep a note: the code of {thing} {number} is {rng.randrange(10**6)}."
        case 2:
            return f"What did I say about number {earlier}?"
        case 3:
            return f"Look up the code of {THINGS[earlier % len(THINGS)]} {earlier}."
        case _:
            return f"Story {number}. " + " ".join([FILLER] * rng.randrange(1, 12))


class TalkingModel:
    """An endpoint with a window, asked by `WRAPPER`. With `held` it says that it holds grammars.

    `seconds` is the CPU time that was spent in it, `longest` the longest prompt so far, in tokens, and
    `summaries` counts how often it was asked to sum up.
    """

    name = "talking"
    model = "talking"
    chat_template: str | None = None

    def __init__(self, window: int, *, held: bool = True) -> None:
        self.supports = Supports(prompt=True, grammar=held, proven=held, tokenize=True)
        self.context_tokens: int | None = window
        self.seconds = 0.0
        self.longest = 0
        self.summaries = 0

    def complete(
        self,
        request: Request,
        on_text: Callable[[str], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Answer:
        """Answer the last turn of the prompt.

        Raises:
            ContextOverflow: when prompt and a short answer do not fit the window.
        """
        begun = time.thread_time()
        prompt = "".join(segment.text for segment in request.prompt)
        size = self.count_tokens(request)
        window = self.context_tokens or 0
        if size + 100 > window:
            raise ContextOverflow(f"the prompt has {size} tokens", prompt_tokens=size, context_tokens=window)
        self.longest = max(self.longest, size)
        text = self._text(prompt)
        if on_text is not None:
            on_text(text)
        self.seconds += time.thread_time() - begun
        return Answer(text, usage=Usage(size, -(-len(text) // TOKEN_CHARS)), engine="script")

    def count_tokens(self, request: Request) -> int:
        """Count the prompt in pieces of four characters."""
        return -(-sum(len(segment.text) for segment in request.prompt) // TOKEN_CHARS)

    def close(self) -> None:
        """Do nothing: it holds nothing."""

    def _text(self, prompt: str) -> str:
        turns = _TURN.findall(prompt)
        said = next((at for at in range(len(turns) - 1, -1, -1) if turns[at][0] == "user"), 0)
        if "send_message" not in turns[0][1]:
            self.summaries += 1
            return f"They have talked {self.summaries} times about things and their codes."
        results = [text for role, text in turns[said:] if role == "tool"]
        asked = turns[said][1]
        small = "conversation_search" not in turns[0][1]
        call = _next(results, asked, prompt, small=small) if results else _first(asked, small=small)
        text = WRAPPER.syntax.write((call,), "hm", "", SMALL_FUNCTIONS if small else FUNCTIONS)
        return text.removeprefix(WRAPPER.prime) if prompt.endswith(WRAPPER.prime) else text


def _call(function: str, small: bool, /, **arguments: str) -> ToolCall:
    return ToolCall(function, arguments if small else {**arguments, "request_heartbeat": True})


def _say(message: str) -> ToolCall:
    return ToolCall("send_message", {"message": message})


def _first(said: str, *, small: bool) -> ToolCall:
    if said.startswith("My "):
        return _call("core_memory_append", small, name="human", content=f"Fact: {said[3:-1]}")
    if said.startswith("Keep a note: "):
        return _call("archival_memory_insert", small, content=said.removeprefix("Keep a note: "))
    for begin, function in (
        ("What did I say about ", "conversation_search"),
        ("Look up ", "archival_memory_search"),
    ):
        if said.startswith(begin):
            return _call("memory_search" if small else function, small, query=said.removeprefix(begin)[:-1])
    return _say(f"I have heard all of it: {said[:60]}")


def _next(results: list[str], said: str, prompt: str, *, small: bool) -> ToolCall:
    """Where a block is full, its first line makes room; else all is said."""
    line = _LINES.findall(prompt)
    if len(results) == 1 and results[0].startswith("Failed") and line:
        old = {"line": "human 1"} if small else {"name": "human", "old_content": line[-1]}
        return _call("core_memory_replace", small, **old, new_content=f"Fact: {said[3:-1]}")
    return _say(f"Done, this is what came of it: {' '.join(results[-1].split())[:120]}")
