"""Recorded exchanges with real servers of llama.cpp: what was asked, and what came back in whatever form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from servers.fake import Response, events, json_response
from servers.transcripts import transcripts_of

__all__ = ["FILES", "Body", "Exchange"]

FILES = transcripts_of("llama-server", "llama_cpp", "llama-cpp", "llama.cpp")
Body = dict[str, Any]


class Exchange:
    """One recorded exchange: what was asked, and what came back in whatever form."""

    def __init__(self, path: Path) -> None:
        whole: Body = json.loads(path.read_text("utf-8"))
        given: Any = whole["request"].get("json")
        self.asked: Body = given if isinstance(given, dict) else {}
        self.method: str = whole["request"].get("method", "POST")
        self.route = urlsplit(str(whole["request"]["url"])).path
        self.answered: Body | None = whole.get("response")
        name = str(whole["server"]).lower()
        self.is_python = "llama_cpp" in name or "uvicorn" in self._headers.get("server", "")

    @property
    def _headers(self) -> dict[str, str]:
        given: Body = (self.answered or {}).get("headers") or {}
        return {name.lower(): str(value) for name, value in given.items()}

    @property
    def status(self) -> int:
        return 0 if self.answered is None else int(self.answered["status"])

    @property
    def lines(self) -> list[str]:
        return list(self.answered.get("lines") or ()) if self.answered else []

    @property
    def is_stream(self) -> bool:
        declared = "event-stream" in self._headers.get("content-type", "") and self.status < 400
        return declared or any(line.startswith("data:") for line in self.lines)

    @property
    def is_aborted(self) -> bool:
        """Whether whoever recorded it went away before the end."""
        return self.answered is not None and "client_aborted_after_lines" in self.answered

    @property
    def is_over(self) -> bool:
        """Whether a stream said that it is over."""
        return any(line.removeprefix("data:").strip() == "[DONE]" for line in self.lines)

    @property
    def parts(self) -> list[Any]:
        """The documents that came back: one, or the events of a stream."""
        assert self.answered is not None
        if self.is_stream:
            said = [line[5:].strip() for line in self.lines if line.startswith("data:")]
            return [json.loads(one) for one in said if one not in ("", "[DONE]")]
        if "json" in self.answered:
            return [self.answered["json"]]
        return [json.loads("".join(self.lines))] if self.lines else []

    @property
    def said(self) -> str:
        """The server's own words for a failure."""
        assert self.answered is not None
        return _words(self.parts[-1]) if self.parts else str(self.answered.get("text", ""))

    def response(self) -> Response:
        assert self.answered is not None
        if self.is_stream:
            text = "\n".join([*self.lines, ""])
            return events([text.encode()] if self.lines else [])
        if self.parts:
            return json_response(self.parts[0], self.status)
        text = str(self.answered.get("text", ""))
        return Response(self.status, (text.encode(),), "text/plain; charset=utf-8")


def _words(body: Any) -> str:
    """The first words in an error's body, whatever its shape."""
    if isinstance(body, str):
        return body
    inner: list[Any] = []
    if isinstance(body, list):
        inner = [*body]
    elif isinstance(body, dict):
        inner = [cast("Body", body).get(key) for key in ("error", "detail", "message", "msg")]
    return next((found for one in inner if (found := _words(one))), "")
