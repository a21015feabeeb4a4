"""The example of a raw stack, small."""

from __future__ import annotations

from pathlib import Path

from fibcore.formats import read_table, read_volume

EXAMPLE = Path(__file__).parents[2] / "examples" / "raw_stack.json"

SMALL = [
    "truth.shape=[40,176,144]",
    "truth.waves=200",
    "train_structure.shape=[16,48,48]",
    "train_structure.waves=200",
    "unet.epochs=1",
    "unet.patches_per_epoch=16",
    "unet.base_channels=2",
    "unet.patch=32",
    "unet.cpu_threads=1",
]


def test_a_raw_stack_is_corrected_segmented_and_scored(shell):
    done = shell("run", str(EXAMPLE), *(word for text in SMALL for word in ("--set", text)))
    for word in ("errors_unet", "errors_otsu", "mp_percent"):
        assert word in done.out
    (record,) = (shell.folder / "runs" / "raw_stack").glob("*/provenance.json")
    steps = {path.name.split("-", 1)[1]: path for path in record.parent.glob("[0-9]*-*")}
    raw, corrected = (read_volume(steps[name] / "images.tif") for name in ("raw", "corrected"))
    truth = read_volume(steps["corrected"] / "labels.tif")
    assert truth.shape == corrected.shape != raw.shape
    assert corrected.voxel_size_nm == (5.0, 5.0, 5.0)
    true_places = read_table(steps["raw"] / "slices.csv")
    assert len(true_places) == raw.shape[0]
    errors = read_table(steps["errors_otsu"] / "table.csv")
    assert errors["mp_percent"][0] < 30
