"""The example of an electrode with open pores, and the pipeline for own stacks, small."""

from __future__ import annotations

from pathlib import Path

import pytest

from fibcore.formats import read_table, read_volume, write_volume

EXAMPLES = Path(__file__).parents[2] / "examples"

SMALL = [
    "electrode.shape=[12,40,40]",
    "electrode.diameter_nm=500",
    "electrode.diameter_std_nm=150",
    "electrode.fraction=expected",
    "electrode_images.electrons_per_pixel=8",
    "unet.epochs=1",
    "unet.patches_per_epoch=16",
    "unet.base_channels=2",
    "unet.patch=32",
    "unet.cpu_threads=1",
]
TWIN = [
    "truth.shape=[8,40,40]",
    "truth.diameter_nm=400",
    "truth.diameter_std_nm=100",
    "ideal.electrons_per_pixel=40",
    "by_mode.method=otsu",  # no narrow mode in so few voxels
]


def settings(texts):
    return [word for text in texts for word in ("--set", text)]


def steps_of(folder, name):
    (record,) = (folder / "runs" / name).glob("*/provenance.json")
    return {path.name.split("-", 1)[1]: path for path in record.parent.glob("[0-9]*-*")}


@pytest.fixture
def recorded(shell):
    """Folders of the steps of the example."""
    done = shell("run", str(EXAMPLES / "electrode.json"), *settings(SMALL + TWIN))
    for word in ("errors_unet", "errors_otsu", "errors_mode", "errors_face", "mp_percent"):
        assert word in done.out
    return steps_of(shell.folder, "electrode")


def test_two_detectors_are_simulated_learned_and_segmented(shell, recorded):
    stack = read_volume(recorded["stack"] / "images.tif")
    assert stack.detectors == ("bse", "se")
    assert stack.kv == (2.0, 2.0)
    labels = read_volume(recorded["by_unet"] / "labels.tif")
    assert labels.shape == stack.shape
    assert read_table(recorded["errors_otsu"] / "table.csv")["mp_percent"][0] < 40
    for number, detector in enumerate(("bse", "se")):
        write_volume(stack[number : number + 1], shell.folder / f"{detector}.tif")
    shell("init", "my-electrode")
    shell("run", "my_electrode.json", *settings(SMALL))
    own = steps_of(shell.folder, "my_electrode")
    assert read_volume(own["prepared"] / "images.tif").detectors == ("bse", "se")
    assert set(read_volume(own["by_unet"] / "labels.tif").phases) == {0, 1}
