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


def info_of(self) -> ThicknessInfo:
    """Return what a model holds, as plain numbers."""
        return ThicknessInfo.model_validate(self.model.info)

    def _check_count(self, count: int, what: str) -> None:
        if self.model.forecast:
            return
        known = len(self._info().position_nm)
        if count != known:
            raise FibError(
                f"the thickness was {what} on {known} slices, these are {count}: fit it to this "
                f"stack, or give the channel or labels of the same slices"
            )

    def _determine(
        self, images: Images, positions: Table | None, virtual: Images | None, context: Context
    ) -> ThicknessInfo:
    """Return what a model holds, as plain numbers."""
        count, stated = images.shape[0], images.voxel_size_nm[0]
        known = given_positions(positions, self.positions_nm, count)
        if known is None and self.method == "given":
            if self.mean_nm is None:
                raise FibError(
                    "method given needs positions_nm, mean_nm, or a table as input positions"
                )
            known = np.arange(count) * self.mean_nm
        if known is not None:
            mean, none = _mean(known, stated), [0.0] * count
            return _info(known - known[0], none, mean, 0.0, 1.0)
        check_size(images.spec, "images")
        if virtual is not None:
            check_size(virtual.spec, "virtual stack")
        from fib_plugins.correctors.thickness.estimate import estimate

        found = estimate(images, self.compare, self.neighbours, virtual, context)
        thickness, error = found.thickness_nm, found.mean_error
        mean, known_mean = float(thickness.mean()), self.mean_nm
        if found.anisotropic and known_mean is None:
            context.log.warning(
                "the thickness cannot be determined: the structure (or the image of it) is "
                "anisotropic within slices, grey values lose their resemblance over %.3g nm along "
                "y and %.3g nm along x. The mean stays %.4g nm as stated, only the variation is "
                "estimated; give mean_nm if you know it",
                *found.lengths_nm,
                stated,
            )
            known_mean, error = stated, abs(float(np.log(np.divide(*found.lengths_nm))))
        elif known_mean is None and abs(stated - mean) > 2 * error * mean:
            context.log.warning(
                "the mean thickness of the slices is %.4g +- %.2g nm by their resemblance, the "
                "voxel size is %.4g nm: check the thickness that the microscope was set to, or "
                "give mean_nm",
                mean,
                error * mean,
                stated,
            )
        if known_mean is not None:
            scale, mean = known_mean / mean, known_mean
            thickness = thickness * scale
            error = error if found.anisotropic and self.mean_nm is None else 0.0
        else:
            scale = 1.0
        places = np.concatenate([[0.0], np.cumsum(thickness)])
        uncertainty = [
            *(found.uncertainty_nm * scale),
            float(np.mean(found.uncertainty_nm)) * scale,
        ]
        return _info(places, uncertainty, mean, error * mean, found.factor)


def info_of(self) -> ThicknessInfo:
    """Return what a model holds, as plain numbers."""
        return ThicknessInfo.model_validate(self.model.info)

    def _check_count(self, count: int, what: str) -> None:
        if self.model.forecast:
            return
        known = len(self._info().position_nm)
        if count != known:
            raise FibError(
                f"the thickness was {what} on {known} slices, these are {count}: fit it to this "
                f"stack, or give the channel or labels of the same slices"
            )

    def _determine(
        self, images: Images, positions: Table | None, virtual: Images | None, context: Context
    ) -> ThicknessInfo:
    """Return what a model holds, as plain numbers."""
        count, stated = images.shape[0], images.voxel_size_nm[0]
        known = given_positions(positions, self.positions_nm, count)
        if known is None and self.method == "given":
            if self.mean_nm is None:
                raise FibError(
                    "method given needs positions_nm, mean_nm, or a table as input positions"
                )
            known = np.arange(count) * self.mean_nm
        if known is not None:
            mean, none = _mean(known, stated), [0.0] * count
            return _info(known - known[0], none, mean, 0.0, 1.0)
        check_size(images.spec, "images")
        if virtual is not None:
            check_size(virtual.spec, "virtual stack")
        from fib_plugins.correctors.thickness.estimate import estimate

        found = estimate(images, self.compare, self.neighbours, virtual, context)
        thickness, error = found.thickness_nm, found.mean_error
        mean, known_mean = float(thickness.mean()), self.mean_nm
        if found.anisotropic and known_mean is None:
            context.log.warning(
                "the thickness cannot be determined: the structure (or the image of it) is "
                "anisotropic within slices, grey values lose their resemblance over %.3g nm along "
                "y and %.3g nm along x. The mean stays %.4g nm as stated, only the variation is "
                "estimated; give mean_nm if you know it",
                *found.lengths_nm,
                stated,
            )
            known_mean, error = stated, abs(float(np.log(np.divide(*found.lengths_nm))))
        elif known_mean is None and abs(stated - mean) > 2 * error * mean:
            context.log.warning(
                "the mean thickness of the slices is %.4g +- %.2g nm by their resemblance, the "
                "voxel size is %.4g nm: check the thickness that the microscope was set to, or "
                "give mean_nm",
                mean,
                error * mean,
                stated,
            )
        if known_mean is not None:
            scale, mean = known_mean / mean, known_mean
            thickness = thickness * scale
            error = error if found.anisotropic and self.mean_nm is None else 0.0
        else:
            scale = 1.0
        places = np.concatenate([[0.0], np.cumsum(thickness)])
        uncertainty = [
            *(found.uncertainty_nm * scale),
            float(np.mean(found.uncertainty_nm)) * scale,
        ]
        return _info(places, uncertainty, mean, error * mean, found.factor)


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


