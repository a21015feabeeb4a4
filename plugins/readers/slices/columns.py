"""Interprets the numbers in names of one pattern: counters, decimals, positions in nm."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median

from fib_plugins.readers.slices.dates import Field, dates_at
from fib_plugins.readers.slices.names import Name, Number

_AXIS = re.compile(r"(?:^|[^a-z])(?:z|pos|position|depth|height)$")


@dataclass(frozen=True)
class Column:
    """One number of the pattern, over all names.

    Attributes:
        values: values, in nm if `in_nm`; whole numbers are exact.
        shown: numbers as written in the names.
        label: the text before the number, e.g. ``slice_00003_z=``.
        in_nm: whether each is followed by a unit of length.
        counts: whether they are whole numbers without a unit.
        dated: whether they are days of dates that differ in the month or the year.
        rounding: value of one unit of the last written digit, in the unit of `values`.
    """

    values: tuple[float, ...]
    shown: tuple[str, ...]
    label: str
    in_nm: bool = False
    counts: bool = False
    dated: bool = False
    rounding: float = 0.0

    @property
    def varies(self) -> bool:
        """Whether there are different values."""
        return len(set(self.values)) > 1

    @property
    def numbers_each(self) -> bool:
        """Whether all values are different."""
        return len(set(self.values)) == len(self.values)

    @property
    def evenness(self) -> float:
        """Share of the steps between sorted values that equal the usual step."""
        steps = [b - a for a, b in pairwise(sorted(set(self.values)))]
        return even_share(steps, self.rounding)


def even_share(steps: Sequence[float], rounding: float) -> float:
    """Return the share of steps that equal their median, within rounding; 1 for none."""
    if not steps:
        return 1.0
    usual = usual_step(steps)
    return sum(equal(step, usual, rounding) for step in steps) / len(steps)


def usual_step(steps: Sequence[float]) -> float:
    """Return the median of steps, which is one of them."""
    return sorted(steps)[(len(steps) - 1) // 2] if len(steps) % 2 == 0 else median(steps)


def equal(step: float, usual: float, rounding: float) -> bool:
    """Return whether two steps differ by no more than 5 % or the rounding."""
    if rounding == 0:
        return step == usual
    return abs(step - usual) <= min(max(1.01 * rounding, 0.05 * abs(usual)), abs(usual) / 3)


def columns_of(names: Sequence[Name]) -> tuple[list[Column], list[str]]:
    """Return the numbers that vary over names of one pattern, from left to right.

    Returns:
        The columns, and a sentence about each ambiguous one.
    """
    rows = [list(zip(name.texts, name.numbers, strict=False)) for name in names]
    fields = [list(field) for field in zip(*rows, strict=True)]
    columns: list[Column] = []
    remarks: list[str] = []
    fields = _with_fractions(fields)
    place = 0
    while place < len(fields):
        if (dates := dates_at(fields[place:])) is not None:
            label = fields[place][0][0]
            columns.append(Column(dates.days, dates.shown, label, counts=True, dated=True))
            remarks.append(dates.remark)
            place += dates.fields
        else:
            columns += _read(fields[place], place == 0, remarks)
            place += 1
    return [column for column in columns if column.varies], [r for r in remarks if r]


def _with_fractions(fields: list[Field]) -> list[Field]:
    """Join a number and the digits after a separator that can only be its decimals.

    ``05, 1, 15`` cannot be a padded counter, only fractions without trailing zeros.
    """
    joined: list[Field] = []
    for field in fields:
        before = field[0][0]
        separator = before[-1:] or ("-" if field[0][1].sign else "")
        if separator in (".", ",", "_", "-") and separator and _only_decimals(field):
            parts = [number for _, number in field]
            if len(before) <= 1 and joined and all(not n.point for _, n in joined[-1]):
                joined[-1] = [
                    (
                        text,
                        replace(n, point=".", part=p.whole, unit_nm=p.unit_nm, raw=n.raw + p.raw),
                    )
                    for (text, n), p in zip(joined[-1], parts, strict=True)
                ]
                continue
            if separator in ".,":
                field = [
                    (text, replace(n, whole="0", point=".", part=n.whole)) for text, n in field
                ]
        joined.append(field)
    return joined


def _only_decimals(field: Field) -> bool:
    digits = [number.whole for _, number in field]
    if any(number.point for _, number in field):
        return False
    padded = {len(text) for text in digits if text.startswith("0") and len(text) > 1}
    return bool(padded) and min(len(text) for text in digits) < max(padded)


def _read(field: Field, first: bool, remarks: list[str]) -> list[Column]:
    """Return the column of a field, or two columns if its points separate two numbers."""
    label = field[0][0]
    numbers = _without_thousands([number for _, number in field])
    signed = _signed(label, numbers, first, remarks)
    shown = tuple(number.raw if signed else number.raw.lstrip("-+−–") for number in numbers)  # noqa: RUF001
    in_nm = numbers[0].unit_nm is not None
    signs = [-1 if signed and number.sign == "-" else 1 for number in numbers]
    whole = tuple(sign * int(number.whole) for sign, number in zip(signs, numbers, strict=True))
    if not in_nm and not any(number.part or number.exponent for number in numbers):
        return [Column(whole, shown, label, counts=True)]
    values = tuple(
        round(sign * number.value * (number.unit_nm or 1.0), 9)
        for sign, number in zip(signs, numbers, strict=True)
    )
    rounding = max(
        float(f"1e-{len(number.part)}") * float(f"1{number.exponent}") * (number.unit_nm or 1.0)
        for number in numbers
    )
    decimal = Column(values, shown, label, in_nm, rounding=rounding)
    if in_nm or signed or any(number.exponent or not number.part for number in numbers):
        return [decimal]
    parts = tuple(int(number.part) for number in numbers)
    pair = [
        Column(whole, shown, label, counts=True),
        Column(parts, shown, label, counts=True),
    ]
    return _decimal_or_pair(decimal, pair, remarks)


def _decimal_or_pair(decimal: Column, pair: list[Column], remarks: list[str]) -> list[Column]:
    """Decide whether points are decimal points or separate two numbers (``row.column``)."""
    both = list(zip(pair[0].values, pair[1].values, strict=True))
    if len(set(decimal.values)) < len(set(both)):  # 1.1 and 1.10
        return pair
    wholes, parts = set(pair[0].values), set(pair[1].values)
    grid = len(wholes) > 1 and len(parts) > 1 and len(set(both)) == len(wholes) * len(parts)
    even = decimal.evenness == 1.0
    if _order(decimal.values) == _order(both):
        return pair if grid and not even else [decimal]
    pair_even = all(
        even_share([b - a for a, b in pairwise(sorted(p for w, p in both if w == whole))], 0) == 1.0
        for whole in wholes
    )
    if even and not (pair_even and len(wholes) == 1):
        return [decimal]
    taken, other = ("two numbers", "decimals") if pair_even else ("decimals", "two numbers")
    remarks.append(
        f"the numbers {_some(decimal.shown)} in the names can be decimals or two numbers with a "
        f"point between; they are read as {taken}; as {other} the order would be different"
    )
    return pair if pair_even else [decimal]


def _without_thousands(numbers: list[Number]) -> list[Number]:
    """Return numbers without the commas of ``1,000``, unless these are decimal commas.

    They are not decimal commas if there are also numbers of three digits, or if they would give
    decimals of a nm.
    """
    marked = [number for number in numbers if number.part]
    grouped = all(
        number.point == "," and len(number.part) == 3 and not number.whole.startswith("0")
        for number in marked
    )
    fine = numbers[0].unit_nm is not None and numbers[0].unit_nm <= 1
    beside = [number for number in numbers if not number.part and int(number.whole) > 99]
    if not marked or not grouped or not (fine or beside):
        return numbers
    return [replace(n, whole=n.whole + n.part, point="", part="") for n in numbers]


def _signed(label: str, numbers: Sequence[Number], first: bool, remarks: list[str]) -> bool:
    """Return whether a dash before the numbers is a sign, not a separator."""
    signs = {number.sign for number in numbers}
    if "-" not in signs:
        return False
    separates = label[-1].isalnum() if label else not first
    if len(signs) == 1 and separates:
        position = _AXIS.search(label) is not None or any(
            number.unit_nm is not None or number.part or number.exponent for number in numbers
        )
        if position and len({number.raw for number in numbers}) > 1:
            remarks.append(
                f"the dash in {_some([number.raw for number in numbers])} is read as a separator, "
                f"not as a sign"
            )
        return False
    if all(number.sign == "-" or number.value == 0 for number in numbers):
        remarks.append(
            f"the names have negative numbers ({_some([number.raw for number in numbers])}); the "
            f"lowest is the first slice: rename the files if the stack begins at the other end"
        )
    return True


def _order(values: Sequence[object]) -> list[int]:
    key: Callable[[int], object] = values.__getitem__
    return sorted(range(len(values)), key=key)  # type: ignore[arg-type]


def _some(shown: Sequence[str]) -> str:
    different = list(dict.fromkeys(shown))
    return ", ".join(different[:3]) + (", ..." if len(different) > 3 else "")
