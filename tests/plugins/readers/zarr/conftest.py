from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from ngff import multiscales
from zarr.storage import LocalStore


@pytest.fixture
def foreign(tmp_path: Path) -> Callable[..., Path]:
    """Write an image as other programs do, with the zarr library; return its folder."""

    def write(
        data: np.ndarray,
        axes: str = "zyx",
        *,
        version: int = 3,
        name: str = "image.ome.zarr",
        unit: str | None = "nanometer",
        scale: list[float] | None = None,
        extra: dict[str, Any] | None = None,
        group: dict[str, Any] | None = None,
        **options: Any,
    ) -> Path:
        path = tmp_path / name
        root = zarr.create_group(LocalStore(path), zarr_format=version, overwrite=True)  # type: ignore[arg-type]
        scale = scale or [1.0 if axis in "tc" else 5.0 for axis in axes]
        ome: dict[str, Any] = {"multiscales": multiscales(axes, [scale], unit), **(extra or {})}
        if version == 2:
            ome["multiscales"][0]["version"] = "0.4"
            root.attrs.update({**ome, **(group or {})})
        else:
            root.attrs.update({"ome": {"version": "0.5", **ome}, **(group or {})})
            options.setdefault("dimension_names", list(axes))
        options.setdefault("chunks", tuple(min(4, n) for n in data.shape))
        array = root.create_array(
            "0", shape=data.shape, dtype=data.dtype, config={"write_empty_chunks": True}, **options
        )
        array[...] = data
        return path

    return write
