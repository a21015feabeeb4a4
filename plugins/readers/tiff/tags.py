"""Voxel size, voltage and detector in TIFF tags, with one pure function for each vendor.

Each function takes metadata as parsed by tifffile and returns a `Found`. Values that are missing or
unreliable are None. No function reads a file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fib_plugins.readers.slices.detectors import detector_of, detectors_in
from fib_plugins.readers.slices.units import INCH_NM, is_print_unit, is_unknown, unit_in_nm
from fib_plugins.readers.stacks.found import COARSEST_NM, Found, inverse, of_resolution
from fib_plugins.readers.tiff.markup import elements, parse_xml

_BASELINE_UNITS = {2: INCH_NM, 3: 1e7, 4: 1e6, 5: 1e3}
"""TIFF 6.0, tag ResolutionUnit: inch, cm; mm and µm are in common use, but not in the standard."""

_KV_PER_UNIT = {"kv": 1.0, "v": 1e-3, "kev": 1.0, "ev": 1e-3}

_MEASURED = re.compile(r"([-+]?[\d.,]+(?:[eE][-+]?\d+)?)\s*([^\d\s]\D*)")


def imagej(metadata: Mapping[str, Any], resolution: tuple[float, float] | None) -> Found:
    """Read ImageJ's description: `unit`, `yunit`, `zunit`, `spacing`, and the resolution tags.

    The labels of the planes may contain the detectors of channels, as those of fib do.

    Args:
        metadata: `TiffFile.imagej_metadata`.
        resolution: pixels per unit in (x, y); None without XResolution and YResolution.
    """
    origin = "ImageJ"
    unit = metadata.get("unit")
    units = {axis: metadata.get(f"{axis}unit", unit) for axis in "yz"} | {"x": unit}
    remarks = _unknown(origin, units)
    detectors = _of_labels(metadata)
    nm = {axis: unit_in_nm(word) for axis, word in units.items()}
    x_nm = nm["x"]
    if x_nm is None:
        return Found(origin, remarks=remarks, detectors=detectors)
    x, y = None, None
    if resolution is not None:
        x, y = inverse(resolution[0], x_nm), inverse(resolution[1], nm["y"])
    z = _positive(metadata.get("spacing"), nm["z"])
    if is_print_unit(unit) and (x or 0) > COARSEST_NM:
        return Found(origin, remarks=remarks, detectors=detectors)
    return Found(origin, (z, y, x), remarks=remarks, detectors=detectors)


def _of_labels(metadata: Mapping[str, Any]) -> tuple[str | None, ...]:
    """Return the detectors in the labels of planes; those of a channel must agree."""
    labels, channels = metadata.get("Labels"), metadata.get("channels", 1)
    if not isinstance(labels, list) or not isinstance(channels, int) or channels < 1:
        return ()
    if not labels or len(labels) % channels:
        return ()
    found = [set(detectors_in([str(one) for one in labels[c::channels]])) for c in range(channels)]
    names = tuple(each.pop() if len(each) == 1 else None for each in found)
    return names if any(names) else ()


def ome(xml: str) -> Found:
    """Read the PhysicalSize attributes of the first image; their default unit is µm."""
    origin = "OME-XML"
    root = parse_xml(xml)
    pixels = None if root is None else next(elements(root, "Pixels"), None)
    if pixels is None:
        return Found(origin)
    units = {
        axis: pixels.get(f"PhysicalSize{axis.upper()}Unit", "µm")
        for axis in "zyx"
        if pixels.get(f"PhysicalSize{axis.upper()}") is not None
    }
    sizes = [
        _positive(pixels.get(f"PhysicalSize{axis.upper()}"), unit_in_nm(units.get(axis)))
        for axis in "zyx"
    ]
    names = [channel.get("Name", "") for channel in elements(pixels, "Channel")]
    return Found(
        origin,
        (sizes[0], sizes[1], sizes[2]),
        remarks=_unknown(origin, units),
        detectors=detectors_in(names),
    )


def fei(metadata: Mapping[str, Any], rows: int, columns: int) -> Found:
    """Read Thermo Fisher/FEI sections: pixel size in m from Scan, high tension in V from Beam.

    [Detectors] names the detector (`Name=ETD`), whose section has the electrons that it collects
    (`Signal=SE`).

    [Beam] names the column and scan that made the image (`Beam=EBeam`, `Scan=EScan`); the voltage
    of an ion beam is not the accelerating voltage of an electron image and is ignored.

    Args:
        metadata: `TiffFile.fei_metadata`, section -> key -> value.
        rows: number of rows in the file; more than [Image] ResolutionY indicates a data bar.
        columns: number of columns in the file.
    """
    origin = "Thermo Fisher/FEI"
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
    image = _section(metadata, "Image")
    scanned = (image.get("ResolutionY"), image.get("ResolutionX"))
    bar = scanned[0] if isinstance(scanned[0], int) and 0 < scanned[0] < rows else None
    remarks = _other_size(origin, scanned, (rows, columns), size)
    kv = () if voltage is None else (voltage,)
    word = str(_section(metadata, "Detectors").get("Name", ""))
    signal = str(_section(metadata, word).get("Signal", ""))
    detectors, unknown = _detector(origin, word, signal)
    bar = None if remarks else bar
    return Found(origin, (None, *size), kv, bar, remarks + unknown, detectors)


def zeiss(metadata: Mapping[str, Any], rows: int, columns: int) -> Found:
    """Read Zeiss SmartSEM entries: AP_IMAGE_PIXEL_SIZE and AP_ACTUALKV (EHT), with their units.

    DP_DETECTOR_CHANNEL is the signal that the image shows, DP_DETECTOR_TYPE that of older files.

    AP_PIXEL_SIZE refers to a screen of 1024 pixels, so it is used only for images of this width.
    DP_IMAGE_STORE is the resolution of the stored image (``1024 * 768``).

    Args:
        metadata: `TiffFile.sem_metadata`, key -> (name, value, unit).
        rows: number of rows in the file.
        columns: number of columns in the file.
    """
    origin = "Zeiss"
    key = "ap_image_pixel_size"
    if key not in metadata and columns == 1024:
        key = "ap_pixel_size"
    value, unit = _measured(metadata.get(key))
    size, remarks = _positive(value, unit_in_nm(unit)), _unknown(origin, {"x": unit})
    value, unit = _measured(metadata.get("ap_actualkv"))
    voltage = _positive(value, _KV_PER_UNIT.get(str(unit).strip().lower()))
    stored = metadata.get("dp_image_store")
    numbers = re.findall(r"\d+", str(stored[1])) if isinstance(stored, tuple) and stored[1:] else []
    if len(numbers) == 2:
        scanned = (int(numbers[1]), int(numbers[0]))
        remarks += _other_size(origin, scanned, (rows, columns), (size, size))
    kv = () if voltage is None else (voltage,)
    entry = metadata.get("dp_detector_channel") or metadata.get("dp_detector_type")
    word = str(entry[1]) if isinstance(entry, tuple) and entry[1:] else ""
    detectors, unknown = _detector(origin, word)
    return Found(origin, (None, size, size), kv, remarks=remarks + unknown, detectors=detectors)


def baseline(resolution: tuple[float, float] | None, unit: int) -> Found:
    """Read the resolution tags of plain TIFF, unless they are a print resolution.

    Args:
        resolution: XResolution and YResolution, pixels per unit; None without them.
        unit: tag ResolutionUnit.
    """
    return of_resolution("TIFF resolution", resolution, _BASELINE_UNITS.get(unit))


def _section(metadata: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = metadata.get(name)
    return section if isinstance(section, Mapping) else {}


def _positive(value: Any, factor: float | None) -> float | None:
    try:
        number = float(str(value).replace(",", "."))  # in locales with a decimal comma
    except ValueError:
        return None
    return number * factor if factor is not None and 0 < number < float("inf") else None


def _measured(entry: Any) -> tuple[Any, Any]:
    """Return value and unit of a Zeiss entry (name, value, unit); None for a missing one.

    tifffile does not split a value with a decimal comma, or with its unit directly after it.
    """
    if not isinstance(entry, tuple) or len(entry) not in (2, 3):
        return (None, None)
    match = _MEASURED.fullmatch(str(entry[1]).strip()) if len(entry) == 2 else None
    return (match[1], match[2]) if match is not None else (*entry[1:], None)[:2]


def _unknown(origin: str, units: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a sentence on each unit that is not a unit of length and is ignored."""
    unknown = {repr(unit) for unit in units.values() if is_unknown(unit)}
    return tuple(
        f"the unit {unit} of the {origin} tags is unknown, so its sizes are ignored; give "
        f"voxel_size_nm"
        for unit in sorted(unknown)
    )


