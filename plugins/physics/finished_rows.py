"""Rows of a table that survive an interruption: a file with a line for each."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from pathlib import Path


class FinishedRows:
    """What is known of a table's rows; each is on disk before the next one counts.

    A last line that was being written when a run was killed is left out, as is a whole file that
    belongs to another table.

    Args:
        path: the file; made if it is not there.
        fingerprint: digest of what decides the rows.
    """

    def __init__(self, path: Path, fingerprint: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._rows: dict[int, tuple[float, ...]] = _read(path, fingerprint)
        lines = [json.dumps({"fingerprint": fingerprint})]
        lines += [json.dumps([index, *row]) for index, row in self._rows.items()]
        beside = path.with_suffix(".part")
        beside.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        beside.replace(path)

    def __contains__(self, index: int) -> bool:
        return index in self._rows

    def __getitem__(self, index: int) -> tuple[float, ...]:
        return self._rows[index]

    def add(self, index: int, row: Sequence[float]) -> int:
        """Keep a row, from any thread; return how many there are."""
        with self._lock, self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps([index, *row]) + "\n")
            self._rows[index] = tuple(row)
            return len(self._rows)


def _read(path: Path, fingerprint: str) -> dict[int, tuple[float, ...]]:
    if not path.exists():
        return {}
    rows: dict[int, tuple[float, ...]] = {}
    try:
        head, *lines = path.read_text(encoding="utf-8").splitlines()
        if json.loads(head) != {"fingerprint": fingerprint}:
            return {}
        for line in lines:
            index, *row = json.loads(line)
            rows[index] = tuple(row)
    except ValueError:  # cut short by a kill; what was read before it is whole
        pass
    return rows
