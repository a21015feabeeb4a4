"""Memory that steps need, against what they forecast: ``python -m benchmarks.memory``.

Each step runs in a process of its own, after a run on a small volume that loads and compiles what
it uses. Measured is the peak of anonymous memory above that before the run: memory-mapped files,
which the system reads and drops as it likes, are no memory.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from fibcore import Images, Labels, check_pipeline, run_pipeline
from fibcore.errors import sized
from fibcore.formats import write_volume
from fibcore.materials import EPOXY, GOLD

from .peak_memory import PeakMemory

SMALL, LARGE = (24, 96, 96), (96, 768, 768)

Step = dict[str, Any]
GREY = {"images": "images"}
SOLID = {"prediction": "labels"}
PAIR = {"images": "images", "labels": "labels"}


def _run(identifier: str, inputs: Step, **params: Any) -> list[Step]:
    return [{"id": "step", "run": identifier, "inputs": inputs, "params": params}]


def _applied(identifier: str, fit: Step, inputs: Step, **params: Any) -> list[Step]:
    fitted = {"id": "fitted", "fit": identifier, "inputs": fit, "params": params}
    return [fitted, {"id": "step", "apply": "fitted", "inputs": inputs}]


def _fitted(identifier: str, inputs: Step, **params: Any) -> list[Step]:
    return [{"id": "step", "fit": identifier, "inputs": inputs, "params": params}]


def cases(shape: tuple[int, ...]) -> dict[str, list[Step]]:
    """Return steps by name; the last one, ``step``, is measured."""
    first = {"from": "images", "z": [0.0, 0.3]}
    solid = {"from": "labels", "z": [0.0, 0.3]}
    few = {"images": first, "labels": solid}
    quick = {"patch": 32, "patches_per_epoch": 8, "epochs": 1, "base_channels": 8, "depth": 2}
    return {
        "leveled_wave": _run(
            "generator/leveled_wave", {}, shape=list(shape), voxel_size_nm=5,
            ligament_diameter_nm=40, solid_fraction=0.4, waves=100,
        ),
        "spinodal": _run(
            "generator/spinodal", {}, shape=list(shape), voxel_size_nm=5,
            ligament_diameter_nm=120, solid_fraction=0.4, coarsening=1.6,
        ),
        "foam": _run(
            "generator/foam", {}, shape=list(shape), voxel_size_nm=5, cells="closed",
            cell_diameter_nm=150, solid_fraction=0.4, arrangement="random",
        ),
        "particles": _run(
            "generator/particles", {}, shape=list(shape), voxel_size_nm=5, diameter_nm=60,
            diameter_std_nm=20, solid_fraction=0.5,
        ),
        "electrode": _run(
            "generator/electrode", {}, shape=list(shape), voxel_size_nm=50, diameter_nm=1500,
            diameter_std_nm=700,
        ),
        "resembling_fit": _fitted("generator/resembling", {"labels": "labels"}, candidates=20),
        "weighted_projection": _run(
            "simulator/weighted_projection", {"labels": "labels"}, energies_kev=[2]
        ),
        "surrogate": _run(
            "simulator/surrogate", {"labels": "labels"}, energies_kev=[2], referee_share=1e-6,
            on_failure="warn",
        ),
        "twin": _run("adapter/twin", GREY, preset="bad"),
        "twin_raw": _run("adapter/twin", GREY, preset="bad", raw=True),
        "twin_off": _run("adapter/twin", GREY),
        "acquisition": _run("adapter/acquisition", GREY, preset="bad"),
        "acquisition_off": _run("adapter/acquisition", GREY),
        "grains": _run("adapter/grains", PAIR, grain_diameter_nm=60),
        "histogram_match": _applied(
            "adapter/histogram_match", {"source": first, "target": first}, GREY
        ),
        "threshold": _run("segmenter/threshold", GREY),
        "kmeans": _run("segmenter/kmeans", GREY),
        "random_forest": _applied("segmenter/random_forest", few, GREY, trees=4),
        "random_forest_fit": _fitted("segmenter/random_forest", PAIR, trees=4),
        "unet_fit": _fitted("segmenter/unet", PAIR, **quick),
        "unet": _applied("segmenter/unet", few, GREY, **quick),
        "overlap": _run("metric/overlap", {**SOLID, "truth": "labels"}),
        "morphology": _run("metric/morphology", SOLID),
        "anisotropy": _run("metric/anisotropy", SOLID),
        "disagreement": _run("metric/disagreement", {"labels": "labels", "others": ["labels"]}),
        "domain_gap": _run("metric/domain_gap", {**GREY, "reference": "images"}),
        "label_consistency": _run("metric/label_consistency", PAIR),
        "reprojection": _run("metric/reprojection", {**GREY, "reimaged": "images"}),
    }  # fmt: skip


def measured(name: str, folder: Path, shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the forecast and the measured memory of a step, in bytes."""
    for size in (SMALL, shape):
        here = folder / "x".join(map(str, size))
        steps = [{"id": part, "load": str(here / f"{part}.tif")} for part in ("images", "labels")]
        document = {"version": 1, "name": name, "seed": 1, "steps": [*steps, *cases(size)[name]]}
        plan = check_pipeline(document, base=here)
        runs, cache = here / "runs", here / "cache"
        run_pipeline(plan, out=runs, cache=cache, stop=plan.steps[-2].id)
        with PeakMemory() as peak:
            run_pipeline(plan, out=runs, cache=cache)
    return plan.steps[-1].expected.memory_bytes, peak.bytes


