"""The commit of a git checkout, read from its files.

The ``git`` command is not called: the configuration of a repository can make it run programs
(``core.fsmonitor``, filters), and the folder of a pipeline may not be trusted. Therefore changes
since the commit are not detected.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from fibcore.errors import FibError
from fibcore.files import read_whole

SMALL_BYTES = 4096
"""Largest size of files such as HEAD; git itself reads no more."""
PACKED_BYTES = 64 * 2**20
"""Largest size of ``packed-refs``: about a million references."""
MOST_HOPS = 5
"""Most references followed from one to the next; git has the same limit."""

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_REFERENCE = re.compile(r"refs/(?!.*\.\.)[^\x00-\x20\x7f~^:?*\[\\]+")


def commit_of(folder: Path) -> str | None:
    """Return the commit that is checked out in a folder; None if unknown."""
    try:
        found = _git_folder(folder.resolve())
        return None if found is None else _commit(*found)
    except (OSError, ValueError, FibError, RuntimeError):  # not a valid checkout
        return None


def _git_folder(folder: Path) -> tuple[Path, Path] | None:
    """Return git's folder of a work tree, and the folder that all its work trees share."""
    for place in (folder, *folder.parents):
        own = place / ".git"
        leads_elsewhere = own.is_file()
        if leads_elsewhere:
            own = place / _text(own).removeprefix("gitdir:").strip()
        if (own / "HEAD").is_file():
            common = own / "commondir"
            return own, own / _text(common).strip() if common.is_file() else own
        if leads_elsewhere:  # its repository is gone; the one around it is another
            return None
    return None


def _commit(own: Path, common: Path) -> str | None:
    name = _text(own / "HEAD").strip()
    for _ in range(MOST_HOPS):
        if _COMMIT.fullmatch(name):
            return name
        reference = name.removeprefix("ref:").strip()
        if reference == name or not _REFERENCE.fullmatch(reference):
            return None
        name = _target(own, common, reference)
    return None


def _target(own: Path, common: Path, reference: str) -> str:
    """Return what a reference points to; an empty text if it does not exist."""
    for folder in (own, common):
        if (folder / reference).is_file():
            return _text(folder / reference).strip()
    packed = common / "packed-refs"
    if packed.is_file():
        line = rb"(?m)^([0-9a-f]+) %s\r?$" % re.escape(os.fsencode(reference))
        found = re.search(line, read_whole(packed, PACKED_BYTES))
        if found:
            return found[1].decode()
    return ""


def _text(path: Path) -> str:
    return os.fsdecode(read_whole(path, SMALL_BYTES))  # branch names are encoded as file names
