"""Every error that bridle raises, in one tree. Each carries facts, a hint, and whether trying again helps.

BridleError
├── InputError              what the caller gave is wrong (exit code 2)
│   ├── ConfigError         a config file or a spec of an endpoint
│   ├── FormatError         a prompt format's file, or an unknown wrapper
│   │   └── TemplateError   a chat template, with the line in it
│   ├── SchemaError         a tool's JSON Schema, with the place in it
│   ├── GrammarError        a grammar's text, with the line in it
│   └── BudgetError         fewer tokens than the shortest answer needs
├── EndpointError           talking to a model failed
│   ├── Unreachable         nothing listens there (exit code 3)
│   ├── BadResponse         a server answered what no such server answers
│   ├── RequestRefused      a server understood the request and declined it
│   ├── ContextOverflow     prompt and answer do not fit the model's window
│   ├── ModelFileError      a model file is missing, truncated or of another kind
│   └── Cancelled           the caller stopped the generation
├── MissingExtra            an optional dependency is not installed
└── StoreError              the agents' database
    ├── StoreCorrupt        the file is not a sound database
    └── StoreUnwritable     the home directory or the file cannot be written
"""

from __future__ import annotations

__all__ = [
    "BadResponse",
    "BridleError",
    "BudgetError",
    "Cancelled",
    "ConfigError",
    "ContextOverflow",
    "EndpointError",
    "FormatError",
    "GrammarError",
    "InputError",
    "MissingExtra",
    "ModelFileError",
    "RequestRefused",
    "SchemaError",
    "StoreCorrupt",
    "StoreError",
    "StoreUnwritable",
    "TemplateError",
    "Unreachable",
]


class BridleError(Exception):
    """The root. `message` says what was tried and found; `hint` what to do next; `facts` are its values."""

    exit_code = 1
    retryable = False

    def __init__(
        self, message: str, *, hint: str = "", retryable: bool | None = None, **facts: object
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.facts = facts
        if retryable is not None:
            self.retryable = retryable

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class InputError(BridleError):
    """What the caller gave cannot be used."""

    exit_code = 2


class ConfigError(InputError):
    """A config file, or a spec of an endpoint, that cannot be read."""


class FormatError(InputError):
    """A prompt format that does not exist or whose file is wrong."""


class TemplateError(FormatError):
    """A chat template that cannot be read, or that fails or does too much; `line` is where, 0 for nowhere."""

    def __init__(self, message: str, *, hint: str = "", name: str = "", line: int = 0) -> None:
        super().__init__(message, hint=hint, name=name, line=line)
        self.name = name
        self.line = line


class SchemaError(InputError):
    """A JSON Schema that is invalid or cannot be enforced; `pointer` is the place (RFC 6901)."""

    def __init__(self, message: str, *, pointer: str = "", hint: str = "", **facts: object) -> None:
        super().__init__(message, hint=hint, retryable=None, pointer=pointer, **facts)
        self.pointer = pointer


class GrammarError(InputError):
    """A grammar that would not parse; `line` counts from 1, 0 when no line is to blame."""

    def __init__(self, message: str, *, line: int = 0, hint: str = "", **facts: object) -> None:
        super().__init__(message, hint=hint, retryable=None, line=line, **facts)
        self.line = line


class BudgetError(InputError):
    """The token limit is below what the shortest valid answer needs (both in tokens)."""

    def __init__(self, message: str, *, needed: int, given: int, hint: str = "") -> None:
        super().__init__(message, hint=hint, needed=needed, given=given)
        self.needed = needed
        self.given = given


class EndpointError(BridleError):
    """Talking to a model failed. Facts usually hold `endpoint`, `url`, `status` and `body`."""


class Unreachable(EndpointError):
    """No server answers at that address."""

    exit_code = 3
    retryable = True


class BadResponse(EndpointError):
    """The server's answer is not what this kind of server answers."""


class RequestRefused(EndpointError):
    """The server understood the request and declined it."""


class ContextOverflow(EndpointError):
    """Prompt plus answer do not fit the model's window (facts: `prompt_tokens`, `context_tokens`)."""


class ModelFileError(EndpointError):
    """A model file that is missing, truncated, or not a GGUF."""

    exit_code = 2


class Cancelled(EndpointError):
    """The caller stopped the generation before it was complete."""


class MissingExtra(BridleError):
    """An optional dependency is not installed; the hint names the extra."""

    exit_code = 2


class StoreError(BridleError):
    """The agents' database could not be used."""


class StoreCorrupt(StoreError):
    """The file is not a sound database of this program."""


class StoreUnwritable(StoreError):
    """The data directory, or the file in it, cannot be read or written."""
