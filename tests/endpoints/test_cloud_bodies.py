"""What goes over the wire to OpenAI and Azure, pinned; it is the same with every release of the package.

`tests/data/openai_bodies.json` holds the requests as they arrived. `tests/openai_versions.sh` runs this with
the oldest and the newest releases, so that one file stands for all of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from bridle.endpoints.base import Request, Sampling
from bridle.endpoints.drivers.azure import AzureEndpoint
from bridle.endpoints.drivers.cloud import OpenAIEndpoint
from bridle.endpoints.drivers.cloud_endpoint import CloudEndpoint
from bridle.messages import JSON, Message, ToolCall, ToolSpec
from servers.cloud_endpoints import KEY, cloud, unheard
from servers.fake_openai_cloud import FakeOpenAICloud

__all__ = ["cloud"]

PINNED = Path(__file__).parent.parent / "data" / "openai_bodies.json"
SCHEMA: dict[str, JSON] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": ["integer", "null"]}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
TALK = (
    Message("system", "Be brief."),
    Message("user", "Weather in Köln?"),
    Message("assistant", "I look.", calls=(ToolCall("weather", {"city": "Köln", "days": None}),)),
    Message("tool", "rain 🌧", name="weather"),
)
TOOLS = (ToolSpec("weather", "Tell the weather.", SCHEMA), ToolSpec("free", "", {"type": "object"}))
PLAIN = Request(messages=TALK[:2], max_tokens=50)
SAMPLED = Sampling(0.5, top_p=0.9, presence_penalty=0.1, frequency_penalty=0.2, seed=3, extra={"user": "me"})
REQUESTS: dict[str, Request] = {
    "plain": PLAIN,
    "sampled": replace(PLAIN, sampling=SAMPLED, stop=("\n\n",), logprobs=2),
    "schema": replace(PLAIN, schema=SCHEMA),
    "json_mode": replace(PLAIN, json_mode=True),
    "tools": Request(messages=TALK, tools=TOOLS, tool_choice="required"),
    "named": Request(messages=TALK, tools=TOOLS, tool_choice="weather"),
    "think": replace(PLAIN, think=False),
}


def made(cloud: FakeOpenAICloud) -> dict[str, Callable[[], CloudEndpoint]]:
    url = cloud.url

    def azure(**settings: Any) -> AzureEndpoint:
        return AzureEndpoint("dep", api_key=KEY, **settings)

    return {
        "openai": lambda: OpenAIEndpoint("gpt-4.1", base_url=f"{url}/v1", api_key=KEY),
        "reasoning": lambda: OpenAIEndpoint("gpt-5-mini", base_url=f"{url}/v1", api_key=KEY),
        "responses": lambda: OpenAIEndpoint("gpt-5-mini", base_url=f"{url}/v1", api_key=KEY, api="responses"),
        "azure-v1": lambda: azure(base_url=f"{url}/openai/v1"),
        "azure-classic": lambda: azure(base_url=url, api_version="2024-10-21"),
        "azure-token": lambda: AzureEndpoint(
            "dep", base_url=url, api_version="2024-10-21", token=lambda: "entra-token"
        ),
    }


def sent(cloud: FakeOpenAICloud) -> dict[str, Any]:
    """All requests as they arrived, by endpoint and name."""
    arrived: dict[str, Any] = {}
    for kind, make in made(cloud).items():
        endpoint = make()
        for name, request in REQUESTS.items():
            for on_text in (None, unheard):
                endpoint.complete(request, on_text)
                arrived[f"{kind} {name}{' stream' if on_text else ''}"] = _last(cloud)
        endpoint.close()
    embedding = OpenAIEndpoint(
        "text-embedding-3-small", base_url=f"{cloud.url}/v1", api_key=KEY, dimensions=8
    )
    embedding.embed(["Köln", ""])
    arrived["openai embeddings"] = _last(cloud)
    embedding.models()
    arrived["openai models"] = _last(cloud)
    embedding.close()
    return arrived


def _last(cloud: FakeOpenAICloud) -> dict[str, Any]:
    seen = cloud.seen[-1]
    signed = {name: seen.headers[name] for name in ("authorization", "api-key") if name in seen.headers}
    return {"call": f"{seen.method} {seen.path}", "signed": signed, "body": seen.body}


def test_requests_are_those_that_are_pinned(cloud: FakeOpenAICloud) -> None:
    arrived = sent(cloud)
    pinned = json.loads(PINNED.read_text("utf-8"))
    assert list(arrived) == list(pinned)
    for name, one in arrived.items():
        assert one == pinned[name], name


def test_nothing_is_sent_as_null_but_where_a_schema_says_so(cloud: FakeOpenAICloud) -> None:
    for name, one in sent(cloud).items():
        assert None not in one["body"].values(), name
