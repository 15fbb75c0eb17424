"""Start llama-cpp-python's server as `python -m llama_cpp.server` does, in a way that survives any machine.

llama.cpp lays weights out anew for a processor's matrix unit where it sees one, and some virtual machines
show AMX and then end a process that uses it. The server has no option against that (llama-server has
`--no-repack`), so the default of the library underneath is changed before the server reads it.
"""

from __future__ import annotations

from collections.abc import Callable

import llama_cpp
from llama_cpp.server import __main__ as program

_default_params = llama_cpp.llama_model_default_params


def _plain_params() -> llama_cpp.llama_model_params:
    params: llama_cpp.llama_model_params = _default_params()
    params.use_extra_bufts = False
    return params


if __name__ == "__main__":
    llama_cpp.llama_cpp.llama_model_default_params = _plain_params
    llama_cpp.llama_model_default_params = _plain_params
    start: Callable[[], None] = program.main  # it has no types
    start()
