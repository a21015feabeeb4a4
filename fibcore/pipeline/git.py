"""The commit of a git checkout, read from its files.

The ``git`` command is not called: a repository's own configuration can make it run programs
(``core.fsmonitor``, filters), and a pipeline's folder may come from anywhere. Therefore it is not
known whether files were changed since the commit.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from fibcore.errors import FibError
from fibcore.files import read_whole

SMALL_BYTES = 4096
"""Size of HEAD and the like, of which git itself reads no more."""
PACKED_BYTES = 64 * 2**20
"""Size of ``packed-refs``: about a million of them."""
MOST_HOPS = 5
"""References that lead to one another; git follows no more either."""

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_REFERENCE = re.compile(r"refs/(?!.*\.\.)[^\x00-\x20\x7f~^:?*\[\\]+")


def commit_of(folder: Path) -> str | None:
    """Return the commit that is checked out where a folder lies; None if none can be told."""
    try:
        found = _git_folder(folder.resolve())
        return None if found is None else _commit(*found)
    except (OSError, ValueError, FibError, RuntimeError):  # whatever stands there is no checkout
        return None


def _git_folder(folder: Path) -> tuple[Path, Path] | None:
    """Return git's folder of a checkout and, for one of several work trees, that of all of them."""
    for place in (folder, *folder.parents):
        own = place / ".git"
        leads_elsewhere = own.is_file()
        if leads_elsewhere:
            own = place / _text(own).removeprefix("gitdir:").strip()
        if (own / "HEAD").is_file():
            common = own / "commondir"
            return own, own / _text(common).strip() if common.is_file() else own
        if leads_elsewhere:  # a work tree whose repository is gone is none of the one around it
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
    """Return what a reference leads to; an empty text if there is none of this name."""
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
    return os.fsdecode(read_whole(path, SMALL_BYTES))  # branches have names as files have
