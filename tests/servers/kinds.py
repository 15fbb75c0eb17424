"""Which fake server plays which kind of endpoint in the contract suite.

A fake is made by a function without arguments; it has a `url`, says `text`, and can be told to misbehave: see
`servers.fake.ModelServer`. To add a kind, add its line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module

from servers.fake import ModelServer, Server

__all__ = ["FAKES", "make_fake"]

FAKES: Mapping[str, str] = {
    "openai": "servers.fake:ModelServer",
    "webui": "servers.fake_webui:FakeWebUI",
    "webui-legacy": "servers.fake_webui_legacy:open_fake",
    "lmstudio": "servers.fake_lmstudio:FakeLMStudio",
    "ollama": "servers.fake_ollama:FakeOllama",
    "llama-server": "servers.fake_llama_server:FakeLlamaServer",
    "llama-cpp-python": "servers.fake_llama_cpp_server:FakeLlamaCppServer",
    "koboldcpp": "servers.fake_koboldcpp:FakeKoboldCpp",
    "vllm": "servers.fake_vllm:FakeVLLM",
    "sglang": "servers.fake_sglang:FakeSGLang",
}
"""`module:class` by kind; `ModelServer` itself is made with the kind's name."""


def make_fake(kind: str) -> Server:
    """Start the fake of a kind."""
    module, _, name = FAKES[kind].partition(":")
    made: Callable[..., Server] = getattr(import_module(module), name)
    return made(kind) if made is ModelServer else made()
