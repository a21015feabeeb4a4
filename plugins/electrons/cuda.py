"""The transport loop on NVIDIA GPUs.

Threads share the electrons of a launch: a thread whose electron has ended takes the next one, so
that no thread waits for the longest electron of its group. All threads run the same loop, one step
through the lattice at a time (`lattice.step`), which includes starts of flights and collisions. The
functions are those of the CPU: the result for an electron is the same up to the last bits of
exponentials, logarithms and sums.

It needs an NVIDIA driver and the CUDA libraries that Numba uses. With the environment variable
NUMBA_ENABLE_CUDASIM=1 it runs in Numba's simulator; this is how it is tested without a GPU.
"""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numba import cuda
from numba.core.errors import NumbaPerformanceWarning

from fib_plugins.compiled import kept
from fibcore.errors import UsageError

from .collision import deflection, energy_share, entering, flight
from .compiled import Whole
from .electron import (
    Beam,
    back_along,
    energy_and_cosine,
    enter,
    is_counted,
    is_lost,
    is_secondary_counted,
)
from .lattice import (
    ARRIVED,
    CROSSED,
    ENTERED,
    MAX_CROSSINGS,
    Lattice,
    inverse_of,
    step,
    walls_of,
)
from .medium import Tables
from .pores import into_pores
from .random_stream import GOLDEN, scramble, scramble_briefly, stream_of
from .secondary import (
    AFTER_END,
    AT_END,
    MOST_AT_A_TIME,
    ON_WAY,
    Secondary,
    emit,
    no_secondary,
    nothing_emitted,
    pairs_at,
    poisson,
    share_of_flight,
)
from .tally import Tally, depth_units, share_units
from .way_out import away_from, comes_out, share_upwards, upwards_from

vars(np).setdefault("row_stack", np.vstack)
"""numba-cuda up to 0.30 uses this name when it compiles; NumPy 2.5 has removed it."""

THREADS_PER_BLOCK = 128
ELECTRONS_PER_THREAD = 64
"""Electrons of a block per thread: many, so that threads are hardly idle at the end."""

ELECTRONS_PER_LAUNCH = 1 << 26
"""A fraction of a second: a launch can be waited for, and is long enough to hide the next one's
preparation."""

MOST_PIXELS = 1 << 21
"""Pixels whose tally is kept at a time, 24 bytes each for every detector."""

ENDED, FLYING, WALKING = 0, 1, 2
"""State of a thread's electron: it has ended, starts a flight, is in flight."""


class Sums(NamedTuple):
    """The part of a tally that GPUs count; see `Tally`."""

    counts: Any
    shares: Any
    depths: Any


class Window(NamedTuple):
    """The pixels of a launch.

    Attributes:
        slices: int32, the slices, by number; on the GPU.
        y: first pixel along y.
        x: first pixel along x.
        height: number of pixels along y.
        width: number of pixels along x.
        per_pixel: electrons sent into each.
    """

    slices: Any
    y: np.int32
    x: np.int32
    height: np.int32
    width: np.int32
    per_pixel: np.int32


def check_gpu(index: int = 0) -> None:
    """Make sure that Numba can use a GPU, and have this thread use it.

    Args:
        index: number of the GPU.

    Raises:
        UsageError: it cannot; the message gives the cause.
    """
    if not cuda.is_available():
        raise UsageError(
            "device cuda: PyTorch sees a GPU, but Numba, which the Monte Carlo runs on, does not. "
            "Install its CUDA support (pip install 'fibtomo[cuda]'), or use --device cpu"
        )
    cuda.select_device(index)


@kept
@cuda.jit
def _clear(tally: Sums) -> None:
    """Set sums to zero."""
    p = cuda.grid(1)  # type: ignore[call-arg, var-annotated]
    if p < len(tally.counts):
        for detector in range(tally.counts.shape[1]):
            tally.counts[p, detector] = 0
            tally.shares[p, detector] = 0
            tally.depths[p, detector] = 0


