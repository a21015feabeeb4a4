"""The example of domain adaptation, small."""

from __future__ import annotations

import json
from pathlib import Path

from fibcore.formats import read_table, read_volume

EXAMPLE = Path(__file__).parents[2] / "examples" / "domain_adaptation.json"

SMALL = [
    *(
        f"{structure}.{setting}"
        for structure in ("train_structure", "truth")
        for setting in ("shape=[16,48,48]", "waves=[200,200]")
    ),
    "train_images.electrons_per_pixel=20",
    "ideal.electrons_per_pixel=20",
    *(
        f"{network}.{setting}"
        for network in ("unet_plain", "unet_gan", "unet_randomised")
        for setting in ("epochs=1", "patches_per_epoch=16", "base_channels=2", "patch=32")
    ),
    *(
        f"{network}.cpu_threads=1"
        for network in ("unet_plain", "unet_gan", "unet_randomised", "gan")
    ),
    *("gan.epochs=1", "gan.steps_per_epoch=2", "gan.patch=32", "gan.base_channels=4"),
    "translated.on_label_change=warn",
]


def test_a_stack_with_hidden_truth_is_segmented_with_and_without_adaptation(processes):
    settings = [word for setting in SMALL for word in ("--set", setting)]
    processes("run", str(EXAMPLE), *settings)
    (provenance,) = (processes.folder / "runs" / "domain_adaptation").glob("*/provenance.json")
    record = json.loads(provenance.read_text())
    assert record["status"] == "finished"
    folders = {path.name.split("-", 1)[1]: path for path in provenance.parent.glob("[0-9]*-*")}
    assert read_volume(folders["stack"] / "images.tif").data.dtype == "uint8"
    for errors in ("errors_plain", "errors_gan", "errors_randomised"):
        assert 0 < read_table(folders[errors] / "table.csv")["mp_percent"][0] < 100
    assert "before_spectrum_distance" in read_table(folders["gap"] / "table.csv")
    assert "contrast" in read_table(folders["labels_kept"] / "table.csv")
