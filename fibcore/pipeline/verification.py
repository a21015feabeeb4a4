"""Checks whether the files of a finished step still hold the bytes that were written.

The hash of an artefact is taken once. After that, it is sufficient that the status of its files has
not changed: size, modification time, status change time and inode. Programs can set back
the modification time, but not the status change time.
"""

from __future__ import annotations

import hashlib
import json
import stat
from pathlib import Path
from typing import Any

from fibcore.errors import listed
from fibcore.files import hash_files, status_text
from fibcore.pipeline.references import change_of


def seen(path: Path) -> str:
    """Return the status of a file as text.

    Raises:
        OSError: there is no such file.
    """
    return status_text(path.lstat())


def hash_of_record(manifest: dict[str, Any]) -> str:
    """Return the SHA-256 over the content of ``step.json`` without its entry `sha256`."""
    content = {name: value for name, value in manifest.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def damage(folder: Path, manifest: dict[str, Any], *names: str, thorough: bool = False) -> str:
    """Return the first problem with the files of a finished step; an empty text if none.

    Args:
        folder: folder of the step.
        manifest: content of ``step.json``; its entry `seen` is updated where hashes were taken.
        names: artefacts to check; default: all.
        thorough: take all hashes, even of files whose status has not changed.
    """
    known: dict[str, str] = manifest.get("seen", {})
    for name in names or manifest["artefacts"]:
        record = manifest["artefacts"][name]
        if record.get("dropped"):
            continue
        source = record.get("source")
        if source is not None and (problem := change_of(source, thorough=thorough)):
            return problem
        now = {}
        for file, size in record["files"].items():
            try:
                status = (folder / file).lstat()
                now[file] = seen(folder / file)
            except OSError as error:
                return f"{file} cannot be read ({error.strerror})"
            within = [folder / inner for inner in Path(file).parents[:-1]]
            if not stat.S_ISREG(status.st_mode) or any(place.is_symlink() for place in within):
                return f"{file} is not a regular file; it may be a link"
            if status.st_size != size:
                return f"{file} has {status.st_size} bytes, {size} were written"
        if not thorough and all(known.get(file) == state for file, state in now.items()):
            continue
        try:
            found = hash_files(folder / file for file in record["files"])
        except OSError as error:
            return f"{name} cannot be read ({error.strerror})"
        if found != record["sha256"]:
            files = listed(record["files"], 2)
            return f"{files} holds other bytes than were written (SHA-256 {found[:12]}...)"
        manifest["seen"] = known = {**known, **now}
    return ""
