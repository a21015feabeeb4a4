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


def file_names(name: str, type_: type) -> tuple[str, ...]:
    """Return the names of the files of an artefact of this name and type."""
    for base, suffixes in SUFFIXES.items():
        if issubclass(type_, base):
            return tuple(name + suffix for suffix in suffixes)
    raise FibError(f"{type_.__name__} is not an artefact: use Labels, Images, Table or Model")
