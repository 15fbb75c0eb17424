"""Prompt wrappers: how a conversation is written for a model, and how its calls are read back."""

from bridle.wrappers.formats import Format, Turn, builtin_formats, load_format
from bridle.wrappers.segments import Segment, flatten, neutralise, shield
from bridle.wrappers.syntax import (
    Arguments,
    CallShape,
    CallSyntax,
    JsonLayout,
    Name,
    Part,
    Reading,
    StreamReader,
    Thoughts,
)
from bridle.wrappers.syntaxes import Hermes, MemGPT
from bridle.wrappers.wrapper import Wrapper, detect, get_wrapper, wrapper_names

__all__ = [
    "Arguments",
    "CallShape",
    "CallSyntax",
    "Format",
    "Hermes",
    "JsonLayout",
    "MemGPT",
    "Name",
    "Part",
    "Reading",
    "Segment",
    "StreamReader",
    "Thoughts",
    "Turn",
    "Wrapper",
    "builtin_formats",
    "detect",
    "flatten",
    "get_wrapper",
    "load_format",
    "neutralise",
    "shield",
    "wrapper_names",
]
