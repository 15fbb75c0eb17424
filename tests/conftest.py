"""Every test is alone: a home of its own, none of the user's settings, no socket but loopback, no chance.

`pytest --hypothesis-profile=thorough` runs each law on 5,000 examples instead of 200.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from bridle.endpoints.environment import VARIABLES
from guard.sitecustomize import LEAKS, install

settings.register_profile(
    "bridle", max_examples=200, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("thorough", parent=settings.get_profile("bridle"), max_examples=5000)
settings.load_profile("bridle")

GUARD = str(Path(__file__).parent / "guard")
USER_SETTINGS = (
    "BRIDLE_ENDPOINT",
    "COLUMNS",
    "FORCE_COLOR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "LLAMA_LOG_LEVEL",
    "NO_COLOR",
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "http_proxy",
    "https_proxy",
    *VARIABLES,
)


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the test an empty home and no settings of the person who runs it."""
    folder = tmp_path_factory.mktemp("home")
    for name in USER_SETTINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BRIDLE_HOME", str(folder / "bridle"))
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(folder / "data"))
    return folder


@pytest.fixture(autouse=True, scope="session")
def no_matrix_units() -> Iterator[None]:
    """Keep llama.cpp off AMX: some virtual machines show it and have it not, and the process ends there."""
    cpu = Path("/proc/cpuinfo")
    shown = cpu.exists() and "amx_tile" in cpu.read_text("utf-8", "replace")
    if not shown or importlib.util.find_spec("llama_cpp") is None:
        yield
        return
    from llama_cpp import llama_cpp

    usual = llama_cpp.llama_model_default_params

    def plain() -> Any:
        params = usual()
        params.use_extra_bufts = False
        return params

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(llama_cpp, "llama_model_default_params", plain)
        yield


@pytest.fixture(autouse=True, scope="session")
def loopback_only(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Refuse every connection and every look-up of a name that would leave this machine, here and in the
    processes that tests start; and fail at the end where one was tried and nobody noticed."""
    leaks = tmp_path_factory.mktemp("leaks") / "tried.txt"
    start = subprocess.Popen.__init__

    def guarded(self: Any, *args: Any, **given: Any) -> None:
        env = dict(os.environ if given.get("env") is None else given["env"])
        env["PYTHONPATH"] = os.pathsep.join(filter(None, (GUARD, env.get("PYTHONPATH"))))
        start(self, *args, **{**given, "env": {LEAKS: str(leaks), **env}})

    install()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(LEAKS, str(leaks))
        patch.setattr(subprocess.Popen, "__init__", guarded)
        yield
    assert not leaks.exists(), leaks.read_text("utf-8")
