"""Models in this process: GGUF files run by llama.cpp, through its low-level interface and our own loop."""

from __future__ import annotations

from bridle.endpoints.llamacpp.endpoint import LlamaCpp
from bridle.endpoints.llamacpp.gguf_header import GgufHeader, read_header

__all__ = ["GgufHeader", "LlamaCpp", "read_header"]
