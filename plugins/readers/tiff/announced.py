"""Compares the numbers of planes in OME-XML and ImageJ's text with the pages of the file.

tifffile creates a list of all declared planes, so a text that declares a billion of them is
rejected before tifffile reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from fib_plugins.readers.tiff.markup import elements, parse_xml
from fib_plugins.readers.tiff.pages import Page
from fibcore.errors import FibError

MOST_CROPPED = 1000
"""Largest ratio of the planes of OME-XML to the pages: tifffile creates a list of as many pages as
the planes would fill."""


def check_ome(path: Path, xml: str, pages: list[Page]) -> list[str]:
    """Reject OME-XML that does not describe the pages of its file.

    Args:
        path: the file.
        xml: its OME-XML.
        pages: its pages in full size.

    Returns:
        Sentences on differences between text and pages, and which of them is used.

    Raises:
        FibError: it is not XML, one file of several, or declares missing planes.
    """
    root = parse_xml(xml)
    if root is None:
        raise FibError(
            f"{path} is damaged: its OME-XML cannot be parsed; open it in Fiji and save it again "
            f"as TIFF"
        )
    for _ in (e for e in root.iter() if e.tag.rpartition("}")[2].startswith("ModuloAlong")):
        raise FibError(
            f"{path} has axes of modulo annotations (lifetimes, angles); fib reads slices and "
            f"channels: save one stack only"
        )
    planes = 0
    remarks: list[str] = []
    for pixels in elements(root, "Pixels"):
        sizes = {axis: _whole(path, pixels.get(f"Size{axis}", "1")) for axis in "XYZCT"}
        samples = next((c.get("SamplesPerPixel", "1") for c in elements(pixels, "Channel")), "1")
        count = sizes["Z"] * sizes["T"] * max(1, sizes["C"] // _whole(path, samples))
        _check_planes(path, pixels, root.get("UUID"), count, len(pages))
        planes += count
        if (sizes["Y"], sizes["X"]) != pages[0].shape[-2:] and not remarks:
            remarks.append(_other_size(path, sizes, pages[0]))
    if planes > len(pages):
        raise FibError(
            f"{path} has only {len(pages)} of the {planes} planes that it declares; copy it again "
            f"from its origin"
        )
    return remarks


def _check_planes(
    path: Path, pixels: ElementTree.Element, own: str | None, announced: int, pages: int
) -> None:
    """Reject planes in other files, and blocks of planes without pages in the file."""
    files = set()
    for block in elements(pixels, "TiffData"):
        files |= {uuid.text for uuid in elements(block, "UUID")}
        counted = block.get("PlaneCount", block.get("NumPlanes", "0"))
        first = block.get("IFD", "0")
        if max(_whole(path, counted, 0), _whole(path, first, 0)) > max(pages, announced):
            raise FibError(
                f"{path} has only {pages} of the {counted} planes that it declares; copy it again "
                f"from its origin"
            )
    if len(files) > 1 or (files and own is not None and files != {own}):
        raise FibError(
            f"{path} is one file of an OME-TIFF set of several; give a glob that matches them all"
        )


def _whole(path: Path, text: str, least: int = 1) -> int:
    try:
        number = int(text[:20])
    except ValueError:
        number = -1
    if number < least:
        raise FibError(
            f"{path} is damaged: its OME-XML has {text[:20]!r} in place of a whole number of at "
            f"least {least}; open it in Fiji and save it again as TIFF"
        )
    return number


def _other_size(path: Path, sizes: Mapping[str, int], page: Page) -> str:
    height, width = page.shape[-2:]
    if sizes["Y"] * sizes["X"] > MOST_CROPPED * height * width:
        raise FibError(
            f"{path}: its OME-XML describes planes of {sizes['Y']} x {sizes['X']} pixels, its "
            f"pages are {height} x {width}: it belongs to another file; open it in Fiji and save "
            f"it again as TIFF"
        )
    if sizes["C"] * sizes["T"] > 1:
        raise FibError(
            f"{path}: its OME-XML describes planes of {sizes['Y']} x {sizes['X']} pixels in "
            f"several channels, its pages are {height} x {width}; open it in Fiji and save it "
            f"again as TIFF"
        )
    return (
        f"{path.name}: its OME-XML describes planes of {sizes['Y']} x {sizes['X']} pixels, its "
        f"pages are {height} x {width}: the pages are used, and the voxel size of the OME-XML "
        f"is right only if they were cropped, not scaled"
    )


def check_imagej(path: Path, text: Mapping[str, Any], pages: list[Page]) -> None:
    """Reject ImageJ's text if its number of planes differs from the number of pages.

    A single page may be followed by further planes without headers.
    """
    counts = [text.get(name, 1) for name in ("channels", "slices", "frames")]
    if any(not isinstance(count, int) or count < 1 for count in counts):
        raise FibError(
            f"{path} is damaged: its ImageJ text counts {counts} channels, slices and frames; open "
            f"it in Fiji and save it again as TIFF"
        )
    planes = prod(counts)
    if len(pages) > 1 and planes > 1 and planes != len(pages):
        raise FibError(
            f"{path} has {len(pages)} pages, but its ImageJ text counts {planes} planes "
            f"({counts[0]} channels, {counts[1]} slices, {counts[2]} frames): pages are missing, "
            f"or the text is of another file; open it in Fiji, set Image > Properties, and save it"
        )
