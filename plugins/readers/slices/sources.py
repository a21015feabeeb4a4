"""Which files a load step means: one file, a folder of slices, or a glob."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fib_plugins.readers.slices.belonging import check_belonging
from fib_plugins.readers.slices.names import TIFF_SUFFIXES, by_pattern, parse
from fib_plugins.readers.slices.order import Order, numbered_in_front, put_in_order
from fib_plugins.readers.slices.regular import check_file, check_files
from fib_plugins.readers.slices.walk import Walk, has_magic, literal
from fibcore.errors import FibError, did_you_mean, listed


def find_files(source: str | Path, base: Path) -> tuple[Path, ...]:
    """Return the files of a source in the order of the stack; see `find_slices`."""
    return find_slices(source, base).files


def find_slices(source: str | Path, base: Path) -> Order:
    """Return the files of a source, in the order that the numbers in their names put them.

    Args:
        source: a file, a folder (its .tif and .tiff files, hidden ones left out) or a glob with
            ``*``, ``?``, ``[...]`` and ``**``; relative to `base`, or absolute.
        base: folder that relative sources start from.

    Raises:
        FibError: nothing is there (names what is nearest), a file is a link that leads nowhere or
            no file at all, or names do not belong to one stack.
    """
    given = os.path.expanduser(os.fspath(source))
    if "\0" in given:
        raise FibError(f"{given!r} is no path: it holds a zero byte")
    path = literal(base / given)
    if os.path.isdir(path):
        found = _in_folder(source, path)
    elif os.path.lexists(path):
        check_file(path)
        return Order((path,))
    elif has_magic(given):
        matches = Walk(given).matches(base)
        found = [m for m in matches if not os.path.isdir(m) or _is_tiff(m)]
        if not found:
            raise FibError(
                f"{source}: no file matches this pattern (looked from {base.resolve()}). "
                f"{_nearest(path)}"
            )
    else:
        raise FibError(f"{source}: there is no such file or folder. {_nearest(path)}")
    check_files(found)
    return _arranged(natural_order(found), given, base)


def _in_folder(source: str | Path, folder: Path) -> list[Path]:
    children = Walk("*").matches(folder)
    found = [child for child in children if _is_tiff(child)]
    if not found:
        others = listed(sorted(child.name for child in children), 5) if children else "nothing"
        raise FibError(
            f"{source}: the folder {folder} holds no .tif or .tiff files, but {others} (hidden "
            f"files left out); give the folder of the slices, or a glob that matches them"
        )
    return found


def _is_tiff(path: Path) -> bool:
    return path.suffix.lower() in TIFF_SUFFIXES


def _arranged(files: tuple[Path, ...], given: str, base: Path) -> Order:
    """Return files in the order of the numbers in their names; else of the alphabet."""
    if len(files) == 1:
        return Order(files)
    groups = by_pattern(parse(files))
    check_belonging(groups, given, base)
    if len(groups) > 1:
        names = numbered_in_front([name for group in groups for name in group])
        if names is None:
            return Order(
                files,
                remarks=(
                    f"nothing in the names of the {len(files)} files numbers them as slices; they "
                    f"are taken in the order of the alphabet: {_ends(files)}",
                ),
            )
        groups = [names]
    return put_in_order(groups[0])


def _ends(files: Sequence[Path]) -> str:
    names = [file.name for file in files]
    return ", ".join(names) if len(names) <= 4 else f"{names[0]}, {names[1]}, ..., {names[-1]}"


def natural_order(files: Sequence[Path]) -> tuple[Path, ...]:
    """Return files sorted by name, with runs of digits compared as numbers."""

    def key(path: Path) -> tuple[list[tuple[str, int]], str]:
        text = path.as_posix()
        parts = re.findall(r"(\D*)(\d*)", text.casefold())
        return [(word, int(digits or -1)) for word, digits in parts], text

    return tuple(sorted(files, key=key))


def content_hash(source: str | Path, base: Path) -> str:
    """Return the SHA-256 over the SHA-256 of each file's bytes, in order; names do not matter.

    Raises:
        FibError: nothing is there, or a file cannot be read.
    """
    files = find_files(source, base)
    total = hashlib.sha256()
    with ThreadPoolExecutor(min(8, len(files))) as pool:
        for digest in pool.map(file_hash, files):
            total.update(digest)
    return total.hexdigest()


def file_hash(path: Path) -> bytes:
    """Return the SHA-256 of a file's bytes.

    Raises:
        FibError: it cannot be read.
    """
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
    while not os.path.isdir(folder):
        folder, wanted = folder.parent, folder.name
    try:
        names = sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except OSError as error:
        return f"The folder {folder} cannot be listed ({error.strerror})."
    return f"In {folder.resolve()} there are: {listed(names, 6)}." + did_you_mean(wanted, names)
