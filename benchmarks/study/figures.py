"""The figures of the study page, from the volumes and tables of the runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.ticker import MaxNLocator, ScalarFormatter
from scipy import ndimage

from fibcore import Images, Labels, Table
from fibcore.pipeline import RunResult

from ..pages import picture, save
from .cells import Cell
from .results import SCORES, Study

TEST_SLICE = 0.9
"""Position of the slice that shows the test part, as a fraction of the synthetic stacks."""
BINS_TOGETHER = 7
"""Of a histogram, for its curve."""
COLOURS = ("#1b6ca8", "#d1495b", "#66a182", "#edae49")


def draw(study: Study, folder: Path) -> dict[str, str]:
    """Save all figures; return each as Markdown with its caption, by name."""
    found = {}
    for name, figure in FIGURES.items():
        file = folder / f"{name}.png"
        found[name] = picture(file, name.replace("_", " "), figure(study, file))
    return found


def _first(study: Study, pipeline: str, preset: str = "typical") -> RunResult:
    return study.runs[study.cells(pipeline, 2, preset)[0]]


def _plane(result: RunResult, reference: str, z: int | None = None) -> np.ndarray:
    """Return a slice of a volume: the middle, which volumes of equal depth share, or that at z."""
    volume = result[reference]
    assert isinstance(volume, (Images, Labels))
    data = volume.data if isinstance(volume, Labels) else volume.data[0]
    return np.asarray(data[len(data) // 2 if z is None else z])


def _grey(axis: Any, plane: np.ndarray, title: str) -> None:
    low, high = np.quantile(plane, [0.005, 0.995])
    axis.imshow(plane, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
    axis.set_title(title, fontsize=9)


def _errors(axis: Any, found: np.ndarray, truth: np.ndarray, title: str) -> None:
    """Draw labels: white solid and black pore; red where solid is missed, blue where invented."""
    picture = np.repeat(np.where(truth > 0, 235, 25)[..., None], 3, axis=2).astype(np.uint8)
    picture[(truth > 0) & (found == 0)] = (209, 73, 91)
    picture[(truth == 0) & (found > 0)] = (47, 128, 237)
    axis.imshow(picture, interpolation="nearest")
    axis.set_title(title, fontsize=9)


def _save(figure: Any, path: Path) -> None:
    for axis in figure.axes:
        if axis.images:
            axis.set_xticks([])
            axis.set_yticks([])
    figure.tight_layout()
    save(figure, path, dpi=110)
    plt.close(figure)


def simulation(study: Study, path: Path) -> str:
    """Draw figure 4 of the paper: projection, sML, sMC."""
    result = _first(study, "simulation")
    figure, axes = plt.subplots(1, 3, figsize=(9, 3.3))
    for axis, step, words in zip(
        axes, ("weighted", "sml", "mc"), ("weighted projection", "sML", "sMC"), strict=True
    ):
        _grey(axis, _plane(result, step), words)
    _save(figure, path)
    return (
        "One slice (2 kV) as a weighted projection, translated by a CycleGAN, and by Monte Carlo. "
        "As figure 4 of the paper."
    )


def two_networks(study: Study, path: Path) -> str:
    """Draw figure A1: the twin segmented by the networks of either simulation."""
    result = _first(study, "simulation")
    truth = _plane(result, "sample")
    figure, axes = plt.subplots(1, 3, figsize=(9, 3.3))
    _grey(axes[0], _plane(result, "twin"), "twin")
    _errors(axes[1], _plane(result, "twin_by_smc"), truth, "trained on sMC")
    _errors(axes[2], _plane(result, "twin_by_sml"), truth, "trained on sML")
    _save(figure, path)
    return (
        "The twin, segmented by networks trained on either simulation: missed solid is red, pore "
        "labelled as solid is blue. As figure A1 of the paper, but with the truth."
    )


def look(study: Study, path: Path) -> str:
    """Draw figure 5: Monte Carlo, twin, adapted, and their histograms."""
    result = _first(study, "adaptation")
    figure, axes = plt.subplots(1, 4, figsize=(12, 3.3))
    for axis, step, words in zip(
        axes, ("mc", "twin", "smcda"), ("sMC", "twin", "sMCDA"), strict=False
    ):
        _grey(axis, _plane(result, step), words)
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
    _save(figure, path)
    return (
        "Monte Carlo, the twin, and Monte Carlo adapted to the twin, with histograms, each stack "
        "in its own grey scale. As figure 5 of the paper."
    )


def synthetic(study: Study, path: Path) -> str:
    """Draw figure B1: test slices of synthetic data, segmented."""
    result = _first(study, "adaptation")
    figure, axes = plt.subplots(1, 4, figsize=(12, 3.3))
    gold = result["gold"]
    assert isinstance(gold, Labels)
    z = round(TEST_SLICE * len(gold.data))
    parts = (("mc", "sMC", "mc_by_smc"), ("smcda", "sMCDA", "smcda_by_smcda"))
    for pair, (step, words, found) in zip(axes.reshape(2, 2), parts, strict=True):
        _grey(pair[0], _plane(result, step, z), f"test slice of {words}")
        _errors(pair[1], _plane(result, found, z), _plane(result, "gold", z), "segmented")
    _save(figure, path)
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
        result = _first(study, "adaptation", preset)
        truth = _plane(result, "sample")
        _grey(line[0], _plane(result, "twin"), f"{preset} twin")
        for axis, (name, words) in zip(line[1:], names.items(), strict=True):
            _errors(axis, _plane(result, "twin_by_" + name), truth, words)
    _save(figure, path)
    return (
        "The twins, segmented by networks that were trained in four ways; colours as above. As "
        "figure B2 of the paper."
    )


def reprojection(study: Study, path: Path) -> str:
    """Draw where a reconstruction disagrees with the picture, beside its hidden errors."""
    result = _first(study, "adaptation", _worst(study))
    again = result["truth_again"]
    assert isinstance(again, Images)
    z = again.shape[0] // 2  # the stacks are imaged again in part, from the first slice on
    truth = _plane(result, "sample", z)
    figure, axes = plt.subplots(2, 3, figsize=(9, 6.2))
    for line, name, words in zip(
        axes, ("smc", "random"), ("only ML", "domain randomisation"), strict=True
    ):
        step = "twin_by_" + name
        _grey(line[0], _plane(result, step + "_again", z), f"{words}: imaged again")
        picture = line[1].imshow(
            _plane(result, step + "_reprojection.map", z), cmap="magma", vmin=0, vmax=8
        )
        line[1].set_title("left over (1: noise)", fontsize=9)
        figure.colorbar(picture, ax=line[1], fraction=0.046)
        _errors(line[2], _plane(result, step, z), truth, "hidden errors")
    _save(figure, path)
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
    _save(figure, path)
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
    result = _first(study, "simulation")
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
    _save(figure, path)
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
        history = _first(study, pipeline)[step + ".history"]
        assert isinstance(history, Table)
        _curves(line[0], history, ("generator_loss", "discriminator_loss"))
        _curves(line[1], history, ("cycle_loss", "identity_loss"))
        _curves(line[2], history, ("validation_score", "spectrum_distance", "noise_distance"))
        line[1].set_title(words, fontsize=9)
    _save(figure, path)
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


FIGURES: dict[str, Callable[[Study, Path], str]] = {
    "simulation": simulation,
    "two_networks": two_networks,
    "look": look,
    "synthetic": synthetic,
    "on_twin": on_twin,
    "reprojection": reprojection,
    "ranking": ranking,
    "network": network,
    "translators": translators,
}
