"""Which format a model wants, by its template, its file's metadata or its name, and why.

The real templates are looked for in the folder that BRIDLE_CHAT_TEMPLATES names; without it the tests with
them are skipped.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridle.wrappers import families, registry
from bridle.wrappers.detection import DEFAULT, detect, words
from bridle.wrappers.families import ARCHITECTURES, KIN, NAMES, NEAREST, TEMPLATE_RULES, TOKENIZERS
from bridle.wrappers.registry import builtin_formats, format_files

FOLDER = os.environ.get("BRIDLE_CHAT_TEMPLATES", "")
FORMATS = builtin_formats()

SURE: Mapping[str, tuple[str, ...]] = {
    "apertus": ("Apertus-8B-Instruct",),
    "bielik": ("Bielik-11B-v3.0-Instruct",),
    "command-r": ("CohereForAI-c4ai-command-r-plus-tool_use",),
    "command-r7b": ("CohereForAI-c4ai-command-r7b-12-2024-tool_use",),
    "deepseek-r1": (
        "deepseek-ai-DeepSeek-R1-Distill-Llama-8B",
        "deepseek-ai-DeepSeek-R1-Distill-Qwen-32B",
        "llama-cpp-deepseek-r1",
    ),
    "deepseek-v3.1": ("deepseek-ai-DeepSeek-V3.1",),
    "firefunction-v2": ("fireworks-ai-llama-3-firefunction-v2",),
    "functionary-v3.1": ("meetkai-functionary-medium-v3.1",),
    "functionary-v3.2": ("meetkai-functionary-medium-v3.2",),
    "gemma2": ("google-gemma-2-2b-it",),
    "gemma4": ("google-gemma-4-31B-it", "google-gemma-4-31B-it-interleaved"),
    "glm4.5": ("GLM-4.6",),
    "glm4.7": ("GLM-4.7-Flash",),
    "gpt-oss": ("openai-gpt-oss-120b",),
    "granite3": ("ibm-granite-granite-3.3-2B-Instruct",),
    "granite4": ("ibm-granite-granite-4.0", "ibm-granite-granite-4.1"),
    "hermes": (
        "NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use",
        "NousResearch-Hermes-3-Llama-3.1-8B-tool_use",
    ),
    "kimi-k2": ("Kimi-K2-Instruct", "moonshotai-Kimi-K2"),
    "kimi-k2-thinking": ("Kimi-K2-Thinking",),
    "lfm2": ("LFM2-8B-A1B",),
    "lfm2.5": ("LFM2.5-8B-A1B", "LFM2.5-Instruct"),
    "ling3": ("inclusionai-ling-3.0-flash",),
    "mimo": ("MiMo-VL",),
    "nemotron-3-nano": ("NVIDIA-Nemotron-3-Nano-30B-A3B-BF16",),
    "nemotron-nano-v2": ("NVIDIA-Nemotron-Nano-v2",),
    "qwen3.5": ("Qwen3.5-4B",),
    "reka-edge": ("Reka-Edge",),
    "seed-oss": ("ByteDance-Seed-OSS",),
    "step3.5": ("StepFun3.5-Flash",),
    "llama3.1": ("meta-llama-Llama-3.1-8B-Instruct", "meta-llama-Llama-3.3-70B-Instruct"),
    "llama3.2": ("meta-llama-Llama-3.2-3B-Instruct",),
    "minimax-m1": ("MiniMax-M1",),
    "minimax-m2": ("MiniMax-M2",),
    "ministral-3": ("mistralai-Ministral-3-14B-Reasoning-2512",),
    "mistral-tekken": ("mistralai-Mistral-Nemo-Instruct-2407",),
    "mistral-v11": ("Mistral-Small-3.2-24B-Instruct-2506",),
    "mistral-v13": ("unsloth-mistral-Devstral-Small-2507",),
    "phi3": ("microsoft-Phi-3.5-mini-instruct",),
    "qwen2.5": ("Qwen-Qwen2.5-7B-Instruct",),
    "qwen3": ("Qwen-Qwen3-0.6B",),
    "qwen3-coder": ("Qwen3-Coder",),
    "qwq": ("Qwen-QwQ-32B",),
    "smollm3": ("HuggingFaceTB-SmolLM3-3B",),
}
"""Files of llama.cpp's `models/templates` by the format that they are of."""
NEAR: Mapping[str, tuple[str, ...]] = {
    "chatml": ("openbmb-MiniCPM5-1B",),
    "command-r7b": ("Cohere2MoE",),
    "deepseek-v3.1": (
        "deepseek-ai-DeepSeek-V3.2",
        "deepseek-ai-DeepSeek-V4",
        "deepseek-ai-DeepSeek-V4-Flash-0731",
    ),
    "minimax-m2": ("MiniMax-M3",),
    "rwkv-world": ("llama-cpp-rwkv-world",),
}
"""Those that are like a format and not quite of it: the confidence says so."""
STRANGERS = (
    "Apriel-1.6-15b-Thinker-fixed", "GigaChat3-10B-A1.8B", "GigaChat3.1-10B-A1.8B", "Kimi-K3", "Spark2.5",
    "muse-glimmer", "poolside-Laguna-S-2.1", "poolside-Laguna-XS-2.1", "poolside-Laguna-XS.2", "tencent-Hy3",
    "unsloth-Apriel-1.5", "upstage-Solar-Open-100B",
)  # fmt: skip
"""Those of families that have no format here."""
REAL = [
    *((file, form, 0.95, 1.0) for form, files in SURE.items() for file in files),
    *((file, form, 0.2, 0.75) for form, files in NEAR.items() for file in files),
    *((file, DEFAULT, 0.0, 0.1) for file in STRANGERS),
]
NO_REAL = pytest.mark.skipif(not FOLDER, reason="BRIDLE_CHAT_TEMPLATES names no folder of templates")


