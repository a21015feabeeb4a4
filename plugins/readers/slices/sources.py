"""Finds the files of a load step: one file, a folder of slices, or a glob."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fib_plugins.readers.slices.belonging import check_belonging
from fib_plugins.readers.slices.named import find
from fib_plugins.readers.slices.names import by_pattern, parse
from fib_plugins.readers.slices.order import Order, numbered_in_front, put_in_order
from fib_plugins.readers.slices.regular import check_file, check_files, same_file
from fibcore.errors import FibError, listed
from fibcore.files import path_text


def find_slices(source: str | Path, base: Path, suffixes: Sequence[str]) -> Order:
    """Return the files of a source, in the order of the numbers in their names.

    Args:
        source: a file, a folder (its files with these suffixes, hidden ones left out) or a glob
            with ``*``, ``?``, ``[...]`` and ``**``; relative to `base`, or absolute.
        base: folder that relative sources start from.
        suffixes: suffixes of the format, in lower case.

    Raises:
        FibError: nothing is found (the message lists near names), a file is a broken link or not a
            file, or the names do not belong to one stack.
    """
    named = find(source, base)
    if named.is_file:
        check_file(named.path)
        return Order((named.path,))
    files = [
        file
        for file in named.files
        if file.name.lower().endswith(tuple(suffixes))
        or not (named.is_folder or os.path.isdir(file))
    ]
    if not files and not named.is_folder:
        raise FibError(
            f"{source}: no file matches this pattern, but folders: "
            f"{listed([file.name for file in named.files], 5)}; give one of them, or add /* to it"
        )
    if not files:
        others = listed([f.name for f in named.files], 5) if named.files else "nothing"
        raise FibError(
            f"{source}: the folder {named.path} holds no {' or '.join(suffixes)} files, but "
            f"{others} (hidden files left out); give the folder of the slices, or a glob that "
            f"matches them"
        )
    check_files(files)
    order = _arranged(natural_order(files), path_text(source), base, suffixes)
    if twice := same_file(order.files):
        order = replace(order, remarks=(*order.remarks, twice))
    return order


def _arranged(files: tuple[Path, ...], given: str, base: Path, suffixes: Sequence[str]) -> Order:
    """Return files in the order of the numbers in their names, or in alphabetical order."""
    if len(files) == 1:
        return Order(files)
    groups = by_pattern(parse(files, suffixes))
    check_belonging(groups, given, base)
    if len(groups) > 1:
        names = numbered_in_front([name for group in groups for name in group])
        if names is None:
            return Order(
                files,
                remarks=(
                    f"the names of the {len(files)} files do not number them as slices; they "
                    f"are read in alphabetical order: {_ends(files)}",
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
