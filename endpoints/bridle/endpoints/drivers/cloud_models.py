"""What is known about OpenAI's models beforehand: their windows, and what the reasoning ones do not take.

The API tells neither, and OpenAI's own pages were not read. Names are those of openai 3.52.0's types
(`ChatModel`); that reasoning models take no `max_tokens` and no stop strings stands in those of 2.54.0. The
windows of gpt-5 and later are LiteLLM's (model_prices_and_context_window.json, mid 2026, input and output
together), those of earlier models as Microsoft's azure-ai-docs (2025) and other projects have them; where
tables disagree, as for the smaller gpt-5.4, it is unknown. Efforts, and who takes sampling, are as users
measured them (https://community.openai.com/t/1371738 and /t/1110750). A model that is not in the table is
asked as a usual one; what it refuses is learned from its first refusal, see
`bridle.endpoints.drivers.cloud_endpoint`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["FAMILIES", "UNKNOWN", "Family", "family_of"]

SystemRole = Literal["system", "developer", "user"]
"""Under which role a model takes instructions."""


@dataclass(frozen=True, slots=True)
class Family:
    """Models whose names begin alike. `window` counts the tokens of prompt and answer, None if not known.

    A `reasons` model takes no sampling fields, no stop strings and no limit but `max_completion_tokens`;
    `efforts` are the values of `reasoning_effort` from the least, and `rests` says that it thinks only when
    asked to. `schema` says whether answers can be held to a JSON Schema, `tools` whether there are native
    tools, `one_call` whether it can be told to make one call at most.
    """

    names: tuple[str, ...]
    window: int | None
    reasons: bool = False
    efforts: tuple[str, ...] = ()
    rests: bool = False
    system: SystemRole = "system"
    schema: bool = True
    tools: bool = True
    one_call: bool = True
    embeds: bool = False


UNKNOWN = Family((), None)
"""What is assumed of a model that is not in the table."""

_O = ("low", "medium", "high")
_MORE = (*_O, "xhigh")
_GPT_5 = ("minimal", *_O)
_GPT_5_1 = ("none", *_O)
_GPT_5_2 = ("none", *_MORE)

FAMILIES: tuple[Family, ...] = (
    Family(("gpt-3.5-turbo", "gpt-35-turbo"), 16_385, schema=False),
    Family(("gpt-4",), 8_192, schema=False),
    Family(("gpt-4-32k",), 32_768, schema=False),
    Family(("gpt-4-turbo", "gpt-4-1106", "gpt-4-0125", "gpt-4-vision"), 128_000, schema=False),
    Family(("gpt-4o", "gpt-4o-mini", "gpt-4.5-preview"), 128_000),
    Family(("gpt-4o-2024-05-13", "chatgpt-4o"), 128_000, schema=False),
    Family(("gpt-4.1", "gpt-4.1-mini", "gpt-4.1-nano"), 1_047_576),
    Family(
        ("o1-mini", "o1-preview"), 128_000, reasons=True, system="user", schema=False, tools=False,
        one_call=False,
    ),
    Family(
        ("o1", "o1-pro", "o3", "o3-mini", "o3-pro", "o4-mini"), 200_000, reasons=True, efforts=_O,
        system="developer", one_call=False,
    ),
    Family(("gpt-5-chat",), 128_000, tools=False),
    Family(
        ("gpt-5.1-chat", "gpt-5.2-chat", "gpt-5.3-chat"), 128_000, reasons=True, efforts=("medium",),
        system="developer",
    ),
    Family(("gpt-5", "gpt-5-mini", "gpt-5-nano"), 400_000, reasons=True, efforts=_GPT_5, system="developer"),
    Family(("gpt-5-pro",), 400_000, reasons=True, efforts=("high",), system="developer"),
    Family(("gpt-5-codex", "gpt-5.1-codex"), 400_000, reasons=True, efforts=_O, system="developer"),
    Family(
        ("gpt-5.1-codex-max", "gpt-5.2-codex", "gpt-5.3-codex"), 400_000, reasons=True, efforts=_MORE,
        system="developer",
    ),
    Family(("gpt-5.1",), 400_000, reasons=True, efforts=_GPT_5_1, rests=True, system="developer"),
    Family(("gpt-5.2",), 400_000, reasons=True, efforts=_GPT_5_2, rests=True, system="developer"),
    Family(("gpt-5.2-pro",), 400_000, reasons=True, efforts=_MORE[1:], system="developer"),
    Family(("gpt-5.4",), 1_050_000, reasons=True, efforts=_GPT_5_2, rests=True, system="developer"),
    Family(
        ("gpt-5.3", "gpt-5.4-mini", "gpt-5.4-nano", "gpt-5.4-pro", "gpt-5.5", "gpt-5.6"), None, reasons=True,
        efforts=_GPT_5_2, rests=True, system="developer",
    ),
    Family(("text-embedding-3-small", "text-embedding-3-large", "text-embedding-ada-002"), 8_192,
           schema=False, tools=False, embeds=True),
)  # fmt: skip


def family_of(model: str) -> Family:
    """Find the family with the longest name that a model's name begins with; `UNKNOWN` when there is none.

    >>> family_of("gpt-4o-mini-2024-07-18").window, family_of("ft:gpt-4.1:me::x").window
    (128000, 1047576)
    >>> family_of("my-deployment").window is None
    True
    """
    plain = model.lower().removeprefix("ft:").replace(":", "-")
    named = [(name, family) for family in FAMILIES for name in family.names if _begins(plain, name)]
    return max(named, key=lambda found: len(found[0]), default=("", UNKNOWN))[1]


def _begins(model: str, name: str) -> bool:
    return model == name or model.startswith(f"{name}-")
