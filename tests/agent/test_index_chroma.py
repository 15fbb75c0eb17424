"""What is special to vectors in Chroma: its approximate index, servers, and a library that looks around."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from bridle.agent.archival import Entry
from bridle.agent.archival.chroma import ChromaIndex
from bridle.endpoints.environment import CHROMA_TOKEN
from bridle.errors import ConfigError, EmbedderMismatch, IndexUnavailable
from project import PARTS, ROOT
from servers.fake import Response, Seen, Server, json_response
from vector_indexes import KINDS, unit_rows

pytestmark = pytest.mark.skipif(bool(KINDS["chroma"].missing()), reason=KINDS["chroma"].missing())

ROWS = unit_rows(600, 8)
PLACES = os.pathsep.join(str(ROOT / part) for part in PARTS)
PROGRAM = Path(sys.executable).with_name("chroma")


def opened(uri: str | Path, space: str = "one", dimensions: int = 8) -> ChromaIndex:
    return ChromaIndex(str(uri), space=space, dimensions=dimensions)


def entries(archives: int = 2) -> list[Entry]:
    return [Entry(at, at % archives, f"text {at}", row) for at, row in enumerate(ROWS)]


def test_nothing_is_made_before_the_first_use(tmp_path: Path) -> None:
    opened(tmp_path / "chroma").close()
    assert not (tmp_path / "chroma").exists()


def test_many_entries_are_looked_up_in_the_index_of_chroma_with_a_wide_beam(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(opened(tmp_path / "chroma")) as index:
        index.upsert(entries())
        exact = [index.search(row, [1], 10) for row in ROWS[:20]]
        monkeypatch.setattr("bridle.agent.archival.chroma.EXACT", 100)
        looked_up = [index.search(row, [1], 10) for row in ROWS[:20]]
        assert [[one for one, _ in found] for found in looked_up] == [
            [one for one, _ in found] for found in exact
        ]
        assert [cosine for _, cosine in looked_up[3]] == pytest.approx([one for _, one in exact[3]], abs=1e-4)
        assert len(index.search(ROWS[0], [0, 1], 600)) == 600


def test_a_collection_of_other_dimensions_is_not_used(tmp_path: Path) -> None:
    with closing(opened(tmp_path / "chroma")) as index:
        index.upsert(entries()[:3])
    other = opened(tmp_path / "chroma", dimensions=9)
    with pytest.raises(EmbedderMismatch, match=r"of 8 dimensions, not 9"):
        other.count()
    other.close()


def test_a_folder_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(IndexUnavailable, match="whole and writable"):
        opened(tmp_path / "file").count()


def test_another_collection_of_the_same_folder_is_left_alone(tmp_path: Path) -> None:
    with closing(opened(tmp_path / "chroma")) as first, closing(opened(tmp_path / "chroma", "two")) as second:
        first.upsert(entries()[:4])
        second.upsert(entries()[:5])
        first.close()
        assert second.count() == 5
        second.clear()
        assert first.count() == 4


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("ftp://host/x", "neither a folder nor the address"),
        ("http://me:pa/ss@host:many", "neither a folder nor the address"),
        ("~nobody-of-that-name/x", "home directory that is not there"),
    ],
)
def test_what_is_no_place_is_told(uri: str, words: str) -> None:
    with pytest.raises(ConfigError) as told:
        opened(uri)
    assert words in str(told.value)
    assert "pa/ss" not in str(told.value)


def test_offline_only_this_machine_is_used(tmp_path: Path) -> None:
    for uri in (str(tmp_path), "http://localhost:8000", "https://[::1]"):
        ChromaIndex(uri, space="one", dimensions=8, offline=True)
    with pytest.raises(ConfigError, match="offline: Chroma is on"):
        ChromaIndex("http://chroma.example.com:8000", space="one", dimensions=8, offline=True)


def test_the_settings_of_other_programs_and_the_screen_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PERSIST_DIRECTORY=/nowhere\nANONYMIZED_TELEMETRY=true\n")
    program = (
        "import sys\n"
        "from bridle.agent.archival.chroma import ChromaIndex\n"
        "index = ChromaIndex('here', space='one', dimensions=8)\n"
        "print(index.count())\n"
        "index.close()\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        check=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": PLACES},
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.stderr) == ("0\n", "")
    assert (tmp_path / "here" / "chroma.sqlite3").exists()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Chroma's own server."""
    if not shutil.which(str(PROGRAM)):
        pytest.skip(f"no {PROGRAM}: it comes with chromadb")
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    command = [str(PROGRAM), "run", "--path", str(tmp_path / "data"), "--host", "127.0.0.1"]
    with subprocess.Popen(
        [*command, "--port", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            with socket.socket() as one:
                if one.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}", process
        process.kill()


def test_a_server_is_used_by_its_address_and_not_through_a_proxy(
    server: tuple[str, subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    uri, process = server
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "example.com")
    before = dict(os.environ)
    with closing(opened(uri)) as first, closing(opened(uri)) as second:
        first.upsert(entries()[:300])
        second.upsert(entries()[300:])
        found = first.search(ROWS[50], [0], 5)
        assert found == second.search(ROWS[50], [0], 5)
        nearest = np.argsort(-(ROWS[::2] @ ROWS[50]))[:5] * 2
        assert [one for one, _ in found] == nearest.tolist()
        assert dict(os.environ) == before
        process.kill()
        process.wait()
        with pytest.raises(IndexUnavailable, match="is it running"):
            first.count()


class Closed(Server):
    """Lets nobody in."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: list[str] = []

    def answer(self, seen: Seen) -> Response:
        self.keys.append(seen.headers["authorization"])
        return json_response({"error": "who are you?"}, status=401)


def test_a_token_goes_out_as_a_bearer_and_into_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CHROMA_TOKEN, "geheim-7")
    server = Closed()
    try:
        with pytest.raises(IndexUnavailable, match=CHROMA_TOKEN) as told:
            opened(server.url).count()
    finally:
        server.close()
    assert "geheim-7" not in str(told.value)
    assert server.keys == ["Bearer geheim-7"]
