"""The layout of the planes of a stack in one TIFF: their axes and pages."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import tifffile

from fib_plugins.readers.tiff.announced import check_imagej, check_ome
from fib_plugins.readers.tiff.pages import Page
from fibcore.errors import FibError


@dataclass(frozen=True)
class Layout:
    """The planes of a file.

    Attributes:
        shape: (channel, z, y, x), as stored.
        planes: order of the planes in the file, ``ZC`` or ``CZ`` (the last varies fastest).
        offset: offset of the planes if they are contiguous and uncompressed; else None.
        remarks: remarks on contradictions in the file.
    """

    shape: tuple[int, int, int, int]
    planes: str
    offset: int | None
    remarks: tuple[str, ...] = ()


def slice_layout(path: Path, pages: Sequence[Page]) -> Layout:
    """Return the layout of a file that is one slice of a stack.

    Raises:
        FibError: it has several pages.
    """
    if len(pages) != 1:
        raise FibError(
            f"{path} has {len(pages)} pages, but in a folder or glob each file is one "
            f"slice; give this file alone, or split it into slices"
        )
    rows, columns = _flat(path, pages[0])
    return Layout((1, 1, rows, columns), "CZ", None)


def stack_layout(path: Path, tif: tifffile.TiffFile, pages: list[Page], own: bool) -> Layout:
    """Return the layout of a file that is a whole stack.

    Args:
        path: the file.
        tif: the open file.
        pages: its pages of full size.
        own: whether fib wrote it.

    Raises:
        FibError: it is one file of several, planes are missing, or its axes are ambiguous.
    """
    first: Any = tif.pages[pages[0].number - 1]
    if (planes := planar_slices(pages, first.description)) > 1:
        offset = first.dataoffsets[0] if first.is_final else None
        remark = (
            f"{path.name}: it is marked as a colour image in {planes} planes, as tifffile writes "
            f"{planes} slices by default (without photometric='minisblack'): it is read as "
            f"{planes} slices; if it is a colour image, convert it to grey values"
        )
        return Layout((1, planes, *_flat(path, pages[0])), "CZ", offset, (remark,))
    remarks: list[str] = []
    if tif.is_ome and (xml := tif.ome_metadata):
        remarks += check_ome(path, xml, pages)
    elif tif.is_imagej and (text := tif.imagej_metadata):
        check_imagej(path, text, pages)
    axes, sizes, count, offset = _series(path, tif)
    channels, slices, order = _channels_and_slices(path, axes, sizes, pages[0], own)
    whole = (count == 1 and offset is not None) or count == channels * slices
    if not whole:
        raise FibError(
            f"{path} stores its planes in an unusual way ({len(pages)} pages of "
            f"{times(pages[0].shape)} for {channels * slices} planes); open it in Fiji and save it "
            f"again as TIFF"
        )
    if offset is not None:
        end = offset + prod(sizes) * pages[0].nbytes
        if end > tif.filehandle.size:
            raise FibError(
                f"{path} is truncated: its pixels need {end} bytes, it has {tif.filehandle.size}; "
                f"copy it again from its origin"
            )
    rows, columns = _flat(path, pages[0])
    return Layout((channels, slices, rows, columns), order, offset, tuple(remarks))


def planar_slices(pages: Sequence[Page], description: str) -> int:
    """Return the number of slices in a page that is marked as colours by default; else 0.

    By default tifffile marks an array (3, y, x) or (4, y, x) as RGB in planes, and stores its shape
    as JSON.
    """
    page = pages[0]
    planar = page.photometric == 2 and page.planar == 2 and page.samples in (3, 4)
    if len(pages) != 1 or not planar or not description.startswith('{"shape"'):
        return 0
    try:
        shape = json.loads(description)["shape"]
    except (ValueError, RecursionError, KeyError, TypeError):
        return 0
    return page.samples if shape == [page.samples, *page.shape] else 0


def _flat(path: Path, page: Page) -> tuple[int, int]:
    if len(page.shape) != 2:
        raise FibError(
            f"{path} stores its planes in an unusual way (a page of {times(page.shape)}); open it "
            f"in Fiji and save it again as TIFF"
        )
    return (page.shape[0], page.shape[1])


def _series(path: Path, tif: tifffile.TiffFile) -> tuple[str, tuple[int, ...], int, int | None]:
    """Return axes and sizes except y and x, the number of pages, and the offset of all planes."""
    series = [s for s in tif.series if not s.keyframe.is_reduced]
    first = series[0]
    if len(series) > 1:  # written slice by slice, each as a separate series
        count = sum(len(s.pages) for s in series)
        return "Z", (count,), count, None
    axes, sizes = _whole_shape(first)
    beside = [(a, n) for a, n in zip(axes, sizes, strict=True) if a not in "YXS"]
    counts = tuple(int(n) for _, n in beside)
    announced = (tif.imagej_metadata or {}).get("images", 1)
    if len(tif.pages) == 1 and announced > max(1, prod(counts)):
        raise FibError(
            f"{path} is truncated: it declares {announced} images and ends before the last; copy "
            f"it again from its origin"
        )
    pages: list[Any] = list(first.pages)
    if None in pages:
        there = sum(page is not None for page in pages)
        raise FibError(
            f"{path} has only {there} of the {len(pages)} planes that it declares; copy "
            f"it again from its origin"
        )
    return "".join(a for a, _ in beside), counts, len(pages), first.dataoffset


def _whole_shape(series: tifffile.TiffPageSeries) -> tuple[str, tuple[int, ...]]:
    """Return axes and shape of a series, including axes of length one."""
    if hasattr(series, "get_axes"):  # tifffile before 2026.11 leaves them out of axes and shape
        return series.get_axes(squeeze=False), series.get_shape(squeeze=False)
    return series.axes, series.shape


def _channels_and_slices(
    path: Path, axes: str, sizes: Sequence[int], page: Page, own: bool
) -> tuple[int, int, str]:
    """Return the numbers of channels and slices and the order of planes, or reject the axes."""
    kept = [
        (axis.replace("I", "Z").replace("Q", "Z"), size)
        for axis, size in zip(axes, sizes, strict=True)
        if size > 1 or axis == "Z"
    ]
    order = "".join(axis for axis, _ in kept)
    count_of = dict(kept)
    if order.count("Z") > 1 or set(order) - set("ZCT"):
        raise FibError(
            f"{path} has axes {axes}YX of sizes {times(sizes)} x {times(page.shape)}, which do not "
            f"define depth and channels; save it as an ImageJ hyperstack (Fiji: "
            f"Image > Hyperstacks > Stack to Hyperstack)"
        )
    channels, slices = count_of.get("C", 1), count_of.get("Z", 1)
    if "T" in order or (slices == 1 and channels > 1 and not own):
        kind, count = ("time points", count_of["T"]) if "T" in order else ("channels", channels)
        raise FibError(
            f"{path} has {count} {kind} of {slices} slice{'s' if slices > 1 else ''}; fib reads "
            f"slices and channels. If they are really slices, set this in Fiji (Image > "
            f"Properties: slices {count}, {kind.replace('time points', 'frames')} 1) or where the "
            f"file is written (tifffile: metadata={{'axes': 'ZYX'}})"
        )
    return channels, slices, "ZC" if order.endswith("C") else "CZ"


def times(sizes: Sequence[int]) -> str:
    """Return sizes as ``6 x 5`` for a message."""
    return " x ".join(str(size) for size in sizes)
