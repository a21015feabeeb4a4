"""SHA-256 of the user's files, taken once on a machine as long as the files do not change.

Hashing a stack of many gigabytes takes half a minute, and each check of a pipeline needs the hash.
It is therefore noted in the user's cache folder, together with size, times, inode and device of the
file. Programs can set back the modification time of a file, but not that of its last change of
status. Without a folder that can be written, hashes are taken each time.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

from fibcore.errors import FibError
from fibcore.files import status_text

WORTH_NOTING_BYTES = 16 * 2**20
"""Hashes of less are taken again each time, which is as fast as looking them up."""
SETTLED_S = 2.0
"""A file that changed less than this ago may change again without another time stamp."""
MOST_NOTES = 200_000
LOOKED_UP_AT_ONCE = 500
WORKERS = 8
PATIENCE_S = 5.0
"""How long other processes that write notes are waited for."""

TABLE = """
CREATE TABLE IF NOT EXISTS hashes (
    path TEXT PRIMARY KEY, status TEXT NOT NULL, sha256 BLOB NOT NULL, noted REAL NOT NULL
)
"""
OLDEST = """
DELETE FROM hashes WHERE path IN (
    SELECT path FROM hashes ORDER BY noted DESC LIMIT -1 OFFSET ?
)
"""


def hashes_of(files: Sequence[Path]) -> list[bytes]:
    """Return the SHA-256 of each file.

    Raises:
        FibError: one of them cannot be read.
    """
    before = [_status(path) for path in files]
    if sum(size for size, _ in before) < WORTH_NOTING_BYTES:
        return _taken(files)
    names = [os.path.abspath(path) for path in files]
    known: dict[str, tuple[str, bytes]] = {}
    with suppress(OSError, sqlite3.Error), closing(_notes()) as notes:
        known = _found(notes, names)
    missing = [
        number
        for number, (name, (_, status)) in enumerate(zip(names, before, strict=True))
        if known.get(name, ("", b""))[0] != status
    ]
    taken = dict(zip(missing, _taken([files[number] for number in missing]), strict=True))
    if taken:
        now = time.time()
        new = [
            (names[number], before[number][1], digest, now)
            for number, digest in taken.items()
            if _settled(files[number], now) and _status(files[number]) == before[number]
        ]
        with suppress(OSError, sqlite3.Error), closing(_notes()) as notes, notes:
            notes.executemany("INSERT OR REPLACE INTO hashes VALUES (?, ?, ?, ?)", new)
            notes.execute(OLDEST, (MOST_NOTES,))
    return [taken.get(number) or known[name][1] for number, name in enumerate(names)]


def notes_file() -> Path:
    """Return the file with the notes of this user on this machine."""
    from platformdirs import user_cache_path

    return user_cache_path("fib", appauthor=False) / "hashes.sqlite"


def _notes() -> sqlite3.Connection:
    path = notes_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    notes = sqlite3.connect(path, timeout=PATIENCE_S)
    with suppress(sqlite3.Error):
        notes.execute(TABLE)
        return notes
    notes.close()
    raise OSError(f"{path} holds no notes")


def _found(notes: sqlite3.Connection, names: Sequence[str]) -> dict[str, tuple[str, bytes]]:
    """Return status and hash of the files that have a note, by name."""
    found = {}
    for first in range(0, len(names), LOOKED_UP_AT_ONCE):
        some = names[first : first + LOOKED_UP_AT_ONCE]
        places = ", ".join("?" * len(some))
        query = f"SELECT path, status, sha256 FROM hashes WHERE path IN ({places})"
        for name, status, digest in notes.execute(query, some):
            if isinstance(digest, bytes) and len(digest) == hashlib.sha256().digest_size:
                found[name] = (status, digest)
    return found


def _taken(files: Sequence[Path]) -> list[bytes]:
    with ThreadPoolExecutor(min(WORKERS, len(files) or 1)) as pool:
        return list(pool.map(_hash, files))


def _hash(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise _unreadable(path, error) from error


def _status(path: Path) -> tuple[int, str]:
    """Return the size of a file, and its status as text."""
    try:
        status = path.stat()
    except OSError as error:
        raise _unreadable(path, error) from error
    return status.st_size, status_text(status)


def _settled(path: Path, now: float) -> bool:
    with suppress(OSError):
        status = path.stat()
        return now - max(status.st_mtime, status.st_ctime) > SETTLED_S
    return False


def _unreadable(path: Path, error: OSError) -> FibError:
    return FibError(f"{path} cannot be read ({error.strerror}): check its permissions")
