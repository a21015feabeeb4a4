"""What was seen of a stack and decided for it: all that the pipeline is written from."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fib_plugins.reconstruct.budget import Sizes, in_words, sizes_for
from fib_plugins.reconstruct.defects import Defects, defects_of
from fib_plugins.reconstruct.finding import Finding, quiet_context
from fib_plugins.reconstruct.first_structure import first_structure
from fib_plugins.reconstruct.grey_levels import GreyLevels, grey_levels
from fib_plugins.reconstruct.labels import check_against, grey_of, labelled_slices
from fib_plugins.reconstruct.machine import Machine
from fib_plugins.reconstruct.request import Request
from fib_plugins.reconstruct.simulation import Simulation, simulation_for
from fib_plugins.reconstruct.stack import Stack, open_stack
from fibcore import FibError
from fibcore.errors import UsageError

THIRD_MODE = 3
TRAIL = 0.05
"""Trails of charging from this share of the contrast on are reported."""
NOISY = 1.5
"""Contrast over noise below which a stack is called noisy."""


@dataclass(frozen=True)
class Plan:
    """The basis of a pipeline.

    Attributes:
        request: what the user has given.
        stack: the files.
        defects: of the sample; which correctors are needed.
        simulation: the simulator of the virtual world.
        first: the step parameters of the first labels: (plugin, params, reason).
        voxel_size_nm: of the prepared stack.
        solid_fraction: given or estimated.
        ligament_nm: given or estimated.
        sizes: of training.
        labels: slice -> labels of the user.
        findings: what was seen, in words.
        warnings: what the user should know before work starts.
    """

    request: Request
    stack: Stack
    defects: Defects
    simulation: Simulation
    first: tuple[str, dict[str, Any], str]
    voxel_size_nm: tuple[float, float, float]
    solid_fraction: float
    ligament_nm: float
    sizes: Sizes
    labels: dict[int, np.ndarray]
    findings: tuple[Finding, ...]
    warnings: tuple[str, ...]

    def source(self, number: int, folder: Path) -> str:
        """Return a source as the load step names it, relative to the folder of the pipeline."""
        given = Path(self.stack.sources[number])
        return given.as_posix() if given.is_absolute() else os.path.relpath(given, folder)


def plan_for(request: Request, machine: Machine) -> Plan:
    """Look at the stack of a request, and decide what to do.

    Raises:
        FibError: the stack, the labels or the options cannot be used; nothing has been written.
    """
    stack = open_stack(request)
    simulation = simulation_for(stack.spec, request)  # refuses materials before voxels are read
    labels = labelled_slices(request, stack) if request.labels else {}
    if labels and "bse" in [channel.detector for channel in stack.spec.channels]:
        planes = grey_of(stack, list(labels))
        check_against(planes, list(labels.values()), simulation.bright, request.labels)
    try:
        sample = stack.sample(quiet_context())
    except FibError as error:
        raise UsageError(str(error)) from None
    defects = defects_of(sample, request)
    levels = grey_levels(defects.images)
    _check_structure(levels, request)
    first = _first_labels(stack, request, simulation)
    found = first_structure(defects.images, first[0], first[1])
    share = request.solid_fraction or found.solid_fraction
    ligament = request.ligament_nm or found.ligament_nm
    spec = replace(stack.spec, voxel_size_nm=defects.images.voxel_size_nm)
    simulation = simulation_for(spec, request)
    sizes = sizes_for(spec, simulation, ligament, request.budget_s, machine, labelled=bool(labels))
    findings = [
        *_about_files(stack),
        *defects.findings,
        *(
            line
            for level in levels
            for line in _about_channel(level, spec.voxel_size_nm[2], len(levels) > 1)
        ),
        _about_structure(found.solid_fraction, found.ligament_nm, request),
    ]
    warnings = [*stack.warnings, *_warnings(stack, levels, request)]
    if sizes.total_s > request.budget_s:
        warnings.append(
            f"the run takes about {in_words(sizes.total_s)}, more than the "
            f"{in_words(request.budget_s)} that were given: it is as short as it can be"
        )
    return Plan(
        request, stack, defects, simulation, first, spec.voxel_size_nm, share, ligament, sizes,
        labels, tuple(findings), tuple(warnings),
    )  # fmt: skip


def _check_structure(levels: list[GreyLevels], request: Request) -> None:
    if any(level.shows_structure for level in levels):
        return
    best = max(levels, key=lambda level: level.common)
    raise UsageError(
        f"the stack shows no structure: neighbouring slices agree to {100 * best.common:.0f} %, "
        f"and grey values vary {best.over_noise:.2g} times as much as noise alone. Is it all "
        f"{request.solid} or all {request.pore}, out of focus, or are slices in a wrong order?"
    )


def _first_labels(
    stack: Stack, request: Request, simulation: Simulation
) -> tuple[str, dict[str, Any], str]:
    params: dict[str, Any] = {"materials": request.materials}
    if request.open_pores:
        reason = "pores are open: the milled face of the solid is flat, what lies in pores is not"
        return "segmenter/milled_face", params, reason
    if len(stack.spec.channels) > 1:
        channel = next((c for c in stack.spec.channels if c.detector == "bse"), None)
        channel = channel or stack.spec.channels[0]
        params |= {"kv": channel.kv, "detector": channel.detector}
    params |= {"method": "otsu", "solid": "bright" if simulation.bright else "dark"}
    return (
        "segmenter/threshold",
        params,
        "pores are filled: Otsu's level between two classes; solid that shines through pores is "
        "taken for solid",
    )


def _about_files(stack: Stack) -> list[Finding]:
    spec = stack.spec
    depth, height, width = spec.shape
    z, y, x = spec.voxel_size_nm
    size = f"{depth} slices of {height} x {width} pixels, {spec.dtype}"
    calibration = f"{z:g} x {y:g} x {x:g} nm (z, y, x)"
    return [
        Finding("stack", size),
        Finding("voxels", calibration, "kept: no interpolation"),
        Finding("channels", ", ".join(map(str, spec.channels))),
    ]


def _about_channel(level: GreyLevels, pixel_nm: float, several: bool) -> list[Finding]:
    prefix = f"{level.name}: " if several else ""
    ratio = level.contrast / level.noise if level.noise else float("inf")
    lines = [
        Finding(f"{prefix}contrast", f"{ratio:.2g} times the noise", "imitated in training"),
        Finding(
            f"{prefix}blur",
            f"{level.blur_nm:.2g} nm (FWHM)" if level.blur_nm > pixel_nm / 10 else "not visible",
            "imitated in training",
        ),
        Finding(
            f"{prefix}modes of grey values",
            f"{level.modes}"
            + (
                f", a narrow one with {100 * level.face_share:.0f} % of the pixels"
                if np.isfinite(level.face_share)
                else ""
            ),
        ),
    ]
    if abs(level.trail) >= TRAIL:
        kind = "bright" if level.trail > 0 else "dark"
        text = f"{kind} trails along x, {100 * abs(level.trail):.0f} % of the contrast"
        lines.append(Finding(f"{prefix}charging", text, "random variants in training have some"))
    return lines


def _about_structure(solid_fraction: float, ligament_nm: float, request: Request) -> Finding:
    found = f"{100 * solid_fraction:.0f} % solid, ligaments of {ligament_nm:.3g} nm"
    given = [
        f"{100 * request.solid_fraction:.0f} % solid" if request.solid_fraction else "",
        f"ligaments of {request.ligament_nm:g} nm" if request.ligament_nm else "",
    ]
    values = ", ".join(text for text in given if text)
    done = f"{values}, as given" if values else "a first guess, which training corrects"
    return Finding("structure by first labels", found, done)


def _warnings(stack: Stack, levels: list[GreyLevels], request: Request) -> list[str]:
    found = []
    detectors = [channel.detector for channel in stack.spec.channels]
    if "bse" not in detectors and not request.open_pores:
        found.append(
            "only secondary electrons: they show little contrast between materials, and the pores "
            "are filled. Add the stack of backscattered electrons if there is one"
        )
    for level in levels:
        if level.modes >= THIRD_MODE:
            found.append(
                f"{level.name}: {level.modes} modes of grey values, but two phases are named. A "
                f"third phase is given to one of them; edit the structures of the pipeline if it "
                f"matters"
            )
        if level.noise and level.contrast < NOISY * level.noise:
            found.append(
                f"{level.name}: the contrast is {level.contrast / level.noise:.2g} times the "
                f"noise; a longer --budget helps"
            )
    return found