@NO_REAL
@pytest.mark.parametrize(("file", "form", "least", "most"), REAL, ids=[one[0] for one in REAL])
def test_real_templates_are_of_their_family(file: str, form: str, least: float, most: float) -> None:
    path = Path(FOLDER) / f"{file}.jinja"
    if not path.exists():
        pytest.skip(f"{FOLDER} has no {file}.jinja")
    found = detect(path.read_text(encoding="utf-8"))
    assert (found.format, least <= found.confidence <= most) == (form, True), found


@NO_REAL
def test_every_real_template_has_been_looked_at() -> None:
    assert {path.stem for path in Path(FOLDER).glob("*.jinja")} - {one[0] for one in REAL} == set()


TEMPLATES = {
    "{{'<|im_start|>' + m.role + m.content + '<|im_end|>'}}": "chatml",
    "{{'<|im_start|>' + '<|im_sep|>' + '<|im_end|>'}}": "phi4",
    "<|im_start|><|im_end|>{% if bridle:chatml-compact %}": "chatml-compact",
    "<|start_header_id|>user<|end_header_id|><|eot_id|>": "llama3",
    "<|start_header_id|><|eot_id|>[func_name1(params_name1=params_value1...)]": "toolace",
    "<|header_start|>user<|header_end|><|eot|>": "llama4",
    "<s>[INST] <<SYS>>{{ system }}<</SYS>>": "llama2",
    "{{ '[INST] ' }}[AVAILABLE_TOOLS] [": "mistral-v3",
    "<start_of_turn>{{ first_user_prefix }}<end_of_turn>": "gemma3",
    "### Instruction:\n### Response:": "alpaca",
    "USER: {{ u }} ASSISTANT: {{ a }}": "vicuna",
    "GPT4 Correct User: {{ u }}<|end_of_turn|>": "openchat",
    "<|user|>\n{{ u }}<|end|>\n<|tool|>{{ t }}<|/tool|>": "phi4-mini",
    "<|user|>\n{{ m }}</s>\n<|assistant|>": "zephyr",
    "<｜User｜>{{ u }}<｜Assistant｜>": "deepseek-v3",
    "### System:\n### User:\n### Assistant:\n": "neural-chat",
    "<|im_start|><|im_end|>You have access to a set of tools": "xlam",
    "<|im_start|><|im_end|>named SmolLM, trained by Hugging Face": "smollm2",
    "[gMASK]<sop><|user|>": "glm4.5",
}


@pytest.mark.parametrize(("template", "form"), TEMPLATES.items(), ids=TEMPLATES.values())
def test_a_template_is_known_by_its_marks(template: str, form: str) -> None:
    found = detect(template)
    assert found.format == form
    assert found.confidence > 0.2
    assert found.reason.startswith("the model's chat template contains ")


