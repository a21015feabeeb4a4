"""Reads the headers of a TIFF, and rejects files that cannot be read as slices.

Only headers are read, so that the same checks are used before a run and when voxels are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from fib_plugins.readers.stacks import metadata
from fib_plugins.readers.stacks.found import Found
from fib_plugins.readers.stacks.header import Grey, Header, oriented
from fib_plugins.readers.tiff import tags
from fib_plugins.readers.tiff.codecs import check_decodable
from fib_plugins.readers.tiff.container import open_tiff
from fib_plugins.readers.tiff.layout import planar_slices, slice_layout, stack_layout, times
from fib_plugins.readers.tiff.markup import elements, parse_xml
from fib_plugins.readers.tiff.pages import Page, read_pages
from fibcore.errors import FibError


@dataclass(frozen=True)
class TiffHeader(Header):
    """The headers of a TIFF file.

    Attributes:
        page: index of its first page in full size.
    """

    page: int = 0


def read_header(path: Path, one_slice: bool = False) -> TiffHeader:
    """Read the headers of a file.

    Args:
        path: the file.
        one_slice: whether it is one slice of a stack, not a whole stack.

    Raises:
        FibError: the file is missing, empty, truncated, not a TIFF, a colour image, not a stack (or
            not one slice), or cannot be decoded.
    """
    pages = [page for page in read_pages(path) if not page.reduced]
    if not pages:
        raise FibError(f"{path} holds only previews, no image of full size")
    with open_tiff(path) as tif:
        first = pages[0]
        page: Any = tif.pages[first.number - 1]
        _check_alike(path, pages)
        if one_slice:
            layout = slice_layout(path, pages)
        grey = _grey(path, tif, pages, one_slice)
        for one in {(p.compression, p.predictor): p for p in pages}.values():
            check_decodable(path, one, tif.byteorder)
        own, found, slice_names = _tags(tif, page)
        pages_found = {} if own is not None else _pages_found(tif, pages)
        dtype = _dtype(path, tif, page)
        if not one_slice:
            layout = stack_layout(path, tif, pages, own is not None)
        header = TiffHeader(
            path=path,
            shape=layout.shape,
            planes=layout.planes,
            dtype=dtype,
            page=first.number - 1,
            offset=layout.offset,
            grey=grey,
            own=own,
            found=found,
            pages_found=pages_found,
            slice_names=slice_names,
            remarks=layout.remarks,
        )
        return oriented(header, first.orientation)


def _check_alike(path: Path, pages: Sequence[Page]) -> None:
    """Reject pages of different size, type or display."""
    first = pages[0]
    for page in pages:
        if _looks(page) == _looks(first):
            continue
        if (page.shape, _kind(page)) != (first.shape, _kind(first)):
            what = "size or type"
            ours, theirs = (f"{times(p.shape)} {_kind(p)}" for p in (first, page))
        else:
            what = "colours or orientation"
            ours, theirs = (
                f"photometric {p.photometric}, orientation {p.orientation}" for p in (first, page)
            )
        raise FibError(
            f"{path} holds pages of different {what}: the first is {ours}, page {page.number} is "
            f"{theirs}. All slices of a stack must be alike: crop or convert them"
        )


def _looks(page: Page) -> tuple[Any, ...]:
    return (page.shape, _kind(page), page.samples, page.photometric, page.orientation)


def _kind(page: Page) -> str:
    words = {1: "uint", 2: "int", 3: "float"}
    return "bool" if page.bits == 1 else f"{words.get(page.format, 'void')}{page.bits}"


def _grey(path: Path, tif: tifffile.TiffFile, pages: Sequence[Page], one_slice: bool) -> Grey:
    page = pages[0]
    first: Any = tif.pages[page.number - 1]
    if page.photometric == 3 and page.samples == 1:
        for other in pages:
            stored: Any = tif.pages[other.number - 1]
            if not np.array_equal(stored.colormap, first.colormap):
                raise FibError(
                    f"{path}: page {other.number} has another colour palette than the first; "
                    f"save all pages as plain grey values (Fiji: Image > Type > 8-bit)"
                )
        return "grey" if _is_grey_ramp(first.colormap) else "palette"
    if not one_slice and planar_slices(pages, first.description):
        return "grey"
    if page.photometric not in (0, 1) or page.samples != 1:
        raise FibError(
            f"{path} is a colour image ({getattr(first.photometric, 'name', page.photometric)}, "
            f"{page.samples} samples per pixel); fib reads grey values: convert it (Fiji: "
            f"Image > Type > 8-bit or 16-bit){_or_slices(page)}"
        )
    return "grey" if page.photometric == 1 else "inverted"


def _or_slices(page: Page) -> str:
    if page.planar != 2:
        return ""
    return (
        f"; or, if its {page.samples} planes are slices, write them as slices (tifffile: "
        f"photometric='minisblack')"
    )


def _is_grey_ramp(colormap: np.ndarray | None) -> bool:
    """Return whether a palette maps each number to the same grey value, as in Zeiss files."""
    if colormap is None:
        return False
    ramp = np.linspace(0, 65535, colormap.shape[-1])
    return bool(np.all(np.abs(colormap - ramp) <= 257))


def _dtype(path: Path, tif: tifffile.TiffFile, page: tifffile.TiffPage) -> np.dtype:
    if page.dtype is None:
        raise FibError(f"{path}: unknown type of pixels; save it as uint8, uint16 or float32")
    return np.dtype(page.dtype).newbyteorder(tif.byteorder)


def _tags(
    tif: tifffile.TiffFile, page: tifffile.TiffPage
) -> tuple[metadata.VolumeMetadata | None, tuple[Found, ...], tuple[str, ...]]:
    """Return fib's own metadata, the metadata in tags, and ImageJ's names of the planes."""
    resolution = _resolution(page)
    own = None
    found = []
    names: tuple[str, ...] = ()
    if tif.is_imagej and (description := tif.imagej_metadata):
        own = metadata.from_text(description.get("Info"))
        found.append(tags.imagej(description, resolution))
        labels = description.get("Labels")
        names = tuple(map(str, labels)) if isinstance(labels, list) else ()
    if tif.is_ome and (xml := tif.ome_metadata):
        own = own or _own_in_ome(xml)
        found.append(tags.ome(xml))
    return own, (*found, *_page_tags(page)), names


def _page_tags(page: tifffile.TiffPage) -> tuple[Found, ...]:
    """Return the metadata in the tags of a page, those of microscopes first."""
    rows, columns = page.shape[-2:]
    found = []
    sections: dict[str, Any] = {}
    for tag in (34680, 34682):  # FEI SFEG, FEI Helios
        if isinstance(read := page.tags.valueof(tag), dict):
            sections.update(read)
    if sections:
        found.append(tags.fei(sections, rows, columns))
    if isinstance(entries := page.tags.valueof(34118), dict):
        found.append(tags.zeiss(entries, rows, columns))
    found.append(tags.baseline(_resolution(page), int(page.resolutionunit)))
    return tuple(found)


def _resolution(page: tifffile.TiffPage) -> tuple[float, float] | None:
    return page.resolution if 282 in page.tags and 283 in page.tags else None


def _pages_found(tif: tifffile.TiffFile, pages: Sequence[Page]) -> dict[int, tuple[Found, ...]]:
    """Return the metadata in the tags of pages that differ from the first page.

    It must be called before the series of the file are read, since these discard the tags of pages.
    """
    first, *others = pages
    usual = _page_tags(tif.pages[first.number - 1])  # type: ignore[arg-type]
    found = {page.number: _page_tags(tif.pages[page.number - 1]) for page in others}  # type: ignore[arg-type]
    return {number: other for number, other in found.items() if other != usual}


def _own_in_ome(xml: str) -> metadata.VolumeMetadata | None:
    """Return fib's own metadata in the map annotation ``fib`` of an OME-XML text."""
    root = parse_xml(xml)
    entries = elements(root, "M") if root is not None else iter(())
    entry = next((e for e in entries if e.get("K") == "fib"), None)
    return None if entry is None else metadata.from_text(entry.text)
