"""The slash commands: a table with one line for each, and what reads a line that begins with a slash.

To add one, write a function that takes the session and what was typed after the name, and add its line to
`COMMANDS`. Arguments in brackets may be left out; `[n]` is a number. The same table makes `/help`, the
completion by the Tab key, and the table in the documentation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from bridle.cli.chat import keeping, memories, models, turns
from bridle.cli.chat.session import Session, columns, note
from bridle.errors import InputError

__all__ = ["CHOICES", "COMMANDS", "Slash", "completions", "is_command", "obey", "table"]


@dataclass(frozen=True, slots=True)
class Slash:
    """A command: its name without the slash, what it takes, one line of help, and what it does."""

    name: str
    arguments: str
    help: str
    run: Callable[[Session, str], None]

    @property
    def usage(self) -> str:
        """What is typed, such as `/pop [n]`."""
        return f"/{self.name} {self.arguments}".strip()


def _leave(session: Session, given: str) -> None:
    """End the conversation."""
    session.leaving = True


def _show_help(session: Session, given: str) -> None:
    """List the commands, or explain one."""
    listed = COMMANDS.values() if not given else [_found(given.removeprefix("/"))]
    width = max(len(one.usage) for one in listed) + 2
    narrow = width + 30 > columns()
    for one in listed:
        note(one.usage if narrow else f"{one.usage:<{width}}{one.help}")
        if narrow:
            note(f"    {one.help}")
    if not given:
        note("Everything else is said to the agent. Ctrl-C stops an answer; Ctrl-D leaves.")


_LINES = (
    Slash("help", "[COMMAND]", "this list", _show_help),
    Slash("exit", "", "leave (so does Ctrl-D)", _leave),
    Slash("quit", "", "leave", _leave),
    Slash("memory", "", "core memory, and how much is stored", memories.show_memory),
    Slash("search", "QUERY", "look through memory, conversation, notes and sources", memories.search),
    Slash("attach", "[NAME]", "let the agent search a source; alone: choose one", memories.attach),
    Slash("undo", "[LABEL]", "take back the last change of core memory", memories.undo),
    Slash("diff", "[LABEL]", "how core memory has changed since this conversation began", memories.diff),
    Slash("context", "", "what fills the model's window, in tokens", memories.context),
    Slash("/", "", "say several lines, up to a line that is // again", turns.several),
    Slash("retry", "", "answer the last message again", turns.retry),
    Slash("pop", "[n]", "take the last n turns back (1)", turns.pop),
    Slash("rethink", "TEXT", "put other thoughts in place of the agent's last ones", turns.rethink),
    Slash("rewrite", "TEXT", "put another reply in place of the agent's last one", turns.rewrite),
    Slash("summarize", "", "sum up the older conversation to make room", turns.summarize),
    Slash("heartbeat", "", "give the agent a step of its own", turns.heartbeat),
    Slash("memorywarning", "", "tell the agent that its window is nearly full", turns.warn_memory),
    Slash("systemswap", "TEXT|FILE", "give the agent other instructions", turns.swap_system),
    Slash("model", "[SPEC|NAME]", "go on with another endpoint or model; alone: list them", models.model),
    Slash("wrapper", "[NAME]", "go on with another prompt format; alone: show it", models.wrapper),
    Slash("tools", "", "the functions that the model may call", models.tools),
    Slash("grammar", "", "the constraint of the last call", models.grammar),
    Slash("why", "", "how the answers of the last turn were held, and what that cost", models.why),
    Slash("stats", "", "turns, tokens and seconds of this conversation", models.stats),
    Slash("dump", "[n]", "the last n messages of the conversation (all)", keeping.dump),
    Slash("dumpraw", "[n]", "the last n messages as the model is shown them, as JSON", keeping.dump_raw),
    Slash("save", "", "where everything is saved already", keeping.save),
    Slash("fork", "NAME", "copy the agent with all that it remembers", keeping.fork),
    Slash("export", "FILE", "write the agent to a file", keeping.export),
)  # fmt: skip

COMMANDS: Mapping[str, Slash] = {one.name: one for one in _LINES}

CHOICES: Mapping[str, Callable[[Session], Iterable[str]]] = {
    "help": lambda _: COMMANDS,
    "attach": memories.source_names,
    "undo": memories.labels,
    "diff": memories.labels,
    "model": models.model_names,
    "wrapper": models.wrapper_names,
}
"""What the Tab key continues the argument of a command to."""


def is_command(text: str) -> bool:
    """Whether a line is for us: a slash, letters, and a blank or the end.

    >>> is_command("/pop 2"), is_command("//"), is_command("/etc/hosts is a file")
    (True, True, False)
    """
    first = text.partition(" ")[0]
    return text == "//" or (first.startswith("/") and first[1:].isalpha())


def obey(session: Session, text: str) -> None:
    """Do what a line with a command says.

    Raises:
        InputError: for an unknown command, with the nearest name; for wrong arguments, with the right ones.
        BridleError: of what the command does.
    """
    name, _, given = text.strip().removeprefix("/").partition(" ")
    command, given = _found(name), given.strip()
    right = f"{command.usage}: {command.help}"
    if given and not command.arguments:
        raise InputError(f"/{command.name} takes nothing after it, not {given!r}", hint=right)
    if not given and command.arguments and not command.arguments.startswith("["):
        raise InputError(f"/{command.name} needs {command.arguments}", hint=right)
    if given and command.arguments == "[n]" and not (given.isdecimal() and int(given) > 0):
        raise InputError(f"/{command.name} takes a number from 1 on, not {given!r}", hint=right)
    command.run(session, given)


def completions(session: Session, text: str) -> Sequence[str]:
    """Return the lines that a beginning can be continued to: names of commands, then what they take."""
    if not text.startswith("/"):
        return ()
    name, blank, given = text.partition(" ")
    if not blank:
        return [f"/{one}" for one in COMMANDS if one.startswith(text[1:])]
    choices = CHOICES.get(name[1:], _nothing)(session)
    return [f"{name} {choice}" for choice in choices if choice.startswith(given)]


def table() -> str:
    """Write the commands as a table of the documentation."""
    rows = [f"| `{one.usage.replace('|', chr(92) + '|')}` | {one.help} |" for one in COMMANDS.values()]
    return "\n".join(["| command | what it does |", "|---|---|", *rows])


def _nothing(session: Session) -> Iterable[str]:
    return ()


def _found(name: str) -> Slash:
    command = COMMANDS.get(name)
    if command is None:
        near = get_close_matches(name.lower(), COMMANDS, n=1, cutoff=0.5)
        guess = f"did you mean /{near[0]}? " if near else ""
        raise InputError(
            f"there is no command /{name}",
            hint=f"{guess}/help lists them; between two lines // anything can be said",
        )
    return command
