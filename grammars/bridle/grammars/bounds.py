"""How long the parts of an answer may become where a schema sets no limit of its own.

A model that is held by a grammar without limits can write blanks, digits or list items for ever. With these
every sentence has an end. A schema's own limit wins over `string_chars` and `array_items`, up to the two
`declared_*` limits.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from bridle.errors import InputError

__all__ = ["DEFAULT_BOUNDS", "Bounds"]


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits per value, in characters (code points before JSON's escapes), digits, items, or levels.

    | field | limits |
    |---|---|
    | `string_chars` | a string without `maxLength` |
    | `declared_chars` | a string with `maxLength` |
    | `thoughts_chars` | the inner thoughts of one call |
    | `thinking_chars` | thinking between marks of its own, before a turn's text or call |
    | `text_chars` | free text of a turn |
    | `key_chars` | the key of a member that no schema names |
    | `integer_digits` | an integer, and a number's digits before the point, without bounds of their own |
    | `fraction_digits` | a number's digits after the point (there are no exponents) |
    | `array_items` | an array without `maxItems` |
    | `declared_items` | an array with `maxItems` |
    | `object_members` | an object whose members no schema names |
    | `depth` | nesting of values without a schema, and how often one `$ref` is followed inside itself |

    Raises:
        InputError: for a limit below zero, or of nothing where something must be written.
    """

    string_chars: int = 400
    declared_chars: int = 4000
    thoughts_chars: int = 240
    thinking_chars: int = 4000
    text_chars: int = 2000
    key_chars: int = 40
    integer_digits: int = 15
    fraction_digits: int = 6
    array_items: int = 16
    declared_items: int = 64
    object_members: int = 8
    depth: int = 4

    def __post_init__(self) -> None:
        for field in fields(self):
            least = 1 if field.name in ("text_chars", "integer_digits") else 0
            value = getattr(self, field.name)
            if not isinstance(value, int) or value < least:
                raise InputError(
                    f"the bound {field.name} is {value!r}", hint=f"give a whole number of at least {least}"
                )


DEFAULT_BOUNDS = Bounds()
