"""Counter-based random numbers: every electron has its own stream, on any thread and at any time.

Draw k of electron n is SplitMix64 (G. L. Steele, D. Lea, C. H. Flood, OOPSLA 2014, 453) at position
n * 65536 + k of the seed's sequence. Positions are never used twice, no state is shared, and an
image does not depend on the number of threads, on tiles or on their order.
"""

from __future__ import annotations

import numpy as np

from .compiled import inlined

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
DRAWS_PER_ELECTRON_BITS = np.uint64(16)


@inlined
def scramble(state: np.uint64) -> np.uint64:
    """Return 64 random bits for a position of the sequence."""
    bits = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


@inlined
def scramble_briefly(state: np.uint64) -> np.uint32:
    """Return 32 random bits for a position of the sequence, in 32-bit arithmetic.

    The finalizer of MurmurHash3 (A. Appleby): faster than `scramble` where CPUs cannot multiply 64
    bits in vectors.
    """
    bits = np.uint32(state ^ (state >> np.uint64(32)))
    bits = np.uint32((bits ^ (bits >> np.uint32(16))) * np.uint32(0x85EBCA6B))
    bits = np.uint32((bits ^ (bits >> np.uint32(13))) * np.uint32(0xC2B2AE35))
    return np.uint32(bits ^ (bits >> np.uint32(16)))


@inlined
def stream_of(key: np.uint64, electron: np.uint64) -> np.uint64:
    """Return the start of an electron's stream; add `GOLDEN` for each draw."""
    return key + GOLDEN * (electron << DRAWS_PER_ELECTRON_BITS)
