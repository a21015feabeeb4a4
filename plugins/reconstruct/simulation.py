"""Which simulator images the virtual structures, and how much contrast the materials have."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fib_plugins.backscatter.shipped_table import shipped_coefficient
from fib_plugins.channels import shown
from fib_plugins.reconstruct.finding import plugin
from fib_plugins.reconstruct.request import Request
from fibcore import FibError, Images, Labels, VolumeSpec
from fibcore.channels import Channel
from fibcore.errors import UsageError, listed

KNOWN = ("bse", "se", "in_lens")
"""Detectors that simulators know."""
LEAST_CONTRAST = 0.02
"""Difference of backscatter coefficients below which two materials look alike."""
HIDDEN = 0.05
"""A solid is hidden where its contrast has fallen to this part of that at the face."""
DEEPEST_NM, MOST_SLICES = 2000.0, 200
ELECTRONS = 16
"""Electrons per pixel of Monte Carlo images: the look of the stack replaces their grey values."""


@dataclass(frozen=True)
class Simulation:
    """A simulator.

    Attributes:
        plugin: its kind/name.
        params: its parameters, but for the number of electrons.
        reason: why it was chosen.
        seen_nm: depth below the face to which the solid is seen.
        bright: whether the solid is brighter than what is in the pores.
        cost: kind of its cost, a key of `budget.COSTS`.
        world: further parameters for images of training.
    """

    plugin: str
    params: dict[str, Any]
    reason: str
    seen_nm: float
    bright: bool
    cost: str
    world: dict[str, Any] = field(default_factory=dict)


def simulation_for(spec: VolumeSpec, request: Request) -> Simulation:
    """Return the simulator for a stack.

    Raises:
        UsageError: materials without contrast, detectors that no simulator knows, channels that are
            not all combinations of some voltages and detectors.
    """
    energies, detectors = _grid(spec.channels)
    contrast, seen_nm = _contrast(request, energies, spec.voxel_size_nm[0])
    backscattered = "bse" in detectors
    if abs(contrast) < LEAST_CONTRAST and backscattered and len(detectors) == 1:
        raise UsageError(
            f"{request.solid} and {request.pore} have nearly the same backscatter coefficient at "
            f"{energies[0]:g} kV (difference {contrast:.3f}): backscattered electrons do not show "
            f"them apart. Check the materials, or add a stack of secondary electrons"
        )
    bright = contrast > 0 or not backscattered
    if detectors != ("bse",):
        return Simulation(
            "simulator/monte_carlo",
            {"energies_kev": list(energies), "detectors": list(detectors)},
            "the only one with secondary electrons; few electrons, since the look of the stack "
            "replaces grey values",
            seen_nm,
            bright,
            "monte_carlo",
            {"electrons_per_pixel": ELECTRONS},
        )
    if request.open_pores:
        return Simulation(
            "simulator/weighted_projection",
            {"energies_kev": list(energies), "mode": "first_hit"},
            "fast, and the ground of open pores is seen",
            seen_nm,
            bright,
            "open_projection",
        )
    surrogate = {"energies_kev": list(energies), "below": "mirror"}
    why_not = _unfit(surrogate, spec, request)
    if why_not is None:
        return Simulation(
            "simulator/surrogate",
            surrogate,
            "a network of the package has learned the Monte Carlo of these materials, voltages and "
            "voxels",
            seen_nm,
            bright,
            "surrogate",
            {"referee_share": 0.0},
        )
    slices = min(max(2, math.ceil(seen_nm / spec.voxel_size_nm[0]) + 1), MOST_SLICES)
    return Simulation(
        "simulator/weighted_projection",
        {"energies_kev": list(energies), "mode": "first_hit", "slices": slices},
        f"the network of the package is for gold in epoxy at 1, 2 and 4 kV and other voxels; "
        f"{slices} slices cover the {seen_nm:.0f} nm to which the solid is seen",
        seen_nm,
        bright,
        "projection",
    )


def _grid(channels: tuple[Channel, ...]) -> tuple[tuple[float, ...], tuple[str, ...]]:
    """Return voltages and detectors whose combinations, detectors first, are the channels."""
    energies = tuple(dict.fromkeys(float(c.kv) for c in channels if c.kv is not None))
    detectors = tuple(dict.fromkeys(str(c.detector) for c in channels))
    unknown = [name for name in detectors if name not in KNOWN]
    if unknown:
        raise UsageError(
            f"no simulator knows the detector {listed(unknown)}: give what is nearest to it, "
            f"--detector {', '.join(KNOWN)}, one for each channel"
        )
    if len(channels) != len(energies) * len(detectors):
        raise UsageError(
            f"the channels are {shown(channels)}: simulators image each voltage with each "
            f"detector. Leave out the stacks that have no counterpart"
        )
    return energies, detectors


def _contrast(
    request: Request, energies: tuple[float, ...], thickness_nm: float
) -> tuple[float, float]:
    """Return solid minus pore (backscatter coefficient), and the depth to which it is seen, nm."""
    solid, pore = request.solid_material, request.pore_material
    depths = np.arange(0.0, DEEPEST_NM, min(thickness_nm, 10.0) / 2)
    kev = np.full(depths.shape, max(energies))
    name = "fib reconstruct"
    below = shipped_coefficient(name, solid, kev, depths, pore)
    bare = shipped_coefficient(name, pore, kev[:1], depths[:1], pore)
    contrast = float(below[0] - bare[0])
    if request.open_pores or abs(contrast) < LEAST_CONTRAST:
        return contrast, 0.0
    hidden = np.flatnonzero(np.abs(below - bare[0]) < HIDDEN * abs(contrast))
    return contrast, float(depths[hidden[0]]) if len(hidden) else DEEPEST_NM


def _unfit(params: dict[str, Any], spec: VolumeSpec, request: Request) -> str | None:
    """Return why the surrogate of the package cannot image the stack's material; None: it can."""
    labels = VolumeSpec(
        Labels, (32, 64, 64), spec.voxel_size_nm, phases=dict(enumerate(request.materials))
    )
    try:
        surrogate: Any = plugin("simulator/surrogate", **params)
        made = surrogate.forecast("simulate", {"labels": labels})
    except FibError as error:
        return str(error)
    if request.materials != ["epoxy", "Au"]:
        return "other materials"
    return None if made.output is not None and made.output.type is Images else "no images"
