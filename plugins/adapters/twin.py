"""The instrument of twins: it records stacks with hidden truth in place of real ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from fib_plugins.adapters.hidden_instrument.parameters import TwinParameters
from fib_plugins.adapters.instrument_base.recording import BYTES_PER_PIXEL, forecast_recording
from fibcore import Adapter, Context, Forecast, Images, Table, keeps

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

    Nothing is moved: slices keep their place and thickness, the beam is symmetric about its axis
    and the detector's delay is corrected. Labels of the ideal stack stay exactly aligned.

    Every random number comes from a stream of its effect, slice and channel: results do not depend
    on threads. Slices are made one by one; memory does not grow with their number. Ideal images
    should have little noise of their own.

    `preset` sets the parameters that are not given. Typical and bad are based on experience, not
    measured:

    {presets}
    """

    name: ClassVar[str] = "twin"
    result_version: ClassVar[int] = 3

    def forecast(self, method: str, inputs: Mapping[str, Any]) -> Forecast:
        """Return the type of the result and the memory of the slices at work."""
        spec = inputs.get("images")
        if spec is None:
            return Forecast()
        each = CLEAN_BYTES_PER_PIXEL if self.is_clean else BYTES_PER_PIXEL
        return forecast_recording(spec, self.bits, each)

    @keeps(slices=Table)
    def transform(self, images: Images, context: Context | None = None) -> Images:
        """Return the images as recorded; keeps the variation from slice to slice.

        The result is uint8 or uint16, or with `bits` none float32 levels, 1 at full scale. The
        table `slices` has the columns slice, defocus_nm (in the middle of the face), dimming
        (fraction of the signal lost), and for each channel `<channel>_brightness` (added to the
        level) and `<channel>_contrast` (factor on the gain).

        Raises:
            FibError: grey values that are not finite or far outside black and white level, or
                constant images whose contrast is to be set.
        """
        from fib_plugins.adapters.hidden_instrument.imaging import Recording

        context = Context.of(context)
        if self.is_clean:
            context.log.warning(
                "every effect of the twin's instrument is off: set a preset (typical, bad) or "
                "single effects"
            )
        recording = Recording(self, images, context)
        recorded = recording.run()
        context.keep("slices", recording.variation.table(images))
        return recorded
