"""Published methods against shine-through, thresholds and learning on twins of hidden truth.

``python -m benchmarks.shine_through``. Twins are porous gold (spinodal decomposition), pores filled
with epoxy or open, imaged by Monte Carlo with few electrons by a beam at 38 degrees to the normal
of the face, as in most instruments, and recorded by `adapter/twin`. Local threshold
backpropagation (Salzer et al. 2012), pore-back correction (Prill et al. 2013) and optical flow
(Moroni and Thiele 2020) have their defaults, which were chosen on other stacks; the first two are
also run along the beam, which is not published. The milled face, and a threshold beside its mode,
refuse a stack in which no narrow mode stands out. The random forest learns from three labelled
slices of the twin. The U-Net has no label of the twin: it is trained on leveled waves, recorded by
random variants of another instrument (`adapter/acquisition`). Methods that take several channels
are also given both detectors.

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
    MilledFace,
    OpticalFlow,
    Overlap,
    PoreBack,
    RandomForest,
    Threshold,
)
from fibcore import Context, FibError, Images, Labels, Segmenter
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
DETECTORS = {"bse": 1.0, "se": 3.0}
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


def channels_of(detectors: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the channels that methods are given: each detector, and all of them."""
    every = tuple(detectors)
    return [(detector,) for detector in detectors] + ([every] if len(every) > 1 else [])


def steps(filling: str, detectors: Sequence[str]) -> list[Step]:
    """Return the steps that make a twin, and U-Nets that segment it by each choice of channels."""
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
        run("twin", "adapter/twin", recorded(detectors), images="ideal"),
        run("train_structure", "generator/leveled_wave", VOLUME | TRAINING | materials),
        run("train_ideal", simulator, physics, labels="train_structure"),
    ]
    for chosen in channels_of(detectors):
        seen, twin = ({"from": name, "detector": list(chosen)} for name in ("train_ideal", "twin"))
        instrument, unet = (f"{name}_{'_'.join(chosen)}" for name in ("instrument", "unet"))
        inputs = {"images": seen, "labels": "train_structure", "instrument": instrument}
        made += [
            fit(instrument, "adapter/acquisition", recorded(chosen)),
            fit(unet, "segmenter/unet", UNET) | {"inputs": inputs},
            apply(f"by_{unet}", unet) | {"inputs": {"images": twin}},
        ]
    return made


def recorded(detectors: Sequence[str]) -> Params:
    """Return the parameters of an instrument that records some detectors."""
    return {"preset": "typical", "white_level": [DETECTORS[detector] for detector in detectors]}


def untaught(channels: int) -> dict[str, Segmenter]:
    """Return the methods without any label for images of so many channels, by name."""
    of_any = {"k-means, 3 clusters": KMeans(clusters=3), "milled face": MilledFace()}
    if channels > 1:
        return of_any
    along = {"beam_tilt_deg": TILT_DEG}
    return {
        "Otsu": Threshold(),
        "beside the mode of the face": Threshold(method="mode"),
        **of_any,
        "local threshold backpropagation": LocalThresholdBackpropagation(),
        "  backpropagation along the beam": LocalThresholdBackpropagation(**along),
        "pore-back correction": PoreBack(),
        "  correction along the beam": PoreBack(**along),
        "optical flow": OpticalFlow(),
    }


def rows(
    twin: Images, truth: Labels, by_unet: Labels, seed: int
) -> Iterator[tuple[str, Figures | None]]:
    """Yield the name of each method and its figures, with its CPU time in seconds.

    There are no figures of methods that refuse the twin.
    """
    context = Context(seed)
    for name, segmenter in untaught(len(twin.data)).items():
        started = time.process_time()
        try:
            found = segmenter.predict(twin, context=context)
        except FibError as error:
            if "milled face" not in str(error):  # other than that none is found
                raise
            yield name, None
            continue
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
) -> Iterator[tuple[str, str, Figures | None]]:
    """Yield channels, name and figures of each method on the twin of a seed.

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
    truth, twin = done["truth"], done["twin"]
    assert isinstance(truth, Labels)
    assert isinstance(twin, Images)
    for chosen in channels_of(detectors):
        by_unet = done[f"by_unet_{'_'.join(chosen)}"]
        assert isinstance(by_unet, Labels)
        for name, found in rows(twin.select(detectors=chosen), truth, by_unet, seed):
            yield shown_channels(chosen), name, found


def shown_channels(detectors: Sequence[str]) -> str:
    """Return detectors as titles show them: ``BSE and SE``."""
    return " and ".join(detector.upper() for detector in detectors)


def report(title: str, results: dict[str, list[Figures | None]]) -> str:
    """Return the table of one kind of twin: a row for each method, mean and deviation of seeds.

    Figures are those of the seeds whose twin a method does not refuse; where there are others, the
    name is followed by their numbers.
    """
    head = f"{title:36}" + "".join(f"{caption:>18}" for caption in FIGURES.values())
    lines = [f"{head}{'CPU (s)':>10}"]
    for name, of_seeds in results.items():
        found = [each for each in of_seeds if each is not None]
        cells = [
            spread([each[figure] for each in found], 3 if figure == "mds" else 2)
            for figure in FIGURES
        ]
        seconds = statistics.mean(each["cpu_s"] for each in found) if found else np.nan
        shown = "-" if np.isnan(seconds) else f"{seconds:.1f}"
        part = f", {len(found)} of {len(of_seeds)}" if 0 < len(found) < len(of_seeds) else ""
        row = f"{name + part:36}" + "".join(f"{cell:>18}" for cell in cells)
        lines.append(f"{row}{shown:>10}")
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
    tables: dict[str, dict[str, list[Figures | None]]] = {}
    for seed in args.seeds:
        for filling in args.fillings:
            for channels, name, found in measured(filling, args.detectors, seed, args.out):
                table = tables.setdefault(f"{FILLINGS[filling]}, {channels}", {})
                table.setdefault(name, []).append(found)
    for title, results in tables.items():
        print(report(title, results), end="\n\n")


if __name__ == "__main__":
    main()
