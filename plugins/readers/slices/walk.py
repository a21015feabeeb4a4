"""Searches folders for glob patterns, with a limit on the number of names."""

from __future__ import annotations

import fnmatch
import glob
import os
import re
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fibcore.errors import FibError

MOST_NAMES = 200_000
"""Most names that the search for a pattern may examine."""


class Walk:
    """The search for one pattern.

    Names with brackets that exist literally (``data[1]``) are not patterns. Names are compared in
    composed Unicode, independent of the form on the disk.
    """

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._seen = 0

    def matches(self, base: Path) -> list[Path]:
        """Return all matches of the pattern: files, folders and broken links.

        Args:
            base: folder that a relative pattern starts from.

        Raises:
            FibError: there are more than `MOST_NAMES` names, or a folder cannot be listed.
        """
        path = Path(self._pattern)
        start = Path(path.anchor) if path.is_absolute() else base
        parts = path.parts[1:] if path.is_absolute() else path.parts
        return list(dict.fromkeys(self._below(start, parts)))

    def _below(self, folder: Path, parts: tuple[str, ...]) -> Iterator[Path]:
        if not parts:
            yield folder
            return
        head, rest = parts[0], parts[1:]
        if head == "**":
            for inner in self._folders(folder):
                if rest:
                    yield from self._below(inner, rest)
                else:
                    yield from (inner / entry.name for entry in self._entries(inner))
            return
        for child in self._children(folder, head):
            if not rest or os.path.isdir(child):
                yield from self._below(child, rest)

    def _children(self, folder: Path, name: str) -> list[Path]:
        """Return the entries of a folder that match a name or a pattern."""
        if name in ("..", ".") or os.path.lexists(folder / name):
            return [folder / name]
        names = [entry.name for entry in self._entries(folder, name.startswith("."))]
        for wanted in (_composed(name), _composed(name).replace("[", "[[]")):
            matching = _matcher(wanted)
            found = [n for n in names if matching(_composed(n))]
            if found or "[" not in name:
                break
        return [folder / n for n in found]

    def _folders(self, folder: Path) -> Iterator[Path]:
        """Yield a folder and all folders below it, each once, without hidden ones."""
        seen: set[tuple[int, int]] = set()
        waiting = [folder]
        while waiting:
            inner = waiting.pop()
            with self._blamed(inner):
                status = inner.stat()
                if (status.st_dev, status.st_ino) in seen:
                    continue  # a link to a parent
                seen.add((status.st_dev, status.st_ino))
            yield inner
            for entry in reversed(self._entries(inner)):
                with self._blamed(inner / entry.name):
                    if entry.is_dir():
                        waiting.append(inner / entry.name)

    def _entries(self, folder: Path, hidden: bool = False) -> list[os.DirEntry[str]]:
        """Return the entries of a folder, without hidden names unless `hidden`."""
        found: list[os.DirEntry[str]] = []
        with self._blamed(folder), os.scandir(folder) as entries:
            for entry in entries:
                self._seen += 1
                if self._seen > MOST_NAMES:
                    raise FibError(
                        f"{self._pattern}: the search for this pattern exceeds {MOST_NAMES} names "
                        f"(the last folder: {folder}); give the folder of the slices, or a "
                        f"narrower pattern"
                    )
                if hidden or not entry.name.startswith("."):
                    found.append(entry)
        return sorted(found, key=lambda entry: entry.name)

    @contextmanager
    def _blamed(self, folder: Path) -> Iterator[None]:
        """Report a folder that cannot be listed; a deleted folder is skipped."""
        try:
            yield
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError as error:
            raise FibError(
                f"{self._pattern}: {folder} cannot be listed ({error.strerror}): check its "
                f"permissions, or give a narrower pattern"
            ) from error


def has_magic(pattern: str) -> bool:
    """Return whether a text is a pattern: has ``*``, ``?`` or ``[``."""
    return glob.has_magic(pattern)


def literal(path: Path) -> Path:
    """Return a path with the Unicode form of names that is used on the disk."""
    if os.path.lexists(path):
        return path
    found = Path(path.anchor)
    for name in path.parts[1:] if path.anchor else path.parts:
        if not os.path.lexists(found / name) and os.path.isdir(found):
            wanted = _composed(name)
            name = next((n for n in sorted(os.listdir(found)) if _composed(n) == wanted), name)
        found /= name
    return found


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _matcher(pattern: str) -> Callable[[str], object]:
    return re.compile(fnmatch.translate(os.path.normcase(pattern))).match
