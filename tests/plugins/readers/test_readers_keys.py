"""Keys of load steps: results that were loaded before formats were plugins are found again."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from fibcore.pipeline import check_pipeline

STEPS = {
    "e0c359a027112fc8": {
        "load": "slices",
        "params": {"as": "labels", "voxel_size_nm": [10, 5, 5], "materials": ["epoxy", "Cu"]},
    },
    "672c371270d39932": {
        "load": "slices/*.tif",
        "params": {
            "as": "labels",
            "voxel_size_nm": [10, 5, 5],
            "phase_of_value": {"0": 1, "1": 0},
            "region": {"y": [0, 4]},
        },
    },
    "784661d4732f5545": {
        "load": "slices/*",
        "params": {"as": "labels", "voxel_size_nm": [10, 5, 5]},
    },
    "f74de970ce0b74ee": {"load": "STACK.TIF", "params": {"voxel_size_nm": 5, "kv": [2]}},
}
"""First 16 digits of a key, as the last version without readers made it -> the step."""


def tiff(pages: np.ndarray) -> bytes:
    """Return a plain TIFF of one byte a voxel, the same whatever is installed."""
    count, height, width = pages.shape
    size, per_ifd = height * width, 2 + 9 * 12 + 4
    out = struct.pack("<2sHI", b"II", 42, 8)
    for page in range(count):
        following = 8 + (page + 1) * per_ifd if page + 1 < count else 0
        out += struct.pack("<H", 9)
        place = 8 + count * per_ifd + page * size
        values = (width, height, 8, 1, 1, place, 1, height, size)
        for tag, value in zip((256, 257, 258, 259, 262, 273, 277, 278, 279), values, strict=True):
            out += struct.pack("<HHII", tag, 4, 1, value)
        out += struct.pack("<I", following)
    return out + pages.astype(np.uint8).tobytes()


@pytest.mark.parametrize("key", STEPS)
def test_the_key_of_a_load_step_is_what_it_was(tmp_path: Path, key: str) -> None:
    (tmp_path / "slices").mkdir()
    for i, plane in enumerate(np.arange(6 * 8 * 8).reshape(6, 1, 8, 8) % 2):
        (tmp_path / "slices" / f"s_{i:03d}.tif").write_bytes(tiff(plane))
    grey = np.arange(16 * 24 * 24).reshape(16, 24, 24) % 251
    (tmp_path / "STACK.TIF").write_bytes(tiff(grey))
    document = {"version": 1, "name": "x", "steps": [{"id": "loaded", **STEPS[key]}]}
    (step,) = check_pipeline(document, base=tmp_path).steps
    assert step.key[:16] == key
