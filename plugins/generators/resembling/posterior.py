"""The posterior: places that were kept with their weights, and draws from it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from fib_plugins.generators.resembling.candidates import PRIOR, Place, moved
from fib_plugins.generators.resembling.families import FAMILIES
from fib_plugins.generators.resembling.fitting import Search
from fib_plugins.generators.resembling.observed import TOLERANCE
from fibcore import Table
from fibcore.models import ModelInfo

RESEMBLES, ROUGHLY = 1.5, 2.5
"""Largest distance of a family that resembles the labels, and of one that does so roughly."""
LEAST_WEIGHT = 1e-3
BROADER = 2.0
"""By how much draws are broader if no family resembles the labels."""
LARGEST_JITTER = 3.0
"""Draws are cut at so many standard deviations."""

Share = Annotated[float, Field(ge=0, le=1)]


class Kept(ModelInfo):
    """A place of the posterior, its size and its weight."""

    family: str
    variant: str
    shares: list[Share]
    size_nm: Annotated[float, Field(gt=0)]
    weight: Share
    distance: Annotated[float, Field(ge=0)]


class PosteriorInfo(ModelInfo):
    """Info of a model of `generator/resembling`.

    Deviations are those of the logit of the solid fraction and of the logarithm of the size, widths
    those of shares, by family; slopes those of the logarithm of ligament diameter over size.
    """

    voxel_size_nm: Annotated[list[float], Field(min_length=3, max_length=3)]
    materials: list[dict[str, Any]]
    solid_fraction: Annotated[float, Field(gt=0, lt=1)]
    fraction_deviation: Annotated[float, Field(ge=0)]
    size_deviation: Annotated[float, Field(ge=0)]
    binder_share: Share | None
    resembles: bool
    widths: dict[str, float]
    slopes: dict[str, list[float]]
    kept: Annotated[list[Kept], Field(min_length=1)]


def verdict(distance: float) -> str:
    """Return in words whether a family resembles the labels."""
    if distance <= RESEMBLES:
        return "resembles"
    return "resembles roughly" if distance <= ROUGHLY else "does not resemble"


def posterior_of(search: Search) -> dict[str, Any]:
    """Return what the info of a model has of a search: places, weights, widths, deviations.

    If no family resembles the labels, half of the weight is shared equally by all that are
    possible, and draws are broader.
    """
    target = search.target
    chances = search.probabilities()
    names = list(chances)
    near = search.distance(names[0]) <= ROUGHLY
    if not near:
        chances = {name: 0.5 * chance + 0.5 / len(names) for name, chance in chances.items()}
    kept: list[dict[str, Any]] = [
        {
            "family": name,
            "variant": candidate.place.variant,
            "shares": list(candidate.place.shares),
            "size_nm": search.size_nm(candidate.place),
            "weight": chances[name] * weight,
            "distance": search.yardstick.distance(candidate),
        }
        for name in names
        for candidate, weight in zip(search.of(name), search.weights(name), strict=True)
    ]
    largest = max(each["weight"] for each in kept)
    kept = [each for each in kept if each["weight"] >= LEAST_WEIGHT * largest]
    total = sum(each["weight"] for each in kept)
    for each in kept:
        each["weight"] /= total
    factor = 1.0 if near else BROADER
    scatter = search.yardstick.scatter.get(PRIOR, 0.0) / math.sqrt(target.blocks)
    twins = math.sqrt(max(0.0, target.deviations[PRIOR] ** 2 - TOLERANCE**2))
    return {
        "solid_fraction": target.fraction,
        "fraction_deviation": factor * target.fraction_deviation,
        "size_deviation": factor * math.hypot(scatter, twins),
        "resembles": near,
        "widths": {name: 0.5 * factor * search.bandwidth(name) for name in names},
        "slopes": {name: search.slopes(name).tolist() for name in names},
        "kept": sorted(kept, key=lambda each: -each["weight"]),
    }


def drawn(
    info: Mapping[str, Any], rng: np.random.Generator, spread: float
) -> tuple[Place, float, float]:
    """Return a place, its size in nm, and a solid fraction.

    Args:
        info: of the model.
        rng: random generator.
        spread: factor of the deviations from the kept places; 0: none.
    """
    kept = info["kept"]
    weights = np.array([each["weight"] for each in kept])
    chosen = kept[rng.choice(len(kept), p=weights / weights.sum())]
    family = chosen["family"]
    place = Place(family, chosen["variant"], tuple(chosen["shares"]))
    steps = np.clip(
        rng.standard_normal(2 + len(FAMILIES[family].ranges)), -LARGEST_JITTER, LARGEST_JITTER
    )
    steps = spread * steps
    there = moved(place, np.asarray(place.shares) + info["widths"][family] * steps[2:])
    away = float(np.asarray(info["slopes"][family]) @ np.subtract(there.shares, place.shares))
    size = chosen["size_nm"] * math.exp(info["size_deviation"] * steps[0] - away)
    fraction = info["solid_fraction"]
    logit = math.log(fraction / (1 - fraction)) + info["fraction_deviation"] * steps[1]
    return there, size, 1 / (1 + math.exp(-logit))


def posterior_table(info: Mapping[str, Any]) -> Table:
    """Return a row for each kept place, the heaviest first, with parameters of its generator."""
    rows = []
    for each in info["kept"]:
        family = FAMILIES[each["family"]]
        params = family.params(
            each["variant"], family.values(each["shares"]), each["size_nm"], info["solid_fraction"]
        )
        rows.append(
            {
                "family": each["family"],
                "weight": each["weight"],
                "distance": each["distance"],
                "parameters": json.dumps(_rounded(params)),
            }
        )
    return Table.from_rows(rows)


def families_table(search: Search, families: list[str]) -> Table:
    """Return a row for each family, the nearest first, and what is least alike in its structures.

    Columns: family, distance, probability, verdict, candidates, least_alike.
    """
    chances = search.probabilities()
    rows: list[dict[str, Any]] = []
    for name in search.families:
        distance = search.distance(name)
        best = min(search.of(name), key=search.yardstick.distance)
        off = search.yardstick.deviations(best)
        worst = max(off, key=lambda each: abs(off[each]))
        rows.append(
            {
                "family": name,
                "distance": distance,
                "probability": chances[name],
                "verdict": verdict(distance),
                "candidates": len(search.of(name)),
                "least_alike": f"{worst} {off[worst]:+.1f} standard deviations",
            }
        )
    for name in families:
        if name not in chances:
            rows.append(
                {
                    "family": name,
                    "distance": math.nan,
                    "probability": 0.0,
                    "verdict": "impossible",
                    "candidates": 0,
                    "least_alike": search.failures.get(name, "not with this solid fraction"),
                }
            )
    return Table.from_rows(rows)


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, (list, tuple)):
        return [_rounded(each) for each in value]
    return {k: _rounded(v) for k, v in value.items()} if isinstance(value, dict) else value
