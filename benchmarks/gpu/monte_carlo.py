"""Electrons and pixels per second of the Monte Carlo, and the paper's volume at 2 kV.

Rates of the GPU are those of whole slices, tallies brought back; beside them one core images some
pixels of the same structure. Volumes are those of benchmarks/monte_carlo.py.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Sequence

import numpy as np

from fib_plugins.electrons.electron import make_beam
from fib_plugins.electrons.imaging import Imager, make_lattice
from fib_plugins.electrons.lattice import Lattice
from fib_plugins.electrons.medium import build_tables
from fibcore import Labels, Material
from fibcore.materials import EPOXY, GOLD

from .agreement import noise_alone, same_fates
from .part import Part
from .parts import BULK, SLICES, WHOLE
from .result import SECONDS, Result

VOXEL_NM = 3.26
VOLTAGES = (2, 1, 4)
RESERVE = 1.15
"""Safety factor for forecasts of time."""

ONE_CORE = "one core"


def measure(part: Part) -> None:
    """Image bulk gold, a leveled wave, and slices and all of a large structure."""
    _bulk(part)
    _wave(part)
    if part.time_for(60, SLICES.format(2)):
        _large(part)


class Pair:
    """The same structure and voltage on the GPU and on one core.

    Args:
        part: has the sizes.
        lattice: the structure.
        materials: its media, in order.
        energy_kev: of the beam.
        electrons: sent into each pixel.
    """

    def __init__(
        self, part: Part, lattice: Lattice, materials: Sequence[Material], energy_kev: float,
        electrons: int,
    ) -> None:  # fmt: skip
        self.part, self.electrons = part, electrons
        self._setting = (lattice, build_tables(materials, energy_kev), make_beam(energy_kev))
        self.depth, self.height, self.width = (int(n) for n in lattice.shape)
        self.gpu = self._imager(gpu=True)

    def _imager(self, *, gpu: bool, key: int = 1) -> Imager:
        return Imager(
            *self._setting, electrons_per_pixel=self.electrons, key=key, threads=1, gpu=gpu
        )

    def gpu_rate(self) -> float:
        """Return pixels per second of the GPU; slices are doubled until the time is long enough."""
        window = (0, self.height), (0, self.width)
        list(self.gpu.images([0], *window))  # compiles, or loads
        for slices in (2**n for n in itertools.count()):
            asked = np.arange(slices) * self.depth // slices % self.depth
            start = time.perf_counter()
            for _ in self.gpu.images(asked.tolist(), *window):
                pass
            seconds = time.perf_counter() - start
            if seconds >= self.part.size(1.5, 0.0):
                break
        return slices * self.height * self.width / seconds

    def core(self, rows: int) -> tuple[float, str, bool]:
        """Return pixels per second of one core, and how its counts compare with the GPU's.

        Measured on some rows of slices all over the volume, once with the random numbers of the
        GPU, and once with others.
        """
        same, others = (self._imager(gpu=False, key=key) for key in (1, 2))
        same.image(0, (0, 1), (0, 1))  # compiles, or loads
        begin = (self.height - rows) // 2
        window = (begin, begin + rows), (0, self.width)
        slices = np.linspace(0, self.depth - 1, min(self.part.size(3, 1), self.depth))
        asked = slices.astype(int).tolist()
        start = time.process_time()
        on_core, from_others = (_counts(imager, asked, *window) for imager in (same, others))
        rate = 2 * on_core.size / (time.process_time() - start)
        made = _counts(self.gpu, asked, *window)
        fates, alike = same_fates(made, on_core)
        noise, alone = noise_alone(made, from_others, self.electrons)
        return rate, f"{fates}; other random numbers: {noise}", alike and alone


def _counts(
    imager: Imager, slices: Sequence[int], rows: tuple[int, int], columns: tuple[int, int]
) -> np.ndarray:
    return np.concatenate([tally.counts for _, tally in imager.images(slices, rows, columns)])


def _bulk(part: Part) -> None:
    edge, electrons = part.size(64, 2), part.size(10_000, 10)
    gold = Labels(np.ones((1, edge, edge), np.uint8), (1.0, 1e5, 1e5))
    pair = Pair(part, make_lattice(gold, [1], below=1), [GOLD], 2.0, electrons)
    core, check, passed = pair.core(1)
    gpu = pair.gpu_rate()
    part.result(
        Result(BULK, "electrons/s", gpu * electrons, core * electrons, ONE_CORE, check, passed)
    )


def _wave(part: Part) -> None:
    from fib_plugins.generators.leveled_wave import LeveledWave

    generator = LeveledWave(
        shape=part.size(128, 4),
        voxel_size_nm=VOXEL_NM,
        ligament_diameter_nm=part.size(30.0, 10.0),
        solid_fraction=0.5,
        waves=part.size(10_000, 20),
    )
    lattice = make_lattice(generator.generate(seed=1), [0, 1])
    for energy in part.size(VOLTAGES, (2, 1)):
        if part.time_for(10, name := f"leveled wave of 128^3, {energy} kV"):
            _rates(part, name, lattice, energy)


def _rates(part: Part, name: str, lattice: Lattice, energy: float) -> tuple[Pair, float]:
    """Report the rates of GPU and core; return both imagers, and the core's rate."""
    pair = Pair(part, lattice, [EPOXY, GOLD], energy, part.size(100, 2))
    rows = part.size(max(1, round(6000 / energy / pair.width)), 1)  # less than a second each
    core, check, passed = pair.core(rows)
    part.result(Result(name, "pixels/s", pair.gpu_rate(), core, ONE_CORE, check, passed))
    return pair, core


