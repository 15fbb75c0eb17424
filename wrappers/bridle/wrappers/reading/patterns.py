"""What the reader looks for, as patterns: those of the dialects, and those that the tools' names go into."""

from __future__ import annotations

import re
from functools import lru_cache

from bridle.wrappers.reading.keys import ARGUMENT_KEYS, BESIDE_KEYS, NAME_KEYS, THOUGHT_KEYS, WRAPPER_KEYS
from bridle.wrappers.reading.marks import (
    CALL_CLOSE,
    CALL_OPEN,
    OTHER_TURN,
    SPECIAL,
    THINKING,
    TURN_END,
    pattern,
)
from bridle.wrappers.values import write_name

__all__ = [
    "BETWEEN",
    "CHANNEL",
    "CLOSE",
    "ESCAPED",
    "EXAMPLE",
    "FENCE",
    "JUNK",
    "OPEN",
    "PLACES",
    "SPECIALS",
    "THOUGHT",
    "TOKEN",
    "TURN_ENDS",
    "Patterns",
    "patterns",
]

OPEN = re.compile(pattern(CALL_OPEN))
CLOSE = re.compile(rf"(?:[\s\ufeff]*(?:{pattern(CALL_CLOSE)}))+")
SPECIALS = re.compile(pattern(SPECIAL))
TURN_ENDS = re.compile(pattern((*TURN_END, *OTHER_TURN)))
THOUGHT = re.compile(pattern(THINKING.values()))
FENCE = re.compile(r"```[ \t]*([\w+-]*)[ \t]*\r?\n?")
CHANNEL = re.compile(
    r"(?:<\|start\|>[^<\n]{0,200})?(?:<\|channel\|>[^<]{0,200})?(?:<\|constrain\|>[^<]{0,60})?<\|message\|>"
)
TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[{}\[\]]')
JUNK = re.compile(r"[\]})]+")
BETWEEN = re.compile(r"[\s\ufeff,;]*(?:and\b)?[\s\ufeff,;]*")
EXAMPLE = re.compile(
    r"\b(?:for example|for instance|e\.\s?g\.|examples?|such as|not (?:call|use))\b[^.!?\n{]{0,60}[\s`]*$",
    re.IGNORECASE,
)
"""Prose that what follows it is an example."""
ESCAPED = re.compile(r"[\[{](?:\s|\\n)*\{?(?:\s|\\n)*(?:\\[\"']|(?P<entity>&(?:quot|#34|#x27|#39|apos);))")
"""An object whose quotes were escaped once too often, or are HTML's entities."""

PLACES = re.compile(
    r"<[|｜\w/]|\[[^\[\]]|\{(?:\s|\\n)*+\\?[\"'“`\w$.\-&]|\{(?:\s|\\n)*+[^\x00-\x7f]"
    r"|\{\s*+(?://|/\*|#)|```|>>>|to=functions\.|Action:|call:|functools|function<｜|◁"
)
"""Where anything may begin at all: found fast, since each alternative begins with a character of its own."""
_QUOTE = r"(?:\\?[\"'“”`]|&(?:quot|#34|#x27|#39|apos);)"
_COMMENTS = r"(?:\s*+(?://[^\n]*+\n|#[^\n]*+\n|/\*[^*]{0,500}+\*/))*+"
_KEYS = pattern({*NAME_KEYS, *ARGUMENT_KEYS, *WRAPPER_KEYS, *THOUGHT_KEYS, *BESIDE_KEYS})
_SEPARATORS = (
    r"<｜tool▁sep｜>|<\|tool_call_argument_begin\|>|\[CALL_ID\][^\[\n]{0,80}|\[/?\w{1,20}\]"
    r"|<\|?/?\w{1,30}\|?>|\s++|:|->|```(?:json)?"
)


class Patterns:
    """The patterns that the names of the tools go into."""

    def __init__(self, names: tuple[str, ...]) -> None:
        forms = {form for name in names for form in (name, write_name(name)) if form}
        self.names = pattern(forms) or "(?!)"
        self.known = re.compile(self.names)
        names_ = self.names
        space = r"(?:functions\.|default_api\.)?"
        call = rf"\{{{_COMMENTS}(?:\s|\\n)*{_QUOTE}?(?:{_KEYS}|{names_}){_QUOTE}?\s*[:=]"
        quoted = rf"\"(?:{pattern(NAME_KEYS)})\"\s*:\s*\"(?:{space}(?:{names_})\")"
        self.braceless = re.compile(rf"(?={quoted})")
        """The members of a call whose opening brace is missing."""
        self.call_object = re.compile(call)
        self.call_list = re.compile(rf"\[\s*(?:{call}|{space}(?:{names_})\s*\()")
        mark = r"[\[<][\w|/ ]{1,30}[\]>]"
        custom = rf"{mark}\s*(NAME{names_})\s*{mark}\s*(?=\{{)"
        self.custom = re.compile(custom.replace("(NAME", "(?P<name>", 1))
        self.line_call = re.compile(rf"{space}(?:{names_})\s*\(")
        self.named_line = re.compile(
            rf"(?:functions\.)?(?P<name>{names_})(?::\d{{1,3}})?[ \t]*:?[ \t]*\n?\s*"
            r"(?:<\|tool_call_argument_begin\|>\s*)?(?=\{)"
        )
        self.keyed_line = re.compile(rf"(?:{names_})\s*<arg_key>")
        self.lines = re.compile(rf"^[ \t]*(?={space}(?:{names_})\s*\()", re.MULTILINE)
        self.functionary = re.compile(rf">>>\s*(?P<name>{names_}|[\w.\-]+)[ \t]*\n\s*(?=\{{)|>>>all[ \t]*\n")
        self.recipient = re.compile(
            rf"to=functions\.(?P<name>(?:{names_})(?=[\s<{{])|[^\s<{{(]{{1,120}}+)"
            r"[^{\n]{0,120}+\n?+[^{\n]{0,120}+(?=\{)"
        )
        self.addressed = re.compile(
            rf"to=(?:functions\.)?(?P<name>(?:{names_})(?=[\s<{{])|[^\s<{{]{{1,200}})"
        )
        self.separated = re.compile(
            r"(?:function<｜tool▁sep｜>)?(?:functions\.|default_api\.)?"
            rf"(?P<name>{names_}|[^\s<\[{{(:｜\"'`>]{{1,120}})(?::\d+)?(?P<between>(?:{_SEPARATORS}){{0,12}}+)(?=\{{)"
        )
        heads = (
            pattern(THINKING),
            THOUGHT.pattern,
            r"<\|start\|>|<\|channel\|>",
            OPEN.pattern,
            pattern(CALL_CLOSE),
            TURN_ENDS.pattern,
            SPECIALS.pattern,
            r"<function\s*=|<function\s+name|<invoke[\s=]",
            "```",
            r"to=functions\.",
            "Action:",
            ">>>",
            r"call:[\w.]",
            custom.replace("(NAME", "(?:", 1),
            call,
            rf"\[\s*(?:{call}|{space}(?:{names_})\s*\(|[A-Za-z_][\w.]{{0,80}}\()",
        )
        wide = (*heads, r"\{(?:\s|\\n)*\\?[\"'“`\w]", r"\[\s*[{\"]")
        self.start = re.compile("|".join(f"({head})" for head in wide))
        """What may begin at a place, in the order that `Walk` has its readers in."""


@lru_cache(maxsize=64)
def patterns(names: tuple[str, ...]) -> Patterns:
    """The patterns for tools of these names."""
    return Patterns(names)