def _detector(origin: str, word: str, signal: str = "") -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the detector of an image of one channel, if known, and a remark if not."""
    name = detector_of(word, signal)
    if name is not None:
        return (name,), ()
    if not word.strip():
        return (), ()
    return (), (
        f"the detector {word.strip()!r} of the {origin} tags is unknown and taken for bse; give "
        f"detector: bse, se, in_lens, or another name in lower case",
    )


def _other_size(
    origin: str,
    scanned: tuple[Any, Any],
    actual: tuple[int, int],
    pixel: tuple[float | None, float | None],
) -> tuple[str, ...]:
    """Return a sentence if the size of an image differs from the scan, except for a data bar.

    Args:
        origin: name of the tag.
        scanned: (rows, columns) in the tag.
        actual: (rows, columns) in the file.
        pixel: pixel size in the tag along (y, x), nm.
    """
    if not all(isinstance(n, int) and n > 0 for n in scanned):
        return ()
    if scanned[1] == actual[1]:  # a data bar below, or cut off
        return ()
    size = " x ".join("?" if p is None else f"{p:g}" for p in pixel)
    return (
        f"the {origin} tags are of an image of {scanned[0]} x {scanned[1]} pixels, the file has "
        f"{actual[0]} x {actual[1]}: it was scaled or cropped since. Their pixel size ({size} nm) "
        f"is right only if it was cropped; give voxel_size_nm if it was scaled",
    )
