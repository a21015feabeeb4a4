"""Conversion of volumes to xarray and tables to pandas; both need the extra ``notebook``."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from fibcore.errors import FibError
from fibcore.grid import AXES
from fibcore.meaning import Meaning

if TYPE_CHECKING:
    from pandas import DataFrame
    from xarray import DataArray


def data_array(
    data: np.ndarray, voxel_size_nm: tuple[float, float, float], meaning: Meaning
) -> DataArray:
    """Return a volume as a `DataArray`; see `Volume.to_xarray`.

    Args:
        data: voxels in axes (z, y, x) or (channel, z, y, x).
        voxel_size_nm: (z, y, x).
        meaning: meaning of the values.
    """
    xarray = _library("xarray")
    position = {"units": "nm", "long_name": "position of the centre of the voxel"}
    coordinates: dict[str, Any] = {
        axis: (axis, (np.arange(n) + 0.5) * size, position)
        for axis, n, size in zip(AXES, data.shape[-3:], voxel_size_nm, strict=True)
    }
    attributes: dict[str, Any] = {"voxel_size_nm": list(voxel_size_nm)}
    if meaning.phases is not None:
        numbers = sorted(meaning.phases)
        attributes["flag_values"] = numbers
        names = (meaning.phases[phase].name.replace(" ", "_") for phase in numbers)
        attributes["flag_meanings"] = " ".join(names)
    if meaning.names:
        kv = [np.nan if k is None else k for k in meaning.kv]
        coordinates["channel"] = list(meaning.names)
        coordinates["kv"] = ("channel", kv, {"units": "kV", "long_name": "accelerating voltage"})
        coordinates["detector"] = ("channel", [name or "" for name in meaning.detectors])
    dimensions = ("channel", *AXES)[-data.ndim :]
    return xarray.DataArray(data, coordinates, dimensions, meaning.quantity, attributes)


def data_frame(columns: Mapping[str, np.ndarray]) -> DataFrame:
    """Return the columns of a table as a `DataFrame`; see `Table.to_pandas`."""
    return _library("pandas").DataFrame(dict(columns))


def _library(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise FibError(
            f"this needs {name}, which cannot be imported ({error}): "
            f"pip install 'fibtomo[notebook]', or pip install {name}"
        ) from error
