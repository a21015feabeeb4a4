"""Normalisation where a stack holds more or less solid than the images of training.

    python -m benchmarks.batch_norm [--seeds 3] [--normalization slice]

A U-Net is trained on Monte Carlo images of a structure that is half solid, on random variants of an
instrument estimated from a twin. It is applied to twins of other structures, from 30 to 70 percent
solid, with statistics of batch normalisation of training or of the stack, and with grey scales of
the images as they are or with the phases in their shares of training. Images are of BSE alone, and
of BSE and SE. Each cell is the mean over seeds of the share of wrong pixels, in percent.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from fib_plugins import Acquisition, LeveledWave, MonteCarlo, Twin, UNet
from fibcore import Context, Images, Labels

SHARES = (0.3, 0.5, 0.7)
PRESETS = ("typical", "bad")
DETECTORS = {"BSE": ["bse"], "BSE and SE": ["bse", "se"]}
WAYS = {
    "statistics of training": {"grey_shares": "own"},
    '`batch_norm: "stack"`': {"grey_shares": "own", "batch_norm": "stack"},
    '`grey_shares: "training"`': {"grey_shares": "training"},
    "both": {"grey_shares": "training", "batch_norm": "stack"},
}
DEEPER = 24
"""Slices below those that are imaged."""
NETWORK = {
    "slices_above": 2,
    "slices_below": 3,
    "base_channels": 8,
    "patch": 48,
    "batch_size": 8,
    "patches_per_epoch": 160,
    "epochs": 8,
    "early_stopping_patience": 8,
    "learning_rate": 0.003,
}
GREY = {"augment_offset": 0.4, "augment_gain": 0.3}


def imaged(
    seed: int, share: float, diameter: float, chosen: argparse.Namespace
) -> tuple[Images, Labels]:
    """Return ideal images of both detectors, and the labels that they show."""
    edge, slices = chosen.size, chosen.slices
    labels = LeveledWave(
        shape=(slices + DEEPER, edge, edge),
        voxel_size_nm=3.26,
        solid_fraction=share,
        ligament_diameter_nm=diameter,
    ).generate(seed=seed)
    images = MonteCarlo(
        energies_kev=(2.0,),
        detectors=("bse", "se"),
        electrons_per_pixel=chosen.electrons,
        slices=(0, slices),
    ).simulate(labels, Context(seed))
    return images, labels.with_data(np.ascontiguousarray(labels.data[:slices]))


def wrong(seed: int, chosen: argparse.Namespace) -> Iterator[tuple[str, str, float, str, float]]:
    """Yield detectors, preset, share, way, and wrong pixels in percent."""
    ideal, labels = imaged(seed, 0.5, 30, chosen)
    tests = {share: imaged(seed + 50, share, 33, chosen) for share in SHARES}
    for preset in PRESETS:
        twins = {
            share: Twin(preset=preset).transform(images, Context(seed + 7))
            for share, (images, _) in tests.items()
        }
        for name, detectors in DETECTORS.items():
            source = ideal.select(detectors=detectors)
            target = {share: twin.select(detectors=detectors) for share, twin in twins.items()}
            instrument = Acquisition().fit(target[0.5], source, Context(seed))
            augmented = GREY if chosen.normalization == "slice" else {}
            unet = UNet(**NETWORK, **augmented, normalization=chosen.normalization)
            model = unet.fit(source, labels, instrument=instrument, context=Context(seed)).model
            for share, images in target.items():
                for way, params in WAYS.items():
                    found = UNet.from_model(model, **params).predict(images, context=Context(1))
                    yield (
                        name,
                        preset,
                        share,
                        way,
                        100 * float(np.mean(found.data != tests[share][1].data)),
                    )


def main() -> None:
    """Print a table of wrong pixels in percent."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--normalization", choices=("slice", "stack"), default="slice")
    parser.add_argument("--size", type=int, default=96, help="edge of the slices, pixels")
    parser.add_argument("--slices", type=int, default=32)
    parser.add_argument("--electrons", type=int, default=32, help="of ideal images, per pixel")
    chosen = parser.parse_args()
    found: dict[tuple[str, str, str, float], list[float]] = defaultdict(list)
    for seed in range(1, chosen.seeds + 1):
        for name, preset, share, way, percent in wrong(seed, chosen):
            found[name, way, preset, share].append(percent)
    columns = [(preset, share) for preset in PRESETS for share in SHARES]
    heads = [f"{preset}, {share:.0%} solid" for preset, share in columns]
    print(f"| channels | way | {' | '.join(heads)} |")
    print("|---" * (2 + len(heads)) + "|")
    for name in DETECTORS:
        for way in WAYS:
            cells = [f"{np.mean(found[name, way, *column]):.2f}" for column in columns]
            print(f"| {name} | {way} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
