"""The twin's instrument at work: a stack of ideal images, recorded slice by slice."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fib_plugins.adapters.hidden_instrument import beam, detector, sample
from fib_plugins.adapters.hidden_instrument.charging import with_streaks
from fib_plugins.adapters.hidden_instrument.data_bar import data_bar
from fib_plugins.adapters.hidden_instrument.face import Face
from fib_plugins.adapters.hidden_instrument.geometry import Geometry, recorded_voxel_size
from fib_plugins.adapters.hidden_instrument.parameters import TwinParameters
from fib_plugins.adapters.hidden_instrument.variation import SliceVariation
from fib_plugins.adapters.instrument_base.recording import (
    BYTES_PER_PIXEL,
    each_on,
    each_slice,
    recorded_dtype,
)
from fib_plugins.adapters.instrument_base.signal_scale import SignalScale
from fibcore import Context, FibError, Images, Labels, Table

OPERATOR_SLICES = 32
"""Number of slices from which the operator sets brightness and contrast."""


class Recording:
    """The recording of one stack.

    Args:
        settings: the instrument.
        images: ideal images.
        context: surroundings of the step.
    """

    def __init__(self, settings: TwinParameters, images: Images, context: Context) -> None:
        self.settings = settings
        self.images = images
        self.context = context
        scales = SignalScale.of(settings, images)
        self.pixel_nm = images.voxel_size_nm[1:]
        self.geometry = Geometry.draw(settings, images, context) if settings.is_raw else None
        self.face = Face(images, scales, self.geometry)
        self.shape = self.face.shape
        on_ideal = each_on(images, context)
        self.drawn = [on_ideal[self.face.nearest(z)] for z in range(self.shape[0])]
        self.variation = SliceVariation.draw(settings, len(images.data), self.drawn)
        self.level = [self._operator(channel) for channel in range(len(images.data))]
        self.curtains: list[sample.Curtain] = []
        if settings.curtains_per_um:
            self.curtains = self._curtains()

    def _operator(self, channel: int) -> tuple[float, float]:
        """Return gain and offset that give some slices the wanted mean and deviation.

        Raises:
            FibError: the images are constant.
        """
        mean_level = self.settings.of_channel("mean_level", channel)
        contrast_level = self.settings.of_channel("contrast_level", channel)
        if mean_level is None or contrast_level is None:
            return 1.0, 0.0
        depth = self.shape[0]
        looked_at = np.unique(np.linspace(0, depth - 1, min(depth, OPERATOR_SLICES)).round())
        total, squares, count = 0.0, 0.0, 0
        for z in looked_at.astype(int).tolist():
            signal = self.face.signal(channel, z).astype(np.float64)
            total += float(signal.sum())
            squares += float(np.square(signal).sum())
            count += signal.size
        mean = total / count
        deviation = max(squares / count - mean**2, 0.0) ** 0.5
        if deviation < 1e-6:
            raise FibError(
                f"the {self.images.names[channel]} images are constant: there is no contrast to "
                f"bring to contrast_level; leave out mean_level and contrast_level"
            )
        gain = contrast_level / deviation
        return gain, mean_level - gain * mean

    @property
    def _bytes_each(self) -> int:
        return BYTES_PER_PIXEL * self.images.shape[1] * self.images.shape[2]

    def _curtains(self) -> list[sample.Curtain]:
        """Return all curtains of the stack; those of earlier slices begin in its first one."""
        before = 2 * self.settings.curtain_slices

        def begin(z: int) -> list[sample.Curtain]:
            rng = self.drawn[max(z, 0)].rng_for("twin curtains", z + before)
            signal = self.face.signal(0, max(z, 0))
            return sample.new_curtains(self.settings, signal, self.pixel_nm, z, rng)

        slices = range(-before, self.shape[0])
        born = each_slice(begin, slices, self.context.threads, self._bytes_each)
        return [curtain for curtains in born for curtain in curtains]

    def run(self, labels: Labels | None = None) -> Images:
        """Return the recorded images; keeps the table ``slices``, and the labels if there are any.

        Args:
            labels: of the ideal images; their phases are kept as each recorded pixel shows them.
        """
        bits, bar = self.settings.bits, self.settings.data_bar_pixels
        depth, height, width = self.shape
        dtype = recorded_dtype(bits)
        channels = len(self.images.data)
        recorded = self.context.empty("twin", (channels, depth, height + bar, width), dtype)
        shown = None
        if labels is not None:
            shown = self.context.empty("twin_labels", (depth, height + bar, width), np.uint8)

        def work(z: int) -> None:
            curtains = self._curtain_density(z)
            kernels = self._kernels(z)
            for channel in range(channels):
                ideal = self.face.signal(channel, z)
                left = self._transmission(z, channel, curtains)
                signal = self._under_the_beam(ideal, channel, left, kernels)
                level = self._detected(signal, z, channel)
                if bar:
                    below = data_bar(self.images, channel, z, bar, width)
                    level = np.concatenate([level, below])
                recorded[channel, z] = level if bits is None else detector.digitised(level, bits)
            if shown is not None and labels is not None:
                shown[z, :height] = self.face.labels_of(labels, z)
                shown[z, height:] = 0

        done = each_slice(work, range(depth), self.context.threads, self._bytes_each)
        for _ in self.context.track(done, "slices recorded", depth):
            pass
        self.context.keep("slices", self._slices())
        voxel_nm = recorded_voxel_size(self.settings, self.images)
        if shown is not None and labels is not None:
            self.context.keep("labels", labels.with_data(shown, voxel_size_nm=voxel_nm))
        return self.images.with_data(recorded, quantity="grey value", voxel_size_nm=voxel_nm)

    def _slices(self) -> Table:
        return self.variation.table(self.images, self.geometry)

    def _curtain_density(self, z: int) -> np.ndarray | None:
        """Return the optical density of a slice's curtains; None without any."""
        if not self.settings.curtains_per_um:
            return None
        alive = [c for c in self.curtains if c.first_slice <= z < c.first_slice + c.slices]
        alive = [self._moved(curtain, z) for curtain in alive]
        return sample.curtain_density(self.settings, alive, z, self.shape[1:], self.pixel_nm)

    def _transmission(self, z: int, channel: int, curtains: np.ndarray | None) -> np.ndarray | None:
        """Return the fraction of a slice's signal that curtains and the trench leave."""
        settings = self.settings
        left = None
        if curtains is not None:
            deepest = max(settings.curtain_depth) or 1.0
            share = settings.of_channel("curtain_depth", channel) / deepest
            left = np.exp(-share * curtains).astype(np.float32)
        if settings.of_channel("shadowing", channel):
            phases = self.variation.shadow_phases
            shade = sample.shadow(settings, z, phases, self.shape[1:], channel)
            left = shade if left is None else left * shade
        return left

    def _moved(self, curtain: sample.Curtain, z: int) -> sample.Curtain:
        """Return a curtain where it is in a slice: it moves with the face that it is on."""
        if self.geometry is None:
            return curtain
        shift = self.geometry.shift[z] - self.geometry.shift[max(curtain.first_slice, 0)]
        y, x = shift * self.pixel_nm
        return replace(curtain, y_nm=curtain.y_nm + y, x_nm=curtain.x_nm + x)

    def _kernels(self, z: int) -> np.ndarray:
        """Return the core of the beam for each row of a slice."""
        settings, height = self.settings, self.shape[1]
        below = (np.arange(height) - (height - 1) / 2) * self.pixel_nm[0]
        tilt = np.tan(np.radians(settings.focus_tilt_deg))
        covariances = beam.core_covariances(
            self.variation.defocus_nm[z] + tilt * below,
            settings.probe_nm,
            settings.convergence_mrad,
            settings.astigmatism_nm,
            settings.astigmatism_deg,
        )
        return beam.core_kernels(covariances / np.outer(self.pixel_nm, self.pixel_nm))

    def _under_the_beam(
        self,
        signal: np.ndarray,
        channel: int,
        transmission: np.ndarray | None,
        kernels: np.ndarray,
    ) -> np.ndarray:
        settings = self.settings
        halo = settings.of_channel("halo", channel)
        if halo:
            direction = settings.of_channel("detector_deg", channel)
            length = settings.halo_length_nm
            signal = sample.with_halo(signal, halo, length, direction, self.pixel_nm)
        if transmission is not None:
            signal = signal * transmission
        core = beam.convolved(signal, kernels) if kernels[0].size > 1 else signal
        if not settings.skirt_share:
            return core
        share = np.float32(settings.skirt_share)
        skirt = beam.exponentially_spread(signal, settings.skirt_length_nm, self.pixel_nm)
        return core + share * (skirt - core)

    def _detected(self, signal: np.ndarray, z: int, channel: int) -> np.ndarray:
        """Return the detected signal, as a fraction of full scale."""
        settings, context, variation = self.settings, self.context, self.variation
        beneath = signal  # the signal without noise
        if settings.streaks_per_slice:
            rng = context.rng_on(beneath, "twin streaks", z, channel)
            length_px = settings.streak_length_nm / self.pixel_nm[1]
            signal = with_streaks(
                signal, settings.streaks_per_slice, settings.streak_strength, length_px, rng
            )
        if settings.flicker:
            rng = context.rng_on(beneath, "twin flicker", z, channel)
            lines = detector.beam_flicker(settings.flicker, len(signal), rng)
            signal = signal * lines[:, None]
        if variation.dimming[z]:
            signal = signal * np.float32(1.0 - variation.dimming[z])
        if self.geometry is not None and self.geometry.lost_from[z] < 1:
            signal = signal.copy()
            signal[int(self.geometry.lost_from[z] * len(signal)) :] = 0.0
        electrons = settings.of_channel("beam_electrons", channel)
        if electrons is not None:
            rng = context.rng_on(beneath, "twin electrons", z, channel)
            spread = settings.of_channel("electron_spread", channel)
            signal = detector.counted(signal, electrons, spread, rng)
        if settings.response_pixels:
            signal = detector.band_limited(signal, settings.response_pixels)
        gain, offset = self.level[channel]
        level = signal * np.float32(gain * variation.contrast[channel, z])
        level += np.float32(offset + variation.brightness[channel, z])
        amplifier = settings.of_channel("amplifier_noise", channel)
        if amplifier:
            rng = context.rng_on(beneath, "twin amplifier", z, channel)
            noise = rng.standard_normal(level.shape, np.float32)
            level += np.float32(amplifier) * noise
        return detector.s_shaped(level, settings.s_curve)
