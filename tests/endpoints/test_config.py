"""The config file: where it is, what it may say, and that saving loses nothing."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import get_args

import platformdirs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridle.endpoints.asking import ConstraintChoice
from bridle.endpoints.config import (
    ArchivalConfig,
    ChatConfig,
    Config,
    EmbeddingConfig,
    EndpointConfig,
    RecorderConfig,
    config_file,
    home,
    load_config,
    save_config,
    save_endpoint,
    save_wrapper,
)
from bridle.endpoints.config_text import CONSTRAINTS
from bridle.errors import ConfigError

FULL = """
schema = 1  # a comment

[default]
endpoint = "studio"

[endpoints.studio]
kind = "lmstudio"
url = "http://127.0.0.1:1234"
model = "qwen2.5"
wrapper = "chatml"
api_key_env = "STUDIO_KEY"
context_tokens = 8192

[endpoints.far]
kind = "azure"
url = "https://r.openai.azure.com"
api_version = "2024-10-21"
proxy = "http://proxy:3128"
ca_file = "~/ca.pem"
insecure = true
constraint = "tools"
embedding_model = "small"

[endpoints."my.gguf-1"]
kind = "llamacpp"
path = 'C:\\models\\mine.gguf'

[embedding]
endpoint = "studio"
model = "nomic"

[archival]
backend = "milvus"
uri = "~/.memgpt/milvus.db"

[chat]
persona = "My name is Kit."
human = "Name: Ada\\nCity: Bonn"

[recorder]
enabled = false
max_megabytes = 7

