"""Recorded exchanges with text-generation-webui, as values: what was asked and what came back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from servers.fake import Response, events, json_response
from servers.transcripts import name_of, transcripts_of

__all__ = ["FILES", "NAMES", "Body", "Exchange"]

FILES = transcripts_of("text-generation-webui", "textgen", "oobabooga")
NAMES = [name_of(path) for path in FILES]
Body = dict[str, Any]


class Exchange:
    """One recorded exchange: what was asked, and what came back in whatever form."""

    def __init__(self, path: Path) -> None:
        whole: Body = json.loads(path.read_text("utf-8"))
        self.method: str = whole["request"].get("method", "POST")
        given: Any = whole["request"].get("json")
        self.asked: Body = given if isinstance(given, dict) else {}
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
        data = [line[5:].strip() for line in self.answered["lines"] if line.startswith("data:")]
        return [json.loads(one) for one in data if one.startswith("{")]

    @property
    def said(self) -> Any:
        assert self.answered is not None
        return self.answered.get("json")

    @property
    def text(self) -> str:
        """The answer where it is no JSON."""
        return str((self.answered or {}).get("text", ""))

    @property
    def choices(self) -> list[Body]:
        return [choice for part in self.parts for choice in part.get("choices") or ()]

    def response(self) -> Response:
        """Answer as the server did; a recording of an error in transport stands for a broken stream."""
        if self.answered is None:
            return events([b": ping\n\n"], cut=True)
        if "lines" in self.answered:
            return events(["\n".join([*self.answered["lines"], ""]).encode()])
        if "json" in self.answered:
            return json_response(self.answered["json"], self.status)
        headers: Body = self.answered.get("headers") or {}
        kinds = (str(kind) for name, kind in headers.items() if name.lower() == "content-type")
        text = str(self.answered.get("text", ""))
        return Response(self.status, (text.encode(),), next(kinds, "text/plain"))
