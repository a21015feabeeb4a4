"""Files handled with care: none is written through a link, or half, or read without a bound."""

from __future__ import annotations

import errno
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

HOLLOW_ABOVE_BYTES, HOLLOW, MOST_PIECES = 1 << 30, 1000, 1000
"""A file above the first size is hollow if less than one part in `HOLLOW` of it was written, in at
most so many pieces."""

DISCARDED = ".discarded-"
"""Start of the names of folders that are about to be deleted; after a kill some may be left."""


class LinkError(UsageError):
    """Something that is not a plain file or folder stands where fib keeps its own."""


def path_text(path: str | Path) -> str:
    """Return a path from outside as text, its ``~`` expanded.

    Raises:
        FibError: it holds a zero byte.
    """
    text = os.path.expanduser(os.fspath(path))
    if "\0" in text:
        raise FibError(f"{shown(text)} is no path: it holds a zero byte")
    return text


def read_whole(path: Path, most: int) -> bytes:
    """Return the content of a regular file.

    Raises:
        FibError: it is no regular file (a device, a pipe), or larger than `most` bytes.
        OSError: it cannot be read.
    """
    check_regular(path)  # some devices do things when they are opened
    descriptor = os.open(path, _READ)  # does not wait for somebody to write into a pipe
    with open(descriptor, "rb") as file:
        _require_regular(path, os.fstat(file.fileno()).st_mode)  # it may be another one by now
        content = file.read(most + 1)
    if len(content) > most:
        raise FibError(
            f"{shown(path)} has more than {sized(most)}, which is too much for a file of its "
            f"kind; is it the right one?"
        )
    return content


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
        FibError: it is no regular file (a device, a pipe), or a large one in which next to nothing
            was ever written: reading it would take hours, and find zeros.
        OSError: there is none.
    """
    status = path.stat()
    _require_regular(path, status.st_mode)
    size = status.st_size
    if size > HOLLOW_ABOVE_BYTES and (written := _written_bytes(path)) * HOLLOW < size:
        raise FibError(
            f"{shown(path)} has {sized(size)}, of which {sized(written)} were ever written: the "
            f"rest is a hole (a sparse file), as a copy leaves that broke off; copy it again"
        )
    return size


def write_whole(path: Path, content: str | bytes, *, lasting: bool = True) -> None:
    """Write a file beside its place and rename it: a kill leaves the old one or the new one.

    Args:
        path: the file; a link of this name is replaced, what it leads to is not touched.
        content: text is written as UTF-8.
        lasting: have it on the disk before it takes its place, so that a power cut cannot empty it.
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
    """Wait until a file, or the names in a folder, are on the disk."""
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


def own_folder(folder: Path) -> Path:
    """Return a folder that fib writes and deletes in, made if it is missing.

    Raises:
        LinkError: it is a link, or no folder.
    """
    try:
        folder.mkdir()
    except FileExistsError:
        check_own(folder, folder=True)
    return folder


def check_own(path: Path, *, folder: bool) -> bool:
    """Return whether a file (or folder) of fib's own is there.

    Raises:
        LinkError: something else is: a link, a pipe, a file that has another name as well.
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
        what += " that has another name as well (a hard link)"
    own = "a folder" if folder else "a file"
    raise LinkError(
        f"{shown(path)} is {what}, where fib keeps {own} of its own; nothing is written, nor "
        f"deleted, through it: remove it if you know where it leads"
    )


def check_own_tree(folder: Path) -> None:
    """Refuse a folder in which anything but plain files and folders lies.

    Raises:
        LinkError: names the first such thing.
    """
    for place, folders, files in os.walk(folder):
        for name in folders:
            check_own(Path(place, name), folder=True)
        for name in files:
            check_own(Path(place, name), folder=False)


def discard(folder: Path) -> None:
    """Delete a folder of fib's own; a kill on the way leaves nothing under its name.

    Links in it are deleted, what they lead to is not touched.

    Raises:
        LinkError: it is a link itself.
    """
    if check_own(folder, folder=True):
        aside = folder.with_name(f"{DISCARDED}{secrets.token_hex(8)}")
        folder.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)  # what is left goes with the next `tidy`


def tidy(folder: Path) -> None:
    """Delete what a kill has left of folders that were being deleted."""
    for aside in folder.glob(f"{DISCARDED}*"):
        with suppress(OSError):
            if stat.S_ISDIR(aside.lstat().st_mode):  # a pipe would be waited for
                shutil.rmtree(aside, ignore_errors=True)


def _written_bytes(path: Path) -> int:
    """Return how much of a file is data and not a hole, as far as the file system tells."""
    size = path.stat().st_size
    if not hasattr(os, "SEEK_DATA"):
        return size
    written, end = 0, 0
    try:
        descriptor = os.open(path, _READ)
    except OSError:  # its reader reports that
        return size
    try:
        for _ in range(MOST_PIECES):
            start = os.lseek(descriptor, end, os.SEEK_DATA)
            end = os.lseek(descriptor, start, os.SEEK_HOLE)
            written += end - start
    except OSError as error:
        return written if error.errno == errno.ENXIO else size  # no data behind `end`
    finally:
        os.close(descriptor)
    return size


def _require_regular(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise FibError(f"{shown(path)} is no file but {_kind(mode)}; name a file")


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
