"""Recording of a stack slice by slice: threads, element types, forecasts, the table of slices."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Literal, TypeVar

import numpy as np

from fib_plugins.threads import bytes_in_threads, threads_for
from fibcore import Context, FibError, Forecast, Images, VolumeSpec
from fibcore.context import held_bytes
from fibcore.roles import Abscissa, Curve, Role
from fibcore.tables import Table

T = TypeVar("T")

BYTES_PER_PIXEL = 52
"""Memory of a thread per pixel of a slice: float64 and int64 arrays of noise and curtains."""

Bits = Literal[8, 16] | None
"""Grey levels of recorded images: uint8, uint16, or float32."""


def recorded_dtype(bits: Bits) -> str:
    """Return the element type of recorded images."""
    return "float32" if bits is None else f"uint{bits}"


def forecast_recording(
    images: VolumeSpec, bits: Bits, bytes_per_pixel: int, warnings: tuple[str, ...] = ()
) -> Forecast:
    """Return the forecast of a recording of ideal images.

    Args:
        images: the ideal images.
        bits: of the recorded ones.
        bytes_per_pixel: memory of a thread per pixel of a slice.
        warnings: of the forecast.
    """
    output = replace(images, dtype=recorded_dtype(bits))
    pixels = images.shape[1] * images.shape[2]
    return Forecast(
        output,
        memory_bytes=bytes_in_threads(bytes_per_pixel * pixels) + held_bytes(output.nbytes),
        warnings=warnings,
    )


def check_labels(images: VolumeSpec, labels: VolumeSpec | None) -> None:
    """Refuse labels of another shape than the ideal images.

    Raises:
        FibError: the shapes differ.
    """
    if labels is not None and images.shape != labels.shape:
        raise FibError(
            f"the images have shape {images.shape}, the labels {labels.shape} (z, y, x): give the "
            f"labels that the ideal images were made from"
        )


def each_on(images: Images, context: Context) -> list[Context]:
    """Return a context for each slice, whose random numbers depend on the slice.

    It is used for numbers that are drawn for a slice as a whole, the same for all channels.
    """
    return [context.on(images.data[:, z]) for z in range(images.shape[0])]


def each_slice(
    work: Callable[[int], T], slices: range, threads: int, bytes_each: int = 0
) -> Iterator[T]:
    """Yield ``work(z)`` of each slice, in order, from several threads, fewer if these take much.

    After an error, or if the generator is closed, slices that have not started are left out.
    """
    threads = threads_for(bytes_each, threads)
    with ThreadPoolExecutor(threads, thread_name_prefix="fib") as pool:
        futures = [pool.submit(work, z) for z in slices]
        try:
            for future in futures:
                yield future.result()
        except BaseException:
            for future in futures:
                future.cancel()
            raise


def slice_table(
    images: Images,
    columns: Mapping[str, np.ndarray],
    brightness: np.ndarray,
    contrast: np.ndarray,
    curves: Mapping[str, Role] | None = None,
) -> Table:
    """Return what differs from slice to slice, one row per slice.

    Columns ``<channel>_brightness`` and ``<channel>_contrast`` follow those given.

    Args:
        images: the recorded images.
        columns: the first columns, ``slice`` among them.
        brightness: added to the level, axes (channel, slice), fractions of the full scale.
        contrast: factor on the gain, axes (channel, slice).
        curves: roles of columns other than a curve of their own.
    """
    columns = dict(columns)
    for channel, name in enumerate(images.names):
        columns[f"{name.replace(' ', '_')}_brightness"] = brightness[channel]
        columns[f"{name.replace(' ', '_')}_contrast"] = contrast[channel]
    roles: dict[str, Role] = {name: Curve() for name in columns}
    return Table(columns, {**roles, **(curves or {}), "slice": Abscissa()})
