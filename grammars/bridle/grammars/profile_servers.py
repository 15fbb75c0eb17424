"""What servers make of a JSON Schema, as data: which keywords they hold, ignore, or fail on.

llama.cpp's converter (llama-server, LM Studio, Ollama) was read and run as it is in llama-cpp-python 0.3.36
(common/json-schema.cpp and json-schema-to-grammar.cpp). Of `$ref`, `oneOf`, `anyOf`, `const` and `enum` it
takes the first and forgets what stands beside it; it writes required members before optional ones, applies a
pattern to what stands between the quotation marks and then ignores lengths, and knows no bounds of
numbers, which have sixteen digits at most. Older ones answer 400 to `\\d`, look-around and patterns without
anchors, and all do from 2,000 repetitions on. vLLM refuses what its check for xgrammar names
(backend_xgrammar.py, 2026-11). OpenAI's strict mode is as its guide to Structured Outputs has it (2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

from bridle.errors import InputError

__all__ = ["Profile", "Server", "server_of"]

Profile = Literal["generic", "openai-strict", "ollama", "lmstudio", "vllm", "llama-server"]
"""Whose JSON Schema to write."""


@dataclass(frozen=True, slots=True)
class Server:
    """What one server holds: by default what llama.cpp's converter does.

    `rewrites` is false where a schema is sent as it is. `longest` is the largest count of characters or
    items. With `escapes` a string with a length may hold what JSON writes with a backslash. A pattern is for
    the `inside` of a string as JSON writes it, or for its value. `formats` are held by name. `all_required`
    says that members cannot be optional, `maps` that there are objects whose members no schema names,
    `any_value` that a schema may say nothing, `object_root` that the whole is one object, `empty_constant`
    that `{}` and `[]` are best written as constants.
    """

    rewrites: bool = True
    longest: int = 1_900
    lengths: bool = True
    escapes: bool = True
    inside: bool = True
    formats: frozenset[str] = frozenset()
    number_bounds: bool = False
    multiples: bool = False
    tuples: bool = True
    closed_tuples: bool = False
    maps: bool = True
    member_counts: bool = False
    all_required: bool = False
    any_value: bool = True
    object_root: bool = False
    empty_constant: bool = True


_LLAMA_CPP = Server()
_SERVERS: Mapping[str, Server] = MappingProxyType({
    "generic": Server(rewrites=False),
    "llama-server": _LLAMA_CPP,
    "ollama": _LLAMA_CPP,
    "lmstudio": _LLAMA_CPP,
    "vllm": Server(
        longest=20_000, escapes=False, number_bounds=True, closed_tuples=True, member_counts=True,
        empty_constant=False,
        formats=frozenset({"duration", "ipv6", "uri-reference", "uri-template", "json-pointer",
                           "relative-json-pointer"}),
    ),
    "openai-strict": Server(
        longest=20_000, lengths=False, inside=False, number_bounds=True, multiples=True, tuples=False,
        formats=frozenset({"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6",
                           "uuid"}),
        maps=False, all_required=True, any_value=False, object_root=True, empty_constant=False,
    ),
})  # fmt: skip


def server_of(profile: str) -> Server:
    """Return what a profile's server holds.

    Raises:
        InputError: for an unknown profile.

    >>> server_of("ollama").number_bounds
    False
    """
    if profile not in _SERVERS:
        hint = f"there are: {', '.join(get_args(Profile))}"
        raise InputError(f"the profile of JSON Schema is {profile!r}", hint=hint)
    return _SERVERS[profile]
