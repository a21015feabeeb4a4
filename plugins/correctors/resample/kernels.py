"""Weighted sums along the axes of a slice, and the phase with the largest share; for Numba."""

from __future__ import annotations

import numpy as np

from fib_plugins.compiled import compiled


@compiled
def along_z(slices: np.ndarray, shares: np.ndarray, out: np.ndarray) -> None:
    """Write the weighted sum of slices (width, y, x) into out (y, x), float32."""
    rows, columns = out.shape
    for y in range(rows):
        share = shares[0]
        for x in range(columns):
            out[y, x] = share * np.float32(slices[0, y, x])
        for k in range(1, len(shares)):
            share = shares[k]
            if share != 0:
                for x in range(columns):
                    out[y, x] += share * np.float32(slices[k, y, x])


@compiled
def along_y(image: np.ndarray, first: np.ndarray, shares: np.ndarray, out: np.ndarray) -> None:
    """Write weighted sums of the rows of an image (y, x) into out (new y, x)."""
    for row in range(len(first)):
        out[row] = np.float32(0)
        for k in range(shares.shape[1]):
            share = shares[row, k]
            if share != 0:
                given = image[first[row] + k]
                for x in range(out.shape[1]):
                    out[row, x] += share * given[x]


@compiled
def along_x(image: np.ndarray, first: np.ndarray, shares: np.ndarray, out: np.ndarray) -> None:
    """Write weighted sums of the columns of an image (y, x) into out (y, new x)."""
    for y in range(len(out)):
        for column in range(len(first)):
            total = np.float32(0)
            for k in range(shares.shape[1]):
                total += shares[column, k] * image[y, first[column] + k]
            out[y, column] = total


@compiled
def largest_share(
    slices: np.ndarray,
    z_shares: np.ndarray,
    y_first: np.ndarray,
    y_shares: np.ndarray,
    x_first: np.ndarray,
    x_shares: np.ndarray,
    out: np.ndarray,
) -> None:
    """Write the phase with the largest share of each new voxel; of equal ones the smallest.

    Args:
        slices: the given slices of the new one, uint8 (width, y, x).
        z_shares: their weights.
        y_first: first given row of each new one.
        y_shares: their weights.
        x_first: first given column of each new one.
        x_shares: their weights.
        out: uint8 (new y, new x).
    """
    found = np.zeros(256, np.float32)
    for row in range(len(y_first)):
        for column in range(len(x_first)):
            first = slices[0, y_first[row], x_first[column]]
            same, highest = True, first
            for kz in range(len(z_shares)):
                for ky in range(y_shares.shape[1]):
                    weight = z_shares[kz] * y_shares[row, ky]
                    if weight != 0:
                        for kx in range(x_shares.shape[1]):
                            phase = slices[kz, y_first[row] + ky, x_first[column] + kx]
                            found[phase] += weight * x_shares[column, kx]
                            same &= phase == first
                            highest = max(highest, phase)
            best = first
            if not same:
                best = np.uint8(0)
                for phase in range(1, int(highest) + 1):
                    if found[phase] > found[best] + np.float32(1e-6):
                        best = np.uint8(phase)
                found[: int(highest) + 1] = 0
            else:
                found[first] = 0
            out[row, column] = best
