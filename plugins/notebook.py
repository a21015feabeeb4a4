"""Display of volumes and tables in notebooks, as self-contained HTML.

Only the shown points of three planes through the middle of a volume are read, so that a
memory-mapped file of 100 GB is shown as quickly as a small one.
"""

from __future__ import annotations

import base64
import io
import math
import mmap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from fibcore.errors import sized
from fibcore.materials import Material
from fibcore.meaning import Meaning
from fibcore.tables import Table
from fibcore.text import shown
from fibcore.units import split_unit
from fibcore.volumes import Volume

SIDE = 180
"""Length of a volume's longest edge on the screen, in pixels."""
LARGE_BYTES = 2**30
MOST_CHANNELS = 4
BINS = 60
FIRST_ROWS, LAST_ROWS = 8, 4

PHASES = ("#4f6679", "#e3b75f", "#6fae9b", "#c9807d", "#8f9fd3", "#b5c06a", "#b58bc0", "#9c7f62")
"""Colours of phases, the pore first; they repeat from the ninth phase."""

_GAP, _LINE, _PANEL = 14, 17, 180


@dataclass(frozen=True)
class _Plane:
    title: str
    values: np.ndarray
    width: float
    height: float


def html_of(item: object) -> str | None:
    """Return a volume or a table as HTML; None for other objects."""
    if isinstance(item, Table):
        heads = [(split_unit(name)[0], item.unit(name)) for name in item.names]
        return table_html(heads, item.rows())
    if isinstance(item, Volume):
        title, facts = type(item).__name__, item.facts()
        return volume_html(title, facts, item.data, item.voxel_size_nm, item.meaning())
    return None


def volume_html(
    title: str,
    facts: Sequence[str],
    data: np.ndarray,
    voxel_size_nm: tuple[float, float, float],
    meaning: Meaning,
) -> str:
    """Return a volume as HTML: a description, and three planes and a histogram of each channel.

    Args:
        title: title.
        facts: short descriptions.
        data: voxels in axes (z, y, x) or (channel, z, y, x).
        voxel_size_nm: (z, y, x).
        meaning: meaning of the values.
    """
    data = data.view(np.uint8) if data.dtype == bool else data
    channels = data if data.ndim == 4 else data[np.newaxis]
    names = meaning.names or ("",) * len(channels)
    extent_nm = tuple(n * size for n, size in zip(data.shape[-3:], voxel_size_nm, strict=True))
    scale = SIDE / max(extent_nm)
    drawn: list[str] = []
    bottom = width = 0.0
    for name, channel in zip(names[:MOST_CHANNELS], channels, strict=False):
        planes = _planes(channel, extent_nm, scale, data.nbytes > LARGE_BYTES)
        row, width, bottom = _row(meaning, name, planes, bottom)
        drawn += row
    drawn += _scale_bar(extent_nm[2], scale, bottom)
    bottom += _LINE
    more = len(names) - MOST_CHANNELS
    rest = f"<div>and {more} more channels</div>" if more > 0 else ""
    described = ", ".join([*facts, sized(data.nbytes)])
    return (
        f"<div><div><b>{title}</b>: {_safe(described)}</div>"
        f'<svg width="{width:.0f}" height="{bottom:.0f}" viewBox="0 0 {width:.0f} {bottom:.0f}" '
        f'style="max-width:100%;height:auto;margin-top:6px" font-family="sans-serif" '
        f'font-size="11" fill="currentColor">{"".join(drawn)}</svg>{rest}</div>'
    )


