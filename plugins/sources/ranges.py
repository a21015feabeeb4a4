"""Ranges in place of values among JSON parameters, and values drawn from them.

``{"between": [20, 60]}`` is a range of numbers, ``{"among": ["mirror", "pore"]}`` a choice of
values. A range turns a share from 0 to 1 into one of its values; random shares give random values.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Path = tuple[str | int, ...]
"""Place of a value among the parameters."""


class Range(ABC):
    """The values that a parameter may take."""

    @abstractmethod
    def at(self, share: float) -> Any:
        """Return the value at a share of the range, from 0 (the first one) to 1 (the last)."""


@dataclass(frozen=True)
class Between(Range):
    """All numbers from one to another, or all integers.

    Attributes:
        low: the lowest.
        high: the highest.
        integers: whether only integers are taken.
    """

    low: float
    high: float
    integers: bool = False

    def at(self, share: float) -> float:
        """Return the number at a share of the range."""
        if self.integers:
            count = int(self.high) - int(self.low) + 1
            return int(self.low) + min(int(share * count), count - 1)
        return min(self.low + share * (self.high - self.low), self.high)

    def __str__(self) -> str:
        return f"between {self.low:g} and {self.high:g}"


@dataclass(frozen=True)
class Among(Range):
    """One of some values."""

    values: tuple[Any, ...]

    def at(self, share: float) -> Any:
        """Return the value at a share of the list."""
        return self.values[min(int(share * len(self.values)), len(self.values) - 1)]

    def __str__(self) -> str:
        return f"among {list(self.values)}"


def ranges_in(value: Any, path: Path = ()) -> Iterator[tuple[Path, Range]]:
    """Yield the ranges in parameters with their places, in the order of the parameters.

    Raises:
        ValueError: a range is not written as one; its second argument is the place.
    """
    if isinstance(value, Mapping) and len(value) == 1 and {*value} & {"between", "among"}:
        ((name, content),) = value.items()
        yield path, _between(content, path) if name == "between" else _among(content, path)
    elif isinstance(value, Mapping):
        for name in value:
            yield from ranges_in(value[name], (*path, name))
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from ranges_in(item, (*path, index))


def filled(value: Any, values: Mapping[Path, Any], path: Path = ()) -> Any:
    """Return parameters with `values` in place of the ranges at their places."""
    if path in values:
        return values[path]
    if isinstance(value, Mapping):
        return {name: filled(value[name], values, (*path, name)) for name in value}
    if isinstance(value, (list, tuple)):
        return [filled(item, values, (*path, index)) for index, item in enumerate(value)]
    return value


def _between(content: Any, path: Path) -> Between:
    numbers = isinstance(content, Sequence) and all(
        isinstance(end, (int, float)) and not isinstance(end, bool) and math.isfinite(end)
        for end in content
    )
    if not numbers or len(content) != 2 or content[0] > content[1]:
        raise ValueError(f"between takes [lowest, highest], two numbers, not {content!r}", path)
    return Between(*content)


def _among(content: Any, path: Path) -> Among:
    if not isinstance(content, (list, tuple)) or not content:
        raise ValueError(f"among takes a list of values, not {content!r}", path)
    return Among(tuple(content))
