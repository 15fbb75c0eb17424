"""Do our formats write what the models' own chat templates write, byte for byte?

    python benchmarks/templates.py FOLDER [--show FORMAT] [--real FILE] [--conversation N]

FOLDER holds chat templates as files, such as `models/templates` of llama.cpp's source. For each format that
a template of this folder belongs to, the conversations in `conversations.json` are rendered by our format and
by the template, in plain Jinja set up as transformers does, and compared. A conversation that the template
itself refuses is not counted. Differences that a format lists under `differences`, with the reason, are shown
apart.

`--show` prints every difference of one format, `--real` what one template of the folder writes.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension
from jinja2.sandbox import ImmutableSandboxedEnvironment, SandboxedEnvironment

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "wrappers")]

from bridle.errors import BridleError  # noqa: E402
from bridle.messages import JSON, Message, ToolSpec, as_messages, as_tools, tool_to_dict  # noqa: E402
from bridle.wrappers import Format, Wrapper, builtin_formats, get_wrapper  # noqa: E402

CONVERSATIONS = Path(__file__).with_name("conversations.json")


Words: TypeAlias = tuple[str, str, Callable[[Format], str]]


@dataclass(frozen=True)
class Reference:
    """One real template, and what its callers have to know.

    `arguments`: whether past calls carry theirs as a dict or as JSON text. `empty`: the content of a turn
    that only calls. `thoughts`: the key that past thoughts stand under, or `blocks` where they are a block of
    the content. `values`: further variables.
    `mutable`: the template appends to its own lists, which transformers' sandbox does not allow. `unescaped`:
    the template calls some text safe, by which transformers' Jinja would escape the rest of it for HTML.
    `ours`: values for our wrapper. `words`: the template's own sentences, each from one string to another,
    both included, that our format says in words of its own, and where ours stand; they are not compared.
    `calls_as_text`: the template knows no past calls, and callers hand over what the model wrote as text.
    `toolless`: the template lists no tools, so neither side gets any.
    """

    file: str
    bos: str = ""
    eos: str = ""
    arguments: str = "dict"
    empty: str | None = ""
    thoughts: str = "reasoning_content"
    values: Callable[[Sequence[ToolSpec]], Mapping[str, object]] | None = None
    mutable: bool = False
    unescaped: bool = False
    calls_as_text: bool = False
    toolless: bool = False
    ours: Mapping[str, JSON] | None = None
    words: tuple[Words, ...] = ()

    def levelled(self, real: str, form: Format) -> str:
        """What the template wrote, with our words in the place of its own."""
        for start, end, ours in self.words:
            at = real.find(start)
            to = real.find(end, at)
            if 0 <= at <= to:
                real = real[:at] + ours(form) + real[to + len(end) :]
        return real


def _firefunction(tools: Sequence[ToolSpec]) -> Mapping[str, object]:
    """What the model's card tells callers to hand over; the time of day is left out."""
    functions = [tool_to_dict(tool)["function"] for tool in tools]
    return {
        "functions": json.dumps(functions, indent=4, ensure_ascii=False),
        "datetime": "2026-11-20",
    }


def _llama_date(tools: Sequence[ToolSpec]) -> Mapping[str, object]:
    """The date that our format writes unless another is given."""
    return {"date_string": "26 Jul 2024"}


def _thinking(tools: Sequence[ToolSpec]) -> Mapping[str, object]:
    """What llama.cpp hands over, whose copies of some templates ask for it."""
    return {"enable_thinking": True}


def _none(form: Format) -> str:
    return ""


def _tool_words(form: Format) -> str:
    return form.tools.open


LLAMA_WORDS: tuple[Words, ...] = (
    ("Given the following functions", "Do not use variables.\n\n", _tool_words),
)
FIRE_WORDS: tuple[Words, ...] = (
    (
        "In addition to plain text",
        "functions as JSON spec:",
        lambda form: str(form.template_values["words"]).strip(),
    ),
)
COMMAND_R_WORDS: tuple[Words, ...] = (
    ("# Safety Preamble", "# User Preamble", lambda form: "# User Preamble"),
    ("## Task and Context", "grammar and spelling.", _none),
    ("Here is a list of tools", "available to you:\n", _none),
    ("Write 'Action:'", "takes no parameters\n    }\n]```", lambda form: str(form.template_values["ask"])),
)
COMMAND_R7B_WORDS: tuple[Words, ...] = (
    (
        "You are in contextual safety mode",
        "```json\n[",
        lambda form: f"## Tool Use\n{form.template_values['words']}\n\n## Available Tools\n```json\n[",
    ),
    ("# Default Preamble", "system preamble instructions.\n", lambda form: "# Developer Preamble\n"),
    ("\n\n# Default Preamble", "step by step, then answer.", _none),
    (
        "# System Preamble\nYou are in",
        "# Developer Preamble\n",
        lambda form: "# Developer Preamble\n",
    ),
    (
        "<|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|># System Preamble\nYou are in",
        "<|END_OF_TURN_TOKEN|>",
        _none,
    ),
)
NEMOTRON_WORDS: tuple[Words, ...] = (
    ("You can use the following tools", "<AVAILABLE_TOOLS>[", _tool_words),
    ("]</AVAILABLE_TOOLS>", "or just respond to the user.", lambda form: form.tools.close),
)
LLAMA = ("<|begin_of_text|>", "<|eot_id|>")
MISTRAL = ("<s>", "</s>")
DEEPSEEK_BARE: Mapping[str, JSON] = {"list_tools": False, "again": False}
"""What DeepSeek's own templates leave out, left out by ours too."""
DEEPSEEK = ("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>")

