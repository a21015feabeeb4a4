"""What a plugin gets from outside: randomness, device, progress, scratch space, a log."""

from __future__ import annotations

import copy
import hashlib
import logging
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sized
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from fibcore.devices import resolve_device
from fibcore.errors import FibError

T = TypeVar("T")

MEMORY_MAP_ABOVE_BYTES = 64 * 2**20

Report = Callable[[str, float, float | None], None]
"""Progress callback: what is being done, how much is done, how much in all (None: unknown)."""


class Context:
    """The surroundings of one step.

    Args:
        seed: where all randomness of the step comes from.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``; a plugin never picks its own.
        threads: how many CPU threads loops may use; results never depend on it.
        scratch: folder for what must survive an interruption (checkpoints); the same folder is
            given again when the step goes on. Default: a temporary folder.
        report: called with progress; default: nobody listens.
        log: where to log; warnings end up in the run's provenance.
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        device: str = "cpu",
        threads: int | None = None,
        scratch: Path | None = None,
        report: Report | None = None,
        log: logging.Logger | None = None,
    ) -> None:
        self.seed = int(seed)
        self.device_asked = device
        self.device_used = "cpu"
        self.threads = threads or os.cpu_count() or 1
        self.log = log or logging.getLogger("fib")
        self._drawn_on: tuple[int, ...] = ()
        self.kept: dict[str, Any] = {}
        self._report = report
        self._scratch = scratch
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._rng: np.random.Generator | None = None

    @classmethod
    def of(cls, context: Context | None, seed: int | None = None) -> Context:
        """Return `context`, or a new one with this seed (default 0) where there is none.

        Every plugin method begins with it, so that it can be called without a context.
        """
        if context is None:
            return cls(0 if seed is None else seed)
        if seed is not None:
            raise FibError("give a context or a seed, not both: a context brings its own seed")
        return context

    @property
    def device(self) -> str:
        """Device for heavy work; ``auto`` is settled at first use, and kept in `device_used`."""
        self.device_used = resolve_device(self.device_asked)
        return self.device_used

    @property
    def rng(self) -> np.random.Generator:
        """The step's random generator (the same object at every use)."""
        if self._rng is None:
            self._rng = np.random.default_rng(self.seed)
        return self._rng

    def rng_for(self, *name: int | str) -> np.random.Generator:
        """Return a generator of its own for a part of the work, e.g. ``rng_for("slice", 7)``.

        What it yields depends on the seed and the name alone, not on the order of calls: parts
        can be computed in any order, on any number of threads, and again after an interruption.
        """
        words = [w if isinstance(w, int) else int.from_bytes(w.encode(), "little") for w in name]
        words += self._drawn_on
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=tuple(words)))

    def rng_on(self, data: np.ndarray, *name: int | str) -> np.random.Generator:
        """Return a generator as `rng_for` does that depends on `data`, too: for noise on them.

        With it, two stacks that are given noise with one seed do not get the same.
        """
        return self.rng_for(*name, _digest(data))

    def on(self, data: np.ndarray) -> Context:
        """Return a context whose `rng_for` depends on `data`, too, and that is else the same.

        For what is drawn for a slice as a whole, as drift and curtains are: with one seed, two
        stacks do not get the same.
        """
        context = copy.copy(self)
        context._drawn_on = (*self._drawn_on, _digest(data))
        return context

    @property
    def scratch(self) -> Path:
        """Folder for checkpoints and large temporary files; made at first use."""
        if self._scratch is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="fib-")
            self._scratch = Path(self._temporary.name)
        self._scratch.mkdir(parents=True, exist_ok=True)
        return self._scratch

    def empty(self, name: str, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """Return an uninitialised array; above 64 MB it is a memory-mapped file in `scratch`.

        With it a plugin writes a result slice by slice without holding it in memory.

        Raises:
            OSError: there is not enough room on the disk.
        """
        nbytes = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        if nbytes <= MEMORY_MAP_ABOVE_BYTES:
            return np.empty(shape, dtype)
        return new_array_file(self.scratch / f"{name}.npy", shape, dtype)

    def keep(self, name: str, artefact: Any) -> None:
        """Keep a further result of the step beside its main one (history, probability, curves).

        A pipeline stores it under this name; in a notebook it is in ``context.kept[name]``.
        """
        self.kept[name] = artefact

    def progress(self, done: float, total: float | None = None, what: str = "") -> None:
        """Report progress: `done` of `total` units of `what`."""
        if self._report is not None:
            self._report(what, done, total)

    def track(self, items: Iterable[T], what: str = "", total: int | None = None) -> Iterator[T]:
        """Yield from `items` and report progress after each."""
        if total is None and isinstance(items, Sized):
            total = len(items)
        for i, item in enumerate(items):
            yield item
            self.progress(i + 1, total, what)


def _digest(data: np.ndarray) -> int:
    """Return a number made of all bytes of an array, read plane by plane."""
    digest = hashlib.blake2b(digest_size=8)
    for place in np.ndindex(data.shape[:-2]):
        digest.update(np.ascontiguousarray(data[place]).data)
    return int.from_bytes(digest.digest(), "little")


def new_array_file(path: Path, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Return a new memory-mapped .npy file, with room on the disk for all of it.

    Raises:
        OSError: there is not enough room on the disk.
    """
    array = np.lib.format.open_memmap(path, mode="w+", dtype=np.dtype(dtype), shape=shape)
    if hasattr(os, "posix_fallocate"):  # else a full disk would kill the process on a write
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return array
