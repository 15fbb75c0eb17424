"""The tools that a config file names, opened together and closed together.

Order: Python functions, files, the web, MCP servers. Nothing is on unless the file says so.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Collection, Generator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import cast

from bridle.agent.functions import MEMORY_FUNCTIONS
from bridle.agent.toolbox.base import Tool, check_names
from bridle.endpoints.config import Config
from bridle.errors import BridleError, ConfigError

__all__ = ["named_function", "open_tools"]


@contextmanager
def open_tools(
    config: Config, *, offline: bool = False, taken: Collection[str] = MEMORY_FUNCTIONS
) -> Generator[tuple[Tool, ...], None, None]:
    """Give the tools that a config file names, until the block ends.

    Where it names none, nothing is imported and nothing started. With `offline`, MCP servers must be of this
    machine, and `http_request` asks no other one.

    Raises:
        ConfigError: for a function that is not there, or fails to load, and for hosts that are none.
        InputError: for a folder that does not exist, and for two tools of one name.
        MissingExtra: for MCP servers without the package mcp.
        EndpointError: for an MCP server that does not start.
    """
    wanted = config.tools
    found: list[Tool] = [named_function(name, config.file.parent) for name in wanted.python]
    if wanted.files_folder:
        from bridle.agent.toolbox.files import file_tools

        found += file_tools(wanted.files_folder)
    if wanted.http_hosts:
        from bridle.agent.toolbox.web import http_tool

        found.append(http_tool(wanted.http_hosts, offline=offline))
    check_names(found, taken)
    with ExitStack() as stack:
        if wanted.mcp:
            from bridle.agent.toolbox.mcp import mcp_tools

            names = [*taken, *(tool.name for tool in found)]
            found += stack.enter_context(mcp_tools(dict(wanted.mcp), offline=offline, taken=names))
        check_names(found, taken)
        yield tuple(found)


def named_function(name: str, folder: Path) -> Tool:
    """Make a tool of `package.module:function`, or of `FILE.py:function`, a file's path being from `folder`.

    What is named may also be a `Tool`. Loading a module runs it.

    Raises:
        ConfigError: when there is no such function, or its module fails to load.
        SchemaError: when a model cannot be told of it.
    """
    from bridle.agent.toolbox.python_tools import as_tool

    module_name, divider, attribute = name.rpartition(":")
    if not divider or not module_name or not attribute:
        raise ConfigError(
            f"[tools] python names {name!r}", hint="write package.module:function, or FILE.py:function"
        )
    module = _module(name, module_name, folder)
    function: object = getattr(module, attribute, None)
    if function is None:
        raise ConfigError(
            f"[tools] python names {name!r}, and there is no {attribute!r} in {module_name}",
            hint="write the name of a function that is there",
        )
    # Anything may be there; `as_tool` refuses what is no function.
    return as_tool(cast("Callable[..., object] | Tool", function), source=name)


def _module(name: str, module_name: str, folder: Path) -> ModuleType:
    try:
        if module_name.endswith(".py"):
            return _module_of_file(folder / Path(module_name).expanduser())
        return import_module(module_name)
    except BridleError:
        raise
    except Exception as error:  # what a person's module does when it is imported is anything
        raise ConfigError(
            f"[tools] python names {name!r}, which fails to load: {type(error).__name__}: {error}",
            hint="try it with python; a package must be installed beside bridle, or name a file",
        ) from error


def _module_of_file(file: Path) -> ModuleType:
    name = f"bridle_tools_{file.stem}_{abs(hash(str(file.resolve())))}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up there
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
