"""The loop of a conversation: read a line, do what it says or say it to the agent, until they end."""

from __future__ import annotations

from datetime import datetime, timedelta

from bridle.cli import output
from bridle.cli.chat.lines import HeartbeatDue, LineDropped
from bridle.cli.chat.session import PROMPT, Session, note
from bridle.cli.chat.slash import is_command, obey
from bridle.errors import BridleError, InputError

__all__ = ["talk"]


def talk(session: Session, *, commands: bool = True) -> None:
    """Take lines until they end or `/exit` is read; with `commands` a line may be a slash command.

    Raises:
        BridleError: of the endpoint and the store, where the session is not patient.
    """
    pressed = False
    while not session.leaving:
        try:
            text = session.lines.read(PROMPT, _wait_s(session)).strip()
        except EOFError:
            if session.patient:
                note()
            return
        except LineDropped:
            pressed = False
            continue
        except KeyboardInterrupt:
            if not session.patient:
                raise
            if pressed:
                return
            pressed = True
            note("\n/exit or Ctrl-D leaves, and so does Ctrl-C once more.")
            continue
        except HeartbeatDue:
            _beat(session)
            continue
        pressed = False
        _take(session, text, commands)


def _take(session: Session, text: str, commands: bool) -> None:
    if not text:
        return
    if not commands or not is_command(text):
        session.say(text)
        return
    try:
        obey(session, text)
    except InputError as error:
        output.print_error(error.message, error.hint)
    except BridleError as error:
        if not session.patient:
            raise
        output.print_error(error.message, error.hint)
    except KeyboardInterrupt:
        if not session.patient:
            raise
        note()


def _wait_s(session: Session) -> float | None:
    """How long a line is waited for before the agent acts by itself."""
    minutes = session.options.heartbeat
    if minutes is None or not session.patient:
        return None
    from bridle.agent.scheduler import next_heartbeat

    now = datetime.now().astimezone()
    due = next_heartbeat(session.agent.state, timedelta(minutes=minutes), now)
    return None if due is None else (due - now).total_seconds()


def _beat(session: Session) -> None:
    minutes = session.options.heartbeat
    reason = f"Nobody has written for {minutes:g} minutes."
    session.answer(lambda on_event, should_stop: session.agent.heartbeat(reason, on_event, should_stop))
