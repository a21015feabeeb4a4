"""Shared by all ways of adaptation: structures, ideal images, twins, the network's budget."""

from __future__ import annotations

from typing import Any

Step = dict[str, Any]
Params = dict[str, Any]

TWINS = ("typical", "bad")
"""Presets of adapter/twin."""

VOLUME = {"shape": [96, 128, 128], "voxel_size_nm": 3.0}
TRAIN_STRUCTURE = {"ligament_diameters_nm": [60, 15], "solid_fractions": [0.5, 0.5]}
TWIN_STRUCTURE = {"ligament_diameters_nm": [66, 16], "solid_fractions": [0.48, 0.52]}
"""The twin's structure differs slightly, as a real sample is known about this well."""

PHYSICS = {"energies_kev": [2], "electrons_per_pixel": 128}
"""The counting noise of ideal images must be small compared with that of the instruments."""

UNET: dict[str, Any] = {
    "dimensions": "2.5d",
    "slices_above": 2,
    "slices_below": 3,
    "base_channels": 16,
    "patch": 64,
    "batch_size": 8,
    "patches_per_epoch": 256,
    "epochs": 12,
    "early_stopping_patience": 12,
    "learning_rate": 0.002,
}
"""The same number of training steps for every way: none stops early."""

GAN: dict[str, Any] = {
    "patch": 64,
    "epochs": 10,
    "steps_per_epoch": 100,
    "learning_rate": 1e-3,
    "on_label_change": "warn",
}
CYCLEGAN = GAN | {"cycle_weight": 3, "identity_weight": 1}
"""Of translators. The cycle loss has less weight than in the paper, since there are few steps. A
translator that loses the labels is part of the comparison and does not end it."""


def run(identifier: str, plugin: str, params: dict[str, Any] | None = None, **inputs: str) -> Step:
    """Return a step that runs a plugin."""
    return {"id": identifier, "run": plugin, "inputs": inputs, "params": params or {}}


def fit(identifier: str, plugin: str, params: dict[str, Any] | None = None, **inputs: str) -> Step:
    """Return a step that fits a plugin."""
    return {"id": identifier, "fit": plugin, "inputs": inputs, "params": params or {}}


def apply(identifier: str, step: str, params: dict[str, Any] | None = None, **inputs: str) -> Step:
    """Return a step that applies the plugin fitted by another one."""
    return {"id": identifier, "apply": step, "inputs": inputs, "params": params or {}}


def shared_steps(preset: str) -> list[Step]:
    """Return the labelled ideal images to train with, and a twin with its truth."""
    wave, monte_carlo = "generator/hierarchical_leveled_wave", "simulator/monte_carlo"
    return [
        run("train_structure", wave, VOLUME | TRAIN_STRUCTURE),
        run("train_ideal", monte_carlo, PHYSICS, labels="train_structure"),
        run("truth", wave, VOLUME | TWIN_STRUCTURE),
        run("ideal", monte_carlo, PHYSICS, labels="truth"),
        run("twin", "adapter/twin", {"preset": preset}, images="ideal"),
    ]
