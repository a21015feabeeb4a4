"""What a store holds, whether it is sound, who uses it, and what of it may go."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fibcore.errors import FibError, UsageError
from fibcore.files import check_own, discard, read_whole
from fibcore.jsontext import decoded, parse_json
from fibcore.pipeline.records import MANIFEST, RESOLVED, ResolvedRecord, StepRecord, read_record
from fibcore.pipeline.store import LOCKS, PARTIAL, RUNS, Store, make_writable
from fibcore.text import shown

LARGEST_NOTE = 16 * 2**20
"""Size of the list of runs that used a store: some hundred thousand of them."""

_KEY = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Kept:
    """A finished or unfinished step in a store.

    Attributes:
        key: its key.
        folder: where it is.
        plugin: ``kind/name``, or ``load``; empty where that is not known.
        finished: whether it is; what is not may be gone on with.
        nbytes: size of its files.
        used: when it was made or used last, seconds since the epoch.
        runs: folders of the runs that have it, as far as they are there still.
    """

    key: str
    folder: Path
    plugin: str
    finished: bool
    nbytes: int
    used: float
    runs: tuple[Path, ...] = field(default=())


class Cache:
    """A store as those see it who tidy it up.

    Args:
        root: its folder.
        outs: folders of run folders to look for runs in, besides those that the store knows.

    Raises:
        UsageError: there is no such folder, or it is none of fib's.
    """

    def __init__(self, root: Path, outs: Iterable[Path] = ()) -> None:
        if not os.path.isdir(root):
            raise UsageError(
                f"there is no cache {shown(root)}; name one with --cache (a run makes .fib-cache "
                f"where it is started)"
            )
        if not (root / LOCKS).exists() and any(root.iterdir()):
            raise UsageError(
                f"{shown(root)} is not a cache of fib: it holds other files, and no folder {LOCKS}"
            )
        self.store = Store(root, writable=False)
        self.outs = tuple(outs)

    def kept(self) -> list[Kept]:
        """Return everything that the store keeps, what was used last at the end."""
        using: dict[str, list[Path]] = {}
        for run in self.runs():
            for key in _keys_of(run):
                using.setdefault(key, []).append(run)
        found = [
            self._kept(folder, tuple(using.get(folder.name.removesuffix(PARTIAL), ())))
            for folder in self.store.root.iterdir()
            if _KEY.fullmatch(folder.name.removesuffix(PARTIAL))
        ]
        return sorted((item for item in found if item is not None), key=lambda item: item.used)

    def _kept(self, folder: Path, runs: tuple[Path, ...]) -> Kept | None:
        finished = not folder.name.endswith(PARTIAL)
        plugin = ""
        try:
            if not check_own(folder, folder=True):
                return None
            record = folder / MANIFEST
            used = (record if record.exists() else folder).stat().st_mtime
            size = _size_of(folder)
        except OSError:  # somebody else has just removed it
            return None
        if finished:
            with contextlib.suppress(OSError, FibError):
                plugin = str(read_record(record, StepRecord).get("key_parts", {}).get("plugin", ""))
        return Kept(folder.name.removesuffix(PARTIAL), folder, plugin, finished, size, used, runs)

    def runs(self) -> list[Path]:
        """Return the folders of all runs that used the store and are there still."""
        found = dict.fromkeys(self._noted_runs())
        for out in self.outs:
            found |= dict.fromkeys(path.parent.resolve() for path in out.glob(f"*/*/{RESOLVED}"))
        return [run for run in found if os.path.isfile(run / RESOLVED)]

    def _noted_runs(self) -> Iterator[Path]:
        """Yield the folders of runs that the store has a note of.

        Lines that are no such note are passed over: a kill may cut one short.

        Raises:
            UsageError: the note is no file, or larger than any that fib writes.
        """
        note = self.store.root / LOCKS / RUNS
        if not check_own(note, folder=False):
            return
        try:
            lines = read_whole(note, LARGEST_NOTE).splitlines()
        except FibError as error:
            raise UsageError(f"the list of runs that use the cache: {error}") from None
        for line in dict.fromkeys(lines):
            with contextlib.suppress(ValueError, TypeError, OSError, RuntimeError):
                yield (self.store.root / parse_json(decoded(line))).resolve()

    def in_work(self) -> set[str]:
        """Return the keys of all steps of the runs that are at work now."""
        found: set[str] = set()
        for run in self.runs():
            if self._locked(run.name):
                found |= _keys_of(run)
        return found

    def _locked(self, name: str) -> bool:
        if not self.store.lock_file(name).exists():
            return False
        with self.store.lock_if_free(name) as free:
            return not free

    def damaged(self) -> Iterator[tuple[Kept, str]]:
        """Take the hashes of everything; yield each finished step and what is wrong with it."""
        for item in self.kept():
            if item.finished:
                try:
                    _, problem = self.store.examine(item.folder, thorough=True)
                except UsageError as error:
                    problem = str(error)
                yield item, problem

    def prune(self, items: Iterable[Kept]) -> tuple[list[Kept], list[Kept]]:
        """Remove steps; return those removed, and those that a run is at work with.

        What is taken away is computed again when it is needed.
        """
        removed, left = [], []
        make_writable(self.store.root)
        in_work = self.in_work()
        for item in items:
            with self.store.lock_if_free(item.key) as free:
                if not free or item.key in in_work:
                    left.append(item)
                    continue
                discard(item.folder)
                removed.append(item)
        return removed, left


def superfluous(
    kept: Iterable[Kept],
    *,
    older_than_s: float | None = None,
    unused: bool = False,
    to_bytes: int | None = None,
    now: float | None = None,
) -> list[Kept]:
    """Return what may go, what was used longest ago first.

    Args:
        kept: all that there is, what was used last at the end.
        older_than_s: only what was not used for so many seconds.
        unused: only what no run has any more.
        to_bytes: no more than has to go for the rest to be this small.
        now: seconds since the epoch; default: the present.
    """
    kept = list(kept)
    now = time.time() if now is None else now
    chosen = [
        item
        for item in kept
        if (older_than_s is None or now - item.used > older_than_s) and not (unused and item.runs)
    ]
    if to_bytes is None:
        return chosen
    size, found = sum(item.nbytes for item in kept), []
    for item in chosen:
        if size <= to_bytes:
            break
        found.append(item)
        size -= item.nbytes
    return found


def _size_of(folder: Path) -> int:
    """Return the size of all files in a folder, in bytes."""
    files = (Path(place, name) for place, _, names in os.walk(folder) for name in names)
    return sum(path.lstat().st_size for path in files)


def _keys_of(run: Path) -> set[str]:
    """Return the keys of a run's steps: by its record, and by the links that it has."""
    keys: set[str] = set()
    with contextlib.suppress(OSError, FibError):
        record = read_record(run / RESOLVED, ResolvedRecord)
        keys = {step.get("key", "") for step in record["steps"]}
    with contextlib.suppress(OSError):
        keys |= {path.readlink().name for path in run.iterdir() if path.is_symlink()}
    return keys
