"""Small stacks, written as files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from fibcore import Images
from fibcore.formats import write_volume

SHAPE, VOXEL_NM = (12, 96, 96), (10.0, 5.0, 5.0)


def solid(seed: int = 0, shape: tuple[int, int, int] = SHAPE) -> np.ndarray:
    """40 % of a smooth random field."""
    rng = np.random.default_rng(seed)
    field = gaussian_filter(rng.standard_normal(shape), (2, 4, 4), mode="wrap")
    return np.asarray(field > np.quantile(field, 0.6))


def grey(phase: np.ndarray, noise: float = 6.0, seed: int = 0) -> np.ndarray:
    """Grey values 60 and 160, blurred by a pixel, with noise."""
    rng = np.random.default_rng(seed)
    values = gaussian_filter(np.where(phase, 160.0, 60.0), (0, 1, 1))
    return np.clip(values + noise * rng.standard_normal(phase.shape), 0, 255).astype(np.uint8)


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Write grey values as a stack in the working folder; returns its name."""
    monkeypatch.chdir(tmp_path)

    def write(data: np.ndarray, name: str = "stack.tif", **changes: Any) -> str:
        given: dict[str, Any] = {"voxel_size_nm": VOXEL_NM, "kv": (2.0,), **changes}
        write_volume(Images(data, **given), tmp_path / name)
        return name

    return write
