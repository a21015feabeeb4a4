"""The image on a step's card in the diagram: a picture, a curve, or a few figures."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from fib_plugins.report import curves, palette, wording
from fib_plugins.report.collect import Step
from fib_plugins.report.slices import (
    Pictures,
    grey_limits,
    nearest,
    reduced,
    sample_slices,
    take,
    to_grey,
)
from fibcore.tables import Table
from fibcore.volumes import Images, Labels

FACE_PX = (128, 304)
"""Rows and columns of a picture: twice the shown size, for high-resolution screens."""
CURVE = (100.0, 40.0)
"""Width and height of the box in which a curve is drawn."""
LEAST_SPAN = 0.25
"""Fraction of its largest value that a curve must span to fill the box; noise stays small."""
MOST_FIGURES = 3


@dataclass
class CardFace:
    """Content of a card besides its text: a data: URI, an SVG path, or (name, figure) pairs."""

    picture: str = ""
    curve: str = ""
    figures: list[tuple[str, str]] = field(default_factory=list)


def card_face(step: Step) -> CardFace:
    """Return the face of a step's card: its first volume, else its first curve or figures."""
    values = [artefact.value for artefact in step.artefacts.values() if artefact.type != "Model"]
    try:
        for value in values:
            if isinstance(value, (Labels, Images)):
                return CardFace(picture=_picture(value))
        for value in values:
            if isinstance(value, Table):
                face = _curve(value) if curves.is_drawn(value) else _figures(value)
                if face.curve or face.figures:
                    return face
    except Exception:  # damaged content may raise any error; the step's section reports it
        return CardFace()
    return CardFace()


def _picture(volume: Labels | Images) -> str:
    """Return the middle of the middle slice, in the shape of a card."""
    pictures = Pictures()
    rows, columns = FACE_PX
    _, y, x = volume.extent_nm
    part_y, part_x = min(1.0, x * rows / columns / y), min(1.0, y * columns / rows / x)
    data = volume.data if isinstance(volume, Labels) else volume.data[0]
    plane = take(data, ("xy", volume.shape[0] // 2), 4 * columns)
    plane = _middle(_middle(plane, part_y).T, part_x).T
    if isinstance(volume, Labels):
        palette_ = [(*palette.rgb(palette.phase(i)), 255) for i in range(int(plane.max()) + 1)]
        key = pictures.add_colours(nearest(plane, rows, columns), palette_)
    else:
        limits = grey_limits(data[sample_slices(volume)])
        key = pictures.add_grey(to_grey(reduced(plane.astype(np.float32), columns), limits))
    return pictures.uris[key]


def _middle(picture: np.ndarray, part: float) -> np.ndarray:
    n = max(1, round(part * len(picture)))
    start = (len(picture) - n) // 2
    return picture[start : start + n]


def _curve(table: Table) -> CardFace:
    panels = curves.panels(table)
    if not panels:
        return CardFace()
    series = panels[0].series[-1]
    there = np.isfinite(series.y)
    x, y = series.x[there].astype(float), series.y[there]
    if len(x) < 2:
        return CardFace()
    across = CURVE[0] * (x - x[0]) / (x[-1] - x[0])
    span = max(float(np.ptp(y)), LEAST_SPAN * float(np.abs(y).max())) or 1.0
    down = CURVE[1] * (1 - (y - y.min()) / span)
    points = zip(across.tolist(), down.tolist(), strict=True)
    return CardFace(curve="M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in points))


def _figures(table: Table) -> CardFace:
    row = table.rows()[0] if len(table) == 1 else {}
    figures = [
        (table.caption(name), f"{wording.number(value)} {table.unit(name)}".rstrip())
        for name, value in row.items()
        if isinstance(value, float)
    ]
    return CardFace(figures=figures[:MOST_FIGURES])
