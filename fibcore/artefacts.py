"""Artefacts on disk: volumes as TIFF, tables as CSV, models as safetensors with JSON."""

from __future__ import annotations

from pathlib import Path

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


def file_names(name: str, type_: type) -> tuple[str, ...]:
    """Return the names of the files that an artefact of this name and type is kept in."""
    for base, suffixes in SUFFIXES.items():
        if issubclass(type_, base):
            return tuple(name + suffix for suffix in suffixes)
    raise FibError(f"{type_.__name__} is no artefact; steps leave Labels, Images, Table or Model")


def write_artefact(folder: Path, name: str, artefact: Artefact) -> tuple[str, ...]:
    """Write an artefact into a folder and return the names of its files."""
    names = file_names(name, type(artefact))
    path = folder / names[0]
    if isinstance(artefact, Volume):
        from fib_plugins.readers import write_volume

        write_volume(artefact, path)  # type: ignore[arg-type,unused-ignore]  # Labels or Images, never Volume
    else:
        artefact.write(path)
    return names


def read_artefact(folder: Path, name: str, type_: type) -> Artefact:
    """Read an artefact that `write_artefact` wrote; volumes are memory-mapped."""
    path = folder / file_names(name, type_)[0]
    if issubclass(type_, Volume):
        from fib_plugins.readers import read_volume

        return read_volume(path, trusted=True)
    return Table.read(path) if issubclass(type_, Table) else Model.read(path)
