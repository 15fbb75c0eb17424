from __future__ import annotations

import errno
import os
import random
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridle.agent.toolbox import run_tool_limited
from bridle.agent.toolbox.files import MOST_FILE_BYTES, file_tools
from bridle.agent.toolbox.sandbox import BY_DESCRIPTOR, Sandbox
from bridle.errors import InputError

SECRET = "the outside secret"
WAYS = [pytest.param(True, marks=pytest.mark.skipif(not BY_DESCRIPTOR, reason="not on this system")), False]


class Place:
    """A folder with a sandbox in it, and what lies around it."""

    def __init__(self, base: Path, *, by_descriptor: bool) -> None:
        self.by_descriptor = by_descriptor
        self.outside = base
        self.folder = base / "inside"
        (self.folder / "sub" / "deep").mkdir(parents=True)
        (base / "other").mkdir()
        (base / "secret.txt").write_text(SECRET, "utf-8")
        (base / "other" / "secret.txt").write_text(SECRET, "utf-8")
        (self.folder / "notes.txt").write_text("one\ntwo\nthree\n", "utf-8")
        (self.folder / "sub" / "deep" / "more.txt").write_text("deep", "utf-8")
        self.read, self.append = file_tools(
            self.folder, sandbox=Sandbox(self.folder, by_descriptor=by_descriptor)
        )

    def reads(self, name: str, **more: int) -> str:
        return run_tool_limited(self.read, {"filename": name, **more})

    def appends(self, name: str, content: str = "PWNED") -> str:
        return run_tool_limited(self.append, {"filename": name, "content": content})

    def outside_files(self) -> dict[str, str]:
        found = (one for one in self.outside.rglob("*") if one.is_file() and not one.is_symlink())
        return {
            str(one): one.read_text("utf-8", "replace") for one in found if self.folder not in one.parents
        }


@pytest.fixture(params=WAYS)
def place(tmp_path: Path, request: pytest.FixtureRequest) -> Place:
    return Place(tmp_path, by_descriptor=request.param)


def test_a_file_is_read_by_lines(place: Place) -> None:
    assert place.reads("notes.txt") == "[notes.txt, lines 1 to 3 of 3]\none\ntwo\nthree"
    assert place.reads("notes.txt", line_start=2, num_lines=1) == "[notes.txt, lines 2 to 2 of 3]\ntwo"
    assert place.reads("sub/deep/more.txt") == "[sub/deep/more.txt, lines 1 to 1 of 1]\ndeep"
    assert place.reads("notes.txt", line_start=4) == "Failed: 'notes.txt' has 3 lines, and none at 4"
    assert place.reads("none.txt") == "Failed: there is no file 'none.txt'"
    assert place.reads("sub") == "Failed: 'sub' is no ordinary file"
    assert place.reads("notes.txt/x").startswith("Failed: there is no file")
    assert place.reads("notes.txt", line_start=0).startswith("Failed: wrong arguments")


def test_what_is_appended_stands_on_lines_of_its_own(place: Place) -> None:
    assert place.appends("new.txt", "first") == "OK"
    assert place.appends("new.txt", "second\n") == "OK"
    assert (place.folder / "new.txt").read_bytes() == b"first\nsecond\n"
    (place.folder / "open.txt").write_bytes(b"no end")
    assert place.appends("open.txt", "ä") == "OK"
    assert (place.folder / "open.txt").read_text("utf-8") == "no end\nä\n"
    assert place.appends("none/new.txt") == "Failed: there is no file 'none/new.txt'"
    assert "half a character" in place.appends("new.txt", "\ud83d")


def test_what_is_no_utf_8_is_told_with_its_place(place: Place) -> None:
    (place.folder / "latin.txt").write_bytes("ab\xe4".encode("latin-1"))
    assert place.reads("latin.txt") == "Failed: 'latin.txt' is no text in UTF-8: byte 0xe4 at 2"
    (place.folder / "bom.txt").write_bytes(b"\xef\xbb\xbfab\r\nc")
    assert place.reads("bom.txt").endswith("\nab\nc")
    (place.folder / "empty.txt").write_bytes(b"")
    assert place.reads("empty.txt") == "Failed: 'empty.txt' has 0 lines, and none at 1"


def test_sizes_are_limited(place: Place) -> None:
    with (place.folder / "big.txt").open("wb") as file:
        file.truncate(MOST_FILE_BYTES + 1)
    assert "more than" in place.reads("big.txt")
    assert "would have more than" in place.appends("big.txt")
    assert "100001 characters" in place.appends("new.txt", "a" * 100_001)
    (place.folder / "long.txt").write_text("a" * 5000 + "\nb", "utf-8")
    assert place.reads("long.txt").endswith("… (4000 more)\nb")


