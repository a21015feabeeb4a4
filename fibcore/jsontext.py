"""Reads JSON from untrusted sources with limits, and reports what is not valid.

Python's own reader accepts NaN, numbers that overflow, duplicate keys (the last one is used) and
lone surrogates, which cannot be written again; deep nesting raises a RecursionError.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

from fibcore.errors import FibError
from fibcore.files import read_whole
from fibcore.text import shown

LARGEST_BYTES = 64 * 2**20
"""Largest size of a JSON file; records of runs with thousands of steps are smaller."""
DEEPEST = 50
"""Most levels of nested lists and objects; pipelines and records have about ten."""
LARGEST_INTEGER = 2**63 - 1

_UNFIT = re.compile("[\x00\ud800-\udfff]")


class JsonError(ValueError):
    """Text that is not JSON, or that fib cannot store; line and column count from 1, if known."""

    def __init__(self, message: str, line: int | None = None, column: int | None = None) -> None:
        self.line, self.column = line, column
        super().__init__(message)


class SyntaxFault(JsonError):
    """Text that is not valid JSON."""


def parse_json(text: str, *, unique: bool = True, writable: bool = True) -> Any:
    """Parse a JSON text and return its value.

    Args:
        text: the text.
        unique: whether duplicate keys are an error.
        writable: whether text that cannot be written (lone surrogates, NUL) is an error.

    Raises:
        JsonError: the text is not valid.
    """
    try:
        value = json.loads(
            text,
            parse_constant=_no_number,
            parse_float=_float,
            parse_int=_integer,
            object_pairs_hook=_unique if unique else None,
        )
    except json.JSONDecodeError as error:
        raise SyntaxFault(f"not valid JSON: {error.msg}", error.lineno, error.colno) from None
    except RecursionError:
        raise JsonError(_TOO_DEEP) from None
    _check(value, writable)
    return value


def read_json(path: Path) -> Any:
    """Return the value in a JSON file; raises the errors of `read_text_and_json`."""
    return read_text_and_json(path)[1]


def read_text_and_json(path: Path, *, writable: bool = True) -> tuple[str, Any]:
    """Return the text of a JSON file and the value in it; see `parse_json`.

    Raises:
        FibError: it is not a file, too large, not UTF-8 or not such JSON; the message names it.
        OSError: it cannot be read.
    """
    content = read_whole(path, LARGEST_BYTES)
    try:
        text = decoded(content)
        return text, parse_json(text, writable=writable)
    except JsonError as error:
        where = "" if error.line is None else f" (line {error.line}, column {error.column})"
        raise FibError(f"{shown(path)}: {error}{where}") from None


def check_text(text: str) -> None:
    """Reject text that cannot be written: lone surrogates and NUL.

    Raises:
        JsonError: names the first one.
    """
    if found := _UNFIT.search(text):
        raise JsonError(
            f'the text "{shown(text, 60)}" contains {shown(found.group())}, which is not a valid '
            f"character and cannot be written: remove it"
        )


def decoded(content: bytes) -> str:
    """Return the bytes of a JSON file as text, without a byte-order mark of UTF-8.

    Raises:
        JsonError: it is not UTF-8 text; the message names what it seems to be.
    """
    if content.startswith((b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")):
        raise JsonError("it is not UTF-8 text but UTF-16 or UTF-32; save it as UTF-8")
    if b"\x00" in content:
        raise JsonError("it contains NUL bytes: it is damaged, or not a text file")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise JsonError(f"it is not UTF-8 text (byte {error.start}); save it as UTF-8") from None


_TOO_DEEP = f"not valid JSON: lists and objects are nested more than {DEEPEST} deep"


def _check(value: Any, writable: bool) -> None:
    """Reject deep nesting and, if `writable`, lone surrogates and NUL."""
    level, depth = [value], 0
    while level:
        if depth > DEEPEST:
            raise JsonError(_TOO_DEEP)
        inner: list[Any] = []
        for item in level:
            if isinstance(item, str):
                if writable:
                    check_text(item)
            elif isinstance(item, dict):
                inner += [*item, *item.values()]
            elif isinstance(item, list):
                inner += item
        level, depth = inner, depth + 1


def _no_number(name: str) -> Any:
    raise SyntaxFault(f"not valid JSON: {name} is not a number in JSON")


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise JsonError(f"{shown(text, 40)} is beyond the range of numbers (1.8e308)")
    return value


def _integer(text: str) -> int:
    if len(text) > 20 or abs(int(text)) > LARGEST_INTEGER:
        raise JsonError(
            f"{shown(text, 40)} is beyond the range of whole numbers (64 bits); write large "
            f"numbers with an exponent, as 1e20"
        )
    return int(text)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise JsonError(f"duplicate key {shown(key, 60)!r} in one object; keep one")
            seen.add(key)
    return found
