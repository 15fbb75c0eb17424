"""What watches a chat template from inside while it runs.

`Watch` puts filters of ours around everything in a template's syntax tree that repeats or builds values, and
`watched_filters` does the same with Jinja's own filters. What may be spent is said in `template_limits`.
"""

from __future__ import annotations

import json
import types
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from itertools import islice
from typing import Any, cast

from jinja2 import nodes
from jinja2.exceptions import SecurityError, TemplateSyntaxError
from jinja2.filters import FILTERS
from jinja2.runtime import Context
from jinja2.tests import TESTS
from jinja2.utils import pass_context
from jinja2.visitor import NodeTransformer

from bridle.wrappers.template_limits import FILTER_CHECKS, Queue, budget, check_bits, check_percent

__all__ = [
    "Watch",
    "check_append",
    "check_operands",
    "finalize",
    "join_pieces",
    "to_json",
    "watched_filters",
    "watched_tests",
]

_UNUSED = (
    nodes.Block, nodes.Extends, nodes.Include, nodes.Import, nodes.FromImport, nodes.EvalContextModifier,
)  # fmt: skip
"""Nodes that need other files or change how text is escaped; no chat template has them."""
_EACH, _STEP, _LOOK, _MADE = "bridle each", "bridle step", "bridle look", "bridle made"
_CONCAT, _QUEUE = "bridle concat", "bridle queue"
"""Names of our own filters; with a blank, so that no template can name them."""

_SIZED = (str, list, tuple, dict)
_ROWS = (str, list, tuple)
_PLAIN_TESTS = (
    "boolean", "defined", "divisibleby", "even", "false", "float", "integer", "iterable", "mapping", "none",
    "number", "odd", "sameas", "sequence", "string", "true", "undefined",
)  # fmt: skip
_COMPARING_TESTS = (
    "!=", "<", "<=", "==", ">", ">=", "eq", "equalto", "ge", "greaterthan", "gt", "in", "le", "lessthan",
    "lt", "ne",
)  # fmt: skip


class Watch(NodeTransformer):
    """Puts our filters around everything in a template that repeats or builds."""

    def __init__(self, appends: bool) -> None:
        self._appends = appends

    def visit(self, node: nodes.Node, *args: Any, **kwargs: Any) -> Any:
        """Refuse what no chat template needs."""
        if isinstance(node, _UNUSED):
            kind = type(node).__name__.lower()
            raise TemplateSyntaxError(f"chat templates have no {kind!r}", node.lineno)
        return super().visit(node, *args, **kwargs)

    def visit_Const(self, node: nodes.Const) -> nodes.Node:
        if isinstance(node.value, int):
            check_bits(node.value.bit_length())
        return node

    def visit_For(self, node: nodes.For) -> nodes.Node:
        self.generic_visit(node)
        size = sum(1 for part in node.body for _ in part.find_all(nodes.Node))
        node.iter = _around(_EACH, node.iter)
        node.body.insert(0, nodes.ExprStmt(_around(_STEP, nodes.Const(5 + size)), lineno=node.lineno))
        if node.test is not None:
            tested = sum(1 for _ in node.test.find_all(nodes.Node))
            node.test = nodes.And(_around(_STEP, nodes.Const(5 + tested)), node.test, lineno=node.lineno)
        return node

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:
        self.generic_visit(node)
        if any(part.op in ("in", "notin") or not isinstance(part.expr, nodes.Const) for part in node.ops):
            node.expr = _around(_LOOK, node.expr)
        return node

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:
        self.generic_visit(node)
        return _around(_MADE, node) if isinstance(node.arg, nodes.Slice) else node

    def visit_List(self, node: nodes.List) -> nodes.Node:
        if not node.items and self._appends:
            return _around(_QUEUE, nodes.Const(0, lineno=node.lineno))
        return self._literal(node, node.items)

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:
        return self._literal(node, node.items) if node.ctx == "load" else node

    def visit_Dict(self, node: nodes.Dict) -> nodes.Node:
        return self._literal(node, [part for pair in node.items for part in (pair.key, pair.value)])

    def _literal(self, node: nodes.Expr, parts: list[nodes.Expr]) -> nodes.Node:
        self.generic_visit(node)
        return node if all(isinstance(part, nodes.Const) for part in parts) else _around(_MADE, node)

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        self.generic_visit(node)
        return _around(_CONCAT, nodes.List(node.nodes, lineno=node.lineno))


def watched_filters() -> dict[str, Callable[..., Any]]:
    """The filters that a template may use, each watched, and those that `Watch` puts in."""
    return {
        **{name: _watched_filter(FILTERS[name], check) for name, check in FILTER_CHECKS.items()},
        "tojson": _watched_filter(to_json, _check_tojson),
        "from_json": _watched_filter(json.loads, _check_from_json),
        **dict.fromkeys(("e", "escape", "safe"), _watched_filter(str, None)),
        _EACH: _each,
        _STEP: _step,
        _LOOK: _look,
        _MADE: _made,
        _CONCAT: _concat,
        _QUEUE: _queue,
    }


