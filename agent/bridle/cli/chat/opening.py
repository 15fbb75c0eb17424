"""Open what a conversation needs: endpoint, archive and agent; and say what was opened."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from bridle.cli import output
from bridle.cli.chat.extras import chosen_tools
from bridle.cli.chat.options import ChatOptions, endpoint_of
from bridle.cli.connecting import EMBEDDED, open_endpoint, usual_entry
from bridle.cli.files import read_text

if TYPE_CHECKING:
    from bridle.agent import Agent, Store
    from bridle.agent.creating import Beginning
    from bridle.cli.chat.session import Session
    from bridle.endpoints.config import EndpointConfig

__all__ = ["begins_with", "introduce", "open_agent"]

EMBEDDED_LINE = (
    "The embedded model is a tiny one, made by this project: it understands plain English and remembers facts"
    " about you, nothing else. A real model: --endpoint http://127.0.0.1:1234 (LM Studio),"
    " --endpoint http://127.0.0.1:5000 (web UI) or --endpoint MODEL.gguf"
)


def begins_with(options: ChatOptions) -> Beginning:
    """Find the texts of a new agent: what was given, else the preset's, else the config file's.

    Raises:
        InputError: for a name that means nothing, and for a file that cannot be read.
        ConfigError: for a bad config file.
    """
    from bridle.agent.creating import beginning
    from bridle.endpoints.config import home, load_config

    return beginning(
        home(),
        preset=options.preset,
        persona=options.persona,
        human=options.human,
        system=read_text(str(options.system), "--system").strip() if options.system else None,
        profile=options.profile or "auto",
        chat=load_config().chat,
    )


def open_agent(
    stack: ExitStack, store: Store, name: str, begins: Beginning, options: ChatOptions
) -> tuple[Agent, EndpointConfig]:
    """Open the endpoint, the archive and the agent; also tell what the endpoint was opened from.

    The archive is closed with the stack, the endpoint that the agent then has, too.

    Raises:
        BridleError: of the kind that goes with what cannot be opened.
    """
    from bridle.agent import Agent
    from bridle.agent.archival.indexes import open_archive
    from bridle.agent.limits import Limits
    from bridle.endpoints.config import load_config

    entry = usual_entry(endpoint_of(options))
    endpoint, wrapper = open_endpoint(
        entry,
        model=options.model,
        wrapper=options.wrapper or options.model_wrapper,
        context_tokens=options.context_window,
        offline=options.offline,
    )
    try:
        archive = open_archive(store, load_config(), offline=options.offline)
        stack.callback(archive.close)
        agent = Agent.open(
            store,
            name,
            endpoint,
            wrapper=wrapper,
            profile=begins.profile,
            tools=chosen_tools(stack, begins.tools, options, store.home / "files" / name),
            limits=Limits(steps=options.max_steps, tokens=options.max_tokens, seconds=options.max_seconds),
            archive=archive,
            persona=begins.persona,
            human=begins.human,
            system=begins.system,
            block_chars=options.core_memory_limit,
        )
    except BaseException:
        endpoint.close()
        raise
    stack.callback(lambda: agent.endpoint.close())  # noqa: PLW0108 - /model may have brought another one
    if options.core_memory_limit is not None:
        for block in agent.state.core.blocks:
            store.set_limit(name, block.label, options.core_memory_limit)
        stored = store.load(name)
        assert stored is not None, "it has just been opened"
        agent.state = replace(agent.state, core=stored.core)
    return agent, entry


def introduce(session: Session, *, is_new: bool) -> None:
    """Say which agent it is, where it is kept, and what it runs on."""
    agent, options = session.agent, session.options
    state, endpoint = agent.state, agent.endpoint
    known = f"{output.counted(state.turn, 'turn')} so far" if state.turn else "new"
    output.print_note(f"Agent {state.name} ({known}), kept in {agent.store.path}")
    model = f" ({endpoint.model})" if endpoint.model not in ("", endpoint.name) else ""
    output.print_note(f"Endpoint {endpoint.name}{model}")
    output.print_note(f"Wrapper {agent.wrapper.name}: {agent.wrapper_reason}")
    if endpoint.name == EMBEDDED:
        output.print_note(EMBEDDED_LINE)
    given = [
        f"--{one}" for one in ("persona", "human", "system", "preset") if getattr(options, one) is not None
    ]
    if given and not is_new:
        output.print_note(
            f"{state.name} was made before and keeps what it is: {', '.join(given)} is for new agents"
            f" (--agent NAME makes one)"
        )
    if agent.unanswered:
        output.print_note(f"Your last message was not answered: {agent.unanswered} (/retry asks again)")
