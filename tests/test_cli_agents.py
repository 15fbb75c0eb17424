"""`bridle agents`: made, shown, copied, renamed, exported, imported, deleted."""

from __future__ import annotations

import json
import sqlite3
import stat
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bridle.agent.prompt import FULL
from bridle.agent.state import Record, new_state
from bridle.agent.store import Store
from bridle.cli import main
from bridle.endpoints.config import home as bridle_home
from cli_runs import Captured, Stdin, one_error, saved
from project import ROOT

DATA = ROOT / "tests" / "data" / "memgpt"


def bridle(*args: str) -> int:
    return main(["agents", *args])


def told(captured: Captured, *args: str) -> list[str]:
    """What a command says, when it succeeds, in both streams."""
    code = bridle(*args)
    shown = captured.readouterr()
    assert code == 0, shown.err
    return [*shown.out.splitlines(), *shown.err.splitlines()]


def facts(captured: Captured, *args: str) -> dict[str, object]:
    assert bridle(*args) == 0
    found = json.loads(captured.readouterr().out.splitlines()[0])
    assert isinstance(found, dict)
    return found  # pyright: ignore[reportUnknownVariableType]


@pytest.fixture
def ada() -> None:
    """An agent that was talked to."""
    at = datetime(2026, 11, 20, 8, 5, tzinfo=UTC)
    with Store(bridle_home()) as store:
        state = store.create(new_state("ada", FULL))
        with store.transaction(state) as step:
            step.record(Record("user", "My name is Ada.", at), 1)
            step.insert("Ada keeps bees.", at)
            step.save(state)


@pytest.mark.parametrize(
    "args", [["list"], ["show", "x"], ["export", "x"], ["fork", "x", "y"], ["rename", "x", "y"], ["personas"]]
)
def test_looking_makes_no_file(args: list[str]) -> None:
    bridle(*args)
    assert not bridle_home().exists()


def test_an_agent_is_made_from_names_sentences_and_files(capsys: Captured, tmp_path: Path) -> None:
    system = saved(tmp_path / "s.txt", "Be brief.\n")
    made = ["create", "eve", "--persona", "sam_simple", "--human", "I am Ada.", "--system", system]
    lines = told(capsys, *made, "--block", "project=Bees\n in May", "--block", "human=I am Eve.")
    assert lines == ["The agent eve is made; talk to it with: bridle chat --agent eve"]
    shown = facts(capsys, "show", "eve", "--json")
    assert (shown["system"], shown["profile"], shown["turns"]) == ("Be brief.", "full", 0)
    with Store(bridle_home()) as store:
        state = store.load("eve")
    assert state is not None
    assert [(block.label, block.value) for block in state.core.blocks] == [
        ("persona", "My name is Sam. I am friendly and honest, and I remember what you tell me."),
        ("human", "I am Eve."),
        ("project", "Bees\nin May"),
    ]


def test_a_preset_gives_instructions_and_tells_of_its_tools(capsys: Captured) -> None:
    told(capsys, "create", "doc", "--preset", "memgpt_docs", "--profile", "small")
    shown = facts(capsys, "show", "doc", "--json")
    assert shown["profile"] == "small"
    assert "naming document and page" in str(shown["system"])
    lines = told(capsys, "create", "x", "--preset", "memgpt_extras")
    assert lines[-1] == "Its preset uses files: switch them on with bridle chat --preset memgpt_extras"


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["create", "ada"], "there is an agent 'ada' already"),
        (["create", " "], "' ' cannot name an agent"),
        (["create", "x", "--persona", "nobody"], "there is no persona 'nobody'"),
        (["create", "x", "--preset", "nothing"], "there is no preset 'nothing'"),
        (["create", "x", "--block", "nothing"], "--block 'nothing' is no block"),
        (["create", "x", "--block", f"b={'y ' * 1001}"], "the text for block 'b' has 2001 characters"),
        (["create", "x", "--system", "/nowhere"], "'/nowhere' does not exist"),
        (["show", "bob"], "there is no agent 'bob'"),
        (["fork", "ada", "ada"], "there is an agent 'ada' already"),
        (["fork", "bob", "x"], "there is no agent 'bob'"),
        (["rename", "ada", "\n"], "cannot name an agent"),
        (["export", "bob"], "there is no agent 'bob'"),
        (["import", "/nowhere"], "cannot be read: No such file"),
        (["delete", "bob", "--yes"], "there is no agent 'bob'"),
        (["personas", "nobody"], "there is no persona 'nobody'"),
    ],
)
def test_wrong_input_is_one_error_line_and_a_hint(
    args: list[str], says: str, ada: None, capsys: Captured
) -> None:
    assert bridle(*args) == 2
    one_error(capsys, says)


