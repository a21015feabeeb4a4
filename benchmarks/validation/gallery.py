"""Images of one slice at 1, 2 and 4 kV, and its truth."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.colors import ListedColormap

from fib_plugins.generators.hierarchical_leveled_wave import HierarchicalLeveledWave
from fib_plugins.segmenters.threshold import Threshold
from fibcore import Images

from .page import Section
from .simulations import Bench
from .style import PHASES, mosaic

SHAPE = (64, 160, 160)
VOXEL_NM = 3.0
ENERGIES_KEV = (1.0, 2.0, 4.0)
ELECTRONS_PER_PIXEL = 200
CUT_VOXELS = 44
"""Depth shown of the vertical cut."""


def section(bench: Bench) -> Section:
    """Return the section."""
    structure = HierarchicalLeveledWave(
        shape=SHAPE,
        voxel_size_nm=VOXEL_NM,
        ligament_diameters_nm=(90, 21),
        solid_fractions=(0.5, 0.6),
    ).generate(seed=4)
    images = bench.images(structure, ENERGIES_KEV, ELECTRONS_PER_PIXEL, slices=(0, 1))[:, 0]
    page = Section("What images look like")
    page.text(
        f"""One slice of a hierarchical leveled wave, gold in epoxy, {SHAPE[2]} x {SHAPE[1]} pixels
        of {VOXEL_NM:g} nm, {ELECTRONS_PER_PIXEL} electrons per pixel: its truth, its images, and
        the cut below the dashed line. At higher voltages deeper solid shines through the epoxy,
        and edges are less sharp."""
    )
    phases = ListedColormap(PHASES[:2])
    row = SHAPE[1] // 2
    width, depth = SHAPE[2] * VOXEL_NM, CUT_VOXELS * VOXEL_NM
    with mosaic([["truth", "1 kV", "2 kV", "4 kV"], ["cut"] * 4], 4.3) as (figure, axes):
        face: dict[str, Any] = {"extent": (0.0, width, width, 0.0), "interpolation": "nearest"}
        axes["truth"].imshow(structure.data[0], cmap=phases, **face)
        axes["truth"].axhline(row * VOXEL_NM, color="white", linewidth=0.8, linestyle="--")
        for image, kev in zip(images, ENERGIES_KEV, strict=True):
            low, high = np.quantile(image, [0.002, 0.998])
            axes[f"{kev:g} kV"].imshow(image, cmap="gray", vmin=low, vmax=high, **face)
        axes["cut"].imshow(
            structure.data[:CUT_VOXELS, row],
            cmap=phases,
            interpolation="nearest",
            extent=(0.0, width, depth, 0.0),
        )
        axes["cut"].set_title("beneath the dashed line; depth below the face in nm")
        axes["cut"].set_xticks([])
        axes["cut"].grid(False)
        for name in ("truth", "1 kV", "2 kV", "4 kV"):
            axes[name].set_title(name)
            axes[name].set_axis_off()
        page.figure(
            figure,
            bench.pictures / "gallery.png",
            """A slice of a porous structure, its images at 1, 2 and 4 kV, and a vertical cut
            through the structure below it""",
        )
    rows = []
    truth = structure.data[0] > 0
    for image, kev in zip(images, ENERGIES_KEV, strict=True):
        otsu = Threshold().predict(Images(image[None], structure.voxel_size_nm, kv=(kev,)))
        wrong = np.mean((otsu.data[0] > 0) != truth)
        rows.append(
            [f"{kev:g} kV", f"{image[truth].mean():.3f}", f"{image[~truth].mean():.3f}",
             f"{np.corrcoef(image.ravel(), truth.ravel())[0, 1]:.2f}", f"{100 * wrong:.1f}"]
        )  # fmt: skip
    page.table(
        ["", "mean yield of solid", "of pores", "correlation with the truth",
         "pixels misplaced by Otsu's threshold / %"],
        rows,
    )  # fmt: skip
    return page
