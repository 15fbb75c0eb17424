"""What vLLM and SGLang share: OpenAI's routes, a window that they tell, and a tokenizer to ask.

Both take what a request leaves out from the model's own `generation_config.json`, which may well repeat less
or sample more than was asked for. So all of it is said. Both leave special tokens out of the text, and with
them the marks that some models write around their calls. So that is switched off on the prompt route.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import ClassVar

from bridle.endpoints.base import Request, Sampling, Supports
from bridle.endpoints.driver import SAMPLING, Ask, Found, names_of
from bridle.endpoints.drivers.openai_compat import OpenAICompat
from bridle.endpoints.json_paths import integer_at, text_at
from bridle.endpoints.transport.http import HttpCall
from bridle.errors import EndpointError, RequestRefused
from bridle.messages import JSON

__all__ = ["CompatEngine"]

NEUTRAL: Mapping[str, JSON] = MappingProxyType(
    {"top_k": -1, "top_p": 1.0, "min_p": 0.0, "repetition_penalty": 1.0}
)
"""What switches each of these off, in all versions of both."""
NOT_FOUND = 404


class CompatEngine(OpenAICompat):
    """A server of open models with OpenAI's routes; `owner` is what it writes beside its models."""

    owner: ClassVar[str] = ""
    supports = Supports(
        prompt=True,
        chat=True,
        grammar=True,
        dialect="xgrammar",
        json_schema=True,
        prompt_schema=True,
        schema_profile="vllm",  # what xgrammar holds, of which both make use
        tools=True,
        forced=True,
        named=True,
        json_mode=True,
        regex=True,
        tokenize=True,
        embed=True,
        logprobs=True,
        seed=True,
        parallel=True,
        overflow="error",
    )
    sampling_names = names_of(*SAMPLING, repeat_penalty="repetition_penalty")

    def sampling(self, sampling: Sampling) -> dict[str, JSON]:
        """Write all sampling fields, also those that are off."""
        return {**NEUTRAL, **super().sampling(sampling)}

    def completion(self, request: Request) -> dict[str, JSON]:
        """Write the prompt and what holds the answer; marks of calls stay in the text."""
        return {**super().completion(request), "skip_special_tokens": False, **self.held(request)}

    def discover(self, ask: Ask, model: str) -> Found:
        """Ask for the model; what another one could not do is forgotten."""
        self.supports = type(self).supports
        return super().discover(ask, model)

    @abstractmethod
    def held(self, request: Request) -> dict[str, JSON]:
        """Write the fields that hold an answer on the prompt route."""

    def chat(self, request: Request) -> dict[str, JSON]:
        """Write the messages, the tools, what holds the answer, and whether to think."""
        body = super().chat(request)
        if request.think is not None:
            # Templates call it by one name or the other, and ignore what they do not know.
            body["chat_template_kwargs"] = {"enable_thinking": request.think, "thinking": request.think}
        return body

    def count_tokens(self, request: Request, ask: Ask, model: str) -> int | None:
        """Ask `/tokenize`; None where it is missing."""
        what = self.to_count(request)
        if what is None or not self.supports.tokenize:
            return None
        body: dict[str, JSON] = {"model": model} if model else {}
        try:
            return integer_at(ask(HttpCall(f"{self.root}/tokenize", body | what)), "count")
        except RequestRefused as error:
            if error.facts.get("status") == NOT_FOUND:
                self.supports = replace(self.supports, tokenize=False)
            return None

    def to_count(self, request: Request) -> dict[str, JSON] | None:
        """Write what is to be counted, just as it will be sent; None where that cannot be told."""
        if not request.prompt:
            return None
        return {"prompt": self.prompt_text(request), "add_special_tokens": True}

    def told(self, ask: Ask, *routes: str) -> JSON:
        """Ask routes below the root, one of which a version has; None when it has none."""
        for route in routes:
            try:
                return ask(HttpCall(self.root + route))
            except EndpointError:
                continue  # an older or newer name; the model list has said that the server is there
        return None

    @classmethod
    def owns(cls, listed: JSON) -> bool:
        """Whether a list of models is one of this server."""
        return text_at(listed, "data", 0, "owned_by") == cls.owner
