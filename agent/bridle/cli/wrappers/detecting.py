"""`bridle wrappers detect`: which wrapper a model needs, by what its file, its server or its name says."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

import click

from bridle.cli import output
from bridle.cli.wrappers.model_files import ModelFacts, is_lost_path, is_model_file, read_model_file
from bridle.errors import InputError

if TYPE_CHECKING:
    from bridle.wrappers import Detection

__all__ = ["detect"]

GUESS = 0.2
"""A confidence below this is the default, with nothing that speaks for it."""


@click.command("detect")
@click.argument("what", metavar="MODEL")
@click.option("--model", default="", metavar="M", help="The server's model, where it has several.")
@click.option("--offline", is_flag=True, help="Refuse addresses that are not this machine.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def detect(what: str, model: str, offline: bool, as_json: bool) -> int:
    """Say which wrapper a model needs, how sure that is, and by what evidence.

    MODEL is a .gguf file, a chat template (.jinja), a tokenizer_config.json or the folder that holds one, the
    URL of a server (llama-server, Ollama, LM Studio, web UI or another), or a model's name. Ends with 1 when
    nothing speaks for any wrapper.

    \b
    bridle wrappers detect ~/models/mine.gguf
    bridle wrappers detect http://127.0.0.1:11434 --model qwen3:8b
    bridle wrappers detect Qwen/Qwen2.5-7B-Instruct
    """
    from bridle.wrappers import detect as detect_format

    facts = _facts(what, model, offline)
    found = detect_format(
        facts.template or None,
        metadata=facts.metadata,
        name=facts.name or None,
        go_template=facts.go_template or None,
    )
    kept = _kept(facts.name)
    if as_json:
        output.print_json(
            {
                "format": found.format,
                "confidence": round(found.confidence, 3),
                "evidence": list(found.evidence),
                "model": facts.name,
                "where": facts.where,
                "kept": kept[0],
            }
        )
    else:
        _print(found, facts, kept)
    return 0 if found.confidence >= GUESS else 1


def _facts(what: str, model: str, offline: bool) -> ModelFacts:
    if what.startswith(("http://", "https://")):
        return _served(what, model, offline)
    if is_model_file(what):
        return read_model_file(what)
    if is_lost_path(what):
        raise InputError(
            f"there is no file or folder {what!r}", hint="check the path, or give a model's name or a URL"
        )
    return ModelFacts("the name", what)


def _served(url: str, model: str, offline: bool) -> ModelFacts:
    from bridle.endpoints.connect import open_http
    from bridle.endpoints.served import ask_served

    base, http = open_http(url, offline=offline)
    try:
        told = ask_served(base, http, model)
    finally:
        http.close()
    return ModelFacts(
        f"{told.kind} {told.route}",
        told.model,
        told.template,
        told.go_template,
        metadata=told.metadata,
    )


def _kept(model: str) -> tuple[str, str]:
    """The wrapper that is kept for a model, and in which file; empty where there is none."""
    from bridle.endpoints.config import load_config

    config = load_config()
    return config.wrappers.get(model, ""), str(config.file)


def _print(found: Detection, facts: ModelFacts, kept: tuple[str, str]) -> None:
    click.echo(f"{found.format} ({found.confidence:.0%})")
    for line in found.evidence:
        click.echo(f"  {output.printable(line)}")
    name = f" of {facts.name}" if facts.name and facts.where != "the name" else ""
    output.print_note(f"Read from {facts.where}{name}.")
    if kept[0]:
        output.print_note(f"Kept for this model in {kept[1]}: {kept[0]}; this is what it gets.")
    elif found.confidence < GUESS:
        output.print_note("Nothing speaks for a wrapper: try the model's file, or the server that runs it.")
    elif facts.name:
        output.print_note(f"To keep it: bridle wrappers use {found.format} --model {quote(facts.name)}")
