"""Azure OpenAI through OpenAI's package: its v1 API, and the older one below deployments.

    from bridle.endpoints.drivers.azure import AzureEndpoint

    endpoint = AzureEndpoint("my-deployment", base_url="https://RESOURCE.openai.azure.com")

The model of an endpoint is the name of a deployment. Addresses are those of openai 3.52.0's `lib/azure.py`
and of recorded traffic; the v1 API (since August 2025) is told of at
https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from bridle.endpoints.drivers.cloud import through_sdk
from bridle.endpoints.drivers.cloud_chat import CloudChat
from bridle.endpoints.drivers.cloud_driver import CloudDriver
from bridle.endpoints.drivers.cloud_endpoint import Api, CloudEndpoint
from bridle.endpoints.drivers.cloud_responses import CloudResponses
from bridle.endpoints.drivers.cloud_sdk import Account
from bridle.endpoints.transport.http import Http
from bridle.errors import ConfigError

__all__ = ["AzureAddress", "AzureEndpoint", "azure_address"]

ENDPOINT = "AZURE_OPENAI_ENDPOINT"
KEYS = ("AZURE_OPENAI_API_KEY", "AZURE_OPENAI_KEY")
TOKEN = "AZURE_OPENAI_AD_TOKEN"
VERSIONS = ("AZURE_OPENAI_API_VERSION", "AZURE_OPENAI_VERSION", "OPENAI_API_VERSION")
LAST_VERSION = "2024-10-21"
"""The last version of the older API that is no preview; for a deployment's address without a version."""
DEPLOYMENTS = "/openai/deployments/"


@dataclass(frozen=True, slots=True)
class AzureAddress:
    """What an address means: the resource (or a gateway before it), a deployment, a version; v1 has none."""

    root: str
    deployment: str = ""
    api_version: str = ""

    @property
    def base(self) -> str:
        """What routes stand behind, but for the deployment."""
        return f"{self.root}/openai" if self.api_version else f"{self.root}/openai/v1"

    def url(self, deployment: str) -> str:
        """What the routes of a deployment stand behind."""
        return f"{self.base}/deployments/{deployment}" if self.api_version else self.base


def azure_address(url: str, api_version: str = "") -> AzureAddress:
    """Read an address as it is pasted: of a resource, of its v1 API, or of a deployment with its route.

    >>> azure_address("https://r.openai.azure.com/openai/deployments/d/chat/completions?api-version=2024-10-21")
    AzureAddress(root='https://r.openai.azure.com', deployment='d', api_version='2024-10-21')
    >>> azure_address("https://r.openai.azure.com").base
    'https://r.openai.azure.com/openai/v1'

    Raises:
        ConfigError: for what is no address.
    """
    parts = urlsplit(url.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
        raise ConfigError(
            "this is no address of Azure OpenAI", hint="write https://RESOURCE.openai.azure.com"
        )
    host, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    version = (parse_qs(parts.query).get("api-version") or [api_version])[0]
    before, below, rest = path.partition(DEPLOYMENTS)
    if below:
        return AzureAddress(host + before, rest.split("/")[0], version or LAST_VERSION)
    before, v1, _ = path.partition("/openai/v1")
    if v1:
        return AzureAddress(host + before)
    # A bare address has come through `base_url`, which puts /v1 behind it.
    return AzureAddress(host + path.removesuffix("/v1").removesuffix("/openai"), "", version)


class AzureEndpoint(CloudEndpoint):
    """A deployment of a model at Azure OpenAI."""

    def __init__(
        self,
        deployment: str = "",
        *,
        base_url: str = "",
        api_key: str | None = None,
        token: Callable[[], str] | None = None,
        api_version: str = "",
        api: Api = "chat",
        context_tokens: int | None = None,
        dimensions: int | None = None,
        http: Http | None = None,
    ) -> None:
        """Take a deployment and how to reach it; nothing is sent before the first request.

        `token` returns a fresh Entra token; it is asked for each request. Without it and `api_key` these are
        looked for in AZURE_OPENAI_API_KEY, AZURE_OPENAI_KEY and AZURE_OPENAI_AD_TOKEN. `base_url` is by
        default in AZURE_OPENAI_ENDPOINT; one that ends in /responses asks for that API. With an
        `api_version`, by default in AZURE_OPENAI_API_VERSION or OPENAI_API_VERSION, an address without a path
        means the older API, else the v1 API.

        Raises:
            ConfigError: for an address that is none, and when no deployment or no way to sign in is named.
        """
        address = azure_address(base_url or os.environ.get(ENDPOINT, ""), api_version or _first(VERSIONS))
        deployment = deployment or address.deployment
        if not deployment:
            raise ConfigError(
                f"{address.root} has deployments and none is named", hint="write azure:DEPLOYMENT@URL"
            )
        settings = http or Http()
        key = "" if token else api_key if api_key is not None else settings.key or _first(KEYS)
        account = Account(address.base, address.api_version, token or (None if key else _token()))
        if not key and account.token is None:
            raise ConfigError(
                f"{address.root} needs a key and none is set",
                hint=f"set the environment variable {settings.key_env or KEYS[0]}, or give a token function",
            )
        limit = "max_tokens" if address.api_version else "max_completion_tokens"
        driver: CloudDriver
        if api == "responses" or urlsplit(base_url).path.endswith("/responses"):
            driver = CloudResponses(address.base, deployment, dimensions=dimensions)
        else:
            driver = CloudChat(address.url(deployment), deployment, limit=limit, dimensions=dimensions)
        own = settings.key_env if settings.key_env not in ("", "BRIDLE_API_KEY") else KEYS[0]
        super().__init__(
            driver, through_sdk(settings, account, key, own), "azure", context_tokens=context_tokens
        )


def _first(names: tuple[str, ...]) -> str:
    return next((value for name in names if (value := os.environ.get(name))), "")


def _token() -> Callable[[], str] | None:
    """A token of the environment; it is read for each request, so that it can be renewed there."""
    return (lambda: os.environ.get(TOKEN, "")) if os.environ.get(TOKEN) else None
