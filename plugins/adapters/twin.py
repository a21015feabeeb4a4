"""The instrument of twins: it records stacks with hidden truth that stand in for real ones."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from fib_plugins.adapters.hidden_instrument.parameters import TwinParameters
from fibcore import Adapter, Context, Forecast, Images, Table, keeps
from fibcore.context import MEMORY_MAP_ABOVE_BYTES

BYTES_PER_PIXEL = 96
"""Memory of a thread per pixel of a slice: float64 and int64 arrays of noise and curtains."""


class Twin(TwinParameters, Adapter):
    """Records ideal images as a microscope that no method has seen in training.

    Methods that adapt to a stack, or train over a range of instruments, know
    `adapter/acquisition`. To judge them by it would flatter them. This is another model of a
    FIB-SEM: other effects, other functional forms, no code in common. Use it to make a stack whose
    truth is known but kept from every training step: a twin of a real stack. Do not train with it,
    but for the oracle that knows the true instrument.

    Axes are (channel, z, y, x): x is the scan direction, y runs down the face, along the ion beam.
    In this order, each effect off by default:

    1. sample: halos of edges that face the detector, curtains that begin where the ion beam leaves
       pores, run down at a slant and differ widely in depth, the shadow of the trench;
    2. beam: a core whose focus changes down the tilted face and wanders from slice to slice, with
       astigmatism, and an exponential skirt;
    3. detector: flicker of the beam, counting noise with a spread of single-electron responses,
       limited bandwidth along x, brightness and contrast that wander until they are put right,
       amplifier noise, an S-shaped response, 8 bits. Some slices are out of focus or dim.

    Nothing is moved: slices keep their place and thickness, the beam is symmetric about its axis
    and the detector's delay is allowed for. Labels of the ideal stack stay exactly aligned.

    Every random number comes from a stream that belongs to its effect, slice and channel: results
    do not depend on threads. Slices are made one by one; memory does not grow with their number.
    Ideal images should have little noise of their own.

    `preset` fills what is not given. Typical and bad are chosen by experience, not measured:

    | parameter | clean | typical | bad |
    |---|---|---|---|
    | halo | 0 | 0.4 | 0.6 |
    | curtains_per_um | 0 | 8 | 16 |
    | curtain_depth | 0.05 | 0.05 | 0.1 |
    | shadowing | 0 | 0.25 | 0.28 |
    | probe_nm | 0 | 2 | 3.5 |
    | focus_tilt_deg | 0 | 10 | 25 |
    | astigmatism_nm | 0 | 150 | 300 |
    | defocus_step_nm | 0 | 20 | 50 |
    | skirt_share | 0 | 0.12 | 0.25 |
    | flicker | 0 | 0.015 | 0.03 |
    | beam_electrons | none | 600 | 250 |
    | electron_spread | 0 | 0.4 | 0.8 |
    | response_pixels | 0 | 0.3 | 0.6 |
    | amplifier_noise | 0 | 0.01 | 0.015 |
    | mean_level | none | 0.4 | 0.5 |
    | contrast_level | none | 0.17 | 0.13 |
    | brightness_step | 0 | 0.003 | 0.01 |
    | contrast_step | 0 | 0.005 | 0.018 |
    | readjust_slices | 30 | 30 | 20 |
    | bad_slices | 0 | 0.02 | 0.05 |
    | s_curve | 0 | 3 | 3.5 |
    | bits | 8 | 8 | 8 |
    """

    name: ClassVar[str] = "twin"
    result_version: ClassVar[int] = 2

    def forecast(self, method: str, inputs: Mapping[str, Any]) -> Forecast:
        """Tell the type of the result and the memory of the slices at work."""
        spec = inputs.get("images")
        if spec is None:
            return Forecast()
        output = replace(spec, dtype="float32" if self.bits is None else f"uint{self.bits}")
        pixels = spec.shape[1] * spec.shape[2]
        return Forecast(
            output,
            memory_bytes=BYTES_PER_PIXEL * pixels * (os.cpu_count() or 1)
            + min(output.nbytes, MEMORY_MAP_ABOVE_BYTES),
        )

    @keeps(slices=Table)
    def transform(self, images: Images, context: Context | None = None) -> Images:
        """Return the images as recorded; keeps what differed from slice to slice.

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
        context.keep("slices", recording.wandering.table(images))
        return recorded
