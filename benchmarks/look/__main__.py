"""The look of stacks with open pores, estimated without labels, and what it is worth.

    python -m benchmarks.look [--seeds 3] [--quick]

Twins of 24 slices of 160 x 160 pixels of 20 nm, with hidden truth, drawn by a renderer of their own
(`twins`), and 4 slices by Monte Carlo (LiCoO2, vacuum, 2 keV, 300 electrons, pixels of 40 nm). The
first table has the share of solid against the truth (at most 3 points), with half the 90 % range
that the fit states, and the noise on the face (within 2 %). The second one has mean Dice scores of
segmentations without labels; forests are trained on virtual images of another family of structures
(leveled waves, no binder), recorded with the look and without. ``--quick`` leaves forests out.
"""

from __future__ import annotations

import argparse
import logging
from collections import defaultdict
from functools import cache

import numpy as np

from fib_plugins import (
    Acquisition,
    LeveledWave,
    MilledFace,
    MonteCarlo,
    RandomForest,
    Threshold,
    WeightedProjection,
)
from fibcore import Context, FibError, Images, Labels

from ..pages import table
from .twins import PIXEL_NM, VIEWS, recorded, structure

SLICES = 24
BOTH = "BSE and SE"
MONTE_CARLO = "Monte Carlo"
MC_PIXEL_NM, MC_SLICES, MC_ELECTRONS = 40.0, 4, 300
ESTIMATED = ("output", "blur", "noise", "curtaining", "brightness")
CHANNELS = {name: (name,) for name in VIEWS} | {BOTH: ("BSE, open", "SE, open")}


@cache
def solid_of(seed: int) -> np.ndarray:
    """Return the structure of a twin; the slices below its last one are seen from above."""
    return structure(seed)


@cache
def twin(name: str, seed: int) -> tuple[Images, np.ndarray]:
    """Return a twin and its truth."""
    if name == MONTE_CARLO:
        return monte_carlo(seed)
    views = [VIEWS[one] for one in CHANNELS[name]]
    data = recorded(solid_of(seed), views, seed, SLICES)
    detectors = ("bse", "se")[: len(views)]
    images = Images(data, (PIXEL_NM,) * 3, kv=(2.0,) * len(views), detectors=detectors)
    return images, solid_of(seed)[:SLICES]


def monte_carlo(seed: int) -> tuple[Images, np.ndarray]:
    """Return images by Monte Carlo, 8 bits from a yield of 0 to 0.4."""
    solid = structure(seed, (40, 96, 96))
    names = wave(0).phases
    labels = Labels(solid.astype(np.uint8), (MC_PIXEL_NM,) * 3, names)
    simulator = MonteCarlo(
        energies_kev=(2.0,), electrons_per_pixel=MC_ELECTRONS, slices=(0, MC_SLICES)
    )
    images = simulator.simulate(labels, context=Context(seed, threads=2))
    data = np.rint(255 * np.clip(images.data / 0.4, 0, 1)).astype(np.uint8)
    return images.with_data(data), solid[:MC_SLICES]


@cache
def wave(seed: int) -> Labels:
    """Return a structure of another family than the twins."""
    return LeveledWave(
        shape=(SLICES, 128, 128),
        voxel_size_nm=PIXEL_NM,
        waves=200,
        ligament_diameter_nm=(220.0, 400.0)[seed % 2],
        solid_fraction=0.55 + 0.1 * (seed % 2),
        materials=("vacuum", "LiCoO2"),
    ).generate(Context(seed, threads=2))


def noise_of(instrument: Acquisition, face: float) -> float:
    """Return the noise on the face in grey levels."""
    electrons = instrument.electrons_per_pixel
    counted = face * (1 - face) / electrons[0] if electrons else 0.0
    return 255 * float(np.sqrt(instrument.read_noise[0] ** 2 + counted))


def estimates(name: str, seed: int) -> dict[str, float] | None:
    """Return errors of the share of solid and of the noise; None without a look."""
    images, truth = twin(name, seed)
    found = Acquisition(estimate=(*ESTIMATED, "look")).fit(images, None, Context(seed, threads=2))
    look = found.estimated.look
    if look is None or look.solid_share is None or look.uncertainty is None:
        return None
    face = look.channels[0].face
    if name == MONTE_CARLO:
        yields = face * 0.4
        true_noise = 255 / 0.4 * np.sqrt(yields * (1 - yields) / MC_ELECTRONS)
    else:
        true_noise = VIEWS[CHANNELS[name][0]].noise
    return {
        "truth": float(truth.mean()),
        "share": 100 * (look.solid_share - float(truth.mean())),
        "range": 100 * look.uncertainty,
        "noise": 100 * (noise_of(found.estimated, face) / true_noise - 1),
    }


