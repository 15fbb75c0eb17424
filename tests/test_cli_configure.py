"""`bridle configure`: each question has a default that fits, and what is written is what was shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bridle.cli import main
from bridle.endpoints import places
from bridle.endpoints.config import (
    ArchivalConfig,
    ChatConfig,
    EmbeddingConfig,
    EndpointConfig,
    home,
    load_config,
    save_endpoint,
    save_wrapper,
)
from bridle.endpoints.environment import VARIABLES
from cli_runs import Captured, Stdin
from servers.fake import Server, json_response, server, unused_url
from servers.kinds import make_fake

__all__ = ["server"]


@pytest.fixture(autouse=True)
def config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(places, "PORTS", ())
    file = tmp_path / "config.toml"
    monkeypatch.setenv("BRIDLE_CONFIG", str(file))
    return file


@pytest.fixture
def studio(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """LM Studio at its usual port, with a model that makes embeddings."""
    one = make_fake("lmstudio")
    monkeypatch.setattr(places, "PORTS", (urlsplit(one.url).port,))
    yield one
    one.close()


def answer(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    monkeypatch.setattr("sys.stdin", Stdin("".join(f"{line}\n" for line in lines).encode()))


def all_defaults(*others: str, questions: int = 12) -> Sequence[str]:
    return [*others, *[""] * (questions - len(others))]


def test_with_yes_what_is_found_is_written(studio: Server, config: Path, capsys: Captured) -> None:
    assert main(["configure", "--yes"]) == 0
    shown = capsys.readouterr()
    assert shown.out == config.read_text("utf-8")
    assert f"1. lmstudio at {studio.url}: m" in shown.err
    found = load_config()
    assert found.default_endpoint == "my-lmstudio"
    assert found.endpoints == {"my-lmstudio": EndpointConfig("lmstudio", studio.url)}
    assert found.embedding.endpoint.startswith("lmstudio@")
    assert "embed" in found.embedding.model
    assert found.archival == ArchivalConfig("sqlite", "")
    before = config.read_text("utf-8")
    assert main(["configure", "--yes"]) == 0
    assert config.read_text("utf-8") == before


def test_with_nothing_running_the_embedded_model_is_the_default(config: Path, capsys: Captured) -> None:
    assert main(["configure", "-y"]) == 0
    assert config.read_text("utf-8") == 'schema = 1\n\n[default]\nendpoint = "embedded"\n'
    assert "none; `bridle discover`" in capsys.readouterr().err


def test_every_answer_is_kept(
    studio: Server, config: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    answer(
        monkeypatch,
        "1",
        "other",
        "zephyr",
        "8,192",
        "mine",
        "ollama",
        "nomic",
        "milvus",
        "http://localhost:19530",
        "My name is Kit.",
        "Name: Ada",
        "yes",
    )
    assert main(["configure"]) == 0
    found = load_config()
    assert found.default_endpoint == "mine"
    assert found.endpoints["mine"] == EndpointConfig(
        "lmstudio", studio.url, model="other", wrapper="zephyr", context_tokens=8192
    )
    assert found.embedding == EmbeddingConfig("ollama", "nomic")
    assert found.archival == ArchivalConfig("milvus", "http://localhost:19530")
    assert found.chat == ChatConfig("My name is Kit.", "Name: Ada")
    shown = capsys.readouterr()
    assert shown.out == config.read_text("utf-8")
    assert "Milvus connection URI" in shown.err
    assert str(home() / "milvus.db") in shown.err


def test_a_wrong_answer_is_asked_again(
    studio: Server, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    answer(
        monkeypatch,
        "lmstduio",  # endpoint
        "",
        "nomodel",  # model
        "",
        "chatmll",  # wrapper
        "auto",
        "many",  # window
        "",
        "a b",  # name
        "lmstudio",
        "s",
        "nonsense",  # embeddings
        "none",
        "tape",  # storage
        "postgres",
        "mysql://me:secret@db/x",
        "postgresql://me@db/x",
        "",
        "",
        "y",
    )
    assert main(["configure"]) == 0
    said = capsys.readouterr().err
    for words in (
        "did you mean 'lmstudio'?",
        "there is no wrapper 'chatmll'",
        "'many' is no number of tokens",
        "cannot name an endpoint",
        "means a kind of endpoint",
        "error: it lists no model 'nomodel'",
        "'nonsense' is no endpoint",
        "'tape' is not one of",
        "'mysql://me:***@db/x' cannot be read as a connection URI of Postgres",
    ):
        assert words in said
    found = load_config()
    assert found.endpoints == {"s": EndpointConfig("lmstudio", studio.url)}
    assert found.embedding == EmbeddingConfig()
    assert found.archival == ArchivalConfig("postgres", "postgresql://me@db/x")


def test_what_is_not_asked_about_stays(
    studio: Server, config: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    saved = EndpointConfig("lmstudio", studio.url, model="m", proxy="", context_tokens=99)
    save_endpoint("mine", saved, default=True)
    save_endpoint("far", EndpointConfig("webui", "http://192.0.2.7:5000", api_key_env="FAR_KEY"))
    save_wrapper("m", "chatml")
    before = load_config()
    answer(monkeypatch, *all_defaults())
    assert main(["configure"]) == 0
    after = load_config()
    assert after.endpoints == before.endpoints
    assert after.wrappers == before.wrappers
    assert after.default_endpoint == "mine"
    assert "Replace " in capsys.readouterr().err
    assert config.with_name("config.toml.bak").exists()


def test_without_a_yes_nothing_is_written(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    answer(monkeypatch, "embedded", "", "", "", "", "", "n")
    assert main(["configure"]) == 1
    assert not config.exists()
    assert "Nothing was written." in capsys.readouterr().err


def test_another_answer_than_yes_and_no_is_an_error_and_asked_again(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    answer(monkeypatch, "embedded", "", "", "", "", "", "yse", "YES")
    assert main(["configure"]) == 0
    assert config.exists()
    shown = capsys.readouterr().err
    assert "error: 'yse' is no answer to this\nhint: write y or n\n" in shown
    assert shown.count("? [Y/n]: ") == 2


def test_an_input_that_ends_is_told(config: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    answer(monkeypatch, "embedded")
    assert main(["configure"]) == 2
    assert "hint: with --yes all defaults are taken" in capsys.readouterr().err
    assert not config.exists()


def test_an_interrupt_ends_it_and_writes_nothing(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: str) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("click.termui.visible_prompt_func", interrupt)
    assert main(["configure"]) == 130
    assert not config.exists()


def test_a_key_is_never_written_only_its_variable(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    key = "sk-proj-abcdef0123456789"
    answer(monkeypatch, "openai:gpt-x@http://192.0.2.7:9", "", key, "FAR_KEY", *[""] * 9)
    assert main(["configure", "--offline"]) == 0
    shown = capsys.readouterr()
    assert "give its name, never the key itself" in shown.err
    assert key not in config.read_text("utf-8") + shown.out + shown.err
    assert load_config().endpoints["my-openai"] == EndpointConfig(
        "openai", "http://192.0.2.7:9", model="gpt-x", api_key_env="FAR_KEY"
    )


def test_a_bare_url_is_looked_at(server: Server, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    one = make_fake("webui")
    answer(monkeypatch, server.url, unused_url(), one.url, *[""] * 10)
    assert main(["configure"]) == 0
    one.close()
    assert capsys.readouterr().err.count("no model server answers at") == 2
    assert load_config().endpoints == {"my-webui": EndpointConfig("webui", one.url)}


def test_a_file_is_an_endpoint_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = str(tmp_path / "mine.gguf")
    answer(monkeypatch, file, "chatml", "4096", *[""] * 8)
    assert main(["configure"]) == 0
    found = load_config()
    entry = EndpointConfig("llamacpp", path=file, wrapper="chatml", context_tokens=4096)
    assert found.endpoints == {"my-llamacpp": entry}


def test_a_second_server_of_a_kind_gets_a_name_of_its_own(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_endpoint("my-openai", EndpointConfig("openai", "http://192.0.2.7:9"))
    server.routes["GET /v1/models"] = lambda _: json_response({"data": [{"id": "m"}]})
    answer(monkeypatch, server.url, *[""] * 10)
    assert main(["configure", "--offline"]) == 0
    assert set(load_config().endpoints) == {"my-openai", "my-openai-2"}
