"""What a user asks of a reconstruction, and values of options as they are written."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from fibcore.errors import FibError, UsageError
from fibcore.materials import VACUUM, Material
from fibcore.registry import registry

N = TypeVar("N", int, float)

SECONDS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
QUICK_S, DEFAULT_S = 600.0, 2700.0
"""Time of a reconstruction with ``--quick``, and without."""
LEAST_S = 60.0
"""Shortest time that a budget may give."""
MOST_KV = 50.0


@dataclass(frozen=True)
class Request:
    """What the user has given; None: it is found in the stack.

    Attributes:
        stacks: files, folders or globs; several are channels of the same slices.
        solid: material of the solid.
        pore: material of what fills the pores; vacuum: they are open.
        labels: file of labelled slices; empty: none.
        label_slices: slices of the stack, counted from 0, that the file shows; empty: all.
        kv: accelerating voltage of each channel, or one for all.
        detectors: detector of each channel.
        voxel_size_nm: (z, y, x).
        slice_thickness_nm: slice thickness, if the files have the pixel size.
        face_angle_deg: angle at which the face was seen; 90: along its normal.
        solid_fraction: share of the solid, 0 to 1.
        ligament_nm: mean ligament diameter.
        budget_s: time that the run may take.
        seed: seed of the pipeline.
    """

    stacks: tuple[str, ...]
    solid: str
    pore: str = "epoxy"
    labels: str = ""
    label_slices: tuple[int, ...] = ()
    kv: tuple[float, ...] = ()
    detectors: tuple[str, ...] = ()
    voxel_size_nm: tuple[float, ...] = ()
    slice_thickness_nm: float | None = None
    face_angle_deg: float | None = None
    solid_fraction: float | None = None
    ligament_nm: float | None = None
    budget_s: float = DEFAULT_S
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.stacks:
            raise UsageError("no stack is given: name a file, a folder of slices or a glob")
        doubled = [name for name in self.stacks if self.stacks.count(name) > 1]
        if doubled:
            raise UsageError(f"{doubled[0]} is given twice; each stack is one channel, given once")
        if self.solid_material.name == self.pore_material.name:
            raise UsageError(
                f"--solid {self.solid} and --pore {self.pore} are the same material; give what the "
                f"pores are filled with, vacuum if they are open"
            )
        if self.solid_material.name == VACUUM.name:
            raise UsageError("--solid vacuum: a solid has atoms; exchange --solid and --pore")
        if self.voxel_size_nm and self.slice_thickness_nm is not None:
            raise UsageError(
                "--voxel-size-nm has the slice thickness as its first number: leave out "
                "--slice-thickness-nm"
            )
        if self.label_slices and not self.labels:
            raise UsageError("--label-slices names slices of --labels; give --labels FILE, too")
        self._check_ranges()

    def _check_ranges(self) -> None:
        limits: tuple[tuple[str, float | None, float, float], ...] = (
            ("--solid-fraction", self.solid_fraction, 0.01, 0.99),
            ("--ligament-nm", self.ligament_nm, 1.0, 1e5),
            ("--slice-thickness-nm", self.slice_thickness_nm, 0.1, 1e5),
            ("--face-angle-deg", self.face_angle_deg, 10.0, 90.0),
            *(("--kv", kv, 0.1, MOST_KV) for kv in self.kv),
            *(("--voxel-size-nm", size, 0.1, 1e5) for size in self.voxel_size_nm),
        )
        for option, value, low, high in limits:
            if value is not None and not low <= value <= high:
                raise UsageError(f"{option} {value:g}: give a number from {low:g} to {high:g}")
        if self.budget_s < LEAST_S:
            raise UsageError(
                f"--budget of {self.budget_s:g} s: training takes at least {LEAST_S / 60:g} "
                f"minute; give a time such as 10m or 1h"
            )

    @property
    def solid_material(self) -> Material:
        """Material of the solid."""
        return material("--solid", self.solid)

    @property
    def pore_material(self) -> Material:
        """Material of what fills the pores."""
        return material("--pore", self.pore)

    @property
    def open_pores(self) -> bool:
        """Whether nothing fills the pores."""
        return self.pore_material.name == VACUUM.name

    @property
    def materials(self) -> list[str]:
        """Names of the materials of phases 0 and 1."""
        return [self.pore_material.name, self.solid_material.name]

    def options(self) -> dict[str, Any]:
        """Return all values as JSON values."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }


def material(option: str, name: str) -> Material:
    """Return a registered material, or an element.

    Raises:
        UsageError: it is unknown; names the nearest.
    """
    try:
        return registry().material(name)
    except FibError as error:
        known = str(error).split("; a pipeline can")[0]
        raise UsageError(f"{option} {name}: {known}") from None


def seconds(text: str) -> float:
    """Return a time such as ``20m``, ``90s``, ``1.5h`` in seconds; without a unit in minutes.

    Raises:
        UsageError: it has another form.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|m|min|h)?", text.strip())
    if match is None:
        raise UsageError(f"--budget {text}: give a time such as 20m, 1.5h or 600s")
    return float(match[1]) * SECONDS[match[2] or "m"]


def numbers(
    option: str, text: str | None, of: Callable[[str], N], allowed: tuple[int, ...] = ()
) -> tuple[N, ...]:
    """Return the numbers of a list such as ``10,3.26,3.26``; none: an empty tuple.

    Args:
        option: name of the option in messages.
        text: as given.
        of: int or float.
        allowed: how many there may be; empty: any number.

    Raises:
        UsageError: something is no number, or there are too many or too few.
    """
    if text is None:
        return ()
    try:
        found = tuple(of(part) for part in re.split(r"[,\s]+", text.strip("[] ")))
    except ValueError:
        kind = "whole numbers" if of is int else "numbers"
        raise UsageError(f"{option} {text}: give {kind}, separated by commas") from None
    if allowed and len(found) not in allowed:
        wanted = " or ".join(map(str, allowed))
        raise UsageError(f"{option} {text}: give {wanted} numbers, separated by commas")
    return found


def changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return ``name before -> now`` of the options that differ."""
    names = [*now, *(name for name in before if name not in now)]
    return [
        f"{name.replace('_', '-')} {before.get(name)} -> {now.get(name)}"
        for name in names
        if before.get(name) != now.get(name)
    ]
