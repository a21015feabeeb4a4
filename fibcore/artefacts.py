"""Artefacts: the results of steps, and the files that store them."""

from __future__ import annotations

from fibcore.errors import FibError
from fibcore.models import Model
from fibcore.tables import Table
from fibcore.volumes import Volume

Artefact = Volume | Table | Model

SUFFIXES: dict[type, tuple[str, ...]] = {
    Volume: (".tif",),
    Table: (".csv",),
    Model: (".safetensors", ".json"),
}
"""Type -> suffixes of an artefact's files; the reader of the first one reads and writes it."""

FOLDER_SUFFIX = ".ome.zarr"
"""Suffix of a volume that is a folder of files."""
REFERENCE_SUFFIX = ".mapped.json"
"""Suffix of a volume whose voxels stay in the files that they were loaded from."""
FOLDER_ABOVE_BYTES = 4_000_000_000
FORMATS = ("auto", "tiff", "zarr")
"""Formats of volumes; ``auto`` is zarr above `FOLDER_ABOVE_BYTES` of voxels, else TIFF."""


def file_names(name: str, type_: type) -> tuple[str, ...]:
    """Return the names of the files of an artefact of this name and type."""
    for base, suffixes in SUFFIXES.items():
        if issubclass(type_, base):
            return tuple(name + suffix for suffix in suffixes)
    raise FibError(f"{type_.__name__} is not an artefact: use Labels, Images, Table or Model")
