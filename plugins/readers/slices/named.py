"""Finds the files of a source: a file, the files in a folder, or the matches of a glob."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from fib_plugins.readers.slices.walk import Walk, has_magic, literal
from fibcore.errors import FibError, did_you_mean, listed
from fibcore.files import path_text


@dataclass(frozen=True)
class Named:
    """The files and folders of a source.

    Attributes:
        path: the file or folder; for a glob, the pattern.
        files: the file itself, the entries of the folder (without hidden names), or the matches of
            the glob, including folders; sorted by name.
        is_folder: whether `path` is a folder.
        is_file: whether `path` exists and is not a folder.
    """

    path: Path
    files: tuple[Path, ...]
    is_folder: bool = False
    is_file: bool = False


def find(source: str | Path, base: Path) -> Named:
    """Find the files of a source.

    Args:
        source: a file, a folder or a glob with ``*``, ``?``, ``[...]`` and ``**``; relative to
            `base`, or absolute.
        base: folder that relative sources start from.

    Raises:
        FibError: nothing is found; the message lists near names.
    """
    given = path_text(source)
    path = literal(base / given)
    if os.path.isdir(path):
        return Named(path, tuple(Walk("*").matches(path)), is_folder=True)
    if os.path.lexists(path):
        return Named(path, (path,), is_file=True)
    if not has_magic(given):
        raise FibError(f"{source}: there is no such file or folder. {_nearest(path)}")
    matches = Walk(given).matches(base)
    if not matches:
        raise FibError(
            f"{source}: no file matches this pattern (relative to {base.resolve()}). "
            f"{_nearest(path)}"
        )
    return Named(path, tuple(matches))


def _nearest(path: Path) -> str:
    """Describe the content of the deepest existing folder of `path`."""
    folder = path.parent
    wanted = path.name
    while not os.path.isdir(folder):
        folder, wanted = folder.parent, folder.name
    try:
        names = sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except OSError as error:
        return f"The folder {folder} cannot be listed ({error.strerror})."
    return f"In {folder.resolve()} there are: {listed(names, 6)}." + did_you_mean(wanted, names)
