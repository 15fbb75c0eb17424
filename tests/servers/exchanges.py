"""Recorded exchanges from several kinds of files, read by their shape: what was asked, and what came back.

VCR's YAML (`interactions`) has the bytes as they were, or the body parsed. The JSON of llama-stack has a dump
of what OpenAI's package had read; the bytes are written anew from that.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import yaml

from servers.fake import Response

__all__ = ["Exchange", "read_exchanges"]

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""A safe loader, in C where there is one."""


@dataclass(frozen=True)
class Exchange:
    """One request and its answer; `documents` are the answer's JSON values, one for each event."""

    name: str
    method: str
    path: str
    asked: Mapping[str, Any]
    status: int
    content_type: str
    body: bytes

    @property
    def is_stream(self) -> bool:
        return "event-stream" in self.content_type or "ndjson" in self.content_type

    @property
    def documents(self) -> list[Any]:
        """The answer, read in the plainest way."""
        text = self.body.decode()
        if "ndjson" in self.content_type:
            return [json.loads(line) for line in text.split("\n") if line.strip()]
        if "event-stream" in self.content_type:
            lines = [line.removeprefix("data: ") for line in text.split("\n") if line.startswith("data: ")]
            return [json.loads(line) for line in lines if line.strip() != "[DONE]"]
        return [json.loads(text)]

    @property
    def response(self) -> Response:
        """The answer, to be sent again."""
        chunks = self.body.splitlines(keepends=True) if self.is_stream else [self.body]
        framing = "chunked" if self.is_stream else "length"
        return Response(self.status, chunks, self.content_type, {}, framing)


def read_exchanges(path: Path) -> list[Exchange]:
    """Read all exchanges of a file; none where it holds something else."""
    text = path.read_text("utf-8")
    value: object = json.loads(text) if path.suffix == ".json" else yaml.load(text, LOADER)
    loaded = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    if "interactions" in loaded:
        many = len(loaded["interactions"]) > 1
        return [
            _of_vcr(f"{path.stem}-{at}" if many else path.stem, one)
            for at, one in enumerate(loaded["interactions"])
        ]
    return [_of_dump(path.stem, loaded)] if {"request", "response"} <= set(loaded) else []


def _path(url: str) -> str:
    return urlsplit(url).path.replace("/v1/v1/", "/v1/")


def _of_vcr(name: str, one: Mapping[str, Any]) -> Exchange:
    request, response = one["request"], one["response"]
    given: dict[str, Any] = response.get("headers") or {}
    headers = {key.lower(): _first(value) for key, value in given.items()}
    body = response["parsed_body"] if "parsed_body" in response else response["body"]["string"]
    raw = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
    if "gzip" in headers.get("content-encoding", "") and raw[:2] == b"\x1f\x8b":
        raw = gzip.decompress(raw)
    status = response["status"]["code"]
    return Exchange(
        name,
        request["method"],
        _path(request["uri"]),
        _asked(request.get("parsed_body") or request.get("body")),
        status,
        headers.get("content-type", "application/json"),
        raw,
    )


def _first(value: Any) -> str:
    """A header may be listed with all its values."""
    values = cast("list[object]", value) if isinstance(value, list) else [value]
    return str(values[0])


def _asked(body: Any) -> dict[str, Any]:
    if isinstance(body, (str, bytes)):
        body = json.loads(body or "{}")
    found: dict[str, Any] = body or {}
    return found


def _of_dump(name: str, loaded: Mapping[str, Any]) -> Exchange:
    request, response = loaded["request"], loaded["response"]
    path = request.get("endpoint") or _path(request["url"])
    asked = _asked(request.get("body") or request.get("payload"))
    if response.get("is_exception"):
        said = response["exception_data"]
        refused = json.dumps({"error": said["body"]}).encode()
        return Exchange(name, "POST", path, asked, said["status_code"], "application/json", refused)
    body: object = response["body"]
    dumps = cast("list[dict[str, Any]]", body) if isinstance(body, list) else []
    if dumps and path.endswith("/models"):
        listed = json.dumps({"object": "list", "data": [_plain(one) for one in dumps]}).encode()
        return Exchange(name, "GET", path, asked, 200, "application/json", listed)
    if dumps and response["is_streaming"]:
        lines = [b"data: " + json.dumps(_plain(one)).encode() + b"\n\n" for one in dumps]
        raw = b"".join([*lines, b"data: [DONE]\n\n"])
        return Exchange(name, "POST", path, asked, 200, "text/event-stream", raw)
    status, whole = response.get("status", 200), _plain(cast("dict[str, Any]", body))
    return Exchange(name, "POST", path, asked, status, "application/json", json.dumps(whole).encode())


def _plain(dump: dict[str, Any]) -> Any:
    return dump.get("__data__", dump)
