"""What TIFF tags say about voxel size and accelerating voltage, one pure function per vendor.

Every function takes metadata as tifffile parses it and returns a `Found`; what the tags do not say,
or say in a way that cannot be trusted, stays None. Nothing here reads a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

COARSEST_NM = 20_000.0
"""Print resolutions (72 dpi is 352 778 nm, 1200 dpi 21 167 nm) are no voxel sizes of a SEM."""

_NM_PER_UNIT = {
    "m": 1e9,
    "meter": 1e9,
    "metre": 1e9,
    "cm": 1e7,
    "mm": 1e6,
    "um": 1e3,
    "micron": 1e3,
    "microns": 1e3,
    "micrometer": 1e3,
    "micrometre": 1e3,
    "nm": 1.0,
    "nanometer": 1.0,
    "nanometre": 1.0,
    "å": 0.1,
    "angstrom": 0.1,
    "pm": 1e-3,
    "inch": 2.54e7,
    "in": 2.54e7,
}
_PRINT_UNITS = ("inch", "in", "cm")
_BASELINE_UNITS = {2: "inch", 3: "cm", 4: "mm", 5: "um"}
"""TIFF 6.0, tag ResolutionUnit; 4 and 5 are in common use without being part of it."""


@dataclass(frozen=True)
class Found:
    """What one kind of tag says.

    Attributes:
        origin: the tag, as a message names it.
        voxel_size_nm: (z, y, x) in nm, None where it is not said.
        kv: accelerating voltage of each channel in kV; empty where it is not said.
        data_bar_from: first row of the data bar below the image, where there is one.
    """

    origin: str
    voxel_size_nm: tuple[float | None, float | None, float | None] = (None, None, None)
    kv: tuple[float | None, ...] = ()
    data_bar_from: int | None = None


def unit_in_nm(unit: Any) -> float | None:
    """Return how many nm a unit of length is; None for pixels, nothing or an unknown unit."""
    if not isinstance(unit, str):
        return None
    name = unit.strip().replace("\\u00B5", "u").replace("µ", "u").replace("μ", "u")
    return _NM_PER_UNIT.get(name.lower())


def imagej(metadata: Mapping[str, Any], resolution: tuple[float, float] | None) -> Found:
    """Read ImageJ's description: `unit`, `yunit`, `zunit`, `spacing`, and the resolution tags.

    Args:
        metadata: `TiffFile.imagej_metadata`.
        resolution: pixels per unit in (x, y); None without XResolution and YResolution.
    """
    origin = "ImageJ"
    unit = metadata.get("unit")
    x_unit = unit_in_nm(unit)
    if x_unit is None:
        return Found(origin)
    y_unit = unit_in_nm(metadata.get("yunit", unit)) or x_unit
    z_unit = unit_in_nm(metadata.get("zunit", unit)) or x_unit
    y, x = None, None
    if resolution is not None:
        x, y = _inverse(resolution[0], x_unit), _inverse(resolution[1], y_unit)
    z = _positive(metadata.get("spacing"), z_unit)
    if str(unit).strip().lower() in _PRINT_UNITS and (x or 0) > COARSEST_NM:
        return Found(origin)
    return Found(origin, (z, y, x))


def ome(xml: str) -> Found:
    """Read the PhysicalSize attributes of the first image; their default unit is µm."""
    origin = "OME-XML"
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError:
        return Found(origin)
    pixels = next((e for e in root.iter() if e.tag.rpartition("}")[2] == "Pixels"), None)
    if pixels is None:
        return Found(origin)
    sizes = []
    for axis in "ZYX":
        factor = unit_in_nm(pixels.get(f"PhysicalSize{axis}Unit", "µm"))
        sizes.append(_positive(pixels.get(f"PhysicalSize{axis}"), factor))
    return Found(origin, (sizes[0], sizes[1], sizes[2]))


def fei(metadata: Mapping[str, Any], height: int) -> Found:
    """Read Thermo Fisher/FEI sections: pixel size in m from Scan, high tension in V from Beam.

    [Beam] names the column and scan that made the image (`Beam=EBeam`, `Scan=EScan`); the voltage
    of an ion beam is not the accelerating voltage of an electron image and is left out.

    Args:
        metadata: `TiffFile.fei_metadata`, section -> key -> value.
        height: number of rows in the file; more than [Image] ResolutionY means a data bar.
    """
    beam = _section(metadata, "Beam")
    column = str(beam.get("Beam", "EBeam"))
    size: tuple[float | None, float | None] = (None, None)
    for name in ("Scan", str(beam.get("Scan", "EScan")), "EScan"):
        scan = _section(metadata, name)
        size = (_positive(scan.get("PixelHeight"), 1e9), _positive(scan.get("PixelWidth"), 1e9))
        if None not in size:
            break
    voltage = None
    if column.upper().startswith("E"):
        voltage = _positive(beam.get("HV"), 1e-3) or _positive(
            _section(metadata, column).get("HV"), 1e-3
        )
    rows = _section(metadata, "Image").get("ResolutionY")
    bar = rows if isinstance(rows, int) and 0 < rows < height else None
    kv = () if voltage is None else (voltage,)
    return Found("Thermo Fisher/FEI", (None, *size), kv, bar)


def zeiss(metadata: Mapping[str, Any], width: int) -> Found:
    """Read Zeiss SmartSEM entries: AP_IMAGE_PIXEL_SIZE and AP_ACTUALKV (EHT), with their units.

    AP_PIXEL_SIZE belongs to the screen of 1024 pixels, so it counts only for images so wide.

    Args:
        metadata: `TiffFile.sem_metadata`, key -> (name, value, unit).
        width: number of columns in the file.
    """
    size = _with_unit(metadata.get("ap_image_pixel_size"), _NM_PER_UNIT)
    if size is None and width == 1024:
        size = _with_unit(metadata.get("ap_pixel_size"), _NM_PER_UNIT)
    voltage = _with_unit(metadata.get("ap_actualkv"), {"kv": 1.0, "v": 1e-3})
    return Found("Zeiss", (None, size, size), () if voltage is None else (voltage,))


def baseline(resolution: tuple[float, float] | None, unit: int) -> Found:
    """Read the resolution tags of plain TIFF, unless they are a print resolution.

    Args:
        resolution: XResolution and YResolution, pixels per unit; None without them.
        unit: tag ResolutionUnit.
    """
    origin = "TIFF resolution"
    factor = unit_in_nm(_BASELINE_UNITS.get(unit))
    if resolution is None or factor is None:
        return Found(origin)
    x, y = _inverse(resolution[0], factor), _inverse(resolution[1], factor)
    if x is None or y is None or max(x, y) > COARSEST_NM:
        return Found(origin)
    return Found(origin, (None, y, x))


def _section(metadata: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = metadata.get(name)
    return section if isinstance(section, Mapping) else {}


def _positive(value: Any, factor: float | None) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number * factor if factor is not None and 0 < number < float("inf") else None


def _inverse(per_unit: float, factor: float) -> float | None:
    return factor / per_unit if per_unit > 0 else None


def _with_unit(entry: Any, factors: Mapping[str, float]) -> float | None:
    if not isinstance(entry, tuple) or len(entry) != 3:
        return None
    unit = str(entry[2]).strip().lower().replace("µ", "u").replace("μ", "u")
    return _positive(entry[1], factors.get(unit))
