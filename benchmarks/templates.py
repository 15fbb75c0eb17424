"""Do our formats write what the models' own chat templates write, byte for byte?

    python benchmarks/templates.py FOLDER [--show FORMAT] [--real FILE] [--conversation N]

FOLDER holds chat templates as files, such as `models/templates` of llama.cpp's source. For each format that
a template of this folder belongs to, the conversations in `conversations.json` are rendered by our format and
by the template, in plain Jinja set up as transformers does, and compared. A conversation that the template
itself refuses is not counted. A format lists under `differences`, with the reason, where it departs from the
template on purpose; `EXPLAINED` in `references.py` says which conversations that concerns, and a difference
anywhere else is an error.

`--show` prints every difference of one format, `--real` what one template of the folder writes.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension
from jinja2.sandbox import ImmutableSandboxedEnvironment, SandboxedEnvironment

sys.path[:0] = [
    str(Path(__file__).resolve().parent),
    str(Path(__file__).resolve().parent.parent / "wrappers"),
]

from references import EXPLAINED, REFERENCES, Reference  # noqa: E402

from bridle.errors import BridleError  # noqa: E402
from bridle.messages import Message, ToolSpec, as_messages, as_tools, tool_to_dict  # noqa: E402
from bridle.wrappers import Wrapper, builtin_formats, get_wrapper  # noqa: E402

CONVERSATIONS = Path(__file__).with_name("conversations.json")


class _Generation(Extension):
    """The block tag by which some templates mark what the model said; it writes nothing by itself."""

    tags = {"generation"}  # noqa: RUF012

    def parse(self, parser: Any) -> nodes.Node | list[nodes.Node]:
        """Keep the block's body as it is."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body, lineno=line)


def _raise(message: str) -> None:
    raise jinja2.TemplateError(message)


def _tojson(
    value: object,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
        default=list,  # a generator, where transformers gives up
    )


def plain_template(source: str, mutable: bool = False, unescaped: bool = False) -> jinja2.Template:
    """Compile a chat template as transformers does."""
    kind = SandboxedEnvironment if mutable else ImmutableSandboxedEnvironment
    environment = kind(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, "jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = _tojson
    if unescaped:
        environment.filters["safe"] = str
    environment.globals["raise_exception"] = _raise
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)  # type: ignore[misc]
    return environment.from_string(source)


def plain_messages(messages: Sequence[Message], reference: Reference) -> list[dict[str, Any]]:
    """The messages as transformers' callers give them, in the form that this template wants."""
    return [_plain(message, reference) for message in messages]


def as_text(messages: Sequence[Message], wrapper: Wrapper, tools: Sequence[ToolSpec]) -> list[Message]:
    """The messages with past calls as text, in the syntax of our wrapper."""
    return [
        replace(message, content=wrapper.syntax.write(message.calls, "", message.content, tools), calls=())
        for message in messages
    ]


def _plain(message: Message, reference: Reference) -> dict[str, Any]:
    out: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.thoughts and reference.thoughts == "blocks":
        thinking = {"type": "thinking", "thinking": message.thoughts}
        return {
            **_plain(replace(message, thoughts=""), reference),
            "content": [thinking, *([{"type": "text", "text": message.content}] if message.content else [])],
        }
    if message.thoughts:
        out[reference.thoughts] = message.thoughts
    if message.role == "tool":
        out |= {"name": message.name, "tool_call_id": message.extra["tool_call_id"]}
    if message.calls:
        out["content"] = message.content or reference.empty
        ids: Any = message.extra["call_ids"]
        as_text = reference.arguments == "text"
        out["tool_calls"] = [
            {
                "id": ids[i],
                "type": "function",
                "function": {
                    "name": call.name,
                    "arguments": json.dumps(dict(call.arguments), ensure_ascii=False)
                    if as_text
                    else dict(call.arguments),
                },
            }
            for i, call in enumerate(message.calls)
        ]
    return out


def real_rendering(
    folder: Path, reference: Reference, messages: Sequence[Message], tools: Sequence[ToolSpec]
) -> str:
    """What the template writes for a conversation, up to where the model's answer begins.

    Raises:
        jinja2.TemplateError, TypeError: when the template cannot write such a conversation.
    """
    source = (folder / reference.file).read_text(encoding="utf-8")
    values = reference.values(tools) if reference.values else {}
    return plain_template(source, reference.mutable, reference.unescaped).render(
        messages=plain_messages(messages, reference),
        tools=[tool_to_dict(tool) for tool in tools] or None,
        documents=None,
        add_generation_prompt=True,
        bos_token=reference.bos,
        eos_token=reference.eos,
        **values,
    )


def conversations(
    file: Path = CONVERSATIONS,
) -> list[tuple[str, tuple[Message, ...], tuple[ToolSpec, ...]]]:
    """Name, messages and tools of each conversation."""
    data = json.loads(file.read_text(encoding="utf-8"))
    tools = {tool.name: tool for tool in as_tools(data["tools"])}
    return [
        (one["name"], as_messages(one["messages"]), tuple(tools[name] for name in one["tools"]))
        for one in data["conversations"]
    ]


