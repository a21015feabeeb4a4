"""The pipeline of a plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fib_plugins.reconstruct.budget import in_words
from fib_plugins.reconstruct.plan import Plan
from fib_plugins.reconstruct.preparation import Input, Preparation, Step
from fib_plugins.reconstruct.rounds import IMAGES, round_of

AGAIN = "_2"
"""Suffix of the steps of the second round."""


def document(plan: Plan, name: str, folder: Path) -> dict[str, Any]:
    """Return the pipeline of a plan.

    Args:
        plan: what was seen and decided.
        name: name of the pipeline.
        folder: where it will be written; paths in it are relative to this folder.
    """
    prepared = Preparation(plan, folder)
    return {
        "$schema": "./fib-pipeline.schema.json",
        "version": 1,
        "name": name,
        "description": f"{plan.request.solid} and {plan.request.pore}: from a stack to a "
        f"reconstruction, written by fib reconstruct for "
        f"{in_words(plan.request.budget_s)}. Notes have the reasons of all choices; edit what you "
        f"know better, and run it again.",
        "seed": plan.request.seed,
        "steps": [*prepared.steps, *_learning(plan), *_results(plan, prepared.labels)],
    }


def _learning(plan: Plan) -> list[Step]:
    """Return first labels, and two rounds of learning."""
    identifier, params, reason = plan.first
    first: Step = {
        "id": "first",
        "note": reason,
        "run": identifier,
        "inputs": {"images": IMAGES},
        "params": params,
    }
    twins: Step = {
        "id": "bars_1",
        "note": "what the network does wrong on virtual stacks, whose truth is known",
        "run": "metric/error_bars",
        "inputs": {
            "prediction": "by_unet",
            "images": IMAGES,
            "segmenter": "unet",
            "world": "world",
        },
        "params": {"twins": plan.sizes.effort.twins_first},
    }
    return [
        first,
        *round_of(plan, "", "first", None, None),
        {
            "id": "by_unet",
            "note": "labels of the first round",
            "apply": "unet",
            "inputs": {"images": IMAGES},
            "params": {"save_probability": True},
        },
        twins,
        *round_of(plan, AGAIN, "by_unet", {"from": "bars_1", "artefact": "twins"}, "unet"),
    ]


def _results(plan: Plan, drawn: Input | None) -> list[Step]:
    """Return the labels, their error bars, and whether these may be believed."""
    effort = plan.sizes.effort
    world, network = f"world{AGAIN}", f"unet{AGAIN}"
    tuned: list[Step] = []
    if drawn is not None:
        candidates = [
            "start",
            "cautious",
            "full",
            "forest",
            *(["alone"] if effort.learns_alone else []),
        ]
        tuned.append(
            {
                "id": "tuned",
                "note": "the network tuned on the labels that were given, or what left-out labels "
                "show to be better",
                "fit": "segmenter/tuned",
                "inputs": {"images": IMAGES, "labels": drawn, "start": network},
                "params": {
                    "candidates": candidates,
                    "steps": effort.tuning,
                    "steps_cautious": effort.tuning // 3,
                },
            }
        )
        network = "tuned"
    return [
        *tuned,
        {
            "id": "calibrated",
            "note": "probabilities that are right as often as they state, on virtual stacks",
            "fit": "segmenter/calibrated",
            "inputs": {"images": world, "segmenter": network},
            "params": {"pairs": effort.pairs},
        },
        {
            "id": "labels",
            "note": "the reconstruction",
            "apply": "calibrated",
            "inputs": {"images": IMAGES},
        },
        {
            "id": "bars",
            "note": "figures, corrected, with intervals",
            "run": "metric/error_bars",
            "inputs": {
                "prediction": "labels",
                "images": IMAGES,
                "segmenter": "calibrated",
                "world": world,
            },
            "params": {"twins": effort.twins},
        },
        {
            "id": "adequacy",
            "note": "whether the stack could be one of the virtual ones: only then do error bars "
            "hold",
            "run": "metric/adequacy",
            "inputs": {"images": IMAGES, "world": world},
            "params": {"stacks": effort.stacks},
        },
    ]
