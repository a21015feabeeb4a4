"""Units in names: the name of a column ends in its unit, as ``distance_nm`` or ``mp_percent``."""

from __future__ import annotations

UNITS = {
    "per_nm3": "nm⁻³", "per_nm2": "nm⁻²", "per_nm": "nm⁻¹", "per_um": "µm⁻¹", "per_cm3": "cm⁻³",
    "g_cm3": "g/cm³", "percent": "%", "nm3": "nm³", "nm2": "nm²", "nm": "nm", "um": "µm",
    "kev": "keV", "ev": "eV", "kv": "kV", "degrees": "°", "radians": "rad",
    "seconds": "s", "bytes": "bytes", "voxels": "voxels", "pixels": "pixels",
}  # fmt: skip
"""Last part of a column's name -> unit as printed."""


def split_unit(column: str) -> tuple[str, str]:
    """Return a column's name without its unit, and the unit: ``mp_percent`` -> ``mp``, ``%``."""
    for suffix, unit in UNITS.items():
        if column.endswith("_" + suffix):
            return column[: -len(suffix) - 1], unit
    return column, ""
