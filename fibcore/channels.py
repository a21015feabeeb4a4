"""Channels of images: one detector at one accelerating voltage."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

from fibcore.errors import FibError

SHOWN = {"bse": "BSE", "se": "SE", "in_lens": "in-lens"}
"""Detectors that plugins know; others may have any name."""


class Channel(NamedTuple):
    """The signal that a channel shows; None where there is none, as for a probability."""

    kv: float | None
    detector: str | None

    def __str__(self) -> str:
        voltage = "?" if self.kv is None else f"{self.kv:g}"
        return f"{voltage} kV {SHOWN.get(str(self.detector), self.detector or '')}".strip()


def channels_from(kv: Sequence[float | None], names: Sequence[str | None]) -> tuple[Channel, ...]:
    """Return channels; without names of detectors, those with a voltage are ``bse``.

    Raises:
        FibError: the numbers of voltages and detectors differ.
    """
    names = names or [None if k is None else "bse" for k in kv]
    if len(names) != len(kv):
        raise FibError(f"{len(kv)} channels but {len(names)} detectors {list(names)}")
    return tuple(map(Channel, (None if k is None else float(k) for k in kv), names))


def names_of(channels: Sequence[Channel]) -> tuple[str, ...]:
    """Return the names of channels, as shown in Fiji; the detector only if not all are BSE."""
    plain = all(channel.detector in (None, "bse") for channel in channels)
    return tuple(
        f"channel {i}" if c.kv is None else f"{c.kv:g} kV" if plain else str(c)
        for i, c in enumerate(channels)
    )


def chosen(
    channels: Sequence[Channel], kv: Sequence[float] | None, detectors: Sequence[str] | None
) -> list[int]:
    """Return the channel numbers at some voltages and of some detectors, in the given order.

    Raises:
        FibError: there is no channel at one of the voltages, or of one of the detectors.
    """
    first = {channel: i for i, channel in reversed(list(enumerate(channels)))}
    found: list[int] = []
    for detector, voltage in product(detectors or (None,), kv or (None,)):
        fitting = [
            i
            for i, c in enumerate(channels)
            if first[c] == i and detector in (None, c.detector)
            if voltage is None or abs((c.kv or 0) - voltage) < 1e-6
        ]
        if not fitting:
            there = ", ".join(map(str, channels))
            raise FibError(f"no channel at {Channel(voltage, detector)}; the images have: {there}")
        found += fitting
    return found
