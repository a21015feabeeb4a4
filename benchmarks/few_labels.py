"""A few labels of a twin: what a virtual world teaches, what labels teach, and both.

``python -m benchmarks.few_labels``. Twins are spinodal structures of gold in epoxy, imaged by the
weighted projection and recorded by `adapter/twin`; their truth is hidden but for the labels: 200
scribbled voxels, one slice, or three. A U-Net is trained on a virtual world. The adequate world has
leveled waves of about the twin's size, imaged as the twin is and recorded by an instrument that is
estimated from it. The inadequate one has spheres, a beam of another energy, and images without
noise, blur or stripes.

Figures are misplaced pixels (MP, %) on all slices but those with labels.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from fib_plugins import RandomForest, Tuned
from fib_plugins.unlabelled import UNLABELLED
from fibcore import Context, Images, Labels
from fibcore.registry import registry

from .pages import spread, table

VOXELS: dict[str, Any] = {"shape": [40, 80, 80], "voxel_size_nm": 3.0}
TWIN: dict[str, Any] = {"ligament_diameter_nm": 36, "solid_fraction": 0.4}
UNET: dict[str, Any] = {
    "slices_above": 1,
    "slices_below": 2,
    "base_channels": 8,
    "depth": 2,
    "patch": 32,
    "batch_size": 16,
    "patches_per_epoch": 160,
    "epochs": 8,
    "early_stopping_patience": 8,
    "cpu_threads": 1,
    "instrument_variants": 2,
    "learning_rate": 0.003,
    "augment_offset": 0.2,
    "augment_gain": 0.2,
}
TUNING: dict[str, Any] = {"steps": 160, "steps_cautious": 40, "folds": 2}
"""For small networks on small twins."""
SLICES = (6, 20, 33)
STROKES, STROKE = 10, 10
"""Scribbles in each phase, and the voxels of one."""


def plugin(name: str, **params: Any) -> Any:
    """Return a built-in plugin with parameters."""
    return registry().plugin(name)(**params)


def imaged(labels: Labels, seed: int, energy_kev: float = 2.0) -> Images:
    """Return ideal images of a structure."""
    simulator = plugin("simulator/weighted_projection", energies_kev=[energy_kev])
    images: Images = simulator.simulate(labels, context=Context(seed))
    return images.with_data(images.data, kv=(2.0,), names=())


def twin(seed: int) -> tuple[Images, Labels]:
    """Return the twin of a seed and its truth."""
    truth = plugin("generator/spinodal", **VOXELS, **TWIN).generate(seed=seed)
    recorder = plugin("adapter/twin", preset="typical")
    return recorder.transform(imaged(truth, seed), context=Context(100 + seed)), truth


def adequate(stack: Images, seed: int) -> Any:
    """Return a network trained on a world like the stack."""
    made = plugin(
        "generator/leveled_wave", **VOXELS, ligament_diameter_nm=42, solid_fraction=0.45
    ).generate(seed=200 + seed)
    images = imaged(made, seed)
    instrument = plugin("adapter/acquisition").fit(target=stack, source=images)
    return plugin("segmenter/unet", **UNET).fit(images, made, Context(seed), instrument=instrument)


def inadequate(stack: Images, seed: int) -> Any:
    """Return a network trained on a world unlike the stack."""
    made = plugin(
        "generator/particles",
        **VOXELS,
        materials=["epoxy", "Au"],
        diameter_nm=60,
        solid_fraction=0.45,
        fraction="expected",
    ).generate(seed=300 + seed)
    images = imaged(made, seed, energy_kev=0.8)
    return plugin("segmenter/unet", **UNET).fit(images, made, Context(seed))


def slices_of(truth: Labels, slices: tuple[int, ...]) -> Labels:
    """Return labels of some slices."""
    data = np.full(truth.shape, UNLABELLED, np.uint8)
    data[list(slices)] = truth.data[list(slices)]
    return truth.with_data(data)


def scribbles(truth: Labels, seed: int) -> Labels:
    """Return strokes along x of each phase, in three slices."""
    rng = np.random.default_rng(seed)
    data = np.full(truth.shape, UNLABELLED, np.uint8)
    for phase in (0, 1):
        left = STROKES * STROKE
        while left:
            z, y = rng.choice(SLICES), rng.integers(truth.shape[1])
            x = int(rng.integers(truth.shape[2] - STROKE))
            own = np.flatnonzero(truth.data[z, y, x : x + STROKE] == phase)[:left]
            own = own[data[z, y, x + own] == UNLABELLED]
            data[z, y, x + own] = phase
            left -= len(own)
    return truth.with_data(data)


def misplaced(found: Labels, truth: Labels) -> float:
    """Return misplaced pixels in percent, on slices without labels."""
    rest = np.setdiff1d(np.arange(truth.shape[0]), SLICES)
    return 100.0 * float(np.mean(found.data[rest] != truth.data[rest]))


def measured(seed: int) -> Iterator[tuple[tuple[str, str], float]]:
    """Yield the labels and the way, and MP in percent."""
    stack, truth = twin(seed)
    few = {
        "200 voxels": scribbles(truth, seed),
        "1 slice": slices_of(truth, SLICES[1:2]),
        "3 slices": slices_of(truth, SLICES),
    }
    worlds = {"adequate": adequate(stack, seed), "inadequate": inadequate(stack, seed)}
    for world, network in worlds.items():
        found = misplaced(network.predict(stack), truth)
        for name in few:
            yield (name, f"{world} world"), found
    for name, labels in few.items():
        forest = RandomForest().fit(stack, labels, Context(seed))
        yield (name, "labels, forest"), misplaced(forest.predict(stack), truth)
        alone = Tuned(**TUNING, candidates=("alone",), least_voxels=0)
        alone.fit(stack, labels, worlds["adequate"], Context(seed))
        yield (name, "labels, U-Net"), misplaced(alone.predict(stack), truth)
        for world, network in worlds.items():
            context = Context(seed)
            tuned = Tuned(**TUNING).fit(stack, labels, network, context)
            rows = context.kept["candidates"].rows()
            chosen = next(row for row in rows if row["chosen"])
            print(
                f"seed {seed}, {name}, {world} world: {chosen['candidate']}, "
                f"{chosen['steps']} steps",
                flush=True,
            )
            yield (name, f"{world} world, tuned"), misplaced(tuned.predict(stack), truth)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    args = parser.parse_args()
    began = time.process_time()
    results: dict[tuple[str, str], list[float]] = {}
    for seed in args.seeds:
        for key, found in measured(seed):
            results.setdefault(key, []).append(found)
    labels = list(dict.fromkeys(name for name, _ in results))
    ways = list(dict.fromkeys(way for _, way in results))
    rows = [[way, *(spread(results[name, way]) for name in labels)] for way in ways]
    print(table(["MP (%)", *labels], rows, right=True))
    print(f"{(time.process_time() - began) / len(args.seeds) / 60:.1f} min of CPU time for a twin")


if __name__ == "__main__":
    main()
