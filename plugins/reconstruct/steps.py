"""The steps of a pipeline, from a plan."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from fib_plugins.reconstruct.budget import in_words
from fib_plugins.reconstruct.plan import Plan

LABELS_FILE = "labels.tif"
"""Labels of the user, in the folder of the pipeline."""
MOST_BELOW, LEAST_BELOW = 8, 2
FRACTIONS, LIGAMENTS = (0.55, 1.1), (0.7, 1.3)
"""Range of the virtual world around estimates; first labels take shine-through for solid."""
GIVEN = (0.85, 1.15)
"""The same around values that the user has given."""

Step = dict[str, Any]


def document(plan: Plan, name: str, folder: Path) -> dict[str, Any]:
    """Return the pipeline of a plan.

    Args:
        plan: what was seen and decided.
        name: name of the pipeline.
        folder: where it will be written; paths in it are relative to this folder.
    """
    prepared = preparation(plan, folder)
    images = prepared[-1]["id"]
    return {
        "$schema": "./fib-pipeline.schema.json",
        "version": 1,
        "name": name,
        "description": f"{plan.request.solid} and {plan.request.pore}: from a stack to a "
        f"reconstruction, written by fib reconstruct for "
        f"{in_words(plan.request.budget_s)}. Notes have the reasons of all choices; edit what you "
        f"know better, and run it again.",
        "seed": plan.request.seed,
        "steps": [*prepared, *learning(plan, images), *results(plan, images)],
    }


def preparation(plan: Plan, folder: Path) -> list[Step]:
    """Return the steps that load and correct the stack; the last one is ``prepared``."""
    request, defects = plan.request, plan.defects
    several = len(plan.stack.sources) > 1
    loads = []
    for number, params in enumerate(plan.stack.params):
        step: Step = {"id": f"stack_{number + 1}" if several else "stack"}
        step["load"] = plan.source(number, folder)
        loads.append(step | ({"params": params} if params else {}))
    chain: list[Step] = []
    last: Any = [step["id"] for step in loads] if several else "stack"

    def add(step_id: str, plugin: str, note: str, **more: Any) -> None:
        nonlocal last
        inputs = {"images": last, **more.pop("inputs", {})}
        if plan.labels and plugin != "corrector/destripe":
            before = next((s["id"] for s in reversed(chain)), None)
            inputs["labels"] = {"from": before, "artefact": "labels"} if before else "drawn"
        step = {"id": step_id, "note": note, "run": plugin, "inputs": inputs}
        chain.append(step | ({"params": more} if more else {}))
        last = step_id

    seen = {finding.subject: finding.found for finding in plan.findings}
    if plan.labels:
        loads.append(
            {
                "id": "drawn",
                "note": f"labels of {len(plan.labels)} slices; 255 is unknown",
                "load": LABELS_FILE,
                "params": {"as": "labels"},
            }
        )
    if defects.cropped or defects.moves:
        add("face", "corrector/crop", f"at the edges: {seen['data bar, borders']}")
    if request.face_angle_deg is not None and request.face_angle_deg < 90:
        add("upright", "corrector/tilt", "angle as given", angle_deg=request.face_angle_deg)
    if defects.moves:
        add(
            "aligned",
            "corrector/align",
            f"{seen['drift']}. Slow drift is removed, too: the structure has no preferred "
            f"inclination; for columns or layers set remove to jitter",
            remove="all",
        )
        shifts = {"shifts": {"from": "aligned", "artefact": "corrections"}}
        add("field", "corrector/crop", "the field that all slices share", inputs=shifts, find=[])
    add("levelled", "corrector/level", f"{seen['brightness']}; nothing that is not significant")
    add(
        "prepared",
        "corrector/destripe",
        f"curtains: {seen['curtains']}; unchanged where none are visible",
    )
    return [*loads, *chain]


def learning(plan: Plan, images: str) -> list[Step]:
    """Return the steps from first labels to a trained network."""
    identifier, params, reason = plan.first
    sizes = plan.sizes
    estimate = ["output", "blur", "levels", "noise", "line_noise", "curtaining", "brightness"]
    if plan.request.open_pores:
        estimate = ["output", "blur", "noise", "line_noise", "curtaining", "brightness", "look"]
    example: list[Step] = []
    inputs: dict[str, Any] = {"target": images}
    if not plan.request.open_pores:
        example = _example(plan)
        inputs["source"] = example[-1]["id"]
    return [
        {
            "id": "first",
            "note": reason,
            "run": identifier,
            "inputs": {"images": images},
            "params": params,
        },
        *example,
        {
            "id": "look",
            "note": "blur, noise, grey levels and stripes of the prepared stack"
            + (", and what its open pores look like" if plan.request.open_pores else ""),
            "fit": "adapter/acquisition",
            "inputs": inputs,
            "params": {"estimate": estimate},
        },
        {
            "id": "world",
            "note": f"simulator: {plan.simulation.reason}",
            "run": "source/virtual_stacks",
            "inputs": {"instrument": "look"},
            "params": {
                "structures": [_structure(plan)],
                "simulator": _simulator(plan),
                "pairs_per_epoch": sizes.pairs,
            },
        },
        {
            "id": "unet",
            "note": f"about {in_words(sizes.seconds['training, first round'])} of training",
            "fit": "segmenter/unet",
            "inputs": {"images": "world"},
            "params": network(plan, sizes.epochs),
        },
    ]


def results(plan: Plan, images: str) -> list[Step]:
    """Return the steps that apply the network and measure its labels."""
    return [
        {
            "id": "labels",
            "note": "the reconstruction",
            "apply": "unet",
            "inputs": {"images": images},
        },
        {
            "id": "morphology",
            "note": "figures of the labels as they are",
            "run": "metric/morphology",
            "inputs": {"prediction": "labels"},
        },
    ]


def network(plan: Plan, epochs: int) -> dict[str, Any]:
    """Return the parameters of the network."""
    below = math.ceil(plan.simulation.seen_nm / plan.voxel_size_nm[0]) + 1
    return {
        "normalization": "slice",
        "augment_offset": 0.3,
        "augment_gain": 0.3,
        "slices_above": 2,
        "slices_below": min(max(below, LEAST_BELOW), MOST_BELOW),
        "base_channels": plan.sizes.base_channels,
        "patch": plan.sizes.patch,
        "batch_size": 16,
        "patches_per_epoch": plan.sizes.patches,
        "epochs": epochs,
        "learning_rate": 0.003,
        "cpu_threads": plan.sizes.threads,
    }


def _structure(plan: Plan) -> dict[str, Any]:
    request = plan.request
    shares = GIVEN if request.solid_fraction else FRACTIONS
    sizes = GIVEN if request.ligament_nm else LIGAMENTS
    low, high = (min(max(plan.solid_fraction * factor, 0.05), 0.95) for factor in shares)
    return {
        "plugin": "generator/leveled_wave",
        "params": {
            "shape": list(plan.sizes.pair_shape),
            "voxel_size_nm": list(plan.voxel_size_nm),
            "materials": request.materials,
            "waves": 500,
            "solid_fraction": {"between": [round(low, 3), round(high, 3)]},
            "ligament_diameter_nm": {
                "between": [round(plan.ligament_nm * factor, 1) for factor in sizes]
            },
        },
    }


def _simulator(plan: Plan) -> dict[str, Any]:
    params = {**plan.simulation.params, **plan.simulation.world}
    return {"plugin": plan.simulation.plugin, "params": params}


def _example(plan: Plan) -> list[Step]:
    """Return the steps that make ideal images like the stack's, for the estimate of levels."""
    structure = _structure(plan)["params"]
    structure |= {
        "solid_fraction": round(min(0.9, 0.85 * plan.solid_fraction), 3)
        if not plan.request.solid_fraction
        else plan.solid_fraction,
        "ligament_diameter_nm": round(plan.ligament_nm, 1),
    }
    return [
        {
            "id": "example",
            "note": "an example of the structure, to compare grey levels with",
            "run": "generator/leveled_wave",
            "params": structure,
        },
        {
            "id": "example_images",
            "note": "the same simulator as in the world of training",
            "run": plan.simulation.plugin,
            "inputs": {"labels": "example"},
            "params": {**plan.simulation.params, **plan.simulation.world},
        },
    ]