GO = {
    "{{ if .System }}<|im_start|>system\n{{ .System }}<|im_end|>\n{{ end }}# Tools\n{{ range .Messages }}"
    "<tool_call>{{ .Function.Name }}</tool_call><tool_response>{{ end }}": "qwen2.5",
    "<|start_header_id|>system\n\nCutting Knowledge Date: December 2023\n<|eot_id|>": "llama3.1",
    "{{ range .Messages }}[INST] {{ .Content }}[/INST]{{ end }}": "mistral-v3",
    "<start_of_turn>user\n{{ .Prompt }}<end_of_turn>": "gemma3",
    "<|START_OF_TURN_TOKEN|><|USER_TOKEN|>{{ .Prompt }}<|END_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>": "command-r",
    "<|start|>assistant<|channel|>final<|message|>{{ .Response }}<|end|>": "gpt-oss",
}


@pytest.mark.parametrize(("template", "form"), GO.items(), ids=GO.values())
def test_ollamas_templates_are_known_by_family(template: str, form: str) -> None:
    found = detect(go_template=template)
    assert found.format == form
    assert found.reason.startswith("Ollama's template of the model contains ")


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("Qwen/Qwen2.5-7B-Instruct-Q4_K_M.gguf", "qwen2.5"),
        ("qwen3-coder:30b-a3b-q8_0", "qwen3-coder"),
        ("Qwen3-30B-A3B", "qwen3"),
        ("meta-llama/Llama-3.1-8B-Instruct", "llama3.1"),
        ("llama3.2:1b", "llama3.2"),
        ("Llama-3.3-70B-Instruct-IQ2_XS", "llama3.1"),
        ("Meta-Llama-3-8B-Instruct", "llama3"),
        ("Hermes-3-Llama-3.1-8B", "hermes"),
        ("Mistral-7B-Instruct-v0.3", "mistral-v3"),
        ("Mistral-7B-Instruct-v0.2", "mistral-v3"),
        ("mistral-small-3.2-24b", "mistral-v11"),
        ("Mistral-Small-24B-Instruct-2506", "mistral-v11"),
        ("functionary-small-v3.1-GGUF", "functionary-v3.1"),
        ("functionary-medium-v3.2", "functionary-v3.2"),
        ("c4ai-command-r-plus", "command-r"),
        ("command-r7b", "command-r7b"),
        ("gemma3n:e4b", "gemma3"),
        ("Phi-4-mini-instruct", "phi4-mini"),
        ("phi-3.5-mini", "phi3"),
        ("granite-4.1-h-tiny", "granite4"),
        ("DeepSeek-R1-Distill-Qwen-7B", "deepseek-r1"),
        ("gpt-oss:20b", "gpt-oss"),
        ("Llama-xLAM-2-8b-fc-r", "xlam"),
        ("dolphin-2.1-mistral-7b", "dolphin-2.1-mistral-7b"),
        ("airoboros-l2-70b-2.1", "airoboros-l2-70b-2.1"),
    ],
)
def test_a_name_is_read_word_by_word(name: str, form: str) -> None:
    found = detect(name=name)
    assert (found.format, found.confidence) == (form, 0.65)
    assert repr(name) in found.reason


@pytest.mark.parametrize(
    "name", ["llamafile", "ollama", "my-model", "Q4_K_M", "7b", "", "alpha3.1", "qwentastic"]
)
def test_a_part_of_a_word_and_a_size_say_nothing(name: str) -> None:
    found = detect(name=name)
    assert (found.format, found.confidence) == (DEFAULT, 0.1)
    assert "chatml is the default" in found.reason


def test_words_leave_quantisations_out() -> None:
    assert words("TheBloke/x-7B-GPTQ") == ("thebloke", "x", "7", "b")
    assert words("phi4-mini-bf16") == ("phi", "4", "mini")


def test_a_name_decides_between_formats_that_divide_turns_alike() -> None:
    plain = "<|im_start|>{{ m.content }}<|im_end|>"
    assert detect(plain).format == "chatml"
    found = detect(plain, name="Qwen3-8B")
    assert (found.format, found.confidence) == ("qwen3", 0.75)
    assert "as other formats do" in found.reason
    agreed = detect("<|start_header_id|><|eot_id|>", name="llama-3-8b")
    assert (agreed.format, agreed.confidence) == ("llama3", 0.85)


def test_a_name_does_not_overrule_a_template() -> None:
    assert detect("<start_of_turn>System role not supported", name="qwen2.5").format == "gemma2"
    assert detect("<start_of_turn>", name="qwen2.5").format == "gemma3"


def test_a_template_of_no_known_format_makes_a_name_doubtful() -> None:
    found = detect("{{ '<|stranger|>' }}", name="qwen2.5:7b")
    assert (found.format, found.confidence) == ("qwen2.5", 0.3)
    assert "is of no known format" in found.reason
    assert detect("{{ '<|stranger|>' }}").confidence == 0.1


