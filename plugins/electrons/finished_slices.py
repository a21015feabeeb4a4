"""Images that survive an interruption: slices are on disk as soon as they are done."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap

from fibcore.context import new_array_file


class FinishedSlices:
    """Arrays of a simulation in files, and which of their slices are done.

    Files that belong to another simulation, or are cut short, are replaced.

    Args:
        folder: where the files are, or will be.
        fingerprint: digest of what decides the images.
        names: names of the arrays.
        shape: (channel, z, y, x) of each.
        dtype: type of each.
    """

    def __init__(
        self,
        folder: Path,
        fingerprint: str,
        names: tuple[str, ...],
        shape: tuple[int, int, int, int],
        dtype: Any,
    ) -> None:
        self._note = folder / "finished.json"
        self._fingerprint = fingerprint
        self.arrays: dict[str, np.ndarray] = {}
        self.done = self._read_done()
        files = {name: folder / f"{name}.npy" for name in names}
        if self.done:
            try:
                for path in files.values():
                    open_memmap(path, "r")  # fails where it is cut short; "r+" would fill it up
                self.arrays = {name: open_memmap(path, "r+") for name, path in files.items()}
                wrong = any(array.shape != shape for array in self.arrays.values())
            except (OSError, ValueError):
                wrong = True
            if wrong:
                self.done = set()
        if not self.done:
            self._note.unlink(missing_ok=True)
            self.arrays = {n: new_array_file(path, shape, dtype) for n, path in files.items()}

    def add(self, channel: int, z: int, **slices: np.ndarray) -> None:
        """Keep a slice of every array; it counts as done once it is on disk."""
        for name, plane in slices.items():
            array: Any = self.arrays[name]
            array[channel, z] = plane
            array.flush()
        self.done.add((channel, z))
        beside = self._note.with_suffix(".part")
        facts = {"fingerprint": self._fingerprint, "done": sorted(self.done)}
        beside.write_text(json.dumps(facts), encoding="utf-8")
        beside.replace(self._note)

    def _read_done(self) -> set[tuple[int, int]]:
        try:
            facts = json.loads(self._note.read_text(encoding="utf-8"))
            if facts["fingerprint"] == self._fingerprint:
                return {(int(channel), int(z)) for channel, z in facts["done"]}
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return set()