def watched_tests() -> dict[str, Callable[..., bool]]:
    """The tests that a template may use."""
    known = cast("dict[str, Callable[..., bool]]", TESTS)
    plain = {name: known[name] for name in _PLAIN_TESTS}
    return {**plain, **{name: _watched_test(known[name]) for name in _COMPARING_TESTS}}


def _around(name: str, node: nodes.Node) -> nodes.Filter:
    return nodes.Filter(cast("nodes.Expr", node), name, [], [], None, None, lineno=node.lineno)


# What stands in templates as filters. `pass_context` keeps Jinja from running them while it compiles.


@pass_context
def _each(context: Context, value: Any) -> Any:
    budget().spend(20)
    return value


@pass_context
def _step(context: Context, steps: int) -> bool:
    budget().spend(steps)
    return True


@pass_context
def _look(context: Context, value: Any) -> Any:
    budget().spend(_comparing(value))
    return value


@pass_context
def _made(context: Context, value: Any) -> Any:
    return budget().made(value)


@pass_context
def _concat(context: Context, values: list[Any]) -> str:
    texts = [finalize(value) for value in values]
    budget().charge(sum(map(len, texts)))
    return "".join(texts)


@pass_context
def _queue(context: Context, value: object) -> Queue:
    return Queue()


def finalize(value: Any) -> str:
    """The text of a value that is written out."""
    if type(value) is str:
        return value
    text = str(value)
    budget().charge(len(text))
    return text


def _comparing(value: Any) -> int:
    """The steps that a comparison takes: one of two large values takes milliseconds."""
    size = getattr(value, "__len__", None)
    return 20 + (int(size()) >> 6 if size is not None and isinstance(value, _SIZED) else 0)


def _watched_filter(run: Callable[..., Any], check: Callable[..., None] | None) -> Callable[..., Any]:
    first = 1 if hasattr(run, "jinja_pass_arg") else 0

    @wraps(run)
    def watched(*args: Any, **kwargs: Any) -> Any:
        left = budget()
        left.spend(40)
        if check is not None:
            check(args[first], args[first + 1 :], kwargs)
        value = run(*args, **kwargs)
        if isinstance(value, types.GeneratorType):
            generated = cast("types.GeneratorType[Any, None, None]", value)
            value = list(islice(generated, left.largest))
        return left.made(value)

    return watched


def _watched_test(run: Callable[..., bool]) -> Callable[..., bool]:
    def watched(value: Any, *args: Any) -> bool:
        budget().spend(_comparing(value))
        return run(value, *args)

    return watched


def join_pieces(pieces: Iterable[str]) -> str:
    """Join what a macro or a block wrote."""
    held = list(pieces)
    budget().charge(sum(map(len, held)))
    return "".join(held)


def check_operands(operator: str, left: Any, right: Any) -> None:
    """Refuse an operation whose result would be too large, before it is made."""
    if operator == "+":
        if isinstance(left, _ROWS) and isinstance(right, _ROWS):
            budget().fits(len(cast("str", left)) + len(cast("str", right)))
    elif operator == "%":
        if isinstance(left, str):
            check_percent(left, right)
    elif operator == "*":
        for one, other in ((left, right), (right, left)):
            if isinstance(one, _ROWS) and isinstance(other, int):
                budget().fits((len(cast("str", one)) + 1) * other)
        if isinstance(left, int) and isinstance(right, int):
            check_bits(left.bit_length() + right.bit_length())
    elif isinstance(left, int) and isinstance(right, int) and right > 0:
        check_bits(left.bit_length() * right)


def check_append(queue: Queue, method: str, args: tuple[Any, ...]) -> None:
    """Let a template append only what keeps a queue small."""
    if method != "append" or not args:
        return
    if (isinstance(args[0], str) and len(args[0]) > Queue.ITEM_CHARS) or len(queue) >= Queue.LONGEST:
        raise SecurityError(
            f"it appends more than {Queue.LONGEST} values, or one of more than {Queue.ITEM_CHARS} characters"
        )
    if not isinstance(args[0], str | int | float | None):
        raise SecurityError(f"it appends a {type(args[0]).__name__}; texts and numbers can be appended")


def _check_tojson(value: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
    for one in (*args, *kwargs.values()):
        if isinstance(one, int) and abs(one) > 16:
            raise SecurityError(f"it indents JSON by {one}; 16 is the most")
        if isinstance(one, str | list | tuple) and budget().weigh(one) > 100:
            raise SecurityError("it writes JSON with separators of more than a few characters")
    budget().weigh(value)


def _check_from_json(value: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
    if args or kwargs or not isinstance(value, str):
        raise SecurityError("it reads JSON from what is no text")
    budget().charge(len(value))


def to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | str | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """JSON as transformers writes it: nothing is escaped for HTML, keys keep their order."""
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
        default=_unlisted,
    )


def _unlisted(value: object) -> list[Any]:
    """What filters such as `map` leave, which some templates write as JSON."""
    if isinstance(value, types.GeneratorType):
        return list(cast("types.GeneratorType[Any, None, None]", value))
    raise TypeError(f"a {type(value).__name__} cannot be written as JSON")
