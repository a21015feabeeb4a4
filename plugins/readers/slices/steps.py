"""Gaps in the numbering of slices, and uneven steps of the positions in their names."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from fib_plugins.readers.slices.columns import Column, equal, usual_step

FEWEST = 4
"""Numberings of fewer slices are not checked, since they have no usual step."""


def gaps(column: Column, shown: Sequence[str]) -> str:
    """Return a sentence about the gaps in an increasing column; empty if there are none.

    Args:
        column: whole numbers, in the order of the slices; repeated numbers are counted once.
        shown: names of the slices.
    """
    places = [i for i, (a, b) in enumerate(pairwise(column.values)) if a != b]
    steps = [column.values[i + 1] - column.values[i] for i in places]
    if len(steps) < FEWEST - 1 or min(steps) < 1:
        return ""
    step = min(steps)
    wide = [i for i, s in zip(places, steps, strict=True) if s >= 1.5 * step]
    if not wide or 4 * sum(s > step for s in steps) > len(steps):
        return ""
    i = wide[0]
    return (
        f"the numbering of the slices has {len(wide)} gap{'s' if len(wide) > 1 else ''}, the first "
        f"between {shown[i]} and {shown[i + 1]}: slices may be missing; they are read as "
        f"adjacent slices"
    )


def positions(column: Column, shown: Sequence[str]) -> tuple[str, float | None]:
    """Return a sentence about uneven or backward steps, and the usual step.

    Args:
        column: positions, in the order of the slices.
        shown: names of the slices.

    Returns:
        The sentence, empty if all steps are equal and forward; and the thickness of a slice in nm,
        None if the names contain no unit.
    """
    steps = [b - a for a, b in pairwise(column.values)]
    usual = usual_step(steps)
    odd = [i for i, step in enumerate(steps) if not equal(step, usual, column.rounding)]
    mean = (column.values[-1] - column.values[0]) / len(steps)
    thickness = abs(usual if odd else mean)
    sentence = ""
    if 2 * len(odd) > len(steps):
        sentence = (
            f"the positions in the names have uneven steps, from {_sized(min(steps), column)} to "
            f"{_sized(max(steps), column)}, with the median {_sized(usual, column)}: slices may be "
            f"missing or out of order; they are read as evenly spaced"
        )
    elif odd:
        places = [f"{_sized(steps[i], column)} from {shown[i]} to {shown[i + 1]}" for i in odd]
        sentence = (
            f"the steps of the positions in the names are mostly {_sized(usual, column)}, but "
            f"{_listed(places)}: slices may be missing, repeated or out of order; they are read as "
            f"evenly spaced"
        )
    elif usual < 0:
        sentence = (
            f"the positions in the names decrease by {_sized(-usual, column)} per slice, while the "
            f"numbers increase; {shown[0]} is the first slice"
        )
    return sentence, float(f"{thickness:.6g}") if column.in_nm and thickness > 0 else None


def distances(column: Column) -> tuple[float, ...]:
    """Return increasing distances from the first slice in nm; () if there is no unit, or no order.

    Args:
        column: positions, in the order of the slices; they all increase, or all decrease.
    """
    found = tuple(abs(value - column.values[0]) for value in column.values)
    increase = all(a < b for a, b in pairwise(found))
    return tuple(float(f"{nm:.9g}") for nm in found) if column.in_nm and increase else ()


def _sized(step: float, column: Column) -> str:
    return f"{step:.6g}{' nm' if column.in_nm else ''}"


def _listed(texts: Sequence[str]) -> str:
    more = f" and in {len(texts) - 3} more places" if len(texts) > 3 else ""
    return ", ".join(texts[:3]) + more
