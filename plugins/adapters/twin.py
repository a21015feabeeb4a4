"""The instrument of twins: it records stacks with hidden truth in place of real ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from fib_plugins.adapters.hidden_instrument.geometry import Field
from fib_plugins.adapters.hidden_instrument.parameters import TwinParameters
from fib_plugins.adapters.instrument_base.recording import (
    BYTES_PER_PIXEL,
    check_labels,
    forecast_recording,
)
from fibcore import (
    Adapter,
    Context,
    Forecast,
    Images,
    Labels,
    Table,
    keeps,
)

CLEAN_BYTES_PER_PIXEL = 14
"""Memory of a thread per pixel of a slice with every effect off."""


class Twin(TwinParameters, Adapter):
    """Records ideal images as a microscope that no method has seen in training.

    Methods that adapt to a stack, or train over a range of instruments, use
    `adapter/acquisition`; a test on its images would overrate them. This is another model of a
    FIB-SEM, with other effects and other functional forms. Use it to make a stack whose truth is
    known but hidden from every training step: a twin of a real stack. Do not train with it, except
    for an oracle that knows the true instrument.

    Axes are (channel, z, y, x): x is the scan direction, y runs down the face, along the ion beam.
    In this order, each effect off by default:

    1. sample: halos of edges that face the detector, curtains that begin where the ion beam leaves
       pores, run down at a slant and differ widely in depth, the shadow of the trench;
    2. beam: a core whose focus changes down the tilted face and wanders from slice to slice, with
       astigmatism, and an exponential skirt;
    3. detector: flicker of the beam, counting noise with a spread of single-electron responses,
       limited bandwidth along x, brightness and contrast that drift until they are reset,
       amplifier noise, an S-shaped response, 8 bits. Some slices are out of focus or dim.

    Nothing is moved unless the recording is raw: slices keep their place and thickness, the beam is
    symmetric about its axis and the detector's delay is corrected. Labels of the ideal stack stay
    exactly aligned.

    **Raw recordings** (`raw`, or any of the parameters from `slice_nm` to `streaks_per_slice`) have
    what correctors remove. Slices lie at uneven distances, with another mean than the nominal
    `slice_nm`; some show the face of the slice before again, and some are lost from a line on. They
    drift slowly, jitter and jump. The face is seen at an angle: y is shortened, and the face moves
    up in the image as it is milled away. A data bar lies below, and charging draws streaks.

    Nothing is invented at borders. The result has the field that all slices show at the largest
    displacement that the parameters allow, and as many slices as the ideal stack is deep: its shape
    is known before the run, and smaller than that of the ideal stack. Its voxel size is what the
    microscope notes: `slice_nm`, and pixels of the image. Ideal slices at half the distance make
    interpolation between them more accurate.

    Give the labels of the ideal stack as `labels`, too: `labels` among the results has the phase
    that each pixel of the raw images shows (nearest neighbour; 0 in the data bar). It is the truth
    for the raw stack, and correctors move it with the images.

    Every random number comes from a stream of its effect, slice and channel: results do not depend
    on threads. Slices are made one by one; memory does not grow with their number. Ideal images
    should have little noise of their own.

    Parameters of the detectors take one number, or one for each channel in the order of the ideal
    images: `"curtain_depth": [0.05, 0.12]` for BSE and SE. Beam and sample are those of all.

    `preset` sets the parameters that are not given. Typical and bad are based on experience, not
    measured. Their lengths are those for pixels of 3 nm; `preset_pixel_nm` makes them, and those by
    default, proportional to the size of pixels, so that images of coarse pixels look alike:

    {presets}

    `raw` sets these as well, curtains as they are before any correction:

    {raw_presets}
    """

    name: ClassVar[str] = "twin"
    result_version: ClassVar[int] = 3

    def forecast(self, method: str, inputs: Mapping[str, Any]) -> Forecast:
        """Return the type of the result and the memory of the slices at work.

        Raises:
            FibError: parameters for another number of channels, labels of another shape, or ideal
                slices that are too small for what moves.
        """
        spec, labels = inputs.get("images"), inputs.get("labels")
        if spec is None:
            return Forecast()
        self.check_channels(len(spec.kv))
        check_labels(spec, labels)
        each = CLEAN_BYTES_PER_PIXEL if self.is_clean and not self.is_raw else BYTES_PER_PIXEL
        forecast = forecast_recording(spec, self.bits, each, self.warnings_of(spec.voxel_size_nm))
        if not self.is_raw:
            return forecast if labels is None else replace(forecast, kept={"labels": labels})
        field = Field.of(self, spec)
        assert forecast.output is not None
        kept = {} if labels is None else {"labels": field.recorded(labels, self)}
        return replace(forecast, output=field.recorded(forecast.output, self), kept=kept)

    @keeps(labels=Labels, slices=Table)
    def transform(
        self, images: Images, context: Context | None = None, *, labels: Labels | None = None
    ) -> Images:
        """Return the images as recorded; keeps the variation from slice to slice.

        The result is uint8 or uint16, or with `bits` none float32 levels, 1 at full scale. The
        table `slices` has the columns slice, defocus_nm (in the middle of the face), dimming
        (fraction of the signal lost), and for each channel `<channel>_brightness` (added to the
        level) and `<channel>_contrast` (factor on the gain).

        That of a raw recording also has position_nm (true position along z, from the first slice),
        thickness_nm (distance to the next slice; for the last one the true mean), shift_y_px and
        shift_x_px (displacement of what is seen towards larger y and x, against the first slice, in
        pixels of the result), and, true or false: jump (moved suddenly before this slice),
        repeated (shows the face of the slice before), lost (black from some line on), bad (out of
        focus or dim).

        Args:
            images: ideal images.
            context: surroundings of the step.
            labels: of the ideal images; `labels` is kept if they are given.

        Raises:
            FibError: grey values that are not finite or far outside black and white level, constant
                images whose contrast is to be set, labels of another shape, ideal slices that are
                too small for what moves, or parameters for another number of channels.
        """
        from fib_plugins.adapters.hidden_instrument.imaging import Recording

        context = Context.of(context)
        self.check_channels(len(images.data))
        check_labels(images.spec, None if labels is None else labels.spec)
        if self.is_clean and not self.is_raw:
            context.log.warning(
                "every effect of the twin's instrument is off: set a preset (typical, bad) or "
                "single effects"
            )
        return Recording(self, images, context).run(labels)
