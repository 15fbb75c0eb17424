"""Open files inside one folder, and nowhere else, whatever a name says.

A name is a relative path with `/` between its parts. Links are not followed, `..` and absolute paths are
refused, and so is what is no ordinary file. Where the system can open a name below an open folder (Linux,
macOS), each part is opened so, and nobody can put a link there in between. Elsewhere (Windows) the path is
looked at before and after it is opened; that finds a link that was put there, but for one that is put and
taken away again at the right moments. The names of Windows' devices are refused on all systems.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from pathlib import Path

from bridle.errors import InputError

__all__ = ["BY_DESCRIPTOR", "Sandbox"]

BY_DESCRIPTOR = os.open in os.supports_dir_fd and hasattr(os, "O_NOFOLLOW") and hasattr(os, "O_DIRECTORY")
"""Whether this system opens names below an open folder."""
_DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)
_MOST_PARTS = 32
_MOST_BYTES = 255
_CLOSE_ON_EXEC = getattr(os, "O_CLOEXEC", 0)
_BINARY = getattr(os, "O_BINARY", 0)
_REPARSE_POINT = getattr(stat, "FILE_ATTRIBUTE_REPARSE_POINT", 0)
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)  # a pipe would be waited for


class Sandbox:
    """One folder, and what may be opened in it."""

    def __init__(self, folder: Path, *, by_descriptor: bool = BY_DESCRIPTOR) -> None:
        """Take a folder that exists; it may itself be a link, since the user named it.

        Raises:
            InputError: when it is no folder.
        """
        self.folder = Path(os.path.realpath(folder.expanduser()))
        self._by_descriptor = by_descriptor
        if not self.folder.is_dir():
            raise InputError(f"{str(folder)!r} is no folder", hint="make it, or name another one")

    def open(self, name: str, flags: int) -> int:
        """Open a file below the folder and return its descriptor, which the caller closes.

        `flags` are those of `os.open`; a file that is made can be read and written by its owner.

        Raises:
            InputError: for a name that leads elsewhere, and for a file that cannot be opened.
        """
        parts = _parts(name)
        flags |= _CLOSE_ON_EXEC | _BINARY | _NO_WAIT
        try:
            file = self._open_below(parts, flags) if self._by_descriptor else self._open_path(parts, flags)
        except OSError as error:
            raise InputError(_why(name, error)) from error
        try:
            _check_file(name, os.fstat(file), for_writing=bool(flags & (os.O_WRONLY | os.O_RDWR)))
        except BaseException:
            os.close(file)
            raise
        return file

    def _open_below(self, parts: list[str], flags: int) -> int:
        folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | _CLOSE_ON_EXEC)
        try:
            for part in parts[:-1]:
                inner = os.open(
                    part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | _CLOSE_ON_EXEC, dir_fd=folder
                )
                os.close(folder)
                folder = inner
            return os.open(parts[-1], flags | os.O_NOFOLLOW, 0o600, dir_fd=folder)
        finally:
            os.close(folder)

    def _open_path(self, parts: list[str], flags: int) -> int:
        self._refuse_links(parts)
        path = self.folder.joinpath(*parts)
        file = os.open(path, flags, 0o600)
        try:
            self._refuse_links(parts)
            if not os.path.samestat(os.fstat(file), os.lstat(path)):
                raise InputError("the file was changed while it was opened")
        except BaseException:
            os.close(file)
            raise
        return file

    def _refuse_links(self, parts: list[str]) -> None:
        path = self.folder
        for part in parts:
            path = path / part
            try:
                found = os.lstat(path)
            except FileNotFoundError:
                return
            reparse = getattr(found, "st_file_attributes", 0) & _REPARSE_POINT
            if stat.S_ISLNK(found.st_mode) or reparse:
                raise InputError(f"{'/'.join(parts)!r} leads through a link, and links are not followed")
            if path != self.folder.joinpath(*parts) and not stat.S_ISDIR(found.st_mode):
                raise InputError(f"there is no file {'/'.join(parts)!r}")


def _parts(name: str) -> list[str]:
    """Split a name, and refuse what could lead out of the folder on any system."""
    if not name or name != name.strip():
        raise InputError(f"{name!r} is no file name", hint="write a name such as notes.txt")
    if any(ord(one) < 32 or ord(one) == 127 for one in name):
        raise InputError(f"{name!r} is no file name: it has a control character")
    if name.startswith(("/", "\\", "~")) or "\\" in name or ":" in name:
        raise InputError(
            f"{name!r} is no name inside the folder", hint="write it without / in front, \\ and :"
        )
    parts = name.split("/")
    for part in parts:
        if part in ("", ".", ".."):
            raise InputError(f"{name!r} is no name inside the folder", hint="leave empty parts, . and .. out")
        # Windows takes these ends away, so that the name would mean another file.
        if part != part.rstrip(". ") or _DEVICE.fullmatch(part.rstrip(". ")):
            raise InputError(
                f"{name!r} is no file name on all systems", hint="write a name such as notes.txt"
            )
        try:
            size = len(part.encode())
        except UnicodeEncodeError as error:
            raise InputError(f"{name!r} is no file name: it has half a character") from error
        if size > _MOST_BYTES:
            raise InputError(f"the file name is {size} bytes long", hint=f"use at most {_MOST_BYTES}")
    if len(parts) > _MOST_PARTS:
        raise InputError(f"the file name has {len(parts)} parts", hint=f"use at most {_MOST_PARTS}")
    return parts


def _check_file(name: str, found: os.stat_result, *, for_writing: bool) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise InputError(f"{name!r} is no ordinary file")
    if for_writing and found.st_nlink > 1:
        raise InputError(f"{name!r} is also another file's name, which may lie elsewhere; it is not written")


def _why(name: str, error: OSError) -> str:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return f"there is no file {name!r}"
    if isinstance(error, IsADirectoryError):
        return f"{name!r} is a folder"
    if isinstance(error, PermissionError):
        return f"{name!r} may not be opened"
    if error.errno in (errno.ELOOP, errno.EMLINK):
        return f"{name!r} leads through a link, and links are not followed"
    return f"{name!r} cannot be opened: {error.strerror}"
