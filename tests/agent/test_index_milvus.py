"""What is special to vectors in Milvus: files that one process holds, servers, and a library with habits."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bridle.agent.archival import Entry
from bridle.agent.archival.milvus import MilvusIndex
from bridle.endpoints.environment import MILVUS_TOKEN
from bridle.errors import ConfigError, EmbedderMismatch, IndexUnavailable, InputError
from project import PARTS, ROOT
from vector_indexes import KINDS, unit_rows

pytestmark = pytest.mark.skipif(bool(KINDS["milvus"].missing()), reason=KINDS["milvus"].missing())

ROWS = unit_rows(700, 8)
PLACES = os.pathsep.join(str(ROOT / part) for part in PARTS)
HOLD = """
import sys
from bridle.agent.archival.milvus import MilvusIndex
index = MilvusIndex(sys.argv[1], space="one", dimensions=8)
print(index.count(), flush=True)
sys.stdin.readline()
index.close()
print("closed", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    return str(tmp_path / "folder" / "x.db")


def opened(uri: str, space: str = "one", dimensions: int = 8) -> MilvusIndex:
    return MilvusIndex(uri, space=space, dimensions=dimensions)


def entries(first: int, last: int, archive: int = 1) -> list[Entry]:
    return [Entry(at, archive, f"text {at}", ROWS[at]) for at in range(first, last)]


def test_nothing_is_made_before_the_first_use(file: str) -> None:
    opened(file).close()
    assert not Path(file).parent.exists()


def test_a_file_of_another_process_is_told_and_is_taken_when_it_is_free(
    file: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with closing(opened(file)) as index:
        index.upsert(entries(0, 5))
    environment = {**os.environ, "PYTHONPATH": PLACES}
    with (
        subprocess.Popen(
            [sys.executable, "-c", HOLD, file],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        ) as other,
        closing(opened(file)) as index,
    ):
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == "5\n"
        with pytest.raises(IndexUnavailable) as told:
            index.upsert(entries(5, 9))
        assert "is open in another process: Open local milvus failed" in str(told.value)
        assert "http://localhost:19530" in told.value.hint
        assert told.value.retryable
        other.stdin.write("\n")
        other.stdin.flush()
        assert other.stdout.readline() == "closed\n"
        index.upsert(entries(5, 9))
        assert sorted(index.ids()) == list(range(9))
        other.stdin.write("\n")
    assert capfd.readouterr().err == ""


def test_two_indexes_of_one_process_share_a_file_until_the_last_one_closes(file: str) -> None:
    first, second = opened(file), opened(file, "two")
    first.upsert(entries(0, 3))
    second.upsert(entries(0, 4))
    first.close()
    assert second.count() == 4
    assert first.count() == 3
    first.close()
    second.close()
    with closing(opened(file)) as again:
        assert again.count() == 3


def test_what_was_written_slowly_and_not_written_out_is_found(file: str) -> None:
    with closing(opened(file)) as index:
        for start in range(0, 700, 100):
            index.upsert(entries(start, start + 100, archive=start // 100))
            assert index.search(ROWS[start], [start // 100], 1)[0][0] == start
        index.delete(list(range(0, 700, 2)))
        assert index.count() == 350
        assert len(index.search(ROWS[0], [0, 1, 2, 3, 4, 5, 6], 600)) == 350


def test_a_collection_of_other_dimensions_is_not_used(file: str) -> None:
    with closing(opened(file)) as index:
        index.upsert(entries(0, 1))
    with (
        closing(opened(file, dimensions=9)) as other,
        pytest.raises(EmbedderMismatch, match=r"\[8\].* not 9"),
    ):
        other.count()


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("~/milvus", "must end in .db"),
        ("~nobody-of-that-name/x.db", "home directory that is not there"),
        ("ftp://host/x", "no address of a Milvus server"),
        ("http://", "no address of a Milvus server"),
        ("http://me:pa/ss@host:many", "no address of a Milvus server"),
    ],
)
def test_what_is_no_place_is_told(uri: str, words: str) -> None:
    with pytest.raises(ConfigError) as told:
        opened(uri)
    assert words in str(told.value)
    assert "pa/ss" not in str(told.value)


def test_a_name_has_the_whole_path_and_no_password() -> None:
    assert opened("~/x.db").name == f"milvus {Path.home() / 'x.db'}"
    assert opened("http://me:pa@ss@host:19530").name == "milvus http://me@host:19530"


def test_a_name_that_a_server_would_not_take_is_refused() -> None:
    with pytest.raises(InputError, match="'Two words' is no name of an index"):
        opened("~/x.db", "Two words")


def test_offline_only_this_machine_is_used(file: str) -> None:
    for uri in (file, "http://localhost:19530", "http://[::1]:19530", "http://127.0.0.1:19530"):
        MilvusIndex(uri, space="one", dimensions=8, offline=True)
    with pytest.raises(ConfigError, match=r"offline: Milvus is on 'milvus\.example\.com'"):
        MilvusIndex("http://milvus.example.com:19530", space="one", dimensions=8, offline=True)


def test_importing_pymilvus_leaves_the_environment_and_the_screen_alone(file: str, tmp_path: Path) -> None:
    package = tmp_path / "python-dotenv-looks-here"
    package.mkdir()
    (package / "dotenv.py").write_text(
        "import os\ndef load_dotenv(*a, **k):\n    os.environ['FROM_DOTENV'] = '1'\n    return True\n"
    )
    program = (
        "import logging, os, sys\n"
        "from bridle.agent.archival.milvus import MilvusIndex\n"
        "index = MilvusIndex(sys.argv[1], space='one', dimensions=8)\n"
        "print(index.count(), os.environ.get('FROM_DOTENV'))\n"
        "logging.getLogger('pymilvus').error('not to be seen')\n"
        "index.close()\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(package), PLACES])}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, file],
        check=True,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.stderr) == ("0 None\n", "")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A server of Milvus Lite in a process of its own, as its own command starts it."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    command = [sys.executable, "-m", "milvus_lite", "server", "--data-dir", str(tmp_path / "data")]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
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
    for name in ("http_proxy", "https_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv(MILVUS_TOKEN, "root:Milvus")
    with closing(opened(uri)) as first, closing(opened(uri)) as second:
        first.upsert(entries(0, 40, archive=1))
        second.upsert(entries(40, 80, archive=2))
        assert first.search(ROWS[50], [2], 3) == second.search(ROWS[50], [2], 3)
        assert first.search(ROWS[50], [1, 2], 1)[0][0] == 50
        assert second.count([1]) == 40
        process.kill()
        process.wait()
        with pytest.raises(IndexUnavailable, match="is it running") as told:
            first.count()
        assert "Milvus" not in str(told.value)
        assert MILVUS_TOKEN in told.value.hint
