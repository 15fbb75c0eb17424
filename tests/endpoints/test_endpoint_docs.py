"""What the pages on endpoints show is true: their code runs, their specs mean something."""

from __future__ import annotations

import re
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from bridle.endpoints.base import Request, Supports
from bridle.endpoints.config import load_config
from bridle.endpoints.connect import KINDS, parse_spec
from bridle.endpoints.http_endpoint import HttpEndpoint
from bridle.grammars import Grammar, Lit
from bridle.wrappers import Segment
from servers.fake import Server, json_response, server

__all__ = ["server"]

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [
    DOCS / "endpoints.md",
    DOCS / "doctor.md",
    DOCS / "logs.md",
    *sorted((DOCS / "servers").glob("*.md")),
]
WITHOUT_PAGE = {"embedded", "llamacpp", "scripted"}


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text("utf-8"), re.DOTALL)


def test_the_driver_of_the_guide_runs(server: Server) -> None:
    code = next(block for block in blocks(DOCS / "drivers.md", "python") if "class KoboldCpp" in block)
    driver = code[code.index("class KoboldCpp") : code.index("endpoint =")]
    assert len([line for line in driver.splitlines() if line.strip()]) <= 30
    names: dict[str, Any] = {}
    exec(code.replace("http://127.0.0.1:5001", server.url), names)
    endpoint = names["endpoint"]
    assert isinstance(endpoint, HttpEndpoint)
    assert endpoint.supports == Supports(prompt=True, grammar=True)
    server.routes["POST /api/v1/generate"] = lambda _: json_response({"results": [{"text": "yes</s>"}]})
    request = Request(prompt=(Segment("Q"),), stop=("</s>",), max_tokens=4, grammar=Grammar(Lit("yes")))
    pieces: list[str] = []
    endpoint.discover()
    assert endpoint.complete(request, pieces.append).text == "".join(pieces) == "yes"
    assert server.seen[-1].body["stop_sequence"] == ["</s>"]
    assert server.seen[-1].body["grammar"].startswith("root ::=")
    endpoint.close()


def test_the_table_of_kinds_is_that_of_the_drivers() -> None:
    maker = runpy.run_path(str(DOCS / "make_endpoint_table.py"))
    made = cast("Callable[[], str]", maker["updated"])()
    assert made == (DOCS / "endpoints.md").read_text("utf-8"), "run python docs/make_endpoint_table.py"


def test_every_kind_has_a_page_that_names_its_address() -> None:
    for name, kind in KINDS.items():
        if name in WITHOUT_PAGE:
            continue
        page = (DOCS / "servers" / f"{name}.md").read_text("utf-8")
        assert kind.default_url.removeprefix("http://127.0.0.1") in page, name
        assert f"servers/{name}.md" in (DOCS / "endpoints.md").read_text("utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_of_a_page_means_something(page: Path) -> None:
    commands = re.findall(r"^\$ bridle (.+)$", "".join(blocks(page, "console")), re.MULTILINE)
    specs = re.findall(r"--endpoint (\S+)", " ".join(commands))
    for spec in specs:
        kind = parse_spec(spec.strip("'\"")).kind
        assert kind in (*KINDS, "", "auto"), spec
    assert commands or page.stem == "endpoints"


@pytest.mark.parametrize("page", [DOCS / "logs.md", DOCS / "configuration.md"], ids=lambda page: page.stem)
def test_every_config_file_of_a_page_is_read(page: Path, tmp_path: Path) -> None:
    files = [block for block in blocks(page, "toml") if block.startswith("schema")]
    assert files
    for number, block in enumerate(files):
        file = tmp_path / f"{number}.toml"
        file.write_text(block, "utf-8")
        assert load_config(file).file == file
