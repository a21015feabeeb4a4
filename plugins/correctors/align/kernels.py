"""Loops over the frequencies of cross spectra and over pixels, compiled by Numba.

A spectrum has the layout of ``rfft2``: rows are frequencies along y, columns those along x from 0.
"""

from __future__ import annotations

import numpy as np

from fib_plugins.compiled import compiled

REACH = 14
"""Samples, mirrored, from which the first coefficient of a spline follows: 0.27^14 is 1e-8."""


@compiled
def cross_spectrum(first: np.ndarray, second: np.ndarray, out: np.ndarray) -> None:
    """Write conj(first) second, divided by its amplitude to the power 0.75, into out (y, x)."""
    rows, columns = out.shape
    for y in range(rows):
        for x in range(columns):
            a, b = first[y, x], second[y, x]
            real = a.real * b.real + a.imag * b.imag
            imag = a.real * b.imag - a.imag * b.real
            square = real * real + imag * imag
            if square > np.float32(1e-30):
                quarter = np.sqrt(np.sqrt(square))
                scale = np.float32(1.0) / (quarter * np.sqrt(quarter))  # square ** -(3 / 8)
                out[y, x] = complex(real * scale, imag * scale)
            else:
                out[y, x] = complex(0.0, 0.0)


@compiled
def slope_and_curvature(
    crossed: np.ndarray,
    weights: np.ndarray,
    phase_y: np.ndarray,
    phase_x: np.ndarray,
    shift_y: float,
    shift_x: float,
    sums: np.ndarray,
) -> None:
    """Add to the sums what the weighted cross-correlation is at a displacement.

    Args:
        crossed: cross spectrum (y, x).
        weights: weight of each frequency (y, x); rows of which the first two are 0 are left out.
        phase_y: phase per pixel of each row, rad.
        phase_x: phase per pixel of each column, rad.
        shift_y: displacement along y, pixels.
        shift_x: displacement along x, pixels.
        sums: 7 numbers: its value, derivatives y, x, yy, xx, yx, and the sum of amplitudes.
    """
    rows, columns = crossed.shape
    turn_x = np.empty(columns, np.complex64)
    for x in range(columns):
        turn_x[x] = complex(np.cos(phase_x[x] * shift_x), np.sin(phase_x[x] * shift_x))
    for y in range(rows):
        turn = complex(np.cos(phase_y[y] * shift_y), np.sin(phase_y[y] * shift_y))
        turn_y = np.complex64(turn)
        value = one_x = two_x = slope = one_xs = size = np.float32(0.0)
        for x in range(columns):
            weight = weights[y, x]
            if weight > 0:
                given = crossed[y, x]
                turned = given * turn_y * turn_x[x]
                real, imag = weight * turned.real, weight * turned.imag
                kx = phase_x[x]
                value += real
                slope += imag
                one_x += kx * real
                one_xs += kx * imag
                two_x += kx * kx * real
                size += weight * np.sqrt(given.real * given.real + given.imag * given.imag)
        ky = phase_y[y]
        sums[0] += value
        sums[1] -= ky * slope
        sums[2] -= one_xs
        sums[3] -= ky * ky * value
        sums[4] -= two_x
        sums[5] -= ky * one_x
        sums[6] += size


@compiled
def add_agreement(
    crossed: np.ndarray, turn_y: np.ndarray, turn_x: np.ndarray, out: np.ndarray
) -> None:
    """Add the real part of turned values to out[0] (y, x), and their amplitude to out[1]."""
    rows, columns = crossed.shape
    for y in range(rows):
        for x in range(columns):
            given = crossed[y, x]
            out[0, y, x] += (given * turn_y[y] * turn_x[x]).real
            out[1, y, x] += np.sqrt(given.real * given.real + given.imag * given.imag)


