"""``fib reconstruct``, from a stack to figures."""

from __future__ import annotations

import json
from fnmatch import fnmatch

import numpy as np
from scipy.ndimage import gaussian_filter

from fibcore import Images, write_volume

OPTIONS = ("--solid", "Au", "--pore", "epoxy", "--quick", "--device", "cpu")
SMALL = {
    "structure*": {"shape": [16, 48, 48], "candidates": 10, "families": ["leveled_wave"]},
    "world*": {"pairs_per_epoch": 1},
    "unet*": {"epochs": 1, "patches_per_epoch": 16, "base_channels": 2, "patch": 32},
    "bars*": {"twins": 8},
    "calibrated": {"pairs": 2},
    "adequacy": {"stacks": 19, "patches": 32, "patch_pixels": 16},
}
"""Steps -> parameters of a pipeline that takes seconds."""


def write_stack(shell):
    rng = np.random.default_rng(0)
    field = gaussian_filter(rng.standard_normal((12, 96, 96)), (2, 4, 4), mode="wrap")
    grey = gaussian_filter(np.where(field > np.quantile(field, 0.6), 160.0, 60.0), (0, 1, 1))
    grey += 6 * rng.standard_normal(grey.shape)
    images = Images(np.clip(grey, 0, 255).astype(np.uint8), (10.0, 5.0, 5.0), (2.0,))
    write_volume(images, shell.folder / "gold.tif")


def test_a_stack_is_looked_at_and_reconstructed_and_an_edited_pipeline_goes_on(shell):
    write_stack(shell)
    done = shell("reconstruct", "gold.tif", *OPTIONS, "--dry-run")
    assert "12 slices of 96 x 96 pixels" in done.out
    assert "training, first round" in done.out
    assert "wrote gold-reconstruction/pipeline.json" in done.out
    folder = shell.folder / "gold-reconstruction"
    assert not (folder / "runs").exists()

    content = json.loads((folder / "pipeline.json").read_text())
    for step in content["steps"]:
        for pattern, values in SMALL.items():
            if fnmatch(step["id"], pattern):
                step["params"] = {**step.get("params", {}), **values}
    (folder / "pipeline.json").write_text(json.dumps(content))

    done = shell("reconstruct", "gold.tif", *OPTIONS)
    assert "resuming gold-reconstruction/pipeline.json, which was edited" in done.out
    assert "the stack " in done.out
    assert "solid fraction" in done.out
    assert len(list(folder.glob("runs/*/*/report.html"))) == 1

    refused = shell("reconstruct", "gold.tif", *OPTIONS, "--kv", "4", code=2)
    assert "To start over, delete gold-reconstruction/pipeline.json" in refused.err


def test_an_error_before_work_is_one_message_and_writes_nothing(shell):
    write_stack(shell)
    unknown = shell("reconstruct", "gold.tif", "--solid", "Gld", code=2)
    assert unknown.err.startswith("error: --solid Gld: no material 'Gld'")
    both = shell("reconstruct", "gold.tif", *OPTIONS, "--budget", "5m", code=2)
    assert "exclude each other" in both.err
    missing = shell("reconstruct", "nothing.tif", *OPTIONS, code=2)
    assert "nothing.tif" in missing.err
    alike = shell("reconstruct", "gold.tif", "--solid", "carbon black", code=2)
    assert "same backscatter coefficient" in alike.err
    assert sorted(path.name for path in shell.folder.iterdir()) == ["gold.tif"]
