"""OpenAI itself, through OpenAI's own package; Azure OpenAI is in `bridle.endpoints.drivers.azure`.

    from bridle.endpoints.drivers.cloud import OpenAIEndpoint

    endpoint = OpenAIEndpoint("gpt-4.1-mini")  # the key is in OPENAI_API_KEY

Other servers that speak OpenAI's API do so in dialects of their own, which the package hides or stumbles
over: they are reached by `bridle.endpoints.drivers.openai_compat`, whatever the kind of their spec says.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import fields
from typing import Any
from urllib.parse import urlsplit

from bridle.endpoints.addresses import base_url as base_of
from bridle.endpoints.config import EndpointConfig
from bridle.endpoints.drivers.cloud_chat import CloudChat
from bridle.endpoints.drivers.cloud_driver import CloudDriver
from bridle.endpoints.drivers.cloud_endpoint import Api, CloudEndpoint
from bridle.endpoints.drivers.cloud_responses import CloudResponses
from bridle.endpoints.drivers.cloud_sdk import Account, SdkHttp
from bridle.endpoints.drivers.openai_compat import OpenAICompat
from bridle.endpoints.http_endpoint import HttpEndpoint
from bridle.endpoints.transport.http import Http

__all__ = ["OPENAI_URL", "OpenAIEndpoint", "is_openai", "open_azure", "open_openai", "through_sdk"]

OPENAI_URL = "https://api.openai.com/v1"
OPENAI_KEY = "OPENAI_API_KEY"
RESPONSES = "/responses"
"""An address that ends so asks for the responses API."""


class OpenAIEndpoint(CloudEndpoint):
    """A model at OpenAI."""

    def __init__(
        self,
        model: str,
        *,
        base_url: str = OPENAI_URL,
        api_key: str | None = None,
        token: Callable[[], str] | None = None,
        api: Api = "chat",
        context_tokens: int | None = None,
        dimensions: int | None = None,
        organization: str | None = None,
        project: str | None = None,
        http: Http | None = None,
    ) -> None:
        """Take a model and how to reach it; nothing is sent before the first request.

        Without `api_key` or `token`, a function that returns one, OpenAI's own hosts get the key in
        OPENAI_API_KEY, and other hosts none. `dimensions` shortens embeddings. `http` gives limits of time,
        the number of retries, and whether to stay offline.

        Raises:
            ConfigError: for an address that is none, and when no model is named.
        """
        url = base_of(base_url)
        if url.endswith(RESPONSES):
            url, api = url.removesuffix(RESPONSES), "responses"
        settings = http or Http()
        key = api_key if api_key is not None else settings.key or _own_key(url)
        account = Account(url, token=token, organization=organization, project=project)
        made: type[CloudDriver] = CloudResponses if api == "responses" else CloudChat
        super().__init__(
            made(url, model, dimensions=dimensions),
            through_sdk(settings, account, key, settings.key_env or OPENAI_KEY),
            "openai",
            context_tokens=context_tokens,
        )


def is_openai(url: str) -> bool:
    """Say whether an address is OpenAI's own, as `https://eu.api.openai.com/v1` is.

    >>> is_openai("https://eu.api.openai.com/v1"), is_openai("https://api.openai.com.example.org")
    (True, False)
    """
    host = urlsplit(url).hostname or ""
    return host == "api.openai.com" or host.endswith(".api.openai.com")


def _own_key(url: str) -> str:
    return os.environ.get(OPENAI_KEY, "") if is_openai(url) else ""


def through_sdk(http: Http, account: Account, key: str, key_env: str) -> SdkHttp:
    """Make a connection through the package with the settings of a plain one."""
    settings: dict[str, Any] = {one.name: getattr(http, one.name) for one in fields(Http) if one.init}
    settings |= {"key": key, "key_env": key_env, "start_hint": CloudDriver.start_hint}
    return SdkHttp(**settings, account=account)


def open_openai(url: str, http: Http, entry: EndpointConfig) -> HttpEndpoint:
    """Open OpenAI, or any other server that speaks its API."""
    if is_openai(url):
        return OpenAIEndpoint(entry.model, base_url=url, http=http, context_tokens=entry.context_tokens)
    driver = OpenAICompat(url)
    http.start_hint = driver.start_hint
    return HttpEndpoint(driver, http, model=entry.model, context_tokens=entry.context_tokens)


def open_azure(url: str, http: Http, entry: EndpointConfig) -> HttpEndpoint:
    """Open Azure OpenAI: see `bridle.endpoints.drivers.azure`."""
    from bridle.endpoints.drivers.azure import AzureEndpoint

    return AzureEndpoint(
        entry.model,
        base_url=entry.url or url,  # as it was pasted, it may name a version
        api_version=entry.api_version,
        http=http,
        context_tokens=entry.context_tokens,
    )
