"""Which format a model wants: by its chat template, what its file says about itself, or its name.

`detect` looks in this order, and says what it saw. A chat template decides unless other formats divide turns
by the same marks; then a name may. Names are compared word by word: `llamafile` is no `llama`, and sizes and
quantisations are nobody's name. Nothing here decides for a user: the result has a confidence and evidence,
and a wrapper that is named is always taken as named.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bridle.errors import FormatError
from bridle.wrappers.families import (
    ARCHITECTURES,
    KIN,
    NAMES,
    NEAREST,
    TEMPLATE_RULES,
    TOKENIZERS,
)
from bridle.wrappers.registry import format_files

__all__ = ["DEFAULT", "UNKNOWN", "Detection", "detect", "words"]

DEFAULT = "chatml"
UNKNOWN = 0.1
"""The confidence of a guess that nothing speaks for."""
_SURE = 0.75
"""A template that says so much is not overruled by a name."""
_NAME_KEYS = ("general.name", "general.basename", "general.finetune", "general.base_model.0.name")
_WORD = re.compile(r"\d+(?:\.\d+)*|[^\W\d_]+")
_QUANTISATION = re.compile(
    r"(?<![a-z0-9])(?:i?q\d+(?:_[a-z0-9]+)*|(?:bf|fp|f)\d+|awq|gptq|gguf|ggml|mlx|\d+bit)(?![a-z0-9])"
)


_RULED = {rule.format for rule in TEMPLATE_RULES} | {"dolphin", "dolphin-2.1-mistral-7b", "zephyr-7B"}
"""The formats that the rules tell apart, and those that only a name does."""


@dataclass(frozen=True, slots=True)
class Detection:
    """A format's name, how sure that is (0 to 1), and what was seen, in words."""

    format: str
    confidence: float
    evidence: tuple[str, ...]

    @property
    def reason(self) -> str:
        """The evidence as one sentence."""
        return "; ".join(self.evidence)


@dataclass(frozen=True, slots=True)
class _Hint:
    format: str
    confidence: float
    says: str


def detect(
    template: str | None = None,
    *,
    metadata: Mapping[str, object] | None = None,
    name: str | None = None,
    go_template: str | None = None,
) -> Detection:
    """Find the format for a model by what is known of it.

    `template` is a chat template in Jinja, `go_template` one of Ollama's, `metadata` what a GGUF holds,
    `name` what a server or a file calls the model. Always gives a format that there is: the nearest one, or
    `chatml` with a confidence of 0.1 when nothing is known.

    >>> detect("{{ '<|start_header_id|>' }}{{ '<|eot_id|>' }}").format
    'llama3'
    >>> detect(name="llamafile").confidence
    0.1
    """
    held = metadata or {}
    given = template or _text(held, "tokenizer.chat_template")
    named = _by_names(held, name)
    hints: list[_Hint] = []
    unknown: list[str] = []
    for text, what in ((given, "the model's chat template"), (go_template, "Ollama's template of the model")):
        if text and (seen := _by_template(text, what)):
            hints.append(_refined(seen, named))
        elif text:
            unknown.append(f"{what} is of no known format")
    hints += [*named, *_by_metadata(held)]
    if not hints:
        unknown = unknown or ["nothing is known of the model"]
        return _existing(_Hint(DEFAULT, UNKNOWN, f"{unknown[0]}; {DEFAULT} is the default"))
    if unknown:
        # The file's own template is stronger evidence against a family than a name is for it.
        hints = [_Hint(one.format, min(one.confidence, 0.3), one.says) for one in hints]
    best = hints[0] if given or go_template else max(hints, key=lambda one: one.confidence)
    return _existing(best, unknown)


def words(name: str) -> tuple[str, ...]:
    """Cut a model's name into words and numbers, in small letters, without quantisations.

    >>> words("Qwen/Qwen2.5-7B-Instruct-Q4_K_M.gguf")
    ('qwen', 'qwen', '2.5', '7', 'b', 'instruct')
    """
    return tuple(_WORD.findall(_QUANTISATION.sub(" ", name.lower())))


def _by_template(text: str, what: str) -> _Hint | None:
    rule = next(
        (one for one in TEMPLATE_RULES if _all_in(one.marks, text) and not _any_in(one.lacks, text)), None
    )
    own = next(((form, marks) for form, marks in _own_marks() if _all_in(marks, text)), None)
    if own and (rule is None or rule.confidence < _SURE or len(own[1]) >= len(rule.marks)):
        return _Hint(own[0], 0.95, f"{what} contains {', '.join(own[1])}")
    return (
        None
        if rule is None
        else _Hint(rule.format, rule.confidence, f"{what} contains {', '.join(rule.marks)}")
    )