@kept
@cuda.jit
def _send(
    key: np.uint64,
    first: Whole,
    window: Window,
    lattice: Lattice,
    tables: Tables,
    beam: Beam,
    secondary: Secondary,
    tally: Sums,
) -> None:
    """Send electrons into the pixels of a window, from electron number `first` on.

    Electrons are numbered pixel after pixel. Each block sends as many as its threads times
    `ELECTRONS_PER_THREAD`, or what is left.
    """
    taken = cuda.shared.array(1, np.int32)
    if cuda.threadIdx.x == 0:
        taken[0] = 0
    cuda.syncthreads()  # type: ignore[call-arg]
    real = tables.angles.dtype.type
    zero = real(0)
    of_block = cuda.blockDim.x * ELECTRONS_PER_THREAD
    first += cuda.blockIdx.x * of_block
    in_all = np.int64(len(tally.counts)) * window.per_pixel
    left_over = np.int32(min(in_all - first, np.int64(of_block)))
    first_pixel = first // window.per_pixel
    skipped = np.uint32(first - first_pixel * window.per_pixel)

    # state of a thread's electron; initial values set the types
    state = ENDED
    p = first_pixel
    stream = key
    pixel = (window.y, window.y, window.y)
    place = (zero, zero, zero)
    direction = (beam.direction[0], beam.direction[1], beam.direction[2])
    inverse = direction
    box = (window.y, window.y, window.y, window.y)
    medium = window.y
    depth = range_nm = deepest = length = zero
    left = range_after = row = reach = zero
    steps = 0
    start, start_box = place, box
    emitted = nothing_emitted(tables)
    while True:
        if state == ENDED:
            mine = cuda.atomic.add(taken, 0, 1)
            if mine >= left_over:
                break
            number = np.uint32(skipped + np.uint32(mine))
            p = first_pixel + number // np.uint32(window.per_pixel)
            pixel = _pixel(window, np.uint32(p))
            stream = stream_of(
                key, _electron(lattice, window, pixel, number % np.uint32(window.per_pixel))
            )
            place, box, medium, depth, range_nm = enter(stream, pixel, lattice, tables, beam)
            stream += GOLDEN
            direction = (beam.direction[0], beam.direction[1], beam.direction[2])
            inverse = inverse_of(direction)
            deepest = zero
            emitted = nothing_emitted(tables)
            state = FLYING
        if state == FLYING:
            stream += GOLDEN
            left, range_after, row, reach = flight(
                scramble(stream), depth, tables.depth_scale[medium], np.uint32(medium), tables
            )
            length = range_nm - range_after
            start, start_box = place, box
            steps = 0
            state = WALKING
        end, place, box, into, length = step(
            lattice, tables, pixel, place, direction, inverse, box, medium, length
        )
        deepest = max(deepest, place[0])
        steps += 1
        if end == CROSSED and steps < MAX_CROSSINGS:
            continue
        made = pairs_at(depth, medium, secondary, tables) - pairs_at(
            left, medium, secondary, tables
        )
        if end != ARRIVED:
            made *= share_of_flight(start, place, range_nm - range_after)
        emitted = emit(
            emitted, scramble_briefly(stream ^ ON_WAY), made, deepest, start, start_box, place, box,
            medium, end, lattice, tables, secondary,
        )  # fmt: skip
        if end == ARRIVED:
            if is_lost(left, place, reach, range_after, walls_of(box, lattice, tables)):
                state = ENDED
                emitted = emit(
                    emitted, scramble_briefly(stream ^ AT_END),
                    pairs_at(left, medium, secondary, tables), deepest, place, box, place, box,
                    medium, end, lattice, tables, secondary,
                )  # fmt: skip
            else:
                depth, range_nm = left, range_after
                direction = deflection(scramble(stream), row, np.uint32(medium), direction, tables)
                inverse = inverse_of(direction)
                state = FLYING
        elif end == CROSSED:
            state = ENDED
        else:
            energy = energy_share(range_after + length, medium, tables)
            if tables.depth_max[medium] == zero:  # vacuum, where it holds the energy
                energy = depth
            if end == ENTERED:
                depth, range_nm = entering(energy, into, tables)
                medium = into
                state = FLYING
            else:
                share, cosine = energy_and_cosine(energy, direction, tables, beam)
                for detector in range(tally.counts.shape[1]):
                    if is_counted(share, cosine, detector, beam):
                        _count(tally, p, detector, share, deepest)
                state = ENDED
        if state == ENDED:
            _settle(emitted, stream ^ AFTER_END, p, pixel, lattice, tables, beam, secondary, tally)


