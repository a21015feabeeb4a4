"""Volumes: labels and images on a grid of voxels, with their voxel size in nm.

Axes are (z, y, x); z is the milling direction, slice 0 is imaged first. Arrays may be
memory-mapped files, so that volumes should be processed slice by slice.

`fibcore.voxels` has what makes them behave like arrays and show themselves in a notebook.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np

from fibcore.channels import Channel, channels_from, chosen, names_of
from fibcore.errors import FibError
from fibcore.grid import box_of, voxel_size_zyx
from fibcore.materials import EPOXY, GOLD, Material
from fibcore.meaning import Meaning
from fibcore.voxels import Voxels

IMAGE_DTYPES = ("uint8", "uint16", "float32")


@dataclass(frozen=True)
class VolumeSpec:
    """Properties of a volume that are known before it exists, to check a pipeline and its memory.

    Attributes:
        type: `Labels` or `Images`.
        shape: (z, y, x) in voxels.
        voxel_size_nm: (z, y, x).
        kv: accelerating voltage of each channel; empty for labels.
        dtype: NumPy name of the element type.
        phases: phase number -> material name, if known.
        detectors: detector of each channel; empty: ``bse``.
    """

    type: type[Volume]
    shape: tuple[int, int, int]
    voxel_size_nm: tuple[float, float, float]
    kv: tuple[float | None, ...] = ()
    dtype: str = "uint8"
    phases: Mapping[int, str] = field(default_factory=dict)
    detectors: tuple[str | None, ...] = ()

    @property
    def channels(self) -> tuple[Channel, ...]:
        """Voltage and detector of each channel."""
        return channels_from(self.kv, self.detectors if len(self.detectors) == len(self.kv) else ())

    @property
    def nbytes(self) -> int:
        """Size of the array in bytes."""
        return math.prod(self.shape) * max(1, len(self.kv)) * np.dtype(self.dtype).itemsize

    def cut(
        self,
        cut: Mapping[str, tuple[float, float]],
        kv: Sequence[float] | None,
        detectors: Sequence[str] | None = None,
    ) -> VolumeSpec:
        """Return the spec of a part of the volume; see `Volume.cut` and `Images.select`."""
        box = box_of(self.shape, cut)
        shape = tuple(part.stop - part.start for part in box)
        part = replace(self, shape=shape)
        if kv is detectors is None:
            return part
        return part.of_channels([self.channels[i] for i in chosen(self.channels, kv, detectors)])

    def of_channels(self, channels: Sequence[Channel]) -> VolumeSpec:
        """Return the spec of a volume with these channels."""
        kv, detectors = tuple(c.kv for c in channels), tuple(c.detector for c in channels)
        return replace(self, kv=kv, detectors=detectors)


@dataclass(frozen=True, eq=False, repr=False)
class Volume(Voxels):
    """An array of voxels and their size.

    Attributes:
        data: array in axes (z, y, x) or (channel, z, y, x).
        voxel_size_nm: (z, y, x), nm.
    """

    data: np.ndarray
    voxel_size_nm: tuple[float, float, float]

    artefact: ClassVar[str] = "volume"

    def __post_init__(self) -> None:
        object.__setattr__(self, "voxel_size_nm", voxel_size_zyx(self.voxel_size_nm))
        if self.data.ndim not in (3, 4) or 0 in self.data.shape:
            raise FibError(
                f"a volume has axes (z, y, x) or (channel, z, y, x), none of them empty; "
                f"this array has shape {self.data.shape}"
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of voxels along (z, y, x)."""
        z, y, x = self.data.shape[-3:]
        return (int(z), int(y), int(x))

    @property
    def extent_nm(self) -> tuple[float, float, float]:
        """Edge lengths along (z, y, x) in nm."""
        z, y, x = (n * size for n, size in zip(self.shape, self.voxel_size_nm, strict=True))
        return (z, y, x)

    def with_data(self, data: np.ndarray, **changes: Any) -> Self:
        """Return a volume of the same type and voxel size with another array."""
        return replace(self, data=data, **changes)

    def cut(self, cut: Mapping[str, tuple[float, float]]) -> Self:
        """Return the part between fractions of the edge lengths, as a view.

        Args:
            cut: axis name -> (start, stop), each from 0 to 1, e.g. ``{"z": (0, 0.8)}``.

        Raises:
            FibError: an axis is unknown, a fraction is outside 0 to 1, or no voxel is left.
        """
        return self.with_data(self.data[(..., *box_of(self.shape, cut))])


@dataclass(frozen=True, eq=False, repr=False)
class Labels(Volume):
    """Phase number of each voxel: uint8 in axes (z, y, x).

    Phase 0 is the pore (or what fills it, e.g. epoxy); 1 and above are solids.

    Attributes:
        phases: phase number -> material. Default: 0 epoxy, 1 gold.
    """

    phases: Mapping[int, Material] = field(default_factory=lambda: {0: EPOXY, 1: GOLD})

    artefact: ClassVar[str] = "labels"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.data.ndim != 3:
            raise FibError(f"labels have axes (z, y, x); this array has shape {self.data.shape}")
        if self.data.dtype == bool:
            object.__setattr__(self, "data", self.data.view(np.uint8))
        if self.data.dtype != np.uint8:
            raise FibError(f"labels are uint8 phase numbers; this array is {self.data.dtype}")
        object.__setattr__(self, "phases", dict(self.phases))

    @property
    def solid(self) -> np.ndarray:
        """True where any solid phase (1 and above) is; axes (z, y, x)."""
        return self.data > 0

    def facts(self) -> list[str]:
        """Return short descriptions: size, voxel size, phases."""
        names = [f"{phase} {material.name}" for phase, material in sorted(self.phases.items())]
        return [super().facts()[0], f"phases {', '.join(names)}"]

    def meaning(self) -> Meaning:
        """Return the meaning of the values."""
        return Meaning("phase", phases=self.phases)

    @property
    def spec(self) -> VolumeSpec:
        """What a pipeline check needs to know of this volume."""
        names = {phase: material.name for phase, material in self.phases.items()}
        return VolumeSpec(type(self), self.shape, self.voxel_size_nm, phases=names)


