"""`bridle load` and `bridle sources`: flags, exit codes, what is printed where, and the owner's own flow."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bridle.agent import Store
from bridle.agent.loading import CHUNK_CHARS
from bridle.agent.prompt import COMPACT
from bridle.agent.state import new_state
from bridle.cli import load, main
from bridle.endpoints.config import config_file, home
from cli_runs import Captured, Stdin, Terminal, one_error
from document_files import locked_pdf, pdf_bytes
from project import PARTS, ROOT, run_bridle, run_python
from servers.fake import Response, Seen, Server

PAPER = [[f"Page {n} of the paper on memory tells of subject{n}."] for n in range(1, 14)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def server() -> Iterator[Server]:
    one = Server()
    yield one
    one.close()


def bridle(*args: str) -> int:
    return main(list(args))


def listed(capsys: Captured) -> list[dict[str, object]]:
    capsys.readouterr()
    assert bridle("sources", "list", "--json") == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def add_agent(name: str) -> None:
    with Store(home()) as store:
        store.create(new_state(name, COMPACT))


def test_a_paper_is_loaded_as_people_know_it(folder: Path, capsys: Captured) -> None:
    (folder / "memgpt_research_paper.pdf").write_bytes(pdf_bytes(PAPER))
    args = ("load", "directory", "--name", "memgpt_research_paper", "--input-files=memgpt_research_paper.pdf")
    assert bridle(*args) == 0
    shown = capsys.readouterr()
    assert shown.out == "Loaded 13 passages and 13 documents from memgpt_research_paper\n"
    assert shown.err == ""
    assert bridle(*args) == 0
    shown = capsys.readouterr()
    assert shown.out == "Loaded 0 passages and 0 documents from memgpt_research_paper\n"
    assert shown.err == "Unchanged: 1 file with 13 passages.\n"


@pytest.mark.parametrize(
    "args",
    [
        ["--input-files", "a.md", "b.md"],
        ["--input-files=a.md", "--input-files=b.md"],
        ["--input-files", "a.md", "--input-files", "b.md"],
        ["--input-files", "*.md"],
        ["--input-files", "a.md", "--input-files=b.md", "--chunk-chars", "300"],
        ["--input-dir", ".", "--extensions", ".md,txt"],
        ["--input-dir=.", "--recursive", "--extensions", "md"],
        ["--input-dir", ".", "--input-files", "a.md", "b.md"],
    ],
)
def test_files_are_named_in_any_way(folder: Path, capsys: Captured, args: list[str]) -> None:
    for name in ("a.md", "b.md", "c.rst"):
        (folder / name).write_text(f"words of {name}")
    if "--input-dir" in args and "--input-files" in args:
        (folder / "c.rst").unlink()
    assert bridle("load", "directory", *args, "--name", "notes") == 0
    assert capsys.readouterr().out == "Loaded 2 passages and 2 documents from notes\n"


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["directory", "--name", "x"], "give --input-files"),
        (["directory", "--input-files", "a.txt"], "--name"),
        (["directory", "--name", "x", "--input-files", "papr.pdf"], "there is no file 'papr.pdf'"),
        (["directory", "--name", "x", "--input-files", "*.pdf"], "no file matches '*.pdf'"),
        (["directory", "--name", "x", "--input-dir", "nowhere"], "no folder 'nowhere'\nhint: check the path"),
        (["directory", "--name", "x", "--input-dir", "."], "holds no file"),
        (["directory", "--name", " ", "--input-files", "a.txt"], "name is ' '"),
        (["directory", "--name", "x", "--input-dir", ".", "--extensions", "a/b"], "'a/b' is no extension"),
        (["directory", "--name", "x", "--input-files", "a.txt", "--chunk-chars", "3"], "chunk-chars"),
        (["text", "--name", "x", "nowhere.txt"], "there is no file 'nowhere.txt'"),
        (["webpage", "--name", "x", "--urls", "cats"], "'cats' is no web address"),
        (["webpage", "--name", "x", "--urls", "https://example.org/", "--offline"], "not this machine"),
        (["database", "--name", "x", "--query", "SELECT 1"], "give --uri"),
        (["database", "--name", "x", "--query", "SELECT 1", "--uri", "mysql://x"], "'mysql'"),
    ],
)
def test_wrong_input_is_one_line_and_a_hint(
    folder: Path, capsys: Captured, args: list[str], says: str
) -> None:
    if "a.txt" in args:
        (folder / "a.txt").write_text("words")
    assert bridle("load", *args) == 2
    one_error(capsys, says)


def test_a_bad_file_among_good_ones_is_told_and_the_load_is_incomplete(
    folder: Path, capsys: Captured
) -> None:
    (folder / "a.pdf").write_bytes(locked_pdf([["x"]]))
    (folder / "b.txt").write_bytes(b"caf\xe9")
    (folder / "c.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    assert bridle("load", "directory", "--name", "x", "--input-dir", ".") == 4
    shown = capsys.readouterr()
    assert shown.out == "Loaded 1 passage and 1 document from x\n"
    assert shown.err.splitlines() == [
        f"error: {folder}/a.pdf: it is locked by a password",
        "hint: save a copy without one and load that",
        f"{folder}/b.txt: is not UTF-8; it was read as Windows-1252",
        f"{folder}/c.png: skipped: it is a binary file of no known kind",
    ]


def test_bad_files_alone_are_an_error(folder: Path, capsys: Captured) -> None:
    (folder / "a.json").write_text("{")
    assert bridle("load", "directory", "--name", "x", "--input-files", "a.json") == 2
    one_error(capsys, "a.json: it is not JSON")
    (folder / "b.json").write_text("{")
    assert bridle("load", "directory", "--name", "x", "--input-files", "a.json", "b.json") == 2
    assert "none of 2 files could be loaded" in capsys.readouterr().err
    assert not (listed(capsys))


def test_the_report_is_one_json_object(folder: Path, capsys: Captured) -> None:
    (folder / "a.jsonl").write_text('{"a": 1}\nx\n')
    assert bridle("load", "directory", "--name", "x", "--input-files", "a.jsonl", "--json") == 4
    (line,) = capsys.readouterr().out.splitlines()
    report = json.loads(line)
    assert (report["source"], report["passages"], report["documents"], report["complete"]) == (
        "x",
        1,
        1,
        False,
    )
    (file,) = report["files"]
    assert (file["address"], file["status"]) == (str(folder / "a.jsonl"), "loaded")
    assert "line 2" in file["losses"][0]


def test_files_that_are_gone_are_told_and_pruned(folder: Path, capsys: Captured) -> None:
    for name in ("a.txt", "b.txt"):
        (folder / name).write_text(name)
    args = ("load", "directory", "--name", "x", "--input-dir", ".")
    assert bridle(*args) == 0
    (folder / "a.txt").unlink()
    capsys.readouterr()
    assert bridle(*args) == 0
    assert f"{folder}/a.txt: is no longer there; 1 passage kept" in capsys.readouterr().err
    assert bridle(*args, "--prune") == 0
    assert "1 passage deleted" in capsys.readouterr().err
    assert listed(capsys)[0]["passages"] == 1


def test_a_text_is_loaded_from_a_file_and_from_a_pipe(
    folder: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "a.html").write_text("<b>x</b>")
    assert bridle("load", "text", "--name", "x", "a.html") == 0
    monkeypatch.setattr("sys.stdin", Stdin("Grüße".encode()))
    assert bridle("load", "text", "--name", "x", "-") == 0
    assert capsys.readouterr().out == "Loaded 1 passage and 1 document from x\n" * 2


def _page(seen: Seen) -> Response:
    return Response(200, (f"<p>Page {seen.path}".encode(),), "text/html")


def test_pages_are_loaded(folder: Path, capsys: Captured, server: Server) -> None:
    for name in ("a", "b"):
        server.routes[f"GET /{name}"] = _page
    urls = [f"{server.url}/a", f"{server.url}/b"]
    assert bridle("load", "webpage", "--name", "x", "--offline", "--urls", *urls) == 0
    assert capsys.readouterr().out == "Loaded 2 passages and 2 documents from x\n"


def test_rows_are_loaded_with_memgpts_flags_too(folder: Path, capsys: Captured) -> None:
    with closing(sqlite3.connect(folder / "a.db")) as made, made:
        made.execute("CREATE TABLE t (x TEXT)")
        made.execute("INSERT INTO t VALUES ('one'), ('two')")
    query = ("--query", "SELECT x FROM t")
    assert bridle("load", "database", "--name", "x", "--dump-path", "a.db", *query) == 0
    assert bridle("load", "database", "--name", "y", "--uri", "sqlite:///a.db", *query) == 0
    assert capsys.readouterr().out.count("Loaded 2 passages and 2 documents") == 2
    server = ("--host", "127.0.0.1", "--port", "9", "--user", "ann", "--password", "p@ss", "--dbname", "d")
    assert bridle("load", "database", "--name", "z", *server, *query) == 2
    shown = capsys.readouterr().err
    assert "postgresql://ann@127.0.0.1:9/d" in shown
    assert "p@ss" not in shown


def test_a_source_is_listed_shown_attached_detached_and_deleted(
    folder: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "a.txt").write_text("The lamp's word is Aladdin.")
    (folder / "b.json").write_text("{")
    assert bridle("load", "directory", "--name", "lamps", "--input-dir", ".") == 4
    add_agent("ann")
    capsys.readouterr()
    assert bridle("sources", "attach", "lamps", "--agent", "ann") == 0
    assert "searches lamps now: 1 passage." in capsys.readouterr().err
    assert bridle("sources", "attach", "--data-source", "lamps", "--agent", "ann") == 0
    assert "searches lamps already" in capsys.readouterr().err
    assert bridle("sources", "attach") == 2
    one_error(capsys, "Missing argument 'NAME'")
    assert bridle("sources", "list") == 0
    assert capsys.readouterr().out == "lamps: 1 passage, 1 document, 2 files (1 failed), attached to ann\n"
    assert bridle("sources", "show", "lamps") == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[1] == f"  {folder}/a.txt: 1 passage, 1 document"
    assert shown[2].startswith(f"  {folder}/b.json: 0 passages, 0 documents, failed: it is not JSON")
    assert bridle("sources", "show", "lamps", "--json") == 0
    assert [json.loads(line)["status"] for line in capsys.readouterr().out.splitlines()] == [
        "loaded",
        "failed",
    ]
    assert bridle("sources", "detach", "lamps", "--agent", "ann") == 0
    assert bridle("sources", "detach", "lamps", "--agent", "ann") == 0
    assert capsys.readouterr().err.splitlines() == [
        "The agent ann no longer searches lamps.",
        "The agent ann did not search lamps.",
    ]
    monkeypatch.setattr("sys.stdin", Stdin(b""))
    assert bridle("sources", "delete", "lamps") == 2
    assert "hint: --yes answers" in capsys.readouterr().err
    assert bridle("sources", "delete", "lamps", "-y") == 0
    assert listed(capsys) == []


@pytest.mark.parametrize(
    "args", [["show", "lamp"], ["attach", "lamp"], ["detach", "lamp"], ["delete", "lamp", "--yes"]]
)
def test_a_source_that_is_not_there_is_told_with_those_there_are(
    folder: Path, capsys: Captured, args: list[str]
) -> None:
    assert bridle("sources", *args) == 2
    one_error(capsys, "there is no source 'lamp'", "`bridle load` makes one")
    assert not home().exists()
    (folder / "a.txt").write_text("words")
    bridle("load", "directory", "--name", "lamps", "--input-files", "a.txt")
    capsys.readouterr()
    assert bridle("sources", *args) == 2
    one_error(capsys, "there is no source 'lamp'", "the sources are: lamps")


def test_an_agent_that_is_not_there_is_told(folder: Path, capsys: Captured) -> None:
    (folder / "a.txt").write_text("words")
    bridle("load", "directory", "--name", "lamps", "--input-files", "a.txt")
    capsys.readouterr()
    assert bridle("sources", "attach", "lamps", "--agent", "nobody") == 2
    one_error(capsys, "there is no agent 'nobody'")


def test_looking_makes_no_file(capsys: Captured) -> None:
    assert bridle("sources", "list") == 0
    assert "`bridle load` makes one" in capsys.readouterr().err
    assert not home().exists()


def test_a_deletion_is_asked_for(folder: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "a.txt").write_text("words")
    bridle("load", "directory", "--name", "lamps", "--input-files", "a.txt")
    monkeypatch.setattr("sys.stdin", Stdin(b"n\n"))
    assert bridle("sources", "delete", "lamps") == 1
    assert "Delete lamps with 1 passage?" in capsys.readouterr().err
    assert len(listed(capsys)) == 1


def test_a_terminal_gets_a_bar_and_a_pipe_does_not(
    folder: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "a.txt").write_text("words")
    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr("sys.stderr", terminal)
    assert bridle("load", "directory", "--name", "x", "--input-files", "a.txt") == 0
    assert "Loading files" in terminal.getvalue()
    assert capsys.readouterr().out == "Loaded 1 passage and 1 document from x\n"


def test_the_size_of_passages_in_the_help_is_that_of_the_library() -> None:
    assert load.CHUNK_CHARS == CHUNK_CHARS


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to one process")
def test_ctrl_c_keeps_what_is_loaded_and_the_next_load_goes_on(folder: Path, capsys: Captured) -> None:
    rows = "\n".join(f"name{n},{n}" for n in range(6_000))
    (folder / "a.csv").write_text(f"name,number\n{rows}")
    (folder / "b.txt").write_text("words")
    paths = ":".join(str(ROOT / part) for part in PARTS)
    environment = {"PYTHONPATH": paths, "PATH": "", "BRIDLE_HOME": str(home())}
    command = [sys.executable, "-m", "bridle.cli", "load", "directory", "--name", "x", "--input-dir", "."]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as child:
        while not _passages():
            assert child.poll() is None
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=30)
    assert child.returncode == 130
    assert said.strip() == "Stopped. What is loaded is kept; the same command goes on there."
    kept = _passages()
    assert 0 < kept < 6_000
    assert bridle("load", "directory", "--name", "x", "--input-dir", ".") == 0
    assert capsys.readouterr().out == "Loaded 6,001 passages and 6,001 documents from x\n"
    assert _passages() == 6_001


def _passages() -> int:
    file = home() / "bridle.db"
    if not file.exists():
        return 0
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        try:
            return int(connection.execute("SELECT count(*) FROM passages").fetchone()[0])
        except sqlite3.OperationalError:  # its tables are not there yet
            return 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows limits no file's size")
def test_a_disk_that_is_full_is_an_error_and_the_file_stays_sound(folder: Path) -> None:
    (folder / "a.txt").write_text(" ".join(f"word{n}" for n in range(30_000)))
    assert run_bridle("load", "text", "--name", "x", "a.txt").returncode == 0
    (folder / "b.txt").write_text(" ".join(f"other{n}" for n in range(30_000)))
    size = (home() / "bridle.db").stat().st_size // 512 + 100
    script = f'ulimit -f {size}; exec "$0" -m bridle.cli load text --name x b.txt'
    paths = ":".join(str(ROOT / part) for part in PARTS)
    environment = {"PYTHONPATH": paths, "BRIDLE_HOME": str(home())}
    done = subprocess.run(
        ["/bin/sh", "-c", script, sys.executable],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith("error: ")
    with closing(sqlite3.connect(home() / "bridle.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert run_bridle("load", "text", "--name", "x", "b.txt").stdout.startswith("Loaded ")


def test_help_imports_no_reader_and_no_network() -> None:
    program = (
        "import sys; from bridle.cli import main\n"
        "main(['load', 'directory', '--help']); main(['sources', '--help'])\n"
        "print({'bs4', 'docx', 'pypdfium2', 'requests', 'sqlite3', 'numpy', 'rich'} & set(sys.modules))"
    )
    done = run_python("-c", program)
    assert (done.stderr, done.stdout.splitlines()[-1]) == ("", "set()")


def test_an_option_without_its_values_is_refused(folder: Path, capsys: Captured) -> None:
    assert bridle("load", "directory", "--name", "x", "--input-files") == 2
    assert bridle("load", "webpage", "--urls", "--name", "x") == 2
    assert capsys.readouterr().err.count("requires an argument") == 2


def test_what_follows_two_hyphens_is_no_option(folder: Path, capsys: Captured) -> None:
    assert bridle("load", "directory", "--name", "x", "--input-files", "a.txt", "--", "--urls") == 2
    assert "unexpected extra argument" in capsys.readouterr().err


def test_an_embedder_that_does_not_answer_is_told_and_the_text_is_loaded(
    folder: Path, capsys: Captured
) -> None:
    config_file().parent.mkdir(parents=True, exist_ok=True)
    config_file().write_text('schema = 1\n[embedding]\nendpoint = "http://127.0.0.1:9"\nmodel = "m"\n')
    (folder / "a.txt").write_text("words")
    assert bridle("load", "directory", "--name", "x", "--input-files", "a.txt") == 0
    shown = capsys.readouterr()
    assert shown.out == "Loaded 1 passage and 1 document from x\n"
    assert "Found by words only for now" in shown.err
    assert bridle("sources", "delete", "x", "--yes", "--offline") == 0
    assert "Its vectors are deleted later" in capsys.readouterr().err


def test_a_home_that_cannot_be_looked_into_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BRIDLE_HOME", str(tmp_path / "file"))
    assert bridle("sources", "list") == 1
    assert capsys.readouterr().err.startswith("error: ")