def test_an_agent_is_shown_with_its_blocks_sources_and_sharers(ada: None, capsys: Captured) -> None:
    with Store(bridle_home()) as store:
        store.create(new_state("bob", FULL))
        store.add_block("ada", "team", "We are two.", 100)
        store.share_block("team", "ada", "bob")
        store.write_block("bob", "team", "We are many.")
    lines = told(capsys, "show", "ada")
    assert lines[0] == "ada: 0 turns, 1 message, 1 note"
    assert "block        team: 12 of 100 characters, 1 edit, shared with bob" in lines
    shown = facts(capsys, "show", "ada", "--json")
    assert (shown["messages"], shown["notes"], shown["sources"]) == (1, 1, {})


def test_a_copy_goes_its_own_way(ada: None, capsys: Captured) -> None:
    assert told(capsys, "fork", "ada", "eve") == ["The agent eve is a copy of ada."]
    assert told(capsys, "rename", "eve", "eva") == ["The agent eve is called eva now."]
    with Store(bridle_home()) as store:
        assert [info.name for info in store.agents()] == ["ada", "eva"]
        assert store.counts("eva") == store.counts("ada")


def test_an_agent_is_exported_and_comes_back(ada: None, capsys: Captured, tmp_path: Path) -> None:
    file = tmp_path / "ada.json"
    lines = told(capsys, "export", "ada", "-o", str(file))
    assert lines == [f"The agent ada is in {file}: 2 blocks, 1 message, 1 note."]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file]
    assert bridle("export", "ada") == 0
    first = json.loads(capsys.readouterr().out)
    assert first["agent"] == json.loads(file.read_text())["agent"]
    assert first["written_by"].startswith("bridle 0.")
    told(capsys, "import", str(file), "--name", "eve")
    assert bridle("export", "eve") == 0
    second = json.loads(capsys.readouterr().out)
    assert {**second["agent"], "name": "ada"} == first["agent"]


def test_a_file_is_not_replaced_without_force(ada: None, capsys: Captured, tmp_path: Path) -> None:
    file = saved(tmp_path / "ada.json", "mine")
    assert bridle("export", "ada", "-o", file) == 2
    one_error(capsys, "is there already", "--force")
    told(capsys, "export", "ada", "-o", file, "--force")
    assert "bridle-agent" in Path(file).read_text()


@pytest.mark.parametrize("path", ["{}/no/ada.json", "{}/\0", "{}"])
def test_a_place_that_cannot_be_written_is_told(
    path: str, ada: None, capsys: Captured, tmp_path: Path
) -> None:
    assert bridle("export", "ada", "-o", path.format(tmp_path), "--force") == 2
    one_error(capsys, "cannot be written")
    assert list(tmp_path.iterdir()) == []


def test_an_agent_file_of_letta_is_written_and_read(ada: None, capsys: Captured, tmp_path: Path) -> None:
    file = str(tmp_path / "ada.af")
    lines = told(capsys, "export", "ada", "--letta", "-o", file)
    assert lines[-1] == "not in the file: notes (1)"
    lines = told(capsys, "import", file, "--name", "eve", "--json")
    assert json.loads(lines[0])["messages"] == 1
    assert json.loads(lines[1])["kind"] == "an agent file of Letta"


@pytest.fixture
def memgpt(tmp_path: Path) -> str:
    """A home of MemGPT 0.3.25 with a persona of its own."""
    folder = tmp_path / "old"
    for name, script in (("sqlite.db", "home_0.3.25.sql"), ("chroma/chroma.sqlite3", "chroma_1.sql")):
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        with closing(sqlite3.connect(folder / name)) as connection:
            connection.executescript(f"PRAGMA synchronous = OFF; {(DATA / script).read_text()}")
    saved(folder / "personas" / "mine.txt", "I am mine.")
    return str(folder)


def test_a_home_of_memgpt_is_imported_with_its_texts(memgpt: str, capsys: Captured) -> None:
    lines = told(capsys, "import", memgpt)
    assert lines[:3] == [
        "ada_friend is here: 2 blocks, 14 messages, 1 note",
        "second is here: 2 blocks, 2 messages, 0 notes",
        "personas/mine",
    ]
    assert all(line.startswith("not taken: ") for line in lines[3:])
    assert told(capsys, "personas", "mine") == ["I am mine."]
    assert bridle("import", memgpt) == 2
    one_error(capsys, "there is an agent 'ada_friend' already")


