"""Thickness of slices: estimated, or given; the images stay as they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, PrivateAttr, model_validator

from fib_plugins.correctors.positions import given_positions
from fib_plugins.correctors.thickness.result import (
    ThicknessInfo,
    check_size,
    info_of,
    mean_of,
    table_of,
)
from fibcore import (
    Context,
    Corrector,
    FibError,
    Forecast,
    Images,
    Model,
    Table,
    Trainable,
    VolumeSpec,
    keeps,
)
from fibcore.models import Shape
from fibcore.params import PositiveNm

LARGE_FACTOR = 1.6
"""Correction for the depth beyond which it was not tested."""


class Thickness(Trainable, Corrector):
    """Estimates the thickness of each slice from how much neighbouring slices resemble each other.

    The structure is taken as isotropic on average. Half the mean squared difference of grey values
    at a distance within slices, along y and x, is a scale; that of slices z and z + 1, z + 2, ...
    is inverted to a distance on this scale. Positions follow by robust least squares over all
    pairs. Noise that is independent from pixel to pixel adds the same to both differences and
    drops out. Sources: Sporring, Khanmohammadi, Darkner, Nava, Nyengaard, Jensen, ISBI 2014, 157
    (differences); Hanslovsky, Bogovic, Saalfeld, Bioinformatics 33 (2017) 1379 (positions of all
    slices from many pairs).

    **Normalisation.** In each of up to 16 tiles of the field grey values are related to the dark
    level and to the mode of the bright phase, after subtraction of the column means (curtains).
    What a slice is shifted by less than a pixel is taken out. Correct brightness, curtains and
    drift first (`corrector/level`, `corrector/destripe`, `corrector/align`). Where slices are
    thinner than a pixel is wide, interpolation by a fraction of a pixel sharpens or blurs them
    differently, which costs accuracy: shift by whole pixels before this step.

    **Depth.** Images show solid below the face, so that slices resemble each other more than places
    within a slice: in backscattered electrons at 2 kV (gold in epoxy) the thickness would come out
    25 to 50 % too small. With `compare` ``bright`` only what is about as bright as the solid at the
    face counts, and the rest is extrapolated from two levels. This needs a solid whose face has one
    grey level, wherever it is; weighted sums of slices (`simulator/weighted_projection`, mode
    ``sum``) have none. There, with few electrons per pixel (Monte Carlo images with 100 came out
    15 % too thin), and wherever bright halos follow the edges, give a `virtual` stack of known
    thickness that resembles the stack in structure, voltage and instrument: what its slices come
    out at corrects those of the stack.

    The images are returned as they are, with the mean thickness as voxel size along z;
    `corrector/resample` with ``corrections`` as its `positions` makes slices even.
    """

    name: ClassVar[str] = "thickness"
    info_type: ClassVar[type[ThicknessInfo]] = ThicknessInfo
    learner: ClassVar[str] = "thickness"
    works_unfitted: ClassVar[bool] = True

    method: Literal["resemblance", "given"] = Field(
        default="resemblance",
        description="resemblance: estimated; given: by positions_nm, the input positions, or "
        "mean_nm for even slices",
    )
    mean_nm: PositiveNm | None = Field(
        default=None,
        description="known mean thickness, nm: only the variation is estimated; none: estimated",
    )
    positions_nm: tuple[float, ...] | None = Field(
        default=None, description="positions of the slices along z, nm, with method given"
    )
    compare: Literal["bright", "grey"] = Field(
        default="bright",
        description="bright: the face of the bright phase; grey: all grey values, for signals that "
        "come from the face alone",
    )
    neighbours: int = Field(
        default=4, ge=1, le=8, description="following slices that each slice is compared with"
    )

    _fitted_info: ThicknessInfo | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _given_or_not(self) -> Self:
        if self.method == "resemblance" and self.positions_nm is not None:
            raise ValueError("positions_nm need method given; set it, or leave positions_nm out")
        if self.positions_nm is not None and self.mean_nm is not None:
            raise ValueError("positions_nm and mean_nm are given; leave one of them out")
        return self

    def forecast(self, method: str, inputs: Mapping[str, Any]) -> Forecast:
        """Refuse short and small stacks; the voxel size is unknown if it is estimated."""
        spec = inputs.get("images")
        if spec is None:
            return Forecast()
        if self.fitted:
            self._check_count(spec.shape[0], "estimated")
        elif self.method == "resemblance" and "positions" not in inputs:
            for stack, what in ((spec, "images"), (inputs.get("virtual"), "virtual stack")):
                if stack is not None:
                    check_size(stack, what)
            output = None if self.mean_nm is None else _with_z(spec, self.mean_nm)
            from fib_plugins.correctors.thickness.resemblance import bytes_of

            memory = bytes_of(spec, self.neighbours)
            return Forecast(output if method != "fit" else None, memory_bytes=memory)
        if method == "fit":
            return Forecast()
        size = self._known_size(spec)
        return Forecast(None if size is None else _with_z(spec, size))

    def _known_size(self, spec: VolumeSpec) -> float | None:
        if self.fitted:
            return None if self.model.forecast else self._info().mean_nm
        if self.positions_nm is not None:
            found = given_positions(None, self.positions_nm, spec.shape[0])
            return None if found is None else mean_of(found, spec.voxel_size_nm[0])
        return self.mean_nm

    @keeps(corrections=Table)
    def fit(
        self,
        images: Images,
        positions: Table | None = None,
        virtual: Images | None = None,
        context: Context | None = None,
    ) -> Self:
        """Estimate the positions of the slices; return the plugin, fitted.

        Its model holds the positions, for other channels of the stack or its labels.

        Args:
            images: the stack; all its channels count.
            positions: column position_nm, one row per slice: given instead of estimated.
            virtual: images of a virtual stack of even slices that resembles the stack; its voxel
                size is true.
            context: surroundings of the step; keeps ``corrections``.

        Raises:
            FibError: fewer than three slices or small ones, constant slices, slices without
                resemblance, positions of another number or that do not increase.
        """
        context = Context.of(context)
        info = self._determine(images, positions, virtual, context)
        context.keep("corrections", table_of(info))
        self._model = Model(self.identifier(), self.model_dump(mode="json"), info=info.model_dump())
        return self

    @keeps(corrections=Table)
    def correct(
        self,
        images: Images,
        positions: Table | None = None,
        virtual: Images | None = None,
        context: Context | None = None,
    ) -> Images:
        """Return the images with the mean thickness as voxel size; keeps ``corrections``.

        The table has the columns position_nm (slice 0 at 0), thickness_nm (distance to the next
        slice; the last one gets the mean), uncertainty_nm (standard error of the thickness), and
        for the stack, repeated in each row, mean_nm, mean_uncertainty_nm and depth_factor (by
        which distances were corrected for solid seen below the face).

        Args:
            images: the stack; without a fit, all its channels count.
            positions: column position_nm, one row per slice: given instead of estimated.
            virtual: images of a virtual stack of even slices that resembles the stack.
            context: surroundings of the step.

        Raises:
            FibError: as `fit`; or a fit to another number of slices.
        """
        context = Context.of(context)
        if self.fitted:
            info = self._info()
            self._check_count(images.shape[0], "estimated")
        else:
            info = self._determine(images, positions, virtual, context)
        context.keep("corrections", table_of(info))
        return replace(images, voxel_size_nm=(info.mean_nm, *images.voxel_size_nm[1:]))

    def weight_shapes(self) -> Mapping[str, Shape]:
        """Return no shapes: positions are part of the info."""
        return {}

    def _info(self) -> ThicknessInfo:
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
        count, stated = images.shape[0], images.voxel_size_nm[0]
        known = given_positions(positions, self.positions_nm, count)
        if known is None and self.method == "given":
            if self.mean_nm is None:
                raise FibError(
                    "method given needs positions_nm, mean_nm, or a table as input positions"
                )
            known = np.arange(count) * self.mean_nm
        if known is not None:
            mean, none = mean_of(known, stated), [0.0] * count
            return info_of(known - known[0], none, mean, 0.0, 1.0)
        check_size(images.spec, "images")
        if virtual is not None:
            check_size(virtual.spec, "virtual stack")
        from fib_plugins.correctors.thickness.estimate import estimate

        found = estimate(images, self.compare, self.neighbours, virtual, context)
        if virtual is None and found.factor > LARGE_FACTOR:
            context.log.warning(
                "what shows through from below the face makes slices appear %.2g times too thin, "
                "more than is known to be corrected well: give a virtual stack that resembles this "
                "one, of known thickness, as the input virtual",
                found.factor,
            )
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
        return info_of(places, uncertainty, mean, error * mean, found.factor)


def _with_z(spec: VolumeSpec, mean_nm: float) -> VolumeSpec:
    return replace(spec, voxel_size_nm=(mean_nm, *spec.voxel_size_nm[1:]))
