"""Every error that bridle raises, in one tree. Each carries facts, a hint, and whether trying again helps.

BridleError
├── InputError              what the caller gave is wrong (exit code 2)
│   ├── ConfigError         a config file or a spec of an endpoint
│   ├── FormatError         a prompt format's file, or an unknown wrapper
│   │   └── TemplateError   a chat template, with the line in it
│   ├── SchemaError         a tool's JSON Schema, with the place in it
│   ├── GrammarError        a grammar's text, with the line in it
│   ├── SourceUnreadable    a document, a page or a database that was to be loaded
│   └── BudgetError         fewer tokens than the shortest answer needs
├── EndpointError           talking to a model failed
│   ├── Unreachable         nothing listens there (exit code 3)
│   ├── TimedOut            a server took longer than was allowed
│   ├── BadResponse         a server answered what no such server answers
│   │   ├── StreamTruncated     the stream ended before the answer did; the fact `partial` has what came
│   │   └── ServerCrashed       the connection broke while the server was at work
│   ├── RequestRefused      a server understood the request and declined it
│   │   ├── AuthError           the key is missing, wrong, or not allowed to do this
│   │   ├── RateLimited         too many requests, or the quota is used up
│   │   ├── ServerBusy          it has too much to do, or is still loading its model
│   │   ├── ModelNotFound       it has no such model, or none is loaded
│   │   ├── ConstraintRejected  it does not take the grammar, schema or tools that it was sent
│   │   ├── UnsupportedParameter  it, or its kind, does not know a field that was asked for
│   │   └── ContentFiltered     a filter withheld the prompt or the answer
│   ├── ContextOverflow     prompt and answer do not fit the model's window
│   │   └── PromptTruncated     a server has cut the prompt without a word
│   ├── ModelFileError      a model file is missing, truncated or of another kind
│   └── Cancelled           the caller stopped the generation
├── MissingExtra            an optional dependency is not installed
└── StoreError              the agents' database
    ├── StoreCorrupt        the file is not a sound database
    ├── StoreUnwritable     the home directory or the file cannot be written
    ├── SchemaTooNew        a newer version has written the file
    ├── StaleRevision       another process changed the agent in the meantime
    ├── IndexUnavailable    the index of an archive (Milvus, Postgres, Chroma) cannot be used now
    ├── EmbedderUnavailable what makes embeddings does not answer; text search goes on
    └── EmbedderMismatch    stored vectors are of another embedding model
"""

from __future__ import annotations

__all__ = [
    "AuthError",
    "BadResponse",
    "BridleError",
    "BudgetError",
    "Cancelled",
    "ConfigError",
    "ConstraintRejected",
    "ContentFiltered",
    "ContextOverflow",
    "EmbedderMismatch",
    "EmbedderUnavailable",
    "EndpointError",
    "FormatError",
    "GrammarError",
    "IndexUnavailable",
    "InputError",
    "MissingExtra",
    "ModelFileError",
    "ModelNotFound",
    "PromptTruncated",
    "RateLimited",
    "RequestRefused",
    "SchemaError",
    "SchemaTooNew",
    "ServerBusy",
    "ServerCrashed",
    "SourceUnreadable",
    "StaleRevision",
    "StoreCorrupt",
    "StoreError",
    "StoreUnwritable",
    "StreamTruncated",
    "TemplateError",
    "TimedOut",
    "Unreachable",
    "UnsupportedParameter",
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


class SourceUnreadable(InputError):
    """A document, a page or a database that was to be loaded cannot be read; `source` names it."""

    def __init__(self, message: str, *, source: str = "", hint: str = "", **facts: object) -> None:
        super().__init__(message, hint=hint, retryable=None, source=source, **facts)
        self.source = source


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


class TimedOut(EndpointError):
    """A server took longer than was allowed (facts: `limit`, one of first_byte, idle, total; `seconds`)."""

    exit_code = 3
    retryable = True


class BadResponse(EndpointError):
    """The server's answer is not what this kind of server answers."""


class StreamTruncated(BadResponse):
    """A stream ended before the answer did. `partial` is the text that had come."""

    retryable = True

    def __init__(self, message: str, *, partial: str = "", hint: str = "", **facts: object) -> None:
        super().__init__(message, hint=hint, retryable=None, partial=partial, **facts)
        self.partial = partial


class ServerCrashed(BadResponse):
    """The connection broke while the server was at work, as when its process ends."""


class RequestRefused(EndpointError):
    """The server understood the request and declined it."""


class AuthError(RequestRefused):
    """The key is missing or wrong, or may not do this."""


class RateLimited(RequestRefused):
    """Too many requests (fact: `retry_after_s`), or the quota is used up (then `quota` is true)."""

    retryable = True


class ServerBusy(RequestRefused):
    """The server has too much to do, or is still loading its model (then the fact `loading` is true)."""

    retryable = True


class ModelNotFound(RequestRefused):
    """The server has no model of that name, or none is loaded."""


class ConstraintRejected(RequestRefused):
    """The server does not take the grammar, the schema or the tools that it was sent."""


class UnsupportedParameter(RequestRefused):
    """A field was asked for that the server, or its kind, does not know (fact: `parameter`)."""


class ContentFiltered(RequestRefused):
    """A filter withheld the prompt or the answer (facts: `side`, prompt or answer; `categories`)."""


class ContextOverflow(EndpointError):
    """Prompt plus answer do not fit the model's window (facts: `prompt_tokens`, `context_tokens`)."""


class PromptTruncated(ContextOverflow):
    """A server has answered to less than it was sent (facts as above; `prompt_tokens` is what it counted)."""


class ModelFileError(EndpointError):
    """A model file that is missing, truncated, or not a GGUF."""

    exit_code = 2


class Cancelled(EndpointError):
    """The caller stopped the generation before it was complete."""


class MissingExtra(BridleError):
    """An optional dependency is not installed. The hint says how to install its extra, and what `more`."""

    exit_code = 2

    def __init__(self, message: str, *, extra: str, more: str = "") -> None:
        # Not by the name on PyPI: that one belongs to another project.
        super().__init__(
            message, hint=f"in the folder of bridle: pip install '.[{extra}]'{more}", extra=extra
        )


class StoreError(BridleError):
    """The agents' database could not be used."""


class StoreCorrupt(StoreError):
    """The file is not a sound database of this program."""


class StoreUnwritable(StoreError):
    """The data directory, or the file in it, cannot be read or written."""


class SchemaTooNew(StoreError):
    """A newer version of this program has written the file."""


class StaleRevision(StoreError):
    """Another process changed the agent since its state was read."""

    retryable = True


class IndexUnavailable(StoreError):
    """The index of an archive cannot be used now: it is locked, or its server does not answer.

    Nothing is lost: the text lies in the agents' database, and what the index has not got waits there.
    """

    retryable = True


class EmbedderUnavailable(StoreError):
    """What makes embeddings does not answer; searches go on by text alone."""

    retryable = True


class EmbedderMismatch(StoreError):
    """The stored vectors were made by another embedding model; the message names both."""
