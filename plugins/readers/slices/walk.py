"""Glob patterns looked up in folders, with a bound on how much is looked at."""

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
"""A pattern that makes more names than this be looked at is refused."""


class Walk:
    """One look-up of a pattern.

    Names in brackets that exist as they are written (``data[1]``) are taken literally, and names
    are compared in composed Unicode, whichever form the disk keeps.
    """

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._seen = 0

    def matches(self, base: Path) -> list[Path]:
        """Return everything that the pattern matches, files, folders and links that lead nowhere.

        Args:
            base: folder that a relative pattern starts from.

        Raises:
            FibError: more than `MOST_NAMES` names lie on the way, or a folder cannot be listed.
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
        """Return what lies in a folder under a name, or under a pattern of names."""
        if name in ("..", ".") or os.path.lexists(folder / name):
            return [folder / name]
        names = [entry.name for entry in self._entries(folder, name.startswith("."))]
        for wanted in (_composed(name), _composed(name).replace("[", "[[]")):
            found = [n for n in names if _matcher(wanted)(_composed(n))]
            if found or "[" not in name:
                break
        return [folder / n for n in found]

    def _folders(self, folder: Path) -> Iterator[Path]:
        """Yield a folder and all folders below it, each once, hidden ones left out."""
        seen: set[tuple[int, int]] = set()
        waiting = [folder]
        while waiting:
            inner = waiting.pop()
            with self._blamed(inner):
                status = inner.stat()
                if (status.st_dev, status.st_ino) in seen:
                    continue  # a link back up
                seen.add((status.st_dev, status.st_ino))
            yield inner
            for entry in reversed(self._entries(inner)):
                with self._blamed(inner / entry.name):
                    if entry.is_dir():
                        waiting.append(inner / entry.name)

    def _entries(self, folder: Path, hidden: bool = False) -> list[os.DirEntry[str]]:
        """Return what lies in a folder, without hidden names unless asked for."""
        found: list[os.DirEntry[str]] = []
        with self._blamed(folder), os.scandir(folder) as entries:
            for entry in entries:
                self._seen += 1
                if self._seen > MOST_NAMES:
                    raise FibError(
                        f"{self._pattern}: more than {MOST_NAMES} names lie on the way of this "
                        f"pattern (the last looked at: {folder}); give the folder of the slices, "
                        f"or a narrower pattern"
                    )
                if hidden or not entry.name.startswith("."):
                    found.append(entry)
        return sorted(found, key=lambda entry: entry.name)

    @contextmanager
    def _blamed(self, folder: Path) -> Iterator[None]:
        """Name a folder that cannot be looked into; one that is gone is passed over."""
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
    """Return a path as the disk spells it, where names differ only in their form of Unicode."""
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
