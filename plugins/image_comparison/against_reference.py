"""A stack against the same stack without its defects, slice by slice: shift, brightness, error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fib_plugins.image_statistics.noise_level import noise_of_slice
from fib_plugins.threads import in_threads, threads_for
from fibcore import Context, FibError, Images

BYTES_PER_PIXEL = 100
"""Memory of a thread per pixel of a slice: complex spectra of two slices and their product."""

PIXEL_PARTS = 50
"""Shifts are found to this part of a pixel."""

SMOOTH_PX = 1.0
"""Standard deviation of the blur before shifts are measured, pixels."""


@dataclass(frozen=True)
class Differences:
    """How each slice differs from its reference.

    Attributes:
        shift_px: (slice, 2), how far its structure lies beyond the reference along y and x, pixels.
        brightness: (channel, slice), its mean less that of the reference, in standard deviations
            of the reference.
        square: (channel, slice), mean square difference in variances of the reference, less that of
            the white noise in the difference; below 0 where it is nothing but noise.
    """

    shift_px: np.ndarray
    brightness: np.ndarray
    square: np.ndarray

    @property
    def error(self) -> float:
        """Root mean square difference of all voxels, in standard deviations of the reference."""
        return float(np.sqrt(max(self.square.mean(), 0.0)))

    @property
    def brightness_rms(self) -> float:
        """Variation of the brightness between slices, in standard deviations of the reference."""
        return float(self.brightness.std(axis=1).mean())

    @property
    def drift_px(self) -> float:
        """Root mean square of the shifts from their mean, over slices, y and x, pixels."""
        return float(np.sqrt(np.square(self.shift_px - self.shift_px.mean(axis=0)).mean()))

    @property
    def step_px(self) -> float:
        """Root mean square of the shifts of slices against their neighbours, pixels."""
        return float(np.sqrt(np.square(np.diff(self.shift_px, axis=0)).mean()))


LOOKED_AT = 8
"""Number of slices from which the place of one field in another is found."""


def common_field(images: Images, reference: Images) -> tuple[Images, Images]:
    """Cut two stacks to what both show: edges may be cut off, or the whole stack displaced.

    The place of one in the other is a whole number of pixels along y and x, where the correlations
    of some slices, summed, are highest.

    Args:
        images: the stack.
        reference: the same stack without defects; it has as many slices.
    """
    from scipy.fft import irfft2, next_fast_len, rfft2

    padded = [
        next_fast_len(a + b - 1, real=True)
        for a, b in zip(images.shape[1:], reference.shape[1:], strict=True)
    ]
    depth = reference.shape[0]
    surface = np.zeros(padded)
    for z in np.unique(np.linspace(0, depth - 1, min(depth, LOOKED_AT)).astype(int)).tolist():
        spectra = []
        for stack in (reference, images):
            plane = stack.data[0, z].astype(np.float64)
            spectra.append(rfft2(plane - plane.mean(axis=0), padded))
        surface += irfft2(spectra[0] * np.conj(spectra[1]), padded)
    peak = np.unravel_index(int(surface.argmax()), surface.shape)
    cuts = []
    for at, size, there, here in zip(
        peak, padded, reference.shape[1:], images.shape[1:], strict=True
    ):
        offset = int(at) if at < there else int(at) - size  # of the images in the reference
        start, stop = max(offset, 0), min(offset + here, there)
        cuts.append((slice(start, stop), slice(start - offset, stop - offset)))
    (y, own_y), (x, own_x) = cuts
    return (
        images.with_data(images.data[:, :, own_y, own_x]),
        reference.with_data(reference.data[:, :, y, x]),
    )


def differences(images: Images, reference: Images, margin_px: int, context: Context) -> Differences:
    """Compare each slice with its reference, moved to where the stack as a whole lies.

    A displacement that all slices share is no error: a stack is aligned to one of its slices.

    Args:
        images: the stack.
        reference: the same stack without defects, of the same shape and channels.
        margin_px: pixels at each edge that are left out of error and brightness, where slices that
            were shifted show nothing.
        context: threads and progress.

    Raises:
        FibError: the reference is constant.
    """
    inner = (slice(margin_px, -margin_px or None),) * 2
    named = zip(reference.data, reference.names, strict=True)
    scale = [_deviation(channel, name) for channel, name in named]
    count, depth = len(scale), reference.shape[0]

    def shift_of(z: int) -> np.ndarray:
        weighted = [
            sum(stack.data[c, z].astype(np.float64) / scale[c] for c in range(count))
            for stack in (reference, images)
        ]
        return _shift(*weighted)

    def compare(z: int) -> tuple[list[float], list[float]]:
        added = [
            (images.data[c, z].astype(np.float64) - _moved(reference.data[c, z], common))[inner]
            / scale[c]
            for c in range(count)
        ]
        means = [float(part.mean()) for part in added]
        return means, [float(np.square(p).mean()) - noise_of_slice(p) ** 2 for p in added]

    threads = threads_for(
        BYTES_PER_PIXEL * reference.shape[1] * reference.shape[2], context.threads
    )
    shift = np.array(in_threads(shift_of, range(depth), threads))
    context.progress(1, 2, "slices compared")
    common = shift.mean(axis=0)
    mean, square = zip(*in_threads(compare, range(depth), threads), strict=True)
    context.progress(2, 2, "slices compared")
    return Differences(shift, np.array(mean).T, np.array(square).T)


def _moved(plane: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Return a slice moved by a part of a pixel along y and x, by cubic splines."""
    from scipy.ndimage import shift

    values = plane.astype(np.float64)
    return shift(values, by, order=3, mode="nearest") if by.any() else values


def _deviation(channel: np.ndarray, name: str) -> float:
    total = squares = 0.0
    for plane in channel:
        values = plane.astype(np.float64)
        total += float(values.mean())
        squares += float(np.square(values).mean())
    deviation = max(squares / len(channel) - (total / len(channel)) ** 2, 0.0) ** 0.5
    if deviation < 1e-9:
        raise FibError(
            f"the {name} images of the reference are constant: there is no structure to compare"
        )
    return float(deviation)


def _shift(reference: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Return how far a slice lies beyond its reference along y and x, pixels."""
    from scipy.ndimage import gaussian_filter
    from skimage.registration import phase_cross_correlation

    window = np.outer(*(np.hanning(n + 2)[1:-1] for n in reference.shape))
    prepared = []
    for plane in (reference, image):
        smooth = gaussian_filter(plane, SMOOTH_PX)
        columns = np.average(smooth, axis=0, weights=window.max(axis=1))  # curtains are in these
        prepared.append((smooth - columns) * window)
    if not prepared[1].any():
        return np.zeros(2)
    back, *_ = phase_cross_correlation(*prepared, upsample_factor=PIXEL_PARTS, normalization=None)
    return -np.asarray(back)
