from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile


@pytest.fixture
def grey() -> Callable[..., np.ndarray]:
    """Return random grey values of any type and shape."""

    def make(shape: tuple[int, ...] = (5, 6, 7), dtype: str = "uint8") -> np.ndarray:
        values = np.random.default_rng(3).integers(0, 200, shape)
        return values.astype(dtype) + (np.asarray(0.25, dtype) if dtype.startswith("f") else 0)

    return make


@pytest.fixture
def write_slices(tmp_path: Path, grey: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """Write a stack as one file per slice into `tmp_path`; return the stack."""

    def write(
        names: list[str], shape: tuple[int, int] = (6, 5), dtype: str = "uint8", **options: Any
    ) -> np.ndarray:
        stack = grey((len(names), *shape), dtype)
        for name, plane in zip(names, stack, strict=True):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(tmp_path / name, plane, **options)
        return stack

    return write
