"""What was typed at the prompt, in a file of the home that its owner alone can read.

Each line is one entry, written as a JSON string, so that an entry may have several lines. A file that cannot
be read or written costs the history and nothing else.
"""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

__all__ = ["FILE_NAME", "TypedHistory"]

FILE_NAME = "chat_history"
MOST = 2000
"""Entries that are kept when the file is next opened."""

_log = logging.getLogger(__name__)


class TypedHistory:
    """The entries, oldest first, and the file that each new one is added to."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.entries = _read(file)
        if len(self.entries) > MOST:
            self.entries = self.entries[-MOST:]
            self._write("".join(map(_line, self.entries)), os.O_TRUNC)

    def add(self, text: str) -> None:
        """Keep an entry, unless it is empty or what was typed last."""
        if text.strip() and (not self.entries or self.entries[-1] != text):
            self.entries.append(text)
            self._write(_line(text), os.O_APPEND)

    def _write(self, text: str, how: int) -> None:
        try:
            opened = os.open(self.file, os.O_CREAT | os.O_WRONLY | how, 0o600)
            with open(opened, "w", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            _log.info("what was typed could not be kept in %s: %s", self.file, error)


def _line(text: str) -> str:
    return json.dumps(text) + "\n"


def _read(file: Path) -> list[str]:
    try:
        lines = file.read_text("utf-8", "replace").splitlines()
    except OSError:
        return []
    return [text for text in map(_entry, lines) if text]


def _entry(line: str) -> str:
    try:
        text: object = json.loads(line)
    except ValueError:
        return ""
    return text if isinstance(text, str) else ""
