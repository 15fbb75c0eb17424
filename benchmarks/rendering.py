"""How long does it take to write a long prompt: by our format, and by the model's template in plain Jinja?

    python benchmarks/rendering.py [FOLDER] [--format NAME] [--rounds N]

A conversation of 100 messages with 10 tools is rendered by our wrapper and by a chat template that was
compiled once, as transformers does, in turn in one run; what counts is the ratio of each pair. FOLDER holds
real chat templates (`models/templates` of llama.cpp's source); without it a ChatML template of the tests is
taken. A third column is the same template through our sandbox with its limits and segments (`ChatTemplate`).
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path[:0] = [
    str(Path(__file__).resolve().parent),
    str(Path(__file__).resolve().parent.parent / "wrappers"),
]

import templates as real  # noqa: E402

from bridle.messages import Message, ToolCall, ToolSpec, tool_to_dict  # noqa: E402
from bridle.wrappers import builtin_formats, get_wrapper  # noqa: E402
from bridle.wrappers.templates import ChatTemplate  # noqa: E402

OWN = Path(__file__).resolve().parent.parent / "tests" / "data" / "templates" / "chatml_tools.jinja"


def tools() -> tuple[ToolSpec, ...]:
    """Ten tools with four parameters each."""
    text = {"type": "string", "description": "What to look for, in a few words."}
    properties = {
        "query": text,
        "page": {"type": "integer", "minimum": 0},
        "kind": {"type": "string", "enum": ["a", "b", "c"]},
        "deep": {"type": "array", "items": {"type": "object", "properties": {"name": text}}},
    }
    schema = {"type": "object", "properties": properties, "required": ["query"]}
    dicts = [
        {"name": f"tool_{i}", "description": f"Does thing {i}.", "parameters": schema} for i in range(10)
    ]
    return real.as_tools(dicts)


def conversation() -> tuple[Message, ...]:
    """A hundred messages: a system turn, and rounds of question, call, result and answer."""
    words = 'The quick brown fox jumps over the lazy dog, and "nobody" minds. '
    messages = [Message("system", words * 10)]
    while len(messages) < 100:
        i = len(messages)
        call = ToolCall(f"tool_{i % 10}", {"query": words, "page": i, "deep": [{"name": "x"}]})
        messages += [
            Message("user", words * 2),
            Message("assistant", calls=(call,), extra={"call_ids": [f"call{i:05d}"]}),
            Message("tool", words * 3, name=call.name, extra={"tool_call_id": f"call{i:05d}"}),
            Message("assistant", words * 2),
        ]
    return tuple(messages[:100])


def seconds(run: Callable[[], object]) -> float:
    """Processor time of one run."""
    begun = time.thread_time()
    run()
    return time.thread_time() - begun


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Time rendering against plain Jinja.")
    parser.add_argument("folder", type=Path, nargs="?", help="where real chat templates lie")
    parser.add_argument("--format", default="qwen2.5" if "qwen2.5" in builtin_formats() else "hermes")
    parser.add_argument("--rounds", type=int, default=101)
    given = parser.parse_args()
    reference = real.REFERENCES[given.format][0] if given.folder else real.Reference(OWN.name)
    source = ((given.folder or OWN.parent) / reference.file).read_text(encoding="utf-8")
    messages, listed = conversation(), tools()
    compiled = real.plain_template(source)
    tool_dicts = [tool_to_dict(tool) for tool in listed]
    message_dicts = real.plain_messages(messages, reference)
    wrapper = get_wrapper(given.format)
    template = ChatTemplate(source, reference.bos, reference.eos)

    def plain() -> str:
        """As transformers does: dicts in, text out."""
        return compiled.render(
            messages=message_dicts,
            tools=tool_dicts,
            documents=None,
            add_generation_prompt=True,
            bos_token=reference.bos,
            eos_token=reference.eos,
        )

    def ours() -> str:
        return "".join(segment.text for segment in wrapper.render(messages, listed))

    def sandboxed() -> object:
        return template.render(messages, listed)

    print(f"{given.format} and {reference.file}: {len(plain())} characters, ours equal: {ours() == plain()}")
    sandboxed()
    rows = [(seconds(ours), seconds(plain), seconds(sandboxed)) for _ in range(given.rounds)]
    for name, column in (("our format", 0), ("plain Jinja", 1), ("ChatTemplate", 2)):
        print(f"  {name:<13} {1000 * statistics.median(row[column] for row in rows):7.2f} ms")
    low, middle, high = statistics.quantiles((row[0] / row[1] for row in rows), n=4)
    print(f"  ratio of our format to plain Jinja: {middle:.2f} [{low:.2f}, {high:.2f}]")
    boxed = statistics.median(row[2] / row[1] for row in rows)
    print(f"  ratio of ChatTemplate to plain Jinja: {boxed:.2f}")
    return 0 if middle <= 1 else 1


if __name__ == "__main__":
    sys.exit(main())
