"""What a load step can bring in: volumes (TIFF), tables (CSV), models (safetensors + JSON)."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from fibcore.artefacts import Artefact
from fibcore.context import Context
from fibcore.contracts import Product
from fibcore.errors import FibError
from fibcore.models import Model
from fibcore.plugin import Forecast
from fibcore.tables import Table
from fibcore.text import shown

LOADER_VERSION = 2

SINGLE_FILES = (".csv", ".safetensors")
"""Suffixes of tables and models; a model has a .json file beside it."""


class NoParams(BaseModel):
    """Tables and models are loaded as they are."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def params_model(source: str) -> type[BaseModel]:
    """Return the model of the parameters that loading `source` takes."""
    if _suffix(source) in SINGLE_FILES:
        return NoParams
    from fib_plugins.readers.stacks.params import LoadParams

    return LoadParams


@dataclass(frozen=True)
class Found:
    """What files hold, told without reading their pixels.

    Attributes:
        products: artefact name -> type.
        forecast: of the volume, if it is one.
        model: the model without use of its weights, if it is one.
    """

    products: dict[str, Product]
    forecast: Forecast = field(default_factory=Forecast)
    model: Model | None = None


def probe(source: str, base: Path, params: BaseModel) -> Found:
    """Look at files before a run.

    Raises:
        FibError: missing, unreadable or unsuitable files.
    """
    path = _checked(source, base)
    if _suffix(source) == ".csv":
        Table.read(path)
        return Found({"table": Product(Table)})
    if _suffix(source) == ".safetensors":
        model = Model.read(path)
        return Found({"model": Product(Model, model.kind)}, model=model)
    from fib_plugins.readers import LoadParams, probe

    assert isinstance(params, LoadParams)
    forecast = probe(source, params, base=base)
    assert forecast.output is not None  # the headers of a volume tell its shape
    type_ = forecast.output.type
    return Found({type_.artefact: Product(type_)}, forecast)


def load(source: str, base: Path, params: BaseModel, context: Context) -> Artefact:
    """Read files; raises as `probe` does, and where the contents cannot be used."""
    path = _checked(source, base)
    if _suffix(source) == ".csv":
        return Table.read(path)
    if _suffix(source) == ".safetensors":
        return Model.read(path)
    from fib_plugins.readers import LoadParams, read_volume

    assert isinstance(params, LoadParams)
    return read_volume(source, params, base=base, context=context)


def content_hash(source: str, base: Path) -> str:
    """Return the SHA-256 of the contents of the files that `source` names."""
    path = _checked(source, base)
    if _suffix(source) in SINGLE_FILES:
        digest = hashlib.sha256()
        for part in _parts(path):
            _add(digest, part)
        return digest.hexdigest()
    from fib_plugins.readers import content_hash

    return content_hash(source, base)


def _checked(source: str, base: Path) -> Path:
    """Return the path of a source; refuse a table or model whose files are not there to be read."""
    path = base / source
    if _suffix(source) not in SINGLE_FILES:
        return path
    from fib_plugins.readers.slices.regular import check_files
    from fib_plugins.readers.slices.walk import literal

    if "\0" in source:
        raise FibError(f"{shown(source)} is no path: it holds a zero byte")
    path = literal(path)
    there = [part for part in _parts(path) if os.path.lexists(part)]
    check_files([part for part in there if not part.is_dir()])  # that is for the readers to say
    return path


def _parts(path: Path) -> list[Path]:
    """Return the files of a table or model."""
    return [path] if _suffix(path) == ".csv" else [path.with_suffix(".json"), path]


def _add(digest: hashlib._Hash, path: Path) -> None:
    try:
        with path.open("rb") as file:
            while block := file.read(2**20):
                digest.update(block)
    except OSError as error:
        raise FibError(f"cannot read {shown(path)}: {error.strerror or error}") from error


def _suffix(source: str | Path) -> str:
    return Path(source).suffix.lower()
