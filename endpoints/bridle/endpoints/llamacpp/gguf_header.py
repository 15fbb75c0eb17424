"""Reading the header of a GGUF file in Python, so that a bad file is named before llama.cpp sees it.

It gives the metadata (architecture, window, chat template) without loading a weight, and knows how long the
file has to be. Arrays are skipped: they hold vocabularies. Format: versions 2 and 3, read November 2026 at
https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bridle.errors import ModelFileError
from bridle.messages import JSON

__all__ = ["GgufHeader", "read_header"]

MAGIC = b"GGUF"
_AGAIN = "copy or download the file again"
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_INT32, _STRING, _ARRAY = 5, 8, 9
_SPECIAL_TYPES = (3, 4)  # control tokens, and those that were added
_DEEPEST_ARRAY = 4
_MOST_DIMENSIONS = 4

_BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 36),
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292),
    16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110),
    22: (256, 82), 23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8),
    29: (256, 56), 30: (1, 2), 34: (256, 54), 35: (256, 66), 39: (32, 17),
}  # fmt: skip
"""Values and bytes per block of each ggml type; a type that is not listed here is not measured."""


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """What a model file says about itself. `size_bytes` is the least size of a file with these tensors.

    `bos` and `eos` are the texts of the tokens that begin and end a text, empty where the file names none;
    `special_tokens` those of all tokens that are control tokens or were added by the model's makers.
    """

    version: int
    n_tensors: int
    size_bytes: int
    metadata: Mapping[str, JSON] = field(default_factory=dict[str, JSON])
    bos: str = ""
    eos: str = ""
    special_tokens: tuple[str, ...] = ()

    @property
    def architecture(self) -> str:
        return self._text("general.architecture")

    @property
    def name(self) -> str:
        """The model's own name; empty when it has none."""
        return self._text("general.name")

    @property
    def chat_template(self) -> str | None:
        return self._text("tokenizer.chat_template") or None

    @property
    def context_tokens(self) -> int | None:
        """The window that the model was trained with."""
        value = self.metadata.get(f"{self.architecture}.context_length")
        return value if isinstance(value, int) and value > 0 else None

    def _text(self, key: str) -> str:
        value = self.metadata.get(key)
        return value if isinstance(value, str) else ""


def read_header(path: str | os.PathLike[str]) -> GgufHeader:
    """Read the header of a model file, and check that the file is as long as the header promises.

    Raises:
        ModelFileError: for a file that is missing, unreadable, of another kind, or cut off.
    """
    file = Path(path)
    if file.is_dir():
        raise _bad(file, "is a directory", "name the .gguf file in it")
    try:
        with file.open("rb") as stream:
            if stream.read(4) != MAGIC:
                raise _bad(file, "is not a GGUF file", "convert the model to GGUF, or name another file")
            with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
                header = _Reader(file, data).header()
                size = len(data)
    except FileNotFoundError as error:
        raise _bad(file, "does not exist", "check the path of the model file") from error
    except OSError as error:
        raise _bad(file, f"cannot be read: {error.strerror}", "check the file's permissions") from error
    if size < header.size_bytes:
        raise _bad(file, f"is cut off: {size} bytes of {header.size_bytes}", _AGAIN)
    return header


def _bad(path: Path, what: str, hint: str, at: int | None = None) -> ModelFileError:
    return ModelFileError(f"model file {str(path)!r} {what}", hint=hint, path=str(path), at=at)


