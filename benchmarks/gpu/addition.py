"""A minimal kernel: the first one that Numba compiles for a GPU."""

from __future__ import annotations

from typing import Any

from numba import cuda


@cuda.jit
def add(one: Any, other: Any, total: Any) -> None:
    """Add two arrays, one element per thread."""
    i = cuda.grid(1)  # type: ignore[call-arg, var-annotated]
    if i < len(total):
        total[i] = one[i] + other[i]
