"""What the window brings from strong frequencies to weak ones, where it counts for nothing.

A window that does not move with the structure turns a bright spot at its edge into detail at its
flanks, which agrees from slice to slice at a displacement of 0. Where an image has no detail of its
own, such as one that is smooth and free of noise, this would be taken for structure that stays.
"""

from __future__ import annotations

import numpy as np

from fib_plugins.correctors.align.spectra import Spectra

LOBE = 2.5
"""Half the width of the window's main peak, in frequencies of its smallest part."""
CAUTION = 2.0
"""Factor by which leakage is taken to be larger than expected."""


def own_share(power: np.ndarray, spectra: Spectra) -> np.ndarray:
    """Return the share of each frequency's power that is its own, 0 to 1; float32.

    The power that leaks into a frequency is the sum over all others of their power times that of
    the window's transform at their distance, beyond its main peak.

    Args:
        power: sums of squared amplitudes (channel, y, x).
        spectra: the window, and size of the transforms.
    """
    from scipy.fft import irfft2, rfft2

    size = spectra.padded
    shape = np.abs(rfft2(spectra.weights, size)) ** 2
    share = irfft2(shape, size)[0, 0] * size[0] * size[1]  # the sum over all frequencies
    shape[_lobe(spectra)] = 0
    spread = irfft2(shape / share, size)
    made = np.empty(power.shape, np.float32)
    for given, out in zip(power, made, strict=True):
        leaked = rfft2(irfft2(given, size) * spread).real * (size[0] * size[1])
        out[:] = np.clip(1.0 - CAUTION * leaked / np.maximum(given, 1e-30), 0.0, 1.0)
    return made


def _lobe(spectra: Spectra) -> tuple[np.ndarray, ...]:
    """Return the indices of the main peak of the window's transform."""
    edges = [min(part[axis][1] - part[axis][0] for part in spectra.window.parts) for axis in (0, 1)]
    rows, columns = spectra.padded
    wide_y, wide_x = (
        int(np.ceil(LOBE * n / edge)) for n, edge in zip((rows, columns), edges, strict=True)
    )
    y = np.arange(-min(wide_y, rows // 2), min(wide_y, rows // 2) + 1)
    return np.ix_(y, np.arange(min(wide_x, columns // 2) + 1))
