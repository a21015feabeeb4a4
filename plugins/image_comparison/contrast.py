"""Contrast between the phases in each slice of a stack: which is brighter, and by how much."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from fib_plugins.threads import in_threads
from fibcore import FibError, Material


@dataclass(frozen=True)
class PhaseSums:
    """Sums over the pixels of each phase in each slice; axes (slice, phase), float64.

    Attributes:
        count: number of pixels.
        grey: sum of the grey values.
        square: sum of their squares.
    """

    count: np.ndarray
    grey: np.ndarray
    square: np.ndarray

    @classmethod
    def of(cls, channel: np.ndarray, labels: np.ndarray, what: str, threads: int = 1) -> PhaseSums:
        """Sum over a channel, axes (z, y, x), by labels in the same axes.

        Raises:
            FibError: values that are not finite.
        """
        phases = 1 + max(int(plane.max()) for plane in labels)

        def of_slice(z: int) -> np.ndarray:
            flat, grey = labels[z].ravel(), channel[z].ravel().astype(np.float64)
            if not np.isfinite(grey).all():
                raise FibError(
                    f"slice {z} of {what} holds values that are not finite (NaN or infinite); "
                    f"replace them, e.g. by the mean grey value"
                )
            weights = (None, grey, grey**2)
            return np.stack([np.bincount(flat, weight, phases) for weight in weights])

        count, grey, square = np.stack(in_threads(of_slice, range(len(labels)), threads), axis=1)
        return cls(count, grey, square)

    def dark_to_bright(self) -> tuple[int, ...]:
        """Return the phases that occur, by their mean grey value in the stack."""
        counts = self.count.sum(axis=0)
        means = self.grey.sum(axis=0) / np.maximum(counts, 1)
        occurring = np.flatnonzero(counts)
        return tuple(occurring[np.argsort(means[occurring], kind="stable")].tolist())

    def contrast(self, dark_to_bright: Sequence[int]) -> np.ndarray:
        """Return the contrast of each slice: -1 to 1, nan in slices of one phase or one grey value.

        For two phases it is the correlation of the grey value with an indicator of the brighter
        phase, below 0 where bright and dark are swapped. For more it is the lowest correlation of
        all pairs of phases with consecutive brightness, each over the pixels of both.

        Args:
            dark_to_bright: all phases that occur, in the expected order of brightness.
        """
        found = np.full(len(self.count), np.nan)
        for z in range(len(found)):
            there = [phase for phase in dark_to_bright if self.count[z, phase]]
            values = [self._correlation(z, dark, bright) for dark, bright in pairwise(there)]
            known = [value for value in values if value is not None]
            if known:
                found[z] = min(known)
        return found

    def _correlation(self, z: int, dark: int, bright: int) -> float | None:
        pair = [dark, bright]
        count, grey = self.count[z, pair], self.grey[z, pair]
        total = count.sum()
        variance = self.square[z, pair].sum() / total - (grey.sum() / total) ** 2
        if variance <= 1e-12 * self.square[z, pair].sum() / total:
            return None
        means = grey / count
        between = (means[1] - means[0]) * np.sqrt(count[0] * count[1]) / total
        return float(np.clip(between / np.sqrt(variance), -1.0, 1.0))


def by_atomic_number(phases: Mapping[int, Material], occurring: Sequence[int]) -> tuple[int, ...]:
    """Return phases by the mean atomic number of their materials, with which backscatter rises.

    Raises:
        FibError: a phase that occurs has no material.
    """
    unknown = [phase for phase in occurring if phase not in phases]
    if unknown:
        raise FibError(
            f"the labels hold phases {unknown} without a material, so it is not known which "
            f"phase should be bright: set dark_to_bright, or give the images before"
        )
    return tuple(sorted(occurring, key=lambda phase: phases[phase].mean_atomic_number))


def expected_order(
    phases: Mapping[int, Material],
    images: PhaseSums,
    before: PhaseSums | None,
    dark_to_bright: Sequence[int] | None,
) -> tuple[int, ...]:
    """Return the phases that occur from dark to bright, as expected in a channel.

    Args:
        phases: the materials of the phases.
        images: sums over the channel.
        before: sums over the channel before a translation. By default they determine the order;
            without them, the mean atomic numbers do.
        dark_to_bright: the order, if known.

    Raises:
        FibError: the labels hold one phase only, or one that the order or the materials lack.
    """
    occurring = sorted(images.dark_to_bright())
    if len(occurring) < 2:
        raise FibError(
            f"the labels hold phase {occurring[0]} only, so images cannot be compared with "
            f"them; give a structure with pores and solid"
        )
    if dark_to_bright is not None:
        missing = [phase for phase in occurring if phase not in dark_to_bright]
        if missing:
            raise FibError(
                f"the labels hold phases {occurring}, dark_to_bright names "
                f"{list(dark_to_bright)}: add {missing}"
            )
        return tuple(phase for phase in dark_to_bright if phase in occurring)
    return by_atomic_number(phases, occurring) if before is None else before.dark_to_bright()
