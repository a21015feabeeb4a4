"""Imaging slices of a labelled volume, on the CPU or on a GPU."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from fib_plugins.threads import in_threads
from fibcore import FibError, Labels
from fibcore.errors import listed

from .electron import Beam
from .lattice import BELOW_FILL, BELOW_MIRROR, BELOW_REPEAT, MIRROR, PERIODIC, Lattice, int32s, pack
from .mapped import release
from .medium import Tables
from .open_surfaces import OpenSurfaces, find_surfaces, no_surfaces
from .secondary import Secondary
from .tally import Tally, empty_tally

PIXELS_PER_JOB = 256
PILOT_ELECTRONS = 50
GPU_PILOT_ELECTRONS = 1 << 24
"""Electrons for measuring the time of a pixel: most per pixel, and fewest in total on a GPU, which
take it a tenth of a second."""


def phases_in(labels: Labels) -> list[int]:
    """Return the phases that occur in labels, read slice by slice.

    Raises:
        FibError: one of them has no material.
    """
    seen = np.zeros(256, bool)
    for plane in planes(labels.data):
        seen |= np.bincount(plane.ravel(), minlength=256) > 0
    phases = [int(phase) for phase in np.flatnonzero(seen)]
    strange = [str(phase) for phase in phases if phase not in labels.phases]
    if strange:
        raise FibError(
            f"the labels hold phase {listed(strange)}, whose material is not known; known are "
            f"{listed([str(phase) for phase in sorted(labels.phases)])}. Give each a material"
        )
    return phases


def planes(data: np.ndarray) -> Iterator[np.ndarray]:
    """Yield slice after slice; slices of a memory-mapped file do not stay in memory."""
    for z, plane in enumerate(data):
        yield plane
        if z % 16 == 15 and not data.flags.writeable:
            release(data)


def make_lattice(
    labels: Labels,
    phases: Sequence[int],
    *,
    lateral: str = "periodic",
    below: str | int = "mirror",
    dtype: Any = np.float32,
    empty: Callable[[tuple[int, ...], Any], np.ndarray] = np.empty,
) -> Lattice:
    """Return the lattice of labels for the transport loop; it takes one byte per voxel.

    Args:
        labels: the structure.
        phases: those that occur in it and below it; media are numbered in this order.
        lateral: ``periodic`` or ``mirror``, continuation beyond the sides.
        below: ``mirror``, ``repeat`` or a phase, continuation below the last slice.
        dtype: float type of the tables.
        empty: makes the array of the voxels from its shape and type; it may be a file.
    """
    bits = max(1, (len(phases) - 1).bit_length())
    media = np.zeros(256, np.uint8)
    media[list(phases)] = np.arange(len(phases))
    voxels = np.asarray(empty(labels.shape, np.uint8))
    for z, plane in enumerate(planes(labels.data)):
        voxels[z] = media[plane]
    pack(voxels, bits)
    size = np.array(labels.voxel_size_nm)
    codes = {"mirror": BELOW_MIRROR, "repeat": BELOW_REPEAT}
    return Lattice(
        voxels=voxels.ravel(),
        shape=int32s(voxels.shape),
        medium_bits=bits,
        size_nm=size.astype(dtype),
        per_nm=(1.0 / size).astype(dtype),
        lateral={"periodic": PERIODIC, "mirror": MIRROR}[lateral],
        below=codes[below] if isinstance(below, str) else BELOW_FILL,
        fill=0 if isinstance(below, str) else phases.index(below),
    )


def surfaces_in(
    labels: Labels,
    phases: Sequence[int],
    reach_nm: float,
    *,
    lateral: str = "periodic",
    below: str | int = "mirror",
    empty: Callable[[tuple[int, ...], Any], np.ndarray] = np.empty,
) -> OpenSurfaces:
    """Return the walls of pores of a structure; they take two bytes per voxel if there is vacuum.

    Args:
        labels: the structure.
        phases: those that occur in it and below it.
        reach_nm: distance beyond which a wall is of no interest.
        lateral: see `make_lattice`, like below.
        below: continuation below the last slice.
        empty: makes the array of the codes from its shape and type; it may be a file.
    """
    is_vacuum = np.zeros(256, bool)
    is_vacuum[[phase for phase in phases if not labels.phases[phase].composition]] = True
    if not is_vacuum.any():
        return no_surfaces()
    return find_surfaces(
        lambda z: is_vacuum[labels.data[z]],
        labels.shape,
        labels.voxel_size_nm,
        reach_nm,
        lateral=lateral,
        below=below if isinstance(below, str) else bool(is_vacuum[below]),
        empty=empty,
    )


class Imager:
    """Images slices at one voltage.

    Args:
        lattice: the structure.
        tables: tables of its media at the voltage.
        beam: beam and detector.
        electrons_per_pixel: number of electrons sent into each pixel.
        key: seed of the random numbers, 0 to 2^64 - 1.
        threads: CPU threads to use.
        gpu: whether to compute on an NVIDIA GPU.
        secondary: secondary electrons of the media; None if no detector counts them.
    """

    def __init__(
        self,
        lattice: Lattice,
        tables: Tables,
        beam: Beam,
        *,
        electrons_per_pixel: int,
        key: int,
        threads: int = 1,
        gpu: bool = False,
        secondary: Secondary | None = None,
    ) -> None:
        self._shape = tuple(int(n) for n in lattice.shape)
        self._per_pixel, self._key, self._threads = electrons_per_pixel, np.uint64(key), threads
        self._setting = (lattice, tables, beam, secondary)
        self._detectors = len(beam.secondary_per_nm)
        self._dtype, self._gpu = tables.angles.dtype, None
        if gpu:
            from .cuda import Gpu

            self._gpu = Gpu(*self._setting, self._key, electrons_per_pixel)

    def images(
        self, slices: Sequence[int], rows: tuple[int, int], columns: tuple[int, int]
    ) -> Iterator[tuple[int, Tally]]:
        """Yield each slice and the tally of its pixels, in C order (y, x).

        A pixel's result depends only on the structure, the settings and its own place, not on the
        other pixels that are imaged. Meanwhile a GPU works on the next slices.

        Args:
            slices: those whose upper side is an imaged face, one after the other.
            rows: first pixel along y, and the one after the last.
            columns: likewise along x.
        """
        if self._gpu is not None:
            yield from zip(slices, self._gpu.images(slices, rows, columns), strict=True)
            return
        y, x = np.mgrid[slice(*rows), slice(*columns)]
        for z in slices:
            yield z, self.count(np.column_stack([np.full(y.size, z), y.ravel(), x.ravel()]))

    def image(self, z: int, rows: tuple[int, int], columns: tuple[int, int]) -> Tally:
        """Return the tally of the pixels of a slice; see `images`."""
        ((_, tally),) = self.images([z], rows, columns)
        return tally

    def seconds_per_pixel(self, rows: tuple[int, int], columns: tuple[int, int]) -> float:
        """Return the time per pixel, measured on pixels spread over the volume.

        It uses few electrons, but enough at a time to keep the GPU, or all threads, at work.
        """
        few = min(PILOT_ELECTRONS, self._per_pixel)
        if self._gpu is not None:
            pixels = (rows[1] - rows[0]) * (columns[1] - columns[0])
            number = min(max(-(-GPU_PILOT_ELECTRONS // (pixels * few)), 3), self._shape[0])
            slices = np.linspace(0, self._shape[0] - 1, number).astype(int).tolist()
            list(self._gpu.images(slices[:1], rows, columns, 1))  # compile, or load
            start = time.perf_counter()
            list(self._gpu.images(slices, rows, columns, few))
            measured = number * pixels
        else:
            rng = np.random.default_rng(0)
            low, high = [0, rows[0], columns[0]], [self._shape[0], rows[1], columns[1]]
            chosen = rng.integers(low, high, (PIXELS_PER_JOB * self._threads, 3))
            self.count(chosen[:1], 1)  # compile, or load
            start = time.perf_counter()
            self.count(chosen, few)
            measured = len(chosen)
        return (time.perf_counter() - start) / measured * self._per_pixel / few

    def count(self, pixels: np.ndarray, per_pixel: int | None = None) -> Tally:
        """Return the tally of pixels anywhere in the volume; always computed on the CPU.

        Args:
            pixels: int64 (pixel, 3) in axes (z, y, x).
            per_pixel: electrons sent into each; default: those of the imager.
        """
        from .batch import image_pixels
        from .lanes import empty_lanes

        sent = per_pixel or self._per_pixel
        _, ny, nx = self._shape
        electrons = ((pixels[:, 0] * ny + pixels[:, 1]) * nx + pixels[:, 2]) * sent
        voxels = pixels.astype(np.int32)
        tally = empty_tally(len(pixels), detectors=self._detectors)

        def work(start: int) -> None:
            part = slice(start, start + PIXELS_PER_JOB)
            counts, shares, depths, *spectra = tally
            image_pixels(
                self._key,
                voxels[part],
                electrons[part],
                sent,
                *self._setting,
                Tally(counts[part], shares[part], depths[part], *spectra),
                empty_lanes(self._dtype),
            )

        in_threads(work, range(0, len(pixels), PIXELS_PER_JOB), self._threads)
        return tally
