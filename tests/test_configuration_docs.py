"""What docs/configuration.md and docs/discover.md show is true: files, variables, ports and dicts."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from bridle.cli import COMMANDS
from bridle.endpoints.config import load_config
from bridle.endpoints.config_text import TABLES
from bridle.endpoints.config_values import EndpointConfig
from bridle.endpoints.discovery import Server
from bridle.endpoints.environment import VARIABLES
from bridle.endpoints.memgpt_config import MEMGPT_KINDS, read_config_dict
from bridle.endpoints.places import PORTS
from bridle.endpoints.specs import parse_spec
from project import ROOT

CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text("utf-8")
DISCOVER = (ROOT / "docs" / "discover.md").read_text("utf-8")


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def test_the_file_of_the_page_is_read_and_has_every_key(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    (text,) = blocks(CONFIGURATION, "toml")
    file.write_text(text, "utf-8")
    config = load_config(file)
    assert config.default_endpoint in config.endpoints
    assert all(getattr(config, name) != kind() for name, kind in TABLES.items())
    for name in EndpointConfig.__dataclass_fields__:
        assert f"{name} =" in text, name


def test_every_variable_is_in_the_tables() -> None:
    for name in VARIABLES:
        assert f"`{name}`" in CONFIGURATION, name


def test_the_dict_of_the_page_is_read() -> None:
    (code,) = blocks(CONFIGURATION, "python")
    assigned = next(node for node in ast.parse(code).body if isinstance(node, ast.Assign))
    entry = read_config_dict(ast.literal_eval(assigned.value)).entry
    assert (entry.kind, entry.context_tokens) == ("webui", 8192)
    for named in MEMGPT_KINDS:
        if named not in ("llama-server", "llama-cpp-python", "sglang"):
            assert f"`{named}`" in CONFIGURATION


def test_every_port_and_every_field_is_told() -> None:
    for port in PORTS:
        assert re.search(rf"\b{port}\b", DISCOVER), port
    for name in Server.__dataclass_fields__:
        if name != "entry":
            assert f"`{name}`" in DISCOVER, name


@pytest.mark.parametrize("page", [CONFIGURATION, DISCOVER])
def test_every_command_of_the_pages_exists(page: str) -> None:
    lines = re.findall(r"^\$ bridle (\S+)(.*)$", "".join(blocks(page, "console")), re.MULTILINE)
    assert lines
    for name, rest in lines:
        assert name in COMMANDS
        spec = re.search(r"--endpoint (\S+)", rest)
        if spec is not None and spec[1] != "mine":
            assert parse_spec(spec[1]).kind
