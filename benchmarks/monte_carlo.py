"""Speed and memory of the Monte Carlo: ``python -m benchmarks.monte_carlo``.

Rates are per second of CPU time on one thread, that is for one core. For comparison, the plain loop
follows the same electrons one after another (`electron.follow`, compiled, as in a GPU thread):
the ratio is the gain of batches and vectors, and depends less on the load of the machine. Then
follows the cost of secondary electrons. Memory
is the peak of a process that images a volume on disk, Python included. The last lines give the time
of the paper's data set, extrapolated from the CPU time of a few rows of such a volume. On an NVIDIA
GPU, if there is one, whole slices are imaged.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from numba import cuda

from fib_plugins.electrons.batch import image_pixels
from fib_plugins.electrons.electron import Beam, Detector, make_beam
from fib_plugins.electrons.imaging import Imager, make_lattice, surfaces_in
from fib_plugins.electrons.lanes import empty_lanes
from fib_plugins.electrons.lattice import Lattice
from fib_plugins.electrons.medium import Tables, build_tables
from fib_plugins.electrons.one_by_one import image_one_by_one
from fib_plugins.electrons.secondary import (
    emissions_of,
    make_secondary,
    no_secondary,
    reach_nm,
)
from fib_plugins.electrons.tally import empty_tally
from fibcore import Labels
from fibcore.materials import EPOXY, GOLD, VACUUM

from .peak_memory import status_bytes

KEY = np.uint64(1)
VOXEL_NM = 3.26
PER_PIXEL = 100
PROTOTYPE = {"bulk": 400_000, 1: 4_960, 2: 2_750, 4: 1_170}
"""Rates of the prototype, in electrons and pixels per second and core."""


def rates(
    pixels: np.ndarray, per_pixel: int, lattice: Lattice, tables: Tables, beam: Beam, repeats: int
) -> tuple[float, float]:
    """Return electrons per CPU second, of the batches and of the plain loop (medians)."""
    first = np.arange(len(pixels)) * per_pixel
    seconds: dict[str, list[float]] = {"batch": [], "plain": []}
    none, lanes = no_secondary(tables), empty_lanes(np.float32)
    few = (KEY, pixels[:1], first[:1], 1, lattice, tables, beam)
    image_one_by_one(*few, none, empty_tally(1))
    image_pixels(*few, None, empty_tally(1), lanes)
    for _ in range(repeats):
        tally, plain_tally = empty_tally(len(pixels)), empty_tally(len(pixels))
        all_of_them = (KEY, pixels, first, per_pixel, lattice, tables, beam)
        start = time.process_time()
        image_pixels(*all_of_them, None, tally, lanes)
        middle = time.process_time()
        image_one_by_one(*all_of_them, none, plain_tally)
        seconds["plain"].append(time.process_time() - middle)
        seconds["batch"].append(middle - start)
        assert (plain_tally.counts == tally.counts).all()
    electrons = len(pixels) * per_pixel
    batch, plain = (electrons / statistics.median(times) for times in seconds.values())
    return batch, plain


def bulk(repeats: int) -> None:
    lattice = make_lattice(Labels(np.ones((1, 1, 1), np.uint8), (1.0, 1e5, 1e5)), [1], below=1)
    tables, beam = build_tables([GOLD], 2.0), make_beam(2.0)
    batch, plain = rates(np.zeros((1, 3), np.int32), 400_000, lattice, tables, beam, repeats)
    print(f"{'bulk Au, 2 keV, Mott: electrons/s':<40}", end="")
    print(row(PROTOTYPE["bulk"], plain, batch))


def wave(repeats: int) -> None:
    from fib_plugins.generators.leveled_wave import LeveledWave

    generator = LeveledWave(
        shape=(128, 128, 128),
        voxel_size_nm=VOXEL_NM,
        ligament_diameter_nm=30.0,
        solid_fraction=0.5,
    )
    lattice = make_lattice(generator.generate(seed=1), [0, 1])
    y, x = np.mgrid[0:128:2, 0:128]
    pixels = np.column_stack([np.full(y.size, 3), y.ravel(), x.ravel()]).astype(np.int32)
    for energy in (1, 2, 4):
        tables, beam = build_tables([EPOXY, GOLD], energy), make_beam(energy)
        batch, plain = rates(pixels, PER_PIXEL, lattice, tables, beam, repeats)
        print(f"{f'leveled wave 128^3, {energy} kV: pixels/s':<40}", end="")
        print(row(PROTOTYPE[energy], plain / PER_PIXEL, batch / PER_PIXEL))


def secondary(repeats: int) -> None:
    """Print the time of BSE and SE over that of BSE alone, in filled and in open structures."""
    from fib_plugins.generators.hierarchical_leveled_wave import HierarchicalLeveledWave

    structure = HierarchicalLeveledWave(
        shape=(128, 128, 128), voxel_size_nm=VOXEL_NM, ligament_diameters_nm=(110.0, 15.0)
    ).generate(seed=1)
    y, x = np.mgrid[0:128:4, 0:128]
    pixels = np.column_stack([np.full(y.size, 3), y.ravel(), x.ravel()]).astype(np.int32)
    first = np.arange(len(pixels)) * PER_PIXEL
    signals = (Detector(), Detector(None, secondary_polar_deg=(0.0, 180.0)))
    print(
        f"\n{'two-level wave 128^3: CPU us per electron':<44}{'BSE':>8}{'BSE + SE':>10}{'ratio':>8}"
    )
    for filler in (EPOXY, VACUUM):
        labels = Labels(structure.data, structure.voxel_size_nm, {0: filler, 1: GOLD})
        lattice, media = make_lattice(labels, [0, 1]), [filler, GOLD]
        emissions = emissions_of(media, {})
        surfaces = surfaces_in(labels, [0, 1], reach_nm(emissions))
        for energy in (1, 2, 4):
            tables = build_tables(media, energy)
            made = make_secondary(emissions, tables, energy, 50.0, surfaces, VOXEL_NM)
            times = []
            for emission, detectors in ((None, signals[:1]), (made, signals)):
                beam = make_beam(energy, detectors=detectors)
                setting = (PER_PIXEL, lattice, tables, beam, emission)
                tally, lanes = empty_tally(len(pixels), 0, len(detectors)), empty_lanes(np.float32)
                image_pixels(KEY, pixels[:1], first[:1], *setting, tally, lanes)
                taken = []
                for _ in range(repeats):
                    start = time.process_time()
                    image_pixels(KEY, pixels, first, *setting, tally, lanes)
                    taken.append(time.process_time() - start)
                times.append(1e6 * statistics.median(taken) / (len(pixels) * PER_PIXEL))
            figures = f"{times[0]:>8.2f}{times[1]:>10.2f}{times[1] / times[0]:>8.2f}"
            print(f"{f'  in {filler.name}, {energy} kV':<44}{figures}")


def row(prototype: float, plain: float, batch: float) -> str:
    ratios = f"{batch / prototype:>9.1f}{batch / plain:>9.1f}"
    return f"{prototype:>11.0f}{plain:>12.0f}{batch:>12.0f}{ratios}"


def structure(path: Path, edge: int) -> None:
    """Write hierarchical nanoporous gold on disk."""
    from fib_plugins.generators.hierarchical_leveled_wave import HierarchicalLeveledWave

    made = HierarchicalLeveledWave(
        shape=(edge,) * 3,
        voxel_size_nm=VOXEL_NM,
        ligament_diameters_nm=(110.0, 15.0),
        waves=(1000, 1000),
    ).generate(seed=1)
    np.save(path, made.data)


def data_set(path: Path, threads: int) -> dict[str, float]:
    """Return peak memory in MB, and seconds per slice at each voltage."""
    labels = Labels(np.load(path, mmap_mode="r"), (VOXEL_NM,) * 3)
    edge = labels.shape[0]
    lattice = make_lattice(labels, [0, 1])
    found: dict[str, float] = {}
    gpu = cuda.is_available()
    for energy in (1, 2, 4):
        imager = Imager(
            lattice,
            build_tables([EPOXY, GOLD], energy),
            make_beam(energy),
            electrons_per_pixel=PER_PIXEL,
            key=1,
            threads=threads,
            gpu=gpu,
        )
        imager.image(0, (0, 1), (0, 8))
        rows = edge if gpu else 4
        clock = time.perf_counter if gpu else lambda: time.process_time() / threads
        start = clock()
        for z in np.linspace(0, edge - 1, 3).astype(int):
            imager.image(int(z), (edge // 2 - rows // 2, edge // 2 + rows // 2), (0, edge))
        found[f"{energy}"] = (clock() - start) / 3 * edge / rows
    found["memory"] = status_bytes("VmHWM") / 2**20  # mapped files included
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--edge", type=int, default=512, help="voxels a side of the data set")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(data_set(Path(args.measure), args.threads)))
        return
    print(f"{'one core':<40}{'prototype':>11}{'plain loop':>12}{'batches':>12}{'ratios':>9}")
    bulk(args.repeats)
    wave(args.repeats)
    secondary(args.repeats)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "labels.npy"
        structure(path, args.edge)
        command = [sys.executable, "-m", "benchmarks.monte_carlo", "--threads", str(args.threads)]
        command += ["--measure", str(path)]
        found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    where = "a GPU" if cuda.is_available() else f"{args.threads} threads"
    print(f"\n{args.edge}^3 voxels, {PER_PIXEL} electrons per pixel, {where}:")
    print(f"peak memory, Python included: {found.pop('memory'):.0f} MB")
    for energy, seconds in found.items():
        hours = seconds * args.edge / 3600
        print(
            f"{energy} kV: {seconds:6.2f} s per slice x {args.edge} slices = {hours:5.2f} h "
            f"(the paper: seven days)"
        )


if __name__ == "__main__":
    main()
