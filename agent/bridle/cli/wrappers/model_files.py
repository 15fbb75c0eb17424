"""What a model's files tell of its prompt: a GGUF, a chat template, or a `tokenizer_config.json`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from bridle.cli.files import load_object, read_text
from bridle.errors import InputError

if TYPE_CHECKING:
    from bridle.messages import JSON

__all__ = ["ModelFacts", "is_lost_path", "is_model_file", "read_model_file"]

TEMPLATES = (".jinja", ".jinja2", ".j2")
NO_MODELS = (".toml", ".yaml", ".yml", ".safetensors")
"""Endings of files that no server calls a model by."""
HF_FILES = ("tokenizer_config.json", "chat_template.jinja")
"""Where Hugging Face's folders keep a chat template: older ones in the first, newer ones in the second."""


def _nothing() -> Mapping[str, JSON]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What was found. `where` says in which file or at which address; what is not known is empty."""

    where: str
    name: str = ""
    template: str = ""
    go_template: str = ""
    bos: str = ""
    eos: str = ""
    metadata: Mapping[str, JSON] = field(default_factory=_nothing)


def is_model_file(name: str) -> bool:
    """Whether a name on the command line means a file of a model, by its ending, or a folder that there is.

    >>> [is_model_file(name) for name in ("a/b.GGUF", "t.jinja", "chatml", "mine.toml")]
    [True, True, False, False]
    """
    suffix = Path(name).suffix.lower()
    folder = os.path.isdir(os.path.expanduser(name))
    return folder or suffix in (".gguf", ".json", *TEMPLATES)


def is_lost_path(name: str) -> bool:
    """Whether a name can only be the path of a file or folder, and there is none.

    A name with a slash may well be a model's: `Qwen/Qwen3-8B`.

    >>> [is_lost_path(name) for name in ("./nowhere", "nowhere/", "mine.toml", "Qwen/Qwen3-8B")]
    [True, True, True, False]
    """
    path = os.path.expanduser(name)
    first = Path(path).parts[0] if os.path.dirname(path) else ""
    meant = (
        name.startswith(("/", "./", "../", "~", ".\\", "..\\"))
        or name.endswith(("/", "\\"))
        or Path(name).suffix.lower() in NO_MODELS
        or (bool(first) and os.path.isdir(first))
    )
    return meant and not os.path.exists(path)


def read_model_file(name: str) -> ModelFacts:
    """Read what a file, or a folder of Hugging Face's kind, tells of its model.

    Raises:
        ModelFileError: for a GGUF that cannot be read.
        InputError: for any other file that cannot be read or tells nothing.
    """
    path = Path(os.path.expanduser(name))
    if path.is_dir():
        inside = next((path / one for one in HF_FILES if (path / one).exists()), None)
        if inside is None:
            raise InputError(
                f"the folder {name!r} holds neither {' nor '.join(HF_FILES)}", hint="name a model's file"
            )
        path = inside
    if path.suffix.lower() == ".gguf":
        return _gguf(path)
    if path.suffix.lower() == ".json":
        return _tokenizer_config(path)
    return ModelFacts(str(path), template=read_text(str(path), "the template"))


def _gguf(path: Path) -> ModelFacts:
    from bridle.endpoints.llamacpp.gguf_header import read_header

    header = read_header(path)
    return ModelFacts(
        str(path),
        header.name or path.stem,
        header.chat_template or "",
        bos=header.bos,
        eos=header.eos,
        metadata={**header.metadata, "tokenizer.ggml.tokens": list(header.special_tokens)},
    )


def _tokenizer_config(path: Path) -> ModelFacts:
    body = load_object(str(path), "the file")
    template = _named_template(body.get("chat_template"))
    beside = path.with_name("chat_template.jinja")
    if not template and beside.exists():
        template = read_text(str(beside), "the template")
    bos, eos = (_token(body.get(f"{one}_token")) for one in ("bos", "eos"))
    if not (template or bos or eos):
        raise InputError(
            f"{str(path)!r} has no chat_template",
            hint="name a tokenizer_config.json, a .jinja or a .gguf file",
        )
    return ModelFacts(str(path), _text(body.get("name_or_path")), template, bos=bos, eos=eos)


def _named_template(value: JSON) -> str:
    """A template, or of a list of named ones that for tools, else the default."""
    if not isinstance(value, list):
        return _text(value)
    named = {_text(one.get("name")): _text(one.get("template")) for one in value if isinstance(one, dict)}
    return named.get("tool_use") or named.get("default") or next(iter(named.values()), "")


def _token(value: JSON) -> str:
    """A token's text; an object with `content` in older files."""
    return _text(value.get("content")) if isinstance(value, dict) else _text(value)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