def test_a_disk_that_is_full_leaves_the_file_as_it_was(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write

    def half(file: int, data: bytes) -> int:
        if data == b"three\n":
            return write(file, data[:2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", half)
    assert (
        place.appends("notes.txt", "three")
        == "Failed: 'notes.txt' cannot be written: No space left on device"
    )
    assert (place.folder / "notes.txt").read_text("utf-8") == "one\ntwo\nthree\n"


UPS = (
    "..", ".. ", " ..", "...", ".", "%2e%2e", "..;", "．．", "‥", "\u2024\u2024", "..\u200b", "..%00",
    "..%c0%af",
)  # fmt: skip
SLASHES = (
    "/", "\\", "//", "\\\\", "/./", "/.//", "\u2215", "\u2044", "%2f", "%5c", "／", "⧸", "/\x00", "\n/",
)  # fmt: skip
HEADS = ("", "file://", "\\\\?\\", "\\\\.\\", "//server/share", "C:", "c:\\", "/proc/self/root")
DEVICES = ("con", "NUL", "nul.txt", "Com1", "lpt9.x", "aux", "CONIN$", "prn ", "COM¹", "sub/nul")
ODD = (
    "~", "~/x", "~root/x", "$HOME/x", "%USERPROFILE%\\x", "/dev/zero", "/dev/stdin", "/proc/self/environ",
    "a\x00.txt", "secret.txt\x00", "\x00", "a\nb", "a\x7fb", "", " ", "\t", " notes.txt", "notes.txt ",
    "notes.txt.",
    "notes.txt::$DATA", "notes.txt:other", "a" * 256, "/".join("a" * 40), "\ud83d", "sub/", "/sub",
    "sub//deep",
    "link.txt", "linked/secret.txt", "loop/loop/x", "up/secret.txt", "sub/link.txt", "dangling.txt",
)  # fmt: skip
PIECES = (
    "..",
    "sub",
    "/",
    "//",
    ".",
    "up",
    "linked",
    "secret.txt",
    "link.txt",
    "\\",
    "notes.txt",
    "deep",
    "../",
)


def hostile_names(base: Path) -> Iterator[str]:
    """Names that lead out of the folder, or want to, in every spelling that some system understands."""
    for up in UPS:
        for slash in SLASHES:
            yield f"{up}{slash}secret.txt"
            yield f"sub{slash}{up}{slash}{up}{slash}secret.txt"
    inside, outside = base / "inside", base / "secret.txt"
    for path in (outside, inside / "notes.txt", inside / ".." / "secret.txt", Path("/etc/passwd"), Path("/")):
        for head in HEADS:
            yield f"{head}{path}"
    for device in DEVICES:
        yield from (device, f"{device}.", f"{device} ")
    yield from ODD
    rng = random.Random(7)
    yield from ("".join(rng.choices(PIECES, k=rng.randint(2, 7))) for _ in range(300))


def test_no_hostile_name_leads_out_of_the_folder(place: Place) -> None:
    for link, target in (
        ("link.txt", "../secret.txt"),
        ("linked", "../other"),
        ("loop", "loop"),
        ("up", ".."),
        ("sub/link.txt", "../../secret.txt"),
        ("dangling.txt", "../made.txt"),
    ):
        os.symlink(target, place.folder / link)
    names = sorted(set(hostile_names(place.outside)))
    assert len(names) >= 600
    before = place.outside_files()
    for name in names:
        text = place.reads(name)
        assert SECRET not in text, name
        assert "root:" not in text, name
        place.appends(name)
        assert "PWNED" not in "".join(place.outside_files().values()), name
    assert place.outside_files() == before


def test_a_refusal_of_a_link_says_so(place: Place) -> None:
    os.symlink("../secret.txt", place.folder / "link.txt")
    os.symlink("../other", place.folder / "linked")
    assert "links are not followed" in place.reads("link.txt")
    assert "Failed" in place.reads("linked/secret.txt")
    assert "links are not followed" in place.appends("link.txt")


@pytest.mark.skipif(sys.platform == "win32", reason="there are no named pipes in folders")
def test_what_is_no_ordinary_file_is_not_opened_and_not_waited_for(place: Place) -> None:
    os.mkfifo(place.folder / "pipe")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(place.folder / "s"))
        for name in ("pipe", "s", "sub"):
            assert place.reads(name).startswith("Failed: ")
            assert place.appends(name).startswith("Failed: ")


def test_a_second_name_of_a_file_outside_is_not_written(place: Place) -> None:
    os.link(place.outside / "secret.txt", place.folder / "hard.txt")
    assert "not written" in place.appends("hard.txt")
    assert (place.outside / "secret.txt").read_text("utf-8") == SECRET


def test_a_folder_that_is_swapped_for_a_link_meanwhile_never_leads_out(place: Place) -> None:
    """The one who swaps has the whole time that the reader needs, some hundred times over."""
    (place.folder / "sub" / "secret.txt").write_text("inside", "utf-8")
    stop = threading.Event()
    folder, away = place.folder / "sub", place.folder / "away"

    def swap() -> None:
        while not stop.is_set():
            os.rename(folder, away)
            os.symlink("../other", folder)
            os.unlink(folder)
            os.rename(away, folder)
            stop.wait(0.0002)  # else a reader would seldom find the folder in its place

    thread = threading.Thread(target=swap)
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)  # seconds; with the usual 0.005 one thread runs much longer than the other
    thread.start()
    try:
        texts = [_text(place.read.run) for _ in range(1500)]
        while len({"inside" in text for text in texts}) < 2 and len(texts) < 100_000:
            texts.append(_text(place.read.run))
    finally:
        sys.setswitchinterval(usual)
        stop.set()
        thread.join(10)
    assert {"inside" in text for text in texts} == {True, False}
    if place.by_descriptor:  # the twin cannot promise it
        assert not any(SECRET in text for text in texts)


def _text(run: object) -> str:
    assert callable(run)
    try:
        return str(run(filename="sub/secret.txt"))
    except InputError as error:
        return error.message


def test_the_folder_must_exist(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no folder"):
        file_tools(tmp_path / "none")
    (tmp_path / "file").write_text("", "utf-8")
    with pytest.raises(InputError, match="is no folder"):
        file_tools(tmp_path / "file")
