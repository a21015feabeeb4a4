"""What correctors find in a sample of a stack, and which of them the pipeline needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fib_plugins.reconstruct.finding import Finding, plugin, quiet_context
from fib_plugins.reconstruct.request import Request
from fibcore import FibError, Images, Table

STEP_PX, JUMP_PX, DRIFT_PX = 0.25, 2.0, 1.7
LARGE_PX = 200
"""Slices are aligned if neighbours differ by more than this: typically (median), once, in the end
of the sample. In fields smaller than `LARGE_PX` limits are higher by this factor: structure that
changes from slice to slice is taken for so much displacement where there is none."""
LEAST_ALIGNED = 24
"""Shortest edge of a field that can be aligned, pixels."""
MOST_PX = 768
"""Slices are levelled, aligned and freed of curtains in at most this many pixels along an edge."""


@dataclass(frozen=True)
class Defects:
    """What a sample has of them.

    Attributes:
        images: the sample without them.
        cropped: whether there is a data bar or a border.
        moves: whether slices are displaced.
        findings: all of this in words.
    """

    images: Images
    cropped: bool
    moves: bool
    findings: tuple[Finding, ...]


def defects_of(sample: Images, request: Request) -> Defects:
    """Correct a sample as the pipeline will correct the stack, and see what changes.

    Args:
        sample: neighbouring slices.
        request: what the user has given.
    """
    findings = []
    images, finding, cropped = _cropped(sample)
    findings.append(finding)
    if request.face_angle_deg is not None and request.face_angle_deg < 90:
        images, finding = _upright(images, request.face_angle_deg)
        findings.append(finding)
    images = _middle(images)
    images, finding, moves = _aligned(images)
    findings.append(finding)
    images, finding = _levelled(images)
    findings.append(finding)
    images, finding = _without_curtains(images)
    findings.append(finding)
    return Defects(images, cropped, moves, tuple(findings))


def _correct(name: str, images: Images, **params: Any) -> tuple[Images, Table]:
    context = quiet_context()
    corrector: Any = plugin(f"corrector/{name}", **params)
    return corrector.correct(images, context=context), context.kept["corrections"]


def _cropped(sample: Images) -> tuple[Images, Finding, bool]:
    images, _ = _correct("crop", sample)
    gone = [a - b for a, b in zip(sample.shape[1:], images.shape[1:], strict=True)]
    if not any(gone):
        return images, Finding("data bar, borders", "none"), False
    found = f"{gone[0]} rows and {gone[1]} columns at the edges"
    return images, Finding("data bar, borders", found, "cut off"), True


def _upright(images: Images, angle_deg: float) -> tuple[Images, Finding]:
    images, _ = _correct("tilt", images, angle_deg=angle_deg)
    found = f"face seen at {angle_deg:g} degrees, as given"
    return images, Finding("view", found, f"pixels of {images.voxel_size_nm[1]:.3g} nm along y")


def _middle(images: Images) -> Images:
    parts = []
    for size in images.shape[1:]:
        kept = min(size, MOST_PX)
        start = (size - kept) // 2
        parts.append(slice(start, start + kept))
    return images.with_data(images.data[..., parts[0], parts[1]])


def _aligned(images: Images) -> tuple[Images, Finding, bool]:
    try:
        moved, table = _correct("align", images, remove="all")
    except FibError as error:
        return images, Finding("drift", f"not measured: {error}", "not corrected"), False
    shifts = np.stack([table["shift_y_px"], table["shift_x_px"]], axis=-1)
    steps = np.hypot(*np.diff(shifts, axis=0).T)
    drift = float(np.hypot(*(shifts[-1] - shifts[0])))
    median, largest = float(np.median(steps)), float(steps.max())
    found = f"{median:.2g} pixels from slice to slice, at most {largest:.2g}"
    factor = max(1.0, LARGE_PX / min(images.shape[1:]))
    if median < STEP_PX * factor and largest < JUMP_PX * factor and drift < DRIFT_PX * factor:
        return images, Finding("drift", found, "not corrected"), False
    box = _shared(shifts, moved.shape[1:])
    if min(part.stop - part.start for part in box) < LEAST_ALIGNED:
        return images, Finding("drift", found, "aligned"), True
    return moved.with_data(moved.data[(..., *box)]), Finding("drift", found, "aligned"), True


def _shared(shifts: np.ndarray, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Return the field that all slices share after shifts (slice, (y, x)) in pixels."""
    low = np.ceil(np.maximum(shifts.max(axis=0), 0)).astype(int)
    high = np.floor(np.minimum(shifts.min(axis=0), 0)).astype(int)
    rows, columns = (
        slice(int(a), int(size + b)) for a, b, size in zip(low, high, shape, strict=True)
    )
    return rows, columns


def _levelled(images: Images) -> tuple[Images, Finding]:
    levelled, table = _correct("level", images, repair="keep")
    spread = [float(channel.std()) or 1.0 for channel in images.data]
    steps = [
        float(np.std(table[name])) / spread[channel]
        for channel, name in enumerate(c for c in table.columns if c.endswith("_brightness"))
    ]
    shading = max(float(np.max(table[c])) for c in table.columns if c.endswith("_shading_rms"))
    bad = int(np.sum(table["outlier"]))
    found = (
        f"brightness of slices varies by {100 * max(steps):.2g} % of the deviation, shading "
        f"{100 * shading:.2g} %"
    ) + (f", {bad} slice{'s' if bad > 1 else ''} unlike the others" if bad else "")
    return levelled, Finding("brightness", found, "levelled, as far as it is significant")


def _without_curtains(images: Images) -> tuple[Images, Finding]:
    even, table = _correct("destripe", images)
    shares = [float(np.mean(table[c])) for c in table.columns if c.endswith("_removed_share")]
    strongest = max(shares)
    if strongest == 0:
        return even, Finding("curtains", "none visible", "only where they are visible")
    found = f"{100 * strongest:.2g} % of the deviation of slices"
    return even, Finding("curtains", found, "removed")
