"""Parts of the stack with the shape of a twin, so that both are compared like with like."""

from __future__ import annotations

from itertools import product
from typing import TypeVar

from fibcore import Images, Labels

V = TypeVar("V", Images, Labels)

MOST_PARTS = 4


def part_shape(stack: tuple[int, ...], twin: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of a part: that of a twin, as far as the stack goes."""
    return tuple(min(whole, part) for whole, part in zip(stack, twin, strict=True))


def part_starts(stack: tuple[int, ...], part: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Return the first voxels of at most four parts that do not overlap, spread over the stack."""
    ends = []
    for whole, length in zip(stack, part, strict=True):
        fit = whole // length
        last = whole - length
        ends.append([0, last] if fit > 1 else [last // 2])
    corners = list(product(*ends))
    # Of eight corners those of a tetrahedron: each axis has two on either side.
    return corners if len(corners) <= MOST_PARTS else [corners[i] for i in (0, 3, 5, 6)]


def cut(volume: V, start: tuple[int, ...], shape: tuple[int, ...]) -> V:
    """Return a part of a volume, as a view."""
    z, y, x = (slice(first, first + n) for first, n in zip(start, shape, strict=True))
    return volume.with_data(volume.data[..., z, y, x])
