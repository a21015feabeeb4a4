"""Images that survive an interruption: slices are written to disk as soon as they are done."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import zipfile
from collections.abc import Mapping
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
        self.deposits = Deposits(folder / f"slices-{fingerprint[:16]}")
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
        for place in self.deposits.places():
            self.take(*place)

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

    def take(self, channel: int, z: int) -> None:
        """Save a slice that another process has deposited, if it is intact."""
        slices = self.deposits.take(channel, z)
        if slices is not None and set(slices) == set(self.arrays):
            self.add(channel, z, **slices)

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


class Deposits:
    """Slices that other processes have imaged, in files of their own, each whole or not there.

    Args:
        folder: folder of the files, on a disk that all processes share.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, channel: int, z: int, slices: Mapping[str, np.ndarray]) -> None:
        """Deposit a slice of every array."""
        self._folder.mkdir(parents=True, exist_ok=True)
        content = io.BytesIO()
        np.savez(content, allow_pickle=False, **slices)
        write_whole(self._file(channel, z), content.getvalue())

    def take(self, channel: int, z: int) -> dict[str, np.ndarray] | None:
        """Return a slice of every array and delete its file; None if it cannot be read."""
        path = self._file(channel, z)
        try:
            with np.load(path, allow_pickle=False) as found:
                slices = {name: found[name] for name in found.files}
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):
            slices = None
        path.unlink(missing_ok=True)
        return slices

    def places(self) -> list[tuple[int, int]]:
        """Return channel and z of the slices that are there."""
        found = sorted(self._folder.glob("*-*.npz"))
        names = [path.stem.split("-") for path in found]
        return [(int(c), int(z)) for c, z in names if c.isdecimal() and z.isdecimal()]

    def _file(self, channel: int, z: int) -> Path:
        return self._folder / f"{channel}-{z}.npz"


def _opened(files: dict[str, Path], shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Return the arrays in files, writable; none if one of them has another form."""
    try:
        for path in files.values():
            open_memmap(path, "r")  # fails if it is truncated; "r+" would extend it
        arrays: dict[str, np.ndarray] = {n: open_memmap(path, "r+") for n, path in files.items()}
    except (OSError, ValueError):
        return {}
    return arrays if all(array.shape == shape for array in arrays.values()) else {}