def _large(part: Part) -> None:
    """Image slices of hierarchical nanoporous gold, then all of them at 2 kV if time allows."""
    from fib_plugins.generators.hierarchical_leveled_wave import HierarchicalLeveledWave

    start = time.perf_counter()
    edge = part.size(512, 4)
    labels = HierarchicalLeveledWave(
        shape=edge,
        voxel_size_nm=VOXEL_NM,
        ligament_diameters_nm=part.size((110.0, 15.0), (20.0, 10.0)),
        waves=part.size((1000, 1000), (20, 20)),
    ).generate(seed=1)
    made = time.perf_counter()
    lattice = make_lattice(labels, [0, 1])
    packed = time.perf_counter() - made
    note = f"the structure; {packed:.1f} s more to make it ready for electrons"
    part.result(Result("512^3 voxels", SECONDS, cpu=made - start, cpu_is="all cores", note=note))
    pairs = {
        energy: _rates(part, SLICES.format(energy), lattice, energy)
        for energy in part.size(VOLTAGES, (2, 1))
        if part.time_for(12, SLICES.format(energy))
    }
    if 2 in pairs and part.time_for(15, WHOLE):
        _whole(part, *pairs[2])


def _whole(part: Part, pair: Pair, core_rate: float) -> None:
    """Image all slices, or as many evenly spread ones as the time allows."""
    rows, columns = (0, pair.height), (0, pair.width)
    forecast = pair.gpu.seconds_per_pixel(rows, columns) * pair.height * pair.width
    wanted = min(pair.depth, max(1, math.floor(part.left() / forecast / RESERVE)))
    slices = np.linspace(0, pair.depth - 1, wanted).astype(int).tolist()
    done = 0
    start = time.perf_counter()
    for _ in pair.gpu.images(slices, rows, columns):
        done += 1
        seconds = time.perf_counter() - start
        if part.left() <= 0:
            break
    note = f"forecast {forecast * pair.depth:.3g} s"
    if done < pair.depth:
        note += f"; extrapolated from {done} slices in {seconds:.3g} s"
    gpu, core = seconds / done * pair.depth, pair.depth * pair.height * pair.width / core_rate
    note += "; the core's time is extrapolated from some rows"
    part.result(Result(WHOLE, SECONDS, gpu, core, ONE_CORE, note=note))
