"""Volumes and tables as xarray and pandas have them; both come with the extra ``notebook``."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from fibcore.errors import FibError
from fibcore.grid import AXES
from fibcore.volumes import Images, Labels, Volume

if TYPE_CHECKING:
    from pandas import DataFrame
    from xarray import DataArray

    from fibcore.tables import Table


def volume_to_xarray(volume: Volume) -> DataArray:
    """Return a volume as a `DataArray`; see `Volume.to_xarray`."""
    xarray = _library("xarray")
    position = {"units": "nm", "long_name": "position of the centre of the voxel"}
    coordinates: dict[str, Any] = {
        axis: (axis, (np.arange(n) + 0.5) * size, position)
        for axis, n, size in zip(AXES, volume.shape, volume.voxel_size_nm, strict=True)
    }
    attributes: dict[str, Any] = {"voxel_size_nm": list(volume.voxel_size_nm)}
    name = None
    if isinstance(volume, Labels):
        name = "phase"
        attributes["flag_values"] = sorted(volume.phases)
        meanings = (volume.phases[phase].name.replace(" ", "_") for phase in sorted(volume.phases))
        attributes["flag_meanings"] = " ".join(meanings)
    elif isinstance(volume, Images):
        name = volume.quantity
        kv = [np.nan if k is None else k for k in volume.kv]
        coordinates["channel"] = list(volume.names)
        coordinates["kv"] = ("channel", kv, {"units": "kV", "long_name": "accelerating voltage"})
    dimensions = ("channel", *AXES)[-volume.data.ndim :]
    return xarray.DataArray(volume.data, coordinates, dimensions, name, attributes)


def table_to_pandas(table: Table) -> DataFrame:
    """Return a table as a `DataFrame`; see `Table.to_pandas`."""
    return _library("pandas").DataFrame(dict(table.columns))


def _library(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise FibError(
            f"this needs {name}, which cannot be imported ({error}): "
            f"pip install 'fibtomo[notebook]', or pip install {name}"
        ) from error
