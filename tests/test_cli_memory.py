"""`bridle memory`: shown, logged, compared, searched, edited, undone, moved, indexed."""

from __future__ import annotations

import json
import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bridle.agent.archival import Draft
from bridle.agent.archival.archive import Archive
from bridle.agent.prompt import FULL
from bridle.agent.state import Edited, Record, new_state
from bridle.agent.store import Store
from bridle.cli import main
from bridle.endpoints.config import home as bridle_home
from cli_runs import Captured, Stdin, Terminal, in_terminal, one_error, saved

NOW = datetime(2026, 11, 20, 8, 5, tzinfo=UTC)


def bridle(*args: str) -> int:
    return main(["memory", *args])


def out(captured: Captured, *args: str) -> list[str]:
    code = bridle(*args)
    shown = captured.readouterr()
    assert code == 0, shown.err
    return shown.out.splitlines()


def facts(captured: Captured, *args: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in out(captured, *args, "--json")]


@pytest.fixture
def ada() -> None:
    """An agent that was talked to, has learned a name, and has a note and a source."""
    with Store(bridle_home()) as store, Archive(store) as archive:
        state = store.create(new_state("ada", FULL))
        with store.transaction(state) as step:
            step.record(Record("user", "My name is Ada and I keep bees.", NOW), 1)
            step.record(Record("tool", "The hive hums.", NOW, "listen"), 1)
            step.record(Record("assistant", "Hello Ada.", NOW), 1)
            step.insert("Ada keeps bees.", NOW)
            step.edited(Edited("human", "", "Name: Ada", NOW), 1)
            step.save(state.__class__(state.name, FULL, state.core.append("human", "Name: Ada"), turn=1))
        source = archive.create_source("papers")
        archive.add(source, [Draft("Bees dance.", locator={"page": 3})])
        archive.attach("ada", "papers")


@pytest.mark.parametrize(
    "args",
    [
        ["show", "ada"],
        ["log", "ada"],
        ["diff", "ada"],
        ["undo", "ada"],
        ["search", "ada", "x"],
        ["edit", "ada"],
        ["export", "ada"],
        ["status"],
        ["reindex"],
        ["block", "add", "ada", "x"],
    ],
)
def test_without_a_store_nothing_is_made(args: list[str], capsys: Captured) -> None:
    code = bridle(*args)
    assert not bridle_home().exists()
    if "ada" in args:
        assert code == 2
        one_error(capsys, "there is no agent 'ada'", "bridle chat")


def test_memory_is_shown_with_characters_and_counts(ada: None, capsys: Captured) -> None:
    lines = out(capsys, "show", "ada", "--no-tokens")
    assert lines[0].startswith("[persona] ")
    assert lines[-4:] == [
        "[human] 9 of 2000 characters, 1 edit",
        "  Name: Ada",
        "[stored] 2 messages, 1 note",
        "[source papers] 1 passage",
    ]
    (shown,) = facts(capsys, "show", "ada", "--no-tokens")
    assert (shown["messages"], shown["notes"], shown["sources"]) == (2, 1, {"papers": 1})


def test_the_embedded_model_counts_tokens(ada: None, capsys: Captured) -> None:
    pytest.importorskip("llama_cpp")
    assert "[human] 9 of 2000 characters, " in "\n".join(out(capsys, "show", "ada"))
    (shown,) = facts(capsys, "show", "ada")
    blocks = shown["blocks"]
    assert isinstance(blocks, list)
    assert 2 <= blocks[1]["tokens"] <= 9


