"""`bridle wrappers render` and `detect` by what a model's files, its server and its name tell."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bridle.cli import main
from cli_runs import TALK, Captured, one_error, saved
from servers.fake import Server, json_response, recorded, server, unused_url
from tiny_gguf import write_tiny_llama

__all__ = ["server"]


@pytest.fixture
def talk(tmp_path: Path) -> str:
    return saved(tmp_path / "talk.json", json.dumps(TALK))


TEMPLATE = "{{ bos_token }}{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{{ eos_token }}{% endfor %}"


def own_template(name: str, talk: str, capsys: Captured) -> list[dict[str, object]]:
    assert main(["wrappers", "render", name, "--messages", talk, "--segments"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_template_file_is_rendered(tmp_path: Path, talk: str, capsys: Captured) -> None:
    lines = own_template(saved(tmp_path / "t.jinja", TEMPLATE), talk, capsys)
    assert lines[:2] == [
        {"control": True, "text": "<|user|>"},
        {"control": False, "text": "hi <|im_end|>"},
    ]


@pytest.mark.parametrize(
    "template",
    [
        TEMPLATE,
        [{"name": "default", "template": "no"}, {"name": "tool_use", "template": TEMPLATE}],
        [{"name": "default", "template": TEMPLATE}, 3],
        [{"name": "only", "template": TEMPLATE}],
        None,
    ],
)
def test_a_tokenizers_config_is_rendered_with_its_tokens(
    template: object, tmp_path: Path, talk: str, capsys: Captured
) -> None:
    config = {"chat_template": template, "bos_token": {"content": "<s>"}, "eos_token": "</s>"}
    path = saved(tmp_path / "hf" / "tokenizer_config.json", json.dumps(config))
    if template is None:
        saved(tmp_path / "hf" / "chat_template.jinja", TEMPLATE)
    for name in (path, str(tmp_path / "hf")):
        texts = [line["text"] for line in own_template(name, talk, capsys)]
        assert texts == ["<s><|user|>", "hi <|im_end|>", "</s>"]


def test_a_model_files_template_is_rendered_with_its_tokens(
    tmp_path: Path, talk: str, capsys: Captured
) -> None:
    path = write_tiny_llama(tmp_path / "tiny.gguf", chat_template=TEMPLATE)
    texts = [line["text"] for line in own_template(str(path), talk, capsys)]
    assert texts == ["<|endoftext|><|user|>", "hi <|im_end|>", "<|im_end|>"]


def test_values_reach_a_template(
    tmp_path: Path, talk: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    path = saved(tmp_path / "t.jinja", "{{ word }} {{ n + 1 }}{{ messages[0].content }}")
    options = ["--messages", talk, "--set", "word=so", "--set", "n=1"]
    assert main(["wrappers", "render", path, *options]) == 0
    assert capfdbinary.readouterr().out == b"so 2hi <|im_end|>"


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("t.jinja", "{% for %}", ["t.jinja", "line 1"]),
        ("t.jinja", "{{ ''.__class__ }}{{ messages[0].content }}", ["t.jinja"]),
        ("t.json", "{}", ["has no chat_template"]),
        ("t.json", "[]", ["holds list"]),
        ("t.json", '{"bos_token": "<s>"}', ["holds no chat template", "name a wrapper"]),
        ("t.gguf", "GGML", ["is not a GGUF file"]),
        ("empty/readme.txt", "", ["holds neither tokenizer_config.json nor chat_template.jinja"]),
    ],
)
def test_templates_that_cannot_be_rendered(
    name: str, text: str, says: list[str], tmp_path: Path, talk: str, capsys: Captured
) -> None:
    path = saved(tmp_path / name, text)
    given = str(Path(path).parent) if name.endswith(".txt") else path
    assert main(["wrappers", "render", given, "--messages", talk]) == 2
    one_error(capsys, *says)


def test_a_template_has_no_options_of_wrappers(tmp_path: Path, talk: str, capsys: Captured) -> None:
    path = saved(tmp_path / "t.jinja", TEMPLATE)
    assert main(["wrappers", "render", path, "--messages", talk, "--prime"]) == 2
    one_error(capsys, "--prime", "--help")


def test_a_folder_needs_no_path(
    tmp_path: Path, talk: str, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("mine", "chatml"):
        saved(tmp_path / name / "chat_template.jinja", TEMPLATE)
    monkeypatch.chdir(tmp_path)
    assert own_template("mine", talk, capsys)[0] == {"control": True, "text": "<|user|>"}
    assert own_template("chatml", talk, capsys)[0]["text"] == "<|im_start|>user\n"
    assert main(["wrappers", "detect", "mine"]) in (0, 1)
    assert "Read from mine" in capsys.readouterr().err


def detected(capsys: Captured, *args: str) -> dict[str, object]:
    assert main(["wrappers", "detect", *args, "--json"]) == 0
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


LLAMA3 = "{{ '<|start_header_id|>' }}{{ '<|eot_id|>' }}"


def test_a_template_file_is_detected(tmp_path: Path, capsys: Captured) -> None:
    path = saved(tmp_path / "t.jinja", LLAMA3)
    found = detected(capsys, path)
    assert (found["format"], found["where"], found["model"]) == ("llama3", path, "")
    assert "<|eot_id|>" in str(found["evidence"])
    assert main(["wrappers", "detect", path]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("llama3 (")
    assert shown.err == f"Read from {path}.\n"


def test_a_model_file_is_detected_by_its_template_and_named(tmp_path: Path, capsys: Captured) -> None:
    path = write_tiny_llama(tmp_path / "tiny.gguf", chat_template=LLAMA3)
    found = detected(capsys, str(path))
    assert (found["format"], found["model"]) == ("llama3", "tiny random llama 0")
    assert main(["wrappers", "detect", str(path)]) == 0
    assert "bridle wrappers use llama3 --model 'tiny random llama 0'" in capsys.readouterr().err


def test_a_name_is_detected_by_its_words(capsys: Captured) -> None:
    found = detected(capsys, "Qwen/Qwen2.5-7B-Instruct")
    assert found["format"] == "qwen2.5"
    assert main(["wrappers", "detect", "zzz"]) == 1
    assert capsys.readouterr().out.startswith("chatml (10%)")


def test_llama_servers_model_is_detected(server: Server, capsys: Captured) -> None:
    _, props = recorded("llama-server-0.3.36src/02_props")
    server.routes["GET /props"] = lambda _: props
    found = detected(capsys, server.url, "--offline")
    assert (found["format"], found["model"], found["where"]) == ("chatml", "tiny", "llama-server /props")


def test_ollamas_model_is_detected_by_its_go_template(server: Server, capsys: Captured) -> None:
    shown = {"template": "<|start_header_id|>user<|end_header_id|>{{ .Prompt }}<|eot_id|>"}
    server.routes["POST /api/show"] = lambda _: json_response(shown)
    found = detected(capsys, server.url, "--model", "mine")
    assert (found["format"], found["where"]) == ("llama3", "ollama /api/show")


def test_lm_studios_model_is_detected_by_architecture_and_name(server: Server, capsys: Captured) -> None:
    models = [{"id": "qwen2.5-7b-instruct", "type": "llm", "arch": "qwen2", "state": "loaded"}]
    server.routes["GET /api/v0/models"] = lambda _: json_response({"data": models})
    found = detected(capsys, server.url)
    assert (found["format"], found["model"]) == ("qwen2.5", "qwen2.5-7b-instruct")


def test_what_is_kept_for_a_model_is_told(capsys: Captured) -> None:
    assert main(["wrappers", "use", "hermes", "--model", "zzz"]) == 0
    capsys.readouterr()
    main(["wrappers", "detect", "zzz"])
    assert "config.toml: hermes; this is what it gets." in capsys.readouterr().err
    main(["wrappers", "detect", "zzz", "--json"])
    assert json.loads(capsys.readouterr().out)["kept"] == "hermes"


def test_a_default_that_nothing_speaks_for_is_not_advised(capsys: Captured) -> None:
    assert main(["wrappers", "detect", "zzz"]) == 1
    shown = capsys.readouterr().err
    assert "Nothing speaks for a wrapper" in shown
    assert "To keep it" not in shown


@pytest.mark.parametrize(
    "path", ["./nowhere", "/nowhere/at/all", "nowhere/", "~/nowhere", "a.toml", "here/no"]
)
def test_a_path_that_leads_nowhere_is_no_models_name(
    path: str, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path)
    assert main(["wrappers", "detect", path]) == 2
    one_error(capsys, f"there is no file or folder {path!r}")


@pytest.mark.parametrize(
    ("what", "options", "code", "says"),
    [
        ("{server}", [], 1, "tells nothing about its model"),
        ("{nothing}", [], 3, "error: "),
        ("http://192.0.2.1:1", ["--offline"], 2, "offline"),
        ("nowhere.gguf", [], 2, "'nowhere.gguf' does not exist"),
        ("nowhere.jinja", [], 2, "'nowhere.jinja' cannot be read"),
        ("nowhere.json", [], 2, "'nowhere.json' cannot be read"),
    ],
)
def test_what_cannot_be_detected(
    server: Server, what: str, options: list[str], code: int, says: str, capsys: Captured
) -> None:
    given = what.format(server=server.url, nothing=unused_url())
    assert main(["wrappers", "detect", given, *options]) == code
    shown = capsys.readouterr().err
    assert says in shown
    assert shown.startswith("error: ")