@cuda.jit(device=True)
def _settle(
    emitted: tuple,
    stream: np.uint64,
    p: Whole,
    pixel: tuple,
    lattice: Lattice,
    tables: Tables,
    beam: Beam,
    secondary: Secondary,
    tally: Sums,
) -> None:
    """Count the secondary electrons of an electron that has ended; see `settle.settle`."""
    real = tables.angles.dtype.type
    face, face_depth, weights, chosen = emitted
    left = face
    while left > real(0):
        few = poisson(scramble(stream), min(left, real(MOST_AT_A_TIME)))
        left -= real(MOST_AT_A_TIME)
        stream += GOLDEN
        for _ in range(few):
            bits, cosine = scramble(stream), real(0)
            stream += GOLDEN
            if beam.is_aimed[0] > real(0):
                cosine = back_along(away_from((-real(1), real(0), real(0)), bits, tables), beam)
            for detector in range(tally.counts.shape[1]):
                if is_secondary_counted(cosine, real(0), bits, detector, beam):
                    _count(tally, p, detector, real(1), face_depth / face)
    if weights <= real(0):
        return
    left, place, normal, voxel = into_pores(emitted, pixel, lattice, secondary)
    left *= share_upwards(normal)
    while left > real(0):
        few = poisson(scramble(stream), min(left, real(MOST_AT_A_TIME)))
        left -= real(MOST_AT_A_TIME)
        stream += GOLDEN
        for _ in range(few):
            bits = scramble(stream)
            stream += GOLDEN
            direction = upwards_from(normal, bits, tables)
            if comes_out(place, direction, voxel, pixel, lattice, tables):
                cosine = back_along(direction, beam)
                for detector in range(tally.counts.shape[1]):
                    if is_secondary_counted(cosine, place[0], bits, detector, beam):
                        _count(tally, p, detector, real(1), chosen[7])


@cuda.jit(device=True)
def _count(tally: Sums, p: Whole, detector: Whole, share: Any, deepest: Any) -> None:
    """Add an electron to what a detector has counted."""
    cuda.atomic.add(tally.counts, (p, detector), 1)  # type: ignore[call-arg]
    cuda.atomic.add(tally.shares, (p, detector), share_units(share))  # type: ignore[call-arg]
    cuda.atomic.add(tally.depths, (p, detector), depth_units(deepest))  # type: ignore[call-arg]


@cuda.jit(device=True)
def _pixel(window: Window, p: np.uint32) -> tuple:
    """Return the voxel (z, y, x) of a pixel of a window."""
    row = p // np.uint32(window.width)
    plane = row // np.uint32(window.height)
    return (
        window.slices[plane],
        np.int32(window.y + np.int32(row - plane * np.uint32(window.height))),
        np.int32(window.x + np.int32(p - row * np.uint32(window.width))),
    )


@cuda.jit(device=True)
def _electron(lattice: Lattice, window: Window, pixel: tuple, number: np.uint32) -> np.uint64:
    """Return the number in the whole volume of an electron of a pixel."""
    _, ny, nx = lattice.shape
    z, y, x = np.uint64(pixel[0]), np.uint64(pixel[1]), np.uint64(pixel[2])
    pixels = (z * np.uint64(ny) + y) * np.uint64(nx) + x
    return pixels * np.uint64(window.per_pixel) + np.uint64(number)


