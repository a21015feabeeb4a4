"""Rows of a table that survive an interruption: a file with a line for each."""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from fibcore.files import write_whole


class FinishedRows:
    """The finished rows of a table; each is on disk before the next one counts.

    Every line ends with a digest of itself and of the fingerprint. Lines that do not match are left
    out: the last one, if a run was killed while writing it, any that were damaged since, and all of
    them, if the file belongs to another table.

    Args:
        path: the file; created if it does not exist.
        fingerprint: digest of all that determines the rows.
    """

    def __init__(self, path: Path, fingerprint: str) -> None:
        self._path, self._fingerprint = path, fingerprint
        self._lock = threading.Lock()
        self._rows = dict(self._read())
        lines = [self._line(index, row) for index, row in self._rows.items()]
        write_whole(path, "".join(lines))

    def __contains__(self, index: int) -> bool:
        return index in self._rows

    def __getitem__(self, index: int) -> tuple[float, ...]:
        return self._rows[index]

    def add(self, index: int, row: Sequence[float]) -> int:
        """Save a row, from any thread; return the number of rows."""
        with self._lock, self._path.open("a", encoding="utf-8") as file:
            file.write(self._line(index, row))
            self._rows[index] = tuple(row)
            return len(self._rows)

    def _line(self, index: int, row: Sequence[float]) -> str:
        text = json.dumps([index, *row])
        return f"{text}\t{self._digest(text)}\n"

    def _digest(self, text: str) -> str:
        return hashlib.sha256(f"{self._fingerprint}\t{text}".encode()).hexdigest()[:16]

    def _read(self) -> Iterator[tuple[int, tuple[float, ...]]]:
        """Yield the rows of the file whose digests match."""
        if not self._path.exists():
            return
        lines = self._path.read_text(encoding="utf-8", errors="replace").splitlines()
        damaged = 0
        for number, line in enumerate(lines, start=1):
            text, _, digest = line.rpartition("\t")
            if digest == self._digest(text):
                index, *row = json.loads(text)
                yield index, tuple(row)
            elif number < len(lines):
                damaged += 1
        if damaged:
            logging.getLogger("fib").warning(
                "%s: %d of %d rows are damaged, or belong to a table with other parameters; they "
                "are computed again",
                self._path,
                damaged,
                len(lines),
            )
