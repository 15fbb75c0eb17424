"""The model that comes along: about three million parameters, made by this project from generated text.

It holds a conversation about what it is told, and calls the memory functions; it knows nothing else. What it
can do, with numbers, is in `MODEL_CARD.md` beside this file; how it was made is in `training/`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from bridle.endpoints.llamacpp import LlamaCpp
from bridle.errors import ModelFileError

__all__ = ["MODEL_PATH", "model_facts", "open_embedded"]

MODEL_PATH = Path(__file__).parent / "bridle-embedded.gguf"
FACTS_PATH = Path(__file__).parent / "model.json"


def open_embedded(*, context_tokens: int | None = None) -> LlamaCpp:
    """Load the embedded model, with its whole window of 2,048 tokens unless told otherwise.

    Raises:
        ModelFileError: when this installation lacks the file.
        MissingExtra: when llama-cpp-python is not installed.
    """
    if not MODEL_PATH.is_file():
        raise ModelFileError(
            f"the embedded model is not where it should be: {str(MODEL_PATH)!r}", hint="install bridle again"
        )
    return LlamaCpp(MODEL_PATH, context_tokens=context_tokens, name="embedded")


def model_facts() -> Mapping[str, object]:
    """What `model.json` says about the shipped file: its hash, size, seed, and the results of its gates."""
    return cast("Mapping[str, object]", json.loads(FACTS_PATH.read_text(encoding="utf-8")))