def test_one_agent_of_several_is_imported_under_a_name(memgpt: str, capsys: Captured) -> None:
    assert bridle("import", memgpt, "--name", "x") == 2
    one_error(capsys, "--name 'x' is for one agent, and there are 2", "ada_friend, second")
    assert bridle("import", memgpt, "--agent", "third") == 2
    one_error(capsys, "there is no agent 'third' in there", "ada_friend, second")
    told(capsys, "import", memgpt, "--agent", "second", "--name", "x")
    assert facts(capsys, "list", "--json")["name"] == "x"


def test_a_dry_run_stores_nothing(memgpt: str, capsys: Captured) -> None:
    lines = told(capsys, "import", memgpt, "--dry-run")
    assert lines[0] == "ada_friend would be taken: 2 blocks, 14 messages, 1 note"
    assert not bridle_home().exists()


def test_a_text_of_ones_own_is_not_replaced(memgpt: str, capsys: Captured) -> None:
    file = saved(bridle_home() / "personas" / "mine.txt", "Another one.")
    lines = told(capsys, "import", memgpt)
    assert lines[-1] == f"not taken: personas/mine: there is another text of that name in {file}"
    assert Path(file).read_text() == "Another one."


def test_texts_that_cannot_be_written_are_told(memgpt: str, capsys: Captured) -> None:
    saved(bridle_home() / "personas", "a file where a folder should be")
    assert bridle("import", memgpt) == 2
    one_error(capsys, "mine.txt cannot be written")


def test_sources_that_do_not_exist_here_are_told(ada: None, capsys: Captured, tmp_path: Path) -> None:
    assert bridle("export", "ada") == 0
    body = json.loads(capsys.readouterr().out)
    body["agent"]["sources"] = ["bees"]
    lines = told(capsys, "import", saved(tmp_path / "a.json", json.dumps(body)), "--name", "eve")
    assert lines[-1] == "eve: there is no source bees here; load it, then attach it"


def test_two_agents_of_one_name_are_told_apart(capsys: Captured, tmp_path: Path) -> None:
    body = '{"agents": [{"name": "twin"}, {"name": "twin"}], "blocks": []}'
    lines = told(capsys, "import", saved(tmp_path / "a.af", body))
    assert [line.partition(" is")[0] for line in lines[:2]] == ["twin", "twin 2"]


@pytest.mark.parametrize("shelf", ["personas", "humans", "presets"])
def test_what_an_agent_can_begin_with_is_listed(shelf: str, capsys: Captured) -> None:
    lines = told(capsys, shelf)
    shown = facts(capsys, shelf, "--json")
    assert lines[0].startswith(f"{shown['name']}: ")
    assert shown["own"] is False


def test_ones_own_texts_are_marked(capsys: Captured) -> None:
    saved(bridle_home() / "humans" / "me.txt", "Name: Me\nCity: Bonn")
    assert "me (your own): Name: Me" in told(capsys, "humans")
    assert facts(capsys, "humans", "me", "--json") == {"name": "me", "text": "Name: Me\nCity: Bonn"}


def test_names_do_not_reach_the_terminal_as_they_are(capsys: Captured, tmp_path: Path) -> None:
    body = {"name": "a\x1b[2Jb", "core_memory": [{"label": "x\x1b[2J", "value": "\x1b[2J"}]}
    lines = told(capsys, "import", saved(tmp_path / "a.af", json.dumps(body)))
    lines += told(capsys, "show", "a [2Jb") + told(capsys, "list")
    assert not any("\x1b" in line for line in lines)


def test_an_agent_is_deleted_when_that_is_confirmed(
    ada: None, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", Stdin(b""))
    assert bridle("delete", "ada") == 2
    shown = capsys.readouterr().err
    assert "Delete ada with 1 message and 1 note?" in shown
    assert "hint: --yes answers" in shown
    monkeypatch.setattr("sys.stdin", Stdin(b"n\n"))
    assert bridle("delete", "ada") == 1
    capsys.readouterr()
    assert told(capsys, "delete", "ada", "-y") == ["The agent ada is deleted."]
    assert told(capsys, "list") == ["There are no agents yet; `bridle chat` makes one."]


def test_a_home_that_is_no_folder_is_told(capsys: Captured) -> None:
    saved(bridle_home(), "a file")
    assert bridle("show", "ada") == 1
    one_error(capsys, "cannot be written")
