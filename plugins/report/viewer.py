"""Orthogonal views of a volume with a slider along z: panes, layers, scale bars.

A viewer shows one base layer (a channel, the phases) and any overlays on it. All layers have the
same planes: evenly spaced xy slices, and one xz and one yz slice through the middle.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from fib_plugins.report import palette, wording
from fib_plugins.report.compare import errors, outline
from fib_plugins.report.slices import (
    GREY_PERCENTILES,
    SMALL_PX,
    Pictures,
    Plane,
    grey_limits,
    nearest,
    reduced,
    sample_slices,
    take,
    to_grey,
)
from fibcore.grid import AXES
from fibcore.volumes import Images, Labels, Volume

PICTURE_PX = 320
"""Longest side of a picture; labels and overlays have more pixels, for sharp edges."""
CRISP_PX = 400
READ_PX = 1024
"""Grey slices are read with at most this number of rows and columns, then averaged."""
MOST_Z = 24
FEWEST_Z = 8
PICTURES_IN_ALL = 120
"""Number of grey slices in the page above which viewers get fewer of them."""
WIDEST_PX = 640
ROOMY = 0.5
LONG, THIN = 1.6, 0.2
"""Stacks with a ratio of z to x beyond these have their sections below each other, in full width:
long stacks with z to the right, thin stacks with z downwards."""
FLAT = 0.1
"""A pane with a lower ratio of height to width has no space for a scale bar."""

Draw = Callable[[Plane, tuple[int, int]], str]
"""Returns the key of a layer's picture of a plane, for the (rows, columns) of sharp pictures."""


@dataclass(frozen=True)
class ScaleBar:
    """A bar of round length, and its part of the pane's width in percent."""

    label: str
    percent: float


@dataclass(frozen=True)
class Pane:
    """One plane on the page.

    Attributes:
        plane: its horizontal and its vertical axis: ``xy``, ``zy``, ``yz``, ``xz`` or ``zx``.
        extent_nm: (horizontal, vertical).
    """

    plane: str
    extent_nm: tuple[float, float]

    @property
    def bar(self) -> ScaleBar | None:
        """Its scale bar; None if there is no space."""
        wide, high = self.extent_nm
        return scale_bar(wide) if high > FLAT * wide else None

    @property
    def lengths(self) -> tuple[str, str]:
        """Edge lengths as text, horizontal and vertical."""
        return wording.length(self.extent_nm[0]), wording.length(self.extent_nm[1])


@dataclass
class Layer:
    """The pictures of one layer.

    Attributes:
        name: text of its button.
        pictures: plane -> keys of its pictures; for ``xy`` one for each z of the viewer.
        colours: swatches for its legend: (colour, text).
        note: note, such as the limits of grey values.
        shown: for an overlay, whether it is initially shown.
    """

    name: str
    pictures: dict[str, list[str]]
    colours: list[tuple[str, str]] = field(default_factory=list)
    note: str = ""
    shown: bool = False


@dataclass
class Viewer:
    """All that the page needs to show a volume.

    Attributes:
        identifier: unique identifier on the page.
        panes: xy and the sections through the middle.
        z: numbers of the xy slices.
        middle: index of the slice that is shown first.
        at: position of each z, percent of the extent along z.
        size: (z, y, x) in voxels.
        bases: layers of which one is shown.
        overlays: layers that can be shown on top.
    """

    identifier: str
    panes: list[Pane]
    z: list[int]
    middle: int
    at: list[float]
    size: tuple[int, int, int]
    bases: list[Layer] = field(default_factory=list)
    overlays: list[Layer] = field(default_factory=list)

    def first(self, layer: Layer) -> dict[str, str]:
        """Return the initially shown pictures of a layer: plane -> key."""
        return {
            plane: keys[self.middle] if plane == "xy" else keys[0]
            for plane, keys in layer.pictures.items()
        }

    @property
    def script_data(self) -> dict[str, object]:
        """Data for the script."""
        nz = self.size[0]
        return {
            "slices": [f"slice {index + 1} of {nz}" for index in self.z],
            "at": self.at,
            "bases": [layer.pictures for layer in self.bases],
            "overlays": [layer.pictures for layer in self.overlays],
        }

    @property
    def cross(self) -> tuple[float, float] | None:
        """Extents along x and z for the two columns of the cross layout; None for other layouts."""
        if [pane.plane for pane in self.panes] != ["xy", "zy", "xz"]:
            return None
        return (self.panes[0].extent_nm[0], self.panes[1].extent_nm[0])

    @property
    def small(self) -> bool:
        """Whether single voxels are visible and should not be blurred."""
        return max(self.size) <= SMALL_PX

    @property
    def roomy(self) -> bool:
        """Whether the controls fit into the free corner of the cross layout."""
        return self.cross is not None and self.cross[1] > ROOMY * self.cross[0]

    @property
    def widest(self) -> int:
        """Width in px at which the panes have the largest height allowed on the page."""
        if self.cross is None:
            return WIDEST_PX
        (x, z), y = self.cross, self.panes[0].extent_nm[1]
        return round(WIDEST_PX * min(1.0, (x + z) / (y + z)))


