"""The metadata of NGFF images: axes, levels, scales with units, names of channels.

Only what fib uses is read, and only that has to be valid.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from fib_plugins.readers.slices.units import unit_in_nm
from fib_plugins.readers.zarr.nodes import Node, children
from fibcore.errors import FibError, faults, listed
from fibcore.text import shown

VERSIONS = ("0.4", "0.5")


class Axis(BaseModel):
    """An axis of an image."""

    name: str
    type: str | None = None
    unit: str | None = None


class Transformation(BaseModel):
    """A scale, or another transformation."""

    type: str
    scale: list[float] | None = None


class Dataset(BaseModel):
    """A level of resolution."""

    path: str
    coordinateTransformations: list[Transformation] = []


class Multiscale(BaseModel):
    """An image in several levels of resolution."""

    axes: list[Axis] = Field(min_length=2, max_length=6)
    datasets: list[Dataset] = Field(min_length=1, max_length=100)
    coordinateTransformations: list[Transformation] = []


class Channel(BaseModel):
    """A channel as viewers show it."""

    label: str = ""


class Omero(BaseModel):
    """How viewers show an image."""

    channels: list[Channel] = []


@dataclass(frozen=True)
class Image:
    """An image or labels.

    Attributes:
        axes: names of the axes.
        path: path of the level from the folder of the image.
        voxel_size_nm: (z, y, x), None where it is unknown.
        relative: size of a voxel of the level in those of level 0, (z, y, x).
        channels: names of the channels; empty if there are none.
        is_labels: whether it is marked as labels.
        remarks: remarks for the user.
        scale_remarks: remarks on the scale.
    """

    axes: tuple[str, ...]
    path: str
    voxel_size_nm: tuple[float | None, float | None, float | None]
    relative: tuple[float, float, float]
    channels: tuple[str, ...]
    is_labels: bool
    remarks: tuple[str, ...]
    scale_remarks: tuple[str, ...]


def read_image(node: Node, level: int) -> Image:
    """Return the metadata of a level of an image.

    Raises:
        FibError: the group is no image, its metadata are damaged or of an unknown version, or it
            has no such level.
    """
    ome = node.attributes.get("ome", node.attributes)
    if not isinstance(ome, dict) or not ome.get("multiscales"):
        raise _no_image(node, ome if isinstance(ome, dict) else {})
    found = ome["multiscales"]
    _check_version(node, ome, found)
    try:
        scales = [Multiscale.model_validate(item) for item in found[:1]]
        omero = Omero.model_validate(ome.get("omero") or {})
    except ValidationError as error:
        raise FibError(
            f"{node.path}: its NGFF metadata (multiscales) are damaged: {faults(error)}"
        ) from None
    image, remarks = scales[0], []
    if len(found) > 1:
        remarks.append(f"{node.path.name}: it has {len(found)} multiscales; the first is read")
    if level >= len(image.datasets):
        raise FibError(
            f"{node.path} has {len(image.datasets)} levels of resolution, 0 to "
            f"{len(image.datasets) - 1}; level {level} is set"
        )
    path = image.datasets[level].path
    parts = PurePosixPath(path).parts
    if not parts or ".." in parts or path.startswith("/") or "\\" in path or "\0" in path:
        raise FibError(
            f"{node.path}: the path {shown(path, 60)!r} of its level {level} leads out of its "
            f"folder; the metadata are damaged, or refer to another image: copy it again"
        )
    scale_remarks: list[str] = []
    scale, base = _scale(node, image, level), _scale(node, image, 0)
    return Image(
        axes=tuple(axis.name for axis in image.axes),
        path=path,
        voxel_size_nm=_in_nm(image, scale, scale_remarks),
        relative=tuple(  # type: ignore[arg-type]
            scale.get(axis, 1.0) / base.get(axis, 1.0) for axis in "zyx"
        ),
        channels=tuple(channel.label for channel in omero.channels if channel.label),
        is_labels="image-label" in ome,
        remarks=tuple(remarks),
        scale_remarks=tuple(scale_remarks),
    )


def _check_version(node: Node, ome: dict[str, Any], found: Any) -> None:
    damaged = not isinstance(found, list) or not isinstance(found[0], dict)
    version = ome.get("version") or (None if damaged else found[0].get("version"))
    if damaged:
        raise FibError(f"{node.path}: its NGFF metadata (multiscales) are not a list of objects")
    if version is not None and str(version)[:3] not in VERSIONS:
        raise FibError(
            f"{node.path} is an image of NGFF {shown(version, 20)}; this version of fib reads "
            f"{' and '.join(VERSIONS)}: convert it, or update fib"
        )


def _scale(node: Node, image: Multiscale, level: int) -> dict[str, float]:
    """Return the scale of a level along each axis; empty if there is none."""
    names = [axis.name for axis in image.axes]
    factors = dict.fromkeys(names, 1.0)
    given = False
    for each in (
        *image.datasets[level].coordinateTransformations,
        *image.coordinateTransformations,
    ):
        if each.type in ("identity", "translation"):
            continue
        usable = each.type == "scale" and each.scale is not None and len(each.scale) == len(names)
        if not usable or not all(0 < size < float("inf") for size in each.scale or ()):
            raise FibError(
                f"{node.path}: its transformation {shown(each.model_dump(), 80)} of level {level} "
                f"is not a scale of {len(names)} sizes above 0 ({', '.join(names)}); fib reads "
                f"images that are only scaled"
            )
        given = True
        for name, size in zip(names, each.scale or (), strict=True):
            factors[name] *= size
    return factors if given else {}


def _in_nm(
    image: Multiscale, scale: dict[str, float], remarks: list[str]
) -> tuple[float | None, float | None, float | None]:
    """Return the voxel size along (z, y, x) in nm."""
    found: list[float | None] = []
    unknown = set()
    for name in "zyx":
        axis = next((axis for axis in image.axes if axis.name == name), None)
        nm = unit_in_nm(axis.unit) if axis is not None else None
        if axis is not None and name in scale and nm is None:
            unknown.add("none" if axis.unit is None else shown(axis.unit, 40))
        found.append(None if nm is None or name not in scale else scale[name] * nm)
    if unknown:
        remarks.append(
            f"the unit of its scale is not a known unit of length ({', '.join(sorted(unknown))}), "
            f"so that the scale is ignored"
        )
    return (found[0], found[1], found[2])


def _no_image(node: Node, ome: dict[str, Any]) -> FibError:
    inner = children(node.path)
    if isinstance(names := ome.get("labels"), list) and names:
        inner = [str(name) for name in names]
    if not inner:
        advice = "give the folder of an image"
    else:
        advice = f"it holds {listed(map(shown, inner), 6)}: give one of them, as {node.path.name}/"
        advice += shown(inner[0])
    return FibError(
        f"{node.path} is a zarr group without an NGFF image (multiscales in its attributes); "
        f"{advice}"
    )
