"""What the headers of one TIFF say, and the refusal of files that cannot be read as slices.

Only headers are read: the same checks serve a pipeline before it runs and the reading itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tifffile

from fibcore.errors import FibError
from fibcore.io import metadata, tags
from fibcore.io.container import open_tiff

Grey = Literal["grey", "palette", "inverted"]


@dataclass(frozen=True)
class Header:
    """One file, as far as its headers tell.

    Attributes:
        path: the file.
        shape: (channel, z, y, x).
        planes: order of the planes in the file, ``ZC`` or ``CZ`` (the last runs fastest).
        dtype: element type, with its byte order in the file.
        offset: where the planes begin if they lie in one uncompressed run; else None.
        grey: how numbers become grey: as they are, through a colour palette (which for phase
            numbers means nothing), or with zero as white.
        own: fib's own metadata, in a file that fib wrote.
        found: what tags of each kind say, the most trusted first.
    """

    path: Path
    shape: tuple[int, int, int, int]
    planes: str
    dtype: np.dtype
    offset: int | None
    grey: Grey
    own: metadata.VolumeMetadata | None
    found: tuple[tags.Found, ...]


def read_header(path: Path, one_slice: bool = False) -> Header:
    """Read the headers of a file.

    Args:
        path: the file.
        one_slice: take it as one slice of a stack; else as a whole stack.

    Raises:
        FibError: missing, empty, truncated, not a TIFF, colour, not a stack (or not one slice),
            or stored in a way that cannot be decoded.
    """
    with open_tiff(path) as tif:
        pages: Any = tif.pages
        if one_slice:
            full = [page for page in pages if not page.is_reduced]
            if len(full) != 1:
                raise FibError(
                    f"{path} has {len(full)} pages, but in a folder or glob each file is one "
                    f"slice; give this file alone, or split it into slices"
                )
            layout = _Layout("", (), full, None)
        else:
            layout = _layout(path, tif)
        first = pages.first
        grey = _grey(path, first)
        _check_decodable(path, first)
        _check_whole(path, layout, tif.filehandle.size)
        own, found = _tags(tif)
        shape, planes = _volume_shape(path, layout, first, own is not None)
        return Header(path, shape, planes, _dtype(path, tif), layout.offset, grey, own, found)


@dataclass(frozen=True)
class _Layout:
    """The pages that make up the stack, and the axes they run along beside y and x."""

    axes: str
    sizes: tuple[int, ...]
    pages: Sequence[Any]
    offset: int | None


def _layout(path: Path, tif: tifffile.TiffFile) -> _Layout:
    _check_pages_alike(path, tif)
    series = [s for s in tif.series if not s.keyframe.is_reduced]
    first = series[0]
    if first.is_multifile:
        raise FibError(
            f"{path} is one file of an OME-TIFF set of several; give a glob that matches them all"
        )
    if len(series) > 1:  # written slice by slice, each as a series of its own
        single: list[Any] = [page for s in series for page in s.pages]
        return _Layout("Z", (len(single),), single, None)
    axes, sizes = _whole_shape(first)
    beside = [(a, n) for a, n in zip(axes, sizes, strict=True) if a not in "YXS"]
    counts = tuple(n for _, n in beside)
    announced = (tif.imagej_metadata or {}).get("images", 1)
    if len(tif.pages) == 1 and announced > max(1, int(np.prod(counts, dtype=np.int64))):
        raise FibError(
            f"{path} is truncated: it announces {announced} images and ends before the last; copy "
            f"it again from its origin"
        )
    return _Layout("".join(a for a, _ in beside), counts, list(first.pages), first.dataoffset)


def _whole_shape(series: tifffile.TiffPageSeries) -> tuple[str, tuple[int, ...]]:
    """Return axes and shape of a series, axes of length one included."""
    if hasattr(series, "get_axes"):  # tifffile before 2026.11 leaves them out of axes and shape
        return series.get_axes(squeeze=False), series.get_shape(squeeze=False)
    return series.axes, series.shape


def _check_pages_alike(path: Path, tif: tifffile.TiffFile) -> None:
    """Refuse pages of different size or type; tifffile itself looks at a few of them only."""
    first = None
    pages: Any = tif.pages
    for page in pages:
        if page.keyframe.is_reduced:
            continue
        looks = (page.shape, page.dtype)
        first = first or looks
        if looks != first:
            raise FibError(
                f"{path} holds pages of different size or type: the first is {_times(first[0])} "
                f"{first[1]}, page {int(page.index) + 1} is {_times(page.shape)} {page.dtype}. All "
                f"slices of a stack must be alike: crop or convert them"
            )


def _volume_shape(
    path: Path, layout: _Layout, first: Any, own: bool
) -> tuple[tuple[int, int, int, int], str]:
    """Return (channel, z, y, x) and the order of planes, or refuse the axes."""
    rows, columns = first.shape[-2:]
    kept = [
        (axis.replace("I", "Z").replace("Q", "Z"), size)
        for axis, size in zip(layout.axes, layout.sizes, strict=True)
        if size > 1 or axis == "Z"
    ]
    order = "".join(axis for axis, _ in kept)
    sizes = dict(kept)
    if order.count("Z") > 1 or set(order) - set("ZCT"):
        raise FibError(
            f"{path} has axes {layout.axes}YX of sizes {_times(layout.sizes)} x {rows} x "
            f"{columns}, and does not say which is depth and which are channels; save it as an "
            f"ImageJ hyperstack (Fiji: Image > Hyperstacks > Stack to Hyperstack)"
        )
    channels, slices = sizes.get("C", 1), sizes.get("Z", 1)
    if "T" in order or (slices == 1 and channels > 1 and not own):
        kind, count = ("time points", sizes["T"]) if "T" in order else ("channels", channels)
        raise FibError(
            f"{path} has {count} {kind} of {slices} slice{'s' if slices > 1 else ''}; fib reads "
            f"slices and channels. If they are slices in truth, say so in Fiji (Image > "
            f"Properties: slices {count}, {kind.replace('time points', 'frames')} 1) or where the "
            f"file is written (tifffile: metadata={{'axes': 'ZYX'}})"
        )
    in_one_run = len(layout.pages) == 1 and layout.offset is not None
    whole = in_one_run or len(layout.pages) == channels * slices
    if not whole or len(first.shape) != 2:
        raise FibError(
            f"{path} stores its planes in an unusual way ({len(layout.pages)} pages of "
            f"{_times(first.shape)}); open it in Fiji and save it again as TIFF"
        )
    return (channels, slices, rows, columns), "ZC" if order.endswith("C") else "CZ"


def _check_whole(path: Path, layout: _Layout, size: int) -> None:
    """Refuse a file that ends before its pixels do, or lacks pages that it announces."""
    if any(page is None for page in layout.pages):
        there = sum(page is not None for page in layout.pages)
        raise FibError(
            f"{path} has only {there} of the {len(layout.pages)} planes that it announces; copy "
            f"it again from its origin"
        )
    end = 0
    for page in layout.pages:
        stored = sum(page.databytecounts)
        needed = page.nbytes if page.compression == 1 and page.keyframe.bitspersample >= 8 else 1
        if stored < needed:
            raise FibError(f"{path} lacks pixels of page {page.index + 1}; copy it again")
        end = max(end, *(a + n for a, n in zip(page.dataoffsets, page.databytecounts, strict=True)))
    if layout.offset is not None:
        first = layout.pages[0]
        planes = int(np.prod(layout.sizes, dtype=np.int64))
        end = max(end, layout.offset + planes * first.nbytes)
    if end > size:
        raise FibError(
            f"{path} is truncated: its pixels need {end} bytes, it has {size}; copy it again from "
            f"its origin"
        )


def _grey(path: Path, page: Any) -> Grey:
    photometric = int(page.photometric)
    if photometric == 3 and page.samplesperpixel == 1:
        return "grey" if _is_grey_ramp(page.colormap) else "palette"
    if photometric not in (0, 1) or page.samplesperpixel != 1:
        raise FibError(
            f"{path} is a colour image ({getattr(page.photometric, 'name', photometric)}, "
            f"{page.samplesperpixel} samples per pixel); fib reads grey values: convert it (Fiji: "
            f"Image > Type > 8-bit or 16-bit)"
        )
    return "grey" if photometric == 1 else "inverted"


def _is_grey_ramp(colormap: np.ndarray | None) -> bool:
    """Whether a palette maps each number to the grey of that number, as Zeiss files do."""
    if colormap is None:
        return False
    ramp = np.linspace(0, 65535, colormap.shape[-1])
    return bool(np.all(np.abs(colormap - ramp) <= 257))


def _check_decodable(path: Path, page: Any) -> None:
    try:
        if page.compression != 1:
            tifffile.TIFF.DECOMPRESSORS[page.compression]
    except KeyError:
        raise FibError(
            f"{path} is compressed with {getattr(page.compression, 'name', page.compression)}, "
            f"which needs a further package: `pip install imagecodecs`; or save it uncompressed "
            f"(Fiji: File > Save As > Tiff)"
        ) from None
    if page.bitspersample not in (1, 8, 16, 32, 64):
        raise FibError(
            f"{path} packs {page.bitspersample} bits per pixel; save it as 8 or 16 bit integers or "
            f"32 bit floats"
        )


def _dtype(path: Path, tif: tifffile.TiffFile) -> np.dtype:
    dtype = tif.pages.first.dtype
    if dtype is None:
        raise FibError(f"{path}: unknown type of pixel; save it as uint8, uint16 or float32")
    return np.dtype(dtype).newbyteorder(tif.byteorder)


def _tags(tif: tifffile.TiffFile) -> tuple[metadata.VolumeMetadata | None, tuple[tags.Found, ...]]:
    page = tif.pages.first
    resolution = page.resolution if 282 in page.tags and 283 in page.tags else None
    rows, columns = page.shape[-2:]
    own = None
    found = []
    if tif.is_imagej and (description := tif.imagej_metadata):
        own = metadata.from_text(description.get("Info"))
        found.append(tags.imagej(description, resolution))
    if tif.is_ome and (xml := tif.ome_metadata):
        own = own or metadata.from_ome(xml)
        found.append(tags.ome(xml))
    if sections := tif.fei_metadata:
        found.append(tags.fei(sections, rows))
    if entries := tif.sem_metadata:
        found.append(tags.zeiss(entries, columns))
    found.append(tags.baseline(resolution, int(page.resolutionunit)))
    return own, tuple(found)


def _times(sizes: Sequence[int]) -> str:
    return " x ".join(str(size) for size in sizes)
