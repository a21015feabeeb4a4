"""The context of a step: random numbers, device, progress, scratch folder, log."""

from __future__ import annotations

import copy
import hashlib
import logging
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from fibcore.devices import resolve_device
from fibcore.errors import FibError

T = TypeVar("T")
R = TypeVar("R")

MEMORY_MAP_ABOVE_BYTES = 64 * 2**20

Report = Callable[[str, float, float | None], None]
"""Progress callback: description of the work, amount done, total amount (None: unknown)."""


class Spread(Protocol):
    """Shares the parts of one step among the workers of a run."""

    def __call__(self, work: Callable[[T], R], items: Sequence[T]) -> Iterator[tuple[T, R]]:
        """Yield each item and work(item), in any order."""


class Context:
    """The context of one step.

    Args:
        seed: seed of all random numbers of the step.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``; plugins do not choose another one.
        threads: number of CPU threads that loops may use; results do not depend on it.
        scratch: folder for files that must survive an interruption (checkpoints); a resumed step
            gets the same folder. Default: a temporary folder.
        report: function called with progress; default: none.
        log: logger; its warnings are recorded in the provenance of the run.
        spread: shares parts of the step among workers, see `Context.spread`; default: none do.
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
        spread: Spread | None = None,
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
        self._spread = spread
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._rng: np.random.Generator | None = None

    @classmethod
    def of(cls, context: Context | None, seed: int | None = None) -> Context:
        """Return `context`, or a new one with this seed (default 0) if it is None.

        Each method of a plugin begins with this call, so that it can be called without a context.
        """
        if context is None:
            return cls(0 if seed is None else seed)
        if seed is not None:
            raise FibError("give a context or a seed, not both: a context has a seed of its own")
        return context

    @property
    def device(self) -> str:
        """Device for heavy work; ``auto`` is resolved at first use and kept in `device_used`."""
        self.device_used = resolve_device(self.device_asked)
        return self.device_used

    @property
    def rng(self) -> np.random.Generator:
        """The random generator of the step (always the same object)."""
        if self._rng is None:
            self._rng = np.random.default_rng(self.seed)
        return self._rng

    def rng_for(self, *name: int | str) -> np.random.Generator:
        """Return a random generator for one part of the work, e.g. ``rng_for("slice", 7)``.

        Its numbers depend only on the seed and the name, not on the order of calls. Parts can be
        computed in any order, on any number of threads, and again after an interruption.
        """
        words = [w if isinstance(w, int) else int.from_bytes(w.encode(), "little") for w in name]
        words += self._drawn_on
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=tuple(words)))

    def rng_on(self, data: np.ndarray, *name: int | str) -> np.random.Generator:
        """Return a generator like `rng_for` that also depends on `data`: for noise on the data.

        Two stacks that are given noise with the same seed then get different noise.
        """
        return self.rng_for(*name, _digest(data))

    def on(self, data: np.ndarray) -> Context:
        """Return the same context, except that its `rng_for` also depends on `data`.

        It is used for effects that are drawn for whole slices, such as drift and curtains: two
        stacks with the same seed then get different ones.
        """
        context = copy.copy(self)
        context._drawn_on = (*self._drawn_on, _digest(data))
        return context

    @property
    def scratch(self) -> Path:
        """Folder for checkpoints and large temporary files; created at first use."""
        if self._scratch is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="fib-")
            self._scratch = Path(self._temporary.name)
        self._scratch.mkdir(parents=True, exist_ok=True)
        return self._scratch

    def empty(self, name: str, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """Return an uninitialised array; above 64 MB it is a memory-mapped file in `scratch`.

        A plugin can thus write a result slice by slice without holding it in memory.

        Raises:
            OSError: there is not enough space on the disk.
        """
        nbytes = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        if held_bytes(nbytes):
            return np.empty(shape, dtype)
        return new_array_file(self.scratch / f"{name}.npy", shape, dtype)

    @property
    def spreads(self) -> bool:
        """Whether other workers share the parts of the step that are given to `spread`."""
        return self._spread is not None

    def spread(self, work: Callable[[T], R], items: Sequence[T]) -> Iterator[tuple[T, R]]:
        """Yield each item and work(item), computed by the workers of the run if there are several.

        Args:
            work: can be pickled, and is kept by a worker from item to item; arrays in it that are
                memory-mapped, or large, are files that workers map. Its results do not depend on
                other items.
            items: independent parts of the work, such as slices or slabs. Their order is that of
                the results for one worker, and any for several.
        """
        if self._spread is None:
            return ((item, work(item)) for item in items)
        return self._spread(work, items)

    def keep(self, name: str, artefact: Any) -> None:
        """Keep a further result of the step in addition to its main one (history, curves).

        A pipeline stores it under this name; in Python it is in ``context.kept[name]``.
        """
        self.kept[name] = artefact

    def progress(self, done: float, total: float | None = None, what: str = "") -> None:
        """Report progress: `done` of `total` units of `what`."""
        if self._report is not None:
            self._report(what, done, total)

    def track(self, items: Iterable[T], what: str = "", total: int | None = None) -> Iterator[T]:
        """Yield `items` and report progress after each."""
        if total is None and isinstance(items, Sized):
            total = len(items)
        for i, item in enumerate(items):
            yield item
            self.progress(i + 1, total, what)


def held_bytes(nbytes: int) -> int:
    """Return the memory of an array of `Context.empty` with so many bytes: 0 if it is a file."""
    return nbytes if nbytes <= MEMORY_MAP_ABOVE_BYTES else 0


def _digest(data: np.ndarray) -> int:
    """Return a hash of all bytes of an array, read plane by plane."""
    digest = hashlib.blake2b(digest_size=8)
    for place in np.ndindex(data.shape[:-2]):
        digest.update(np.ascontiguousarray(data[place]).data)
    return int.from_bytes(digest.digest(), "little")


def new_array_file(path: Path, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Return a new memory-mapped .npy file whose space on the disk is allocated.

    Raises:
        OSError: there is not enough space on the disk.
    """
    array = np.lib.format.open_memmap(path, mode="w+", dtype=np.dtype(dtype), shape=shape)
    if hasattr(os, "posix_fallocate"):  # otherwise a write to a full disk kills the process
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return array
