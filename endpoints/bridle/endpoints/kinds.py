"""The kinds of endpoints: what opens each, what its spec takes, and how a person starts it.

Adding a kind is one file and one line in `KINDS`. Nothing is imported before an endpoint is opened, so that
`--help` and a look around can show the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import Literal

from bridle.errors import ConfigError

__all__ = ["AUTO", "KINDS", "Kind", "kind_named", "load"]

AUTO = "auto"
"""The spec, and the kind, of what is found first on this machine."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A way to reach a model: what opens it (`module:name`), what its spec takes, and one line about it.

    `opens` names a `Driver`, or a function that opens an endpoint; then `driver` names the `Driver` that
    recognises such a server. `start` is what to do when none is running. `names` is what such a server does
    with the name of a model that it has not: it is ignored, or refused; who knows where it is empty.
    """

    opens: str
    takes: Literal["nothing", "path", "url"]
    about: str
    default_url: str = ""
    driver: str = ""
    start: str = ""
    names: Literal["", "ignored", "refused"] = ""


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "embedded": Kind(
            "bridle.endpoints.embedded:open_embedded", "nothing", "the small model that comes along"
        ),
        "llamacpp": Kind("bridle.endpoints.llamacpp:LlamaCpp", "path", "a GGUF file, run in this process"),
        "lmstudio": Kind(
            "bridle.endpoints.drivers.lmstudio:open_lmstudio",
            "url",
            "LM Studio's server",
            "http://127.0.0.1:1234",
            "bridle.endpoints.drivers.lmstudio:LMStudio",
            "load a model, then start the server in the Developer tab, or: lms server start",
            names="refused",
        ),
        "ollama": Kind(
            "bridle.endpoints.drivers.ollama:open_ollama",
            "url",
            "Ollama",
            "http://127.0.0.1:11434",
            "bridle.endpoints.drivers.ollama:Ollama",
            "ollama serve, and once: ollama pull MODEL",
            names="refused",
        ),
        "webui": Kind(
            "bridle.endpoints.drivers.webui:WebUI",
            "url",
            "text-generation-webui with --api",
            "http://127.0.0.1:5000",
            start="python server.py --api --model FILE.gguf",
            names="ignored",
        ),
        "webui-legacy": Kind(
            "bridle.endpoints.drivers.webui_legacy:open_webui_legacy",
            "url",
            "text-generation-webui until November 2023",
            "http://127.0.0.1:5000",
            "bridle.endpoints.drivers.webui_legacy:WebUILegacy",
            "python server.py --api --model MODEL, of a version before 2023-11-10",
            names="ignored",
        ),
        "llama-server": Kind(
            "bridle.endpoints.drivers.llama_server:LlamaServer",
            "url",
            "llama.cpp's server",
            "http://127.0.0.1:8080",
            start="llama-server -m FILE.gguf --port 8080",
            names="ignored",
        ),
        "llama-cpp-python": Kind(
            "bridle.endpoints.drivers.llama_cpp_server:open_llama_cpp_server",
            "url",
            "llama-cpp-python's server",
            "http://127.0.0.1:8000",
            "bridle.endpoints.drivers.llama_cpp_server:LlamaCppServer",
            "python -m llama_cpp.server --model FILE.gguf",
            names="ignored",
        ),
        "koboldcpp": Kind(
            "bridle.endpoints.drivers.koboldcpp:KoboldCpp",
            "url",
            "KoboldCpp",
            "http://127.0.0.1:5001",
            start="koboldcpp --model FILE.gguf",
            names="ignored",
        ),
        "vllm": Kind(
            "bridle.endpoints.drivers.vllm:VLLM",
            "url",
            "vLLM",
            "http://127.0.0.1:8000",
            start="vllm serve MODEL",
            names="refused",
        ),
        "sglang": Kind(
            "bridle.endpoints.drivers.sglang:SGLang",
            "url",
            "SGLang",
            "http://127.0.0.1:30000",
            start="python -m sglang.launch_server --model-path MODEL",
        ),
        "openai": Kind(
            "bridle.endpoints.drivers.cloud:open_openai",
            "url",
            "OpenAI, or any server that speaks its API",
            "https://api.openai.com/v1",
            "bridle.endpoints.drivers.openai_compat:OpenAICompat",
        ),
        "azure": Kind(
            "bridle.endpoints.drivers.cloud:open_azure",
            "url",
            "Azure OpenAI: a deployment of a model",
            driver="bridle.endpoints.drivers.cloud_driver:CloudDriver",
        ),
        "outlines": Kind(
            "bridle.endpoints.drivers.outlines_model:open_outlines",
            "path",
            "a Transformers model, by Outlines",
        ),
        "scripted": Kind("bridle.endpoints.scripted:from_file", "path", "answers from a file, for tests"),
    }
)
"""Every kind by its name in a spec."""


def kind_named(name: str) -> Kind:
    """Look a kind up.

    Raises:
        ConfigError: when there is none of that name.
    """
    if name not in KINDS:
        raise ConfigError(f"no kind of endpoint is called {name!r}", hint=f"kinds are {', '.join(KINDS)}")
    return KINDS[name]


def load(name: str) -> object:
    """Import what a line of the table names."""
    module, _, attribute = name.partition(":")
    return getattr(import_module(module), attribute)