def test_what_cannot_count_tokens_does_not_keep_memory_from_being_shown(
    ada: None, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRIDLE_ENDPOINT", "http://127.0.0.1:9")
    assert bridle("show", "ada") == 0
    shown = capsys.readouterr()
    assert "[human] 9 of 2000 characters, 1 edit" in shown.out
    assert "Tokens are not counted: " in shown.err
    assert bridle("show", "ada", "--endpoint", "http://127.0.0.1:9") == 3


def test_one_block_is_shown_alone(ada: None, capsys: Captured) -> None:
    assert out(capsys, "show", "ada", "--block", "human") == ["Name: Ada"]
    assert facts(capsys, "show", "ada", "--block", "human")[0]["limit"] == 2000
    assert bridle("show", "ada", "--block", "x") == 2
    assert "there is no block 'x'" in capsys.readouterr().err


@pytest.mark.parametrize("query", ["", "  "])
def test_a_search_for_nothing_is_refused(ada: None, capsys: Captured, query: str) -> None:
    assert bridle("search", "ada", query) == 2
    one_error(capsys, "the query is empty", "bridle memory search ada QUERY")


def test_edits_are_logged_with_who_and_when(ada: None, capsys: Captured) -> None:
    bridle("edit", "ada", "--block", "human", "--append", "City: Bonn")
    bridle("undo", "ada")
    capsys.readouterr()
    lines = out(capsys, "log", "ada")
    assert "turn 1, by the agent: +Name: Ada" in lines[0]
    assert "by you: +City: Bonn" in lines[1]
    assert "by undo: -City: Bonn" in lines[2]
    assert [one["by"] for one in facts(capsys, "log", "ada")] == ["agent", "user", "undo"]
    assert [one["by"] for one in facts(capsys, "log", "ada", "-n", "1")] == ["undo"]
    assert len(facts(capsys, "log", "ada", "--until", "2026-11-20", "--since", "2026-11-20")) >= 1
    assert facts(capsys, "log", "ada", "--until", "2020-01-01") == []
    assert facts(capsys, "log", "ada", "--block", "persona") == []


def test_the_conversation_is_logged_by_role_and_day(ada: None, capsys: Captured) -> None:
    assert [one["text"] for one in facts(capsys, "log", "ada", "--messages")] == [
        "My name is Ada and I keep bees.",
        "The hive hums.",
        "Hello Ada.",
    ]
    (line,) = out(capsys, "log", "ada", "--messages", "--role", "tool")
    assert line.endswith("turn 1, tool listen: The hive hums.")
    assert facts(capsys, "log", "ada", "--messages", "--since", "2026-11-21") == []
    assert bridle("log", "ada", "--messages", "--since", "2027-01-01") == 0
    assert capsys.readouterr().err == "There are no messages there.\n"


def test_versions_are_compared(ada: None, capsys: Captured) -> None:
    for line in ("City: Bonn", "Pet: a dog"):
        bridle("edit", "ada", "--block", "human", "--append", line)
    capsys.readouterr()
    first, second, third = (str(one["id"]) for one in facts(capsys, "log", "ada"))

    def changes(*args: str) -> list[str]:
        return [
            line
            for line in out(capsys, "diff", "ada", *args)
            if line[:1] in "+-" and line[:2] not in ("++", "--")
        ]

    assert changes() == ["+Name: Ada", "+City: Bonn", "+Pet: a dog"]
    assert changes("--edit", second) == ["+City: Bonn"]
    assert changes("--from", second) == ["+City: Bonn", "+Pet: a dog"]
    assert changes("--to", second, "--block", "human") == ["+Name: Ada", "+City: Bonn"]
    assert changes("--from", second, "--to", third) == ["+City: Bonn", "+Pet: a dog"]
    assert changes("--since", "2999-01-01") == []
    assert changes("--since", "2026-11-20")[-1] == "+Pet: a dog"
    assert changes("--block", "persona") == []
    (shown,) = facts(capsys, "diff", "ada", "--edit", first)
    assert (shown["block"], shown["before"], shown["after"]) == ("human", "", "Name: Ada")
    assert bridle("diff", "ada", "--edit", "99") == 2
    one_error(capsys, "there is no edit number 99 of 'ada'", "lists 3 edits")


def test_changes_are_coloured_in_a_terminal(ada: None, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = in_terminal(monkeypatch)
    bridle("diff", "ada")
    assert "\x1b[32m+Name: Ada\x1b[0m" in terminal.getvalue()
    monkeypatch.setenv("NO_COLOR", "1")
    terminal = in_terminal(monkeypatch)
    bridle("diff", "ada")
    assert "\x1b" not in terminal.getvalue()


def test_everything_is_searched(ada: None, capsys: Captured) -> None:
    bridle("edit", "ada", "--block", "human", "--append", "Loves bees and honey")
    capsys.readouterr()
    lines = out(capsys, "search", "ada", "bees")
    assert lines[:4] == [
        "blocks: 1 line",
        "  [human] Loves bees and honey",
        "recall: 3 of 3",  # what follows a message is found by it, too
        "  [2026-11-20] user: My name is Ada and I keep bees.",
    ]
    at = lines.index("archival: 2 of 2")
    assert set(lines[at + 1 :]) == {
        "  [note of 2026-11-20] Ada keeps bees.",
        "  [papers, page 3] Bees dance.",
    }


def test_a_search_tells_machines_where_each_result_is_from(ada: None, capsys: Captured) -> None:
    (line,) = out(capsys, "search", "ada", "who", "dances", "--in", "archival", "--in", "recall", "--json")
    found = json.loads(line)
    assert (found["query"], found["blocks"], found["recall"]["total"]) == ("who dances", [], 0)
    assert found["archival"]["total"] == 1
    hit = found["archival"]["hits"][0]
    assert (hit["source"], hit["locator"], hit["text"]) == ("papers", {"page": 3}, "Bees dance.")
    (again,) = facts(capsys, "search", "ada", "bees", "--page", "1")
    assert again["page"] == 1


def test_a_block_is_changed_by_flags_and_undone(ada: None, capsys: Captured) -> None:
    def value() -> str:
        return "\n".join(out(capsys, "show", "ada", "--block", "human"))

    out(capsys, "edit", "ada", "--block", "human", "--append", "City: Bonn")
    out(capsys, "edit", "ada", "--block", "human", "--replace", "City: Bonn", "City: Köln")
    assert value() == "Name: Ada\nCity: Köln"
    (changed,) = facts(capsys, "edit", "ada", "--block", "human", "--set", "Name: Eve")
    assert (changed["changed"], changed["after"]) == (True, "Name: Eve")
    (same,) = facts(capsys, "edit", "ada", "--block", "human", "--set", "Name: Eve")
    assert same["changed"] is False
    (undone,) = facts(capsys, "undo", "ada", "--block", "human")
    assert undone["now"] == "Name: Ada\nCity: Köln"
    assert "-City: Köln" in out(capsys, "undo", "ada")
    assert value() == "Name: Ada\nCity: Bonn"


def editor(tmp_path: Path, code: str) -> str:
    """An editor that runs Python on the text of the file."""
    script = saved(tmp_path / "editor.py", f"import sys; p = sys.argv[1]; t = open(p).read()\n{code}")
    return shlex.join([sys.executable, script])


def test_a_block_is_changed_in_an_editor(
    ada: None, capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDITOR", editor(tmp_path, "open(p, 'w').write(t.replace('Ada', 'Eve'))"))
    monkeypatch.delenv("VISUAL", raising=False)
    assert "+Name: Eve" in out(capsys, "edit", "ada", "--block", "human")
    monkeypatch.setenv("EDITOR", editor(tmp_path, ""))
    assert bridle("edit", "ada", "--block", "human") == 0
    assert capsys.readouterr().err == "The block human is as it was.\n"


def test_what_was_changed_while_the_editor_was_open_is_not_lost(
    ada: None, capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = f"""from pathlib import Path; from bridle.agent.store import Store
open(p, 'w').write('mine')
with Store(Path({str(bridle_home())!r})) as s: s.write_block('ada', 'human', 'theirs')"""
    monkeypatch.setenv("EDITOR", editor(tmp_path, code))
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("PYTHONPATH", ":".join(sys.path))
    assert bridle("edit", "ada", "--block", "human") == 2
    one_error(capsys, "was changed by somebody else in the meantime")
    assert out(capsys, "show", "ada", "--block", "human") == ["theirs"]


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["edit", "ada", "--set", "x"], "'ada' has 2 blocks"),
        (["edit", "ada", "--block", "x", "--set", "y"], "there is no block 'x'"),
        (["edit", "ada", "--block", "human", "--replace", "no", "x"], "'no' is not in the block 'human'"),
        (["edit", "ada", "--block", "human", "--append", " "], "the content is empty"),
        (["edit", "ada", "--block", "human", "--set", "x" * 2001], "2001 characters, its limit is 2000"),
        (["undo", "ada", "--block", "persona"], "there is no edit of the block 'persona' to undo"),
        (["log", "ada", "--since", "soon"], "--since 'soon' is not a day"),
        (["block", "add", "ada", "human"], "there is a block 'human' already"),
        (["block", "limit", "ada", "human", "1"], "9 characters, its limit is 1"),
        (["block", "share", "ada", "human", "bob"], "there is no agent 'bob'"),
        (["import", "ada", "/nowhere"], "FILE '/nowhere' cannot be read"),
        (["reembed"], "no embedder is set"),
        (["status", "bob"], "there is no agent 'bob'"),
    ],
)
def test_wrong_input_is_one_error_line(args: list[str], says: str, ada: None, capsys: Captured) -> None:
    assert bridle(*args) == 2
    shown = capsys.readouterr()
    assert says in shown.err
    assert shown.err.startswith("error: ")
    assert shown.out == ""


@pytest.mark.parametrize(
    ("args", "hint"),
    [
        (["x", "--set", "y"], "the blocks are: persona, human"),
        (["human", "--replace", "no", "x"], "bridle memory show ada --block human"),
        (["human", "--replace", " ", "x"], "--replace OLD NEW"),
        (["human", "--append", "Name: Ada"], "bridle memory show ada --block human"),
        (["human", "--append", "x" * 1991], "bridle memory block limit ada human 2001"),
        (["human", "--replace", "Ada", "x" * 1995], "bridle memory block limit ada human 2001"),
        (["human", "--set", "x" * 2001], "bridle memory block limit ada human 2001"),
    ],
)
def test_an_edit_that_cannot_be_made_is_told_to_a_person(
    args: list[str], hint: str, ada: None, capsys: Captured
) -> None:
    assert bridle("edit", "ada", "--block", *args) == 2
    shown = capsys.readouterr().err
    assert hint in shown.splitlines()[-1]
    assert "core_memory" not in shown
    assert "old_content" not in shown


def test_an_editor_that_is_not_there_is_told_with_the_ways_without_one(
    ada: None, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", "nope-editor")
    assert bridle("edit", "ada", "--block", "human") == 2
    one_error(capsys, "nope-editor", "hint: set EDITOR", "--append")


@pytest.mark.parametrize(
    "args",
    [
        ["edit", "ada", "--set", "x", "--append", "y"],
        ["log", "ada", "--role", "user"],
        ["log", "ada", "--messages", "--block", "human"],
    ],
)
def test_flags_that_exclude_each_other_are_refused(args: list[str], ada: None) -> None:
    assert bridle(*args) == 2


def test_blocks_are_added_limited_shared_and_removed(
    ada: None, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store(bridle_home()) as store:
        store.create(new_state("bob", FULL))
    out(capsys, "block", "add", "ada", "team", "--text", "We are two.", "--limit", "50")
    out(capsys, "block", "limit", "ada", "team", "20")
    out(capsys, "block", "share", "ada", "team", "bob")
    out(capsys, "edit", "bob", "--block", "team", "--set", "We are many.")
    lines = out(capsys, "show", "ada", "--no-tokens")
    assert "[team] 12 of 20 characters, 1 edit, shared with bob" in lines
    monkeypatch.setattr("sys.stdin", Stdin(b""))
    assert bridle("block", "remove", "ada", "teem") == 2
    assert "there is no block 'teem'\nhint: the blocks are" in capsys.readouterr().err
    assert bridle("block", "remove", "ada", "team") == 2  # there is nobody to say yes
    assert "hint: --yes answers" in capsys.readouterr().err
    out(capsys, "block", "remove", "ada", "team", "-y")
    assert out(capsys, "show", "bob", "--block", "team") == ["We are many."]
    assert bridle("show", "ada", "--block", "team") == 2


@pytest.mark.parametrize("name", ["m.md", "m.json"])
def test_memory_is_moved_as_text_and_as_json(name: str, ada: None, capsys: Captured, tmp_path: Path) -> None:
    file = tmp_path / name
    out(capsys, "export", "ada", "-o", str(file))
    assert file.read_text().startswith("{" if name.endswith("json") else "# memory of ada")
    with Store(bridle_home()) as store:
        store.create(new_state("eve", FULL))
    assert out(capsys, "import", "eve", str(file)) == ["block human: changed", "1 new note"]
    assert out(capsys, "import", "eve", str(file)) == ["0 new notes"]
    (again,) = facts(capsys, "import", "eve", str(file))
    assert again == {"changed": [], "added": [], "notes": 0, "warning": ""}
    assert out(capsys, "export", "eve")[2:] == out(capsys, "export", "ada")[2:]


def test_a_whole_agent_is_not_taken_for_a_memory(ada: None, capsys: Captured, tmp_path: Path) -> None:
    file = str(tmp_path / "ada.json")
    assert main(["agents", "export", "ada", "-o", file]) == 0
    capsys.readouterr()
    assert bridle("import", "ada", file) == 2
    one_error(capsys, "holds a whole agent", f"hint: bridle agents import {file}")


def test_memory_comes_from_standard_input(
    ada: None, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = b"# memory of x\n## block plans (at most 99 characters)\n\nA garden.\n"
    monkeypatch.setattr("sys.stdin", Stdin(text))
    assert out(capsys, "import", "ada", "-") == ["block plans: added", "0 new notes"]


def test_the_index_is_told_of_and_built_anew(ada: None, capsys: Captured) -> None:
    assert out(capsys, "status", "ada")[0] == "passages    2"
    (found,) = facts(capsys, "status")
    assert (found["passages"], found["vectors"], found["embedder"]) == (2, 0, "")
    assert out(capsys, "reindex", "ada") == ["The text index is built anew.", "0 vectors made."]
    assert facts(capsys, "reindex")[-1] == {"event": "done", "vectors": 0}
    assert "archival: 1 of 1" in out(capsys, "search", "ada", "dance")


def test_vectors_are_made_with_progress_and_help_to_find(ada: None, capsys: Captured) -> None:
    saved(bridle_home() / "config.toml", 'schema = 1\n[embedding]\nendpoint = "hashing"\n')
    progress = facts(capsys, "reembed", "ada")
    assert progress[-1] == {"event": "done", "vectors": 2}
    assert progress[0] == {"event": "reembed", "done": 2, "total": 2}
    (found,) = facts(capsys, "status", "ada")
    assert (found["vectors"], found["waiting"]) == (2, 0)
    (line,) = out(capsys, "search", "ada", "bee", "--in", "archival", "--json")
    assert {hit["vector_score"] is None for hit in json.loads(line)["archival"]["hits"]} == {False}
    assert out(capsys, "reembed") == ["0 vectors made."]
    assert out(capsys, "reembed", "--again") == ["2 vectors made."]


def test_progress_is_a_bar_in_a_terminal(
    ada: None, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved(bridle_home() / "config.toml", 'schema = 1\n[embedding]\nendpoint = "hashing"\n')
    monkeypatch.setenv("TERM", "xterm-256color")
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    assert out(capsys, "reembed") == ["2 vectors made."]
    assert "reembed" in terminal.getvalue()