@dataclass(frozen=True, eq=False, repr=False)
class Images(Volume):
    """Grey values in axes (channel, z, y, x); a channel is a detector at an accelerating voltage.

    A (z, y, x) array is taken as one channel. Element types: uint8, uint16, float32.

    Attributes:
        kv: accelerating voltage of each channel in kV; None for a channel without one, such as a
            probability.
        names: name of each channel, as shown in Fiji; by default derived from `channels`.
        quantity: quantity of the grey values, e.g. ``backscatter yield``.
        detectors: detector of each channel, ``bse``, ``se``, ``in_lens`` or another; by default
            ``bse`` for channels with a voltage, None for others.
    """

    kv: tuple[float | None, ...] = ()
    names: tuple[str, ...] = ()
    quantity: str = "grey value"
    detectors: tuple[str | None, ...] = ()

    artefact: ClassVar[str] = "images"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.data.ndim == 3:
            object.__setattr__(self, "data", self.data[np.newaxis])
        if self.data.dtype.name not in IMAGE_DTYPES:
            raise FibError(
                f"images are {', '.join(IMAGE_DTYPES)}; this array is {self.data.dtype.name}. "
                f"Convert it, e.g. images.astype('float32')"
            )
        kv = tuple(None if k is None else float(k) for k in self.kv)
        if len(kv) != len(self.data):
            raise FibError(
                f"{len(self.data)} channels but {len(kv)} accelerating voltages {list(kv)}; "
                f"give one voltage in kV for each channel"
            )
        object.__setattr__(self, "kv", kv)
        channels = channels_from(kv, self.detectors)
        object.__setattr__(self, "detectors", tuple(c.detector for c in channels))
        names = tuple(self.names) or names_of(channels)
        if len(names) != len(kv):
            raise FibError(f"{len(kv)} channels but {len(names)} channel names {list(names)}")
        object.__setattr__(self, "names", names)

    @property
    def channels(self) -> tuple[Channel, ...]:
        """Voltage and detector of each channel."""
        return channels_from(self.kv, self.detectors)

    def _sliced(self, data: np.ndarray, slices: tuple[slice, ...], **changes: Any) -> Self:
        named = {name: getattr(self, name)[slices[0]] for name in ("kv", "names", "detectors")}
        return super()._sliced(data, slices, **named)

    def facts(self) -> list[str]:
        """Return short descriptions: size, voxel size, type, channels, quantity."""
        channels = f"{len(self.names)} channels: " if len(self.names) > 1 else ""
        return [*super().facts(), channels + ", ".join(self.names), self.quantity]

    def meaning(self) -> Meaning:
        """Return the meaning of the values."""
        return Meaning(self.quantity, self.names, self.kv, self.detectors)

    @property
    def spec(self) -> VolumeSpec:
        """What a pipeline check needs to know of this volume."""
        return VolumeSpec(
            type(self),
            self.shape,
            self.voxel_size_nm,
            self.kv,
            dtype=self.data.dtype.name,
            detectors=self.detectors,
        )

    def select(
        self,
        kv: Sequence[float] | None = None,
        detectors: Sequence[str] | None = None,
        *,
        empty: Callable[..., np.ndarray] = np.empty,
    ) -> Images:
        """Return the channels at some voltages and of some detectors, in the given order.

        Raises:
            FibError: there is no channel at one of the voltages, or of one of the detectors.
        """
        return self.take(chosen(self.channels, kv, detectors), empty)

    def take(self, index: Sequence[int], empty: Callable[..., np.ndarray] = np.empty) -> Images:
        """Return the channels of these numbers, in this order.

        It is a view if they are equally far apart, else a copy in an array that `empty` makes.
        """
        steps = set(np.diff(index).tolist()) or {1}
        if len(steps) > 1 or 0 in steps:
            return Images.stack([self[i : i + 1] for i in index], empty)
        return self[index[0] :: steps.pop()][: len(index)]

    @classmethod
    def stack(cls, parts: Sequence[Images], empty: Callable[..., np.ndarray] = np.empty) -> Images:
        """Return one volume with the channels of all parts, in an array that `empty` makes.

        Raises:
            FibError: shapes, voxel sizes or element types differ.
        """
        first = parts[0]
        for part in parts[1:]:
            same = part.shape == first.shape and part.data.dtype == first.data.dtype
            if not same or not np.allclose(part.voxel_size_nm, first.voxel_size_nm, rtol=1e-3):
                raise FibError(
                    f"stacks that become channels must agree in shape, voxel size and type: "
                    f"{first.shape} {first.voxel_size_nm} nm {first.data.dtype} and "
                    f"{part.shape} {part.voxel_size_nm} nm {part.data.dtype}"
                )
        if len(parts) == 1:
            return first
        data = empty((sum(len(part.data) for part in parts), *first.shape), first.data.dtype)
        joined: dict[str, Any] = {
            name: tuple(each for part in parts for each in getattr(part, name))
            for name in ("kv", "names", "detectors")
        }
        if all(part.names == names_of(part.channels) for part in parts):
            joined["names"] = ()
        return replace(first, data=np.concatenate([p.data for p in parts], out=data), **joined)