def test_metadata_is_looked_at_when_there_is_no_template() -> None:
    assert detect(metadata={"general.architecture": "gemma3"}).format == "gemma3"
    assert (
        detect(metadata={"general.architecture": "llama", "tokenizer.ggml.pre": "tekken"}).format
        == "mistral-tekken"
    )
    found = detect(metadata={"general.architecture": "qwen2", "general.name": "Hammer 2.1"})
    assert found.format == "hammer"
    assert "general.name" in found.reason
    assert detect(metadata={"tokenizer.ggml.tokens": ["a", "<|im_start|>", "<|im_end|>"]}).format == "chatml"
    assert detect(metadata={"tokenizer.ggml.tokens": ["a", "b"], "general.name": 3}).confidence == 0.1


def test_a_template_in_the_metadata_counts_as_one() -> None:
    held = {
        "tokenizer.chat_template": "<|header_start|><|header_end|><|eot|>",
        "general.architecture": "qwen2",
    }
    assert detect(metadata=held).format == "llama4"


def test_what_does_not_exist_is_replaced_by_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    fewer = {name: file for name, file in format_files().items() if name in ("llama3", "chatml")}
    monkeypatch.setattr("bridle.wrappers.detection.format_files", lambda: fewer)
    found = detect(name="llama-3.2")
    assert (found.format, found.confidence) == ("llama3", 0.4)
    assert "there is no format 'llama3.2', 'llama3' is the nearest" in found.reason
    assert detect(name="gpt-oss").format == "chatml"


def test_a_users_own_format_is_known_by_its_marks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = format_files()["chatml"].file.read_text(encoding="utf-8")
    old = 'detect = ["<|im_start|>", "<|im_end|>"]'
    assert old in source
    (tmp_path / "mine.toml").write_text(
        source.replace('name = "chatml"', 'name = "mine"').replace(
            old, 'detect = ["<|im_start|>", "<|mine|>"]'
        ),
        encoding="utf-8",
    )
    silent = source.replace('name = "chatml"', 'name = "silent"').replace(old, "")
    (tmp_path / "silent.toml").write_text(silent, encoding="utf-8")
    (tmp_path / "broken.toml").write_text("name = 3", encoding="utf-8")
    monkeypatch.setattr(registry, "user_folder", lambda: tmp_path)
    assert detect("<|im_start|><|mine|>").format == "mine"
    assert detect("<|im_start|><|im_end|>").format == "chatml"


def test_the_tables_name_formats_that_there_are() -> None:
    named = {
        *(rule.format for rule in TEMPLATE_RULES),
        *(form for _, form in NAMES),
        *(form for form, _ in (*ARCHITECTURES.values(), *TOKENIZERS.values())),
        *(form for kin in KIN for form in kin),
        *NEAREST,
        *(form for nearest in NEAREST.values() for form in nearest),
    }
    assert named - set(FORMATS) == set()
    assert all(getattr(families, name) for name in families.__all__)


def test_no_rule_hides_another_one_completely() -> None:
    for later, rule in enumerate(TEMPLATE_RULES):
        for earlier in TEMPLATE_RULES[:later]:
            hidden = set(earlier.marks) <= set(rule.marks) and set(earlier.lacks) <= set(rule.lacks)
            assert not hidden, (earlier, rule)
    for later, (pattern, _) in enumerate(NAMES):
        assert not any(f"{pattern} ".startswith(f"{earlier} ") for earlier, _ in NAMES[:later]), pattern


@given(
    st.text(),
    st.text(),
    st.dictionaries(st.sampled_from(["general.name", "general.architecture"]), st.text()),
)
def test_anything_at_all_gives_a_format_that_there_is(
    template: str, name: str, metadata: dict[str, str]
) -> None:
    found = detect(template, metadata=metadata, name=name, go_template=template)
    assert found.format in FORMATS
    assert 0 < found.confidence <= 1
    assert found.evidence


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Llama-3.1-8B-Instruct", "Llama 3.1"),
        ("Llama-3.2-3B-Instruct", "Llama 3.2"),
        ("Llama-3.3-70B-Instruct", "and 3.3"),
        ("Mistral-7B-Instruct-v0.2", "v0.1 to v0.3"),
    ],
)
def test_the_title_of_the_format_that_a_name_means_says_so(name: str, says: str) -> None:
    found = format_files()[detect(name=name).format].load()
    assert says in found.title
