"""Find the recorded exchanges of one server among all transcripts, whatever their folders and names are."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import cast

from bridle.endpoints.json_paths import text_at, value_at
from bridle.messages import JSON
from servers.fake import TRANSCRIPTS

__all__ = ["name_of", "transcripts_of"]


@cache
def _servers() -> dict[Path, str]:
    """The server that each file names, in lower case; files that are no exchange are left out."""
    found: dict[Path, str] = {}
    for path in sorted(TRANSCRIPTS.rglob("*.json")):
        whole: object = json.loads(path.read_text("utf-8"))
        named = value_at(cast("JSON", whole), "server")
        if isinstance(whole, dict) and "request" in whole and named is not None:
            found[path] = (text_at(named, "name") or json.dumps(named)).lower()
    return found


def transcripts_of(*names: str) -> list[Path]:
    """List the files whose server's name has one of the given words in it."""
    return [path for path, server in _servers().items() if any(name in server for name in names)]


def name_of(path: Path) -> str:
    """Name a file in a test."""
    return str(path.relative_to(TRANSCRIPTS).with_suffix(""))