def dice(found: np.ndarray, truth: np.ndarray) -> float:
    """Return the mean Dice score of the two phases."""
    pairs = ((found, truth), (~found, ~truth))
    return float(np.mean([2 * np.sum(a & b) / max(a.sum() + b.sum(), 1) for a, b in pairs]))


def without_labels(name: str, seed: int) -> dict[str, float]:
    """Return the scores of segmenters that need no labels."""
    images, truth = twin(name, seed)
    scores = {}
    for label, segmenter in {
        "Otsu": Threshold(method="otsu"),
        "mode": Threshold(method="mode"),
        "milled face": MilledFace(),
    }.items():
        try:
            solid = segmenter.predict(images, context=Context(seed, threads=2)).solid
            scores[label] = dice(np.asarray(solid), truth)
        except FibError:
            scores[label] = np.nan
    return scores


def trained(name: str, seed: int, look: bool) -> float:
    """Return the score of a forest trained on virtual images, with the look or without."""
    images, truth = twin(name, seed)
    names = (*ESTIMATED, "look") if look else ESTIMATED
    instrument = Acquisition(estimate=names).fit(images, None, Context(seed, threads=2)).estimated
    if not look:  # as an operator sets gain and offset, without the stack's own grey values
        values = instrument.model_dump(mode="json") | {"exposure_range": (0.2, 0.65)}
        instrument = Acquisition(**values)
    shown, labels = [], []
    for variant in range(2):
        solid = wave(10 * seed + variant)
        ideal = WeightedProjection(energies_kev=(2.0,), slices=30, mode="first_hit").simulate(
            solid, context=Context(seed, threads=2)
        )
        data = np.repeat(ideal.data, len(images.data), axis=0)
        ideal = Images(data, ideal.voxel_size_nm, kv=images.kv, detectors=images.detectors)
        own = instrument.randomised(np.random.default_rng([seed, variant]), 0.15)
        context = Context(100 * seed + variant, threads=2)
        shown.append(own.transform(ideal, context, labels=solid).data)
        labels.append(solid.data)
    virtual = images.with_data(np.concatenate(shown, axis=1))
    structures = Labels(np.concatenate(labels), images.voxel_size_nm, solid.phases)
    context = Context(seed, threads=2)
    forest = RandomForest(trees=30, sample_voxels=30_000).fit(virtual, structures, context)
    return dice(np.asarray(forest.predict(images, context).solid), truth)


def spread(values: list[float], digits: int) -> str:
    """Return mean and standard deviation of the seeds."""
    return f"{np.mean(values):.{digits}f} ± {np.std(values):.{digits}f}"


def main() -> None:
    """Print the tables."""
    logging.getLogger("fib").setLevel(logging.CRITICAL)
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    seeds = range(1, options.seeds + 1)
    rows = []
    for name in (*CHANNELS, MONTE_CARLO):
        found = [one for seed in seeds if (one := estimates(name, seed)) is not None]
        if not found:
            rows.append([name, "no look", "", "", ""])
            continue
        each = {key: [one[key] for one in found] for key in found[0]}
        shares = ", ".join(f"{value:+.1f}" for value in each["share"])
        within = sum(abs(e) <= r for e, r in zip(each["share"], each["range"], strict=True))
        noise = ", ".join(f"{value:+.1f}" for value in each["noise"])
        limits = f"{np.mean(each['range']):.1f} ({within} of {len(found)} within)"
        rows.append([name, shares, limits, noise, "3 / 2 %"])
    head = ["twin", "share of solid, error in points", "stated, points", "noise, error in %"]
    print(table([*head, "target"], rows))
    scores: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for name in (*CHANNELS, MONTE_CARLO):
        for seed in seeds:
            for method, score in without_labels(name, seed).items():
                scores[name][method].append(score)
            if not options.quick and name in ("BSE, open", BOTH):
                scores[name]["forest, plain"].append(trained(name, seed, False))
                scores[name]["forest, look"].append(trained(name, seed, True))
    methods = ["Otsu", "mode", "milled face", "forest, plain", "forest, look"]
    rows = [
        [name, *(spread(own[m], 3) if own.get(m) else "-" for m in methods)]
        for name, own in scores.items()
    ]
    print()
    print(table(["twin, mean Dice score", *methods], rows))


if __name__ == "__main__":
    main()
