"""Stacks of a virtual world, and of others, judged by metric/adequacy: false alarms and power.

    python -m benchmarks.adequacy [--trials 20] [--wrong 6] [--fib25 DATA/grayscale.tif]

The world is nanoporous gold, leveled waves with ligaments of 27 to 33 nm, recorded by variants of
an instrument with a spread of 0.3: noise and blur differ by a factor of up to 1.3 from stack to
stack. Each trial draws 24 of its stacks from a pool. Stacks of the world itself should be refused
in one of 25 cases; the others are recorded by the middle of the instrument, but for one difference.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import PrivateAttr

from fib_plugins import Adequacy, VirtualStacks
from fibcore import Context, Forecast, Images, Labels, Source, read_volume

SHAPE, VOXEL_NM = [20, 112, 112], [8, 4, 4]
POOL = 60
GIVEN = {"shape": SHAPE, "voxel_size_nm": VOXEL_NM}
GOLD = {
    "plugin": "generator/leveled_wave",
    "params": GIVEN
    | {
        "ligament_diameter_nm": {"between": [27, 33]},
        "solid_fraction": {"between": [0.3, 0.4]},
        "waves": 200,
    },
}
LARGER = GOLD | {"params": GOLD["params"] | {"ligament_diameter_nm": 42}}  # type: ignore[operator]
BALLS = {
    "plugin": "generator/particles",
    "params": GIVEN
    | {
        "solid_fraction": 0.35,
        "diameter_nm": 50,
        "mode": "overlapping",
        "materials": ["epoxy", "Au"],
    },
}


def world(structure: Any = GOLD, spread: float = 0.3, **instrument: Any) -> VirtualStacks:
    """Return a source of recorded stacks."""
    params = {"preset": "typical", "blur_fwhm_nm": 10, "electrons_per_pixel": 80, **instrument}
    return VirtualStacks(
        structures=[structure],
        simulator={
            "plugin": "simulator/weighted_projection",
            "params": {"energies_kev": [2], "mode": "first_hit"},
        },
        instrument={"plugin": "adapter/acquisition", "params": params},
        instrument_spread=spread,
    )


WRONG: dict[str, VirtualStacks] = {
    "noise 1.5 times": world(spread=0, electrons_per_pixel=36),
    "blur 1.5 times": world(spread=0, blur_fwhm_nm=15),
    "blur twice": world(spread=0, blur_fwhm_nm=20),
    "contrast 0.6 times": world(spread=0, exposure_range=[0.28, 0.67]),
    "ligaments 1.4 times": world(LARGER, spread=0),
    "overlapping balls": world(BALLS, spread=0),
    "curtains of 0.15": world(spread=0, curtaining=0.15),
}


class Drawn(Source):
    """Some stacks of a pool."""

    name: ClassVar[str] = "drawn"

    _stacks: list[Images] = PrivateAttr(default_factory=list)

    def forecast(self, method: str, inputs: Any) -> Forecast:
        """Return the spec of a stack."""
        return Forecast(self._stacks[0].spec)

    def pair(self, purpose: str, number: int, context: Context | None = None) -> Any:
        """Return a stack; nothing asks for its labels."""
        images = self._stacks[number]
        return images, Labels(np.zeros(images.shape, np.uint8), images.voxel_size_nm)


def judged(images: Images, pool: list[Images], trial: int, stacks: int) -> dict[str, Any]:
    """Return the row of a stack against some of the pool."""
    source = Drawn()
    chosen = Context(trial).rng_for("pool").permutation(len(pool))[:stacks]
    source._stacks = [pool[number] for number in chosen]
    return Adequacy(stacks=stacks).measure(images, source, Context(trial)).rows()[0]


def crops_of(path: Path, count: int) -> list[Images]:
    """Return parts of a real stack, as if its voxels were those of the world."""
    data = read_volume(path, voxel_size_nm=10.0, kv=2.0).data
    found = []
    for number in range(count):
        z, y, x = (number * 20 % 100, 112 * (number % 2), 112 * (number // 2 % 2))
        part = np.ascontiguousarray(data[..., z : z + 20, y : y + 112, x : x + 112])
        found.append(Images(part, (8.0, 4.0, 4.0), kv=(2.0,)))
    return found


def main() -> None:
    """Print for each kind of stack how many were refused."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=20, help="stacks of the world itself")
    parser.add_argument("--wrong", type=int, default=6, help="stacks of each other kind")
    parser.add_argument("--stacks", type=int, default=24, help="virtual stacks of a trial")
    parser.add_argument("--fib25", type=Path, help="a real stack of something else, TIFF")
    chosen = parser.parse_args()
    logging.disable(logging.WARNING)
    made = world()
    pool = [made.pair("pool", number, Context(1))[0] for number in range(POOL)]
    cases = {"the world itself": (made, chosen.trials)}
    cases |= {name: (source, chosen.wrong) for name, source in WRONG.items()}
    stacks = {
        name: [source.pair("measured", number, Context(2))[0] for number in range(count)]
        for name, (source, count) in cases.items()
    }
    if chosen.fib25 is not None:
        stacks["FIB-25 (fly medulla)"] = crops_of(chosen.fib25, chosen.wrong)
    print("| stacks | refused | median p | median unusual | median AUC (band) | differs most |")
    print("|---|---|---|---|---|---|")
    for name, images in stacks.items():
        rows = [judged(each, pool, n, chosen.stacks) for n, each in enumerate(images)]
        middle = {
            key: float(np.median([row[key] for row in rows]))
            for key in ("p_value", "unusual", "auc", "band_low", "band_high")
        }
        groups = [row["differs_most"] for row in rows]
        print(
            f"| {name} | {sum(not row['adequate'] for row in rows)} of {len(rows)} | "
            f"{middle['p_value']:.2f} | {middle['unusual']:.1f} | {middle['auc']:.2f} "
            f"({middle['band_low']:.2f}-{middle['band_high']:.2f}) | "
            f"{max(dict.fromkeys(groups), key=groups.count)} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