class Gpu:
    """Images slices on the GPU that this thread uses.

    Args:
        lattice: the structure; on the GPU already (see `on_gpu`), or not.
        tables: tables of its media at the voltage.
        beam: beam and detector.
        secondary: secondary electrons of the media, if a detector counts them.
        key: seed of the random numbers.
        per_pixel: electrons sent into each pixel.
    """

    def __init__(
        self,
        lattice: Lattice,
        tables: Tables,
        beam: Beam,
        secondary: Secondary | None,
        key: np.uint64,
        per_pixel: int,
    ) -> None:
        emission = no_secondary(tables) if secondary is None else secondary
        self._setting = tuple(on_gpu(each) for each in (lattice, tables, beam, emission))
        self._detectors = len(beam.secondary_per_nm)
        self._key, self._per_pixel = key, per_pixel

    def images(
        self,
        slices: Sequence[int],
        rows: tuple[int, int],
        columns: tuple[int, int],
        per_pixel: int | None = None,
    ) -> Iterator[Tally]:
        """Yield the tally of each slice in turn, while the GPU is at work on later ones.

        Args:
            slices: numbers of the slices.
            rows: first pixel along y, and the one after the last.
            columns: likewise along x.
            per_pixel: electrons sent into each pixel, if other than given before.
        """
        per_pixel = per_pixel or self._per_pixel
        size = (rows[1] - rows[0]) * (columns[1] - columns[0])
        together = min(ELECTRONS_PER_LAUNCH // (size * per_pixel), MOST_PIXELS // size)
        together = min(max(together, 1), len(slices))
        desks = deque(_Desk(together, size * together, self._detectors) for _ in range(2))
        at_work: deque[tuple[_Desk, int]] = deque()
        for start in range(0, len(slices), together):
            part = slices[start : start + together]
            desk = desks.popleft()
            with warnings.catch_warnings():  # of small launches, which are intended
                warnings.simplefilter("ignore", NumbaPerformanceWarning)
                desk.start(self._key, part, rows, columns, per_pixel, self._setting)
            at_work.append((desk, len(part)))
            if len(at_work) == 2:
                yield from self._finished(at_work, desks)
        while at_work:
            yield from self._finished(at_work, desks)

    @staticmethod
    def _finished(at_work: deque[tuple[_Desk, int]], desks: deque[_Desk]) -> Iterator[Tally]:
        desk, count = at_work.popleft()
        tallies = desk.wait(count)
        desks.append(desk)
        yield from tallies


class _Desk:
    """Memory for a window and its tally on the GPU and on the host, with its own stream.

    It is reused: freeing memory would wait for all work of the GPU.
    """

    def __init__(self, slices: int, pixels: int, detectors: int) -> None:
        self._stream = cuda.stream()
        shape = (pixels, detectors)
        self._there = [cuda.device_array(shape, np.int64) for _ in range(3)]
        self._here = [cuda.pinned_array(shape, np.int64) for _ in range(3)]
        self._slices = cuda.device_array(slices, np.int32)
        self._pixels = 0

    def start(
        self,
        key: np.uint64,
        slices: Sequence[int],
        rows: tuple[int, int],
        columns: tuple[int, int],
        per_pixel: int,
        setting: tuple[Any, ...],
    ) -> None:
        """Send the electrons of some slices; start to copy the tally back."""
        there = self._slices[: len(slices)]
        there.copy_to_device(np.array(slices, np.int32), stream=self._stream)
        numbers = (rows[0], columns[0], rows[1] - rows[0], columns[1] - columns[0], per_pixel)
        window = Window(there, *(np.int32(number) for number in numbers))
        pixels = len(slices) * int(window.height) * int(window.width)
        self._pixels = pixels
        tally = Sums(*(part[:pixels] for part in self._there))
        blocks = -(-pixels // THREADS_PER_BLOCK)
        _clear[blocks, THREADS_PER_BLOCK, self._stream](tally)
        in_all = pixels * per_pixel
        of_block = THREADS_PER_BLOCK * ELECTRONS_PER_THREAD
        for first in range(0, in_all, ELECTRONS_PER_LAUNCH):
            if first >= 2 * ELECTRONS_PER_LAUNCH:
                self._stream.synchronize()  # so that a long slice can be interrupted
            blocks = -(-min(in_all - first, ELECTRONS_PER_LAUNCH) // of_block)
            _send[blocks, THREADS_PER_BLOCK, self._stream](
                key, np.int64(first), window, *setting, tally
            )
        for here, part in zip(self._here, tally, strict=True):
            part.copy_to_host(here[:pixels], stream=self._stream)

    def wait(self, count: int) -> list[Tally]:
        """Wait for the tallies of the slices of a window, and return them."""
        self._stream.synchronize()
        counts, shares, depths = (
            np.array(here[: self._pixels]).reshape(count, -1, here.shape[1]) for here in self._here
        )
        none = np.zeros(0, np.int64)
        return [Tally(counts[k], shares[k], depths[k], none, none) for k in range(count)]


NUMBERS = {*Beam._fields, "size_nm", "per_nm", "log_span", "closed_nm"}
"""Short arrays whose entries are passed to kernels as numbers, which they need not load."""


def on_gpu(arrays: Any) -> Any:
    """Return a lattice, tables or a beam for kernels, with long arrays on the GPU."""
    return type(arrays)(
        *(_on_gpu(name, part) for name, part in zip(arrays._fields, arrays, strict=True))
    )


def _on_gpu(name: str, part: Any) -> Any:
    if not isinstance(part, np.ndarray):
        return part  # a number, or there already
    return tuple(part) if name in NUMBERS else cuda.to_device(part)
