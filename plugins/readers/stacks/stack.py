"""The input of a load step: its files, with metadata from the files and the parameters."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fib_plugins.readers.slices.order import Order, of_labels
from fib_plugins.readers.stacks.alike import check_alike, check_pages_alike
from fib_plugins.readers.stacks.calibration import detectors, trusted, voltages, voxel_size
from fib_plugins.readers.stacks.found import NAMES, Found
from fib_plugins.readers.stacks.header import Header
from fib_plugins.readers.stacks.metadata import VolumeMetadata
from fib_plugins.readers.stacks.named import warn_of_named_detector, warn_of_named_voltage
from fib_plugins.readers.stacks.params import StackParams
from fib_plugins.unlabelled import unlabelled_in
from fibcore.channels import channels_from
from fibcore.errors import FibError
from fibcore.materials import EPOXY, GOLD, Material
from fibcore.volumes import IMAGE_DTYPES, Images, Labels, VolumeSpec

CONVERTED = {"float64": "float32", "float16": "float32", "int16": "uint16"}
"""Element types of images that are converted -> their new types."""

LABEL_KINDS = "biuf"

TRIED, QUICK_S, THREADS = 20, 0.001, 8
"""Number of headers that are read to see how long one takes; a time up to which threads would only
wait for each other; and number of threads beyond it, as on a network drive."""


@dataclass(frozen=True)
class Stack:
    """A volume on disk, ready to be read.

    Attributes:
        headers: header of one file with all planes, or of one file for each slice.
        spec: spec of the volume within the region.
        box: the region along (z, y, x).
        materials: phase -> material; empty for images.
        phase_of_value: number in the files -> phase; None if they are the same.
        names: channel names; empty for the default.
        quantity: quantity of the grey values; empty for the default.
        warnings: warnings for the user.
        positions_nm: distances of the slices of the region along z by their names; empty if the
            names contain none.
        detectors_of_tags: whether tags name detectors other than ``bse``, and are used.
    """

    headers: tuple[Header, ...]
    spec: VolumeSpec
    box: tuple[slice, slice, slice]
    materials: dict[int, Material]
    phase_of_value: dict[int, int] | None
    names: tuple[str, ...]
    quantity: str
    warnings: tuple[str, ...]
    positions_nm: tuple[float, ...] = ()
    detectors_of_tags: bool = False

    @property
    def mapped(self) -> bool:
        """Whether the file can be memory-mapped."""
        header = self.headers[0]
        return (
            len(self.headers) == 1
            and header.offset is not None
            and header.dtype.isnative
            and header.dtype.name == self.spec.dtype
        )


class ReadHeader(Protocol):
    """Reads the header of a file, which may be one of several slices."""

    def __call__(self, path: Path, *, one_slice: bool = False) -> Header:
        """Return the header."""
        ...


def open_stack(
    source: str | Path, params: StackParams, base: Path, read_header: ReadHeader, order: Order
) -> Stack:
    """Read the headers of the files of a source and determine the volume.

    Args:
        source: the source, for messages.
        params: parameters of the user.
        base: folder that the source starts from.
        read_header: function that reads the header of a file.
        order: the files of the source.

    Raises:
        FibError: there is a problem that can be found without reading voxels.
    """
    files = order.files
    if len(files) == 1:
        headers: tuple[Header, ...] = (read_header(files[0]),)
        check_pages_alike(headers[0], params)
    else:
        headers = _headers(files, read_header)
        check_alike(headers, params, os.fspath(source), base)
    first = headers[0]
    channels, slices, rows, columns = first.shape
    shape = (slices if len(headers) == 1 else len(headers), rows, columns)
    own = first.own
    if shape[0] == 1 and own is None:
        raise FibError(
            f"{source} is a single 2-D image of {rows} x {columns} pixels; a stack of slices is "
            f"needed: give a file of several slices, a folder or a glob such as "
            f"slices/*{params.suffixes[0]}"
        )
    kind = params.as_ or (own.type if own is not None else first.type or "images")
    if len(headers) == 1 and channels == 1 and len(first.slice_names) == slices:
        order = of_labels(first.slice_names, params.suffixes)
    warnings = [*order.remarks, *_remarks(headers)]
    founds = [*trusted(first, warnings), Found(NAMES, (order.thickness_nm, None, None))]
    voxel_size_nm = voxel_size(source, params, founds, warnings)
    box = _region(source, params, shape)
    _warn_of_data_bar(first, box[1], warnings)
    cut = tuple(part.stop - part.start for part in box)
    region = (cut[0], cut[1], cut[2])
    if kind == "labels":
        _check_labels(source, params, first, warnings)
        materials = _materials(source, params, own, warnings)
        _check_phases(source, params, materials)
        phases = {phase: material.name for phase, material in materials.items()}
        spec = VolumeSpec(Labels, region, voxel_size_nm, phases=phases)
    else:
        materials = {}
        dtype = _image_dtype(source, params, first, warnings)
        kv = voltages(source, params, founds, channels, warnings)
        warn_of_named_voltage(order, kv, warnings)
        names = detectors(source, params, founds, kv, warnings)
        if own is None:
            warn_of_named_detector(source, order, names, warnings)
        spec = VolumeSpec(Images, region, voxel_size_nm, kv, dtype=dtype, detectors=names)
    names = first.channel_names if len(first.channel_names) == len(spec.kv) else ()
    own_names = own is not None and own.channels == spec.channels and len(own.names) == channels
    return Stack(
        headers=headers,
        spec=spec,
        box=box,
        materials=materials,
        phase_of_value=params.phase_of_value,
        names=own.names if own is not None and own_names else names,
        quantity=own.quantity if own is not None else "",
        warnings=tuple(warning for warning in warnings if warning),
        positions_nm=order.positions_nm[box[0]],
        detectors_of_tags=own is None
        and params.detector is None
        and spec.channels != channels_from(spec.kv, ()),
    )


def _headers(files: Sequence[Path], read_header: ReadHeader) -> tuple[Header, ...]:
    """Return the header of each file, read by several threads only if the disk lets them wait."""
    clock = time.monotonic()
    found = [read_header(file, one_slice=True) for file in files[:TRIED]]
    if time.monotonic() - clock < TRIED * QUICK_S:
        return tuple(found + [read_header(file, one_slice=True) for file in files[TRIED:]])
    with ThreadPoolExecutor(THREADS) as pool:
        rest = pool.map(lambda file: read_header(file, one_slice=True), files[TRIED:])
        return (*found, *rest)


def _remarks(headers: Sequence[Header]) -> list[str]:
    """Return the remarks of the headers, each once, with the number of files that it applies to."""
    counts: Counter[str] = Counter()
    for header in headers:
        texts = (*header.remarks, *(remark for found in header.found for remark in found.remarks))
        counts.update(text.removeprefix(f"{header.path.name}: ") for text in texts)
    where = headers[0].path.name if len(headers) == 1 else "{} of the " + f"{len(headers)} slices"
    return [f"{where.format(count)}: {text}" for text, count in counts.items()]


def _region(
    source: str | Path, params: StackParams, shape: tuple[int, int, int]
) -> tuple[slice, slice, slice]:
    box = []
    for axis, size in zip(("z", "y", "x"), shape, strict=True):
        start, stop = (params.region or {}).get(axis, (0, size))  # type: ignore[call-overload,unused-ignore]
        if stop > size:
            raise FibError(
                f"{source}: region {axis}: [{start}, {stop}] exceeds the {size} voxels along "
                f"{axis}; the volume has {shape} voxels (z, y, x)"
            )
        box.append(slice(start, stop))
    return (box[0], box[1], box[2])


def _warn_of_data_bar(header: Header, rows: slice, warnings: list[str]) -> None:
    for found in header.found:
        if found.data_bar_from is not None and rows.stop > found.data_bar_from:
            warnings.append(
                f"{header.path.name} has a data bar below the image, from row "
                f'{found.data_bar_from} on; cut it off with region: {{"y": [0, '
                f"{found.data_bar_from}]}}"
            )


def _check_labels(
    source: str | Path, params: StackParams, header: Header, warnings: list[str]
) -> None:
    if params.kv is not None:
        raise FibError(
            f"{source} holds labels, which have no accelerating voltage: leave out kv, or set "
            f'"as": "images"'
        )
    if params.detector is not None:
        raise FibError(
            f"{source} holds labels, which have no detector: leave out detector, or set "
            f'"as": "images"'
        )
    if header.shape[0] > 1:
        raise FibError(
            f"{source} has {header.shape[0]} channels; labels have one: save only the channel "
            f"with the phases (Fiji: Image > Color > Split Channels)"
        )
    if header.dtype.kind not in LABEL_KINDS:
        raise FibError(f"{source} is {header.dtype.name}; save labels as 8-bit integers")
    if header.grey == "inverted" and params.phase_of_value is None:
        high = {"bool": 1, "uint8": 255}.get(header.dtype.name, 65535)
        warnings.append(
            f"{source} is stored with white as zero: its numbers are used unchanged, so that white "
            f"is phase 0, the pore. If white means solid, set phase_of_value: "
            f'{{"0": 1, "{high}": 0}}'
            + ("" if high == 1 else f", or the highest number of the file for {high}")
        )


def _check_phases(source: str | Path, params: StackParams, materials: dict[int, Material]) -> None:
    named = set((params.phase_of_value or {}).values()) - {unlabelled_in(materials)}
    highest = max(named, default=0)
    if materials and highest > max(materials):
        raise FibError(
            f"{source}: phase_of_value makes phase {highest}, but there are {len(materials)} "
            f"materials, for phases 0 to {max(materials)}; give a material for each phase"
        )


def _materials(
    source: str | Path, params: StackParams, own: VolumeMetadata | None, warnings: list[str]
) -> dict[int, Material]:
    if params.materials is not None:
        return dict(enumerate(params.materials))
    if own is not None and own.type == "labels":
        return dict(own.phases)
    warnings.append(
        f"{source} does not name the materials of its phases: epoxy is used for 0, gold for 1; "
        f"set materials: [...] for phase 0, 1, ..."
    )
    return {0: EPOXY, 1: GOLD}


def _image_dtype(
    source: str | Path, params: StackParams, header: Header, warnings: list[str]
) -> str:
    if params.materials is not None:
        raise FibError(f'{source} is read as images, which have no materials; set "as": "labels"')
    if params.phase_of_value is not None:
        raise FibError(f'{source} is read as images, which have no phases; set "as": "labels"')
    name = header.dtype.name
    if name == "bool":
        raise FibError(f'{source} is a 1-bit mask, not grey values; set "as": "labels"')
    if header.grey != "grey":
        stored = "colours of a palette" if header.grey == "palette" else "white as zero"
        todo = "Image > Type > 8-bit" if header.grey == "palette" else "Edit > Invert LUT"
        raise FibError(
            f"{source} stores {stored}, so it is not certain which numbers are bright; save it as "
            f'plain grey values (Fiji: {todo}), or set "as": "labels" if they are phase numbers'
        )
    if name not in IMAGE_DTYPES and name not in CONVERTED:
        raise FibError(
            f"{source} is {name}; images are {', '.join(IMAGE_DTYPES)}: convert it to uint16 or "
            f"float32 (Fiji: Image > Type > 16-bit or 32-bit)"
        )
    if name == "float64":
        warnings.append(f"{source} is float64 and read as float32 (7 significant digits)")
    return CONVERTED.get(name, name)
