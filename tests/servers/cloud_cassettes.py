"""Recorded exchanges with OpenAI and Azure, in the two shapes that projects keep them in.

VCR's YAML holds what went over the wire, gzip and all; newer files hold the body as data. llama-stack's JSON
holds dumps of what OpenAI's package had made of it: here it is written as it had come.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from servers.fake import Response

__all__ = ["CASSETTES", "Recorded", "data_of", "files", "read"]

CASSETTES = Path(__file__).parent.parent / "data" / "cassettes"
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class Recorded:
    """One exchange: what was asked of which address, and the answer's bytes."""

    method: str
    url: str
    asked: Mapping[str, Any]
    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def path(self) -> str:
        return urlsplit(self.url).path

    @property
    def route(self) -> str:
        """The last part of the path that names an API."""
        parts = [part for part in self.path.split("/") if part]
        return "/".join(parts[-2:]) if parts[-2:] == ["chat", "completions"] else parts[-1]

    @property
    def is_azure(self) -> bool:
        return ".openai.azure.com" in self.url

    @property
    def text(self) -> str:
        """The answer's body, unpacked."""
        return (gzip.decompress(self.body) if self.body.startswith(GZIP) else self.body).decode()

    @property
    def response(self) -> Response:
        """The answer as a server sends it."""
        streams = self.text.lstrip().startswith(("data:", "event:"))
        kind = "text/event-stream" if streams else "application/json"
        packed = {"Content-Encoding": "gzip"} if self.body.startswith(GZIP) else {}
        kept = {
            k: v for k, v in self.headers.items() if k in ("x-request-id", "apim-request-id", "retry-after")
        }
        return Response(self.status, (self.body,), kind, {**packed, **kept})


def files(*folders: str) -> list[Path]:
    """List all cassettes of the given folders."""
    return sorted(
        path
        for folder in folders
        for path in (CASSETTES / folder).iterdir()
        if path.suffix in (".yaml", ".json")
    )


def read(path: Path) -> list[Recorded]:
    """Read all exchanges of a file."""
    text = path.read_text("utf-8")
    if path.suffix == ".json":
        return [_dumped(json.loads(text))]
    return [_taped(one) for one in yaml.load(text, LOADER)["interactions"]]  # a safe loader, in C where it is


def _taped(one: Mapping[str, Any]) -> Recorded:
    request, response = one["request"], one["response"]
    status: Any = response["status"]
    raw: Any = request.get("body") or "{}"
    asked: Any = request.get("parsed_body") or (json.loads(raw) if raw[:1] in ("{", b"{") else {})
    body = response["body"]["string"] if "body" in response else json.dumps(response["parsed_body"])
    return Recorded(
        request["method"],
        request["uri"],
        asked,
        status if isinstance(status, int) else status["code"],
        body if isinstance(body, bytes) else body.encode(),
        {name.lower(): values[0] for name, values in response["headers"].items()},
    )


def _dumped(one: Mapping[str, Any]) -> Recorded:
    request, body = one["request"], one["response"]["body"]
    status = 200
    if isinstance(body, dict):
        wire = json.dumps(body["__data__"])
    elif all("Chunk" in part["__type__"] or "Event" in part["__type__"] for part in body):
        wire = "".join(_event(part["__data__"]) for part in body) + "data: [DONE]\n\n"
    else:
        wire = json.dumps({"object": "list", "data": [part["__data__"] for part in body]})
    return Recorded(request["method"], request["url"], request["body"], status, wire.encode())


def _event(data: Mapping[str, Any]) -> str:
    return f"data: {json.dumps(data)}\n\n"


def data_of(text: str) -> Iterator[dict[str, Any]]:
    """Yield the events of a stream that hold JSON."""
    for line in text.replace("\r\n", "\n").split("\n"):
        if line.startswith("data:") and line[5:].strip() not in ("", "[DONE]"):
            yield json.loads(line[5:])
