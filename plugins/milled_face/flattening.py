"""Curtains and slow shading, measured on the milled face itself.

All of a milled face has one brightness: where its grey value differs along stripes or across the
field, that is curtaining or shading. The factor is a mean over pixels of the face, far along the
stripes and near across them; a pore has that of the face around it.
"""

from __future__ import annotations

import numpy as np

from fib_plugins.milled_face.mode import Mode, blurred

ALONG_PX, ACROSS_PX = 20.0, 1.0
"""Standard deviations of the mean, along the stripes (y) and across them."""
PRIOR = 0.02
"""Weight of a factor of 1; that of a field full of face is 1."""
WITHIN = 2.5
"""Pixels within so many standard deviations of the mode are taken for the face."""
ROUNDS = 2


def flattened(plane: np.ndarray, mode: Mode, blur_px: float) -> tuple[np.ndarray, np.ndarray]:
    """Return a slice with an even face, and the factor that was divided out, both float32.

    Args:
        plane: grey values, axes (along the stripes, across them).
        mode: of the face, before flattening.
        blur_px: blur after which the mode was found.
    """
    from scipy.ndimage import binary_erosion, gaussian_filter

    flat = plane.astype(np.float32)
    factor = np.ones_like(flat)
    sigma = (ALONG_PX, ACROSS_PX)
    for _ in range(ROUNDS):
        near = np.abs(blurred(flat, blur_px) - mode.level) < WITHIN * mode.deviation
        face = binary_erosion(near).astype(np.float32)
        weight = gaussian_filter(face, sigma) + PRIOR
        found = (gaussian_filter(face * flat, sigma) / mode.level + PRIOR) / weight
        found = np.maximum(found, 0.1)
        flat /= found
        factor *= found
    return flat, factor
