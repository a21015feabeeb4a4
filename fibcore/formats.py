"""Reads and writes files with the reader of their suffix; the file formats are plugins."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from fibcore.artefacts import (
    FOLDER_ABOVE_BYTES,
    FOLDER_SUFFIX,
    REFERENCE_SUFFIX,
    Artefact,
    file_names,
)
from fibcore.context import Context
from fibcore.errors import FibError, did_you_mean, listed
from fibcore.files import check_regular, path_text
from fibcore.models import Model
from fibcore.reader import Opened, Reader
from fibcore.registry import registry
from fibcore.roles import roles_from_json
from fibcore.tables import Table
from fibcore.volumes import Images, Labels, Volume


def read_volume(
    source: str | Path, *, base: Path = Path(), context: Context | None = None, **params: Any
) -> Labels | Images:
    """Read a volume; its voxels are memory-mapped if the format allows it.

    Args:
        source: a file, a folder of slices or a glob, relative to `base`.
        base: folder that relative sources start from.
        context: context for threads, progress, warnings, and large decoded arrays.
        params: parameters of the reader, as in a load step: ``voxel_size_nm=5, kv=2``,
            ``as_="labels"``, ...

    Raises:
        FibError: files are missing, damaged or unsuitable.
    """
    return _read(source, base, context, params, (Labels, Images))


def read_table(source: str | Path, **params: Any) -> Table:
    """Read a table; raises the errors of `read_volume`."""
    return _read(source, Path(), None, params, (Table,))


def read_model(source: str | Path, **params: Any) -> Model:
    """Read a model without executing code; raises the errors of `read_volume`."""
    return _read(source, Path(), None, params, (Model,))


def _read(
    source: str | Path,
    base: Path,
    context: Context | None,
    params: dict[str, Any],
    wanted: tuple[type, ...],
) -> Any:
    opened = reader_of(source, base)(**params).open(source, base)
    if not issubclass(opened.type, wanted):
        raise FibError(
            f"{source} holds {opened.type.__name__}, not "
            f"{' or '.join(t.__name__ for t in wanted)}; use read_volume, read_table "
            f"or read_model"
        )
    return opened.read(Context.of(context))


def write(artefact: Artefact, path: str | Path, scratch: Path | None = None) -> None:
    """Write an artefact in the format of the path's suffix.

    Args:
        artefact: `Labels`, `Images`, a `Table` or a `Model`.
        path: the file or folder; an existing one is replaced.
        scratch: folder of files that may be moved, see `Reader.take`; default: none.

    Raises:
        FibError: no reader writes such an artefact with this suffix, or it cannot be written.
    """
    reader = _by_name(path_text(path))
    if reader is None or not isinstance(artefact, reader.writes):
        what = type(artefact)
        able = [r for r in _readers() if issubclass(what, r.writes)]
        raise FibError(
            f"{path}: {what.__name__} cannot be written with this suffix; supported suffixes: "
            f"{_formats(able)}"
        )
    if scratch is None:
        reader.write(artefact, Path(path_text(path)))
    else:
        reader.take(artefact, Path(path_text(path)), scratch)


def write_volume(volume: Labels | Images, path: str | Path) -> None:
    """Write a volume with its voxel size, e.g. as ``.tif``; raises the errors of `write`."""
    write(volume, path)


def write_table(table: Table, path: str | Path) -> None:
    """Write a table, e.g. as ``.csv``; raises the errors of `write`."""
    write(table, path)


def write_model(model: Model, path: str | Path) -> None:
    """Write a model as ``.safetensors`` and ``.json``; raises the errors of `write`."""
    write(model, path)


def write_artefact(
    folder: Path, name: str, artefact: Artefact, format: str = "auto", scratch: Path | None = None
) -> tuple[str, ...]:
    """Write an artefact into a folder and return the names of its files, or of one folder.

    Args:
        folder: the folder.
        name: name of the artefact.
        artefact: the artefact.
        format: format of volumes, see `artefacts.FORMATS`; or ``reference``, which notes where
            the voxels of a mapped volume lie.
        scratch: folder of files that may be moved; default: none.
    """
    names = file_names(name, type(artefact))
    if isinstance(artefact, Volume):
        large = artefact.data.nbytes > FOLDER_ABOVE_BYTES
        if format == "reference":
            names = (name + REFERENCE_SUFFIX,)
        elif format == "zarr" or (format == "auto" and large):
            names = (name + FOLDER_SUFFIX,)
    write(artefact, folder / names[0], scratch)
    return names


def read_artefact(
    folder: Path, name: str, type_: type, roles: Mapping[str, Any] | None = None
) -> Artefact:
    """Read an artefact that `write_artefact` wrote; volumes are memory-mapped.

    Args:
        folder: its folder.
        name: its name.
        type_: its type.
        roles: roles of the columns of a table, as JSON values; they are not in its file.
    """
    path = folder / file_names(name, type_)[0]
    if issubclass(type_, Volume):
        others = (folder / (name + suffix) for suffix in (FOLDER_SUFFIX, REFERENCE_SUFFIX))
        path = next((other for other in others if other.exists()), path)
    artefact: Artefact = reader_of(path)().open(path, trusted=True).read(Context.of(None))
    if isinstance(artefact, Table) and roles:
        return replace(artefact, roles=roles_from_json(roles))
    return artefact


def reader_of(source: str | Path, base: Path = Path()) -> type[Reader]:
    """Return the class of the reader that opens a source.

    The suffix of the source decides. Without one, the files that it names decide: the only format
    that can be opened as slices, or the only one with several files.

    Raises:
        FibError: no reader opens it, or several do; the message lists the formats.
    """
    given = path_text(source)
    reader = _by_name(given)
    if reader is not None:
        return reader
    path = base / given
    if os.path.lexists(path) and not path.is_dir():
        check_regular(path)
        kind = f"files that end in {path.suffix!r}" if path.suffix else "files without a suffix"
        raise _unreadable(source, f"no installed reader opens {kind}")
    stacking = [reader for reader in _readers() if reader.stacks_files]
    counts = {reader: n for reader in stacking if (n := reader.matches(source, base))}
    several = [reader for reader, count in counts.items() if count > 1]
    chosen = list(counts) if len(counts) == 1 else several
    if not counts:
        there = f": {listed(sorted(os.listdir(path)), 5)}" if path.is_dir() else ""
        raise _unreadable(source, f"no installed reader opens these files{there}")
    if len(chosen) != 1:
        shares = listed(f"{count} of {reader.identifier()}" for reader, count in counts.items())
        folder = given.rstrip("/") if path.is_dir() else os.path.dirname(given)
        globs = [f'"{os.path.join(folder, "*")}{reader.suffixes[0]}"' for reader in counts]
        raise FibError(
            f"{source}: there are files of several formats ({shares}); name those of one, e.g. "
            f"{' or '.join(globs)}"
        )
    return chosen[0]


def open_source(source: str | Path, base: Path = Path(), **params: Any) -> Opened:
    """Open a source with its reader; raises the errors of `reader_of` and `Reader.open`."""
    return reader_of(source, base)(**params).open(source, base)


def _by_name(name: str) -> type[Reader] | None:
    """Return the reader of the longest matching suffix of a name; None if there is none."""
    name = name.lower().rstrip("/")
    suffix = next((suffix for suffix in registry().suffixes() if name.endswith(suffix)), None)
    return None if suffix is None else registry().reader(suffix)


def _readers() -> list[type[Reader]]:
    return [entry.item for entry in registry().usable(Reader.kind)]


def _unreadable(source: str | Path, what: str) -> FibError:
    hint = did_you_mean(Path(source).suffix, registry().suffixes()) if Path(source).suffix else ""
    return FibError(
        f"{source}: {what}. Formats that can be opened here: {_formats(_readers())}. Convert it, "
        f"or install a plugin that opens it.{hint}{registry().unusable()}"
    )


def _formats(readers: list[type[Reader]]) -> str:
    return listed(f"{' '.join(reader.suffixes)} ({reader.identifier()})" for reader in readers)
