"""Time, memory and accuracy of `generator/leveled_wave`.

The time is that of `generate` alone; the memory is the peak of the whole process up to then, with
its libraries. `CPU s` is the sum over all cores: on a busy machine it is more reliable than
the time. The error is the largest difference from the direct float64 sum over all waves at random
voxels, corners included, in standard deviations of the field.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import time
from itertools import product

import numpy as np

from fib_plugins.generators.leveled_wave import LeveledWave
from fib_plugins.generators.plane_waves import isotropic_waves
from fib_plugins.generators.wave_field import WaveField, direct_sum
from fibcore.context import Context
from fibcore.materials import EPOXY, GOLD

SAMPLED_SLICES = 12
SAMPLED_PER_SLICE = 100


def peak_memory_gb() -> float:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def largest_error(structure: LeveledWave, context: Context) -> tuple[float, tuple[int, ...]]:
    """Return the largest error at sampled voxels, and the nodes that the field is summed on."""
    waves = isotropic_waves(
        structure.waves, structure.wave_number, structure.anisotropy, context.rng_for("waves")
    )
    field = WaveField(waves, structure.shape, structure.voxel_size_nm, context)
    rng = np.random.default_rng(0)
    last = np.subtract(structure.shape, 1)
    slices = {0, int(last[0]), *rng.integers(0, structure.shape[0], SAMPLED_SLICES).tolist()}
    worst = 0.0
    for z in sorted(slices):
        yx = rng.integers(0, structure.shape[1:], (SAMPLED_PER_SLICE, 2))
        yx[:4] = list(product((0, last[1]), (0, last[2])))
        zyx = np.column_stack([np.full(len(yx), z), yx])
        points = (zyx - last / 2) * structure.voxel_size_nm
        fast = field.slab((z, z + 1))[0][tuple(yx.T)]
        worst = max(worst, float(np.abs(fast - direct_sum(waves, points)).max()))
    return worst, field.nodes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=512, help="voxels per edge")
    parser.add_argument("--waves", type=int, default=10_000)
    parser.add_argument("--voxel-nm", type=float, default=3.0)
    parser.add_argument("--ligament-nm", type=float, default=60.0)
    parser.add_argument("--solid-fraction", type=float, default=0.35)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    args = parser.parse_args()

    structure = LeveledWave(
        shape=args.size,
        voxel_size_nm=args.voxel_nm,
        ligament_diameter_nm=args.ligament_nm,
        solid_fraction=args.solid_fraction,
        waves=args.waves,
        materials=(EPOXY, GOLD),
    )
    context = Context(7, threads=args.threads)
    start, cpu_start = time.perf_counter(), time.process_time()
    labels = structure.generate(context)
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    memory = peak_memory_gb()
    off = abs(int(labels.data.sum(dtype=np.int64)) - round(args.solid_fraction * args.size**3))
    error, nodes = largest_error(structure, context)

    print(
        "voxels  waves   nodes        threads  seconds  CPU s  peak GB  error/std  voxels off phi"
    )
    print(
        f"{args.size}^3   {args.waves:<7d} {'x'.join(map(str, nodes)):<12s} {args.threads:<8d} "
        f"{seconds:<8.1f} {cpu_seconds:<6.1f} {memory:<8.2f} {error:<10.1e} {off}"
    )


if __name__ == "__main__":
    main()
