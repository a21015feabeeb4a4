"""Features of a segmentation that are known without a truth, from which its errors are expected."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fib_plugins.metrics.error_bars.scales import LOG, LOGIT
from fibcore import Images, Labels

LEVELS = (0.5, 0.25)
"""Of the autocovariance, at which correlation lengths are taken."""
SMALLEST = 1e-6
"""Added to shares and separations whose logarithm is taken."""


def separation(images: Images, labels: Labels) -> float:
    """Return how far the grey values of solid and pore lie apart, in their standard deviation.

    Difference of the means over the root mean square of the two standard deviations, of the channel
    where it is largest; 0 if a phase is absent. Noise, blur and shine-through reduce it.
    """
    sums = np.zeros((len(images.data), 2, 3))
    for z, phases in enumerate(labels.data):
        solid = phases > 0
        for number, channel in enumerate(images.data):
            grey = channel[z].astype(np.float64)
            for phase, inside in enumerate((~solid, solid)):
                values = grey[inside]
                sums[number, phase] += len(values), values.sum(), (values**2).sum()
    if not sums[:, :, 0].all():
        return 0.0
    means = sums[..., 1] / sums[..., 0]
    variances = np.maximum(sums[..., 2] / sums[..., 0] - means**2, 0.0)
    apart = np.abs(means[:, 1] - means[:, 0])
    return float(np.max(apart / np.sqrt(np.maximum(variances.mean(axis=1), SMALLEST))))


def doubt(probability: Images | None) -> float:
    """Return the mean over voxels of 1 minus the largest probability; nan without probabilities.

    It is the expected share of misplaced voxels if the probabilities are calibrated.
    """
    if probability is None:
        return float("nan")
    slices = range(probability.shape[0])
    return float(np.mean([1.0 - probability.data[:, z].max(axis=0).mean() for z in slices]))


def excess(probability: Images | None, solid_fraction: float) -> float:
    """Return the logit of the mean probability of solid minus that of the solid fraction.

    Where the segmenter doubts, solid that it has taken for pore, and pore for solid, need not
    balance; nan without probabilities.

    Args:
        probability: one channel per phase, the pore first.
        solid_fraction: of the segmentation.
    """
    if probability is None:
        return float("nan")
    pore = float(np.mean([plane.mean(dtype=np.float64) for plane in probability.data[0]]))
    return float(LOGIT.to(1.0 - pore) - LOGIT.to(solid_fraction))


def correlation_lengths(s2: np.ndarray) -> list[float]:
    """Return the logarithms of distances, in steps, at which correlations fall to `LEVELS`.

    Of the two-point correlation S2 the autocovariance (S2 - phi^2) / (phi - phi^2), 1 at distance
    0. Specks and rough edges change it less than they change surface and diameters. A curve that
    does not fall so far counts as falling at its end.

    Args:
        s2: at distances of 0, 1, 2 ... steps, with a solid fraction phi above 0 and below 1.
    """
    fraction = s2[0]
    covariance = (s2 - fraction**2) / (fraction - fraction**2)
    found = []
    for level in LEVELS:
        below = np.flatnonzero(covariance < level)
        after = int(below[0]) if len(below) else len(s2) - 1
        last, first = covariance[after - 1], covariance[after]
        part = (last - level) / (last - first) if last > first else 1.0
        found.append(float(np.log(after - 1 + min(max(part, 0.1), 1.0))))
    return found


def all_of(
    figures: Mapping[str, float],
    s2: np.ndarray,
    separated: float,
    unsure: tuple[float, float] | None,
) -> np.ndarray:
    """Return the features of a segmentation, on their scales.

    Solid fraction, specific surface (the share of voxels at edges), ligament diameter, correlation
    lengths, separation and, of a segmenter with probabilities, doubt and excess.

    Args:
        figures: quantity -> as measured on the segmentation, which has two phases.
        s2: its two-point correlation.
        separated: from `separation`.
        unsure: from `doubt` and `excess`; None: the segmenter has no probabilities.
    """
    found = [
        float(LOGIT.to(figures["solid_fraction"])),
        float(LOG.to(figures["specific_surface"])),
        float(LOG.to(figures["ligament_diameter"])),
        *correlation_lengths(s2),
        float(np.log(separated + SMALLEST)),
    ]
    if unsure is not None:
        found += [float(np.log(unsure[0] + SMALLEST)), unsure[1]]
    return np.array(found)
