"""What the pages on text-generation-webui show can be run and has a meaning."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bridle.endpoints.config import load_config
from bridle.endpoints.connect import parse_spec
from bridle.endpoints.drivers.webui_names import EXTRAS
from servers.fake_webui import FakeWebUI

PAGES = Path(__file__).parents[2] / "docs" / "servers"
PAGE = (PAGES / "webui.md").read_text("utf-8")


def blocks(language: str, page: str = PAGE) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


@pytest.mark.parametrize("kind", ["webui", "webui-legacy"])
def test_every_command_names_the_kind(kind: str) -> None:
    commands = "".join(blocks("console", (PAGES / f"{kind}.md").read_text("utf-8")))
    specs = re.findall(r"--endpoint (\S+)$", commands, re.MULTILINE)
    assert [parse_spec(spec).kind for spec in specs] == [kind, kind]


def test_the_config_is_read(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("schema = 1\n\n" + blocks("toml")[0], "utf-8")
    assert load_config(file).endpoints["web"].context_tokens == 8192


def test_a_model_is_loaded_as_shown() -> None:
    fake = FakeWebUI()
    fake.model, fake.files = "None", ["mine.gguf"]
    exec(blocks("python")[0].replace('"webui:mine.gguf"', f'"webui:mine.gguf@{fake.url}"'), {})
    assert (fake.model, fake.window) == ("mine.gguf", 8192)
    fake.close()


def test_the_samplers_shown_are_known() -> None:
    shown = re.findall(r'"(\w+)": 0\.\d', PAGE)
    assert shown
    assert set(shown) <= EXTRAS
