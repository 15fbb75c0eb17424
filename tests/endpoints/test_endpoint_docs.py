"""What docs/endpoints.md shows is true: its driver runs, its config file is read, every kind is named."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from bridle.endpoints.base import Request, Supports
from bridle.endpoints.config import load_config
from bridle.endpoints.connect import KINDS, parse_spec
from bridle.endpoints.http_endpoint import HttpEndpoint
from bridle.grammars import Grammar, Lit
from bridle.wrappers import Segment
from servers.fake import Server, json_response, server

__all__ = ["server"]

PAGE = (Path(__file__).parents[2] / "docs" / "endpoints.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_driver_of_the_guide_runs(server: Server) -> None:
    code = next(block for block in blocks("python") if "class KoboldCpp" in block)
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


def test_the_config_file_of_the_guide_is_read(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(blocks("toml")[0], "utf-8")
    config = load_config(file)
    assert set(config.endpoints) == {"studio", "mine"}
    assert config.default_endpoint == "studio"


def test_the_guide_names_every_kind_and_its_address() -> None:
    for name, kind in KINDS.items():
        assert f"`{name}" in PAGE
        assert kind.default_url in PAGE


def test_every_spec_in_a_command_of_the_guide_has_a_meaning() -> None:
    specs = re.findall(r"--endpoint (\S+)$", "".join(blocks("console")), re.MULTILINE)
    assert len(specs) >= 7
    for spec in specs:
        assert parse_spec(spec).kind in KINDS
