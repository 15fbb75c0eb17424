"""Which wrapper a model gets, and that the reason is told."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from bridle.endpoints import respond
from bridle.endpoints.choose import choose_wrapper
from bridle.endpoints.config import config_file, save_wrapper
from bridle.endpoints.scripted import Scripted
from bridle.errors import ConfigError, FormatError
from bridle.messages import JSON
from bridle.wrappers import get_wrapper

CHATML = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"


class Named(Scripted):
    """A scripted endpoint whose model has a name, a template, and metadata."""

    def __init__(
        self, model: str = "", template: str | None = None, metadata: Mapping[str, JSON] | None = None
    ) -> None:
        super().__init__(["yes"])
        self._named, self._template, self._metadata = model, template, dict(metadata or {})

    @property
    def model(self) -> str:
        return self._named

    @property
    def chat_template(self) -> str | None:
        return self._template

    @property
    def metadata(self) -> Mapping[str, JSON]:
        return self._metadata

    @property
    def bos(self) -> str:
        return ""

    @property
    def eos(self) -> str:
        return "<|done|>"

    @property
    def special_tokens(self) -> tuple[str, ...]:
        new = self._metadata.get("general.architecture") == "new"
        return ("<|start_header_id|>", "<|eot_id|>") if new else ()


def test_what_is_given_is_taken(tmp_path: Path) -> None:
    save_wrapper("m", "zephyr-7B")
    wrapper = get_wrapper("llama3")
    assert choose_wrapper(Named("m"), wrapper) == (wrapper, "given")
    assert choose_wrapper(Named("m"), "hermes")[0].name == "hermes"
    with pytest.raises(FormatError, match="no wrapper 'hermse'"):
        choose_wrapper(Named("m"), "hermse")


def test_what_is_kept_for_the_model_goes_before_its_template() -> None:
    save_wrapper("m", "zephyr-7B")
    found, reason = choose_wrapper(Named("m", CHATML))
    assert found.name == "zephyr-7B"
    assert reason == f"kept for the model 'm' in {config_file()}"
    assert choose_wrapper(Named("other", CHATML))[0].name == "chatml"
    save_wrapper("m", "auto")
    assert choose_wrapper(Named("m", CHATML))[0].name == "chatml"


def test_respond_takes_what_is_kept_and_says_so() -> None:
    save_wrapper("m", "llama3-hints-grammar")
    completion = respond(Named("m"), [{"role": "user", "content": "hi"}])
    assert completion.wrapper == "llama3-hints-grammar"
    assert "kept for the model 'm'" in completion.wrapper_reason


def test_a_file_may_be_kept(tmp_path: Path) -> None:
    form = "\n".join(
        ['name = "mine"', 'title = "M"', 'source = "s"', 'generation = "A:"', 'stop = ["U:"]', "special = []"]
        + [f'[turn.{role}]\nopen = "U:"\nclose = ""' for role in ("system", "user", "assistant", "tool")]
    )
    (tmp_path / "mine.toml").write_text(form, encoding="utf-8")
    save_wrapper("m", str(tmp_path / "mine.toml"))
    assert choose_wrapper(Named("m"))[0].format.name == "mine"


def test_a_kept_wrapper_that_is_gone_is_named_with_the_file() -> None:
    save_wrapper("m", "mien")
    with pytest.raises(FormatError) as caught:
        choose_wrapper(Named("m"))
    assert f"{config_file()}: [wrappers] 'm' = 'mien'" in caught.value.message
    assert caught.value.hint


def test_a_bad_config_file_is_not_passed_over() -> None:
    config_file().parent.mkdir(parents=True)
    config_file().write_text("schema = 7")
    with pytest.raises(ConfigError, match="schema = 7"):
        choose_wrapper(Named("m"))
    assert choose_wrapper(Named("m"), "chatml")[0].name == "chatml"


def test_the_template_decides_and_is_the_reason() -> None:
    found, reason = choose_wrapper(Named("m", "<|start_header_id|>{{ m }}<|eot_id|>"))
    assert found.name == "llama3"
    assert "<|eot_id|>" in reason


def test_without_a_template_metadata_or_the_name_decide() -> None:
    found, reason = choose_wrapper(Named("x", None, {"general.architecture": "gemma3"}))
    assert found.name.startswith("gemma3")
    assert "general.architecture" in reason
    found, reason = choose_wrapper(Named("x", None, {"general.architecture": "new"}))
    assert found.name == "llama3"
    assert "vocabulary" in reason
    assert choose_wrapper(Named("qwen2.5-7b-instruct"))[0].name == "qwen2.5"


def test_a_model_that_nothing_is_known_of_gets_chatml() -> None:
    found, reason = choose_wrapper(Scripted(["yes"]))
    assert (found.name, "default" in reason) == ("chatml", True)


ODD = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|done|>{% endfor %}<|assistant|>"


def test_a_template_of_no_family_writes_the_prompt_itself() -> None:
    found, reason = choose_wrapper(Named("x", ODD, {"general.architecture": "oddity"}))
    assert found.name == "template"
    assert "own chat template writes the prompt" in reason
    assert found.stop == ("<|done|>",)
    assert found.syntax == get_wrapper("generic").syntax


def test_template_asks_for_the_models_own_and_keeps_the_familys_calls() -> None:
    found, reason = choose_wrapper(Named("x", CHATML), "template")
    assert found.name == "template"
    assert found.syntax == get_wrapper("chatml").syntax
    assert "chatml" in reason
    with pytest.raises(FormatError, match="does not tell the model's chat template"):
        choose_wrapper(Named("x"), "template")
    save_wrapper("x", "template")
    found, reason = choose_wrapper(Named("x", CHATML))
    assert found.name == "template"
    assert "kept for the model 'x'" in reason


def test_a_template_of_ollama_tells_the_family_of_an_unknown_model() -> None:
    go = "{{ range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end }}"
    found, reason = choose_wrapper(Named("mine", None, {"ollama.template": go}))
    assert found.format.name == "chatml"
    assert "Ollama" in reason
