"""Labelled slices of the user, checked against the stack and written as labels of the whole."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fib_plugins.reconstruct.finding import quiet_context
from fib_plugins.reconstruct.request import Request
from fib_plugins.reconstruct.stack import Stack, opened
from fib_plugins.unlabelled import UNLABELLED
from fibcore import FibError, Images, Labels
from fibcore.errors import UsageError, listed
from fibcore.formats import reader_of, write_volume

LEAST_LABELS = 200
"""Voxels of each phase that must be labelled."""
ALIKE = 0.2
"""Difference of mean grey values of the labelled phases, in deviations, which is none."""


def labelled_slices(request: Request, stack: Stack) -> dict[int, np.ndarray]:
    """Return slice of the stack -> its labels (y, x): 0 pore, 1 solid, 255 unknown.

    Raises:
        UsageError: the labels do not fit the stack, hold other numbers, name a slice twice, or
            leave a phase out.
    """
    numbers = _numbers(request.labels)
    depth, *plane = stack.spec.shape
    if list(numbers.shape[1:]) != plane:
        raise UsageError(
            f"{request.labels} has slices of {numbers.shape[1]} x {numbers.shape[2]} pixels, the "
            f"stack {plane[0]} x {plane[1]}: label slices of the stack as it was given, uncut"
        )
    slices = request.label_slices or tuple(range(depth))
    if len(slices) != len(numbers):
        shown = f"--label-slices names {len(slices)}" if request.label_slices else f"{depth}"
        raise UsageError(
            f"{request.labels} has {len(numbers)} slices, but {shown} are labelled; give the slice "
            f"of the stack, counted from 0, that each shows: --label-slices 9,27,45"
        )
    for number in slices:
        if not 0 <= number < depth:
            raise UsageError(
                f"--label-slices {number}: the stack has slices 0 to {depth - 1}, counted from 0"
            )
    found: dict[int, np.ndarray] = {}
    for place, number in enumerate(slices):
        _check_values(numbers[place], number, request.labels)
        before = found.get(number)
        if before is not None:
            _check_agreement(before, numbers[place], number)
        if (numbers[place] != UNLABELLED).any():
            found[number] = numbers[place] if before is None else np.minimum(before, numbers[place])
    counts = np.array([[np.count_nonzero(p == phase) for phase in (0, 1)] for p in found.values()])
    for phase, name in enumerate((request.pore, request.solid)):
        labelled = int(counts[:, phase].sum()) if len(counts) else 0
        if labelled < LEAST_LABELS:
            raise UsageError(
                f"{request.labels} labels {labelled} voxels as phase {phase} ({name}); at least "
                f"{LEAST_LABELS} of each phase are needed: 0 is the pore, 1 the solid, 255 unknown"
            )
    return found


def check_against(
    images: Sequence[np.ndarray], labels: Sequence[np.ndarray], bright: bool, what: str
) -> None:
    """Refuse labels whose phases are exchanged, or have nothing to do with the images.

    Args:
        images: grey values of the labelled slices, of the channel that shows materials best.
        labels: of the same slices.
        bright: whether the solid should be the brighter phase.
        what: name of the labels.

    Raises:
        UsageError: the solid is darker where it should be brighter, or as bright as the pores.
    """
    grey = np.concatenate([plane.ravel().astype(np.float32) for plane in images])
    phase = np.concatenate([plane.ravel() for plane in labels])
    known = phase != UNLABELLED
    spread = float(grey[known].std()) or 1.0
    step = float(grey[phase == 1].mean() - grey[phase == 0].mean()) / spread
    if abs(step) < ALIKE:
        raise UsageError(
            f"{what}: solid and pores have the same mean grey value: the labels contradict the "
            f"images. Do they belong to these slices (--label-slices counts from 0)?"
        )
    if (step > 0) != bright:
        raise UsageError(
            f"{what}: what is labelled solid (1) is {'darker' if bright else 'brighter'} than what "
            f"is labelled pore (0), which these materials do not allow: exchange the numbers, or "
            f"--solid and --pore"
        )


def grey_of(stack: Stack, slices: Sequence[int]) -> list[np.ndarray]:
    """Return the grey values of slices, of the first channel of backscattered electrons."""
    detectors = [spec.channels[0].detector for spec in stack.specs]
    chosen = detectors.index("bse") if "bse" in detectors else 0
    planes = []
    for number in slices:
        params = {**stack.params[chosen], "region": {"z": [number, number + 1]}}
        images = opened(stack.sources[chosen], params).read(quiet_context())
        assert isinstance(images, Images)
        planes.append(np.asarray(images.data[0, 0]))
    return planes


def write_labels(found: dict[int, np.ndarray], stack: Stack, request: Request, path: Path) -> None:
    """Write labels of the whole stack, in which all other slices are unknown."""
    context = quiet_context()
    data = context.empty("labels", stack.spec.shape, np.uint8)
    data[:] = UNLABELLED
    for number, plane in found.items():
        data[number] = plane
    phases = {0: request.pore_material, 1: request.solid_material}
    write_volume(Labels(data, stack.spec.voxel_size_nm, phases), path)


def _numbers(source: str) -> np.ndarray:
    """Return the numbers in a file of labels, axes (z, y, x); read as grey values, unchanged."""
    given = {"as": "images", "voxel_size_nm": 1.0, "kv": 1.0}
    try:
        reader: Any = reader_of(source)
        found = reader(**given).open(source, trusted=True).read(quiet_context())
    except FibError as error:
        raise UsageError(
            f"--labels: {error}. A single slice: save a stack with {UNLABELLED} in all others"
        ) from None
    data: np.ndarray = found.data
    if len(data) != 1:
        raise UsageError(
            f"{source} has {len(data)} channels; labels have one number for each voxel"
        )
    return data[0]


def _check_values(plane: np.ndarray, number: int, source: str) -> None:
    values = np.unique(plane)
    wrong = [value for value in values if value not in (0, 1, UNLABELLED)]
    if wrong:
        raise UsageError(
            f"{source}: slice {number} has the numbers {listed(f'{v:g}' for v in values)}; labels "
            f"are 0 (pore), 1 (solid) and {UNLABELLED} (unknown)"
        )


def _check_agreement(one: np.ndarray, other: np.ndarray, number: int) -> None:
    both = (one != UNLABELLED) & (other != UNLABELLED)
    wrong = int(np.count_nonzero(one[both] != other[both]))
    if wrong:
        raise UsageError(
            f"slice {number} is labelled twice, and the labels contradict each other at {wrong} "
            f"voxels: leave one of them out"
        )
