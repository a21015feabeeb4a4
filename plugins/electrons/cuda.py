"""The transport loop on NVIDIA GPUs: one thread for each pixel.

The kernel calls the same functions as the CPU, one electron after another (`electron.follow`).
It needs an NVIDIA driver and the CUDA libraries that Numba looks for; with the environment variable
NUMBA_ENABLE_CUDASIM=1 it runs in Numba's simulator, which is how it is tested without a GPU.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import cuda

from fibcore.errors import UsageError

from .electron import Beam, follow
from .lattice import Lattice
from .medium import Tables
from .random_stream import stream_of
from .tally import Tally, count

THREADS_PER_BLOCK = 128


def check_gpu() -> None:
    """Make sure that Numba can use a GPU.

    Raises:
        UsageError: it cannot; says what was found.
    """
    if cuda.is_available():
        return
    raise UsageError(
        "device cuda: PyTorch sees a GPU, but Numba, which the Monte Carlo runs on, does not. "
        "Install its CUDA support (pip install 'fibtomo[cuda]'), or use --device cpu"
    )


@cuda.jit
def _image_pixels(
    key: np.uint64,
    pixels: np.ndarray,
    electrons: np.ndarray,
    per_pixel: int,
    lattice: Lattice,
    tables: Tables,
    beam: Beam,
    tally: Tally,
) -> None:
    """Send the electrons of one pixel."""
    p = cuda.grid(1)  # type: ignore[call-arg, var-annotated]
    if p < len(pixels):
        pixel = (pixels[p, 0], pixels[p, 1], pixels[p, 2])
        for n in range(per_pixel):
            stream = stream_of(key, np.uint64(electrons[p] + n))
            seen, share, cosine, deepest = follow(stream, pixel, lattice, tables, beam)
            if seen:
                count(tally, p, share, cosine, deepest)


def image_pixels(
    key: np.uint64,
    pixels: np.ndarray,
    electrons: np.ndarray,
    per_pixel: int,
    lattice: Lattice,
    tables: Tables,
    beam: Beam,
    tally: Tally,
) -> None:
    """Send electrons into pixels and count those that come back; as `batch.image_pixels`.

    `lattice`, `tables` and `beam` may be on the GPU already, see `on_gpu`. Histograms of the tally
    must be empty.
    """
    there = on_gpu(tally)
    blocks = -(-len(pixels) // THREADS_PER_BLOCK)
    _image_pixels[blocks, THREADS_PER_BLOCK](
        key,
        cuda.to_device(pixels),
        cuda.to_device(electrons),
        per_pixel,
        lattice,
        tables,
        beam,
        there,
    )
    for here, result in zip(tally, there, strict=True):
        if here.size:
            result.copy_to_host(here)


def on_gpu(arrays: Any) -> Any:
    """Return a named tuple with its arrays in the memory of the GPU."""
    parts = (cuda.to_device(part) if isinstance(part, np.ndarray) else part for part in arrays)
    return type(arrays)(*parts)
