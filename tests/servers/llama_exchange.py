"""Recorded exchanges with real servers of llama.cpp: what was asked, and what came back in whatever form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from servers.fake import TRANSCRIPTS, Response, events, json_response

__all__ = ["FILES", "Body", "Exchange"]

FILES = sorted(TRANSCRIPTS.glob("llama-*/*.json"))
Body = dict[str, Any]


class Exchange:
    """One recorded exchange: what was asked, and what came back in whatever form."""

    def __init__(self, path: Path) -> None:
        whole: Body = json.loads(path.read_text("utf-8"))
        self.asked: Body = whole["request"]["json"] or {}
        self.method: str = whole["request"]["method"]
        url: str = whole["request"]["url"]
        self.route = urlsplit(url).path
        self.answered: Body | None = whole.get("response")
        self.is_python = "llama_cpp" in whole["server"]["name"]

    @property
    def status(self) -> int:
        return 0 if self.answered is None else int(self.answered["status"])

    @property
    def lines(self) -> list[str]:
        return list(self.answered.get("lines", ())) if self.answered else []

    @property
    def is_stream(self) -> bool:
        return any(line.startswith("data:") for line in self.lines)

    @property
    def is_aborted(self) -> bool:
        return self.answered is not None and "client_aborted_after_lines" in self.answered

    @property
    def parts(self) -> list[Body]:
        """The documents that came back: one, or the events of a stream."""
        assert self.answered is not None
        if self.is_stream:
            said = [line.removeprefix("data: ") for line in self.lines if line.startswith("data:")]
            return [json.loads(one) for one in said if one != "[DONE]"]
        if "json" in self.answered:
            return [self.answered["json"]]
        return [json.loads("".join(self.lines))] if self.lines else []

    @property
    def said(self) -> str:
        """The server's own words for a failure."""
        assert self.answered is not None
        if not self.parts:
            return str(self.answered["text"])
        body = self.parts[0]
        return str(body["error"]["message"] if "error" in body else body["detail"])

    def response(self) -> Response:
        assert self.answered is not None
        if self.is_stream:
            text = "\n".join([*self.lines, ""])
            return events([text.encode()])
        if self.parts:
            return json_response(self.parts[0], self.status)
        return Response(self.status, (self.answered["text"].encode(),), "text/plain; charset=utf-8")
