"""What a load step can bring in: volumes (TIFF), tables (CSV), models (safetensors + JSON)."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from fibcore.contracts import Product
from fibcore.errors import FibError
from fibcore.models import Model
from fibcore.tables import Table
from fibcore.volumes import VolumeSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

LOADER_VERSION = 1


class NoParams(BaseModel):
    """Tables and models are loaded as they are."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def params_model(source: str) -> type[BaseModel]:
    """Return the model of the parameters that loading `source` takes."""
    if _suffix(source) in (".csv", ".safetensors"):
        return NoParams
    from fibcore.io.params import LoadParams

    return LoadParams


def probe(
    source: str, base: Path, params: BaseModel, log: logging.Logger
) -> tuple[dict[str, Product], dict[str, VolumeSpec], Mapping[str, Any]]:
    """Look at files without reading their contents.

    Returns:
        Artefact name -> type, artefact name -> spec of the volume, and for a model its header.

    Raises:
        FibError: missing, unreadable or unsuitable files.
    """
    path = base / source
    if _suffix(source) == ".csv":
        Table.read(path)
        return {"table": Product(Table)}, {}, {}
    if _suffix(source) == ".safetensors":
        model = Model.read(path)
        header = {"plugin": model.plugin, "params": dict(model.params)}
        return {"model": Product(Model, model.kind)}, {}, header
    from fibcore.io import probe_volume

    spec = probe_volume(source, base=base, params=params, log=log)
    name = spec.type.artefact
    return {name: Product(spec.type)}, {name: spec}, {}


def load(source: str, base: Path, params: BaseModel, log: logging.Logger) -> Any:
    """Read files; raises as `probe` does, and where the contents cannot be used."""
    path = base / source
    if _suffix(source) == ".csv":
        return Table.read(path)
    if _suffix(source) == ".safetensors":
        return Model.read(path)
    from fibcore.io import read_volume

    return read_volume(source, base=base, params=params, log=log)


def content_hash(source: str, base: Path) -> str:
    """Return the SHA-256 of the contents of the files that `source` names."""
    path = base / source
    if _suffix(source) == ".safetensors":
        digest = hashlib.sha256()
        for part in (path.with_suffix(".json"), path):
            digest.update(_bytes(part))
        return digest.hexdigest()
    if _suffix(source) == ".csv":
        return hashlib.sha256(_bytes(path)).hexdigest()
    from fibcore.io import content_hash

    return content_hash(source, base=base)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise FibError(f"cannot read {path}: {error.strerror or error}") from error


def _suffix(source: str) -> str:
    return Path(source).suffix.lower()
