"""Safe access to files: no writing through links, no partial files, no reading without a limit."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from fibcore.errors import FibError, UsageError, sized
from fibcore.text import shown

_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | _NO_FOLLOW

BLOCK_BYTES = 1 << 22

DISCARDED = ".discarded-"
"""Prefix of folders that are being deleted; some may remain if the process is killed."""


class LinkError(UsageError):
    """A link or another special file is in the place of a file or folder of fib."""


def path_text(path: str | Path) -> str:
    """Return a path as text with ``~`` expanded.

    Raises:
        FibError: it contains a zero byte.
    """
    text = os.path.expanduser(os.fspath(path))
    if "\0" in text:
        raise FibError(f"{shown(text)} is not a path: it contains a zero byte")
    return text


def read_whole(path: Path, most: int) -> bytes:
    """Return the content of a regular file.

    Raises:
        FibError: it is not a regular file (a device, a pipe), or larger than `most` bytes.
        OSError: it cannot be read.
    """
    check_regular(path)  # opening a device may have side effects
    descriptor = os.open(path, _READ)  # does not block on a pipe
    with open(descriptor, "rb") as file:
        _require_regular(path, os.fstat(file.fileno()).st_mode)  # it may have been replaced
        content = file.read(most + 1)
    if len(content) > most:
        raise FibError(
            f"{shown(path)} has more than {sized(most)}, which is too much for a file of this "
            f"kind; check that it is the right one"
        )
    return content


def status_text(status: os.stat_result) -> str:
    """Return the status of a file as text, which differs after every change of the file.

    Programs can set back the modification time, but not the time of the last change of status.
    The number of the device is left out: machines that share a file system number it differently.
    """
    parts = (
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
        status.st_ino,
    )
    return ":".join(map(str, parts))


def hash_files(paths: Iterable[Path]) -> str:
    """Return the SHA-256 over files, one after the other."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(BLOCK_BYTES):
                digest.update(block)
    return digest.hexdigest()


def check_regular(path: Path) -> int:
    """Return the size of a regular file, in bytes.

    Raises:
        FibError: it is not a regular file (a device, a pipe).
        OSError: there is no such file.
    """
    status = path.stat()
    _require_regular(path, status.st_mode)
    return status.st_size


def write_whole(path: Path, content: str | bytes, *, lasting: bool = True) -> None:
    """Write a temporary file and rename it, so that a kill leaves the old file or the new one.

    Args:
        path: the file; a link of this name is replaced, its target is not changed.
        content: content; text is written as UTF-8.
        lasting: flush the file to disk before it is renamed, against power failures.
    """
    data = content.encode() if isinstance(content, str) else content
    beside = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with open(os.open(beside, _NEW, 0o666), "wb") as file:
            file.write(data)
            if lasting:
                file.flush()
                os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def have_on_disk(path: Path) -> None:
    """Flush a file, or the entries of a folder, to disk."""
    if path.is_dir():
        if os.name == "nt":  # opens no folders
            return
        descriptor = os.open(path, os.O_RDONLY)
    else:
        descriptor = os.open(path, os.O_RDWR | _NO_FOLLOW)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def all_on_disk(path: Path) -> list[Path]:
    """Flush a file, or a folder with all that is in it, to disk; return the files."""
    inner = sorted(path.rglob("*")) if path.is_dir() else []
    for each in (*inner, path):
        have_on_disk(each)
    return [each for each in inner or [path] if not each.is_dir()]


def own_folder(folder: Path) -> Path:
    """Return a folder in which fib writes and deletes files; create it if missing.

    Raises:
        LinkError: it is a link, or not a folder.
    """
    try:
        folder.mkdir()
    except FileExistsError:
        check_own(folder, folder=True)
    return folder


def check_own(path: Path, *, folder: bool) -> bool:
    """Return whether a file (or folder) of fib exists.

    Raises:
        LinkError: it is something else: a link, a pipe, a file with another name (hard link).
    """
    try:
        status = path.lstat()
    except FileNotFoundError:
        return False
    if folder and stat.S_ISDIR(status.st_mode):
        return True
    if stat.S_ISREG(status.st_mode) and not folder and status.st_nlink == 1:
        return True
    what = _kind(status.st_mode)
    if stat.S_ISLNK(status.st_mode):
        what += f" to {shown(os.readlink(path))}"
    elif stat.S_ISREG(status.st_mode) and not folder:
        what += " with another name (a hard link)"
    own = "a folder" if folder else "a file"
    raise LinkError(
        f"{shown(path)} is {what} in place of {own} of fib; nothing is written or deleted "
        f"through it: check where it leads, and remove it"
    )


def check_own_tree(folder: Path) -> None:
    """Reject a folder that contains anything but regular files and folders.

    Raises:
        LinkError: names the first such entry.
    """
    for place, folders, files in os.walk(folder):
        for name in folders:
            check_own(Path(place, name), folder=True)
        for name in files:
            check_own(Path(place, name), folder=False)


def discard(folder: Path) -> None:
    """Delete a folder of fib; if the process is killed, nothing remains under its name.

    Links in it are deleted, their targets are not changed.

    Raises:
        LinkError: the folder is a link.
    """
    if check_own(folder, folder=True):
        aside = folder.with_name(f"{DISCARDED}{secrets.token_hex(8)}")
        folder.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)  # the next `tidy` deletes the rest


def tidy(folder: Path) -> None:
    """Delete the remains of folders whose deletion was interrupted."""
    for aside in folder.glob(f"{DISCARDED}*"):
        with suppress(OSError):
            if stat.S_ISDIR(aside.lstat().st_mode):  # a pipe would block
                shutil.rmtree(aside, ignore_errors=True)


def _require_regular(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise FibError(f"{shown(path)} is not a file but {_kind(mode)}; name a file")


def _kind(mode: int) -> str:
    kinds = {
        stat.S_IFLNK: "a link",
        stat.S_IFDIR: "a folder",
        stat.S_IFREG: "a file",
        stat.S_IFIFO: "a pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    return kinds.get(stat.S_IFMT(mode), "something else")
