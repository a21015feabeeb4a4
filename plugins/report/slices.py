"""Slices of volumes as small pictures: read sparsely, scaled robustly, stored as data: URIs."""

from __future__ import annotations

import base64
import hashlib
import io
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from fibcore.grid import AXES
from fibcore.volumes import Volume

GREY_PERCENTILES = (0.5, 99.5)
JPEG_QUALITY = 78
PNG_LEVEL = 6
SMALL_PX = 100
"""Pictures up to this size are enlarged, so that their voxels are visible."""
SAMPLED_SLICES = 16
SAMPLED_VOXELS = 1_000_000

Plane = tuple[str, int]
"""A plane of a volume: its horizontal and vertical axes, such as ``xy``, and its slice number."""


@dataclass
class Pictures:
    """Pictures by the hash of their content, so that equal pictures are stored once.

    Attributes:
        uris: key -> data: URI.
    """

    uris: dict[str, str] = field(default_factory=dict)

    def add_grey(self, picture: np.ndarray) -> str:
        """Store an 8-bit grey picture and return its key; small pictures are stored losslessly."""
        key = _hash(picture.tobytes(), picture.shape)
        if key not in self.uris:
            image = Image.fromarray(picture)
            small = max(picture.shape) <= SMALL_PX
            self.uris[key] = (
                _uri(image, "PNG", compress_level=PNG_LEVEL)
                if small
                else _uri(image, "JPEG", quality=JPEG_QUALITY)
            )
        return key

    def add_picture(self, picture: np.ndarray) -> str:
        """Store a picture in colour and return its key.

        Args:
            picture: uint8 (row, column, red green blue alpha).
        """
        key = _hash(picture.tobytes(), picture.shape)
        if key not in self.uris:
            self.uris[key] = _uri(Image.fromarray(picture), "PNG", compress_level=PNG_LEVEL)
        return key

    def add_colours(self, picture: np.ndarray, palette: list[tuple[int, int, int, int]]) -> str:
        """Store a picture of palette numbers (PNG) and return its key.

        Args:
            picture: numbers below the length of the palette.
            palette: (red, green, blue, alpha), 0 to 255.
        """
        content = picture.astype(np.uint8).tobytes()
        key = _hash(content, picture.shape, palette)
        if key not in self.uris:
            rows, columns = picture.shape
            image = Image.frombytes("P", (columns, rows), content)
            image.putpalette([part for colour in palette for part in colour[:3]])
            bits = next(bits for bits in (1, 2, 4, 8) if len(palette) <= 2**bits)
            alpha = bytes(colour[3] for colour in palette)
            transparency = {"transparency": alpha} if min(alpha) < 255 else {}
            self.uris[key] = _uri(image, "PNG", bits=bits, compress_level=PNG_LEVEL, **transparency)
        return key


def take(data: np.ndarray, plane: Plane, at_most: int) -> np.ndarray:
    """Return a plane of a (z, y, x) array, with every n-th row and column if it is larger.

    Only the returned part of a memory-mapped file is read (in pages of the operating system).

    Args:
        data: array in axes (z, y, x).
        plane: the plane; the result has its vertical axis first.
        at_most: most rows or columns of the result.
    """
    axes, index = plane
    horizontal, vertical = (AXES.index(axis) for axis in axes)
    box: list[slice | int] = [slice(None, None, -(-n // at_most)) for n in data.shape]
    box[3 - horizontal - vertical] = index
    picture = np.asarray(data[tuple(box)])
    return picture.T if horizontal < vertical else picture


def reduced(picture: np.ndarray, at_most: int) -> np.ndarray:
    """Return a float picture of at most `at_most` rows and columns, by averaging areas."""
    rows, columns = picture.shape
    scale = max(rows, columns) / at_most
    if scale <= 1:
        return picture
    size = (max(1, round(columns / scale)), max(1, round(rows / scale)))
    image = Image.fromarray(np.ascontiguousarray(picture, dtype=np.float32))
    return np.asarray(image.resize(size, Image.Resampling.BOX))


def nearest(picture: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Return a picture of this size, each pixel with the value of the nearest one."""
    y = ((np.arange(rows) + 0.5) * (picture.shape[0] / rows)).astype(np.intp)
    x = ((np.arange(columns) + 0.5) * (picture.shape[1] / columns)).astype(np.intp)
    return picture[np.ix_(y, x)]


def to_grey(picture: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    """Return a picture as 8-bit grey, black at and below the lower limit, white above the upper."""
    low, high = limits
    scaled = (np.nan_to_num(picture.astype(np.float32), nan=low) - low) * (255.0 / (high - low))
    return np.clip(np.round(scaled), 0, 255).astype(np.uint8)


def sample_slices(volume: Volume) -> tuple[slice, slice, slice]:
    """Return a box with strides: at most 16 slices and about a million voxels of a volume."""
    nz, ny, nx = volume.shape
    slices = min(nz, SAMPLED_SLICES)
    every = max(1, -(-nz // slices))
    step = max(1, round((slices * ny * nx / SAMPLED_VOXELS) ** 0.5))
    return (slice(every // 2, None, every), slice(None, None, step), slice(None, None, step))


def grey_limits(values: np.ndarray) -> tuple[float, float]:
    """Return the grey values shown as black and white: the 0.5 and 99.5 percentiles."""
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    if finite.size == 0:
        return 0.0, 1.0
    low, high = (float(v) for v in np.percentile(finite, GREY_PERCENTILES))
    if high <= low:
        low, high = float(finite.min()), float(finite.max())
    return (low, high) if high > low else (low, low + 1.0)


def _hash(content: bytes, *about: object) -> str:
    return hashlib.sha256(repr(about).encode() + content).hexdigest()[:16]


def _uri(image: Image.Image, form: str, **options: Any) -> str:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    text = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f"data:{Image.MIME[form]};base64,{text}"
