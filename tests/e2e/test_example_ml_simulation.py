"""The example of Monte-Carlo-like images, small."""

from __future__ import annotations

import json
from pathlib import Path

import tifffile

from fibcore.formats import read_table

EXAMPLE = Path(__file__).parents[2] / "examples" / "ml_simulation.json"

SMALL = [
    *(f"{step}.waves=[200,200]" for step in ("gold", "other_gold", "test_gold")),
    *(f"{step}.shape=[16,48,48]" for step in ("gold", "other_gold")),
    "test_gold.shape=[8,48,48]",
    *(f"{step}.electrons_per_pixel=20" for step in ("mc", "test_mc")),
    "coefficients.electrons=500",
    "network.epochs=20",
    "gan.patch=32",
    "gan.epochs=4",
    "gan.steps_per_epoch=25",
    "gan.base_channels=8",
    "gan.discriminator_channels=8",
    "gan.cpu_threads=1",
    "translated.on_label_change=warn",
    *(
        f"unet_{name}.{setting}"
        for name in ("weighted", "translated", "mc")
        for setting in ("patch=32", "epochs=1", "patches_per_epoch=16", "base_channels=2")
    ),
]


def test_translated_projections_come_closer_to_monte_carlo_images(processes):
    settings = [word for setting in SMALL for word in ("--set", setting)]
    processes("run", str(EXAMPLE), *settings)
    (provenance,) = (processes.folder / "runs" / "ml_simulation").glob("*/provenance.json")
    assert json.loads(provenance.read_text())["status"] == "finished"
    folders = {path.name.split("-", 1)[1]: path for path in provenance.parent.glob("[0-9]*-*")}
    (gap,) = read_table(folders["gap"] / "table.csv").rows()
    (floor,) = read_table(folders["floor"] / "table.csv").rows()
    assert gap["noise_distance"] < 0.5 * gap["before_noise_distance"]
    assert floor["noise_distance"] < gap["before_noise_distance"]
    history = read_table(folders["gan"] / "history.csv")
    assert list(history["epoch"]) == [1, 2, 3, 4]
    with tifffile.TiffFile(folders["gan"] / "samples.tif") as tif:
        assert tif.asarray().shape == (4, 32, 96)
    report = (provenance.parent / "report.html").read_text(encoding="utf-8")
    assert report.count(">best epoch") > 9  # in the charts of losses and distances