def write_inputs(folder: Path, shape: tuple[int, ...]) -> None:
    """Write a noisy stack, and its labels, of a structure that repeats."""
    from scipy import ndimage

    rng = np.random.default_rng(1)
    part = ndimage.gaussian_filter(rng.normal(size=(24, 96, 96)), 4, mode="wrap")
    times = [-(-n // edge) for n, edge in zip(shape, part.shape, strict=True)]
    z, y, x = shape
    labels = np.tile(part > np.quantile(part, 0.6), times)[:z, :y, :x].astype(np.uint8)
    images = np.empty((1, *shape), np.uint8)
    for number, plane in enumerate(labels):
        images[0, number] = 60 + 100 * plane + rng.integers(0, 60, plane.shape)
    folder.mkdir(parents=True)
    size = (3.26, 3.26, 3.26)
    write_volume(Labels(labels, size, {0: EPOXY, 1: GOLD}), folder / "labels.tif")
    write_volume(Images(images, size, (2.0,)), folder / "images.tif")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help=f"of {', '.join(cases(SMALL))}")
    parser.add_argument("--shape", type=int, nargs=3, default=list(LARGE))
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    shape = tuple(args.shape)
    if args.measure:
        print(json.dumps(measured(args.names[0], args.measure, shape)))
        return
    print(f"{' x '.join(map(str, shape))} voxels, 8 bits")
    print(f"{'step':<24}{'forecast':>12}{'measured':>12}{'ratio':>8}")
    for name in args.names or cases(SMALL):
        with tempfile.TemporaryDirectory() as folder:
            for size in (SMALL, shape):
                write_inputs(Path(folder) / "x".join(map(str, size)), size)
            command = [sys.executable, "-m", "benchmarks.memory", name, "--measure", folder]
            done = subprocess.run(
                [*command, "--shape", *map(str, shape)], capture_output=True, text=True, check=False
            )
            if done.returncode:
                print(f"{name:<24}{done.stderr.strip().splitlines()[-1]}")
                continue
            forecast, peak = json.loads(done.stdout.splitlines()[-1])
            ratio = forecast / max(peak, 1)
            print(f"{name:<24}{sized(forecast):>12}{sized(peak):>12}{ratio:>8.2f}", flush=True)


if __name__ == "__main__":
    main()
