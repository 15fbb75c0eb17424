"""Agents of other programs, read into documents of ours: MemGPT 0.1 to 0.3, and agent files of Letta.

    taken.py           what is found, and what is left out
    conversation.py    messages, packaged as those programs do
    memgpt_home.py     ~/.memgpt of 0.3          memgpt_folder.py   agents of 0.1 and 0.2
    letta_file.py      .af                       texts.py           personas, humans, system texts

Nothing that is read is run: no pickle, no code of tools. Every importer says what it did not take.
"""

from __future__ import annotations

from pathlib import Path

from bridle.agent.exporting.document import is_document, read_document
from bridle.agent.importing.letta_file import is_agent_file, read_agent_file, unwrapped
from bridle.agent.importing.memgpt_folder import has_agents, read_folders
from bridle.agent.importing.memgpt_home import DATABASE, read_home
from bridle.agent.importing.taken import Taken
from bridle.agent.importing.texts import FOLDERS, own_texts
from bridle.errors import InputError

__all__ = ["Taken", "take"]


def take(path: Path) -> Taken:
    """Read whatever agents lie at a path: our own document, an agent file, a home or an agent's folder.

    Raises:
        InputError: when it cannot be read, or is none of these.
    """
    if path.is_dir():
        return _folder(path)
    if path.name == DATABASE:
        return read_home(path.parent)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{str(path)!r} cannot be read: {error.strerror}", hint="check the path") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{str(path)!r} is not text", hint="give a .json, a .af, or a folder") from error
    except ValueError as error:  # a path with a null byte
        raise InputError(f"{str(path)!r} cannot be read: {error}", hint="check the path") from error
    place = unwrapped(text, str(path))
    if is_document(place.value):
        return Taken("an agent of bridle", (read_document(text, str(path)),))
    if is_agent_file(place.value):
        return read_agent_file(place)
    raise InputError(
        f"{str(path)!r} is neither an agent of bridle nor an agent file",
        hint="give what `bridle agents export` wrote, a .af file, ~/.memgpt, or one agent's folder in it",
    )


def _folder(path: Path) -> Taken:
    if (path / DATABASE).is_file():
        return _joined(read_home(path), read_folders(path)) if has_agents(path) else read_home(path)
    if has_agents(path):
        return read_folders(path)
    texts, left_out = own_texts(path)
    if texts:
        return Taken("a folder of personas and humans", (), (), texts, tuple(left_out))
    raise InputError(
        f"there are no agents in {str(path)!r}",
        hint=f"a home of MemGPT has {DATABASE}, agents/NAME/agent_state, or {' and '.join(FOLDERS)}",
    )


def _joined(new: Taken, old: Taken) -> Taken:
    """A home that came from 0.2 has the old folders still; an agent that is in both is taken from the new."""
    names = {agent.name for agent in new.agents}
    agents = tuple(agent for agent in old.agents if agent.name not in names)
    sources = tuple(one for one in old.sources if one.name not in {source.name for source in new.sources})
    return Taken(
        f"{new.kind} with {old.kind}",
        new.agents + agents,
        new.sources + sources,
        {**old.texts, **new.texts},
        tuple(dict.fromkeys((*new.left_out, *old.left_out))),
    )
