"""JSON with the position of each value, so that messages can name the line."""

from __future__ import annotations

import json
import pathlib
import re
from bisect import bisect_right
from itertools import accumulate
from typing import Any

from fibcore.errors import MOST_PROBLEMS, FibError, Problem, did_you_mean
from fibcore.files import read_whole
from fibcore.jsontext import JsonError, decoded, parse_json
from fibcore.text import shown

Path = tuple[str | int, ...]

LARGEST_BYTES = 2**20
"""Largest size of a file; a pipeline of a hundred steps has 50 kB."""

LONGEST_NAME = 100
"""Number of characters shown of a key."""

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+')


class LocatedJson:
    """A JSON document and the line and column of each of its values.

    Attributes:
        data: the parsed document; None if the text is not JSON.
        problems: syntax errors and duplicate keys.
        origins: place -> origin, for values that are not from this text.
    """

    def __init__(self, text: str) -> None:
        self.problems: list[Problem] = []
        self.data: Any = None
        self.origins: dict[Path, str] = {}
        self._starts: dict[Path, int] = {}
        self._text = text
        lengths = [len(line) + 1 for line in text.split("\n")]
        self._lines = [0, *accumulate(lengths)][:-1]
        try:
            self.data = parse_json(text, unique=False)
        except JsonError as error:
            self.problems.append(Problem("file", str(error), error.line, error.column))
            return
        self._walk()

    def line_column(self, path: Path) -> tuple[int, int] | None:
        """Return line and column, from 1, of the value at `path` or of the nearest around it."""
        while path not in self._starts:
            if not path:
                return None
            path = path[:-1]
        start = self._starts[path]
        line = bisect_right(self._lines, start)
        return line, start - self._lines[line - 1] + 1

    def problem(self, path: Path, message: str) -> Problem:
        """Return a problem at `path`, with its place in the file or the origin of its value."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.origins:
                return Problem(f"{place_of(path)} ({self.origins[path[:length]]})", message)
        where = self.line_column(path)
        line, column = where if where is not None else (None, None)
        return Problem(place_of(path), message, line, column)

    def _walk(self) -> None:
        tokens = list(_TOKEN.finditer(self._text))
        position = 0

        def value(path: Path) -> None:
            nonlocal position
            token = tokens[position]
            if path not in self._starts:
                self._starts[path] = token.start()
            position += 1
            if token.group() == "{":
                seen = set()
                while tokens[position].group() != "}":
                    key_token = tokens[position]
                    key = json.loads(key_token.group())
                    inner = (*path, key)
                    self._starts[inner] = key_token.start()
                    if key in seen and len(self.problems) < MOST_PROBLEMS:
                        message = f"duplicate key {shown(key, 60)!r} in one object; keep one"
                        self.problems.append(self.problem(inner, message))
                    seen.add(key)
                    position += 2
                    value(inner)
                    position += tokens[position].group() == ","
                position += 1
            elif token.group() == "[":
                index = 0
                while tokens[position].group() != "]":
                    value((*path, index))
                    index += 1
                    position += tokens[position].group() == ","
                position += 1

        value(())


def read_object(path: pathlib.Path, wanted: str) -> LocatedJson:
    """Read a file that holds a JSON object; problems with the file are added to its `problems`.

    Args:
        path: the file.
        wanted: message for JSON that is not an object.
    """
    document = LocatedJson("{}")
    try:
        document = LocatedJson(decoded(read_whole(path, LARGEST_BYTES)))
    except (OSError, FibError, JsonError) as error:
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
        near = ""
        if isinstance(error, FileNotFoundError) and path.parent.is_dir():
            near = did_you_mean(path.name, [p.name for p in path.parent.glob("*.json")])
        document.problems.append(Problem("file", f"cannot read it: {reason}.{near}"))
    if not document.problems and not isinstance(document.data, dict):
        document.problems.append(Problem("file", wanted, 1, 1))
    return document


def place_of(path: Path) -> str:
    """Return a path as text, e.g. ``steps[2].params.epochs``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + shown(part, LONGEST_NAME)
    return text or "file"