def _all_in(marks: Sequence[str], text: str) -> bool:
    return all(mark in text for mark in marks)


def _any_in(marks: Sequence[str], text: str) -> bool:
    return any(mark in text for mark in marks)


def _own_marks() -> list[tuple[str, tuple[str, ...]]]:
    """The marks of formats that no rule is of: a user's, a package's. Those with most marks come first."""
    found: list[tuple[str, tuple[str, ...]]] = []
    for file in format_files().values():
        if file.origin == "bridle" and file.name in _RULED:
            continue
        try:
            marks = file.load().detect
        except FormatError:
            continue  # a bad file is refused when its format is asked for; it must not stop a detection
        if marks:
            found.append((file.name, marks))
    return sorted(found, key=lambda one: -len(one[1]))


def _refined(seen: _Hint, named: Sequence[_Hint]) -> _Hint:
    """Let a name decide between formats whose turns look the same."""
    if seen.confidence >= _SURE:
        return seen
    for one in named:
        if one.format == seen.format:
            return _Hint(one.format, 0.85, f"{seen.says}; {one.says}")
        if any({one.format, seen.format} <= kin for kin in KIN):
            return _Hint(one.format, 0.75, f"{seen.says}, as other formats do; {one.says}")
    return seen


def _by_names(metadata: Mapping[str, object], name: str | None) -> list[_Hint]:
    texts = [(_text(metadata, key), f"the model file's {key}") for key in _NAME_KEYS]
    texts.append((name or "", "the model's name"))
    found: list[_Hint] = []
    for text, what in texts:
        pattern_format = _named(words(text)) if text else None
        if pattern_format:
            pattern, form = pattern_format
            found.append(
                _Hint(form, 0.65, f"{what}, {text!r}, has the words {pattern.replace(' * ', ' … ')!r}")
            )
    return found


def _named(cut: tuple[str, ...]) -> tuple[str, str] | None:
    return next(((pattern, form) for pattern, form in NAMES if _contains(cut, pattern.split())), None)


def _contains(cut: Sequence[str], pattern: Sequence[str]) -> bool:
    """Do these words hold the pattern's, in a row; a `*` in it may stand for any words?"""
    return any(_begins(cut[start:], pattern) for start in range(len(cut)))


def _begins(cut: Sequence[str], pattern: Sequence[str]) -> bool:
    if not pattern:
        return True
    if pattern[0] == "*":
        return any(_begins(cut[skip:], pattern[1:]) for skip in range(len(cut) + 1))
    return bool(cut) and _fits(cut[0], pattern[0]) and _begins(cut[1:], pattern[1:])


def _fits(word: str, pattern: str) -> bool:
    return word == pattern or (pattern.isdigit() and word.startswith(f"{pattern}."))


def _by_metadata(metadata: Mapping[str, object]) -> list[_Hint]:
    found: list[_Hint] = []
    for key, table in (("general.architecture", ARCHITECTURES), ("tokenizer.ggml.pre", TOKENIZERS)):
        value = _text(metadata, key)
        if value in table:
            form, confidence = table[value]
            found.append(_Hint(form, confidence, f"the model file's {key} is {value!r}"))
    tokens = metadata.get("tokenizer.ggml.tokens")
    if isinstance(tokens, list | tuple):
        # Each token on a line of its own: a mark must be a token, not a part of one.
        seen = _by_template("\n".join(map(str, tokens)), "the model's vocabulary")  # pyright: ignore[reportUnknownArgumentType]
        if seen:
            found.append(_Hint(seen.format, min(seen.confidence, 0.4), seen.says))
    return found


def _text(metadata: Mapping[str, object], key: str) -> str:
    value = metadata.get(key)
    return value if isinstance(value, str) else ""


def _existing(hint: _Hint, before: Sequence[str] = ()) -> Detection:
    """The format of the hint, or the nearest that there is."""
    known = _known()
    evidence = (*before, hint.says)
    if hint.format in known:
        return Detection(hint.format, hint.confidence, evidence)
    nearest = next((one for one in (*NEAREST.get(hint.format, ()), DEFAULT) if one in known), DEFAULT)
    return Detection(
        nearest,
        min(hint.confidence, 0.4),
        (*evidence, f"there is no format {hint.format!r}, {nearest!r} is the nearest"),
    )


def _known() -> frozenset[str]:
    return frozenset(format_files())
