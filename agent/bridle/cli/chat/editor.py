"""The line editor of prompt_toolkit (the extra `repl`), set up for a conversation.

Read in prompt_toolkit 3.0.53 (2026). Imported where it is used; without the package that raises
`ImportError`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import History
from prompt_toolkit.output import create_output
from prompt_toolkit.styles import Style

from bridle.cli.chat.history import TypedHistory

__all__ = ["open_editor", "ring_after"]

STYLE = Style.from_dict({"bottom-toolbar": "noreverse dim"})


def open_editor(
    history: TypedHistory, completes: Callable[[str], Sequence[str]], toolbar: Callable[[int], str]
) -> PromptSession[str]:
    """Make the editor. `completes` continues what stands before the cursor, `toolbar` fills columns."""
    session: PromptSession[str] = PromptSession(
        history=_Kept(history),
        completer=_Whole(completes),
        complete_while_typing=False,
        output=create_output(stdout=sys.stderr if sys.stderr.isatty() else sys.stdout),
        style=STYLE,
    )
    session.bottom_toolbar = lambda: toolbar(session.output.get_size().columns)
    return session


def ring_after(session: PromptSession[str], wait_s: float, due: Exception) -> None:
    """End the prompt that is running with this error, unless it has ended before."""

    def ring() -> None:
        if session.app.is_running and session.app.future and not session.app.future.done():
            session.app.exit(exception=due)

    loop = session.app.loop
    assert loop is not None, "a prompt that runs has a loop"
    loop.call_later(wait_s, ring)


class _Kept(History):
    """Our own file, in the form that prompt_toolkit asks for: newest first."""

    def __init__(self, kept: TypedHistory) -> None:
        super().__init__()
        self._typed = kept

    def load_history_strings(self) -> Iterable[str]:
        return list(reversed(self._typed.entries))

    def store_string(self, string: str) -> None:
        self._typed.add(string)


class _Whole(Completer):
    """Completes whole lines."""

    def __init__(self, completes: Callable[[str], Sequence[str]]) -> None:
        self._completes = completes

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        before = document.text_before_cursor
        for line in self._completes(before):
            yield Completion(line, start_position=-len(before))
