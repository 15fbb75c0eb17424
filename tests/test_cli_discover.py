"""`bridle discover` in its words: for people, for machines, and where nothing runs."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bridle.cli import main
from bridle.endpoints import places
from bridle.endpoints.config import EndpointConfig, load_config, save_endpoint
from bridle.endpoints.connect import connect
from bridle.endpoints.environment import VARIABLES
from bridle.endpoints.kinds import KINDS
from cli_runs import Captured, in_terminal
from project import run_bridle, run_python
from servers.fake import Response, Server, json_response, server, unused_url
from servers.kinds import make_fake

__all__ = ["server"]


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(places, "PORTS", (urlsplit(unused_url()).port,))
    file = tmp_path / "config.toml"
    monkeypatch.setenv("BRIDLE_CONFIG", str(file))
    return file


def usual(monkeypatch: pytest.MonkeyPatch, *servers: Server) -> None:
    monkeypatch.setattr(places, "PORTS", tuple(urlsplit(one.url).port for one in servers))


def test_each_server_is_told_with_the_command_that_uses_it(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    studio, llama = make_fake("lmstudio"), make_fake("llama-server")
    usual(monkeypatch, studio, llama)
    assert main(["discover"]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    first, second = shown.out.split("\n\n")
    assert first.startswith(f"lmstudio at {studio.url}\n")
    assert "  models    m (loaded)" in first
    assert "  window    4,096 tokens in force" in first
    assert second.startswith("llama-server ")
    assert f" at {llama.url}\n" in second
    assert "  wrapper   chatml: the model's chat template contains" in second
    assert "; the model was made for " in second
    assert "  can hold  a grammar of the whole turn" in second
    for one in (first, second):
        command = one.strip().rpartition("  next ")[2].strip()
        program, chat, option, spec = shlex.split(command)
        assert (program, chat, option) == ("bridle", "chat", "--endpoint")
        endpoint = connect(spec)
        assert endpoint.model == "m"
        endpoint.close()
    studio.close()
    llama.close()


def test_machines_get_one_object(server: Server, capsys: Captured) -> None:
    fake = make_fake("llama-server")
    server.routes["*"] = lambda _: Response(200, (b"<html>",), "text/html")
    assert main(["discover", fake.url, server.url, "--json"]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    (line,) = shown.out.splitlines()
    found = json.loads(line)
    (one,) = found["servers"]
    assert one["kind"] == "llama-server"
    assert one["url"] == f"{fake.url}/v1"
    assert one["models"][0]["name"] == one["model"] == "m"
    assert one["context_tokens"] < one["trained_tokens"]
    assert one["command"] == f"bridle chat --endpoint {one['spec']}"
    assert list(found["others"]) == [server.url]
    fake.close()


def test_where_nothing_runs_it_says_how_to_start_something(capsys: Captured) -> None:
    assert main(["discover"]) == 3
    shown = capsys.readouterr()
    assert shown.out == ""
    for kind in KINDS.values():
        assert (f"  {kind.about} " in shown.err) == bool(kind.start)
        assert kind.start in shown.err
    assert "bridle chat" in shown.err
    assert main(["discover", "--json"]) == 3
    assert json.loads(capsys.readouterr().out) == {"servers": [], "others": {}}


def test_where_nothing_runs_it_is_quick_and_loads_nothing_large() -> None:
    code = (
        "import sys, time; start = time.perf_counter();"
        "from bridle.endpoints import places; places.PORTS = tuple(range(2, 20));"
        "from bridle.cli import main; code = main(['discover']);"
        "print(code, sorted({'requests', 'openai', 'jinja2', 'jsonschema', 'numpy'} & set(sys.modules)));"
        "print(time.perf_counter() - start)"
    )
    done = run_python("-c", code)
    first, seconds = done.stdout.splitlines()
    assert first == "3 []"
    print(f"bridle discover with nothing running: {float(seconds):.2f} s after Python's start")
    assert float(seconds) < 2  # measured 0.1 s; the bound only catches waiting and large imports


def test_at_a_given_address_it_says_what_is_there(server: Server, capsys: Captured) -> None:
    server.routes["*"] = lambda _: json_response({"detail": "no"}, 401)
    nothing = unused_url()
    assert main(["discover", server.url, nothing]) == 3
    said = capsys.readouterr().err
    assert f"{server.url}: " in said
    assert "BRIDLE_API_KEY" in said
    assert f"{nothing}: nothing answers there" in said
    assert "To start" not in said
    assert main(["discover", "x://y"]) == 2
    assert "no address" in capsys.readouterr().err


def test_what_is_found_can_be_kept(no_settings: Path, capsys: Captured) -> None:
    one, other = make_fake("lmstudio"), make_fake("openai")
    assert main(["discover", one.url, other.url, "--save", "studio"]) == 0
    shown = capsys.readouterr()
    said = shown.err
    assert "  next      bridle chat --endpoint studio\n" in shown.out
    assert f"lmstudio@{one.url} is saved as studio in {no_settings}: bridle chat --endpoint studio" in said
    assert "before, studio was" not in said
    assert load_config().endpoints == {"studio": EndpointConfig("lmstudio", one.url)}
    endpoint = connect("studio")
    assert endpoint.name == f"lmstudio:m@{one.url}/v1"
    endpoint.close()
    assert main(["discover", one.url, "--save", "a b"]) == 2
    assert "cannot name an endpoint" in capsys.readouterr().err
    one.seen.clear()
    assert main(["discover", one.url, "--save", "embedded"]) == 2
    assert "means a kind of endpoint" in capsys.readouterr().err
    assert one.seen == []
    assert main(["discover", other.url, "--save", "studio"]) == 0
    assert f"before, studio was lmstudio@{one.url}" in capsys.readouterr().err
    assert main(["discover", other.url, "--save", "x", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["saved"] == str(no_settings)
    one.close()
    other.close()
    assert main(["discover", one.url, "--save", "gone"]) == 3
    assert "gone" not in load_config().endpoints


def test_a_server_without_a_model_is_told_what_to_do(capsys: Captured) -> None:
    one = make_fake("webui")
    one.routes["GET /v1/internal/model/info"] = lambda _: json_response({"model_name": "None"})
    assert main(["discover", one.url]) == 0
    shown = capsys.readouterr().out
    assert "  problem   " in shown
    assert "no model is loaded" in shown
    assert "  try       " in shown
    assert "  next" not in shown
    one.close()


def test_among_several_models_that_are_not_loaded_the_command_names_one(
    server: Server, capsys: Captured
) -> None:
    listed = [{"id": "first one"}, {"id": "second"}]
    server.routes["GET /v1/models"] = lambda _: json_response({"data": listed})
    assert main(["discover", server.url]) == 0
    shown = capsys.readouterr().out
    assert "  models    first one (would answer), second" in shown
    spec = shlex.split(shown.strip().splitlines()[-1])[-1]
    assert spec == f"openai:first one@{server.url}"
    endpoint = connect(spec)
    assert endpoint.model == "first one"
    endpoint.close()


def test_what_a_server_says_cannot_move_the_cursor(server: Server, capsys: Captured) -> None:
    server.routes["GET /v1/models"] = lambda _: json_response({"data": [{"id": "m\x1b[2J\nnext  rm"}]})
    assert main(["discover", server.url]) == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert len([line for line in shown.splitlines() if line.startswith("  next")]) == 1


def test_a_terminal_gets_lines_that_fit(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.routes["GET /v1/models"] = lambda _: json_response(
        {"data": [{"id": f"model-{n}"} for n in range(30)]}
    )
    screen = in_terminal(monkeypatch)
    monkeypatch.setenv("COLUMNS", "60")
    assert main(["discover", server.url]) == 0
    lines = screen.getvalue().splitlines()
    assert "and 22 more" in " ".join(screen.getvalue().split())
    assert max(len(line) for line in lines if not line.startswith("  next")) <= 60


def test_a_saved_server_is_told_with_its_name_and_a_shut_one_by_who_names_it(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    one, shut = make_fake("openai"), unused_url()
    save_endpoint("mine", EndpointConfig("openai", one.url))
    monkeypatch.setenv("OLLAMA_HOST", shut)
    assert main(["discover"]) == 0
    shown = capsys.readouterr()
    assert shown.out.endswith("  next      bridle chat --endpoint mine\n")
    assert shown.err == f"\n{shut}: nothing answers there (OLLAMA_HOST names it)\n"
    one.close()


def test_the_whole_program_ends_with_its_code() -> None:
    url = unused_url()
    done = run_bridle("discover", url)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == f"{url}: nothing answers there\n"