@compiled
def add_powers(values: np.ndarray, out: np.ndarray) -> None:
    """Add squared amplitudes to out (y, x)."""
    rows, columns = values.shape
    for y in range(rows):
        for x in range(columns):
            given = values[y, x]
            out[y, x] += given.real * given.real + given.imag * given.imag


@compiled
def binned(plane: np.ndarray, factor: int, out: np.ndarray) -> None:
    """Write means of factor x factor pixels into out (y, x), float32; the rest is left out."""
    rows, columns = out.shape
    share = np.float32(1.0 / (factor * factor))
    for y in range(rows):
        out[y] = np.float32(0)
        for row in range(factor):
            given = plane[y * factor + row]
            for x in range(columns):
                total = np.float32(0)
                for column in range(factor):
                    total += np.float32(given[x * factor + column])
                out[y, x] += total * share


@compiled
def spline_rows(values: np.ndarray, start: np.ndarray) -> None:
    """Turn samples along y into coefficients of a cubic B-spline, in place (y, x), mirrored ends.

    Recursive filter with pole sqrt(3) - 2 (M. Unser, IEEE Signal Process. Mag. 16 (1999) 22-38,
    box 2).

    Args:
        values: float32, at least two rows.
        start: float32 of the length of a row, for the first coefficients.
    """
    pole = np.float32(np.sqrt(3.0) - 2.0)
    rows, columns = values.shape
    start[:] = np.float32(0)
    power = np.float32(1)
    for k in range(REACH):
        y = k % (2 * rows - 2)
        y = min(y, 2 * rows - 2 - y)
        for x in range(columns):
            start[x] += power * values[y, x]
        power *= pole
    values[0] = start
    for y in range(1, rows):
        for x in range(columns):
            values[y, x] += pole * values[y - 1, x]
    scale = pole / (pole * pole - np.float32(1))
    for x in range(columns):
        values[rows - 1, x] = scale * (values[rows - 1, x] + pole * values[rows - 2, x])
    for y in range(rows - 2, -1, -1):
        for x in range(columns):
            values[y, x] = pole * (values[y + 1, x] - values[y, x])
    for y in range(rows):
        for x in range(columns):
            values[y, x] *= np.float32(6)


@compiled
def spline_columns(values: np.ndarray) -> None:
    """Do the same along x."""
    pole = np.float32(np.sqrt(3.0) - 2.0)
    scale = pole / (pole * pole - np.float32(1))
    rows, columns = values.shape
    for y in range(rows):
        line = values[y]
        start, power = np.float32(0), np.float32(1)
        for k in range(REACH):
            x = k % (2 * columns - 2)
            start += power * line[min(x, 2 * columns - 2 - x)]
            power *= pole
        line[0] = start
        for x in range(1, columns):
            line[x] += pole * line[x - 1]
        line[columns - 1] = scale * (line[columns - 1] + pole * line[columns - 2])
        for x in range(columns - 2, -1, -1):
            line[x] = pole * (line[x + 1] - line[x])
        for x in range(columns):
            line[x] *= np.float32(6)


@compiled
def weighted_rows(
    values: np.ndarray, taps: np.ndarray, shares: np.ndarray, out: np.ndarray
) -> None:
    """Write for each row the weighted sum of the rows `taps` (row, tap) into out (y, x)."""
    for y in range(len(taps)):
        out[y] = np.float32(0)
        for k in range(taps.shape[1]):
            share, given = shares[y, k], values[taps[y, k]]
            for x in range(out.shape[1]):
                out[y, x] += share * given[x]


@compiled
def weighted_columns(
    values: np.ndarray, taps: np.ndarray, shares: np.ndarray, out: np.ndarray
) -> None:
    """Write for each column the weighted sum of the columns `taps` (column, tap) into out."""
    rows, columns = out.shape
    for y in range(rows):
        given = values[y]
        for x in range(columns):
            total = np.float32(0)
            for k in range(taps.shape[1]):
                total += shares[x, k] * given[taps[x, k]]
            out[y, x] = total
