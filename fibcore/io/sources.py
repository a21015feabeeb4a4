"""Which files a load step means: one file, a folder of slices, or a glob."""

from __future__ import annotations

import glob
import hashlib
import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

from fibcore.errors import FibError, did_you_mean, listed

TIFF_SUFFIXES = (".tif", ".tiff")


def find_files(source: str | Path, base: Path) -> tuple[Path, ...]:
    """Return the files of a source, slices in natural order (``slice_2`` before ``slice_10``).

    Args:
        source: a file, a folder (its .tif and .tiff files, hidden ones left out) or a glob with
            ``*``, ``?``, ``[...]`` and ``**``; relative to `base`, or absolute.
        base: folder that relative sources start from.

    Raises:
        FibError: nothing is there; names what is nearest.
    """
    given = os.path.expanduser(os.fspath(source))
    path = base / given
    if path.is_file():
        return (path,)
    if path.is_dir():
        found = [
            child
            for child in path.iterdir()
            if child.suffix.lower() in TIFF_SUFFIXES
            and not child.name.startswith(".")
            and child.is_file()
        ]
        if not found:
            raise FibError(
                f"{source}: the folder {path} holds no .tif or .tiff files, but "
                f"{listed(sorted(child.name for child in path.iterdir()), 5)}; give the folder of "
                f"the slices, or a glob that matches them"
            )
        return natural_order(found)
    if not glob.has_magic(given):
        raise FibError(f"{source}: there is no such file or folder. {_nearest(path)}")
    matches = [base / match for match in glob.glob(given, root_dir=base, recursive=True)]
    found = [match for match in matches if match.is_file()]
    if not found:
        raise FibError(
            f"{source}: no file matches this pattern (looked from {base.resolve()}). "
            f"{_nearest(path)}"
        )
    return natural_order(found)


def natural_order(files: Sequence[Path]) -> tuple[Path, ...]:
    """Return files sorted by name, with runs of digits compared as numbers."""

    def key(path: Path) -> tuple[list[tuple[str, int]], str]:
        text = path.as_posix()
        parts = re.findall(r"(\D*)(\d*)", text.casefold())
        return [(word, int(digits or -1)) for word, digits in parts], text

    return tuple(sorted(files, key=key))


def missing_slice(files: Sequence[Path]) -> str:
    """Return a sentence about the first gap in the numbering of slices; empty where there is none.

    Judged only where the names differ in one number alone and mostly step evenly.
    """
    if len(files) < 4:
        return ""
    names = [re.split(r"(\d+)", path.name) for path in files]
    varying = {
        i
        for name in names[1:]
        for i, (ours, theirs) in enumerate(zip(names[0], name, strict=False))
        if ours != theirs
    }
    if len({len(name) for name in names}) != 1 or len(varying) != 1:
        return ""
    place = varying.pop()
    if place % 2 == 0:  # text, not a number
        return ""
    numbers = [int(name[place]) for name in names]
    steps = [b - a for a, b in pairwise(numbers)]
    step = min(steps)
    gaps = [i for i, s in enumerate(steps) if s > step]
    if step < 1 or not gaps or 4 * len(gaps) > len(steps):
        return ""
    i = gaps[0]
    return (
        f"the numbering of the slices has {len(gaps)} gap{'s' if len(gaps) > 1 else ''}, the first "
        f"between {files[i].name} and {files[i + 1].name}: are slices missing? They are read as if "
        f"they lay directly on each other"
    )


def content_hash(source: str | Path, base: Path) -> str:
    """Return the SHA-256 over the SHA-256 of each file's bytes, in order; names do not matter.

    Raises:
        FibError: nothing is there, or a file cannot be read.
    """
    files = find_files(source, base)
    total = hashlib.sha256()
    with ThreadPoolExecutor(min(8, len(files))) as pool:
        for digest in pool.map(_digest, files):
            total.update(digest)
    return total.hexdigest()


def _digest(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise FibError(
            f"{path} cannot be read ({error.strerror}): check its permissions"
        ) from error


def _nearest(path: Path) -> str:
    """Say what there is in the deepest folder of `path` that exists."""
    folder = path.parent
    wanted = path.name
    while not folder.is_dir():
        folder, wanted = folder.parent, folder.name
    names = sorted(child.name for child in folder.iterdir() if not child.name.startswith("."))
    return f"In {folder.resolve()} there are: {listed(names, 6)}." + did_you_mean(wanted, names)