class ViewerMaker:
    """Makes the viewers of one page.

    Args:
        pictures: store of the pictures.
        grey_channels: number of image channels on the page, to limit its size.
    """

    def __init__(self, pictures: Pictures, grey_channels: int) -> None:
        self.pictures = pictures
        share = PICTURES_IN_ALL // max(1, grey_channels)
        self.slices = min(MOST_Z, max(FEWEST_Z, share))

    def viewer(self, identifier: str, volume: Volume) -> Viewer:
        """Return a viewer for the grid of a volume, without layers."""
        nz = volume.shape[0]
        z = spread(nz, self.slices)
        at = [round(100 * (index + 0.5) / nz, 2) for index in z]
        middle = int(np.argmin([abs(index - nz // 2) for index in z]))
        return Viewer(identifier, panes(volume.extent_nm), z, middle, at, volume.shape)

    def phases(self, viewer: Viewer, labels: Labels, name: str = "phases") -> Layer:
        """Return the layer of the phases of labels."""
        colours = [(*palette.rgb(palette.phase(i)), 255) for i in range(256)]
        last = max([1, *labels.phases])

        def draw(plane: Plane, crisp: tuple[int, int]) -> str:
            picture = nearest(take(labels.data, plane, READ_PX), *crisp)
            return self.pictures.add_colours(picture, colours[: max(last, int(picture.max())) + 1])

        swatches = [
            (palette.phase(phase), material.name)
            for phase, material in sorted(labels.phases.items())
        ]
        return Layer(name, self._draw_all(viewer, draw), swatches)

    def channel(self, viewer: Viewer, images: Images, channel: int, name: str = "") -> Layer:
        """Return the layer of one channel of images, scaled between robust limits."""
        data = images.data[channel]
        limits = grey_limits(data[sample_slices(images)])

        def draw(plane: Plane, crisp: tuple[int, int]) -> str:
            picture = take(data, plane, READ_PX).astype(np.float32)
            return self.pictures.add_grey(to_grey(reduced(picture, PICTURE_PX), limits))

        note = f"black at {limits[0]:.3g}, white at {limits[1]:.3g}"
        return Layer(name or images.names[channel], self._draw_all(viewer, draw), note=note)

    def difference(
        self, viewer: Viewer, images: Images, before: Images, channel: int, name: str
    ) -> Layer:
        """Return the layer of what a step has added to one channel: grey where it is nothing."""
        box = sample_slices(images)
        added = images.data[channel][box].astype(np.float32) - before.data[channel][box]
        most = max(float(np.percentile(np.abs(np.nan_to_num(added)), GREY_PERCENTILES[1])), 1e-6)

        def draw(plane: Plane, crisp: tuple[int, int]) -> str:
            now, then = (
                take(volume.data[channel], plane, READ_PX).astype(np.float32)
                for volume in (images, before)
            )
            return self.pictures.add_grey(to_grey(reduced(now - then, PICTURE_PX), (-most, most)))

        note = f"black at {-most:.3g}, grey at 0, white at {most:.3g}"
        if not added.any():
            note = "nothing was changed"
        return Layer(name, self._draw_all(viewer, draw), note=note)

    def outline(self, viewer: Viewer, labels: Labels, name: str, colour: str) -> Layer:
        """Return an overlay with the outline of the solid."""
        colours = [(0, 0, 0, 0), (*palette.rgb(colour), 255)]

        def draw(plane: Plane, crisp: tuple[int, int]) -> str:
            solid = nearest(take(labels.data, plane, READ_PX) > 0, *crisp)
            return self.pictures.add_colours(outline(solid), colours)

        return Layer(name, self._draw_all(viewer, draw), [(colour, name)])

    def errors(self, viewer: Viewer, prediction: Labels, truth: Labels) -> Layer:
        """Return an overlay with the missed and the false solid."""
        colours = [
            (0, 0, 0, 0),
            (*palette.rgb(palette.MISSED), 170),
            (*palette.rgb(palette.FALSE), 170),
        ]

        def draw(plane: Plane, crisp: tuple[int, int]) -> str:
            predicted, true = (
                nearest(take(labels.data, plane, READ_PX) > 0, *crisp)
                for labels in (prediction, truth)
            )
            return self.pictures.add_colours(errors(predicted, true), colours)

        swatches = [(palette.MISSED, "missed solid"), (palette.FALSE, "false solid")]
        return Layer("errors", self._draw_all(viewer, draw), swatches)

    def _draw_all(self, viewer: Viewer, draw: Draw) -> dict[str, list[str]]:
        _, ny, nx = viewer.size
        middle = {"zy": nx // 2, "yz": nx // 2, "xz": ny // 2, "zx": ny // 2}
        drawn = {}
        for pane in viewer.panes:
            wide, high = pane.extent_nm
            scale = CRISP_PX / max(wide, high)
            crisp = (max(1, round(high * scale)), max(1, round(wide * scale)))
            indices = viewer.z if pane.plane == "xy" else [middle[pane.plane]]
            drawn[pane.plane] = [draw((pane.plane, index), crisp) for index in indices]
        return drawn


def spread(n: int, at_most: int) -> list[int]:
    """Return up to `at_most` evenly spaced slice numbers of `n`, including the first and last."""
    return sorted({round(i) for i in np.linspace(0, n - 1, min(n, at_most))})


def panes(extent_nm: tuple[float, float, float]) -> list[Pane]:
    """Return the panes of a volume of this extent (z, y, x): xy, and the sections along x and y."""
    length = dict(zip(AXES, extent_nm, strict=True))
    ratio = length["z"] / length["x"]
    sections = ("zy", "zx") if ratio > LONG else ("xz", "yz") if ratio < THIN else ("zy", "xz")
    return [Pane(plane, (length[plane[0]], length[plane[1]])) for plane in ("xy", *sections)]


def scale_bar(extent_nm: float, part: float = 0.3) -> ScaleBar:
    """Return a scale bar of round length, at most `part` of a pane that is `extent_nm` wide."""
    nm = wording.round_length(part * extent_nm)
    return ScaleBar(wording.length(nm), 100 * nm / extent_nm)
