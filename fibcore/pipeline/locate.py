"""Where things stand in a JSON text, so that a message can name the line."""

from __future__ import annotations

import json
import pathlib
import re
from typing import Any

from fibcore.errors import Problem, did_you_mean

Path = tuple[str | int, ...]

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+')


class LocatedJson:
    """A JSON document and the line and column of each of its values.

    Attributes:
        data: the parsed document; None if the text is not JSON.
        problems: syntax errors and keys that stand twice in one object.
        origins: place -> where its value comes from, of values that are not from this text.
    """

    def __init__(self, text: str) -> None:
        self.problems: list[Problem] = []
        self.data: Any = None
        self.origins: dict[Path, str] = {}
        self._starts: dict[Path, int] = {}
        self._text = text
        try:
            self.data = json.loads(text, parse_constant=_refuse_constant)
        except json.JSONDecodeError as error:
            message = f"not valid JSON: {error.msg}"
            self.problems.append(Problem("file", message, error.lineno, error.colno))
            return
        except (ValueError, RecursionError) as error:
            self.problems.append(Problem("file", f"not valid JSON: {error}"))
            return
        self._walk()

    def line_column(self, path: Path) -> tuple[int, int] | None:
        """Return line and column, from 1, of the value at `path` or the nearest one around it."""
        while path not in self._starts:
            if not path:
                return None
            path = path[:-1]
        start = self._starts[path]
        line = self._text.count("\n", 0, start) + 1
        return line, start - self._text.rfind("\n", 0, start)

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
                    if key in seen:
                        message = f"{key!r} stands twice in the same object; keep one"
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
    """Return the JSON object in a file; what is wrong with the file is among its problems.

    Args:
        path: the file.
        wanted: message for JSON that is no object.
    """
    try:
        document = LocatedJson(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        near = ""
        if isinstance(error, FileNotFoundError) and path.parent.is_dir():
            near = did_you_mean(path.name, [p.name for p in path.parent.glob("*.json")])
        document = LocatedJson("{}")
        document.problems.append(Problem("file", f"cannot read it: {reason}.{near}"))
    if not document.problems and not isinstance(document.data, dict):
        document.problems.append(Problem("file", wanted, 1, 1))
    return document


def place_of(path: Path) -> str:
    """Return a path as text, e.g. ``steps[2].params.epochs``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text or "file"


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number in JSON")
