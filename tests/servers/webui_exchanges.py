"""Recorded exchanges with text-generation-webui, as values: what was asked and what came back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from servers.fake import TRANSCRIPTS, Response, events, json_response

__all__ = ["FILES", "NAMES", "Body", "Exchange"]

FILES = sorted(TRANSCRIPTS.glob("text-generation-webui-*/*.json"))
NAMES = [f"{path.parent.name}/{path.stem}" for path in FILES]
Body = dict[str, Any]


class Exchange:
    """One recorded exchange: what was asked, and what came back in whatever form."""

    def __init__(self, path: Path) -> None:
        whole: Body = json.loads(path.read_text("utf-8"))
        self.method: str = whole["request"].get("method", "POST")
        self.asked: Body = whole["request"]["json"] or {}
        self.route: str = urlsplit(str(whole["request"]["url"])).path
        self.answered: Body | None = whole.get("response")

    @property
    def status(self) -> int:
        return 0 if self.answered is None else int(self.answered["status"])

    @property
    def parts(self) -> list[Body]:
        """The documents that came back: one, or the events of a stream."""
        assert self.answered is not None
        if "lines" not in self.answered:
            return [self.answered["json"]]
        data = [line.removeprefix("data: ") for line in self.answered["lines"] if line.startswith("data: {")]
        return [json.loads(one) for one in data]

    @property
    def said(self) -> Any:
        assert self.answered is not None
        return self.answered.get("json")

    @property
    def choices(self) -> list[Body]:
        return [choice for part in self.parts for choice in part["choices"]]

    def response(self) -> Response:
        """Answer as the server did; a recording of an error in transport stands for a broken stream."""
        if self.answered is None:
            return events([b": ping\n\n"], cut=True)
        if "lines" in self.answered:
            return events(["\n".join([*self.answered["lines"], ""]).encode()])
        if "json" in self.answered:
            return json_response(self.answered["json"], self.status)
        kind = self.answered["headers"]["content-type"]
        return Response(self.status, (self.answered["text"].encode(),), kind)
