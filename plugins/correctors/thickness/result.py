"""What is known of the thickness of slices: as a model, and as a table."""

from __future__ import annotations

import numpy as np

from fib_plugins.correctors.streaming import corrections
from fibcore import FibError, Table, VolumeSpec
from fibcore.models import ModelInfo

LEAST_SLICES, LEAST_PIXELS = 3, 48


class ThicknessInfo(ModelInfo):
    """The info of a model of `corrector/thickness`: what was estimated, per slice."""

    position_nm: list[float]
    uncertainty_nm: list[float]
    mean_nm: float
    mean_uncertainty_nm: float
    depth_factor: float


def check_size(spec: VolumeSpec, what: str) -> None:
    """Refuse stacks that no thickness can be estimated from.

    Raises:
        FibError: fewer than three slices, or slices below 48 pixels.
    """
    if spec.shape[0] < LEAST_SLICES:
        raise FibError(
            f"the {what} have {spec.shape[0]} slices; their thickness can be estimated from "
            f"{LEAST_SLICES} or more: give positions_nm or mean_nm with method given"
        )
    if min(spec.shape[1:]) < LEAST_PIXELS:
        raise FibError(
            f"the {what} have slices of {spec.shape[1]} x {spec.shape[2]} pixels; their thickness "
            f"can be estimated from {LEAST_PIXELS} x {LEAST_PIXELS} or more: use larger images"
        )


def info_of(
    places: np.ndarray, uncertainty: list[float], mean: float, mean_error: float, factor: float
) -> ThicknessInfo:
    """Return what a model holds, as plain numbers."""
    return ThicknessInfo(
        position_nm=[float(place) for place in places],
        uncertainty_nm=[float(value) for value in uncertainty],
        mean_nm=mean,
        mean_uncertainty_nm=mean_error,
        depth_factor=factor,
    )


def mean_of(places: np.ndarray, stated: float) -> float:
    """Return the mean distance of slices; `stated` for a single one."""
    return float((places[-1] - places[0]) / (len(places) - 1)) if len(places) > 1 else stated


def table_of(info: ThicknessInfo) -> Table:
    """Return the corrections, one row per slice."""
    places = np.array(info.position_nm)
    return corrections(
        {
            "position_nm": places,
            "thickness_nm": np.append(np.diff(places), info.mean_nm),
            "uncertainty_nm": np.array(info.uncertainty_nm),
            "mean_nm": np.full(len(places), info.mean_nm),
            "mean_uncertainty_nm": np.full(len(places), info.mean_uncertainty_nm),
            "depth_factor": np.full(len(places), info.depth_factor),
        }
    )
