"""Keys of steps are a promise: results that were computed before are found again.

`data/keys.json` holds the keys of all steps of the pipelines in ``examples/`` (their first 16
digits). A key may change only where a result does: where a plugin's ``result_version`` is raised, a
parameter is added, or an example is edited. Then ``python tests/fibcore/test_keys.py`` writes the
file anew; look at the difference before you commit it.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from fibcore.pipeline import check_pipeline

EXAMPLES = Path(__file__).parents[2] / "examples"
KEPT = Path(__file__).parent / "data" / "keys.json"
LOADED = {
    "version": 1,
    "name": "loaded",
    "seed": 3,
    "steps": [
        {"id": "stack", "load": "stack.tif", "params": {"voxel_size_nm": [5, 5, 5], "kv": 2}},
        {"id": "coefficients", "load": "eta.csv"},
        {"id": "law", "fit": "physics/monte_carlo", "inputs": {"table": "coefficients"}},
        {"id": "microscope", "load": "microscope.safetensors"},
        {
            "id": "recorded",
            "apply": "microscope",
            "inputs": {"images": {"from": "stack", "z": [0, 0.5], "kv": [2]}},
        },
        {
            "id": "both",
            "run": "adapter/identity",
            "inputs": {"images": ["stack", {"from": "stack", "kv": [2]}]},
        },
        {"id": "folder", "load": "stack.zarr", "params": {"voxel_size_nm": [5, 5, 5], "kv": 2}},
    ],
}
"""A table, a model and stacks that are loaded; cuts; a model that is applied; channels stacked."""


def write_files(folder: Path) -> None:
    """Write what pipelines load, with the same bytes whatever is installed."""
    for name in ("stack.tif", "reconstruction.tif", "bse.tif", "se.tif"):
        (folder / name).write_bytes(tiff(np.arange(16 * 24 * 24).reshape(16, 24, 24) % 251))
    (folder / "stack.zarr").mkdir()
    array = {
        "zarr_format": 2,
        "shape": [2, 3, 4],
        "chunks": [2, 3, 4],
        "dtype": "|u1",
        "order": "C",
    }
    array |= {"compressor": None, "filters": None, "fill_value": 0}
    (folder / "stack.zarr" / ".zarray").write_text(json.dumps(array) + "\n", newline="\n")
    (folder / "stack.zarr" / "0.0.0").write_bytes(bytes(range(24)))
    rows = [
        f"{name},{number},{energy},{depth},{0.1 + number / 200 - depth / 1e4}"
        for name, number in (("C", 6), ("Au", 79))
        for energy in (1, 2)
        for depth in (0, 50)
    ]
    header = "material,atomic_number,energy_kev,depth_nm,eta"
    (folder / "eta.csv").write_text("\n".join([header, *rows]) + "\n", newline="\n")
    model = {"format": 1, "plugin": "adapter/acquisition", "params": {}, "info": {"kv": [2.0]}}
    (folder / "microscope.json").write_text(json.dumps(model) + "\n", newline="\n")
    (folder / "microscope.safetensors").write_bytes(struct.pack("<Q8s", 8, b"{}      "))


def tiff(volume: np.ndarray) -> bytes:
    """Return a plain TIFF of one byte a voxel, a page for each slice."""
    pages, height, width = volume.shape
    size, entries = height * width, 9
    out = struct.pack("<2sHI", b"II", 42, 8)
    ifd_size = 2 + 12 * entries + 4
    data = 8 + pages * ifd_size
    for page in range(pages):
        following = 8 + (page + 1) * ifd_size if page + 1 < pages else 0
        out += struct.pack("<H", entries)
        for tag, value in (
            (256, width), (257, height), (258, 8), (259, 1), (262, 1),
            (273, data + page * size), (277, 1), (278, height), (279, size),
        ):  # fmt: skip
            out += struct.pack("<HHII", tag, 4, 1, value)
        out += struct.pack("<I", following)
    return out + volume.astype(np.uint8).tobytes()


def keys() -> dict[str, dict[str, str]]:
    """Return pipeline -> step -> key, of the examples and of `LOADED`."""
    found = {}
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_files(folder)
        documents: dict[str, Mapping[str, Any]] = {"loaded": LOADED}
        for path in sorted(EXAMPLES.rglob("*.json")):
            content = json.loads(path.read_text(encoding="utf-8"))
            if "steps" in content:  # else settings
                documents[path.relative_to(EXAMPLES).as_posix()] = content
        for source, document in documents.items():
            plan = check_pipeline(document, base=folder, source=source)
            found[source] = {step.id: step.key[:16] for step in plan.steps}
    return found


def test_results_of_the_examples_are_found_where_earlier_versions_left_them():
    assert keys() == json.loads(KEPT.read_text(encoding="utf-8"))


if __name__ == "__main__":
    KEPT.write_text(json.dumps(keys(), indent=1) + "\n", encoding="utf-8")