def _row(
    meaning: Meaning, name: str, planes: Sequence[_Plane], top: float
) -> tuple[list[str], float, float]:
    """Return the drawing of one channel, its width, and the position of the next one."""
    values = np.concatenate([plane.values.ravel() for plane in planes])
    values = values[np.isfinite(values)]
    ranges = np.percentile(values, (0.5, 99.5)) if values.size else np.array((0.0, 1.0))
    drawn, left = [], 0.0
    for plane in planes:
        title = f"{name}: {plane.title}" if name and left == 0 else plane.title
        labels = meaning.phases is not None
        picture = _phases(plane.values) if labels else _grey(plane.values, ranges)
        sharp = "pixelated" if plane.values.shape[1] <= plane.width else "auto"
        drawn += [
            _text(left, top + 12, title),
            f'<image x="{left:.1f}" y="{top + _LINE:.1f}" width="{plane.width:.1f}" '
            f'height="{plane.height:.1f}" preserveAspectRatio="none" '
            f'style="image-rendering:{sharp}" href="{picture}"/>',
        ]
        left += max(plane.width, 6.2 * len(title)) + _GAP
    if meaning.phases is not None:
        panel, height = _shares(values, meaning.phases, left, top)
    else:
        panel, height = _histogram(values, meaning.quantity or "value", left, top)
    bottom = top + _LINE + max(height, *(plane.height for plane in planes)) + _GAP
    return drawn + panel, left + _PANEL + _GAP, bottom


def _planes(
    data: np.ndarray, extent_nm: Sequence[float], scale: float, large: bool
) -> list[_Plane]:
    """Return the planes through the middle of a (z, y, x) array, reduced to the shown points."""
    nz, ny, nx = data.shape
    z, y, x = nz // 2, ny // 2, nx // 2
    depth, height, width = (max(3.0, edge * scale) for edge in extent_nm)
    # a plane across all rows of a file needs one disk access for each of its points
    across = SIDE // 3 if large else SIDE
    with _without_reading_ahead(data):
        xy = np.array(data[z, _thin(ny), _thin(nx)])
        xz = np.array(data[_thin(nz), y, _thin(nx)])
        zy = np.array(data[_thin(nz, across), _thin(ny, across), x].T)
    return [
        _Plane(f"xy, z = {z}", xy, width, height),
        _Plane(f"xz, y = {y}", xz, width, depth),
        _Plane(f"zy, x = {x}", zy, depth, height),
    ]


