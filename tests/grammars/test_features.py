"""The features of JSON Schema, on both targets: nothing is too loose or too strict without a word in the report."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from jsonschema import FormatChecker
from jsonschema.validators import validator_for

from bridle.grammars import acceptor
from bridle.grammars.acceptor import Target
from bridle.grammars.formats import STANDARD_FORMATS
from bridle.messages import JSON
from features import FEATURES

TARGETS: list[Target] = ["llguidance", "gbnf"]
CORPUS = Path(__file__).parent.parent / "data" / "schemas.jsonl"
WEAK = {"uniqueItems": ("uniqueItems",)}
every_target = pytest.mark.parametrize("target", TARGETS)


def corpus() -> Iterator[tuple[str, JSON, list[JSON], list[JSON]]]:
    for line in CORPUS.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        yield entry["name"], entry["schema"], entry["valid"], entry["invalid"]


def written(value: JSON) -> str:
    return json.dumps(value, ensure_ascii=False)


def check(target: Target, schema: JSON, valid: list[JSON], invalid: list[JSON]) -> set[str]:
    """Compare an acceptor with what is expected; return the keywords that it reports as weakened."""
    found = acceptor(cast("dict[str, JSON]", schema), target)
    weakened = {keyword for _, keyword in found.report.weakened}
    for value in valid:
        assert found.accepts(written(value)) or "x-order" in weakened, value
    for value in invalid:
        assert not found.accepts(written(value)) or weakened - {"x-order"}, value
    return weakened


@pytest.mark.parametrize("name", FEATURES)
def test_the_values_of_features_are_what_jsonschema_says(name: str) -> None:
    schema, valid, invalid = FEATURES[name]
    kind = validator_for(schema, default=None)
    validator = validator_for(schema)(schema, format_checker=FormatChecker())
    assert kind is None or kind is type(validator)
    assert all(validator.is_valid(value) for value in valid)
    unchecked = (
        {"format"} if isinstance(schema, dict) and schema.get("format") in STANDARD_FORMATS else set[str]()
    )
    if not unchecked:  # jsonschema checks some formats only with other packages
        assert not any(validator.is_valid(value) for value in invalid)


@every_target
@pytest.mark.parametrize("name", FEATURES)
def test_no_feature_is_held_too_loosely_or_too_strictly(target: Target, name: str) -> None:
    schema, valid, invalid = FEATURES[name]
    assert check(target, schema, valid, invalid) == set(WEAK.get(name, ()))


def test_there_are_enough_features_and_schemas() -> None:
    assert len(FEATURES) >= 49
    assert len(list(corpus())) >= 60


@every_target
@pytest.mark.parametrize(
    ("name", "schema", "valid", "invalid"), corpus(), ids=lambda part: part if isinstance(part, str) else ""
)
def test_schemas_as_people_write_them_are_enforced(
    target: Target, name: str, schema: JSON, valid: list[JSON], invalid: list[JSON]
) -> None:
    validator = validator_for(schema)(schema, format_checker=FormatChecker())
    assert all(validator.is_valid(value) for value in valid), name
    assert check(target, schema, valid, invalid) <= {"uniqueItems", "x-order"}, name
