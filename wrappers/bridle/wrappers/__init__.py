"""Prompt wrappers: how a conversation is written for a model, and how its calls are read back."""

from bridle.wrappers.detection import Detection, detect
from bridle.wrappers.formats import Format, Turn
from bridle.wrappers.reading import parse_calls, read_calls
from bridle.wrappers.registry import builtin_formats, format_files, load_format, user_folder
from bridle.wrappers.segments import Segment, flatten, neutralise, shield
from bridle.wrappers.syntax import (
    Arguments,
    CallId,
    CallShape,
    CallSyntax,
    Index,
    JsonLayout,
    Members,
    Name,
    Part,
    Reading,
    StreamReader,
    Thoughts,
)
from bridle.wrappers.syntaxes import Hermes, MemGPT
from bridle.wrappers.wrapper import Wrapper, get_wrapper, wrapper_names

__all__ = [
    "Arguments",
    "CallId",
    "CallShape",
    "CallSyntax",
    "Detection",
    "Format",
    "Hermes",
    "Index",
    "JsonLayout",
    "MemGPT",
    "Members",
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
    "format_files",
    "get_wrapper",
    "load_format",
    "neutralise",
    "parse_calls",
    "read_calls",
    "shield",
    "user_folder",
    "wrapper_names",
]
