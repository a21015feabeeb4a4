"""What the numbers of a volume stand for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fibcore.materials import Material


@dataclass(frozen=True)
class Meaning:
    """What is known of the values of a volume beside its voxel size.

    Attributes:
        quantity: what they are; None: not known.
        names: name of each channel; empty where there are none.
        kv: accelerating voltage of each channel in kV; None: none.
        phases: of labels, phase number -> material.
    """

    quantity: str | None = None
    names: tuple[str, ...] = ()
    kv: tuple[float | None, ...] = ()
    phases: Mapping[int, Material] | None = None
