"""Read an answer that a server was made to write in a form of its own, as one of the caller's schema.

OpenAI's strict mode takes one object at the root and knows no optional members, so the schema that is sent is
another one (`bridle.grammars.profiles`). What comes back is turned round before anything else reads it. With
other profiles answers are read as they arrive.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from bridle.grammars.profile_servers import Profile, server_of
from bridle.grammars.profiles import read_back
from bridle.messages import JSON, Delta, Finish
from bridle.wrappers import Reading, StreamReader

__all__ = ["ReadBack", "Unquoted", "reader_of"]


def reader_of(reader: StreamReader, schema: Mapping[str, JSON], profile: Profile) -> StreamReader:
    """Put what turns an answer round before a reader, where the profile needs that."""
    server = server_of(profile)
    return ReadBack(reader, schema, profile) if server.object_root or server.all_required else reader


class ReadBack:
    """Takes the whole answer, turns it round, and hands it to a reader."""

    def __init__(self, reader: StreamReader, schema: Mapping[str, JSON], profile: Profile) -> None:
        """Take the reader, and the schema as it was before it was written for the profile."""
        self._reader = reader
        self._schema = schema
        self._profile: Profile = profile
        self._text: list[str] = []

    def feed(self, fragment: str) -> list[Delta]:
        """Take the next characters; nothing is certain before the end."""
        self._text.append(fragment)
        return []

    def close(self, finish: Finish = "stop") -> tuple[list[Delta], Reading]:
        """End the answer. What is no JSON is handed on as it is."""
        told = self._reader.feed(self._turned("".join(self._text)))
        last, reading = self._reader.close(finish)
        return [*told, *last], reading

    def _turned(self, text: str) -> str:
        try:
            value: JSON = json.loads(text)
        except (ValueError, RecursionError):
            return text
        plain = read_back(value, self._schema, self._profile)
        return text if plain == value else json.dumps(plain, ensure_ascii=False)


class Unquoted:
    """Takes the whole answer, and hands the text that is written in it as a JSON string to a reader."""

    def __init__(self, reader: StreamReader) -> None:
        self._reader = reader
        self._text: list[str] = []

    def feed(self, fragment: str) -> list[Delta]:
        """Take the next characters; nothing is certain before the end."""
        self._text.append(fragment)
        return []

    def close(self, finish: Finish = "stop") -> tuple[list[Delta], Reading]:
        """End the answer. What is no JSON string is handed on as it is."""
        text = "".join(self._text)
        try:
            value: object = json.loads(text)
        except (ValueError, RecursionError):
            value = text
        told = self._reader.feed(value if isinstance(value, str) else text)
        last, reading = self._reader.close(finish)
        return [*told, *last], reading
