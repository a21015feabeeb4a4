"""Array protocol, indexing, conversion and notebook display of volumes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from fibcore.errors import FibError
from fibcore.grid import slices_of
from fibcore.meaning import Meaning
from fibcore.packages import packages

if TYPE_CHECKING:
    from numpy.typing import DTypeLike
    from xarray import DataArray


class Voxels(ABC):
    """Base of `fibcore.volumes.Volume`: array protocol, indexing, conversion, display."""

    data: np.ndarray
    voxel_size_nm: tuple[float, float, float]

    @abstractmethod
    def with_data(self, data: np.ndarray, **changes: Any) -> Self:
        """Return a volume of the same type and voxel size with another array."""

    def facts(self) -> list[str]:
        """Return short descriptions: size, voxel size, type."""
        voxels = " x ".join(str(n) for n in self.data.shape[-3:])
        sizes = self.voxel_size_nm if len(set(self.voxel_size_nm)) > 1 else self.voxel_size_nm[:1]
        size = " x ".join(f"{size:g}" for size in sizes)
        return [f"{voxels} voxels of {size} nm (z, y, x)", str(self.data.dtype)]

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        """Return the voxels for NumPy; they are copied only if needed or requested."""
        if copy is None:
            return np.asarray(self.data, dtype)
        return np.array(self.data, dtype, copy=copy)

    def __getitem__(self, key: Any) -> Any:
        """Return part of the volume by a NumPy index into `data`.

        Slices keep all axes and return a volume (a view) with the voltages of its channels; its
        voxel size is multiplied by the step along each axis. Any other index (numbers, lists,
        masks) returns the same array as NumPy: ``labels[10]`` is the slice z = 10.

        Raises:
            FibError: the slices are empty.
            IndexError: the index is out of range.
        """
        data, slices = self.data[key], slices_of(key, self.data.ndim)
        return data if slices is None else self._sliced(data, slices)

    def _sliced(self, data: np.ndarray, slices: tuple[slice, ...], **changes: Any) -> Self:
        steps = (abs(1 if part.step is None else part.step) for part in slices[-3:])
        sizes = tuple(size * n for size, n in zip(self.voxel_size_nm, steps, strict=True))
        return self.with_data(data, voxel_size_nm=sizes, **changes)

    def astype(self, dtype: DTypeLike) -> Self:
        """Return the volume with another element type; fractions are truncated, as in NumPy.

        Voxels are copied only if the type differs.

        Raises:
            FibError: the type cannot hold the range of the values, or is not allowed.
        """
        wanted = np.dtype(dtype)
        if wanted.kind in "iu" and wanted != self.data.dtype:
            low, high, limits = self.data.min(), self.data.max(), np.iinfo(wanted)
            if not (limits.min <= low and high <= limits.max):  # NaN does not fit either
                raise FibError(
                    f"{wanted} holds {limits.min} to {limits.max}; the voxels have values from "
                    f"{low:g} to {high:g}. Scale them first: volume.with_data(array)"
                )
        return self.with_data(self.data.astype(wanted, copy=False))

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {', '.join(self.facts())}>"

    def _repr_html_(self) -> str | None:
        return packages().first("fib_repr_html", item=self)

    def to_xarray(self) -> DataArray:
        """Return the voxels as an xarray `DataArray` (no copy); needs the extra ``notebook``.

        Dimensions are z, y, x; images have channel before them. Coordinates are the centres of the
        voxels in nm, from the corner of the volume; for images `kv` and `detector` of channels (NaN
        and empty: none). Attributes can be stored in netCDF and Zarr: `voxel_size_nm`; for labels
        `flag_values` and `flag_meanings`, phase numbers and their materials (CF conventions).

        Raises:
            FibError: xarray is not installed.
        """
        from fibcore.convert import data_array

        return data_array(self.data, self.voxel_size_nm, self.meaning())

    def meaning(self) -> Meaning:
        """Return the meaning of the values."""
        return Meaning()
