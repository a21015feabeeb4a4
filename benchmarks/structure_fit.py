"""Structures fitted to labels: ``python -m benchmarks.structure_fit [--seeds 2] [--case NAME]``.

Labels are volumes of each family, one with slices thicker than pixels, and a real reconstruction of
a porous metal at a tenth of its voxel size, if `../shared/data` is there. A generator is fitted to
them, once with all families and once without the right one. Of the structures that it then makes:
the mean solid fraction minus that of the labels in points, and the mean ligament diameter (that of
`metric/morphology`) over that of the labels, in percent; nearest family, its distance; CPU seconds
of the fit.
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from fib_plugins import (
    Electrode,
    Foam,
    HierarchicalLeveledWave,
    LeveledWave,
    Morphology,
    Particles,
    Resembling,
    Spinodal,
)
from fib_plugins.generators.resembling.families import FAMILIES
from fibcore import Context, Labels, read_volume

METAL = Path("bicontinuous_metal/reconstruction.tif")
DRAWS = 16
"""Structures that are made of each posterior."""
CUBE: dict[str, Any] = {"shape": 80, "voxel_size_nm": 5.0}


def electrode(*, seed: int) -> Labels:
    """Return the labels of active material of an electrode with binder."""
    context = Context(seed)
    Electrode(
        shape=80, voxel_size_nm=75, solid_fraction=0.5, diameter_nm=1200, diameter_std_nm=400
    ).generate(context)
    labels = context.kept["solid"]
    assert isinstance(labels, Labels)
    return labels


class Make(Protocol):
    """Makes labels."""

    def __call__(self, *, seed: int) -> Labels:
        """Return labels of a structure, another one for each seed."""


CASES: dict[str, tuple[str, Make]] = {
    "leveled wave": (
        "leveled_wave",
        LeveledWave(**CUBE, solid_fraction=0.35, ligament_diameter_nm=50).generate,
    ),
    "hierarchical": (
        "hierarchical_leveled_wave",
        HierarchicalLeveledWave(
            shape=96, voxel_size_nm=5, ligament_diameters_nm=(120, 30), solid_fractions=(0.6, 0.5)
        ).generate,
    ),
    "spinodal": (
        "spinodal",
        Spinodal(**CUBE, solid_fraction=0.4, ligament_diameter_nm=50).generate,
    ),
    "particles": (
        "particles",
        Particles(
            **CUBE,
            solid_fraction=0.5,
            diameter_nm=70,
            diameter_std_nm=17,
            axis_ratios=(1, 1, 1.3),
        ).generate,
    ),
    "electrode": ("electrode", electrode),
    "foam": ("foam", Foam(**CUBE, solid_fraction=0.25, cell_diameter_nm=110).generate),
    "thick slices": (
        "leveled_wave",
        LeveledWave(
            shape=(48, 128, 128),
            voxel_size_nm=(10, 3.26, 3.26),
            solid_fraction=0.4,
            ligament_diameter_nm=50,
        ).generate,
    ),
}
"""Name -> the right family, and a function of a seed that makes labels."""


def figures(labels: Labels) -> tuple[float, float]:
    """Return solid fraction and mean ligament diameter in nm."""
    (row,) = Morphology().measure(labels).rows()
    return row["solid_fraction"], row["mean_ligament_diameter_nm"]


def fitted(labels: Labels, families: list[str], seed: int, candidates: int) -> tuple[str, str]:
    """Return the nearest family, and a row of results."""
    context = Context(seed)
    begin = time.process_time()
    model = Resembling(families=families, candidates=candidates).fit(labels, context=context)
    seconds = time.process_time() - begin
    generator = Resembling.from_model(model.as_model(), shape=labels.shape)
    made = np.array([figures(generator.generate(seed=1000 * seed + n)) for n in range(DRAWS)])
    fraction, diameter = figures(labels)
    nearest = context.kept["families"].rows()[0]
    of_fraction = 100 * (made[:, 0].mean() - fraction)
    of_diameter = 100 * (made[:, 1].mean() / diameter - 1)
    scatter = 100 * made[:, 1].std(ddof=1) / diameter
    return nearest["family"], (
        f"{of_fraction:+8.2f} {of_diameter:+9.1f} {scatter:8.1f}   "
        f"{nearest['family']:26s}{nearest['distance']:6.2f}{seconds:7.0f}"
    )


def cases(names: list[str], seeds: int, data: Path) -> Iterator[tuple[str, str, int, Labels]]:
    """Yield name, right family, seed and labels."""
    for name, (family, make) in CASES.items():
        for seed in range(1, seeds + 1):
            if not names or name in names:
                yield name, family, seed, make(seed=seed)
    if (data / METAL).is_file() and (not names or "metal" in names):
        metal = read_volume(data / METAL, kv=[2])
        size = metal.voxel_size_nm
        solid = (np.asarray(metal.data).reshape(metal.shape) > 127).astype(np.uint8)
        z, y, x = (each / 10 for each in size)
        yield "metal", "", 1, Labels(solid, (z, y, x))


def main() -> None:
    """Print a row for each fit."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--candidates", type=int, default=80)
    parser.add_argument("--case", action="append", default=[], choices=[*CASES, "metal"])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--all-only", action="store_true", help="leave no family out")
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    print(
        "structure      families   points  diam. % scatter    nearest                     dist.  s"
    )
    right = total = 0
    for name, family, seed, labels in cases(args.case, args.seeds, args.data):
        found, row = fitted(labels, list(FAMILIES), seed, args.candidates)
        print(f"{name:15s}{'all':9s}{row}", flush=True)
        if not family:
            continue
        right, total = right + (found == family), total + 1
        if not args.all_only:
            others = [other for other in FAMILIES if other != family]
            _, row = fitted(labels, others, seed, args.candidates)
            print(f"{name:15s}{'others':9s}{row}", flush=True)
    print(f"right family: {right} of {total}")


if __name__ == "__main__":
    main()
