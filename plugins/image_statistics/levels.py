"""Grey levels between the dark and the bright class of a histogram: Otsu's and Yen's."""

from __future__ import annotations

import numpy as np

from fib_plugins.image_statistics.histogram import Histogram

YEN_BINS = 256


def otsu_level(histogram: Histogram) -> float:
    """Return the level with the largest variance between the classes (Otsu 1979, eq. 18).

    N. Otsu, A threshold selection method from gray-level histograms, IEEE Trans. Syst. Man
    Cybern. 9 (1979) 62-66. The level is the brightest grey value of the dark class.
    """
    share = histogram.counts / histogram.counts.sum()
    dark = np.cumsum(share)[:-1]
    moment = np.cumsum(share * histogram.values)
    between = (moment[-1] * dark - moment[:-1]) ** 2 / (dark * (1.0 - dark))
    return float(histogram.values[np.argmax(between)])


def yen_level(histogram: Histogram) -> float:
    """Return the level with the largest entropic correlation (Yen et al. 1995, eq. 4).

    J.-C. Yen, F.-J. Chang, S. Chang, A new criterion for automatic multilevel thresholding, IEEE
    Trans. Image Process. 4 (1995) 370-378. With p the shares of the grey values and P the share
    of the dark class, it is -ln(sum_dark p^2 sum_bright p^2) + 2 ln(P (1 - P)). It depends on the
    number of bins that each class fills, which is meaningful only if bins hold many voxels: 16-bit
    and float values are counted in 256 bins across their inner 99.8 %, plus as many of the same
    width as the rest needs.
    """
    histogram = histogram.coarser(YEN_BINS)
    share = histogram.counts / histogram.counts.sum()
    dark = np.cumsum(share)[:-1]
    squares = share**2
    dark_squares = np.cumsum(squares)[:-1]
    bright_squares = np.cumsum(squares[::-1])[::-1][1:]
    correlation = 2.0 * np.log(dark * (1.0 - dark)) - np.log(dark_squares * bright_squares)
    return float(histogram.values[np.argmax(correlation)])
