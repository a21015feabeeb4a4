"""The content of a store: steps, their state, the runs that use them, what can be removed."""

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
"""Largest size of the list of runs that used a store: some hundred thousand runs."""

_KEY = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Kept:
    """A finished or unfinished step in a store.

    Attributes:
        key: its key.
        folder: its folder.
        plugin: ``kind/name``, or ``load``; empty if unknown.
        finished: whether it is finished; otherwise it may be resumed.
        nbytes: size of its files.
        used: time of creation or last use, seconds since the epoch.
        runs: folders of the existing runs that use it.
    """

    key: str
    folder: Path
    plugin: str
    finished: bool
    nbytes: int
    used: float
    runs: tuple[Path, ...] = field(default=())


class Cache:
    """A store that is inspected and pruned.

    Args:
        root: its folder.
        outs: folders in which to search for runs, besides the runs that the store has recorded.

    Raises:
        UsageError: there is no such folder, or it is not a cache of fib.
    """

    def __init__(self, root: Path, outs: Iterable[Path] = ()) -> None:
        if not os.path.isdir(root):
            raise UsageError(
                f"there is no cache {shown(root)}; name one with --cache (a run creates .fib-cache "
                f"in the folder where it is started)"
            )
        if not (root / LOCKS).exists() and any(root.iterdir()):
            raise UsageError(
                f"{shown(root)} is not a cache of fib: it has other files, but no folder {LOCKS}"
            )
        self.store = Store(root, writable=False)
        self.outs = tuple(outs)

    def kept(self) -> list[Kept]:
        """Return all steps in the store, the most recently used last."""
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
        except OSError:  # another process has just removed it
            return None
        if finished:
            with contextlib.suppress(OSError, FibError):
                plugin = str(read_record(record, StepRecord).get("key_parts", {}).get("plugin", ""))
        return Kept(folder.name.removesuffix(PARTIAL), folder, plugin, finished, size, used, runs)

    def runs(self) -> list[Path]:
        """Return the folders of all existing runs that used the store."""
        found = dict.fromkeys(self._noted_runs())
        for out in self.outs:
            found |= dict.fromkeys(path.parent.resolve() for path in out.glob(f"*/*/{RESOLVED}"))
        return [run for run in found if os.path.isfile(run / RESOLVED)]

    def _noted_runs(self) -> Iterator[Path]:
        """Yield the folders of runs that the store has recorded.

        Invalid lines are skipped, since a kill may leave an incomplete one.

        Raises:
            UsageError: the list is not a file, or larger than any that fib writes.
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
        """Return the keys of all steps of the runs in progress."""
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
        """Check the hashes of all files; yield each finished step and its problem."""
        for item in self.kept():
            if item.finished:
                try:
                    _, problem = self.store.examine(item.folder, thorough=True)
                except UsageError as error:
                    problem = str(error)
                yield item, problem

    def prune(self, items: Iterable[Kept]) -> tuple[list[Kept], list[Kept]]:
        """Remove steps; return those removed, and those that a run is using.

        Removed steps are computed again when needed.
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
    """Return the steps that can be removed, the least recently used first.

    Args:
        kept: all steps, the most recently used last.
        older_than_s: only steps that were not used for this number of seconds.
        unused: only steps that no existing run uses.
        to_bytes: no more steps than necessary for the rest to have this size.
        now: seconds since the epoch; default: the current time.
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
    """Return the keys of a run's steps, from its record and its links."""
    keys: set[str] = set()
    with contextlib.suppress(OSError, FibError):
        record = read_record(run / RESOLVED, ResolvedRecord)
        keys = {step.get("key", "") for step in record["steps"]}
    with contextlib.suppress(OSError):
        keys |= {path.readlink().name for path in run.iterdir() if path.is_symlink()}
    return keys
