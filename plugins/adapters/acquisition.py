"""An instrument model: degrades ideal images as a FIB-SEM does, in physical units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from pydantic import Field, PrivateAttr

from fib_plugins.adapters.instrument.parameters import BITS, AcquisitionParameters
from fib_plugins.adapters.instrument_base.recording import check_labels, forecast_recording
from fib_plugins.channels import are_same, info_of, selection, shown
from fibcore import (
    Adapter,
    Context,
    FibError,
    Forecast,
    Images,
    Labels,
    Model,
    Table,
    Trainable,
    VolumeSpec,
    keeps,
)
from fibcore.models import ModelInfo, Shape

BYTES_PER_PIXEL, CLEAN_BYTES_PER_PIXEL = 34, 5
"""Memory of a thread per pixel of a slice: float64 and int64 arrays of splines and counts; and with
every effect off."""
LOOK_BYTES_PER_PIXEL = 110
"""The same for images with a look: random fields, ranks, distances."""
FIT_BASE_BYTES, FIT_BYTES, FIT_SHAPE = 150 * 2**20, 350 * 2**20, (48, 768, 768)
"""Memory to estimate: of libraries, and of the slices of target and source in use, at most these
of each."""
LOOK_FIT_BYTES, LOOK_FIT_CHANNEL_BYTES = 150 * 2**20, 150 * 2**20
"""More memory to estimate a look from: outlines of 12 slices of this size, and their levels in each
channel."""
LEAST_PIXELS = 32
"""Shortest edge of slices that parameters are estimated from."""


class InstrumentInfo(ModelInfo):
    """The info of a model of `adapter/acquisition`; empty where nothing was fitted."""

    kv: list[float | None] | None = None
    detectors: list[str | None] = Field(default_factory=list)
    voxel_size_nm: Annotated[list[float], Field(min_length=3, max_length=3)] | None = None


class Acquisition(Trainable, AcquisitionParameters, Adapter):
    """Degrades ideal images as a FIB-SEM does: beam, sample, detector.

    Axes are (channel, z, y, x): x is the fast scan direction, y the milling direction, along which
    curtains run (`milling_axis`). Grey values become signals, 0 at `black_level` and 1 at
    `white_level`: a backscatter yield, for images of a simulator. Then, in this order, each effect
    off by default:

    1. of the sample, the same in all channels: slice thickness (slices between slices, by linear
       interpolation along z), lateral drift, edge brightening, charging, curtaining, shading;
    2. of the beam: Gaussian blur;
    3. of the detector: counting noise, gain and offset with their drift from slice to slice, read
       noise, line noise, saturation, gamma, quantisation.

    Ideal images should be free of noise; the blur would remove most of it. Labels of a stack still
    fit its degraded images, except for lateral drift and slice thickness: give the labels, too, to
    have them as each recorded pixel shows them. The table `slices` has the place of each slice.

    Every random number comes from a stream of its effect, slice and channel: results do not depend
    on threads, and switching an effect off changes no other. Slices are made one by one; memory
    does not grow with their number.

    `preset` sets the parameters that are not given. Typical and bad are based on experience, not
    measured. Their lengths are those for pixels of 3 nm; `preset_pixel_nm` makes them, and those by
    default, proportional to the size of pixels, so that images of coarse pixels look alike:

    {presets}

    **Fitting** estimates the parameters named in `estimate` from a real stack. Slice thickness,
    edge brightening, charging and gamma are not among them: they stay as given, none by default.
    """

    name: ClassVar[str] = "acquisition"
    info_type: ClassVar[type[InstrumentInfo]] = InstrumentInfo
    result_version: ClassVar[int] = 3
    works_unfitted: ClassVar[bool] = True
    apply_params: ClassVar[frozenset[str]] = frozenset(
        {
            "thickness_variation",
            "drift_nm",
            "drift_slices",
            "edge_brightening",
            "edge_width_nm",
            "charging",
            "charging_length_nm",
            "charging_height_nm",
            "curtaining",
            "curtain_width_nm",
            "curtain_slices",
            "shading",
            "brightness_drift",
            "contrast_drift",
            "grey_drift_slices",
            "line_noise",
            "saturation",
            "gamma",
            "bits",
        }
    )

    _fitted: Acquisition | None = PrivateAttr(default=None)

    @property
    def estimated(self) -> Acquisition:
        """The instrument with the parameters that `fit` has estimated; before a fit, itself.

        The plugin's own parameters stay as they were given.
        """
        return self if self._fitted is None else self._fitted

    def forecast(self, method: str, inputs: Mapping[str, Any]) -> Forecast:
        """Refuse channels that do not match the parameters; return the result's type and memory."""
        if method == "fit":
            return self._forecast_fit(inputs)
        if self._fitted is not None:
            return self._fitted.forecast(method, inputs)
        spec = inputs.get("images")
        if spec is None:
            return Forecast()
        self.check_channels(len(spec.kv))
        labels = inputs.get("labels")
        check_labels(spec, labels)
        self._check_look("labels" in inputs, len(spec.kv))
        warnings = [*self.warnings_of(spec.voxel_size_nm)]
        if self.thickness_variation and spec.shape[0] == 1:
            warnings.append("a single slice: thickness_variation has no effect")
        each = CLEAN_BYTES_PER_PIXEL if self.is_clean else BYTES_PER_PIXEL
        if self.look is not None:
            each = LOOK_BYTES_PER_PIXEL
        forecast = forecast_recording(spec, self.bits, each, tuple(warnings))
        return forecast if labels is None else replace(forecast, kept={"labels": labels})

    def _forecast_fit(self, inputs: Mapping[str, Any]) -> Forecast:
        target = inputs.get("target")
        if target is None:
            return Forecast()
        self._check_pair(target, inputs.get("source"))
        known = self.model_dump(mode="json")
        if "output" in self.estimate:
            known["bits"] = BITS[target.dtype]
        channels = range(len(target.kv))
        for name, part in (("blur_fwhm_nm", "blur"), ("read_noise", "noise")):
            if part in self.estimate:  # one for each channel
                known[name] = [self.of_channel(name, channel) for channel in channels]
        warnings = []
        if target.shape[0] < 3:
            warnings.append(
                f"{target.shape[0]} slice(s): drift of position, brightness and contrast cannot be "
                f"estimated and stay as given"
            )
        model = Model(self.identifier(), known)
        memory = FIT_BASE_BYTES + round(FIT_BYTES * _share_in_use(target.shape, FIT_SHAPE))
        if "look" in self.estimate:
            share = _share_in_use(target.shape[1:], FIT_SHAPE[1:])
            memory += round((LOOK_FIT_BYTES + LOOK_FIT_CHANNEL_BYTES * len(target.kv)) * share)
        return Forecast(memory_bytes=memory, warnings=tuple(warnings), model=model)

    def _check_pair(self, target: VolumeSpec, source: VolumeSpec | None) -> None:
        self.check_channels(len(target.kv))
        for what, spec in (("target", target), ("source", source)):
            if spec is not None and min(spec.shape[1:]) < LEAST_PIXELS:
                raise FibError(
                    f"the {what} has slices of {spec.shape[1]} x {spec.shape[2]} pixels; at least "
                    f"{LEAST_PIXELS} x {LEAST_PIXELS} are needed to estimate from: use larger "
                    f"images"
                )
        if source is not None and len(source.kv) != len(target.kv):
            raise FibError(
                f"the source has {len(source.kv)} channels, the target {len(target.kv)}; choose "
                f"channels of the same voltages and detectors with kv and detector"
            )
        swapped = source is not None and source.channels != target.channels
        if source is not None and swapped and are_same(source.channels, target.channels):
            raise FibError(
                f"the source shows {shown(source.channels)}, the target "
                f"{shown(target.channels)}: choose the channels of both in one order, with "
                f"{selection(target.channels)}"
            )

    def _check_look(self, labels: bool, channels: int) -> None:
        if self.look is None:
            return
        if not labels:
            raise FibError(
                "images with a look need the labels of their structure: give them as the input "
                "labels"
            )
        if len(self.look.channels) != channels:
            raise FibError(
                f"the look is that of {len(self.look.channels)} channels, the images have "
                f"{channels}: fit the instrument to a stack with the channels of the images"
            )

    @keeps(labels=Labels, slices=Table)
    def transform(
        self, images: Images, context: Context | None = None, *, labels: Labels | None = None
    ) -> Images:
        """Return the images as the instrument would record them; keeps the variation per slice.

        The result is uint8 or uint16 with `bits`, else float32 on the grey scale of the input. The
        table `slices` has the columns slice, position_slices (where along z the slice was, in
        slices of the input), shift_y_nm, shift_x_nm, and for each channel
        `<channel>_brightness` (added to the offset) and `<channel>_contrast` (factor on the gain).

        Args:
            images: ideal images.
            context: surroundings of the step.
            labels: of the ideal images; `labels` is then kept: the phase that each recorded pixel
                shows (nearest neighbour).

        Raises:
            FibError: grey values that are not finite or far outside black and white level,
                parameters for another number of channels, or labels of another shape.
        """
        from fib_plugins.adapters.instrument.differences import warn_of_differences
        from fib_plugins.adapters.instrument.imaging import acquire, shown_labels

        context = Context.of(context)
        if self._fitted is not None:
            return self._fitted.transform(images, context, labels=labels)
        self.check_channels(len(images.data))
        check_labels(images.spec, None if labels is None else labels.spec)
        self._check_look(labels is not None, len(images.data))
        if self.is_clean:
            context.log.warning(
                "every effect of the acquisition is off: images are returned unchanged; set a "
                "preset (typical, bad) or single effects"
            )
        if self.fitted:
            warn_of_differences(self.model.info, images, context)
        recorded, variation = acquire(self, images, context, labels)
        context.keep("slices", variation.table(images))
        if labels is not None:
            context.keep("labels", shown_labels(labels, variation, context))
        return recorded

    def weight_shapes(self) -> Mapping[str, Shape]:
        """Return no shapes: all estimates are parameters."""
        return {}

    @keeps(estimates=Table)
    def fit(
        self,
        target: Images | None = None,
        source: Images | None = None,
        context: Context | None = None,
    ) -> Self:
        """Estimate the parameters that the target was recorded with; return the plugin, fitted.

        `estimated` is the instrument with these parameters. Only the parameters named in `estimate`
        are estimated; all others stay as given. Without a target nothing is estimated: the model is
        the instrument as given. The table `estimates` has the columns parameter, channel (-1: all),
        value, given.

        Args:
            target: stack of the instrument to be imitated; one slice is enough except for drift.
            source: ideal images like those to be degraded, of a structure like the target's. Gain
                and offset need it; blur, noise and drift of grey values are more accurate with it.
                Without it, images to be degraded are assumed to be on the target's grey scale.
            context: surroundings of the step.

        Raises:
            FibError: slices too small, constant or not finite; source and target with different
                numbers of channels, or a source far outside black and white level.
        """
        context = Context.of(context)
        estimates: dict[str, Any] = {}
        info: dict[str, Any] = {}
        if target is not None:
            from fib_plugins.adapters.instrument.estimation import estimate_parameters, table_of

            self._check_pair(target.spec, None if source is None else source.spec)
            estimates = estimate_parameters(self, target, source, context)
            info = {**info_of(target.channels), "voxel_size_nm": list(target.voxel_size_nm)}
            context.keep("estimates", table_of(self, estimates))
        values = {**self.model_dump(mode="json"), **estimates}
        fitted = type(self)(**values)
        self._model = Model(self.identifier(), fitted.model_dump(mode="json"), info=info)
        self._fitted = type(self).from_model(self._model)
        return self

    def randomised(self, rng: np.random.Generator, spread: float = 0.5) -> Acquisition:
        """Return an instrument with parameters drawn at random around these.

        Every strength, length and number is multiplied by a factor of its own, log-uniform from
        1 / (1 + spread) to 1 + spread. Offsets move by up to spread / 5 of the full scale. Presets,
        levels, saturation, bits and the milling axis stay. Effects that are off stay off, except
        those that estimates miss: some edge brightening, charging, curtaining and line noise are
        always added (in quadrature), drawn from none to 2 * spread times that of the preset bad.
        Effects in `removed_effects` are off. Of an instrument estimated from several detectors,
        counting noise, read noise, gain and offset of each detector vary by themselves.

        Lateral drift and variation of slice thickness are off at any spread, so that labels of the
        images fit.

        Args:
            rng: where the draws come from.
            spread: 0 and above; 0 changes nothing.

        Raises:
            FibError: a negative spread.
        """
        from fib_plugins.adapters.instrument.randomisation import randomised_values

        if spread < 0:
            raise FibError(f"spread {spread:g} is negative; 0 changes nothing, 0.5 is usual")
        detectors = self.model.info.get("detectors", ()) if self.fitted else ()
        return type(self)(**randomised_values(self.estimated, rng, spread, detectors))


def _share_in_use(shape: tuple[int, ...], most: tuple[int, ...]) -> float:
    """Return the voxels of a stack that estimates use, over the most that they use of any."""
    used = (min(size, limit) for size, limit in zip(shape, most, strict=True))
    return float(np.prod(list(used)) / np.prod(most))
