"""Images that survive an interruption: slices are written to disk as soon as they are done."""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap

from fibcore.context import new_array_file
from fibcore.files import write_whole

from .mapped import release

RELEASED_AFTER = 16
"""Slices after which the memory of the files is given back."""


class FinishedSlices:
    """Arrays of a simulation in files, and which of their slices are done.

    Files that belong to another simulation, or are truncated, are replaced. A slice whose bytes
    have changed since they were written does not count as done.

    Args:
        folder: folder of the files.
        fingerprint: digest of all that determines the images.
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
        files = {name: folder / f"{name}.npy" for name in names}
        self._digests = self._read_digests()
        self.arrays = _opened(files, shape) if self._digests else {}
        if self.arrays:
            self._drop_damaged()
        else:
            self._digests = {}
            self._note.unlink(missing_ok=True)
            self.arrays = {n: new_array_file(path, shape, dtype) for n, path in files.items()}

    @property
    def done(self) -> set[tuple[int, int]]:
        """Channel and z of the slices that need not be simulated again."""
        return set(self._digests)

    def add(self, channel: int, z: int, **slices: np.ndarray) -> None:
        """Save a slice of every array; it counts as done once it is on disk."""
        for name, plane in slices.items():
            array: Any = self.arrays[name]
            array[channel, z] = plane
            array.flush()
        self._digests[channel, z] = self._digest(channel, z)
        if z % RELEASED_AFTER == RELEASED_AFTER - 1:
            for array in self.arrays.values():
                release(array)
        done = [[*place, digest] for place, digest in sorted(self._digests.items())]
        write_whole(self._note, json.dumps({"fingerprint": self._fingerprint, "done": done}))

    def _digest(self, channel: int, z: int) -> str:
        digest = hashlib.sha256()
        for array in self.arrays.values():
            digest.update(np.ascontiguousarray(array[channel, z]).data)
        return digest.hexdigest()[:16]

    def _drop_damaged(self) -> None:
        """Forget the slices whose bytes have changed since they were written."""
        known = len(self._digests)
        places = np.ndindex(next(iter(self.arrays.values())).shape[:2])
        intact = {p: self._digest(*p) for p in places if p in self._digests}
        self._digests = {p: d for p, d in intact.items() if self._digests[p] == d}
        if len(self._digests) < known:
            logging.getLogger("fib").warning(
                "%s: %d of %d finished slices are damaged; they are simulated again",
                self._note.parent,
                known - len(self._digests),
                known,
            )

    def _read_digests(self) -> dict[tuple[int, int], str]:
        try:
            facts = json.loads(self._note.read_text(encoding="utf-8"))
            if facts["fingerprint"] == self._fingerprint:
                return {(int(channel), int(z)): digest for channel, z, digest in facts["done"]}
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return {}


def _opened(files: dict[str, Path], shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Return the arrays in files, writable; none if one of them has another form."""
    try:
        for path in files.values():
            open_memmap(path, "r")  # fails if it is truncated; "r+" would extend it
        arrays: dict[str, np.ndarray] = {n: open_memmap(path, "r+") for n, path in files.items()}
    except (OSError, ValueError):
        return {}
    return arrays if all(array.shape == shape for array in arrays.values()) else {}
