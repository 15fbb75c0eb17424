"""What text-generation-webui's drivers share: how its loaders read grammars, and its samplers' names.

Read 2026-11 in its source: modules/loaders.py, modules/exllamav3.py and modules/llama_cpp_server.py up to
version 4.7.3, and modules/api/typing.py of that version.
"""

from __future__ import annotations

from bridle.endpoints.base import Request
from bridle.grammars import matches
from bridle.grammars.gbnf_dialects import Dialect

__all__ = ["CHAT_EXTRAS", "EXTRAS", "begins_with_bos", "dialect_of", "needs_text"]

EXTRAS = frozenset(
    {
        *("preset", "dynatemp_low", "dynatemp_high", "dynatemp_exponent", "smoothing_factor"),
        *("smoothing_curve", "typical_p", "xtc_threshold", "xtc_probability", "epsilon_cutoff", "eta_cutoff"),
        *("tfs", "top_a", "top_n_sigma", "adaptive_target", "adaptive_decay", "dry_multiplier"),
        *("dry_allowed_length", "dry_base", "dry_sequence_breakers", "encoder_repetition_penalty"),
        *("no_repeat_ngram_size", "penalty_alpha", "guidance_scale", "negative_prompt", "mirostat_mode"),
        *("mirostat_tau", "mirostat_eta", "prompt_lookup_num_tokens", "max_tokens_second", "do_sample"),
        *("dynamic_temperature", "temperature_last", "ban_eos_token", "add_bos_token", "logit_bias"),
        *("skip_special_tokens", "static_cache", "sampler_priority", "custom_token_bans"),
        *("reasoning_effort", "preserve_thinking"),
    }
)
"""Fields of its own that both routes take; what it does not know it would drop in silence."""
CHAT_EXTRAS = frozenset({"instruction_template", "instruction_template_str"})
"""Fields that only the chat route takes."""

BOS = (
    *("<s>", "<|startoftext|>", "<BOS_TOKEN>", "<bos>", "<|endoftext|>", "<|begin_of_text|>", "[gMASK]"),
    "<｜begin▁of▁sentence｜>",
)
"""How the token at the beginning is written in the vocabularies in use."""

NO_GRAMMAR = frozenset({"ExLlamav3", "ExLlamav2", "ExLlama", "TensorRT-LLM", "ctransformers"})
"""Loaders with a sampler of their own that knows no grammar (modules/exllamav3.py and its kind)."""


def dialect_of(loader: str) -> Dialect | None:
    """Say how a loader reads grammars; None where it reads none. Those of Transformers' kind share a parser.

    What it takes is taken by all others, too, so it is meant where the loader is not known.

    >>> dialect_of("llama.cpp"), dialect_of("ExLlamav3_HF"), dialect_of("ExLlamav3")
    ('llama.cpp', 'webui', None)
    """
    if loader == "llama.cpp":
        return "llama.cpp"
    return None if loader in NO_GRAMMAR else "webui"


def begins_with_bos(request: Request) -> bool:
    """Whether a prompt's own control text begins with the token that the server would put there."""
    first = next((segment for segment in request.prompt if segment.text), None)
    return first is not None and first.control and first.text.startswith(BOS)


def needs_text(request: Request) -> bool:
    """Whether an answer without text breaks the request's grammar; a caller's own is taken to need some."""
    return bool(request.gbnf) or (request.grammar is not None and not matches(request.grammar, ""))
