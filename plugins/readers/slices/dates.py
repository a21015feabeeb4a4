"""Dates in the names of slices: order of day and month, months as words, turn of the year."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

from fib_plugins.readers.slices.names import Number

Field = list[tuple[str, Number]]
"""(text before the number, the number) for each name."""

_SEPARATORS = ("", "-", "_", ".", " ", "/", ", ")
_YEARS = range(1950, 2100)
_LEAP_YEAR, _NEXT_YEAR = 1904, 1908
"""Years assigned to dates without a year, before and after a turn of the year."""

_PAUSE_S = 6 * 3600
"""Times of day with a longer pause between them belong to one night."""


@dataclass(frozen=True)
class Dates:
    """One date in each name.

    Attributes:
        days: day numbers.
        shown: dates as written in the names.
        fields: number of fields of each date.
        remark: how ambiguous dates are read; else empty.
    """

    days: tuple[int, ...]
    shown: tuple[str, ...]
    fields: int
    remark: str = ""


def dates_at(fields: Sequence[Field]) -> Dates | None:
    """Return the dates formed by the first two or three numbers of the names, if any.

    A year has four digits; without a year, the month must be a word. Dates that differ only in the
    day are not handled here, since they can be read as numbers.
    """
    for count in (3, 2):
        window = fields[:count]
        if len(window) < count or not _beside_each_other(window):
            continue
        rows = [[number for _, number in row] for row in zip(*window, strict=True)]
        read = [(order, days) for order in _orders(rows[0]) if (days := _days(rows, order))]
        if not read or len({date.fromordinal(day).replace(day=1) for day in read[0][1]}) == 1:
            continue
        shown = tuple(
            "".join((text if i else "") + number.raw for i, (text, number) in enumerate(row))
            for row in zip(*window, strict=True)
        )
        return Dates(read[0][1], shown, count, _remark(shown[0], read))
    return None


def past_midnight(shown: Sequence[str]) -> str:
    """Return a sentence about times of day that seem to pass midnight; else an empty text.

    Args:
        shown: the number that orders the slices, in that order.
    """
    if not all(len(text) == 6 and text.isdecimal() for text in shown):
        return ""
    clock = [(int(text[:2]), int(text[2:4]), int(text[4:])) for text in shown]
    if any(h > 23 or m > 59 or s > 59 for h, m, s in clock):
        return ""
    seconds = [3600 * h + 60 * m + s for h, m, s in clock]
    pauses = [i for i, (a, b) in enumerate(pairwise(seconds), start=1) if b - a > _PAUSE_S]
    if len(pauses) != 1 or seconds[0] + 86400 - seconds[-1] > _PAUSE_S:
        return ""
    return (
        f"the numbers in the names can be times of day: {shown[0]} is the first slice, but if "
        f"the night started with {shown[pauses[0]]}, the order is wrong: rename the files"
    )


def _beside_each_other(window: Sequence[Field]) -> bool:
    """Return whether fields are whole numbers with the same single separators between."""
    plain = all(
        number.unit_nm is None and not number.part and not number.exponent
        for field in window
        for _, number in field
    )
    between = [{text + number.sign for text, number in field} for field in window[1:]]
    return plain and all(len(texts) == 1 and texts < {*_SEPARATORS} for texts in between)


def _orders(row: Sequence[Number]) -> Iterator[str]:
    """Yield the possible orders of year, month and day, the most likely first."""
    months = [number.is_month for number in row]
    years = [len(number.whole) == 4 and int(number.whole) in _YEARS for number in row]
    if len(row) == 3 and sum(years) == 1 and sum(months) <= 1:
        for order in ("ymd", "dmy", "mdy"):
            if years[order.index("y")] and (months[order.index("m")] or not any(months)):
                yield order
    elif len(row) == 2 and sum(months) == 1:
        other = "y" if any(years) else "d"
        yield f"m{other}" if months[0] else f"{other}m"


def _days(rows: Sequence[Sequence[Number]], order: str) -> tuple[int, ...]:
    """Return the day numbers of dates written in an order; empty if one is not a valid date."""
    months = {int(row[order.index("m")].whole) for row in rows}
    new_year = "y" not in order and {12, 1} <= months and 6 not in months
    days = []
    for row in rows:
        part = {what: int(number.whole) for what, number in zip(order, row, strict=True)}
        year = part.get("y", _NEXT_YEAR if new_year and part["m"] < 6 else _LEAP_YEAR)
        try:
            days.append(date(year, part["m"], part.get("d", 1)).toordinal())
        except (ValueError, OverflowError):
            return ()
    return tuple(days)


def _remark(first: str, read: Sequence[tuple[str, tuple[int, ...]]]) -> str:
    days = read[0][1]
    if any(_ranks(other) != _ranks(days) for _, other in read[1:]):
        return (
            f"the dates in the names ({first}, ...) can begin with the day or the month: they are "
            f"read with the day first; otherwise the order would be different"
        )
    if {_LEAP_YEAR, _NEXT_YEAR} == {date.fromordinal(day).year for day in (min(days), max(days))}:
        return (
            f"the dates in the names ({first}, ...) have no year: December is assumed to be before "
            f"January"
        )
    return ""


def _ranks(values: Sequence[int]) -> list[int]:
    return sorted(range(len(values)), key=values.__getitem__)