def first_difference(ours: str, real: str, context: int = 60) -> str:
    """Where two texts part, with what stands around it in both."""
    at = next((i for i, pair in enumerate(zip(ours, real, strict=False)) if pair[0] != pair[1]), None)
    if at is None:
        at = min(len(ours), len(real))
    start = max(0, at - context)
    shown = slice(start, at + context)
    return f"at character {at}\n      ours {ours[shown]!r}\n      real {real[shown]!r}"


@dataclass
class Comparison:
    """What came of one format and one template: the conversations that differ by their number."""

    equal: int = 0
    refused: int = 0
    total: int = 0
    different: dict[int, str] = field(default_factory=dict)


def compare(name: str, reference: Reference, folder: Path, only: int | None = None) -> Comparison:
    """Render every conversation twice and compare."""
    result = Comparison()
    wrapper = get_wrapper(name, values=reference.ours)
    for number, (title, messages, listed) in enumerate(conversations(), 1):
        if only not in (None, number):
            continue
        result.total += 1
        tools = () if reference.toolless else listed
        try:
            given = as_text(messages, wrapper, tools) if reference.calls_as_text else messages
            real = real_rendering(folder, reference, given, tools)
        except (jinja2.TemplateError, TypeError) as error:
            result.refused += 1
            print(f"    {number:2} {title}: the template refuses it: {error}") if only else None
            continue
        try:
            ours = "".join(segment.text for segment in wrapper.render(messages, tools))
        except BridleError as error:
            result.different[number] = f"{title}: ours raises {error!r}"
            continue
        real = reference.levelled(real, wrapper.format)
        if ours == real:
            result.equal += 1
        else:
            result.different[number] = f"{title}: {first_difference(ours, real)}"
    return result


def report(name: str, folder: Path, show: bool, only: int | None) -> bool:
    """Print what came of one format; true when each difference is one that the format lists."""
    listed: tuple[str, ...] = get_wrapper(name).format.differences
    right = True
    for reference in REFERENCES[name]:
        if not (folder / reference.file).exists():
            print(f"  -  {name}: there is no {reference.file} in the folder")
            continue
        found = compare(name, reference, folder, only)
        explained = set(EXPLAINED.get(reference.file, ())) if listed else set[int]()
        new = set(found.different) - explained
        gone = explained - set(found.different) if only is None else set[int]()
        right = right and not new and not gone
        counted = found.total - found.refused
        notes = [f"{len(found.different) - len(new)} differ as listed" if found.different else ""]
        notes += [f"{len(new)} DIFFER" if new else "", f"no longer different: {sorted(gone)}" if gone else ""]
        notes += [f"{found.refused} refused by the template" if found.refused else ""]
        mark = "! " if new or gone else "~ " if found.different else "ok"
        said = ", ".join(filter(None, (f"equal {found.equal}/{counted}", *notes)))
        print(f"  {mark} {name}: {said}  ({reference.file})")
        for number, line in found.different.items():
            if show or number in new:
                print(f"    {number:2} {line}")
    for line in listed if show else ():
        print(f"    listed: {line}")
    return right


def print_real(folder: Path, file: str, only: int | None) -> None:
    """Print what one template writes for the conversations."""
    known = [one for group in REFERENCES.values() for one in group if one.file == file]
    reference = known[0] if known else Reference(file)
    for number, (title, messages, tools) in enumerate(conversations(), 1):
        if only in (None, number):
            print(f"===== {number} {title}")
            try:
                print(real_rendering(folder, reference, messages, tools))
            except (jinja2.TemplateError, TypeError) as error:
                print(f"(refused: {error})")


def main() -> int:
    """Compare and print."""
    parser = argparse.ArgumentParser(description="Compare our formats with real chat templates.")
    parser.add_argument("folder", type=Path, help="where the chat templates lie")
    parser.add_argument("--show", metavar="FORMAT", help="print every difference of this format")
    parser.add_argument("--real", metavar="FILE", help="print what this template of the folder writes")
    parser.add_argument("--conversation", type=int, metavar="N", help="take this conversation alone")
    given = parser.parse_args()
    if given.real:
        print_real(given.folder, given.real, given.conversation)
        return 0
    formats = builtin_formats()
    names = [given.show] if given.show else [name for name in REFERENCES if name in formats]
    right = [report(name, given.folder, bool(given.show), given.conversation) for name in names]
    for name in REFERENCES:
        if name not in formats and not given.show:
            print(f"  -  {name}: there is no such format")
    print(
        f"{sum(right)} of {len(right)} formats equal their real templates but for the differences they list"
    )
    return 0 if all(right) else 1


if __name__ == "__main__":
    sys.exit(main())
