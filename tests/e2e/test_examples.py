"""The example pipelines: they run as they are, and the templates are the same files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from scipy import ndimage

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
TINY = ["unet.epochs=1", "unet.patches_per_epoch=16", "unet.base_channels=2"]


def settings(*texts):
    return [word for text in texts for word in ("--set", text)]


@pytest.mark.parametrize("name", ["quickstart.json", "my_stack.json", "my_electrode.json"])
def test_a_template_is_the_example(name):
    template = ROOT / "plugins" / "commands" / "templates" / name
    assert template.read_bytes() == (EXAMPLES / name).read_bytes()


def test_every_example_is_tested_here_or_in_the_docs():
    assert {path.name for path in EXAMPLES.glob("*.json")} == {
        "quickstart.json",
        "my_stack.json",
        "my_electrode.json",  # test_example_electrode.py
        "real_structure.json",
        "monte_carlo.json",
        "endless.json",
        "surrogate.json",
        "physics.json",  # test_example_physics.py
        "ml_simulation.json",  # test_example_ml_simulation.py
        "domain_adaptation.json",  # test_example_domain_adaptation.py
        "electrode.json",  # test_example_electrode.py
        "raw_stack.json",  # test_example_raw_stack.py
        "demo_stack.json",  # test_example_demo.py
    }


def test_a_reconstruction_is_imaged_segmented_and_scored(processes):
    noise = np.random.default_rng(0).standard_normal((40, 64, 64))
    smooth = ndimage.gaussian_filter(noise, 4)
    grey = np.where(smooth > np.quantile(smooth, 0.65), 250, 3).astype(np.uint8)
    tifffile.imwrite(processes.folder / "scan.tif", grey, photometric="minisblack")
    done = processes(
        "run",
        str(EXAMPLES / "real_structure.json"),
        *settings("scan.load=scan.tif", "virtual_structure.waves=200", *TINY),
    )
    for word in ("metric/overlap", "metric/anisotropy", "metric/morphology", "mds"):
        assert word in done.out
    (provenance,) = (processes.folder / "runs" / "real_structure").glob("*/provenance.json")
    steps = {step["id"]: step for step in json.loads(provenance.read_text())["steps"]}
    assert steps["scan"]["files"]["sha256"]
    with tifffile.TiffFile(provenance.parent / "02-truth" / "labels.tif") as tif:
        truth = tif.asarray()
    assert truth.mean() == pytest.approx(0.35, abs=0.001)


def test_monte_carlo_images_show_more_of_what_lies_below_at_higher_voltage(processes):
    done = processes(
        "run",
        str(EXAMPLES / "monte_carlo.json"),
        *settings("gold.shape=[16, 32, 32]", "gold.waves=[200, 200]", "mc.electrons_per_pixel=20"),
    )
    assert "errors_4kv" in done.out
    (run,) = (processes.folder / "runs" / "monte_carlo").glob("*/provenance.json")
    with tifffile.TiffFile(run.parent / "01-gold" / "labels.tif") as tif:
        pore = tif.asarray() == 0
    with tifffile.TiffFile(run.parent / "02-mc" / "images.tif") as tif:
        images = np.moveaxis(tif.asarray(), 1, 0)  # ImageJ keeps channels after slices
    brightness = [float(image[pore].mean()) for image in images]
    assert images.shape == (3, 16, 32, 32)
    assert brightness[0] < brightness[1] < brightness[2]
    with tifffile.TiffFile(run.parent / "04-surrogate" / "images.tif") as tif:
        fast = np.moveaxis(tif.asarray(), 1, 0)
    assert [float(image[pore].mean()) for image in fast] == pytest.approx(brightness, abs=0.02)


def test_a_surrogate_is_taught_and_compared_with_monte_carlo(processes):
    done = processes(
        "run",
        str(EXAMPLES / "surrogate.json"),
        *settings(
            "gold.shape=[16, 32, 32]",
            "gold.waves=[100, 100]",
            "taught.teaching_structures=8",
            "taught.teaching_shape=[24, 32, 32]",
            "taught.teaching_slices=1",
            "taught.rounds=1",
            "taught.steps=10",
            "taught.features=8",
            "surrogate.on_failure=warn",
            "monte_carlo.electrons_per_pixel=5",
        ),
    )
    assert "spectrum_distance_ratio" in done.out
    (run,) = (processes.folder / "runs" / "surrogate").glob("*/provenance.json")
    kept = {path.name for path in run.parent.glob("*/*.csv")}
    assert {"referee.csv", "accuracy.csv", "history.csv"} <= kept


def test_a_network_is_trained_on_pairs_without_end(shell):
    done = shell(
        "run",
        str(EXAMPLES / "endless.json"),
        *settings(
            "structure.shape=[24, 64, 64]",
            'endless.structures=[{"plugin": "generator/leveled_wave", "params": {"shape": 32, '
            '"voxel_size_nm": 3.26, "waves": 50, "solid_fraction": 0.4, '
            '"ligament_diameter_nm": {"between": [18, 30]}}}]',
            "unet_*.epochs=2",
            "unet_*.patches_per_epoch=32",
        ),
    )
    assert "errors_endless" in done.out
    (run,) = (shell.folder / "runs" / "endless").glob("*/provenance.json")
    pair = {path.name for path in (run.parent / "05-endless").iterdir()}
    assert {"images.tif", "labels.tif", "model.json", "model.safetensors"} <= pair
    assert '"adapter/acquisition"' in (run.parent / "05-endless" / "model.json").read_text()