class _Reader:
    """Walks one header from front to back."""

    def __init__(self, path: Path, data: mmap.mmap) -> None:
        self._path = path
        self._data = data
        self._at = len(MAGIC)
        self._tokens = (0, 0)  # where the vocabulary's strings begin, and how many there are
        self._token_types = (0, 0)

    def header(self) -> GgufHeader:
        (version,) = self._unpack("<I")
        if version not in (2, 3):
            swapped = int.from_bytes(int(version).to_bytes(4, "little"), "big")
            what = "is a big-endian GGUF" if swapped in (2, 3) else f"is a GGUF of version {version}"
            raise _bad(self._path, what, "convert the model again with a current llama.cpp")
        n_tensors, n_values = self._unpack("<QQ")
        metadata: dict[str, JSON] = {}
        for _ in range(n_values):
            key = self._string()
            (kind,) = self._unpack("<I")
            if kind == _ARRAY:
                self._skip_array(key)
            else:
                metadata[key] = self._scalar(kind)
        ends = [self._tensor_end() for _ in range(n_tensors)]
        given = metadata.get("general.alignment")
        alignment = given if isinstance(given, int) and given > 0 else 32
        start = -(-self._at // alignment) * alignment
        size = start + max(ends) if ends else self._at
        ends_of_text = [metadata.get(f"tokenizer.ggml.{one}_token_id") for one in ("bos", "eos")]
        special = self._special()
        texts = self._texts({one for one in (*ends_of_text, *special) if isinstance(one, int)})
        bos, eos = (texts.get(one, "") if isinstance(one, int) else "" for one in ends_of_text)
        named = tuple(texts[one] for one in special if one in texts)
        return GgufHeader(version, n_tensors, size, metadata, bos, eos, named)

    def _special(self) -> list[int]:
        """The indexes of the tokens that are no ordinary text."""
        at, count = self._token_types
        if at + 4 * count > len(self._data):  # the file is cut off, and is refused for that
            return []
        kinds = struct.iter_unpack("<i", self._data[at : at + 4 * count])
        return [index for index, (kind,) in enumerate(kinds) if kind in _SPECIAL_TYPES]

    def _texts(self, wanted: set[int]) -> dict[int, str]:
        """The texts of some tokens; an index that the vocabulary does not have is left out."""
        at, count = self._tokens
        read, data = struct.Struct("<Q").unpack_from, self._data
        found: dict[int, str] = {}
        for index in range(min(count, max(wanted, default=-1) + 1)):
            end = at + 8 + read(data, at)[0]
            if index in wanted:
                found[index] = data[at + 8 : end].decode("utf-8", "replace")
            at = end
        return found

    def _unpack(self, form: str) -> tuple[int, ...]:
        try:
            found: tuple[int, ...] = struct.unpack_from(form, self._data, self._at)
        except (struct.error, OverflowError) as error:
            raise _bad(self._path, "is cut off inside its header", _AGAIN, at=self._at) from error
        self._at += struct.calcsize(form)
        return found

    def _string(self) -> str:
        (length,) = self._unpack("<Q")
        if length > len(self._data) - self._at:
            raise _bad(self._path, "is cut off inside its header", _AGAIN, at=self._at)
        raw = self._data[self._at : self._at + length]
        self._at += length
        return raw.decode("utf-8", "replace")

    def _scalar(self, kind: int) -> JSON:
        if kind == _STRING:
            return self._string()
        if kind not in _SCALARS:
            raise _bad(self._path, f"is damaged: its header has a value of type {kind}", _AGAIN, at=self._at)
        (value,) = self._unpack("<" + _SCALARS[kind])
        return value

    def _skip_array(self, key: str = "", depth: int = 1) -> None:
        kind, count = self._unpack("<IQ")
        if kind in _SCALARS:
            if key == "tokenizer.ggml.token_type" and kind == _INT32:
                self._token_types = (self._at, count)
            self._at += struct.calcsize("<" + _SCALARS[kind]) * count
        elif kind == _STRING:
            if key == "tokenizer.ggml.tokens":
                self._tokens = (self._at, count)
            self._skip_strings(count, distinct=key == "tokenizer.ggml.tokens")
        elif kind == _ARRAY and depth < _DEEPEST_ARRAY:
            for _ in range(count):
                self._skip_array(depth=depth + 1)
        else:
            raise _bad(self._path, f"is damaged: its header has an array of type {kind}", _AGAIN, at=self._at)

    def _skip_strings(self, count: int, *, distinct: bool) -> None:
        """Go past `count` strings; refuse equal ones where `distinct` is asked, as llama.cpp aborts then."""
        # A vocabulary has hundreds of thousands of strings: local names make this loop three times as fast.
        read, data, at = struct.Struct("<Q").unpack_from, self._data, self._at
        seen: set[bytes] = set()
        n_empty = 0
        try:
            for _ in range(count):
                end = at + 8 + read(data, at)[0]
                if distinct:
                    seen.add(data[at + 8 : end])
                    n_empty += end == at + 8
                at = end
        except (struct.error, OverflowError) as error:
            raise _bad(self._path, "is cut off inside its header", _AGAIN, at=at) from error
        if distinct and len(seen) + max(n_empty - 1, 0) < count:
            raise _bad(self._path, "is damaged: its vocabulary has the same token twice", _AGAIN, at=at)
        self._at = at

    def _tensor_end(self) -> int:
        """Read one tensor's entry and return where its data ends, counted from the start of all data."""
        self._string()
        (n_dimensions,) = self._unpack("<I")
        if n_dimensions > _MOST_DIMENSIONS:
            raise _bad(self._path, f"is damaged: a tensor has {n_dimensions} dimensions", _AGAIN, at=self._at)
        shape = self._unpack(f"<{n_dimensions}Q")
        kind, offset = self._unpack("<IQ")
        per_block, block_bytes = _BLOCKS.get(kind, (1, 0))
        values = 1
        for extent in shape:
            values *= extent
        return offset + values // per_block * block_bytes
