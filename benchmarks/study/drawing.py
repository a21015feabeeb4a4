"""Shared by the figures of the study: slices, and labels with their errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import numpy as np
from matplotlib import pyplot as plt

from fibcore import Images, Labels
from fibcore.pipeline import RunResult

from ..pages import picture, save
from .results import Study

Figure = Callable[[Study, Path], str]
"""Saves a figure of a study in a file, and returns its caption."""

COLOURS = ("#1b6ca8", "#d1495b", "#66a182", "#edae49", "#6b5b95")


def draw(figures: Mapping[str, Figure], study: Study, folder: Path) -> dict[str, str]:
    """Save all figures; return each as Markdown with its caption, by name."""
    found = {}
    for name, figure in figures.items():
        file = folder / f"{name}.png"
        found[name] = picture(file, name.replace("_", " "), figure(study, file))
    return found


def first(study: Study, pipeline: str, preset: str = "typical") -> RunResult:
    """Return the run of a pipeline at 2 kV with the first seed."""
    return study.runs[study.cells(pipeline, 2, preset)[0]]


def plane(result: RunResult, reference: str, z: int | None = None) -> np.ndarray:
    """Return a slice of a volume: the middle, which volumes of equal depth share, or that at z."""
    volume = result[reference]
    assert isinstance(volume, (Images, Labels))
    data = volume.data if isinstance(volume, Labels) else volume.data[0]
    return np.asarray(data[len(data) // 2 if z is None else z])


def grey(axis: Any, image: np.ndarray, title: str) -> None:
    """Draw a slice from its darkest to its brightest grey value, without outliers."""
    low, high = np.quantile(image, [0.005, 0.995])
    axis.imshow(image, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
    axis.set_title(title, fontsize=9)


def errors(axis: Any, found: np.ndarray, truth: np.ndarray, title: str) -> None:
    """Draw labels: white solid and black pore; red where solid is missed, blue where invented."""
    picture = np.repeat(np.where(truth > 0, 235, 25)[..., None], 3, axis=2).astype(np.uint8)
    picture[(truth > 0) & (found == 0)] = (209, 73, 91)
    picture[(truth == 0) & (found > 0)] = (47, 128, 237)
    axis.imshow(picture, interpolation="nearest")
    axis.set_title(title, fontsize=9)


def finish(figure: Any, path: Path) -> None:
    """Save a figure; axes of images have no ticks."""
    for axis in figure.axes:
        if axis.images:
            axis.set_xticks([])
            axis.set_yticks([])
    figure.tight_layout()
    save(figure, path, dpi=110)
    plt.close(figure)
