"""Open an agent in one line: `create` a new one, `load` one that is there, or `open_agent` either way."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bridle.agent.limits import Limits
from bridle.agent.prompt import Profile
from bridle.agent.runner import Agent
from bridle.agent.state import PROFILES
from bridle.agent.store import FILE_NAME, Store
from bridle.endpoints.base import Endpoint
from bridle.endpoints.config import ChatConfig, EndpointConfig, load_config
from bridle.endpoints.config import home as default_home
from bridle.endpoints.connect import Spec, connect
from bridle.errors import InputError
from bridle.wrappers import Wrapper

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridle.agent.toolbox import Tool

__all__ = ["Beginning", "beginning", "create", "load", "open_agent", "profile_named"]


NO_CHAT = ChatConfig()


@contextmanager
def open_agent(
    name: str = "default",
    endpoint: Spec | Endpoint = "embedded",
    *,
    home: Path | None = None,
    wrapper: str | Path | Wrapper = "auto",
    profile: Profile | str = "auto",
    persona: str | None = None,
    human: str | None = None,
    preset: str | None = None,
    system: str | None = None,
    tools: Iterable[Tool | Callable[..., object]] = (),
    limits: Limits | None = None,
    temperature: float = 0.0,
    seed: int | None = None,
    offline: bool = False,
) -> Generator[Agent, None, None]:
    """Open an agent of the store in `home` (default: BRIDLE_HOME, else the platform's data directory).

    `endpoint` is whatever `connect` takes, or an endpoint that is open already and stays so. `persona`,
    `human` and `preset` are names (`bridle agents presets`), files, or texts of more than one word, with
    which a new agent begins; `tools` are typed Python functions or `Tool`s, besides those of the config file,
    which also says where archival memory lies and what makes embeddings.

    Raises:
        BridleError: of the kind that `Agent.open`, `connect` and `Store` raise.
    """
    from bridle.agent.archival.indexes import open_archive
    from bridle.agent.toolbox import as_tool, open_tools

    folder = home or default_home()
    config = load_config()
    begin = beginning(
        folder, preset=preset, persona=persona, human=human, system=system, profile=profile, chat=config.chat
    )
    given = tuple(as_tool(tool) for tool in tools)
    with ExitStack() as stack:
        store = stack.enter_context(Store(folder))
        archive = stack.enter_context(closing(open_archive(store, config, offline=offline)))
        given = (*given, *stack.enter_context(open_tools(config, offline=offline)))
        if isinstance(endpoint, str | Path | EndpointConfig | Mapping | Sequence):
            model = stack.enter_context(closing(connect(endpoint, offline=offline)))
        else:
            model = endpoint
        yield Agent.open(
            store, name, model, wrapper=wrapper, profile=begin.profile, archive=archive,
            tools=given, limits=limits, persona=begin.persona, human=begin.human,
            system=begin.system, temperature=temperature, seed=seed,
        )  # fmt: skip


@contextmanager
def create(
    name: str, endpoint: Spec | Endpoint = "embedded", *, home: Path | None = None, **options: Any
) -> Generator[Agent, None, None]:
    """Make a new agent and open it; the options are those of `open_agent`.

    Raises:
        InputError: where there is an agent of that name.
        BridleError: as `open_agent` does.
    """
    if name in _names(home):
        raise InputError(f"there is an agent {name!r} already", hint="load it, or choose another name")
    with open_agent(name, endpoint, home=home, **options) as agent:
        yield agent


@contextmanager
def load(
    name: str, endpoint: Spec | Endpoint = "embedded", *, home: Path | None = None, **options: Any
) -> Generator[Agent, None, None]:
    """Open an agent that is there; the options are those of `open_agent`.

    Raises:
        InputError: where there is none of that name, with those that there are.
        BridleError: as `open_agent` does.
    """
    names = _names(home)
    if name not in names:
        known = ", ".join(names) or "none"
        raise InputError(f"there is no agent {name!r}", hint=f"the agents are: {known}")
    with open_agent(name, endpoint, home=home, **options) as agent:
        yield agent


def _names(home: Path | None) -> tuple[str, ...]:
    """The agents of a home; looking makes no file."""
    folder = home or default_home()
    if not (folder / FILE_NAME).exists():
        return ()
    with Store(folder) as store:
        return tuple(info.name for info in store.agents())


@dataclass(frozen=True, slots=True)
class Beginning:
    """What a new agent begins with; None leaves it to the profile."""

    profile: Profile | Literal["auto"]
    persona: str | None
    human: str | None
    system: str | None
    tools: tuple[str, ...] = ()


def beginning(
    folder: Path,
    *,
    preset: str | None = None,
    persona: str | None = None,
    human: str | None = None,
    system: str | None = None,
    profile: Profile | str = "auto",
    chat: ChatConfig = NO_CHAT,
) -> Beginning:
    """Find the texts of a new agent: what is given, else the preset's, else the config file's.

    Raises:
        InputError: for a name that means nothing, and for a file that cannot be read.
    """
    from bridle.agent.presets import human_text, load_preset, persona_text

    found = load_preset(preset, folder) if preset is not None else None
    who = _text(persona, persona_text, folder)
    whom = _text(human, human_text, folder)
    if found is None:
        named = profile_named(profile)
        return Beginning(named, who or chat.persona or None, whom or chat.human or None, system)
    named = profile_named(found.profile if profile == "auto" else profile)
    return Beginning(
        named, who or found.persona, whom or found.human, system or found.system or None, found.tools
    )


def _text(given: str | None, find: Callable[[str, Path], str], folder: Path) -> str | None:
    """A text as it is where it has more than one word, else what the name or path stands for."""
    if given is None or len(given.split()) != 1:
        return given
    return find(given, folder)


def profile_named(profile: Profile | str) -> Profile | Literal["auto"]:
    """The profile of that name.

    Raises:
        InputError: for a name that there is none of.
    """
    if not isinstance(profile, str):
        return profile
    if profile == "auto":
        return "auto"
    if profile in PROFILES:
        return PROFILES[profile]
    raise InputError(f"there is no profile {profile!r}", hint=f"it is auto or one of {', '.join(PROFILES)}")
