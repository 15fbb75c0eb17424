"""How far a tool's parameters are held by a grammar while a model writes a call."""

from __future__ import annotations

from bridle.errors import BridleError, SchemaError
from bridle.grammars import schema_grammar
from bridle.messages import ToolSpec

__all__ = ["not_held"]


def not_held(spec: ToolSpec) -> tuple[str, ...]:
    """List what of a tool's schema no grammar holds while a model writes, as `POINTER KEYWORD`.

    All of it is checked before the tool is called. Where an object may have any members, a grammar cannot
    keep a key from being written twice; that is left out here, since the last value counts.

    Raises:
        SchemaError: for a schema that is none, or that nothing satisfies.

    >>> not_held(ToolSpec("f", "", {"type": "object", "properties": {"a": {"type": "integer"}}}))
    ()
    """
    try:
        weakened = schema_grammar({"type": "object", **spec.parameters}, loosen=True).weakened
    except BridleError as error:
        raise SchemaError(f"the schema of {spec.name} cannot be held: {error.message}") from error
    return tuple(entry for entry in weakened if not entry.endswith(" additionalProperties"))
