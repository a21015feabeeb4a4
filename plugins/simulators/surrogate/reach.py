"""How deep a surrogate has to see, and whether voxels resolve what it should learn."""

from __future__ import annotations

from collections.abc import Sequence

from fib_plugins.electrons.stopping import range_nm
from fib_plugins.simulators.surrogate.geometry import Geometry
from fib_plugins.simulators.surrogate.parameters import SurrogateParameters
from fibcore import FibError, Material

VACUUM_FACTOR = 2.0
"""Through fine pores few electrons come from below twice the depth of those in matter."""
OPEN_SHARE = 0.5
"""Through wide open pores they come from any depth. The network sees as deep as this share of its
teaching structures, whose pores are the deepest that it knows."""


def geometry_of(
    params: SurrogateParameters, materials: Sequence[Material], voxel_size_nm: Sequence[float]
) -> Geometry:
    """Return the pyramid that shows all depths that electrons return from.

    They return from half their range at most.

    Raises:
        FibError: there is no matter.
    """
    return Geometry.of(params.planes, voxel_size_nm, _reach_nm(params, materials, voxel_size_nm))


def _reach_nm(
    params: SurrogateParameters, materials: Sequence[Material], voxel_size_nm: Sequence[float]
) -> float:
    """Return the depth below which nothing shows."""
    matter = [material for material in materials if material.composition]
    if not matter:
        raise FibError(
            "all materials are vacuum, from which nothing is backscattered: give a material"
        )
    depth = max(_half_range_nm(params, material, max(params.energies_kev)) for material in matter)
    if len(matter) == len(materials):
        return depth
    taught = params.teaching_shape[0] * voxel_size_nm[0]
    return max(VACUUM_FACTOR * depth, OPEN_SHARE * taught)


def too_shallow(
    params: SurrogateParameters,
    materials: Sequence[Material],
    voxel_size_nm: Sequence[float],
    geometry: Geometry,
) -> list[str]:
    """Return a warning if the largest pyramid ends above the depth that electrons return from."""
    seen, depth = geometry.depth * voxel_size_nm[0], _reach_nm(params, materials, voxel_size_nm)
    if seen >= depth:
        return []
    return [
        f"the network sees {seen:.0f} nm deep at most, but electrons of "
        f"{max(params.energies_kev):g} keV return from up to {depth:.0f} nm: what lies deeper is "
        f"missing in its images. Use more planes, larger voxels, or a lower voltage"
    ]


def too_coarse(
    params: SurrogateParameters, materials: Sequence[Material], voxel_size_nm: Sequence[float]
) -> list[str]:
    """Return warnings of voltages at which slices are thicker than the depth of escape."""
    found = []
    matter = [material for material in materials if material.composition]
    thickness = voxel_size_nm[0]
    for energy in params.energies_kev:
        deepest = {m.name: _half_range_nm(params, m, energy) for m in matter}
        within = {name: depth for name, depth in deepest.items() if depth < thickness}
        if within:
            name = min(within, key=within.__getitem__)
            found.append(
                f"slices are {thickness:g} nm thick, but electrons of {energy:g} keV return from "
                f"{within[name]:.2g} nm of {name} at most: its images at this voltage depend on "
                f"where in its voxels the surface lies, which labels do not show. Use thinner "
                f"slices or a higher voltage"
            )
    return found


def depth_scale_nm(params: SurrogateParameters, materials: Sequence[Material]) -> list[float]:
    """Return a typical depth of counted electrons for each channel: a quarter of their range."""
    matter = [material for material in materials if material.composition]
    scale = [
        0.5 * max(_half_range_nm(params, material, energy) for material in matter)
        for energy in params.energies_kev
    ]
    return scale * len(params.detectors)


def _half_range_nm(params: SurrogateParameters, material: Material, energy_kev: float) -> float:
    return 0.5 * range_nm(params.energy_loss, material, energy_kev, params.cutoff_ev)
