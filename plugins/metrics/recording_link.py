"""Effects of an instrument, estimated from the ideal image of a slice and its record.

The record is fitted by least squares, slice by slice, with the ideal image after a blur: brightness
and contrast that vary over the slice, a curved response (gamma), small shifts and distortions, and
stripes along y. The residual is noise, or structure that the ideal image does not show. Terms of
the fit, with b the blurred ideal image and (y, x) from -1 to 1 over the slice:

- brightness: polynomials in (y, x) up to the third degree (shadows, charging);
- contrast: b, y b and x b; response: b squared;
- geometry: the derivatives of b along y and x, and these times y and x: to first order a shift, a
  stretch, a shear or a rotation;
- stripes: the median of the residual in each column.

All other effects of the instrument count as unexplained.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import ndimage, optimize

from fib_plugins.threads import in_threads

MOST_BLUR_PIXELS = 4.0
BLUR_TOLERANCE_PIXELS = 0.02
SLICES_FOR_BLUR = 12
FWHM = 2.0 * np.sqrt(2.0 * np.log(2.0))


@dataclass(frozen=True)
class LinkedSlice:
    """The result of the fit of one slice.

    Attributes:
        variance: of the record.
        left_variance: mean square of the residual.
        contrast: of the record per standard deviation of the ideal image, in grey values; below 0
            where bright and dark are swapped.
        shift_pixels: displacement of the record from the ideal image along y and x.
    """

    variance: float
    left_variance: float
    contrast: float
    shift_pixels: tuple[float, float]


def link_slice(record: np.ndarray, ideal: np.ndarray) -> tuple[LinkedSlice, np.ndarray]:
    """Fit a record with an ideal image that is blurred already; both in axes (y, x).

    Returns:
        The result, and the residual: float32 in axes (y, x), grey values of the record.
    """
    record = record.astype(np.float64)
    image = ideal.astype(np.float64) - ideal.mean(dtype=np.float64)
    image /= image.std() or 1.0
    along_y, along_x = np.gradient(image)
    fields = _fields(image.shape)
    linear = fields[:3]
    # The first column of each group is read below: keep the order.
    terms = np.concatenate(
        [fields, linear * image, image[None] ** 2, linear * along_y, linear * along_x]
    ).reshape(-1, image.size)
    values = np.linalg.lstsq(terms @ terms.T, terms @ record.ravel(), rcond=1e-10)[0]
    left = record - (values @ terms).reshape(image.shape)
    left -= np.median(left, axis=0)
    first = len(fields)
    contrast, shift_y, shift_x = values[[first, first + 4, first + 7]]
    shifts = (-shift_y / contrast, -shift_x / contrast) if contrast else (np.nan, np.nan)
    found = LinkedSlice(float(record.var()), float(np.mean(left**2)), float(contrast), shifts)
    return found, left.astype(np.float32)


def blur_between(
    record: np.ndarray, ideal: np.ndarray, voxel_size_nm: tuple[float, float, float], threads: int
) -> float:
    """Return the FWHM of the blur, in nm, that explains most of a record.

    Args:
        record: grey values in axes (z, y, x); about a dozen slices are used.
        ideal: the same volume without the instrument.
        voxel_size_nm: along z, y, x.
        threads: number of slices fitted at a time.
    """
    some = np.unique(np.linspace(0, len(record) - 1, SLICES_FOR_BLUR).round().astype(int))
    pixel = min(voxel_size_nm[1:])

    def unexplained(sigma_pixels: float) -> float:
        def left(z: int) -> float:
            image = blurred(ideal[z], sigma_pixels * pixel * FWHM, voxel_size_nm)
            return link_slice(record[z], image)[0].left_variance

        return sum(in_threads(left, some, threads))

    found = optimize.minimize_scalar(
        unexplained,
        bounds=(0.0, MOST_BLUR_PIXELS),
        method="bounded",
        options={"xatol": BLUR_TOLERANCE_PIXELS},
    )
    return float(found.x) * pixel * FWHM


def blurred(
    plane: np.ndarray, fwhm_nm: float, voxel_size_nm: tuple[float, float, float]
) -> np.ndarray:
    """Return a slice (y, x) as float32, blurred by a round Gaussian of this FWHM."""
    sigma = [fwhm_nm / FWHM / size for size in voxel_size_nm[1:]]
    return ndimage.gaussian_filter(plane.astype(np.float32), sigma, mode="nearest")


@cache
def _fields(shape: tuple[int, int]) -> np.ndarray:
    """Return 1, y, x, and the further products of y and x up to the third degree."""
    y, x = np.meshgrid(*(np.linspace(-1.0, 1.0, n) for n in shape), indexing="ij")
    powers = [(0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2), (3, 0), (2, 1), (1, 2), (0, 3)]
    return np.stack([y**i * x**j for i, j in powers])
