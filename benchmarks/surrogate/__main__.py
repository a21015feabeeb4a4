"""The surrogate against Monte Carlo and weighted projection: ``python -m benchmarks.surrogate``.

The parts, any of which can be chosen: ``accuracy``, the errors of expected yields on structures
that no training has seen; ``training``, a training with the defaults, its own Monte Carlo included,
and its errors; ``volume``, 512^3 voxels in a fresh process; ``spectrum``, the distance of power
spectra to Monte Carlo images. All take about twenty minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from . import methods, spectrum, volume
from .errors import ELECTRONS, ENERGIES_KEV, PIXELS, Errors, errors_of, samples
from .methods import Method
from .structures import KINDS, REAL

PARTS = ("accuracy", "training", "volume", "spectrum")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="part", help=", ".join(PARTS))
    parser.add_argument("--pixels", type=int, default=PIXELS, help="sampled in each structure")
    parser.add_argument("--teaching", type=json.loads, default={}, help="parameters, as JSON")
    parser.add_argument("--edge", type=int, default=512, help="voxels a side of the volume")
    parser.add_argument("--shape", type=json.loads, default=[64, 128, 128], help="of the spectrum")
    parser.add_argument("--threads", type=int, default=volume.threads_by_default())
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(volume.image(Path(args.measure), args.threads)))
        return
    if unknown := set(args.parts) - set(PARTS):
        parser.error(f"no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    parts = args.parts or PARTS
    start = time.perf_counter()
    compared: dict[str, Method] = {}
    if "accuracy" in parts:
        compared |= {
            "projection, sum": methods.projection_sum,
            "first hit": methods.projection_first_hit,
            "Monte Carlo, 100": methods.monte_carlo,
            "package": methods.surrogate(),
        }
    if "training" in parts:
        with tempfile.TemporaryDirectory() as scratch:
            trained, seconds = methods.train(Path(scratch), **args.teaching)
        print_training(seconds)
        compared["trained now"] = methods.surrogate(trained)
    if compared:
        print_errors(compared, args.pixels)
    if "volume" in parts:
        volume.measured(args.edge, args.threads)
    if "spectrum" in parts:
        spectrum.measured(tuple(args.shape))
    print(f"\n{(time.perf_counter() - start) / 60:.0f} minutes in all")


def print_training(seconds: dict[str, float]) -> None:
    simulated, trained = seconds["structures simulated"], seconds["training"]
    print("training from nothing for 1, 2 and 4 kV, with the defaults")
    print(f"its own Monte Carlo {simulated:.0f} s, training {trained:.0f} s, ", end="")
    print(f"all {seconds['all']:.0f} s ({seconds['CPU']:.0f} s of CPU)")


def print_errors(compared: dict[str, Method], pixels: int) -> None:
    found: dict[str, dict[str, list[Errors]]] = {}
    for kind in KINDS:
        sampled = samples(kind, pixels, ELECTRONS)
        found[kind] = {
            name: errors_of((sample, method(sample)) for sample in sampled)
            for name, method in compared.items()
        }
    print(f"\nexpected yields against {ELECTRONS} electrons in each of {pixels} pixels of each of")
    print("three structures, counting noise subtracted: rms error, and the electrons per pixel")
    print("whose counts have the same error")
    for channel, energy in enumerate(ENERGIES_KEV):
        print(f"\n{f'{energy:g} kV':<15}" + "".join(f"{name:>18}" for name in compared))
        for kind, errors in found.items():
            cells = (each[channel] for each in errors.values())
            print(f"{kind:<15}" + "".join(f"{e.rms:>10.4f}{e.electrons:>8.0f}" for e in cells))
    learned = [name for name in compared if name in ("package", "trained now")]
    print("\nlargest bias of a phase" + "".join(f"{name:>18}" for name in learned))
    for title, kinds in (("like samples", REAL), ("simple shapes", set(KINDS) - set(REAL))):
        for phase, material in ((0, "epoxy"), (1, "gold")):
            line = (
                f"{worst(e.bias[phase] for k in kinds for e in found[k][name]):>+18.4f}"
                for name in learned
            )
            print(f"{f'{title}, {material}':<23}" + "".join(line))


def worst(biases: Iterable[float]) -> float:
    return max(biases, key=abs)


if __name__ == "__main__":
    main()
