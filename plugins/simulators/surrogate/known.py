"""What a model was trained for, and whether a structure is like that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from fib_plugins.simulators.surrogate.geometry import MOST_LEVELS, Geometry
from fib_plugins.simulators.surrogate.parameters import SurrogateParameters
from fibcore import FibError, Labels, Material
from fibcore.channels import Channel
from fibcore.errors import listed
from fibcore.models import ModelInfo

SIZE_TOLERANCE = 0.02

Edge = Annotated[float, Field(gt=0)]
SECONDARY = ("se", "in_lens")
"""Detectors that count secondary electrons."""
USUAL_SPREAD = 2.0
"""Variance of counts of secondary electrons over their mean, where it was not measured."""
Scale = Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=3, max_length=3)]


class SurrogateInfo(ModelInfo):
    """The info of a model of `simulator/surrogate`."""

    materials: Annotated[list[dict[str, Any]], Field(min_length=1)]
    voxel_size_nm: Annotated[list[Edge], Field(min_length=3, max_length=3)]
    kv: Annotated[list[float], Field(min_length=1)]
    scales: Annotated[list[Scale], Field(min_length=1)]
    depth_scale_nm: list[Edge]
    spread: list[Annotated[float, Field(ge=0)]] = Field(default_factory=list)


def info_of(
    params: SurrogateParameters,
    materials: Sequence[Material],
    voxel_size_nm: Sequence[float],
    geometry: Geometry,
    depth_scale: Sequence[float],
) -> dict[str, Any]:
    """Return the info of a model as JSON values."""
    return {
        "materials": [material.model_dump(mode="json") for material in materials],
        "voxel_size_nm": [float(edge) for edge in voxel_size_nm],
        "kv": list(params.kv),
        "scales": [list(scale) for scale in geometry.scales],
        "depth_scale_nm": [float(depth) for depth in depth_scale],
    }


def check_info(info: Mapping[str, Any], trained: SurrogateParameters) -> None:
    """Refuse an info that contradicts the parameters of training, or itself.

    Raises:
        FibError: names what does not fit.
    """
    wrong = []
    if info["materials"] != [m.model_dump(mode="json") for m in trained.materials]:
        wrong.append("materials")
    if info["kv"] != list(trained.kv):
        wrong.append("kv")
    if len(info["depth_scale_nm"]) != (len(trained.kv) if trained.mean_depth else 0):
        wrong.append("depth_scale_nm")
    scales = np.array(info["scales"], float)
    steps = scales[1:] / scales[:-1]
    if len(scales) > MOST_LEVELS or (scales[0] != 1).any() or not np.isin(steps, (1, 2)).all():
        wrong.append("scales")
    if wrong:
        raise FibError(
            f"the {listed(wrong)} in the info of the model do not fit its parameters: it is "
            f"damaged; restore its files, or train another surrogate"
        )


def check_size(info: Mapping[str, Any], voxel_size_nm: Sequence[float]) -> None:
    """Refuse voxels of another size than those of training.

    Raises:
        FibError: an edge differs by more than 2 %.
    """
    known = info["voxel_size_nm"]
    if not np.allclose(voxel_size_nm, known, rtol=SIZE_TOLERANCE, atol=0):
        raise FibError(
            f"the surrogate was trained for voxels of {_sizes(known)} nm (z, y, x), the labels "
            f"have {_sizes(voxel_size_nm)} nm: fit one for them (voxel_size_nm), or use "
            f"simulator/monte_carlo"
        )


def check_names(info: Mapping[str, Any], names: Mapping[int, str]) -> None:
    """Refuse phases whose material has a name that no material of training has.

    Raises:
        FibError: names the first of them.
    """
    known = [material["name"] for material in info["materials"]]
    for phase, name in names.items():
        if name not in known:
            raise FibError(
                f"phase {phase} of the labels is {name}, but the surrogate was trained for "
                f"{listed(known)}: fit one for these materials (materials), or use "
                f"simulator/monte_carlo"
            )


def media_of(info: Mapping[str, Any], labels: Labels, phases: Sequence[int]) -> np.ndarray:
    """Return the number of the material of each phase in training, (256,) uint8.

    Raises:
        FibError: the material of a phase was not among them.
    """
    check_names(info, {phase: labels.phases[phase].name for phase in phases})
    known = [Material(**material) for material in info["materials"]]
    names = [material.name for material in known]
    media = np.zeros(256, np.uint8)
    for phase in phases:
        material = labels.phases[phase]
        number = names.index(material.name)
        if material != known[number]:
            raise FibError(
                f"phase {phase} of the labels is {material.name} with another composition, density "
                f"or stopping power than the {material.name} that the surrogate was trained for: "
                f"fit one for it, or use simulator/monte_carlo"
            )
        media[phase] = number
    return media


def spread_of(
    info: Mapping[str, Any], channels: Sequence[Channel], outputs: Sequence[int]
) -> list[float | None]:
    """Return the variance of counts over their mean, of channels that count secondary electrons.

    Args:
        info: info of the model.
        channels: the channels.
        outputs: numbers of the outputs of the network that give them.

    Returns:
        One number for each channel; None where counts are binomial.
    """
    measured = info.get("spread") or [USUAL_SPREAD] * len(info["kv"])
    secondary = [channel.detector in SECONDARY for channel in channels]
    return [measured[n] if own else None for n, own in zip(outputs, secondary, strict=True)]


def _sizes(edges: Sequence[float]) -> str:
    return " x ".join(f"{edge:g}" for edge in edges)
