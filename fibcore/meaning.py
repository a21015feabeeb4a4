"""The meaning of the values of a volume."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fibcore.materials import Material


@dataclass(frozen=True)
class Meaning:
    """What is known of the values of a volume.

    Attributes:
        quantity: quantity of the values; None if unknown.
        names: name of each channel; empty if there are no channels.
        kv: accelerating voltage of each channel in kV; None for a channel without one.
        detectors: detector of each channel.
        phases: phase number -> material, for labels.
    """

    quantity: str | None = None
    names: tuple[str, ...] = ()
    kv: tuple[float | None, ...] = ()
    detectors: tuple[str | None, ...] = ()
    phases: Mapping[int, Material] | None = None
