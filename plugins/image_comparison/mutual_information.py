"""Mutual information between the grey values and the labels of a slice, in bits per pixel.

I = H(grey) + H(labels) - H(grey, labels), with entropies of the measured shares (Shannon 1948).
It is 0 if grey values are independent of labels, and the entropy of the labels if they determine
them; which phase is bright does not matter. Entropies of finite samples are too low by
(cells - 1) / 2N nats to first order (Miller 1955). This bias is corrected: otherwise noise would
seem to hold information.
"""

from __future__ import annotations

import numpy as np

BINS = 64
"""Bins of the grey values, with equal numbers of pixels as far as possible; a grey value that fills
more than one gets a bin of its own."""


def joint_counts(grey: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the number of pixels of each phase (column) in each bin of grey values (row), int64.

    Args:
        grey: grey values of a slice, finite.
        labels: their phases, uint8, the same shape.
    """
    values = grey.ravel()
    borders = np.unique(np.quantile(values, np.arange(1, BINS) / BINS))
    bins = np.searchsorted(borders, values) + np.searchsorted(borders, values, "right")
    phases = int(labels.max()) + 1
    cells = bins * phases + labels.ravel()
    return np.bincount(cells, minlength=(2 * len(borders) + 1) * phases).reshape(-1, phases)


def information_bits(counts: np.ndarray) -> tuple[float, float]:
    """Return the mutual information of rows and columns, and the entropy of the columns, in bits.

    Args:
        counts: from `joint_counts`.
    """
    of_labels = _entropy_bits(counts.sum(axis=0))
    found = _entropy_bits(counts.sum(axis=1)) + of_labels - _entropy_bits(counts.ravel())
    return max(found, 0.0), of_labels


def _entropy_bits(counts: np.ndarray) -> float:
    total = counts.sum()
    shares = counts[counts > 0] / total
    correction = (len(shares) - 1) / (2 * total)
    return float(-np.sum(shares * np.log2(shares)) + correction / np.log(2))
