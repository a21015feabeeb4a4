"""What a load step can bring in: volumes (TIFF), tables (CSV), models (safetensors + JSON)."""

from __future__ import annotations

import hashlib
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
    path = base / source
    if _suffix(source) == ".csv":
        Table.read(path)
        return Found({"table": Product(Table)})
    if _suffix(source) == ".safetensors":
        model = Model.read(path)
        return Found({"model": Product(Model, model.kind)}, model=model)
    from fibcore.io import LoadParams, probe

    assert isinstance(params, LoadParams)
    forecast = probe(source, params, base=base)
    assert forecast.output is not None  # the headers of a volume tell its shape
    type_ = forecast.output.type
    return Found({type_.artefact: Product(type_)}, forecast)


def load(source: str, base: Path, params: BaseModel, context: Context) -> Artefact:
    """Read files; raises as `probe` does, and where the contents cannot be used."""
    path = base / source
    if _suffix(source) == ".csv":
        return Table.read(path)
    if _suffix(source) == ".safetensors":
        return Model.read(path)
    from fibcore.io import LoadParams, read_volume

    assert isinstance(params, LoadParams)
    return read_volume(source, params, base=base, context=context)


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

    return content_hash(source, base)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise FibError(f"cannot read {path}: {error.strerror or error}") from error


def _suffix(source: str) -> str:
    return Path(source).suffix.lower()
