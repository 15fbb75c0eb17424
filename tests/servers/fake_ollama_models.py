"""The models that a fake of Ollama has, as `/api/tags` and `/api/show` tell of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["CREATED", "FakeModel"]

CREATED = "2026-08-21T09:00:00.000000Z"
DIGEST = "a80c4f17acd55265feec403c7aef86be0c25983ab279d83f3bcd3abbcb5b8b72"
CHATML = (
    "{{ range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end }}<|im_start|>assistant\n"
)


@dataclass
class FakeModel:
    """A model that was pulled. `capabilities` None is a version that does not tell them."""

    family: str = "llama"
    trained: int = 8192
    capabilities: Sequence[str] | None = ("completion", "tools")
    parameters: str = ""
    template: str = CHATML
    remote: bool = False

    def can(self, capability: str) -> bool:
        return self.capabilities is None or capability in self.capabilities

    def listed(self, name: str) -> dict[str, Any]:
        """What `/api/tags` and `/api/ps` have of it."""
        return {
            "name": name,
            "model": name,
            "modified_at": CREATED,
            "size": 2019393189,
            "digest": DIGEST,
            "details": self._details(),
            **self._remote(name),
        }

    def shown(self, name: str) -> dict[str, Any]:
        """What `/api/show` has of it."""
        told = {} if self.capabilities is None else {"capabilities": list(self.capabilities)}
        return {
            "modelfile": f"FROM {name}",
            "parameters": self.parameters,
            "template": self.template,
            "details": self._details(),
            "model_info": {
                "general.architecture": self.family,
                f"{self.family}.context_length": self.trained,
                "tokenizer.ggml.tokens": [],
            },
            "modified_at": CREATED,
            **told,
            **self._remote(name),
        }

    def _details(self) -> dict[str, Any]:
        return {
            "parent_model": "",
            "format": "gguf",
            "family": self.family,
            "families": [self.family],
            "parameter_size": "3.2B",
            "quantization_level": "Q4_K_M",
        }

    def _remote(self, name: str) -> dict[str, Any]:
        host = "https://ollama.com:443"
        return {"remote_model": name.partition(":")[0], "remote_host": host} if self.remote else {}
