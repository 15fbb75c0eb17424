"""Jinja for chat templates that nobody has read: what transformers offers them, within limits.

`compile_template` turns a template's text into a `Program`, and `Program.write` runs it. Jinja's immutable
sandbox keeps a template from Python's internals. On top of it, only listed filters and methods can be
used, and the compiled template is watched from inside (`template_watch`): each pass through a loop,
each call and each value that is built is counted. Templates of our own are compiled without this watch.
"""

from __future__ import annotations

import json
import math
import types
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, NoReturn, cast

from jinja2 import Template, nodes
from jinja2.exceptions import SecurityError, TemplateSyntaxError
from jinja2.exceptions import TemplateError as JinjaError
from jinja2.ext import Extension
from jinja2.runtime import Context, LoopContext, Macro, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment, SandboxedFormatter
from jinja2.utils import Cycler, Joiner, Namespace

from bridle.errors import TemplateError
from bridle.wrappers.template_limits import (
    DEEPEST_CALL,
    LIST_METHODS,
    STR_METHODS,
    Budget,
    Queue,
    budget,
    check_widths,
    spending,
)
from bridle.wrappers.template_watch import (
    Watch,
    check_append,
    check_operands,
    finalize,
    join_pieces,
    to_json,
    watched_filters,
    watched_tests,
)

__all__ = ["Program", "compile_template"]

LARGEST_SOURCE = 256_000
MOST_NODES = 50_000
"""A long chat template has 2000 parts; to compile this many takes seconds."""
_FAILURES = (
    JinjaError, ArithmeticError, AttributeError, LookupError, MemoryError, RecursionError, SyntaxError,
    TypeError, ValueError,
)  # fmt: skip
"""What a template can end in."""


class _Generation(Extension):
    """The tag by which some templates mark what the model said; it writes nothing by itself."""

    tags = {"generation"}  # noqa: RUF012

    def parse(self, parser: Any) -> list[nodes.Node]:
        """Keep what stands inside."""
        next(parser.stream)
        return cast("list[nodes.Node]", parser.parse_statements(("name:endgeneration",), drop_needle=True))


class _Namespace(Namespace):
    def __repr__(self) -> str:  # Jinja's own writes out what it holds, which may hold itself
        return "<Namespace>"


class _Formatter(SandboxedFormatter):
    def format_field(self, value: Any, format_spec: str) -> str:
        check_widths(format_spec)
        text = cast("str", super().format_field(value, format_spec))
        budget().charge(len(text))
        return text


class _Format:
    """`text.format`, bound to its text and checked field by field."""

    def __init__(self, environment: Any, text: str) -> None:
        self._environment = environment
        self._text = text

    def __call__(self, *args: Any, **kwargs: Any) -> str:
        if len(self._text) > 16_000:
            raise SecurityError("it formats with a text of more than 16000 characters")
        return type(self._text)(_Formatter(self._environment).vformat(self._text, args, kwargs))


_CALLABLE = (Macro, LoopContext, Cycler, Joiner, _Format, Undefined)
_OPEN = (Macro, LoopContext, Cycler, Namespace, Undefined)
"""Values whose public attributes a template may read."""


class _Trusted(ImmutableSandboxedEnvironment):
    """The environment of templates of our own: what transformers offers, and no more."""

    def __init__(self) -> None:
        super().__init__(
            trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, "jinja2.ext.loopcontrols"]
        )
        functions = cast("dict[str, Any]", self.globals)
        functions |= {"raise_exception": _raise, "strftime_now": _strftime_now}
        self.filters["tojson"] = to_json
        self.filters["from_json"] = json.loads
        # What is called safe for HTML would have all text that is joined to it escaped.
        self.filters |= {"safe": str, "e": str, "escape": str}


