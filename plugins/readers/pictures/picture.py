"""Opens one picture of grey values of 1, 8 or 16 bits with Pillow; others are rejected."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from fib_plugins.readers.pictures.completeness import SIGNATURE, check_complete
from fib_plugins.readers.slices.units import INCH_NM
from fib_plugins.readers.stacks import orientation
from fib_plugins.readers.stacks.found import Found, of_resolution
from fib_plugins.readers.stacks.header import Header, oriented
from fibcore.errors import FibError, sized

MOST_PER_BYTE = 1040
"""Largest expansion of deflate, the compression of PNG."""

_ORIENTATION = 274
_TYPES: dict[tuple[str, int], np.dtype] = {
    ("L", 8): np.dtype(np.uint8),
    ("I;16", 16): np.dtype(np.uint16),
    ("I", 16): np.dtype(np.uint16),  # Pillow before 11.3
    ("1", 1): np.dtype(np.bool_),
}
"""Pillow's mode, and bits of one value in the file -> element type."""

_COLOURS = {
    "P": "a palette of colours",
    "RGB": "colours",
    "RGBA": "colours and transparency",
    "LA": "transparency",
    "CMYK": "colours",
    "YCbCr": "colours",
}


def read_header(path: Path) -> Header:
    """Read the header of a picture; raises the errors of `StackReader.header`."""
    size = path.stat().st_size
    with open_picture(path) as picture:
        columns, rows = picture.size
        bits = _bits(path)
        _check_grey(path, picture, bits)
        dtype = _TYPES[picture.mode, bits]
        if rows * columns * bits / 8 > MOST_PER_BYTE * size:
            raise FibError(
                f"{path} is damaged: it declares {rows} x {columns} pixels, which its "
                f"{sized(size)} cannot hold; copy it again from its origin"
            )
        found = _resolution(picture)
        remarks = []
        if picture.format == "JPEG":
            remarks.append(
                f"{path.name}: JPEG is lossy: noise and edges are not those measured, and "
                f"figures that depend on them are wrong; load the original slices if available"
            )
        header = Header(path, (1, 1, rows, columns), dtype, found=(found,), remarks=tuple(remarks))
        return oriented(header, _orientation(Image.Image.getexif(picture)))  # decodes no pixels


def decode(header: Header) -> np.ndarray:
    """Return the pixels of a picture, as stored.

    Raises:
        FibError: it is truncated or damaged.
    """
    with open_picture(header.path) as picture:
        pixels = np.asarray(picture).astype(header.dtype, copy=False)
        if _orientation(picture.getexif()) != header.orientation:
            raise FibError(
                f"{header.path} has its orientation after its pixels, where it is read too late; "
                f"save the picture upright, without an orientation"
            )
    check_complete(header.path)
    return pixels


@contextmanager
def open_picture(path: Path) -> Iterator[Image.Image]:
    """Open a picture with Pillow; any problem raises a `FibError`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # large, but limited
            with Image.open(path, formats=("PNG", "JPEG")) as picture:
                yield picture
    except FibError:
        raise
    except Image.DecompressionBombError as error:
        raise FibError(
            f"{path} declares more pixels than Pillow decodes "
            f"({2 * (Image.MAX_IMAGE_PIXELS or 0)}); save such slices as TIFF"
        ) from error
    except Image.UnidentifiedImageError as error:
        raise FibError(
            f"{path} is not a PNG or JPEG file; name only pictures, with a pattern such as *.png"
        ) from error
    except OSError as error:
        if error.strerror:
            raise FibError(f"{path} cannot be read: {error.strerror}") from error
        raise _damaged(path, error) from error
    except Exception as error:  # Pillow may raise any error for a damaged file
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> FibError:
    return FibError(f"{path} is damaged ({error}); copy it again from its origin")


def _orientation(exif: Image.Exif) -> int:
    """Return the orientation tag if it is valid, else 1: rows from top to bottom."""
    tag = exif.get(_ORIENTATION)
    return tag if isinstance(tag, int) and tag in orientation.KNOWN else orientation.NORMAL


def _bits(path: Path) -> int:
    """Return the bits per value: from the header of a PNG; 8 for a JPEG."""
    with path.open("rb") as file:
        head = file.read(26)
    if not head.startswith(SIGNATURE):
        return 8
    return int(struct.unpack(">B", head[24:25])[0])


def _check_grey(path: Path, picture: Image.Image, bits: int) -> None:
    """Reject a file that is not a single image of grey values."""
    if getattr(picture, "n_frames", 1) > 1:
        raise FibError(f"{path} is an animation; a slice is one picture: save it as one")
    if "transparency" in picture.info and picture.mode in ("1", "L", "I", "I;16"):
        what = "a grey value that means transparent"
    elif picture.mode in _COLOURS:
        what = _COLOURS[picture.mode]
    elif (picture.mode, bits) not in _TYPES:
        what = f"{bits} bits per pixel"
    else:
        return
    raise FibError(
        f"{path} has {what}; fib reads grey values of 8 or 16 bits: convert it (Fiji: Image > Type "
        f"> 8-bit or 16-bit)"
    )


def _resolution(picture: Image.Image) -> Found:
    """Return the pixel size from the resolution (chunk pHYs, JFIF), unless it is for printing."""
    match picture.info.get("dpi"):
        case (x, y):
            return of_resolution(f"{picture.format} resolution", (float(x), float(y)), INCH_NM)
    return Found(f"{picture.format} resolution")
