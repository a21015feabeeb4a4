"""What grains do to a method that has not seen any: ``python -m benchmarks.structures.grains``.

A twin of porous gold in epoxy (spinodal decomposition) has grains of 60 nm whose brightness differs
by `contrast`, and is recorded by `adapter/twin`. Random forests (or U-Nets, ``--method
unet``) are trained on virtual stacks of leveled waves as recorded by random variants of
`adapter/acquisition`: without grains, and with `adapter/grains` among the effects, of other sizes
and contrasts. Misplaced pixels in per cent (`metric/overlap`), mean and range over seeds.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from fib_plugins import (
    Grains,
    Overlap,
    RandomForest,
    Spinodal,
    Twin,
    UNet,
    VirtualStacks,
    WeightedProjection,
)
from fibcore import Context, Images, Labels, Segmenter

VOLUME: dict[str, Any] = {"shape": (24, 112, 112), "voxel_size_nm": 5.0}
PAIR: dict[str, Any] = {"shape": (16, 96, 96), "voxel_size_nm": 5.0}
KEV = 2.0
MODE = "sum"
GRAINS: dict[str, Any] = {
    "plugin": "adapter/grains",
    "params": {
        "grain_diameter_nm": {"between": [40, 150]},
        "contrast": {"between": [0.02, 0.2]},
    },
}


def twins(contrasts: list[float], seed: int) -> tuple[Labels, dict[float, Images]]:
    """Return the truth, and the recorded images with grains of each contrast."""
    truth = Spinodal(**VOLUME, ligament_diameter_nm=80, solid_fraction=0.4).generate(Context(seed))
    ideal = WeightedProjection(energies_kev=[KEV], mode=MODE).simulate(truth, context=Context(seed))
    recorded = {}
    for contrast in contrasts:
        grains = Grains(grain_diameter_nm=60, contrast=contrast)
        shown = grains.transform(ideal, truth, context=Context(seed))
        recorded[contrast] = Twin(preset="typical").transform(shown, Context(seed))
    return truth, recorded


def trained(method: str, effects: list[dict[str, Any]], seed: int, epochs: int) -> Segmenter:
    """Return a forest trained on one virtual stack with these effects, or a U-Net on many."""
    source = VirtualStacks(
        structures=[
            {
                "plugin": "generator/leveled_wave",
                "params": {
                    **PAIR,
                    "ligament_diameter_nm": {"between": [60, 100]},
                    "solid_fraction": {"between": [0.3, 0.5]},
                    "waves": 300,
                },
            }
        ],
        simulator={
            "plugin": "simulator/weighted_projection",
            "params": {"energies_kev": [KEV], "mode": MODE},
        },
        effects=effects,
        instrument={"plugin": "adapter/acquisition", "params": {"preset": "typical"}},
        pairs_per_epoch=2,
    )
    if method == "forest":
        images, labels = source.pair("training", 0, Context(seed))
        return RandomForest(trees=30).fit(images, labels, Context(seed))
    network = UNet(
        dimensions="2d",
        base_channels=8,
        depth=3,
        patch=48,
        batch_size=16,
        patches_per_epoch=128,
        epochs=epochs,
        early_stopping_patience=epochs,
        learning_rate=0.003,
        normalization="slice",
    )
    network.fit(source, context=Context(seed, threads=2))
    return network


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--method", choices=("forest", "unet"), default="forest")
    args = parser.parse_args()
    contrasts = [0.0, 0.05, 0.1, 0.2]
    kinds = {"no grains": [], "grains": [GRAINS]}
    found: dict[tuple[str, float], list[float]] = {}
    for seed in range(args.seeds):
        truth, recorded = twins(contrasts, 100 + seed)
        for kind, effects in kinds.items():
            network = trained(args.method, effects, seed, args.epochs)
            for contrast, images in recorded.items():
                labels = network.predict(images, context=Context(0, threads=2))
                table = Overlap().measure(labels, truth)
                found.setdefault((kind, contrast), []).append(float(table["mp_percent"][0]))
    print(f"{'trained with':<16}" + "".join(f"{f'contrast {c:g}':>22}" for c in contrasts))
    for kind in kinds:
        cells = [found[kind, contrast] for contrast in contrasts]
        print(
            f"{kind:<16}"
            + "".join(f"{np.mean(c):>10.2f} ({min(c):.2f}-{max(c):.2f})" for c in cells)
        )


if __name__ == "__main__":
    main()
