"""The features of JSON Schema, on both targets: nothing is too loose or too strict without being reported."""

from __future__ import annotations

import json
from typing import cast

import pytest
from jsonschema import Draft202012Validator
from jsonschema.validators import validator_for

from bridle.grammars import acceptor
from bridle.grammars.acceptor import Target
from bridle.grammars.schema_keywords import Validator
from bridle.messages import JSON
from schema_corpus import Example, features, people

FORMATS = Draft202012Validator.FORMAT_CHECKER
every_target = pytest.mark.parametrize("target", ["llguidance", "gbnf"])


def named(example: Example) -> str:
    return example.name


def weakened(target: Target, example: Example) -> set[str]:
    """Compare an acceptor with an example; return the keywords that it reports as weakened."""
    found = acceptor(cast("dict[str, JSON]", example.schema), target)
    keywords = {keyword for _, keyword in found.report.weakened}
    for value in example.valid:
        assert found.accepts(json.dumps(value, ensure_ascii=False)) or "x-order" in keywords, value
    for value in example.invalid:
        assert not found.accepts(json.dumps(value, ensure_ascii=False)) or keywords - {"x-order"}, value
    return keywords


@pytest.mark.parametrize("example", [*features(), *people()], ids=named)
def test_the_values_are_what_jsonschema_says(example: Example) -> None:
    schema = cast("dict[str, JSON]", example.schema)
    kind = validator_for(schema, default=Draft202012Validator)
    validator = cast("Validator", kind(schema, format_checker=FORMATS))
    assert all(validator.is_valid(value) for value in example.valid)
    # Some formats are checked by jsonschema only when other packages are installed.
    if '"format"' not in json.dumps(example.schema):
        assert not any(validator.is_valid(value) for value in example.invalid)


@every_target
@pytest.mark.parametrize("example", features(), ids=named)
def test_no_feature_is_held_too_loosely_or_too_strictly(target: Target, example: Example) -> None:
    assert weakened(target, example) == ({"uniqueItems"} if example.name == "uniqueItems" else set[str]())


@every_target
@pytest.mark.parametrize("example", people(), ids=named)
def test_schemas_as_people_write_them_are_enforced(target: Target, example: Example) -> None:
    inherent = {"tags without duplicates": {"uniqueItems"}, "ten required members": {"x-order"}}
    assert weakened(target, example) == inherent.get(example.name, set[str]())


def test_there_are_enough_features_and_schemas() -> None:
    assert len(features()) >= 49
    assert len(people()) >= 60
