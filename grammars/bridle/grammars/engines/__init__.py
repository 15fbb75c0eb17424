"""Engines hold a grammar while a model writes: llguidance, and llama.cpp's own sampler where that is missing.

Both need the extra `llama`; import `LlguidanceEngine` or `GbnfEngine` from their modules, so that nothing
heavy is loaded before it is used.
"""

from __future__ import annotations

from bridle.grammars.engines.base import Engine, FloatArray, Matcher

__all__ = ["Engine", "FloatArray", "Matcher"]
