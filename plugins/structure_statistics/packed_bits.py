"""A phase of a volume as one bit per voxel, 64 voxels along x to a word.

This takes an eighth of the volume's memory, and one instruction works on 64 voxels. Pairs and
segments of voxels (two-point correlation, lineal path) are counted exactly on these words.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, cast

import numpy as np
from numba import types
from numba.extending import intrinsic

from fib_plugins.compiled import compiled
from fib_plugins.threads import in_threads

Phase = Literal["solid", "pore"]

SLAB = 32


def on_words(definition: Callable[[Any, Any], Any]) -> Callable[[np.uint64], np.uint64]:
    """Define an operation on words for Numba functions: `intrinsic` with a typed result."""
    return cast("Callable[[np.uint64], np.uint64]", intrinsic(definition))


@on_words
def popcount(typing_context: Any, word: Any) -> Any:
    """Return the number of set bits of a uint64 word (inside Numba functions only)."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), codegen


@on_words
def lowest_bit(typing_context: Any, word: Any) -> Any:
    """Return the position of the lowest set bit of a uint64 word that is not 0."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], context.get_constant(types.boolean, True))

    return types.uint64(types.uint64), codegen


def pack_bits(labels: np.ndarray, phase: Phase = "solid", threads: int = 1) -> np.ndarray:
    """Return one bit per voxel: set where the phase is.

    Args:
        labels: uint8 or bool in axes (z, y, x); above 0 is solid. May be memory-mapped: it is
            read in slabs.
        phase: ``solid``, or ``pore`` (where labels are 0).
        threads: number of CPU threads.

    Returns:
        uint64 in axes (z, y, word); bit b of word w is the voxel x = 64 w + b. The bits beyond
        the end of a row are 0.
    """
    nz, ny, nx = labels.shape
    words = np.empty((nz, ny, -(-nx // 64)), np.uint64)

    def pack(z: int) -> None:
        slab = as_uint8(labels[z : z + SLAB])
        _pack(slab, phase == "solid", words[z : z + SLAB])

    in_threads(pack, range(0, nz, SLAB), threads)
    return words


def as_uint8(labels: np.ndarray) -> np.ndarray:
    """Return labels as a C-contiguous, writeable uint8 array, without a copy if they are one.

    Numba compiles a function again for every other layout.
    """
    plain = np.ascontiguousarray(labels, dtype=np.uint8)
    return plain if plain.flags.writeable else plain.copy()


@compiled
def _pack(labels: np.ndarray, solid: bool, words: np.ndarray) -> None:
    nz, ny, nx = labels.shape
    full = nx // 64
    for z in range(nz):
        for y in range(ny):
            for w in range(words.shape[2]):
                word = np.uint64(0)
                for b in range(64 if w < full else nx - 64 * full):
                    inside = (labels[z, y, 64 * w + b] > 0) == solid
                    word |= np.uint64(inside) << np.uint64(b)
                words[z, y, w] = word
