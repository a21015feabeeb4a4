"""Whether the files of a finished step still hold the bytes that were written.

The hash of an artefact is taken once. After that it is enough that the file system says the same of
its files as it did then: size, times of the last change of content and of status, and identity. The
time of the last change of status cannot be set back by those who set back the other.
"""

from __future__ import annotations

import hashlib
import json
import stat
from pathlib import Path
from typing import Any

from fibcore.files import hash_files


def seen(path: Path) -> str:
    """Return what the file system says of a file.

    Raises:
        OSError: there is no such file.
    """
    status = path.lstat()
    parts = (
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
        status.st_ino,
        status.st_dev,
    )
    return ":".join(map(str, parts))


def hash_of_record(manifest: dict[str, Any]) -> str:
    """Return the SHA-256 over the content of ``step.json``, without the entry that keeps it."""
    content = {name: value for name, value in manifest.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def damage(folder: Path, manifest: dict[str, Any], *names: str, thorough: bool = False) -> str:
    """Return what is wrong with the files of a finished step; an empty text if nothing is.

    Args:
        folder: where they are.
        manifest: content of ``step.json``; where hashes had to be taken, its entry `seen` is
            brought up to date.
        names: artefacts to look at; default: all.
        thorough: take all hashes, whatever the file system says.
    """
    known: dict[str, str] = manifest.get("seen", {})
    for name in names or manifest["artefacts"]:
        record = manifest["artefacts"][name]
        now = {}
        for file, size in record["files"].items():
            try:
                status = (folder / file).lstat()
                now[file] = seen(folder / file)
            except OSError as error:
                return f"{file} cannot be read ({error.strerror})"
            if not stat.S_ISREG(status.st_mode):
                return f"{file} is no file but something else, a link perhaps"
            if status.st_size != size:
                return f"{file} has {status.st_size} bytes, {size} were written"
        if not thorough and all(known.get(file) == told for file, told in now.items()):
            continue
        try:
            found = hash_files(folder / file for file in record["files"])
        except OSError as error:
            return f"{name} cannot be read ({error.strerror})"
        if found != record["sha256"]:
            files = " and ".join(record["files"])
            return f"{files} holds other bytes than were written (SHA-256 {found[:12]}...)"
        manifest["seen"] = known = {**known, **now}
    return ""
