"""Recognisers: does a schema, as an engine is given it, accept a text? No model is needed.

What is asked is the grammar that this package writes for the engine: `llguidance` itself reads it, and for
GBNF a recogniser of our own. Here a schema means what JSON Schema says it means: objects are open unless
they are closed, and nothing is bounded that the schema does not bound. A model is held more tightly (see
`Bounds`).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Literal, Protocol, cast, get_args

from bridle.errors import GrammarError, InputError, MissingExtra, SchemaError
from bridle.grammars.gbnf import to_gbnf
from bridle.grammars.gbnf_matching import GbnfMatcher
from bridle.grammars.ir import OpenGrammar
from bridle.grammars.lark import to_lark
from bridle.grammars.lint import check_gbnf
from bridle.grammars.open_schema import open_grammar
from bridle.grammars.profiles import Profile, report_of
from bridle.grammars.report import Entry, Report
from bridle.grammars.schema_cases import Impossible
from bridle.grammars.schema_keywords import check_schema, restricting
from bridle.messages import JSON

__all__ = ["Acceptor", "Target", "acceptor", "enforcement"]

Target = Literal["llguidance", "gbnf"]


class _Recogniser(Protocol):
    def matches(self, text: str) -> bool:
        """Tell whether the whole text is a sentence."""
        ...


class Acceptor:
    """Accepts the JSON texts that a schema allows, as one engine is told to."""

    def __init__(self, recogniser: _Recogniser, report: Report) -> None:
        self._recogniser = recogniser
        self.report = report

    def accepts(self, text: str) -> bool:
        """Tell whether a text is accepted.

        It must be one JSON value as `json.dumps(value, ensure_ascii=False)` writes it; the same value with
        other blanks or escapes is not accepted.
        """
        try:
            text.encode()
        except UnicodeEncodeError:
            return False  # half a character is no text
        return self._recogniser.matches(text)


def acceptor(schema: Mapping[str, JSON] | bool, target: Target = "llguidance") -> Acceptor:
    """Return what recognises the JSON texts of a schema, with a report of what is not held.

    Raises:
        SchemaError: for a schema that is invalid, or that the target refuses; it names the place.
        InputError: for an unknown target.
        MissingExtra: when llguidance is asked for and not installed.

    >>> acceptor({"type": "array", "items": {"minimum": 3}}, "gbnf").accepts("[3, 5.5]")
    True
    """
    if target not in ("llguidance", "gbnf"):
        raise InputError(f"the target is {target!r}", hint="use 'llguidance' or 'gbnf'")
    weakened: dict[Entry, None] = {}
    try:
        grammar = open_grammar(schema, lambda pointer, keyword, _: weakened.setdefault((pointer, keyword)))
    except Impossible:
        return Acceptor(_Nothing(), _report(schema, target, {}))
    report = _report(schema, target, weakened)
    try:
        recogniser: _Recogniser = _Gbnf(grammar) if target == "gbnf" else _Llguidance(grammar)
    except GrammarError as error:
        raise SchemaError(
            f"the schema cannot be held by {target}: {error.message}",
            hint="simplify the schema",
            target=target,
        ) from error
    return Acceptor(recogniser, report)


def enforcement(schema: Mapping[str, JSON] | bool, target: Target | Profile = "llguidance") -> Report:
    """Return for each keyword that restricts whether it is enforced, weakened or refused.

    The target is an engine, or a profile of JSON Schema (`to_json_schema`). What is weakened is checked by
    jsonschema after an answer is read.

    Raises:
        SchemaError: for an invalid schema.
        InputError: for an unknown target.

    >>> enforcement({"type": "string", "minLength": 2}).enforced
    (('', 'type'), ('', 'minLength'))
    """
    if target in get_args(Profile):
        return report_of(schema, cast("Profile", target))
    check_schema(schema)
    try:
        return acceptor(schema, cast("Target", target)).report
    except SchemaError as error:
        entries = restricting(schema)
        blamed = _blamed(entries, error.pointer)
        return Report(target, tuple(entry for entry in entries if entry not in blamed), (), tuple(blamed))


def _blamed(entries: list[Entry], pointer: str) -> list[Entry]:
    """Return the keywords at the place of an error; all of the nearest schema when it names none."""
    exact = [entry for entry in entries if f"{entry[0]}/{entry[1]}" == pointer]
    return exact or [entry for entry in entries if entry[0] == pointer] or entries[:1]


def _report(schema: Mapping[str, JSON] | bool, target: str, weakened: Mapping[Entry, None]) -> Report:
    entries = restricting(schema)
    enforced = tuple(entry for entry in entries if entry not in weakened)
    return Report(target, enforced, tuple(weakened))


class _Nothing:
    """What recognises a schema that nothing satisfies."""

    def matches(self, text: str) -> bool:
        return False


class _Gbnf:
    def __init__(self, grammar: OpenGrammar) -> None:
        text = to_gbnf(grammar)
        check_gbnf(text)
        self._matcher = GbnfMatcher(text)

    def matches(self, text: str) -> bool:
        return self._matcher.matches(text)


class _Llguidance:
    """Feeds llguidance one byte after the other, as if each were a token."""

    def __init__(self, grammar: OpenGrammar) -> None:
        tokenizer = _bytes_as_tokens()
        make = _llguidance().LLMatcher
        self._start = make(tokenizer, make.grammar_from_lark(to_lark(grammar)), log_level=0)
        if self._start.is_error():
            raise GrammarError(f"llguidance: {self._start.get_error()[:300]}", hint="simplify the schema")

    def matches(self, text: str) -> bool:
        matcher = self._start.deep_copy()
        wanted = list(text.encode())
        taken = matcher.try_consume_tokens(wanted)
        return taken == len(wanted) and not matcher.is_error() and matcher.is_accepting()


class _Matcher(Protocol):
    """An `LLMatcher` of llguidance, which never raises."""

    def is_error(self) -> bool: ...
    def get_error(self) -> str: ...
    def deep_copy(self) -> _Matcher: ...
    def is_accepting(self) -> bool: ...
    def try_consume_tokens(self, tokens: list[int], /) -> int: ...


class _MakeMatcher(Protocol):
    def __call__(self, tokenizer: object, grammar: str, *, log_level: int) -> _Matcher: ...
    def grammar_from_lark(self, lark: str) -> str: ...


class _Package(Protocol):
    """The part of llguidance that is used here."""

    LLMatcher: _MakeMatcher

    def LLTokenizer(self, wrapper: object, *, slices: list[str]) -> object: ...
    def TokenizerWrapper(self, tokenizer: object) -> object: ...


class _Bytes:
    """A vocabulary of all bytes and one end."""

    eos_token_id = 256
    bos_token_id = None
    tokens = (*(bytes([value]) for value in range(256)), b"<end>")
    special_token_ids = (256,)

    def __call__(self, text: str | bytes) -> list[int]:
        return list(text.encode() if isinstance(text, str) else text)


@lru_cache(maxsize=1)
def _bytes_as_tokens() -> object:
    package = _llguidance()
    return package.LLTokenizer(package.TokenizerWrapper(_Bytes()), slices=[])


def _llguidance() -> _Package:
    try:
        import llguidance
    except ImportError as error:
        raise MissingExtra(
            "llguidance is not installed",
            extra="llama",
            more=", or ask for the target 'gbnf'",
        ) from error
    # Its stubs do not say all that it takes.
    return cast("_Package", llguidance)
