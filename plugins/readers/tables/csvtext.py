"""Reads CSV text with the separators, decimal signs and encodings used by spreadsheets."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fibcore.errors import FibError, listed
from fibcore.files import read_whole
from fibcore.text import shown

LARGEST_BYTES = 64 * 2**20
"""Largest size of a table file; tables of all results of a study are smaller."""

_SEPARATORS = (",", ";", "\t")
_WORDS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_COMMA_NUMBER = re.compile(r"[-+]?\d*,\d+(?:[eE][-+]?\d+)?")
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_MARKS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


@dataclass(frozen=True)
class CsvText:
    """Cells of a table as text, without surrounding blanks.

    Attributes:
        names: names of the columns.
        rows: rows with one cell for each column.
        lines: line number of each row in the file, from 1.
    """

    names: list[str]
    rows: list[list[str]]
    lines: list[int]


def read_csv(path: Path) -> CsvText:
    """Read a table whose first line names the columns.

    Columns are separated by commas, semicolons or tabs; with the latter two, numbers may have
    decimal commas. Encodings: UTF-8, with or without a byte-order mark, and UTF-16 with one.

    Raises:
        FibError: it is not such a text, has no rows, has columns without a name or with the same
            name, or rows of another length.
        OSError: it cannot be read.
    """
    text = _decoded(path, read_whole(path, LARGEST_BYTES))
    separator, text, skipped = _separator(text)
    if text.count('"') % 2:
        raise FibError(f"cannot read the table {shown(path)}: its quotation marks are not paired")
    try:
        reader = csv.reader(io.StringIO(text), delimiter=separator, skipinitialspace=True)
        found = [
            (reader.line_num + skipped, [cell.strip() for cell in row]) for row in reader if row
        ]
    except csv.Error as error:
        raise FibError(f"cannot read the table {shown(path)}: {error}") from error
    wide = len(found[0][1]) > 1 if found else False
    found = [(line, row) for line, row in found if any(row) or not wide]  # empty rows
    if not found:
        raise FibError(f"the table {shown(path)} is empty; its first line must name the columns")
    names, rows = found[0][1], [row for _, row in found[1:]]
    if not names[-1] and len(names) > 1 and not any(row[-1] for row in rows if row):
        names = names[:-1]  # a separator at the end of each line
        rows = [row[:-1] if len(row) == len(names) + 1 else row for row in rows]
    lines = [line for line, _ in found[1:]]
    _check_names(path, names)
    for line, row in zip(lines, rows, strict=True):
        if len(row) != len(names):
            raise FibError(
                f"{shown(path)}, line {line}: {len(row)} cells, but {len(names)} columns are named"
                f"{_decimal_commas(separator, row)}"
            )
    if _by_blanks(names, rows):
        raise FibError(
            f"{shown(path)}: its columns are separated by blanks; separate them by commas"
        )
    if separator != "," and rows:
        rows = _with_points(path, names, rows)
    return CsvText(names, rows, lines)


def _decoded(path: Path, content: bytes) -> str:
    encoding = _MARKS.get(content[:2], "utf-8-sig")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise FibError(
            f"cannot read the table {shown(path)}: it is not UTF-8 text (byte {error.start}); save "
            f"it as CSV UTF-8"
        ) from None
    if "\0" in text:
        raise FibError(
            f"cannot read the table {shown(path)}: it contains NUL characters and is not text; "
            f"save it as CSV UTF-8"
        )
    return text.lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def _separator(text: str) -> tuple[str, str, int]:
    """Return the separator, the text of the table, and the number of lines left out before it.

    The separator is the one that gives most names in the first line and as many cells in the
    second. Excel may name it in an extra line, ``sep=;``.
    """
    if (named := re.match(r"sep=(.)\n", text, re.IGNORECASE)) is not None:
        return named[1], text[named.end() :], 1
    head = io.StringIO("\n".join(text.split("\n", 20)[:20]))
    counts = {}
    for separator in _SEPARATORS:
        head.seek(0)
        try:
            rows = [row for row in csv.reader(head, delimiter=separator) if row][:2]
        except csv.Error:
            continue
        widths = [len(row) for row in rows] or [0]
        counts[separator] = (widths[0] == widths[-1], widths[0])
    fitting = [s for s, (fits, width) in counts.items() if fits and width > 1]
    best = max(fitting or counts, key=lambda s: (counts[s][1], s != ","), default=",")
    return best, text, 0


def _check_names(path: Path, names: Sequence[str]) -> None:
    """Reject columns with the same name, and a first line without names."""
    empty = [str(i) for i, name in enumerate(names, start=1) if not name]
    if empty:
        raise FibError(
            f"{shown(path)}: column {listed(empty)} has no name; the first line must name them all"
        )
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise FibError(
            f"{shown(path)}: several columns are named {listed(shown(n, 60) for n in twice)}; give "
            f"each a name of its own"
        )
    if all(_NUMBER.fullmatch(name) or _COMMA_NUMBER.fullmatch(name) for name in names):
        raise FibError(
            f"{shown(path)}: its first line has numbers ({listed(names, 4)}), not names; it must "
            f"name the columns, with their units, e.g. energy_kev"
        )


def _by_blanks(names: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Return whether a table of one column has several columns separated by blanks."""
    if len(names) > 1 or not rows or " " not in names[0]:
        return False
    cells = [row[0].split() for row in rows]
    return all(len(c) > 1 and all(_NUMBER.fullmatch(part) for part in c) for c in cells)


def _decimal_commas(separator: str, row: Sequence[str]) -> str:
    if separator == "," and len(row) > 1 and all(re.fullmatch(r"[-+]?\d+", cell) for cell in row):
        return "; if these are decimal commas, write points, or separate the columns by semicolons"
    return f" (separated by {_WORDS.get(separator, repr(separator))})"


def _with_points(path: Path, names: Sequence[str], rows: list[list[str]]) -> list[list[str]]:
    """Return rows whose numbers have decimal points, column by column."""
    columns = [list(column) for column in zip(*rows, strict=True)]
    numbers = [
        (name, column)
        for name, column in zip(names, columns, strict=True)
        if all(_NUMBER.fullmatch(cell) or _COMMA_NUMBER.fullmatch(cell) for cell in column if cell)
    ]
    of = {
        mark: next(((c, name) for name, column in numbers for c in column if mark in c), None)
        for mark in ",."
    }
    if of[","] is not None and of["."] is not None:
        (comma, name), (point, other) = of[","], of["."]
        where = f"column {shown(name, 60)}" + (f" and {shown(other, 60)}" if other != name else "")
        raise FibError(
            f"{shown(path)}, {where}: {comma} has a decimal comma and {point} a point; write all "
            f"numbers alike"
        )
    for _, column in numbers:
        column[:] = [cell.replace(",", ".") for cell in column]
    return [list(row) for row in zip(*columns, strict=True)]
