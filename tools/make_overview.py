"""Draw the picture of the README: results of the quickstart pipeline.

    python tools/make_overview.py [--out docs/overview.png]

It runs ``examples/quickstart.json`` (a few minutes; finished steps are reused) and draws blocks of
its volumes: the front is slice 0, the face that is imaged first; z points into the sample.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Affine2D
from PIL import Image

from fibcore.pipeline import RunResult, check_pipeline, read_pipeline, run_pipeline

PIPELINE = Path(__file__).parents[1] / "examples" / "quickstart.json"
PORE, SOLID, WRONG = (0.23, 0.30, 0.37), (0.93, 0.77, 0.42), (0.84, 0.10, 0.38)
BACK = (0.42, 0.30)
"""Displacement of a unit of z in the picture, in units of x and y."""
SHADES = {"front": 1.0, "top": 0.88, "side": 0.72}
WAYS = {"otsu": "Otsu's threshold", "kmeans": "k-means", "u-net": "U-Net, 2.5-D"}


def draw(run: RunResult) -> Figure:
    """Return the strip: structure, images, two segmentations, figures."""
    figure = Figure(figsize=(13.2, 3.3), dpi=100)
    truth, images = run["structure"], run["images"]
    grey = np.asarray(images)[0]
    low, high = np.percentile(grey, (0.5, 99.5))
    bright = np.clip((grey - low) / (high - low), 0, 1)
    blocks = [
        ("virtual structure", "generator/leveled_wave", coloured(truth)),
        ("imaged at 2 kV", "simulator/surrogate", np.repeat(bright[..., None], 3, -1)),
        ("Otsu's threshold", "segmenter/threshold", coloured(run["by_otsu"], truth)),
        ("trained network", "segmenter/unet", coloured(run["by_unet"], truth)),
    ]
    for number, (title, plugin, colours) in enumerate(blocks):
        axes = figure.add_axes((0.005 + 0.208 * number, 0.0, 0.19, 1.0))
        block(axes, colours)
        heading(axes, title, plugin)
        between = "or" if plugin == "segmenter/threshold" else "\N{RIGHTWARDS ARROW}"
        place = (0.202 + 0.208 * number, 0.42)
        figure.text(*place, between, fontsize=16, color="0.4", ha="center", va="baseline")
    scale_bar(figure.axes[0], truth.voxel_size_nm[2])
    legend(figure.axes[0], {"solid": SOLID, "pore": PORE}, left=90)
    legend(figure.axes[2], {"wrong phase": WRONG}, left=0)
    legend(figure.axes[3], {"wrong phase": WRONG}, left=0)
    bars(figure.add_axes((0.86, 0.1, 0.078, 0.62)), run)
    return figure


def coloured(labels: Any, truth: Any = None) -> np.ndarray:
    """Return labels in colours, (z, y, x, 3); where they differ from a truth, in that of errors."""
    colours = np.where(labels.solid[..., None], SOLID, PORE)
    return (
        colours
        if truth is None
        else np.where((labels.data != truth.data)[..., None], WRONG, colours)
    )


def block(axes: Axes, colours: np.ndarray) -> None:
    """Draw three faces of a volume of colours: front z = 0, top y = 0, side x = last."""
    depth, height, width, _ = colours.shape
    back = Affine2D.from_values
    dx, dy = BACK
    faces = {
        "front": (colours[0], Affine2D()),
        "top": (colours[:, 0], back(1, 0, dx, -dy, 0, 0)),
        "side": (colours[:, :, -1].transpose(1, 0, 2), back(dx, -dy, 0, 1, width, 0)),
    }
    for name, (face, place) in faces.items():
        rows, columns = face.shape[:2]
        picture = axes.imshow(
            face * SHADES[name], extent=(0, columns, rows, 0), interpolation="nearest"
        )
        picture.set_transform(place + axes.transData)
    axes.set_xlim(-2, width + dx * depth + 2)
    axes.set_ylim(height + 22, -dy * depth - 46)
    axes.set_aspect("equal")
    axes.axis("off")


def heading(axes: Axes, title: str, plugin: str) -> None:
    """Write the title of a panel, and the plugin that made it, at the top of the figure."""
    figure = axes.figure
    left = axes.get_position().x0
    figure.text(left, 0.985, title, va="top", fontsize=17, weight="bold")
    figure.text(left, 0.865, plugin, va="top", fontsize=12, color="0.35")


def scale_bar(axes: Axes, voxel_nm: float, length_nm: float = 100) -> None:
    """Draw a scale bar below the front of a block."""
    axes.plot([0, length_nm / voxel_nm], [138, 138], color="black", linewidth=3, clip_on=False)
    axes.text(length_nm / voxel_nm + 4, 138, f"{length_nm:g} nm", va="center", fontsize=12)


def legend(axes: Axes, colours: dict[str, tuple[float, float, float]], left: float) -> None:
    """Name colours below the front of a block."""
    for name, colour in colours.items():
        axes.plot(left + 3, 138, "s", color=colour, markersize=8, clip_on=False)
        axes.text(left + 9, 138, name, va="center", fontsize=12)
        left += 44


def bars(axes: Axes, run: RunResult) -> None:
    """Draw how much of the volume each segmenter has given the wrong phase."""
    wrong = [float(run[step]["mp_percent"][0]) for step in WAYS]
    colours = [WRONG, WRONG, SOLID]
    axes.barh(range(len(WAYS)), wrong, color=colours, height=0.5)
    for row, (name, value) in enumerate(zip(WAYS.values(), wrong, strict=True)):
        axes.text(0, row - 0.3, name, va="bottom", fontsize=12)
        axes.text(value + 0.6, row, f"{value:.1f} %", va="center", fontsize=13, weight="bold")
    axes.invert_yaxis()
    axes.set_xlim(0, max(wrong))
    axes.axis("off")
    heading(axes, "wrong voxels", "metric/overlap")


def main() -> None:
    """Run the pipeline, draw, write a PNG of few colours."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/overview.png"))
    arguments = parser.parse_args()
    plan = check_pipeline(read_pipeline(PIPELINE).data, base=PIPELINE.parent)
    run = run_pipeline(plan, out=Path("runs"), cache=Path(".fib-cache"))
    png = io.BytesIO()
    draw(run).savefig(png, format="png", facecolor="white")
    picture = Image.open(png).convert("RGB").quantize(128, dither=Image.Dither.NONE)
    picture.save(arguments.out, optimize=True)
    print(f"{arguments.out}: {arguments.out.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
