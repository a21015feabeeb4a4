"""Finished steps on disk, under their keys: ``.fib-cache/<key>/``.

A step works in ``<key>.partial``, which is renamed when it is whole, so that a kill at any moment
leaves either a finished step or one that goes on. A lock per key lets several runs share a store.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from fibcore.artefacts import Artefact, read_artefact, write_artefact
from fibcore.errors import UsageError

MANIFEST = "step.json"


@dataclass(frozen=True)
class Entry:
    """A finished step.

    Attributes:
        folder: where its artefacts are.
        manifest: what ``step.json`` records: files with hashes, times, what was read.
    """

    folder: Path
    manifest: Mapping[str, Any]

    def hash_of(self, artefact: str) -> str:
        """Return the SHA-256 over the files of one artefact."""
        return self.manifest["artefacts"][artefact]["sha256"]

    def read(self, artefact: str, type_: type) -> Artefact:
        """Read one artefact."""
        return read_artefact(self.folder, artefact, type_)


class Store:
    """A folder of finished steps.

    Raises:
        UsageError: if the folder cannot be made or written.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        make_writable(self.root)

    def find(self, key: str) -> Entry | None:
        """Return the finished step of this key; None if there is none or it is damaged."""
        folder = self.root / key
        try:
            manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
            sizes = {
                name: size
                for a in manifest["artefacts"].values()
                for name, size in a["files"].items()
            }
            if any((folder / name).stat().st_size != size for name, size in sizes.items()):
                return None
        except (OSError, ValueError, KeyError):
            return None
        return Entry(folder, manifest)

    @contextmanager
    def lock(self, key: str, waiting: Callable[[], None]) -> Iterator[None]:
        """Hold the lock of a key; `waiting` is called once if another run holds it.

        The operating system frees the lock when a process dies, however it dies.
        """
        locks = self.root / "locks"
        locks.mkdir(exist_ok=True)
        lock = FileLock(locks / f"{key}.lock")
        try:
            lock.acquire(timeout=0.05)
        except Timeout:
            waiting()
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def work_folder(self, key: str) -> Path:
        """Return the folder that an unfinished step works in; its scratch may be there already."""
        folder = self.root / f"{key}.partial"
        folder.mkdir(exist_ok=True)
        for path in folder.iterdir():
            if path.name != "scratch":
                path.unlink()
        return folder

    def interrupted(self, key: str) -> bool:
        """Return whether an unfinished step of this key left something to go on from."""
        scratch = self.root / f"{key}.partial" / "scratch"
        return scratch.is_dir() and any(scratch.iterdir())

    def commit(
        self, key: str, artefacts: Mapping[str, Artefact], record: Mapping[str, Any]
    ) -> Entry:
        """Write the artefacts of a step and make them its finished result.

        Args:
            key: of the step; its lock is held.
            artefacts: name -> what to write, the main one first.
            record: what else the manifest says.
        """
        folder = self.work_folder(key)
        written = {}
        for name, artefact in artefacts.items():
            files = write_artefact(folder, name, artefact)
            written[name] = {
                "type": type(artefact).__name__,
                "files": {file: (folder / file).stat().st_size for file in files},
                "sha256": _hash_files([folder / file for file in files]),
            }
        manifest = {"key": key, "artefacts": written, **record}
        text = json.dumps(manifest, indent=1, allow_nan=False)
        with (folder / MANIFEST).open("w", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        shutil.rmtree(folder / "scratch", ignore_errors=True)
        final = self.root / key
        if final.exists():  # damaged, or computed again on demand
            shutil.rmtree(final)
        folder.rename(final)
        return Entry(final, manifest)


def make_writable(folder: Path) -> None:
    """Make a folder if it is not there, and see that files can be made in it.

    Raises:
        UsageError: if not; says which folder and what to do.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UsageError(
            f"cannot write in {folder}: {error.strerror or error}; choose another folder with "
            f"--out or --cache"
        ) from error


def _hash_files(paths: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(1 << 22):
                digest.update(block)
    return digest.hexdigest()
