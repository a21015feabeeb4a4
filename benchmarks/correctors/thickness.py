"""Measure `corrector/thickness` on virtual stacks with uneven slices of known positions.

Structures are generated with slices of 1 nm (0.5 nm below 8 nm mean thickness), imaged at 2 kV by
`simulator/weighted_projection` (mode first_hit, which is the nearest to Monte Carlo), and slices
are chosen whose distances scatter by 20 % about the mean. `adapter/acquisition` (preset typical,
without drift and variation of its own) records them; `--instrument twin` uses `adapter/twin`
instead, whose halos differ along y and x.

Printed are, over all seeds, the error of the mean thickness (mean and rms, in percent) and the
rms error of single slices relative to the mean. Ways:

- correlation: correlation of grey values against distance in plane (Hanslovsky et al. 2017);
- differences: mean squared differences of grey values (Sporring et al. 2014), ``compare`` grey;
- bright: the default;
- virtual: the default with a virtual stack of the same kind of structure;
- virtual, other: with a virtual stack of another structure, a leveled wave of 40 nm;
- truth: differences of the labels, which is what the finite field allows.

    python -m benchmarks.correctors.thickness [--seeds 3] [--edge 224] [--instrument acquisition]
        [--mode first_hit] [--structures particles]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import process_time
from typing import Any, Literal

import numpy as np

from fib_plugins import (
    Acquisition,
    HierarchicalLeveledWave,
    LeveledWave,
    Particles,
    Resample,
    Thickness,
    Twin,
    WeightedProjection,
)
from fibcore import Context, Generator, Images, Labels

PIXEL_NM, SLICES, DEPTH_NM, SPREAD = 5.0, 64, 60.0, 0.2
MATERIALS: dict[str, Any] = {"materials": ("epoxy", "gold")}
Mode = Literal["first_hit", "sum"]
Kind = tuple[Callable[..., Generator], dict[str, Any]]
STRUCTURES: dict[str, Kind] = {
    "wave 30 nm": (LeveledWave, {"solid_fraction": 0.35, "ligament_diameter_nm": 30}),
    "wave 60 nm": (LeveledWave, {"solid_fraction": 0.35, "ligament_diameter_nm": 60}),
    "hierarchical": (
        HierarchicalLeveledWave,
        {"solid_fractions": (0.5, 0.5), "ligament_diameters_nm": (120, 30)},
    ),
    "particles": (
        Particles,
        {"solid_fraction": 0.4, "diameter_nm": 60, "diameter_std_nm": 15},
    ),
}
OTHER: Kind = (LeveledWave, {"solid_fraction": 0.35, "ligament_diameter_nm": 40})
MEANS_NM = (5.0, 10.0)
TARGET_MEAN, TARGET_SINGLE = 3.0, 10.0
"""Percent of the mean."""


@dataclass(frozen=True)
class Row:
    """One way on one structure and mean thickness; errors in percent of the mean."""

    structure: str
    mean_nm: float
    way: str
    mean_error: float
    mean_rms: float
    single_rms: float


def recorded(images: Images, seed: int, instrument: str) -> Images:
    """Return the images as an instrument records them."""
    context = Context(seed + 50)
    if instrument == "twin":
        return Twin(preset="typical").transform(images, context)
    still: dict[str, Any] = {"thickness_variation": 0.0, "drift_nm": 0.0}
    return Acquisition(preset="typical", **still).transform(images, context)


def imaged(labels: Labels, seed: int, mode: Mode) -> Images:
    """Return the ideal images at 2 kV."""
    slices = round(DEPTH_NM / labels.voxel_size_nm[0])
    simulator = WeightedProjection(energies_kev=(2.0,), mode=mode, slices=slices, below="repeat")
    return simulator.simulate(labels, context=Context(seed))


def chosen_slices(
    kind: Kind, mean_nm: float, spread: float, seed: int, edge: int, mode: Mode
) -> tuple[Images, Labels, np.ndarray]:
    """Return ideal images of slices, their labels, and their positions in nm.

    Args:
        kind: the structure.
        mean_nm: mean thickness.
        spread: standard deviation of the thickness, relative.
        seed: of structure and thickness.
        edge: pixels along y and x.
        mode: of the simulator.
    """
    step = 0.5 if mean_nm < 8 else 1.0
    scatter = np.random.default_rng(100 + seed).standard_normal(SLICES - 1)
    thickness = np.maximum(mean_nm * (1 + spread * scatter), 0.4 * mean_nm)
    planes = np.concatenate([[0], np.cumsum(np.maximum(1, np.rint(thickness / step)))]).astype(int)
    shape = (int(planes[-1]) + 1 + round(DEPTH_NM / step), edge, edge)
    generator, parameters = kind
    voxel = (step, PIXEL_NM, PIXEL_NM)
    made = generator(shape=shape, voxel_size_nm=voxel, **parameters, **MATERIALS)
    labels = made.generate(seed=seed)
    size = (mean_nm, PIXEL_NM, PIXEL_NM)
    images = imaged(labels, seed, mode)
    return (
        Images(images.data[:, planes], size, kv=images.kv),
        Labels(labels.data[planes], size),
        planes * step,
    )


def by_correlation(images: Images) -> np.ndarray:
    """Return distances of neighbouring slices by their correlation, nm; a simple rival."""
    grey = images.data[0].astype(np.float64)
    grey -= grey.mean(axis=(1, 2), keepdims=True)
    grey /= grey.std(axis=(1, 2), keepdims=True)
    lags = np.arange(1, 24)
    along = [
        (np.mean(grey[:, :-r] * grey[:, r:]) + np.mean(grey[:, :, :-r] * grey[:, :, r:])) / 2
        for r in lags
    ]
    curve = np.concatenate([[1.0], along])
    curve = curve[: int(np.argmin(curve)) + 1]
    between = np.mean(grey[1:] * grey[:-1], axis=(1, 2))
    return np.interp(-between, -np.minimum.accumulate(curve), PIXEL_NM * np.arange(len(curve)))


def ways(
    images: Images,
    labels: Labels,
    structure: str,
    mean_nm: float,
    seed: int,
    instrument: str,
    mode: Mode,
) -> dict[str, Callable[[], np.ndarray]]:
    """Return name -> function that estimates the distances of neighbouring slices, nm."""
    edge = images.shape[1]

    def by_plugin(stack: Images, virtual: Images | None = None, **parameters: Any) -> np.ndarray:
        context = Context(seed)
        Thickness(**parameters).correct(stack, virtual=virtual, context=context)
        return np.diff(context.kept["corrections"]["position_nm"])

    def by_virtual(kind: Kind) -> np.ndarray:
        ideal, _, _ = chosen_slices(kind, mean_nm, 0.0, 1000 + seed, edge, mode)
        return by_plugin(images, recorded(ideal, seed + 1, instrument))

    face = Images(labels.data * np.uint8(200), labels.voxel_size_nm, kv=(2.0,))
    return {
        "correlation": lambda: by_correlation(images),
        "differences": lambda: by_plugin(images, compare="grey"),
        "bright": lambda: by_plugin(images),
        "virtual": lambda: by_virtual(STRUCTURES[structure]),
        "virtual, other": lambda: by_virtual(OTHER),
        "truth": lambda: by_plugin(face, compare="grey"),
    }


def rows(
    seeds: int = 3,
    edge: int = 224,
    instrument: str = "acquisition",
    mode: Mode = "first_hit",
    structures: Sequence[str] = tuple(STRUCTURES),
) -> list[Row]:
    """Return the errors of all ways on all structures."""
    made = []
    for structure in structures:
        for mean_nm in MEANS_NM:
            errors: dict[str, list[tuple[float, float]]] = {}
            for seed in range(seeds):
                ideal, labels, places = chosen_slices(
                    STRUCTURES[structure], mean_nm, SPREAD, seed, edge, mode
                )
                images = recorded(ideal, seed, instrument)
                true = np.diff(places)
                for way, run in ways(
                    images, labels, structure, mean_nm, seed, instrument, mode
                ).items():
                    found = run()
                    single = found / found.mean() - true / true.mean()
                    errors.setdefault(way, []).append(
                        (found.mean() / true.mean() - 1, float(np.sqrt(np.mean(single**2))))
                    )
            for way, each in errors.items():
                mean, single = 100 * np.array(each).T
                rms = (float(np.sqrt(np.mean(mean**2))), float(np.sqrt(np.mean(single**2))))
                made.append(Row(structure, mean_nm, way, float(mean.mean()), *rms))
                print(_line(made[-1]), flush=True)
    return made


def nanoseconds() -> dict[str, float]:
    """Return the CPU time of both correctors, ns per voxel, on slices of 2048 x 3072 pixels."""
    from scipy.ndimage import gaussian_filter

    noise = np.random.default_rng(0).standard_normal((24, 512, 512)).astype(np.float32)
    grey = gaussian_filter(noise, (1, 3, 3), mode="wrap")
    grey = np.tile(((grey - grey.min()) / np.ptp(grey) * 255).astype(np.uint8), (1, 4, 6))
    images = Images(grey, (8.0, 5.0, 5.0), kv=(2.0,))
    found = {}
    for name, run in {
        "corrector/thickness": lambda: Thickness(compare="grey").correct(images),
        "corrector/thickness, two features": lambda: Thickness().correct(images),
        "corrector/resample, cubic voxels": lambda: Resample().correct(images),
        "corrector/resample, binning by 2": lambda: Resample(
            voxel_size_nm=(16.0, 10.0, 10.0)
        ).correct(images),
    }.items():
        run()
        start = process_time()
        run()
        found[name] = (process_time() - start) / grey.size * 1e9
    return found


def _line(row: Row) -> str:
    return (
        f"{row.structure:13s} {row.mean_nm:4.0f}  {row.way:15s} {row.mean_error:+7.1f} "
        f"{row.mean_rms:7.1f} {row.single_rms:8.1f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--edge", type=int, default=224)
    parser.add_argument("--instrument", choices=("acquisition", "twin"), default="acquisition")
    parser.add_argument("--mode", choices=("first_hit", "sum"), default="first_hit")
    parser.add_argument(
        "--structures", nargs="+", choices=tuple(STRUCTURES), default=list(STRUCTURES)
    )
    args = parser.parse_args()
    print(f"targets: {TARGET_MEAN:g} % of the mean, {TARGET_SINGLE:g} % rms of single slices")
    print("structure       nm  way              mean %   rms %  single %")
    found = rows(args.seeds, args.edge, args.instrument, args.mode, args.structures)
    for way in dict.fromkeys(row.way for row in found):
        chosen = [row for row in found if row.way == way]
        mean = np.sqrt(np.mean([row.mean_rms**2 for row in chosen]))
        single = np.sqrt(np.mean([row.single_rms**2 for row in chosen]))
        print(f"all                 {way:15s}         {mean:7.1f} {single:8.1f}")
    for name, value in nanoseconds().items():
        print(f"{name}: {value:.1f} ns per voxel")


if __name__ == "__main__":
    main()