@contextmanager
def _without_reading_ahead(data: np.ndarray) -> Iterator[None]:
    """Read a memory-mapped array without read-ahead, which reads 32 further pages for each page."""
    base: Any = data
    while isinstance(base, np.ndarray):
        base = base.base
    if not (isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_RANDOM")):
        yield
        return
    base.madvise(mmap.MADV_RANDOM)
    try:
        yield
    finally:
        base.madvise(mmap.MADV_NORMAL)


def _thin(n: int, most: int = SIDE) -> slice:
    return slice(None, None, max(1, n // most))


def _grey(values: np.ndarray, ranges: np.ndarray) -> str:
    """Return a plane as a grey picture, the range from black to white."""
    low, high = ranges.tolist()
    scaled = (values.astype(np.float64) - low) / ((high - low) or 1.0)
    return _picture(np.nan_to_num(np.clip(scaled, 0, 1)) * 255, "jpeg", quality=90)


def _phases(values: np.ndarray) -> str:
    """Return a plane as a picture with the colours of the phases."""
    return _picture(values, "png", palette=[_rgb(phase) for phase in range(256)])


def _picture(values: np.ndarray, kind: str, palette: Sequence[bytes] = (), **options: Any) -> str:
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(values, np.uint8))
    if palette:
        image.putpalette(b"".join(palette))
    file = io.BytesIO()
    image.save(file, kind, optimize=True, **options)
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"


def _rgb(phase: int) -> bytes:
    return bytes.fromhex(PHASES[phase % len(PHASES)][1:])


def _histogram(
    values: np.ndarray, quantity: str, left: float, top: float
) -> tuple[list[str], float]:
    """Return bars of how often values occur in the planes, and their height."""
    height, base = 90.0, top + _LINE + 90.0
    if not values.size:
        return [_text(left, base, "no finite values")], height
    low, high = float(values.min()), float(values.max())
    bins = BINS
    if values.dtype.kind in "iu":  # bins of whole numbers, so that no bin is empty by construction
        width = max(1, math.ceil((high - low + 1) / BINS))
        bins = max(1, math.ceil((high - low + 1) / width))
        low, high = low - 0.5, low - 0.5 + bins * width
    counts, edges = np.histogram(values, bins, (low, high) if high > low else (low - 1, low + 1))
    places = left + (edges - edges[0]) / (edges[-1] - edges[0]) * _PANEL
    tops = base - counts / counts.max() * height
    steps = [f"M{left:.1f} {base:.1f}"]
    for i in range(len(counts)):
        steps.append(f"V{tops[i]:.1f}H{places[i + 1]:.1f}")
    return [
        _text(left, top + 12, f"{quantity} in these planes"),
        f'<path d="{"".join(steps)}V{base:.1f}Z" fill-opacity="0.55"/>',
        f'<path d="M{left:.1f} {base:.1f}h{_PANEL}" stroke="currentColor"/>',
        _text(left, base + 13, f"{values.min():.4g}"),
        _text(left + _PANEL, base + 13, f"{values.max():.4g}", anchor="end"),
    ], height + 13


def _shares(
    values: np.ndarray, phases: Mapping[int, Material], left: float, top: float
) -> tuple[list[str], float]:
    """Return a bar for each phase with the length of its share in the planes, and their height."""
    counts = np.bincount(values, minlength=256)
    present = sorted(set(phases) | {int(phase) for phase in np.flatnonzero(counts)})
    parts = [_text(left, top + 12, "share of these planes")]
    for line, phase in enumerate(present):
        y = top + _LINE + 4 + 34 * line
        share = counts[phase] / max(1, values.size)
        name = phases[phase].name if phase in phases else ""
        parts += [
            _text(left, y + 10, f"{phase} {name}"),
            _text(left + _PANEL, y + 10, f"{100 * share:.1f} %", anchor="end"),
            f'<rect x="{left:.1f}" y="{y + 14:.1f}" width="{_PANEL}" height="9" '
            f'fill-opacity="0.12"/>',
            f'<rect x="{left:.1f}" y="{y + 14:.1f}" width="{share * _PANEL:.1f}" height="9" '
            f'fill="{PHASES[phase % len(PHASES)]}"/>',
        ]
    return parts, 34.0 * len(present)


def _scale_bar(edge_nm: float, scale: float, top: float) -> list[str]:
    """Return a scale bar of round length, about a third of the edge along x."""
    power = 10 ** math.floor(math.log10(edge_nm / 2))
    length = max(step * power for step in (1, 2, 5) if step * power <= edge_nm / 2)
    width = length * scale
    text = f"{length / 1000:g} \N{MICRO SIGN}m" if length >= 1000 else f"{length:g} nm"
    bar = f'<rect x="0" y="{top + 4:.1f}" width="{width:.1f}" height="4"/>'
    return [bar, _text(width + 6, top + 10, text)]


def table_html(heads: Sequence[tuple[str, str]], rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the first and last rows of a table as HTML, with the unit of each column.

    A table of one row is transposed: one line for each column.

    Args:
        heads: name and unit of each column.
        rows: one mapping for each row.
    """
    if len(rows) == 1:
        figures = zip(heads, rows[0].values(), strict=True)
        body = "".join(_line([name, _written(cell), unit]) for (name, unit), cell in figures)
        return f'<div style="overflow-x:auto"><table><tbody>{body}</tbody></table></div>'
    left_out = len(rows) - FIRST_ROWS - LAST_ROWS
    parts = [rows] if left_out <= 1 else [rows[:FIRST_ROWS], rows[-LAST_ROWS:]]
    gap = f'<tr><td colspan="{len(heads)}">... {left_out} more rows ...</td></tr>'
    body = gap.join("".join(_line(map(_written, row.values())) for row in part) for part in parts)
    titles = _line((name for name, _ in heads), "th")
    units = _line((unit for _, unit in heads), "td")
    return (
        f'<div style="overflow-x:auto"><table><thead>{titles}{units}</thead>'
        f"<tbody>{body}</tbody></table><div><b>Table</b>: {len(rows)} rows</div></div>"
    )


def _line(cells: Iterable[str], tag: str = "td") -> str:
    row = "".join(f'<{tag} style="text-align:right">{_safe(cell)}</{tag}>' for cell in cells)
    return f"<tr>{row}</tr>"


def _written(cell: Any) -> str:
    if cell is None:
        return "\N{EN DASH}"
    return f"{cell:.5g}" if isinstance(cell, float) else str(cell)


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{_safe(text)}</text>'


def _safe(text: object) -> str:
    return escape(shown(text))
