"""An endpoint at OpenAI or Azure: what `HttpEndpoint` does, and another try without what a model refused."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from bridle.endpoints.base import Answer, Request
from bridle.endpoints.drivers.cloud_driver import CloudDriver
from bridle.endpoints.drivers.cloud_messages import plain_calls
from bridle.endpoints.drivers.cloud_sdk import SdkHttp
from bridle.endpoints.http_endpoint import HttpEndpoint
from bridle.errors import UnsupportedParameter

__all__ = ["Api", "CloudEndpoint"]

Api = Literal["chat", "responses"]
"""Which of OpenAI's two APIs is spoken: chat completions, or responses."""


class CloudEndpoint(HttpEndpoint):
    """A model of OpenAI's, at OpenAI or at Azure."""

    def __init__(
        self, driver: CloudDriver, http: SdkHttp, kind: str, *, context_tokens: int | None = None
    ) -> None:
        """Take a driver and a connection; nothing is sent before the first request."""
        super().__init__(driver, http, model=driver.asked_model, context_tokens=context_tokens)
        self.cloud = driver
        self.kind = kind
        self.discover()

    @property
    def name(self) -> str:
        """The spec that this endpoint can be connected by."""
        return f"{self.kind}:{self.model}@{self.driver.base}"

    @property
    def chat_template(self) -> str | None:
        """None: the service renders the messages itself."""
        return None

    def complete(
        self,
        request: Request,
        on_text: Callable[[str], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Answer:
        """Generate; see `bridle.endpoints.base.Endpoint`.

        A field that the model refuses by name is left out from then on, and listed as dropped; not where the
        request is strict.
        """
        begin = time.monotonic()
        while True:
            try:
                answer = super().complete(_remaining(request, begin), on_text, should_stop)
            except UnsupportedParameter as error:
                parameter = error.facts.get("parameter")
                if request.strict or not isinstance(parameter, str) or not self.cloud.leave_out(parameter):
                    raise
            else:
                dropped = tuple(dict.fromkeys((*answer.dropped, *self.cloud.omitted)))
                return replace(answer, calls=plain_calls(answer.calls, request.tools), dropped=dropped)

    def _fit(self, request: Request) -> Request:
        """Leave the limit as it is: without one, the service allows what the model can do."""
        return request


def _remaining(request: Request, begin: float) -> Request:
    if request.max_seconds is None or request.max_seconds <= 0:
        return request
    return replace(request, max_seconds=max(0.001, request.max_seconds - (time.monotonic() - begin)))
