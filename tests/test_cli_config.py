"""`bridle config`: every setting in force, where it comes from, and no key among them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bridle.cli import main
from bridle.endpoints.config import home
from bridle.endpoints.effective import Setting, effective_settings, key_lines
from bridle.endpoints.environment import ADDRESSES, VARIABLES
from bridle.endpoints.recorder import MEGABYTES
from cli_runs import Captured
from project import run_python

TEXT = """# mine
schema = 1
default = { endpoint = "studio" }

[endpoints.studio]
kind = "lmstudio"  # here
model = '''
[not.a.table]
x = 1'''
  context_tokens = 8192
insecure = true

[endpoints]
"a.b" = { kind = "webui", url = "http://me:secret-1@h" }

[archival]
backend = "postgres"
uri = "postgresql://me:secret-2@db/x"
[recorder]
enabled = false
[wrappers]
"m 1" = "chatml"
"""


@pytest.fixture(autouse=True)
def config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in (*VARIABLES, "BRIDLE_ENDPOINT", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "config.toml"
    monkeypatch.setenv("BRIDLE_CONFIG", str(file))
    return file


def by_name() -> dict[str, Setting]:
    return {one.name: one for one in effective_settings()}


def test_without_a_file_all_is_default(config: Path) -> None:
    found = by_name()
    assert found["config file"] == Setting("config file", str(config), "BRIDLE_CONFIG")
    assert found["home"] == Setting("home", str(home()), "BRIDLE_HOME")
    assert found["default.endpoint"] == Setting("default.endpoint", "embedded")
    assert found["archival.backend"] == Setting("archival.backend", "sqlite")
    assert found["chat.persona"].value is None
    assert found["recorder.enabled"] == Setting("recorder.enabled", True)
    assert found["recorder.max_megabytes"] == Setting("recorder.max_megabytes", MEGABYTES)
    assert found["address of ollama"] == Setting("address of ollama", "http://127.0.0.1:11434")
    others = [one for name, one in found.items() if name not in ("config file", "home")]
    assert {one.origin for one in others} == {"default"}


def test_each_setting_of_the_file_has_its_line(config: Path) -> None:
    config.write_text(TEXT, "utf-8")
    at = {name: one.origin.removeprefix(f"{config}:") for name, one in by_name().items()}
    assert at["default.endpoint"] == "3"
    assert at["endpoints.studio.kind"] == "6"
    assert at["endpoints.studio.model"] == "7"
    assert at["endpoints.studio.context_tokens"] == "10"
    assert at["endpoints.studio.insecure"] == "11"
    assert at["endpoints.a.b.kind"] == "14"
    assert at["archival.uri"] == "18"
    assert at["recorder.enabled"] == "20"
    assert at["wrappers.m 1"] == "22"
    assert at["chat.human"] == "default"


def test_the_environment_goes_before_the_file(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config.write_text(TEXT, "utf-8")
    monkeypatch.setenv("BRIDLE_ENDPOINT", "webui")
    monkeypatch.setenv("OLLAMA_HOST", "0.0.0.0:1")
    monkeypatch.setenv("AZURE_OPENAI_VERSION", "2024-10-21")
    monkeypatch.setenv("https_proxy", "http://me:secret-3@proxy:1")
    found = by_name()
    assert found["default.endpoint"] == Setting("default.endpoint", "webui", "BRIDLE_ENDPOINT")
    assert found["address of ollama"] == Setting("address of ollama", "http://127.0.0.1:1", "OLLAMA_HOST")
    assert found["API version of azure"] == Setting(
        "API version of azure", "2024-10-21", "AZURE_OPENAI_VERSION"
    )
    assert found["proxy for https"] == Setting("proxy for https", "http://me:***@proxy:1", "https_proxy")


def test_no_key_and_no_password_is_shown(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    config.write_text(TEXT, "utf-8")
    for name, is_secret in VARIABLES.items():
        if is_secret:
            monkeypatch.setenv(name, "secret-key")
    for names in ADDRESSES.values():
        monkeypatch.setenv(names[0], "http://me:secret-4@h:1")
    for args in (["config", "show"], ["config", "show", "--origin"], ["config", "show", "--json"]):
        assert main(args) == 0
        shown = capsys.readouterr()
        assert "secret" not in shown.out + shown.err
        assert "OPENAI_API_KEY" in shown.out
        assert "***" in shown.out


def test_people_get_lines_and_machines_one_object(config: Path, capsys: Captured) -> None:
    config.write_text(TEXT, "utf-8")
    assert main(["config", "show"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "default.endpoint = studio" in lines
    assert "endpoints.studio.insecure = true" in lines
    assert "chat.human = not set" in lines
    assert main(["config", "show", "--origin"]) == 0
    assert f"default.endpoint = studio    ({config}:3)" in capsys.readouterr().out.splitlines()
    assert main(["config", "show", "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    settings = json.loads(line)["settings"]
    assert {"name": "recorder.enabled", "value": False, "origin": f"{config}:20"} in settings
    assert len(settings) == len(effective_settings())


def test_the_path_is_told_also_without_a_file(config: Path, capsys: Captured) -> None:
    assert main(["config", "path"]) == 0
    assert capsys.readouterr().out == f"{config}\n"
    assert not config.exists()


def test_a_wrong_file_is_told_as_elsewhere(config: Path, capsys: Captured) -> None:
    config.write_text("schema = 1\n[archival]\nbackend = 'tape'\n")
    assert main(["config", "show"]) == 2
    said = capsys.readouterr().err
    assert "[archival] backend = 'tape'" in said
    assert "sqlite, milvus, postgres, chroma" in said


def test_lines_are_found_for_dotted_and_quoted_keys() -> None:
    assert key_lines('[a."b.c"]\r\nd.e = 1\r\n["f"]\r\n') == {
        ("a", "b.c"): 1,
        ("a", "b.c", "d", "e"): 2,
        ("f",): 3,
    }
    assert key_lines("") == {}


def test_looking_at_the_settings_loads_nothing_large() -> None:
    code = (
        "import sys; from bridle.cli import main; code = main(['config', 'show']);"
        "print('LOADED', code, *{'requests', 'openai', 'jinja2', 'jsonschema', 'numpy'} & set(sys.modules))"
    )
    assert run_python("-c", code).stdout.strip().endswith("LOADED 0")


def test_the_variable_names_the_endpoint_of_ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    script = tmp_path / "answers.txt"
    script.write_text("from the script\n")
    monkeypatch.setenv("BRIDLE_ENDPOINT", f"scripted:{script}")
    assert main(["ask", "hello"]) == 0
    assert capsys.readouterr().out.strip() == "from the script"
