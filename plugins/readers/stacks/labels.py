"""Converts the numbers in files of labels to phases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from fib_plugins.readers.stacks.stack import Stack
from fib_plugins.unlabelled import UNLABELLED
from fibcore.context import Context
from fibcore.errors import FibError, listed

MASK = 255
"""Value of the solid of a mask until all slices are read."""

_MASK_VALUES = (255, 32767, 65535, 2**31 - 1, 2**32 - 1)
"""Highest numbers of 8, 16 and 32 bits, which programs use for true."""

_MOST_WRITTEN_OUT = 8


class Numbers:
    """Converts planes of any type to phases, and records the numbers that mark a mask.

    Args:
        phase_of_value: number in the files -> phase; None if they are the same.
    """

    def __init__(self, phase_of_value: Mapping[int, int] | None) -> None:
        self._given = phase_of_value
        self.mask_values: set[int] = set()
        """The numbers that became `MASK`."""

    def phases(self, plane: np.ndarray, z: int) -> np.ndarray:
        """Return a plane as uint8 phases; a mask of 0 and a highest number becomes 0 and `MASK`.

        Args:
            plane: numbers of any type, as stored.
            z: number of the slice, for messages.

        Raises:
            FibError: numbers are not phases, or are missing in `phase_of_value`.
        """
        if self._given is not None:
            return _translated(plane, self._given, z)
        if plane.dtype == np.bool_:
            return plane
        high = plane.max()
        if plane.dtype != np.uint8:
            whole = plane.dtype.kind in "iu" or bool(
                np.all(np.isfinite(plane)) and np.all(plane == np.rint(plane))
            )
            if whole and high in _MASK_VALUES and np.all((plane == 0) | (plane == high)):
                self.mask_values.add(int(high))
                return np.where(plane == 0, np.uint8(0), np.uint8(MASK))
            if not whole or plane.min() < 0 or high > MASK:
                raise _no_phases(plane, z)
        if high == MASK:
            self.mask_values.add(MASK)
        return plane.astype(np.uint8, copy=False)


def checked_labels(
    data: np.ndarray, stack: Stack, numbers: Numbers, context: Context
) -> np.ndarray:
    """Return labels in axes (z, y, x) whose values are phases.

    A mask of 0 and 255, or another highest number, becomes 0 and 1. Beside two phases or more, or
    named by `phase_of_value`, 255 marks voxels without a label.

    Args:
        data: phases returned by `Numbers.phases`, or a mapped file.
        stack: the stack that they were read from.
        numbers: the converter that was used; unused for a mapped file.
        context: context for progress and warnings.

    Raises:
        FibError: there are other values than 0 to n - 1 for n materials; lists them.
    """
    name = stack.headers[0].path.name
    if stack.mapped and stack.phase_of_value is not None:
        first = stack.box[0].start
        out = context.empty("phases", data.shape, np.uint8)
        for z, plane in enumerate(context.track(data, "numbering phases")):
            out[z] = numbers.phases(plane, first + z)
        data = out
    phases = max(stack.materials, default=255) + 1  # without materials: written by fib
    lowest, highest = 255, 0
    for plane in data:
        lowest, highest = min(lowest, int(plane.min())), max(highest, int(plane.max()))
    if highest < phases:
        if lowest > 0:
            context.log.warning("%s: %s", name, _without_pore(range(lowest, highest + 1), stack))
        return data
    values = _values(data, context)
    if _is_partial(values, phases, stack, numbers):
        context.log.info("%s: voxels of %d are read as voxels without a label", name, UNLABELLED)
        return data
    if set(values) <= {0, MASK} and phases > 1 and len(numbers.mask_values) <= 1:
        high = next(iter(numbers.mask_values), MASK)
        context.log.info("%s: a mask of 0 and %d, read as phases 0 and 1", name, high)
        binary = context.empty("mask", data.shape, np.uint8)
        for z, plane in enumerate(data):
            np.minimum(plane, 1, out=binary[z])
        return binary
    if 0 not in values and len(values) <= phases:
        raise FibError(f"{name}: {_without_pore(values, stack)}")
    raise FibError(
        f"{name}: labels are phases 0 to {phases - 1} ({phases} materials), "
        f"or a mask of 0 and 255; this file has {len(values)} values: {listed(map(str, values))}."
        f" Give a material for each phase, or load grey values as images and segment them"
        f"{_as_parameter(values)}"
    )


def _is_partial(values: Sequence[int], phases: int, stack: Stack, numbers: Numbers) -> bool:
    """Return whether `UNLABELLED` among the values marks voxels without a label."""
    known = [value for value in values if value != UNLABELLED]
    if UNLABELLED not in values or not known or max(known) >= phases:
        return False
    if stack.phase_of_value is not None and UNLABELLED in stack.phase_of_value.values():
        return True
    return 0 in known and len(known) > 1 and numbers.mask_values <= {UNLABELLED}


def _values(data: np.ndarray, context: Context) -> list[int]:
    counts = np.zeros(256, dtype=np.int64)
    for plane in context.track(data, "counting phases"):
        counts += np.bincount(plane.ravel(), minlength=256)
    return [int(value) for value in np.flatnonzero(counts)]


def _without_pore(values: Sequence[int], stack: Stack) -> str:
    """Return the message that no voxel is phase 0, with a way to count from 0."""
    pore = stack.materials.get(0)
    count = (
        "Programs such as ilastik count from 1: subtract 1"
        if list(values) == list(range(1, len(values) + 1))
        else "If the lowest is the pore, number them"
    )
    return (
        f"no voxel is phase 0{f' ({pore.name})' if pore is not None else ''}; the numbers begin at "
        f"{min(values)}. {count} with phase_of_value: {_mapping(values)}"
    )


def _as_parameter(values: Sequence[int]) -> str:
    if len(values) > _MOST_WRITTEN_OUT or list(values) == list(range(len(values))):
        return ""
    return f"; if they are phases, number them with phase_of_value: {_mapping(values)}"


def _mapping(values: Sequence[int]) -> str:
    pairs = [f'"{value}": {phase}' for phase, value in enumerate(values)]
    return "{" + listed(pairs, _MOST_WRITTEN_OUT) + "}"


def _translated(plane: np.ndarray, phase_of_value: Mapping[int, int], z: int) -> np.ndarray:
    keys = np.array(sorted(phase_of_value), dtype=np.float64 if plane.dtype.kind == "f" else None)
    phases = np.array([phase_of_value[int(key)] for key in keys], dtype=np.uint8)
    place = np.searchsorted(keys, plane).clip(max=len(keys) - 1)
    foreign = plane[keys[place] != plane]
    if foreign.size:
        raise FibError(
            f"slice {z} has values that are missing in phase_of_value: "
            f"{listed(f'{value:g}' for value in np.unique(foreign))}; add them"
        )
    return phases[place]


def _no_phases(plane: np.ndarray, z: int) -> FibError:
    values = np.unique(plane)
    whole = plane.dtype.kind in "iu" and values[0] >= 0
    example = f": {_mapping(values.tolist())}" if whole and len(values) <= _MOST_WRITTEN_OUT else ""
    return FibError(
        f"labels are whole numbers from 0 to 255; slice {z} has {len(values)} values: "
        f"{listed(f'{value:.10g}' for value in values)}. Number the phases 0, 1, 2, ... (with "
        f"phase_of_value{example}), or load grey values as images and segment them"
    )
