"""Reading and appending to text files of one folder: MemGPT's two functions, kept inside a sandbox.

An agent has them only when a folder is named. Files are UTF-8; nothing is deleted, renamed or overwritten.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Annotated

from bridle.agent.toolbox.base import Tool
from bridle.agent.toolbox.python_tools import as_tool
from bridle.agent.toolbox.sandbox import Sandbox
from bridle.errors import InputError

__all__ = ["MOST_FILE_BYTES", "MOST_LINES", "file_tools"]

MOST_FILE_BYTES = 10_000_000
"""A larger file is not read, and no file is made larger."""
MOST_LINES = 200
USUAL_LINES = 50
MOST_LINE_CHARS = 1000
"""What is longer is cut, so that one line does not take the place of all others."""
MOST_CONTENT_CHARS = 100_000


def file_tools(folder: str | Path, *, sandbox: Sandbox | None = None) -> tuple[Tool, Tool]:
    """Return `read_from_text_file` and `append_to_text_file` for the files of a folder that exists.

    Raises:
        InputError: when there is no such folder.
    """
    files = _Files(sandbox or Sandbox(Path(folder)))
    source = f"files in {files.sandbox.folder}"
    read = as_tool(files.read, name="read_from_text_file", source=source)
    return read, as_tool(files.append, name="append_to_text_file", source=source)


class _Files:
    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self._writing = threading.Lock()

    def read(
        self,
        filename: str,
        line_start: Annotated[int, {"minimum": 1}] = 1,
        num_lines: Annotated[int, {"minimum": 1, "maximum": MOST_LINES}] = USUAL_LINES,
    ) -> str:
        """Read lines of a text file.

        Args:
            filename: The file's name.
            line_start: The first line to read; lines are counted from 1.
            num_lines: How many lines to read.
        """
        lines = _lines(filename, self._bytes(filename))
        shown = lines[line_start - 1 : line_start - 1 + num_lines]
        if not shown:
            raise InputError(f"{filename!r} has {len(lines)} lines, and none at {line_start}")
        head = f"[{filename}, lines {line_start} to {line_start - 1 + len(shown)} of {len(lines)}]"
        return "\n".join([head, *(_cut(line) for line in shown)])

    def append(self, filename: str, content: str) -> str:
        """Write a line, or several, at the end of a text file; the file is made when there is none.

        Args:
            filename: The file's name.
            content: What to write.
        """
        if len(content) > MOST_CONTENT_CHARS:
            raise InputError(
                f"the content has {len(content)} characters", hint=f"at most {MOST_CONTENT_CHARS}"
            )
        try:
            data = (content if content.endswith("\n") else content + "\n").encode()
        except UnicodeEncodeError as error:
            raise InputError(f"the content has half a character at {error.start}") from error
        with self._writing:
            file = self.sandbox.open(filename, os.O_RDWR | os.O_CREAT | os.O_APPEND)
            try:
                _append(filename, file, data)
            finally:
                os.close(file)
        return "OK"

    def _bytes(self, filename: str) -> bytes:
        file = self.sandbox.open(filename, os.O_RDONLY)
        with os.fdopen(file, "rb") as opened:
            data = opened.read(MOST_FILE_BYTES + 1)
        if len(data) > MOST_FILE_BYTES:
            raise InputError(f"{filename!r} has more than {MOST_FILE_BYTES} bytes")
        return data


def _append(filename: str, file: int, data: bytes) -> None:
    """Write all of it or nothing, on a line of its own."""
    size = os.fstat(file).st_size
    if size + len(data) > MOST_FILE_BYTES:
        raise InputError(f"{filename!r} would have more than {MOST_FILE_BYTES} bytes")
    if size:
        os.lseek(file, size - 1, os.SEEK_SET)
        data = data if os.read(file, 1) == b"\n" else b"\n" + data
    try:
        left = data
        while left:
            left = left[os.write(file, left) :]
    except OSError as error:
        os.ftruncate(file, size)
        raise InputError(f"{filename!r} cannot be written: {error.strerror}") from error


def _lines(filename: str, data: bytes) -> list[str]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{filename!r} is no text in UTF-8: byte {data[error.start]:#04x} at {error.start}"
        ) from error
    return text.replace("\r\n", "\n").removesuffix("\n").split("\n") if text else []


def _cut(line: str) -> str:
    left_out = len(line) - MOST_LINE_CHARS
    return line if left_out <= 0 else f"{line[:MOST_LINE_CHARS]}… ({left_out} more)"
