"""Published methods against shine-through, thresholds and learning on twins of hidden truth.

``python -m benchmarks.shine_through``. Twins are porous gold (spinodal decomposition), pores filled
with epoxy or open, imaged by Monte Carlo with few electrons by a beam at 38 degrees to the normal
of the face, as in most instruments, and recorded by `adapter/twin`. Local threshold
backpropagation (Salzer et al. 2012), pore-back correction (Prill et al. 2013) and optical flow
(Moroni and Thiele 2020) have their defaults, which were chosen on other stacks; the first two are
also run along the beam, which is not published. The random forest learns from three labelled slices
of the twin. The U-Net has no label of the twin: it is trained on leveled waves, recorded by
random variants of another instrument (`adapter/acquisition`).

Figures are those of `metric/overlap` on all slices but the three labelled ones: MP, misplaced
pixels; MGP, solid that was missed; MDS, mean Dice score. Images come from fib's cache in ``--out``.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from fib_plugins import (
    KMeans,
    LocalThresholdBackpropagation,
    OpticalFlow,
    Overlap,
    PoreBack,
    RandomForest,
    Threshold,
)
from fibcore import Context, Images, Labels, Segmenter
from fibcore.pipeline import check_pipeline, run_pipeline

from .adaptation.setting import Params, Step, apply, fit, run
from .pages import spread

VOLUME: Params = {"shape": [56, 96, 96], "voxel_size_nm": 3.0}
TWIN: Params = {"ligament_diameter_nm": 36, "solid_fraction": 0.4}
TRAINING: Params = {"ligament_diameter_nm": 42, "solid_fraction": 0.45}
TILT_DEG = 38.0
"""Between beam and normal of the face: the columns are at 52 degrees to each other."""
ELECTRONS = 32
"""For each pixel, of the twin and of the training images."""
LABELLED = (9, 27, 45)
"""Slices of the twin whose labels the random forest is given."""
FILLINGS = {"epoxy": "epoxy in the pores", "vacuum": "open pores"}
DETECTORS: dict[str, Params] = {"bse": {"white_level": 1.0}, "se": {"white_level": 3.0}}
"""Detector -> the yield that is full signal."""
UNET: Params = {
    "dimensions": "2.5d",
    "slices_above": 2,
    "slices_below": 3,
    "base_channels": 8,
    "patch": 48,
    "batch_size": 16,
    "patches_per_epoch": 192,
    "epochs": 8,
    "early_stopping_patience": 8,
    "learning_rate": 0.003,
    "normalization": "slice",
    "augment_offset": 0.3,
    "augment_gain": 0.3,
}
FIGURES = {"mp_percent": "MP (%)", "mgp_percent": "MGP (%)", "mds": "MDS"}

Figures = dict[str, float]


def steps(filling: str, detectors: Sequence[str]) -> list[Step]:
    """Return the steps that make twins, one for each detector, and a U-Net that segments each."""
    materials = {"materials": [filling, "Au"]}
    physics: Params = {
        "energies_kev": [2],
        "detectors": list(detectors),
        "tilt_deg": TILT_DEG,
        "electrons_per_pixel": ELECTRONS,
    }
    simulator = "simulator/monte_carlo"
    made = [
        run("truth", "generator/spinodal", VOLUME | TWIN | materials),
        run("ideal", simulator, physics, labels="truth"),
        run("train_structure", "generator/leveled_wave", VOLUME | TRAINING | materials),
        run("train_ideal", simulator, physics, labels="train_structure"),
    ]
    for detector in detectors:
        level = {"preset": "typical"} | DETECTORS[detector]
        ideal, seen = ({"from": name, "detector": [detector]} for name in ("ideal", "train_ideal"))
        instrument, unet, twin = (f"{name}_{detector}" for name in ("instrument", "unet", "twin"))
        inputs = {"images": seen, "labels": "train_structure", "instrument": instrument}
        made += [
            run(twin, "adapter/twin", level) | {"inputs": {"images": ideal}},
            fit(instrument, "adapter/acquisition", level),
            fit(unet, "segmenter/unet", UNET) | {"inputs": inputs},
            apply(f"by_{unet}", unet, images=twin),
        ]
    return made


def untaught() -> dict[str, Segmenter]:
    """Return the methods without any label, by the name of their row."""
    along = {"beam_tilt_deg": TILT_DEG}
    return {
        "Otsu": Threshold(),
        "k-means, 3 clusters": KMeans(clusters=3),
        "local threshold backpropagation": LocalThresholdBackpropagation(),
        "  backpropagation along the beam": LocalThresholdBackpropagation(**along),
        "pore-back correction": PoreBack(),
        "  correction along the beam": PoreBack(**along),
        "optical flow": OpticalFlow(),
    }


def rows(twin: Images, truth: Labels, by_unet: Labels, seed: int) -> Iterator[tuple[str, Figures]]:
    """Yield the name of each method and its figures, with its CPU time in seconds."""
    context = Context(seed)
    for name, segmenter in untaught().items():
        started = time.process_time()
        found = segmenter.predict(twin, context=context)
        yield name, figures(found, truth) | {"cpu_s": time.process_time() - started}
    started = time.process_time()
    slices = list(LABELLED)
    labelled = truth.with_data(np.ascontiguousarray(truth.data[slices]))
    shown = twin.with_data(np.ascontiguousarray(twin.data[:, slices]))
    forest = RandomForest().fit(shown, labelled, context=context)
    found = forest.predict(twin, context=context)
    yield (
        "random forest, 3 labelled slices",
        figures(found, truth) | {"cpu_s": time.process_time() - started},
    )
    yield "U-Net, another world", figures(by_unet, truth) | {"cpu_s": float("nan")}


def figures(found: Labels, truth: Labels) -> Figures:
    """Return the figures of a segmentation, without the labelled slices."""
    rest = np.setdiff1d(np.arange(len(truth.data)), LABELLED)
    prediction, known = (labels.with_data(labels.data[rest]) for labels in (found, truth))
    (row,) = Overlap().measure(prediction, known).rows()
    return {name: float(row[name]) for name in FIGURES}


def measured(
    filling: str, detectors: Sequence[str], seed: int, out: Path
) -> Iterator[tuple[str, str, Figures]]:
    """Yield detector, name and figures of each method on the twin of a seed.

    Raises:
        FibError: a step failed.
    """
    document = {
        "version": 1,
        "name": "shine_through",
        "seed": seed,
        "steps": steps(filling, detectors),
    }
    plan = check_pipeline(document, base=out)
    done = run_pipeline(plan, out=out / "runs", cache=out / "cache")
    truth = done["truth"]
    assert isinstance(truth, Labels)
    for detector in detectors:
        twin, by_unet = done[f"twin_{detector}"], done[f"by_unet_{detector}"]
        assert isinstance(twin, Images)
        assert isinstance(by_unet, Labels)
        for name, found in rows(twin, truth, by_unet, seed):
            yield detector, name, found


def report(title: str, results: dict[str, list[Figures]]) -> str:
    """Return the table of one kind of twin: a row for each method, mean and deviation of seeds."""
    head = f"{title:36}" + "".join(f"{caption:>18}" for caption in FIGURES.values())
    lines = [f"{head}{'CPU (s)':>10}"]
    for name, of_seeds in results.items():
        cells = [
            spread([each[figure] for each in of_seeds], 3 if figure == "mds" else 2)
            for figure in FIGURES
        ]
        seconds = statistics.mean(each["cpu_s"] for each in of_seeds)
        shown = "-" if np.isnan(seconds) else f"{seconds:.1f}"
        lines.append(f"{name:36}" + "".join(f"{cell:>18}" for cell in cells) + f"{shown:>10}")
    return "\n".join(lines)


def main() -> None:
    """Measure and print a table for each filling and detector."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--out", type=Path, default=Path("shine_through"), help="results and cache")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--fillings", nargs="+", choices=FILLINGS, default=list(FILLINGS))
    parser.add_argument("--detectors", nargs="+", choices=DETECTORS, default=list(DETECTORS))
    args = parser.parse_args()
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # as the command does, before torch comes in
    args.out.mkdir(parents=True, exist_ok=True)
    tables: dict[tuple[str, str], dict[str, list[Figures]]] = {
        (filling, detector): {} for filling in args.fillings for detector in args.detectors
    }
    for seed in args.seeds:
        for filling in args.fillings:
            for detector, name, found in measured(filling, args.detectors, seed, args.out):
                tables[filling, detector].setdefault(name, []).append(found)
    for (filling, detector), results in tables.items():
        print(report(f"{FILLINGS[filling]}, {detector.upper()}", results), end="\n\n")


if __name__ == "__main__":
    main()
