"""The figures of the study page, from the volumes and tables of the runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator, ScalarFormatter
from scipy import ndimage

from fibcore import Images, Labels, Table

from .cells import Cell
from .drawing import COLOURS, Figure, errors, finish, first, grey, plane, plt
from .results import SCORES, Study

TEST_SLICE = 0.9
"""Position of the slice that shows the test part, as a fraction of the synthetic stacks."""
BINS_TOGETHER = 7
"""Of a histogram, for its curve."""


def look(study: Study, path: Path) -> str:
    """Draw figure 5: Monte Carlo, twin, adapted, and their histograms."""
    result = first(study, "adaptation")
    figure, axes = plt.subplots(1, 4, figsize=(12, 3.3))
    for axis, step, words in zip(
        axes, ("mc", "twin", "smcda"), ("sMC", "twin", "sMCDA"), strict=False
    ):
        grey(axis, plane(result, step), words)
    table = result["da_gap.scaled_histograms"]
    assert isinstance(table, Table)
    names = {"before": "sMC", "reference": "twin", "images": "sMCDA"}
    for colour, (stack, words) in zip(COLOURS, names.items(), strict=False):
        chosen = table["stack"] == stack
        # yields of a hundred electrons are discrete; averaging over a few bins smooths them
        share = ndimage.uniform_filter1d(table["share"][chosen], BINS_TOGETHER)
        axes[3].plot(table["grey_value_in_deviations"][chosen], share, color=colour, label=words)
    axes[3].set_xlabel("grey value (standard deviations)")
    axes[3].set_ylabel("share of the pixels")
    axes[3].legend(frameon=False, fontsize=8)
    finish(figure, path)
    return (
        "Monte Carlo, the twin, and Monte Carlo adapted to the twin, with histograms, each stack "
        "in its own grey scale. As figure 5 of the paper."
    )


def synthetic(study: Study, path: Path) -> str:
    """Draw figure B1: test slices of synthetic data, segmented."""
    result = first(study, "adaptation")
    figure, axes = plt.subplots(1, 4, figsize=(12, 3.3))
    gold = result["gold"]
    assert isinstance(gold, Labels)
    z = round(TEST_SLICE * len(gold.data))
    parts = (("mc", "sMC", "mc_by_smc"), ("smcda", "sMCDA", "smcda_by_smcda"))
    for pair, (step, words, found) in zip(axes.reshape(2, 2), parts, strict=True):
        grey(pair[0], plane(result, step, z), f"test slice of {words}")
        errors(pair[1], plane(result, found, z), plane(result, "gold", z), "segmented")
    finish(figure, path)
    return "Test slices of synthetic data and their segmentations. As figure B1."


def on_twin(study: Study, path: Path) -> str:
    """Draw figure B2: the twin segmented with and without adaptation."""
    names = {
        "smc": "only ML",
        "smcda": "ML + DA (CycleGAN)",
        "random": "domain randomisation",
        "oracle": "oracle",
    }
    rows = [p for p in ("typical", "bad") if study.cells("adaptation", 2, p)]
    figure, axes = plt.subplots(len(rows), 5, figsize=(13, 2.9 * len(rows) + 0.3), squeeze=False)
    for line, preset in zip(axes, rows, strict=True):
        result = first(study, "adaptation", preset)
        truth = plane(result, "sample")
        grey(line[0], plane(result, "twin"), f"{preset} twin")
        for axis, (name, words) in zip(line[1:], names.items(), strict=True):
            errors(axis, plane(result, "twin_by_" + name), truth, words)
    finish(figure, path)
    return (
        "The twins, segmented by networks that were trained in four ways; colours as above. As "
        "figure B2 of the paper."
    )


def reprojection(study: Study, path: Path) -> str:
    """Draw where a reconstruction disagrees with the picture, beside its hidden errors."""
    result = first(study, "adaptation", _worst(study))
    again = result["truth_again"]
    assert isinstance(again, Images)
    z = again.shape[0] // 2  # the stacks are imaged again in part, from the first slice on
    truth = plane(result, "sample", z)
    figure, axes = plt.subplots(2, 3, figsize=(9, 6.2))
    for line, name, words in zip(
        axes, ("smc", "random"), ("only ML", "domain randomisation"), strict=True
    ):
        step = "twin_by_" + name
        grey(line[0], plane(result, step + "_again", z), f"{words}: imaged again")
        picture = line[1].imshow(
            plane(result, step + "_reprojection.map", z), cmap="magma", vmin=0, vmax=8
        )
        line[1].set_title("left over (1: noise)", fontsize=9)
        figure.colorbar(picture, ax=line[1], fraction=0.046)
        errors(line[2], plane(result, step, z), truth, "hidden errors")
    finish(figure, path)
    return (
        "Two reconstructions of one stack, imaged again (left); the unexplained part of the "
        "stack (middle); and their errors, which are hidden from a user (right)."
    )


def _worst(study: Study) -> str:
    return "bad" if study.cells("adaptation", 2, "bad") else "typical"


def ranking(study: Study, path: Path) -> str:
    """Draw hidden error against scores that need no truth."""
    scores = ("reprojection", "disagreement with other methods", "two-point correlation")
    figure, axes = plt.subplots(1, 3, figsize=(12, 3.6))
    groups = [c for c in study.runs if c.pipeline in ("adaptation", "segmenters") and c.kv == 2]
    for axis, score in zip(axes, scores, strict=True):
        suffix, column = SCORES[score]
        for cell in groups:
            _points(axis, study, cell, suffix, column)
        axis.set_xlabel(score + (" error" if column == "e_tpcf" else " (%)"))
        axis.set_ylabel("hidden error, MP (%)")
        axis.set_yscale("log")
        axis.yaxis.set_major_formatter(ScalarFormatter())
        axis.yaxis.set_minor_formatter(ScalarFormatter())
    handles = [
        plt.Line2D([], [], marker=marker, color=colour, linestyle="", label=f"{pipeline}, {preset}")
        for (pipeline, marker) in MARKERS.items()
        for preset, colour in TWIN_COLOURS.items()
    ]
    axes[0].legend(handles=handles, frameon=False, fontsize=7)
    finish(figure, path)
    return (
        "Hidden error of each reconstruction against scores that need no truth, 2 kV; points of "
        "one twin and seed are joined in the order of the error."
    )


MARKERS = {"adaptation": "o", "segmenters": "s"}
TWIN_COLOURS = {"typical": COLOURS[0], "bad": COLOURS[1]}


def _points(axis: Any, study: Study, cell: Cell, suffix: str, column: str) -> None:
    ranking = study.ranking(cell, suffix, column)
    order = np.argsort(ranking.errors)
    axis.plot(
        ranking.scores[order], ranking.errors[order], marker=MARKERS[cell.pipeline], markersize=4,
        linewidth=0.6, color=TWIN_COLOURS[cell.preset],
    )  # fmt: skip


def network(study: Study, path: Path) -> str:
    """Draw figure C1: training of the network, and its coefficients."""
    result = first(study, "simulation")
    history, table = result["network.history"], result["coefficients"]
    assert isinstance(history, Table)
    assert isinstance(table, Table)
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.4))
    _curves(axes[0], history, ("train_loss", "validation_loss"))
    axes[0].set_ylabel("mean squared error")
    model: Any = result["network"]
    from fib_plugins.physics.ann import ANN
    from fibcore.registry import registry

    law = ANN.from_model(model)
    gold = registry().material("Au")
    for colour, energy in zip(COLOURS, np.unique(table["energy_kev"]), strict=False):
        rows = (table["energy_kev"] == energy) & (table["material"] == "Au")
        depth = table["depth_nm"][rows]
        axes[1].plot(depth, table["eta"][rows], "o", color=colour, markersize=3)
        axes[1].plot(
            depth, law.coefficient(gold, float(energy), depth), color=colour, label=f"{energy:g} kV"
        )
    axes[1].set_xlabel("epoxy above gold (nm)")
    axes[1].set_ylabel("backscatter coefficient")
    axes[1].legend(frameon=False, fontsize=8)
    finish(figure, path)
    return (
        "Training of the network for coefficients, and gold under epoxy: Monte Carlo (points) and "
        "the network (lines). As figure C1 of the paper."
    )


def translators(study: Study, path: Path) -> str:
    """Draw figures C2 and C3: training of the CycleGANs."""
    figure, axes = plt.subplots(2, 3, figsize=(12, 6.2))
    parts = (("simulation", "sml_gan", "towards Monte Carlo"),
             ("adaptation", "da_gan", "towards the twin"))  # fmt: skip
    for line, (pipeline, step, words) in zip(axes, parts, strict=True):
        history = first(study, pipeline)[step + ".history"]
        assert isinstance(history, Table)
        _curves(line[0], history, ("generator_loss", "discriminator_loss"))
        _curves(line[1], history, ("cycle_loss", "identity_loss"))
        _curves(line[2], history, ("validation_score", "spectrum_distance", "noise_distance"))
        line[1].set_title(words, fontsize=9)
    finish(figure, path)
    return (
        "Training of the CycleGANs, towards Monte Carlo (above) and towards the twin (below). As "
        "figures C2 and C3 of the paper; the right column shows our validation."
    )


def _curves(axis: Any, history: Table, columns: Sequence[str]) -> None:
    for colour, name in zip(COLOURS, columns, strict=False):
        axis.plot(history["epoch"], history[name], ".-", color=colour, label=name.replace("_", " "))
    axis.set_xlabel("epoch")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set_yscale("log")
    axis.legend(frameon=False, fontsize=8)


FIGURES: dict[str, Figure] = {
    "look": look,
    "synthetic": synthetic,
    "on_twin": on_twin,
    "reprojection": reprojection,
    "ranking": ranking,
    "network": network,
    "translators": translators,
}
