"""The order of slices by their names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from math import prod
from pathlib import Path
from typing import Any

from fib_plugins.readers.slices import steps
from fib_plugins.readers.slices.columns import Column, columns_of
from fib_plugins.readers.slices.dates import past_midnight
from fib_plugins.readers.slices.names import Name, by_pattern, leading, parse_label

ENOUGH = 0.75
"""Smallest share of equal steps for numbers to be those of the slices."""


@dataclass(frozen=True)
class Order:
    """Files in the order of the stack.

    Attributes:
        files: the files.
        thickness_nm: distance of slices by the positions in the names; None if there are none.
        remarks: remarks on ambiguous, uneven or missing numbers.
        positions_nm: increasing distances from the first slice, by the names; empty if there are
            none.
    """

    files: tuple[Path, ...]
    thickness_nm: float | None = None
    remarks: tuple[str, ...] = ()
    positions_nm: tuple[float, ...] = ()


def same_numbers(names: Sequence[Name]) -> list[list[Name]]:
    """Return the groups of names of one pattern with the same numbers."""
    columns, _ = columns_of(names)
    groups: dict[object, list[Name]] = {}
    for i, name in enumerate(names):
        groups.setdefault(tuple(column.values[i] for column in columns), []).append(name)
    return [group for group in groups.values() if len(group) > 1]


def independent(names: Sequence[Name]) -> list[Column]:
    """Return the numbers of which all combinations exist: images beside each other.

    Examples are rows and columns of tiles, or channels of each slice. Such files are several
    stacks. The result is empty if the names number one stack.
    """
    columns, _ = columns_of(names)
    if any(column.numbers_each for column in columns):
        return []
    return _combined(columns, len(names))


def _combined(columns: Sequence[Column], count: int) -> list[Column]:
    """Return the columns whose values have `count` combinations."""
    free: list[Column] = []
    for column in columns:
        if not any(_follows(column, other) for other in free):
            free.append(column)
    sizes = [len(set(column.values)) for column in free]
    return free if len(free) > 1 and prod(sizes) == count else []


def numbered_in_front(names: Sequence[Name]) -> list[Name] | None:
    """Return names cut off after their first number, if all begin alike and it numbers them."""
    cut = [short for name in names if (short := leading(name)) is not None]
    if len(cut) < len(names) or len(by_pattern(cut)) > 1 or same_numbers(cut):
        return None
    return cut


def put_in_order(names: Sequence[Name]) -> Order:
    """Order names of one pattern by the numbers in them; see `same_numbers`, `independent`.

    A number that differs in all names and has even steps is used first, a whole number before a
    position; otherwise all numbers are used, from left to right.
    """
    columns, remarks = columns_of(names)
    if not columns:
        return Order(tuple(name.path for name in names))
    lead, all_of_them = _lead(columns), _from_left_to_right(columns)
    if lead is not None and all_of_them != _order(lead.values):
        if _is_counter(lead):
            remarks.append(
                f"the numbers in the names give different orders of the slices: {_some(lead)} is "
                f"used, because it has even steps, and not all numbers from left to right"
            )
        else:
            lead = None  # such as hours and minutes: the minute alone wraps around
    order = all_of_them if lead is None else _order(lead.values)
    if lead is None and len(columns) > 1:
        remarks.append(_of_several(columns))
    files = tuple(names[i].path for i in order)
    columns = [_reordered(column, order) for column in columns]
    if lead is not None:
        remarks += _disagreements(_reordered(lead, order), columns, files)
        if len(tiles := _combined([c for c in columns if not c.numbers_each], len(names))) > 1:
            remarks.append(
                f"the names number the files consecutively, but have all combinations of "
                f"{_range(tiles[0])} and {_range(tiles[1])}: tiles or channels are not slices of "
                f"one stack"
            )
    shown = [file.name for file in files]
    position = _position(columns, lead)
    remarks += _gaps([column for column in columns if column is not position], shown)
    if len(columns) == 1:
        remarks.append(past_midnight(columns[0].shown))
    thickness = None
    distances: tuple[float, ...] = ()
    if position is not None:
        sentence, thickness = steps.positions(position, shown)
        remarks.append(sentence)
        distances = steps.distances(position)
    unique = tuple(dict.fromkeys(remark for remark in remarks if remark))
    return Order(files, thickness, unique, distances)


def of_labels(labels: Sequence[str], suffixes: Sequence[str]) -> Order:
    """Return the order of slices within one file by their names; the slices are not reordered.

    Args:
        labels: names of the original images stored in a stack, or any other text.
        suffixes: suffixes of its format.
    """
    names = [parse_label(label.partition("\n")[0], suffixes) for label in labels]
    given = tuple(name.path for name in names)
    if len(names) < 2 or len(by_pattern(names)) > 1 or same_numbers(names) or independent(names):
        return Order(given)
    found = put_in_order(names)
    if found.files == given:
        return found
    i = next(i for i, (a, b) in enumerate(zip(given, found.files, strict=True)) if a != b)
    return Order(
        given,
        remarks=(
            f"the planes of the file are not in the order of their names in the file: "
            f"plane {i + 1} is {given[i]}, by the names it would be {found.files[i]}; the order of "
            f"the planes is used: check how the stack was made",
        ),
    )


def _lead(columns: Sequence[Column]) -> Column | None:
    """Return the number that alone orders the names; None if all numbers are needed."""
    unique = [column for column in columns if column.numbers_each]
    even = [column for column in unique if column.evenness >= ENOUGH]
    if even:
        return max(even, key=lambda column: (column.counts, round(column.evenness, 1)))
    if len(columns) == 1:
        return columns[0]
    placed = [column for column in unique if column.in_nm]
    return placed[0] if placed and not any(column.counts for column in unique) else None


def _from_left_to_right(columns: Sequence[Column]) -> list[int]:
    """Return the order by all whole numbers, or by all numbers if these are not sufficient."""
    for chosen in ([column for column in columns if column.counts], columns):
        keys = list(zip(*(column.values for column in chosen), strict=True))
        if len(set(keys)) == len(columns[0].values):
            break
    return _order(keys)


def _order(values: Sequence[Any]) -> list[int]:
    return sorted(range(len(values)), key=values.__getitem__)


def _is_counter(column: Column) -> bool:
    """Return whether a number counts slices by itself: with even steps, or padded with zeros."""
    digits = [text.lstrip("+-") for text in column.shown]
    padded = len(set(map(len, digits))) == 1 and len(digits[0]) > 2
    return column.evenness == 1.0 or (padded and any(text.startswith("0") for text in digits))


def _position(columns: Sequence[Column], lead: Column | None) -> Column | None:
    """Return the positions along z, if the names contain them."""
    placed = [c for c in columns if not c.counts and not _labelled(c, "x", "y")]
    beside = [c for c in columns if c.counts and lead is not None and c.label != lead.label]
    axis = ("z", "pos", "position", "depth", "height")
    candidates = (
        [c for c in placed if _labelled(c, *axis)]
        or [c for c in placed if c.in_nm]
        or [c for c in beside if _labelled(c, *axis)]
        or [c for c in placed if lead is not None and c.label == lead.label]
    )
    return candidates[0] if len(candidates) == 1 else None


def _labelled(column: Column, *words: str) -> bool:
    return column.label.rstrip("=_- (:").endswith(words)


def _disagreements(lead: Column, columns: Sequence[Column], files: Sequence[Path]) -> list[str]:
    """Return sentences about other numbers that would order the files differently."""
    return [
        f"two numbers in the names order the slices differently: {lead.shown[0]}, "
        f"{lead.shown[1]}, ... is used ({files[0].name} is the first slice), not "
        f"{other.shown[0]}, {other.shown[1]}, ..."
        for other in columns
        if other.counts
        and other.numbers_each
        and other.evenness == 1.0
        and list(other.values) != sorted(other.values)
    ]


def _of_several(columns: Sequence[Column]) -> str:
    first, *_, last = columns
    return (
        f"no single number in the names is that of the slice: they are in the order of "
        f"{_some(first)} and, if these are equal, of the next numbers, to {_some(last)}"
    )


def _gaps(columns: Sequence[Column], shown: Sequence[str]) -> list[str]:
    """Return the gaps of each whole number, between changes of the numbers to its left."""
    found = []
    for place, column in enumerate(columns):
        if not column.counts or column.dated:
            continue
        if list(column.values) == sorted(column.values):
            found.append(steps.gaps(column, shown))
            continue
        left = [tuple(c.values[i] for c in columns[:place]) for i in range(len(shown))]
        for _, run in groupby(range(len(shown)), key=left.__getitem__):
            part = list(run)
            found.append(steps.gaps(_reordered(column, part), [shown[i] for i in part]))
    return found


def _follows(column: Column, other: Column) -> bool:
    """Return whether one number is determined by another."""
    pairs = set(zip(other.values, column.values, strict=True))
    return len(pairs) == len(set(other.values))


def _range(column: Column) -> str:
    return f"{column.shown[0]} ... {column.shown[-1]}"


def _some(column: Column) -> str:
    return f"{column.shown[0]}, {_other(column)}, ..."


def _other(column: Column) -> str:
    return next(text for text in column.shown if text != column.shown[0])


def _reordered(column: Column, order: Sequence[int]) -> Column:
    return replace(
        column,
        values=tuple(column.values[i] for i in order),
        shown=tuple(column.shown[i] for i in order),
    )
