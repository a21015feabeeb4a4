"""The steps of a round: structure, instrument, virtual world, network."""

from __future__ import annotations

import math
from typing import Any

from fib_plugins.reconstruct.budget import BATCH, PAIRS, PATCHES, in_words
from fib_plugins.reconstruct.plan import Plan
from fib_plugins.reconstruct.preparation import Input, Step

IMAGES = "prepared"
MOST_BELOW, LEAST_BELOW = 8, 2
FRACTIONS, LIGAMENTS = (0.55, 1.1), (0.7, 1.3)
"""Range of structures around estimates; first labels take shine-through for solid."""
GIVEN = (0.85, 1.15)
"""The same around values that the user has given."""
SPREAD = 3.0
"""Virtual worlds are so much wider than what the fit of structures takes for likely: networks learn
from more than that, and figures of the stack lie among those of the twins, not beyond them."""
RATE, RATE_AGAIN = 3e-3, 1e-3
"""Learning rates of a network from nothing, and of one that has learned before."""


def round_of(
    plan: Plan, suffix: str, labels: str, twins: Input | None, start: str | None
) -> list[Step]:
    """Return the steps from labels to a network that has learned from a world like them.

    Args:
        plan: what was seen and decided.
        suffix: of the ids of these steps.
        labels: step whose labels the structures resemble.
        twins: table of twins that corrects them; None in the first round.
        start: step of the network that training starts from; None: from nothing.
    """
    sizes = plan.sizes
    again = start is not None
    part = "training, second round" if again else "training, first round"
    epochs = sizes.epochs_again if again else sizes.epochs
    structure, inputs, params = _structure(plan, suffix, labels, twins)
    inputs["instrument"] = f"look{suffix}"
    fit: dict[str, Any] = {"images": f"world{suffix}"}
    if start is not None:
        fit["start"] = start
    return [
        *structure,
        *_look(plan, suffix),
        {
            "id": f"world{suffix}",
            "note": f"simulator: {plan.simulation.reason}",
            "run": "source/virtual_stacks",
            "inputs": inputs,
            "params": {**params, "simulator": _simulator(plan), "pairs_per_epoch": PAIRS},
        },
        {
            "id": f"unet{suffix}",
            "note": f"about {in_words(sizes.seconds[part])} of training"
            + (f", from the weights of {start}" if again else ""),
            "fit": "segmenter/unet",
            "inputs": fit,
            "params": _network(plan, epochs, RATE_AGAIN if again else RATE),
        },
    ]


def _structure(
    plan: Plan, suffix: str, labels: str, twins: Input | None
) -> tuple[list[Step], dict[str, Any], dict[str, Any]]:
    """Return the steps that find structures, and the inputs and parameters of their world.

    In the first round, values of the user take the place of those of the first labels.
    """
    request, sizes = plan.request, plan.sizes
    known = request.solid_fraction is not None or request.ligament_nm is not None
    if known and twins is None:
        example = {
            "id": f"example{suffix}",
            "note": "an example of structures with the values that were given",
            "run": "generator/leveled_wave",
            "params": _waves(plan, plan.solid_fraction, plan.ligament_nm),
        }
        return [example], {}, {"structures": [_ranges(plan)]}
    inputs: dict[str, Any] = {"labels": labels}
    note = "families and parameters whose structures resemble the first labels"
    if twins is not None:
        inputs["twins"] = twins
        note = "the same from the labels of the network, corrected for what it does wrong on twins"
    fit = {
        "id": f"structure{suffix}",
        "note": note,
        "fit": "generator/resembling",
        "inputs": inputs,
        "params": {
            "shape": list(sizes.pair_shape),
            "materials": request.materials,
            "candidates": sizes.effort.candidates,
            "spread": SPREAD,
        },
    }
    example = {
        "id": f"example{suffix}",
        "note": "one of these structures",
        "apply": f"structure{suffix}",
        "inputs": {},
    }
    return [fit, example], {"structure": f"structure{suffix}"}, {}


def _look(plan: Plan, suffix: str) -> list[Step]:
    """Return the steps that estimate the instrument."""
    common = ["output", "blur", "noise", "line_noise", "curtaining", "brightness"]
    note = "blur, noise, grey levels and stripes of the prepared stack"
    inputs: dict[str, Any] = {"target": IMAGES}
    steps: list[Step] = []
    if plan.request.open_pores:
        note += ", and what its open pores look like"
        estimate = [*common, "look"]
    else:
        estimate = [*common, "levels"]
        inputs["source"] = f"ideal{suffix}"
        steps.append(
            {
                "id": f"ideal{suffix}",
                "note": "to compare grey levels with",
                "run": plan.simulation.plugin,
                "inputs": {"labels": f"example{suffix}"},
                "params": {**plan.simulation.params, **plan.simulation.world},
            }
        )
    fit = {
        "id": f"look{suffix}",
        "note": note,
        "fit": "adapter/acquisition",
        "inputs": inputs,
        "params": {"estimate": estimate},
    }
    return [*steps, fit]


def _network(plan: Plan, epochs: int, learning_rate: float) -> dict[str, Any]:
    below = math.ceil(plan.simulation.seen_nm / plan.voxel_size_nm[0]) + 1
    return {
        "normalization": "slice",
        "augment_offset": 0.3,
        "augment_gain": 0.3,
        "slices_above": 2,
        "slices_below": min(max(below, LEAST_BELOW), MOST_BELOW),
        "base_channels": plan.sizes.effort.base_channels,
        "patch": plan.sizes.patch,
        "batch_size": BATCH,
        "patches_per_epoch": PATCHES,
        "epochs": epochs,
        "learning_rate": learning_rate,
        "cpu_threads": plan.sizes.threads,
    }


def _simulator(plan: Plan) -> dict[str, Any]:
    params = {**plan.simulation.params, **plan.simulation.world}
    return {"plugin": plan.simulation.plugin, "params": params}


def _waves(plan: Plan, solid_fraction: Any, ligament_nm: Any) -> dict[str, Any]:
    return {
        "shape": list(plan.sizes.pair_shape),
        "voxel_size_nm": list(plan.voxel_size_nm),
        "materials": plan.request.materials,
        "waves": 500,
        "solid_fraction": solid_fraction,
        "ligament_diameter_nm": ligament_nm,
    }


def _ranges(plan: Plan) -> dict[str, Any]:
    """Return structures around the values that were given, and around estimates of the others."""
    request = plan.request
    shares = GIVEN if request.solid_fraction is not None else FRACTIONS
    sizes = GIVEN if request.ligament_nm is not None else LIGAMENTS
    fractions = [round(min(max(plan.solid_fraction * factor, 0.05), 0.95), 3) for factor in shares]
    ligaments = [round(plan.ligament_nm * factor, 1) for factor in sizes]
    params = _waves(plan, {"between": fractions}, {"between": ligaments})
    return {"plugin": "generator/leveled_wave", "params": params}
