"""OpenAI and Azure OpenAI, through OpenAI's own package."""

from __future__ import annotations

from bridle.endpoints.config import EndpointConfig
from bridle.endpoints.http import Http
from bridle.endpoints.http_endpoint import HttpEndpoint
from bridle.endpoints.openai_compat import OpenAICompat

__all__ = ["open_openai"]


def open_openai(url: str, http: Http, entry: EndpointConfig) -> HttpEndpoint:
    """Open OpenAI, or any other server that speaks its API."""
    driver = OpenAICompat(url)
    http.start_hint = driver.start_hint
    return HttpEndpoint(driver, http, model=entry.model, context_tokens=entry.context_tokens)