class _Watched(_Trusted):
    """The environment of templates that anybody may have written."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self) -> None:
        super().__init__()
        self.filters = watched_filters()
        self.tests = cast("dict[str, Any]", watched_tests())
        vars(self)["concat"] = join_pieces
        self.globals["namespace"] = _Namespace
        self.globals.pop("lipsum")
        self._known = {id(value) for value in self.globals.values()}
        self.finalize = finalize

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        if sum(1 for _ in tree.find_all(nodes.Node)) > MOST_NODES:
            raise SecurityError(f"it has more than {MOST_NODES} parts")
        return cast("nodes.Template", Watch(".append" in source).visit(tree))

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Only methods that are listed, and the public attributes of Jinja's own helpers."""
        if isinstance(obj, str):
            return attr in STR_METHODS
        if isinstance(obj, Queue) and attr in ("append", "pop"):
            return True
        if isinstance(obj, list | tuple):
            return attr in LIST_METHODS
        if isinstance(obj, dict):
            return attr in ("get", "items", "keys", "values", "copy")
        return isinstance(obj, _OPEN) and super().is_safe_attribute(obj, attr, value)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Look up a key; to take the hash of a long tuple takes milliseconds."""
        key: object = argument
        if isinstance(key, tuple):
            budget().spend(1000)
        return super().getitem(obj, argument)

    def unsafe_undefined(self, obj: Any, attribute: str) -> NoReturn:
        """Stop at once; Jinja would write nothing and go on."""
        raise SecurityError(f"it reads the attribute {attribute!r} of a {type(obj).__name__}")

    def wrap_str_format(self, value: Any) -> Any:
        """Put our own formatter in the place of `text.format`."""
        owner = getattr(value, "__self__", None)
        bound = isinstance(value, types.MethodType | types.BuiltinMethodType)
        if bound and isinstance(owner, str) and value.__name__ == "format":
            return _Format(self, owner)
        return None

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Refuse what would be too large before it is made."""
        check_operands(operator, left, right)
        return budget().made(super().call_binop(context, operator, left, right))

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        """Call a macro, a method that is listed, or one of the functions that templates are given."""
        left = budget()
        left.spend(20)
        left.charge_items(len(args) + len(kwargs))
        owner = getattr(__obj, "__self__", None)
        if isinstance(owner, str):
            STR_METHODS[__obj.__name__](owner, args, kwargs)
        elif isinstance(owner, Queue):
            check_append(owner, __obj.__name__, args)
        elif not (
            isinstance(__obj, _CALLABLE)
            or isinstance(owner, list | tuple | dict | LoopContext | Cycler)
            or id(__obj) in __self._known
        ):
            raise SecurityError(f"it calls a {type(__obj).__name__}")
        left.depth += 1
        if left.depth > DEEPEST_CALL:
            raise SecurityError(f"its calls are nested more than {DEEPEST_CALL} deep")
        result = left.made(__context.call(cast("Any", __obj), *args, **kwargs))
        left.depth -= 1
        return result


def _strftime_now(form: str) -> str:
    if len(form) > 100:
        raise SecurityError("it writes the time in more than 100 characters")
    return datetime.now().strftime(form)


class _Said(JinjaError):
    """A template's own complaint about a conversation."""


def _raise(message: object = "") -> None:
    raise _Said(str(message)[:500])


_trusted = lru_cache(maxsize=1)(_Trusted)
_watched = lru_cache(maxsize=1)(_Watched)


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled template. `write` may be called from several threads."""

    name: str
    template: Template
    watched: bool

    def write(self, values: Mapping[str, object], input_chars: int = 0, until: float = math.inf) -> str:
        """Run the template with these variables; `input_chars` is about how much text they hold.

        It is stopped when this thread's processor time is `until`, or its own time is over.

        Raises:
            TemplateError: when the template fails, refuses the conversation, or does more than it may.
        """
        pieces: list[str] = []
        with spending(Budget(input_chars, until)) as left:
            try:
                total = 0
                for piece in self.template.root_render_func(self.template.new_context(dict(values))):
                    pieces.append(piece)
                    total += len(piece)
                    if self.watched:
                        left.fits(total)
            except _FAILURES as error:
                raise _failure(error, self.name, self.template) from error
        return "".join(pieces)


@lru_cache(maxsize=64)
def compile_template(source: str, name: str, trusted: bool = False) -> Program:
    """Compile a chat template once.

    Raises:
        TemplateError: for a text that is no template, or is too long to be one.
    """
    if len(source) > LARGEST_SOURCE:
        raise TemplateError(
            f"the chat template of {name} has {len(source)} characters",
            hint=f"{LARGEST_SOURCE} are the most; is this a template?",
            name=name,
        )
    environment = _trusted() if trusted else _watched()
    with spending(Budget()):
        try:
            return Program(name, environment.from_string(source), not trusted)
        except _FAILURES as error:
            raise _failure(error, name, None) from error


def _failure(error: BaseException, name: str, template: Template | None) -> TemplateError:
    """Say which template failed, where, and of what."""
    line = error.lineno if isinstance(error, TemplateSyntaxError) else _line(error, template)
    place = f", line {line}" if line else ""
    hint = "choose a format by name instead (`bridle wrappers list`)"
    if isinstance(error, _Said):
        return TemplateError(
            f"the chat template of {name}{place} refuses this conversation: {error}",
            hint=hint, name=name, line=line,
        )  # fmt: skip
    if isinstance(error, RecursionError):
        cause = "it calls itself without end"
    elif isinstance(error, MemoryError):
        cause = "it needs more memory than there is"
    elif isinstance(error, JinjaError):
        cause = str(error)[:500]
    else:
        cause = f"{type(error).__name__}: {str(error)[:500]}"
    what = "cannot be used" if isinstance(error, SecurityError) else "fails" if template else "cannot be read"
    return TemplateError(
        f"the chat template of {name}{place} {what}: {cause}", hint=hint, name=name, line=line
    )


def _line(error: BaseException, template: Template | None) -> int:
    """The line of the template that an error comes from; 0 when there is none."""
    line, trace = 0, error.__traceback__
    if template is None:
        return 0
    while trace is not None:
        owner: object = trace.tb_frame.f_globals.get("__jinja_template__")
        if owner is template:
            line = template.get_corresponding_lineno(trace.tb_lineno)
        trace = trace.tb_next
    return line
