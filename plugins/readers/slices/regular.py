"""Checks that files can be read: no broken links, devices, or placeholders of git-annex or LFS."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from fib_plugins.hollow import check_content
from fib_plugins.readers.slices.walk import literal
from fibcore.errors import FibError, listed
from fibcore.files import path_text

_PLACEHOLDERS = {
    b"/annex/objects/": ("git-annex", "git annex get"),
    b"../": ("git-annex", "git annex get"),  # a link checked out as a text file
    b".git/annex/": ("git-annex", "git annex get"),
    b"version https://git-lfs": ("Git LFS", "git lfs pull"),
    b"version https://hawser": ("Git LFS", "git lfs pull"),
}
_LONGEST_PLACEHOLDER = 2048


def check_file(path: Path) -> None:
    """Reject a path that is not a file with its content; see `check_files`."""
    check_files([path])


def check_files(paths: Sequence[Path]) -> None:
    """Reject broken links, pipes, devices, folders, and placeholders.

    git-annex and Git LFS leave a broken link, or a small text file, in place of a file whose
    content has not been fetched.

    Raises:
        FibError: names the first of them, and how to fetch the content.
    """
    lost: list[str] = []
    placeholders: dict[tuple[str, str], list[str]] = {}
    for path in paths:
        try:
            size = check_content(path)
        except OSError as error:
            if not path.is_symlink():
                raise FibError(f"{path} cannot be read: {error.strerror or error}") from error
            lost.append(f"{path.name} -> {os.readlink(path)}")
            continue
        if size <= _LONGEST_PLACEHOLDER and (found := _placeholder(path)) is not None:
            placeholders.setdefault(found, []).append(path.name)
    if lost:
        raise FibError(
            f"{_count(lost, paths)}: {listed(lost, 3)}. Fetch the contents "
            f"(git-annex: git annex get), or remove the links if they do not belong here"
        )
    for (tool, command), names in placeholders.items():
        raise FibError(
            f"the contents of {len(names)} of {len(paths)} file{'s' if len(paths) > 1 else ''} "
            f"have not been fetched, they are placeholders of {tool}: {listed(names, 3)}; "
            f"run {command}"
        )


def _count(lost: Sequence[str], paths: Sequence[Path]) -> str:
    if len(paths) == 1:
        return f"{paths[0]} is a broken link"
    are = "are broken links" if len(lost) > 1 else "is a broken link"
    return f"{len(lost)} of {len(paths)} files in {paths[0].parent} {are}"


def _placeholder(path: Path) -> tuple[str, str] | None:
    try:
        with path.open("rb") as file:
            head = file.read(_LONGEST_PLACEHOLDER)
    except OSError as error:
        raise FibError(
            f"{path} cannot be read ({error.strerror}): check its permissions"
        ) from error
    for start, tool in _PLACEHOLDERS.items():
        if head.startswith(start) and (start != b"../" or b".git/annex/" in head):
            return tool
    return None


def fetched(source: str | Path, base: Path, *also: str) -> Path:
    """Return the path of a single file, and check its content if it exists.

    Args:
        source: the file, relative to `base` or absolute.
        base: folder that a relative source starts from.
        also: suffixes of further files of the same name that belong to it.

    Raises:
        FibError: it is a broken link, a pipe, a device, or a placeholder.
    """
    path = literal(base / path_text(source))
    parts = [*(path.with_suffix(suffix) for suffix in also), path]
    there = [part for part in parts if os.path.lexists(part) and not part.is_dir()]
    check_files(there)
    return path


def same_file(paths: Sequence[Path]) -> str:
    """Return a sentence about names of the same file; else an empty text."""
    names: dict[tuple[int, int], list[str]] = {}
    for path in paths:
        status = path.stat()
        names.setdefault((status.st_dev, status.st_ino), []).append(path.name)
    several = [" and ".join(found) for found in names.values() if len(found) > 1]
    if not several:
        return ""
    return (
        f"{listed(several, 3)} are one file with several names: its image is read as several "
        f"slices. If they are links that fill gaps, remove them, or all measures along z are wrong"
    )