REFERENCES: Mapping[str, tuple[Reference, ...]] = {
    "hermes": (
        Reference("NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use.jinja", eos="<|im_end|>"),
        Reference("NousResearch-Hermes-3-Llama-3.1-8B-tool_use.jinja", eos="<|im_end|>"),
    ),
    "qwen2.5": (Reference("Qwen-Qwen2.5-7B-Instruct.jinja"),),
    "qwen3": (Reference("Qwen-Qwen3-0.6B.jinja"),),
    "qwen3-coder": (Reference("Qwen3-Coder.jinja"),),
    "llama3.1": (
        Reference("meta-llama-Llama-3.1-8B-Instruct.jinja", *LLAMA, words=LLAMA_WORDS),
        Reference("meta-llama-Llama-3.3-70B-Instruct.jinja", *LLAMA, words=LLAMA_WORDS),
    ),
    "llama3.2": (
        Reference("meta-llama-Llama-3.2-3B-Instruct.jinja", *LLAMA, values=_llama_date, words=LLAMA_WORDS),
    ),
    "mistral-tekken": (Reference("mistralai-Mistral-Nemo-Instruct-2407.jinja", *MISTRAL),),
    "mistral-v11": (Reference("Mistral-Small-3.2-24B-Instruct-2506.jinja", *MISTRAL),),
    "mistral-v13": (Reference("unsloth-mistral-Devstral-Small-2507.jinja", *MISTRAL),),
    "ministral-3": (
        Reference("mistralai-Ministral-3-14B-Reasoning-2512.jinja", *MISTRAL, thoughts="blocks"),
    ),
    "functionary-v3.1": (Reference("meetkai-functionary-medium-v3.1.jinja", *LLAMA, unescaped=True),),
    "functionary-v3.2": (Reference("meetkai-functionary-medium-v3.2.jinja", *LLAMA, arguments="text"),),
    "firefunction-v2": (
        Reference(
            "fireworks-ai-llama-3-firefunction-v2.jinja",
            *LLAMA,
            values=_firefunction,
            ours={"date": "2026-11-20"},
            words=FIRE_WORDS,
        ),
    ),
    "command-r": (
        Reference("CohereForAI-c4ai-command-r-plus-tool_use.jinja", "<BOS_TOKEN>", words=COMMAND_R_WORDS),
    ),
    "command-r7b": (
        Reference(
            "CohereForAI-c4ai-command-r7b-12-2024-tool_use.jinja",
            "<BOS_TOKEN>",
            values=_thinking,
            words=COMMAND_R7B_WORDS,
        ),
    ),
    "gemma2": (Reference("google-gemma-2-2b-it.jinja", "<bos>", "<eos>", calls_as_text=True, toolless=True),),
    "gemma4": (
        Reference("google-gemma-4-31B-it.jinja", "<bos>", "<eos>"),
        Reference("google-gemma-4-31B-it-interleaved.jinja", "<bos>", "<eos>"),
    ),
    "phi3": (
        Reference(
            "microsoft-Phi-3.5-mini-instruct.jinja", "<s>", "<|endoftext|>", calls_as_text=True, toolless=True
        ),
    ),
    "granite3": (
        Reference(
            "ibm-granite-granite-3.3-2B-Instruct.jinja",
            calls_as_text=True,
            ours={"date": f"{datetime.now():%B %d, %Y}"},
        ),
    ),
    "granite4": (
        Reference("ibm-granite-granite-4.0.jinja"),
        Reference("ibm-granite-granite-4.1.jinja"),
    ),
    "deepseek-r1": (
        Reference("llama-cpp-deepseek-r1.jinja", *DEEPSEEK, empty=None),
        Reference(
            "deepseek-ai-DeepSeek-R1-Distill-Qwen-32B.jinja",
            *DEEPSEEK,
            empty=None,
            values=_thinking,
            ours=DEEPSEEK_BARE,
        ),
        Reference(
            "deepseek-ai-DeepSeek-R1-Distill-Llama-8B.jinja",
            *DEEPSEEK,
            arguments="text",
            empty=None,
            ours=DEEPSEEK_BARE,
        ),
    ),
    "deepseek-v3.1": (
        Reference(
            "deepseek-ai-DeepSeek-V3.1.jinja",
            *DEEPSEEK,
            ours={"list_tools": False, "opening": "<think></think>"},
        ),
    ),
    "glm4.5": (Reference("GLM-4.6.jinja"),),
    "glm4.7": (Reference("GLM-4.7-Flash.jinja"),),
    "gpt-oss": (
        Reference(
            "openai-gpt-oss-120b.jinja",
            "<|startoftext|>",
            thoughts="thinking",
            ours={"today": datetime.now().strftime("%Y-%m-%d")},
        ),
    ),
    "kimi-k2": (
        Reference("moonshotai-Kimi-K2.jinja", "[BOS]", "[EOS]"),
        Reference("Kimi-K2-Instruct.jinja", "[BOS]", "[EOS]", mutable=True),
    ),
    "kimi-k2-thinking": (Reference("Kimi-K2-Thinking.jinja", "[BOS]", "[EOS]", mutable=True),),
    "minimax-m1": (Reference("MiniMax-M1.jinja"),),
    "minimax-m2": (Reference("MiniMax-M2.jinja"),),
    "qwq": (Reference("Qwen-QwQ-32B.jinja", values=_thinking),),
    "qwen3.5": (Reference("Qwen3.5-4B.jinja"),),
    "step3.5": (Reference("StepFun3.5-Flash.jinja"),),
    "mimo": (Reference("MiMo-VL.jinja"),),
    "bielik": (Reference("Bielik-11B-v3.0-Instruct.jinja", "<s>"),),
    "seed-oss": (Reference("ByteDance-Seed-OSS.jinja"),),
    "nemotron-3-nano": (Reference("NVIDIA-Nemotron-3-Nano-30B-A3B-BF16.jinja"),),
    "nemotron-nano-v2": (Reference("NVIDIA-Nemotron-Nano-v2.jinja", words=NEMOTRON_WORDS),),
    "apertus": (
        Reference("Apertus-8B-Instruct.jinja", "<s>", ours={"today": datetime.now().strftime("%Y-%m-%d")}),
    ),
    "ling3": (Reference("inclusionai-ling-3.0-flash.jinja"),),
    "reka-edge": (Reference("Reka-Edge.jinja"),),
    "rwkv-world": (Reference("llama-cpp-rwkv-world.jinja"),),
    "lfm2": (Reference("LFM2-8B-A1B.jinja", "<|startoftext|>", calls_as_text=True),),
    "lfm2.5": (
        Reference("LFM2.5-Instruct.jinja", "<|startoftext|>", calls_as_text=True),
        Reference("LFM2.5-8B-A1B.jinja", "<|startoftext|>", thoughts="thinking"),
    ),
    "smollm3": (Reference("HuggingFaceTB-SmolLM3-3B.jinja", calls_as_text=True, toolless=True),),
}
"""The real templates of each format: file names of llama.cpp's `models/templates`."""


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
    """What came of one format and one template."""

    equal: int = 0
    refused: int = 0
    total: int = 0
    different: tuple[str, ...] = ()


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
            result.different += (f"{number:2} {title}: ours raises {error!r}",)
            continue
        real = reference.levelled(real, wrapper.format)
        if ours == real:
            result.equal += 1
        else:
            result.different += (f"{number:2} {title}: {first_difference(ours, real)}",)
    return result


def report(name: str, folder: Path, show: bool, only: int | None) -> bool:
    """Print what came of one format; true when there is no difference that the format does not list."""
    accepted: tuple[str, ...] = tuple(getattr(get_wrapper(name).format, "differences", ()))
    right = True
    for reference in REFERENCES[name]:
        if not (folder / reference.file).exists():
            print(f"  -  {name}: there is no {reference.file} in the folder")
            continue
        found = compare(name, reference, folder, only)
        counted = found.total - found.refused
        refused = f", {found.refused} refused by the template" if found.refused else ""
        mark = "ok" if found.equal == counted else "~ " if accepted else "! "
        right = right and (found.equal == counted or bool(accepted))
        print(f"  {mark} {name}: equal {found.equal}/{counted}{refused}  ({reference.file})")
        for line in found.different if show else found.different[:1]:
            print(f"    {line}")
    for line in accepted:
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
    print(f"{sum(right)} of {len(right)} formats equal their real templates, listed differences apart")
    return 0 if all(right) else 1


if __name__ == "__main__":
    sys.exit(main())