[wrappers]
"qwen2.5" = "hermes"
"""


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "config.toml"
    file.write_text(text, "utf-8")
    return file


def test_a_full_file_is_read(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, FULL))
    assert config.default_endpoint == "studio"
    studio = EndpointConfig("lmstudio", "http://127.0.0.1:1234", "", "qwen2.5", "chatml", "STUDIO_KEY", 8192)
    assert config.endpoints == {
        "studio": studio,
        "far": EndpointConfig(
            "azure",
            "https://r.openai.azure.com",
            api_version="2024-10-21",
            proxy="http://proxy:3128",
            ca_file="~/ca.pem",
            insecure=True,
            constraint="tools",
            embedding_model="small",
        ),
        "my.gguf-1": EndpointConfig("llamacpp", path="C:\\models\\mine.gguf"),
    }
    assert config.embedding == EmbeddingConfig("studio", "nomic")
    assert config.archival == ArchivalConfig("milvus", "~/.memgpt/milvus.db")
    assert config.chat == ChatConfig("My name is Kit.", "Name: Ada\nCity: Bonn")
    assert config.recorder == RecorderConfig(enabled=False, max_megabytes=7)
    assert config.wrapper_for("studio", "qwen2.5") == "chatml"
    assert config.wrapper_for("my.gguf-1", "qwen2.5") == "hermes"
    assert config.wrapper_for() == ""


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_bytes(b"\xef\xbb\xbf" + FULL.encode())
    assert load_config(file).default_endpoint == "studio"


def test_a_missing_file_is_an_empty_configuration_and_stays_missing(tmp_path: Path) -> None:
    file = tmp_path / "none" / "config.toml"
    assert load_config(file) == Config(file)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "schema = None"),
        ("schema = 2", "schema = 2"),
        ("schema = true", "schema = True"),
        ("schema = 1\n[endpoint.x]\nkind = 'openai'", "unknown key endpoint"),
        ("schema = 1\n[default]\nendpont = 'x'", r"\[default\] has the unknown key endpont = 'x'"),
        ("schema = 1\n[default]\nendpoint = 5", r"\[default\] endpoint = 5"),
        ("schema = 1\n[endpoints.x]\nurl = 'http://h'", r"\[endpoints.x\] has no kind"),
        ("schema = 1\n[endpoints.x]\nkind = 'openai'\nkey = 'k'", "unknown key key"),
        ("schema = 1\n[endpoints.x]\nkind = 'openai'\nmodel = 7", "model = 7"),
        ("schema = 1\n[endpoints.x]\nkind = 'a'\ncontext_tokens = 0", "context_tokens = 0"),
        ("schema = 1\n[endpoints.x]\nkind = 'a'\ncontext_tokens = true", "context_tokens = True"),
        ("schema = 1\n[endpoints.x]\nkind = 'webui'\nurl = 'u'\npath = 'p'", "both url and path"),
        ("schema = 1\n[endpoints.'a b']\nkind = 'a'", "the name 'a b'"),
        ("schema = 1\n[endpoints.x]\nkind = 'a'\ninsecure = 'no'", "insecure = 'no'"),
        ("schema = 1\n[endpoints.x]\nkind = 'a'\nconstraint = 'gramar'", "constraint = 'gramar'"),
        ("schema = 1\n[archival]\nbackend = 'tape'", "backend = 'tape'"),
        ("schema = 1\n[archival]\npath = 'x'", r"\[archival\] has the unknown key path"),
        ("schema = 1\n[embedding]\nmodel = 1", r"\[embedding\] model = 1"),
        ("schema = 1\n[chat]\npersona = ['x']", r"\[chat\] persona = \['x'\]"),
        ("schema = 1\n[recorder]\nenabled = 1", r"\[recorder\] enabled = 1"),
        ("schema = 1\n[recorder]\nmax_megabytes = 0", r"\[recorder\] max_megabytes = 0"),
        ("schema = 1\nchat = 1", "chat = 1"),
        ("schema = 1\nendpoints = 3", "endpoints = 3"),
        ("schema = 1\n[endpoints]\nx = 3", r"endpoints\.x = 3"),
        ("schema = 1\n[wrappers]\nm = 1", r"\[wrappers\] m = 1"),
        ("schema = = 1", "not TOML"),
    ],
)
def test_what_is_wrong_is_named_with_file_key_and_value(tmp_path: Path, text: str, says: str) -> None:
    file = written(tmp_path, text)
    with pytest.raises(ConfigError, match=says) as caught:
        load_config(file)
    assert str(file) in caught.value.message
    assert caught.value.hint


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path)
    (tmp_path / "latin").write_bytes(b"schema = 1 # \xe9")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path / "latin")


def test_a_home_that_is_a_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.touch()
    monkeypatch.delenv("BRIDLE_CONFIG", raising=False)
    monkeypatch.setenv("BRIDLE_HOME", str(file))
    with pytest.raises(ConfigError, match=r"BRIDLE_HOME is .*, which is no directory") as caught:
        load_config()
    assert caught.value.hint == "let BRIDLE_HOME name another one"
    monkeypatch.delenv("BRIDLE_HOME")
    with pytest.raises(ConfigError, match=r"cannot be read: its place is .*, which is no directory"):
        load_config(file / "config.toml")


def test_saving_keeps_the_other_entries_and_the_former_file(tmp_path: Path) -> None:
    file = written(tmp_path, FULL)
    before = load_config(file)
    entry = EndpointConfig("openai", "http://127.0.0.1:8000/v1", context_tokens=4096)
    assert save_endpoint("new", entry, default=True, file=file) == file
    after = load_config(file)
    assert after.endpoints == {**before.endpoints, "new": entry}
    assert after.wrappers == before.wrappers
    assert after.default_endpoint == "new"
    assert (tmp_path / "config.toml.bak").read_text("utf-8") == FULL
    save_endpoint("new", EndpointConfig("webui"), file=file)
    assert load_config(file).endpoints["new"] == EndpointConfig("webui")
    assert load_config(file).default_endpoint == "new"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["config.toml", "config.toml.bak"]


def test_a_whole_configuration_survives_saving(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, FULL))
    assert save_config(config) == config.file
    assert load_config(config.file) == config
    save_config(Config(config.file))
    assert config.file.read_text("utf-8") == "schema = 1\n"


def test_the_values_of_a_constraint_are_those_that_can_be_asked_for() -> None:
    assert set(CONSTRAINTS) == set(get_args(ConstraintChoice))


def test_saving_makes_the_first_file(tmp_path: Path) -> None:
    file = tmp_path / "a" / "config.toml"
    save_endpoint("x", EndpointConfig("webui"), file=file)
    assert file.read_text() == 'schema = 1\n\n[endpoints."x"]\nkind = "webui"\n'
    assert not file.with_name("config.toml.bak").exists()


@given(st.text(st.characters(exclude_categories=["Cs"])).filter(bool))
def test_every_text_survives_saving(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    file = tmp_path_factory.mktemp("c") / "config.toml"
    entry = EndpointConfig("openai", model=text)
    save_endpoint("x", entry, file=file)
    assert load_config(file).endpoints["x"] == entry
    assert tomllib.loads(file.read_text("utf-8"))["endpoints"]["x"]["model"] == text


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        ("a b", EndpointConfig("openai")),
        ("", EndpointConfig("openai")),
        ("x", EndpointConfig("")),
        ("x", EndpointConfig("a", url="u", path="p")),
        ("x", EndpointConfig("a", context_tokens=-1)),
    ],
)
def test_what_could_not_be_read_again_is_not_saved(tmp_path: Path, name: str, entry: EndpointConfig) -> None:
    file = tmp_path / "config.toml"
    with pytest.raises(ConfigError):
        save_endpoint(name, entry, file=file)
    assert not file.exists()


def test_a_failed_write_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = written(tmp_path, FULL)

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(ConfigError, match="disk full"):
        save_endpoint("x", EndpointConfig("webui"), file=file)
    assert file.read_text("utf-8") == FULL
    assert not list(tmp_path.glob("*.new"))


def test_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BRIDLE_HOME", raising=False)
    monkeypatch.delenv("BRIDLE_CONFIG", raising=False)
    assert home() == platformdirs.user_data_path("bridle", appauthor=False)
    assert config_file() == platformdirs.user_config_path("bridle", appauthor=False) / "config.toml"
    monkeypatch.setenv("BRIDLE_HOME", str(tmp_path))
    assert (home(), config_file()) == (tmp_path, tmp_path / "config.toml")
    monkeypatch.setenv("BRIDLE_CONFIG", "~/x.toml")
    assert config_file() == Path.home() / "x.toml"
    assert home() == tmp_path


@pytest.mark.parametrize("variable", ["BRIDLE_HOME", "BRIDLE_CONFIG"])
def test_a_home_that_nobody_has_is_named(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BRIDLE_CONFIG", raising=False)
    monkeypatch.setenv(variable, "~nobody-of-that-name/x")
    with pytest.raises(ConfigError, match=f"{variable} is '~nobody-of-that-name/x'"):
        config_file()


def test_a_wrapper_is_saved_for_a_model_and_nothing_else_changes(tmp_path: Path) -> None:
    file = written(tmp_path, FULL)
    before = load_config(file)
    assert save_wrapper('odd "name"\n', "chatml", file=file) == file
    after = load_config(file)
    assert after.wrappers == {"qwen2.5": "hermes", 'odd "name"\n': "chatml"}
    assert (after.endpoints, after.default_endpoint) == (before.endpoints, before.default_endpoint)
    assert file.with_name("config.toml.bak").read_text("utf-8") == FULL
    save_wrapper("qwen2.5", "auto", file=file)
    assert load_config(file).wrappers == {'odd "name"\n': "chatml"}


def test_a_wrapper_cannot_be_saved_for_no_model_or_into_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the model is ''"):
        save_wrapper("", "chatml", file=tmp_path / "config.toml")
    (tmp_path / "config.toml").write_text("schema = 9")
    with pytest.raises(ConfigError, match="schema = 9"):
        save_wrapper("m", "chatml", file=tmp_path / "config.toml")
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be"):
        save_wrapper("m", "chatml", file=tmp_path / "file" / "config.toml")


@pytest.mark.parametrize("name", ["auto", "embedded", "lmstudio"])
def test_a_name_that_means_a_kind_already_is_refused(name: str, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    with pytest.raises(ConfigError, match="means a file"):
        save_endpoint("mine.gguf", EndpointConfig("webui"), file=file)
    with pytest.raises(ConfigError, match="means a kind") as caught:
        save_endpoint(name, EndpointConfig("webui"), file=file)
    assert f"my-{name}" in caught.value.hint
    file.write_text(f'schema = 1\n[endpoints.{name}]\nkind = "webui"\n', "utf-8")
    with pytest.raises(ConfigError, match="means a kind"):
        load_config(file)


def test_an_entry_of_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('schema = 1\n[endpoints.x]\nkind = "webuix"\n', "utf-8")
    with pytest.raises(ConfigError, match="kind = 'webuix'") as caught:
        load_config(file)
    assert caught.value.hint == "did you mean 'webui'?"
