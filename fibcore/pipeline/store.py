"""Finished steps on disk, in folders named by their keys: ``.fib-cache/<key>/``.

A step works in ``<key>.partial``, which is renamed when it is complete. If the process is killed,
the step is therefore either finished or can be resumed. One lock for each key lets several runs
share a store.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from fibcore.artefacts import FORMATS, Artefact
from fibcore.errors import FibError, UsageError, listed
from fibcore.files import (
    all_on_disk,
    check_own,
    check_own_tree,
    discard,
    hash_files,
    have_on_disk,
    own_folder,
    tidy,
    write_whole,
)
from fibcore.formats import read_artefact, write_artefact
from fibcore.moves import bring_back
from fibcore.pipeline.plan import Files
from fibcore.pipeline.records import MANIFEST, StepRecord, read_record
from fibcore.pipeline.references import source_of
from fibcore.pipeline.verification import damage, hash_of_record, seen
from fibcore.roles import roles_to_json
from fibcore.tables import Table
from fibcore.text import shown

PARTIAL = ".partial"
LOCKS = "locks"
RUNS = "runs.jsonl"


@dataclass(frozen=True)
class Entry:
    """A finished step.

    Attributes:
        folder: folder of its artefacts.
        manifest: content of ``step.json``: files with hashes, roles of columns, times, inputs.
    """

    folder: Path
    manifest: dict[str, Any]

    def hash_of(self, artefact: str) -> str:
        """Return the SHA-256 over the files of an artefact; an empty text if there is none.

        For a volume that stays in the files that it was loaded from, it is their hash.
        """
        record = self.manifest["artefacts"].get(artefact, {"sha256": ""})
        sha256: str = (record.get("source") or record)["sha256"]
        return sha256

    def leaves(self, artefact: str, type_: type) -> bool:
        """Return whether there is an artefact of this name and type."""
        record = self.manifest["artefacts"].get(artefact)
        return record is not None and record["type"] == type_.__name__

    @property
    def dropped(self) -> set[str]:
        """Names of the volumes that were deleted after use."""
        return {n for n, record in self.manifest["artefacts"].items() if record.get("dropped")}

    def read(self, artefact: str, type_: type) -> Artefact:
        """Read one artefact.

        Raises:
            FibError: its files have changed since they were written.
        """
        if self.dropped & {artefact}:
            raise FibError(
                f"{artefact} was deleted after use, as `keep` in the pipeline asks; add its step, "
                f"and run the pipeline again"
            )
        if problem := damage(self.folder, self.manifest, artefact):
            raise FibError(
                f"{shown(self.folder)}: {problem}. It was changed or deleted while it was in use; "
                f"run the pipeline again to compute it again"
            )
        roles = self.manifest.get("roles", {}).get(artefact)
        return read_artefact(self.folder, artefact, type_, roles)


class Store:
    """A folder of finished steps. The folder may be a link, its contents may not.

    Args:
        root: the folder.
        writable: whether to create the folder if it is missing.
        volumes: format of volumes that are written, see `artefacts.FORMATS`.

    Attributes:
        root: the folder.
        damaged: key -> problem, of damaged steps.

    Raises:
        UsageError: the folder cannot be created or written, or there is no such format.
    """

    def __init__(self, root: Path, *, writable: bool = True, volumes: str = "auto") -> None:
        if volumes not in FORMATS:
            raise UsageError(f"unknown format {shown(volumes)!r}: use {listed(FORMATS)}")
        self.root = root.absolute()
        self.volumes = volumes
        self.damaged: dict[str, str] = {}
        if writable:
            make_writable(self.root)
            tidy(self.root)

    def check(self, key: str) -> None:
        """Refuse links in place of the files and folders of a step.

        Raises:
            LinkError: names the first one.
        """
        check_own(self.root / key, folder=True)
        if check_own(self.root / f"{key}{PARTIAL}", folder=True):
            check_own_tree(self.root / f"{key}{PARTIAL}")
        if check_own(self.root / LOCKS, folder=True):
            check_own(self.lock_file(key), folder=False)

    def find(self, key: str) -> Entry | None:
        """Return the finished step of this key; None if there is none or it is damaged.

        Raises:
            UsageError: it is a link, or its record has another shape.
        """
        folder = self.root / key
        if not check_own(folder, folder=True):
            return None
        entry, problem = self.examine(folder)
        if problem:
            self.damaged[key] = problem
        return entry

    def examine(self, folder: Path, *, thorough: bool = False) -> tuple[Entry | None, str]:
        """Return a finished step, or None and its problem.

        Args:
            folder: folder of the step.
            thorough: take all hashes again.

        Raises:
            UsageError: its record has another shape.
        """
        record = folder / MANIFEST
        try:
            manifest = read_record(record, StepRecord)
        except UsageError:
            raise
        except (OSError, FibError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            return None, f"{MANIFEST} cannot be read ({reason})"
        if manifest.get("sha256", "") not in ("", hash_of_record(manifest)):
            return None, f"{MANIFEST} has changed since it was written"
        if manifest["key"] != folder.name:
            return None, f"{MANIFEST} is that of another step"
        before = manifest.get("seen")
        if problem := damage(folder, manifest, thorough=thorough):
            return None, problem
        if manifest.get("seen") != before:
            with contextlib.suppress(OSError):  # hashes are then taken again next time
                write_whole(record, _text(manifest), lasting=False)
        return Entry(folder, manifest), ""

    def lock_file(self, name: str) -> Path:
        """Return the file that is locked while a step or a run is in progress."""
        return self.root / LOCKS / f"{name}.lock"

    @contextmanager
    def lock(self, key: str, waiting: Callable[[], None]) -> Iterator[None]:
        """Hold the lock of a key; `waiting` is called once if another run holds it.

        The operating system releases the lock when the process ends for any reason.
        """
        lock = self._lock(key)
        try:
            lock.acquire(timeout=0.05)
        except Timeout:
            waiting()
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def lock_if_free(self, name: str) -> Iterator[bool]:
        """Hold the lock of a key or a run; yield False if another process holds it."""
        lock = self._lock(name)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    def _lock(self, name: str) -> FileLock:
        own_folder(self.root / LOCKS)
        check_own(self.lock_file(name), folder=False)
        return FileLock(self.lock_file(name))

    @contextmanager
    def run_at_work(self, run: Path) -> Iterator[None]:
        """Record that a run uses the store, and mark it as running inside the block.

        Args:
            run: folder of the run; its path is stored relative to the store, so that both can be
                moved together.
        """
        with self.lock_if_free(run.name):
            note = self.root / LOCKS / RUNS
            check_own(note, folder=False)
            with note.open("a", encoding="utf-8") as file:
                file.write(json.dumps(_from(self.root, run)) + "\n")
            try:
                yield
            finally:
                with contextlib.suppress(OSError):
                    self.lock_file(run.name).unlink()

    def used(self, entry: Entry) -> None:
        """Record the use of a finished step in the modification time of its record."""
        with contextlib.suppress(OSError):
            os.utime(entry.folder / MANIFEST)

    def vanished(self, entries: Iterable[Entry]) -> Path | None:
        """Return the folder of the store or of a finished step if it does not exist any more."""
        places = (self.root, self.root / LOCKS, *(entry.folder for entry in entries))
        return next((place for place in places if not place.is_dir()), None)

    def work_folder(self, key: str) -> Path:
        """Return the folder of an unfinished step; it may already contain a scratch folder."""
        folder = own_folder(self.root / f"{key}{PARTIAL}")
        check_own_tree(folder)
        bring_back(folder)
        for path in folder.iterdir():
            if path.is_dir():
                if path.name != "scratch":
                    discard(path)
            else:
                path.unlink()
        return folder

    def interrupted(self, key: str) -> bool:
        """Return whether an unfinished step of this key can be resumed."""
        scratch = self.root / f"{key}{PARTIAL}" / "scratch"
        return scratch.is_dir() and any(scratch.iterdir())

    def commit(
        self,
        key: str,
        artefacts: Mapping[str, Artefact],
        record: Mapping[str, Any],
        files: Files | None = None,
    ) -> Entry:
        """Write the artefacts of a step and make them its finished result.

        All files are flushed to disk before the folder is renamed, so that a power failure cannot
        leave an incomplete step that looks finished.

        Args:
            key: key of the step; its lock is held.
            artefacts: name -> artefact, the main one first.
            record: further entries of the manifest.
            files: the files that the step has loaded; volumes that are mapped stay there.

        Raises:
            FibError: an artefact cannot be written, or the files have changed.
        """
        folder = self.work_folder(key)
        written, states = {}, {}
        for name, artefact in artefacts.items():
            source = source_of(artefact, files)
            format = self.volumes if source is None else "reference"
            names = write_artefact(folder, name, artefact, format, folder / "scratch")
            paths = [path for top in names for path in all_on_disk(folder / top)]
            own = [path.relative_to(folder).as_posix() for path in paths]
            for file in own:
                states[file] = seen(folder / file)
            written[name] = {
                "type": type(artefact).__name__,
                "files": {file: (folder / file).stat().st_size for file in own},
                "sha256": hash_files(folder / file for file in own),
                **({} if source is None else {"source": source}),
            }
        roles = {
            name: roles_to_json(artefact.roles)
            for name, artefact in artefacts.items()
            if isinstance(artefact, Table) and artefact.roles
        }
        manifest = {"key": key, "artefacts": written, "roles": roles, **record, "seen": states}
        write_whole(folder / MANIFEST, _text(manifest))
        shutil.rmtree(folder / "scratch", ignore_errors=True)
        have_on_disk(folder)
        final = self.root / key
        discard(final)  # damaged, or computed again on demand
        folder.rename(final)
        have_on_disk(self.root)
        self.damaged.pop(key, None)
        return Entry(final, manifest)

    def drop(self, entry: Entry, names: Iterable[str]) -> Entry:
        """Delete volumes of a finished step; its record keeps their hashes."""
        artefacts = dict(entry.manifest["artefacts"])
        for name in names:
            artefacts[name] = {**artefacts[name], "dropped": True}
        manifest = {**entry.manifest, "artefacts": artefacts}
        write_whole(entry.folder / MANIFEST, _text(manifest))
        for place in {file.partition("/")[0] for n in names for file in artefacts[n]["files"]}:
            path = entry.folder / place
            if check_own(path, folder=path.is_dir()):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        return Entry(entry.folder, manifest)


def make_writable(folder: Path) -> None:
    """Create a folder if it is missing, and check that files can be written in it.

    Raises:
        UsageError: they cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        there = isinstance(error, FileExistsError)  # mkdir raises it for a file of this name
        reason = "it is not a folder" if there else error.strerror or error
        raise UsageError(
            f"cannot write in {shown(folder)}: {reason}; choose another folder with --out or "
            f"--cache"
        ) from error


def _from(start: Path, path: Path) -> str:
    try:
        return os.path.relpath(path, start)
    except ValueError:  # another drive on Windows
        return str(path)


def _text(manifest: Mapping[str, Any]) -> str:
    content = {**manifest, "sha256": hash_of_record(dict(manifest))}
    return json.dumps(content, indent=1, allow_nan=False) + "\n"
