"""How the functions of the transport loop are compiled."""

from __future__ import annotations

from typing import Any

from fib_plugins.compiled import compiled

Real = Any
"""A float32 or float64, the type of the tables."""

Whole = Any
"""An integer of any width."""

PLAIN: dict[str, Any] = {"error_model": "numpy", "_nrt": False}
"""Options of loops that create no arrays. Without Numba's runtime, references to arrays are not
counted, which took a third of the time."""

inlined = compiled(forceinline=True, **PLAIN)
"""For functions called per collision: they are inlined, so that their many arguments are not
passed, and loops that call them can become vector instructions. CUDA kernels call them, too."""
