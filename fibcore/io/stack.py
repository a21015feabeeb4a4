"""What a load step will read: the files, and what they and the user say about them, settled."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from fibcore.errors import FibError
from fibcore.io.calibration import differ, trusted, voltages, voxel_size
from fibcore.io.headers import Header, read_header
from fibcore.io.metadata import VolumeMetadata
from fibcore.io.params import LoadParams
from fibcore.io.sources import find_files, missing_slice
from fibcore.materials import EPOXY, GOLD, Material
from fibcore.volumes import IMAGE_DTYPES, Images, Labels, VolumeSpec

CONVERTED = {"float64": "float32", "float16": "float32", "int16": "uint16"}
"""Element types of images that are taken, and what they become."""

LABEL_KINDS = "biuf"


@dataclass(frozen=True)
class Stack:
    """A volume on disk, ready to be read.

    Attributes:
        headers: one file with all planes, or one file for each slice.
        spec: what will be read, the region cut out.
        box: the region along (z, y, x).
        materials: phase -> material; empty for images.
        names: channel names; empty for the default.
        quantity: what grey values are; empty for the default.
        warnings: what the user should know.
    """

    headers: tuple[Header, ...]
    spec: VolumeSpec
    box: tuple[slice, slice, slice]
    materials: dict[int, Material]
    names: tuple[str, ...]
    quantity: str
    warnings: tuple[str, ...]

    @property
    def mapped(self) -> bool:
        """Whether the voxels can be used where they lie, by memory-mapping the file."""
        header = self.headers[0]
        return (
            len(self.headers) == 1
            and header.offset is not None
            and header.dtype.isnative
            and header.dtype.name == self.spec.dtype
        )


def open_stack(source: str | Path, params: LoadParams, base: Path) -> Stack:
    """Find the files of a source, read their headers and settle what they are.

    Raises:
        FibError: whatever can be told to be wrong without reading voxels.
    """
    files = find_files(source, base)
    if len(files) == 1:
        headers: tuple[Header, ...] = (read_header(files[0]),)
    else:
        with ThreadPoolExecutor(min(8, len(files))) as pool:
            headers = tuple(pool.map(lambda file: read_header(file, one_slice=True), files))
        _check_alike(headers, params)
    first = headers[0]
    channels, slices, rows, columns = first.shape
    shape = (slices if len(headers) == 1 else len(headers), rows, columns)
    own = first.own
    if shape[0] == 1 and own is None:
        raise FibError(
            f"{source} is a single 2-D image of {rows} x {columns} pixels; a stack of slices is "
            f"needed: give a multi-page TIFF, a folder or a glob such as slices/*.tif"
        )
    kind = params.as_ or (own.type if own is not None else "images")
    warnings = [missing_slice(files)]
    founds = trusted(first, warnings)
    voxel_size_nm = voxel_size(source, params, founds, warnings)
    box = _region(source, params, shape)
    _warn_of_data_bar(first, box[1], warnings)
    cut = tuple(part.stop - part.start for part in box)
    region = (cut[0], cut[1], cut[2])
    if kind == "labels":
        _check_labels(source, params, first)
        materials = _materials(source, params, own, warnings)
        phases = {phase: material.name for phase, material in materials.items()}
        spec = VolumeSpec(Labels, region, voxel_size_nm, phases=phases)
    else:
        materials = {}
        dtype = _image_dtype(source, params, first, warnings)
        kv = voltages(source, params, founds, channels, warnings)
        spec = VolumeSpec(Images, region, voxel_size_nm, kv, dtype=dtype)
    same_kv = own is not None and own.kv == spec.kv
    return Stack(
        headers=headers,
        spec=spec,
        box=box,
        materials=materials,
        names=own.names if own is not None and same_kv else (),
        quantity=own.quantity if own is not None else "",
        warnings=tuple(warning for warning in warnings if warning),
    )


def _check_alike(headers: Sequence[Header], params: LoadParams) -> None:
    """Refuse slices of different size, type, pixel size or voltage; name the first two."""
    first = headers[0]
    for other in headers[1:]:
        ours, theirs = _looks(first), _looks(other)
        if ours != theirs:
            raise FibError(
                f"the slices are not alike: {first.path.name} is {ours}, {other.path.name} is "
                f"{theirs}. All slices of a stack must have one size and type: crop or convert "
                f"them, or give a narrower pattern"
            )
        for a, b in zip(first.found, other.found, strict=False):
            said = [*zip(("z", "y", "x"), a.voxel_size_nm, b.voxel_size_nm, strict=True)]
            if params.voxel_size_nm is not None:
                said = []
            if params.kv is None and a.kv and b.kv:
                said.append(("accelerating voltage", a.kv[0], b.kv[0]))
            for what, mine, yours in said:
                if mine is not None and yours is not None and differ(mine, yours):
                    unit = "kV" if what == "accelerating voltage" else "nm"
                    raise FibError(
                        f"the slices are not alike: {what} is {mine:g} {unit} in "
                        f"{first.path.name} and {yours:g} {unit} in {other.path.name} ({a.origin} "
                        f"tags). Give a pattern that matches one stack, or say which holds with "
                        f"{'kv' if unit == 'kV' else 'voxel_size_nm'}"
                    )


def _looks(header: Header) -> str:
    """Describe what all slices of a stack must share."""
    grey = "" if header.grey == "grey" else f" ({header.grey})"
    return f"{header.shape[2]} x {header.shape[3]} {header.dtype.name}{grey}"


def _region(
    source: str | Path, params: LoadParams, shape: tuple[int, int, int]
) -> tuple[slice, slice, slice]:
    box = []
    for axis, size in zip(("z", "y", "x"), shape, strict=True):
        start, stop = (params.region or {}).get(axis, (0, size))  # type: ignore[call-overload]
        if stop > size:
            raise FibError(
                f"{source}: region {axis}: [{start}, {stop}] goes beyond the {size} voxels along "
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


def _check_labels(source: str | Path, params: LoadParams, header: Header) -> None:
    if params.kv is not None:
        raise FibError(
            f"{source} holds labels, which have no accelerating voltage: leave out kv, or say "
            f'"as": "images"'
        )
    if header.shape[0] > 1:
        raise FibError(
            f"{source} has {header.shape[0]} channels; labels have one: save the channel that "
            f"holds the phases alone (Fiji: Image > Color > Split Channels)"
        )
    if header.dtype.kind not in LABEL_KINDS:
        raise FibError(f"{source} is {header.dtype.name}; save labels as 8-bit integers")


def _materials(
    source: str | Path, params: LoadParams, own: VolumeMetadata | None, warnings: list[str]
) -> dict[int, Material]:
    if params.materials is not None:
        return dict(enumerate(params.materials))
    if own is not None and own.type == "labels":
        return dict(own.phases)
    warnings.append(
        f"{source} does not say of what the phases are made: 0 is taken as epoxy, 1 as gold; give "
        f"materials: [...] for phase 0, 1, ..."
    )
    return {0: EPOXY, 1: GOLD}


def _image_dtype(
    source: str | Path, params: LoadParams, header: Header, warnings: list[str]
) -> str:
    if params.materials is not None:
        raise FibError(f'{source} is read as images, which have no materials; say "as": "labels"')
    name = header.dtype.name
    if name == "bool":
        raise FibError(f'{source} is a 1-bit mask, not grey values; say "as": "labels"')
    if header.grey != "grey":
        stored = "colours of a palette" if header.grey == "palette" else "white as zero"
        todo = "Image > Type > 8-bit" if header.grey == "palette" else "Edit > Invert LUT"
        raise FibError(
            f"{source} stores {stored}, so it is not certain which numbers are bright; save it as "
            f'plain grey values (Fiji: {todo}), or say "as": "labels" if they are phase numbers'
        )
    if name not in IMAGE_DTYPES and name not in CONVERTED:
        raise FibError(
            f"{source} is {name}; images are {', '.join(IMAGE_DTYPES)}: convert it to uint16 or "
            f"float32 (Fiji: Image > Type > 16-bit or 32-bit)"
        )
    if name == "float64":
        warnings.append(f"{source} is float64 and read as float32 (7 significant digits)")
    return CONVERTED.get(name, name)
