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

import numpy as np
from scipy import ndimage, optimize

from fib_plugins.threads import in_threads

MOST_BLUR_PIXELS = 4.0
BLUR_TOLERANCE_PIXELS = 0.02
SLICES_FOR_BLUR = 12
FWHM = 2.0 * np.sqrt(2.0 * np.log(2.0))

POWERS = [(0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2), (3, 0), (2, 1), (1, 2), (0, 3)]
"""Powers of y and x in the terms of brightness."""
FIELDS = len(POWERS)
TERMS = FIELDS + 10
BLOCK_PIXELS = 2**16
"""Pixels of a slice whose terms are in memory at a time."""


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
    variance = float(record.var())
    image = ideal.astype(np.float64)
    image -= ideal.mean(dtype=np.float64)
    image /= image.std() or 1.0
    rows = max(1, BLOCK_PIXELS // image.shape[1])
    blocks = [slice(y, y + rows) for y in range(0, len(image), rows)]
    products = np.zeros((TERMS, TERMS))
    answers = np.zeros(TERMS)
    for block in blocks:
        terms = _terms(image, block)
        products += terms @ terms.T
        answers += terms @ record[block].ravel()
    values = np.linalg.lstsq(products, answers, rcond=1e-10)[0]
    left = record
    for block in blocks:
        left[block] -= (values @ _terms(image, block)).reshape(left[block].shape)
    columns = max(1, BLOCK_PIXELS // len(left))
    for x in range(0, left.shape[1], columns):
        left[:, x : x + columns] -= np.median(left[:, x : x + columns], axis=0)
    first = FIELDS
    contrast, shift_y, shift_x = values[[first, first + 4, first + 7]]
    shifts = (-shift_y / contrast, -shift_x / contrast) if contrast else (np.nan, np.nan)
    del image
    found = LinkedSlice(variance, float(np.mean(left**2)), float(contrast), shifts)
    return found, left.astype(np.float32)


def _terms(image: np.ndarray, rows: slice) -> np.ndarray:
    """Return the terms of the fit in some rows, axes (term, pixel)."""
    first, last, _ = rows.indices(len(image))
    around = slice(max(0, first - 2), last + 2)  # differences at the edges reach two rows
    own = slice(first - around.start, last - around.start)
    along_y, along_x = (slope[own] for slope in np.gradient(image[around]))
    here = image[first:last]
    y = np.linspace(-1.0, 1.0, len(image))[first:last, None]
    x = np.linspace(-1.0, 1.0, image.shape[1])[None, :]
    terms = np.empty((TERMS, *here.shape))
    for place, (i, j) in zip(terms, POWERS, strict=False):
        place[...] = y**i * x**j
    linear = terms[:3]
    # The first term of each group is read by `link_slice`: keep the order.
    terms[FIELDS : FIELDS + 3] = linear * here
    terms[FIELDS + 3] = here**2
    terms[FIELDS + 4 : FIELDS + 7] = linear * along_y
    terms[FIELDS + 7 :] = linear * along_x
    return terms.reshape(TERMS, -1)


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
