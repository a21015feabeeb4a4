"""Effects of the numerical choices: voxel size, cut-off, number of electrons, step rule."""

from __future__ import annotations

from itertools import pairwise
from typing import get_args

import numpy as np
from matplotlib.axes import Axes

from fib_plugins.electrons.layers import layered_yield
from fib_plugins.electrons.reference import Step
from fib_plugins.generators.layered import Layered
from fib_plugins.generators.leveled_wave import LeveledWave
from fibcore import Labels
from fibcore.materials import EPOXY, GOLD

from ..pages import percent
from .page import Section, value
from .simulations import NAMED, Bench, Yield, seed_of
from .style import COLOURS, INK, PALE, SERIES, panels, points

ENERGIES_KEV = (1.0, 2.0, 4.0)
REFINED = (1, 2, 4)
VOXEL_NM = 8.0
VOXEL_ELECTRONS = {"leveled wave": 3e6, "ball": 5e6, "film": 3e6}
CUTOFFS_EV = (50.0, 100.0, 200.0)
CUTOFF_CASES = (("Au", 1.0), ("Au", 2.0), ("Au", 4.0), ("C", 2.0))
CUTOFF_ELECTRONS = 2_000_000
NUMBERS = (100, 1000, 10_000, 100_000)
REPEATS = 60
STEP_CASES = (
    ("Au", 0.5, 0), ("Au", 2.0, 0), ("epoxy/Au", 1.0, 8), ("epoxy/Au", 2.0, 30),
    ("epoxy/Au", 4.0, 110),
)  # fmt: skip
STEP_ELECTRONS, STEP_ENGINE_ELECTRONS = 150_000, 1_000_000


def section(bench: Bench) -> Section:
    """Return the section."""
    page = Section("Convergence")
    voxels = _refinements(bench)
    cutoffs = _cutoffs(bench)
    scatter, expected = _scatter(bench)
    spread = 1 / np.sqrt(2 * REPEATS)
    with panels(1, 3, 2.8) as (figure, axes):
        _draw_refinements(axes[0], voxels)
        _draw_cutoffs(axes[1], cutoffs)
        axes[2].loglog(NUMBERS, expected, color=INK, label="√(η (1 \N{MINUS SIGN} η) / N)")
        points(axes[2], NUMBERS, scatter, scatter * spread, COLOURS["Au"], "found")
        axes[2].set_title("number of electrons")
        axes[2].set_xlabel("N")
        axes[2].set_ylabel("rms deviation of η")
        ticks = (0.002, 0.005, 0.01, 0.02, 0.05)
        axes[2].set_yticks(ticks, [f"{t:g}" for t in ticks])
        axes[2].minorticks_off()
        axes[2].legend()
        page.figure(
            figure, bench.pictures / "convergence.png",
            """Relative change of the yield with voxel size, with the cut-off, and the scatter of
            the yield against the number of electrons""",
        )  # fmt: skip

    page.heading("Voxel size")
    least = bench.electrons(min(VOXEL_ELECTRONS.values()))
    page.text(
        f"""Gold in epoxy on voxels of h = {VOXEL_NM:g} nm, and the same geometry on voxels of h/2
        and h/4 (each repeated along each axis), at least {least:,} electrons each. Voxel
        boundaries inside one material must have no effect."""
    )
    worst, rows = 0.0, []
    for (name, kev), yields in voxels.items():
        halving = [fine.eta / coarse.eta - 1 for coarse, fine in pairwise(yields)]
        worst = max([worst, *halving], key=abs)
        rows.append(
            [f"{name}, {kev:g} keV", *(value(y.eta, y.error) for y in yields),
             *(percent(h, 2) for h in halving)]
        )  # fmt: skip
    page.table(["η", "h", "h/2", "h/4", "h to h/2, %", "h/2 to h/4, %"], rows)
    page.check(
        "halving voxels", "changes η by less than 0.5 %", f"at most {percent(worst, 2)} %",
        abs(worst) < 0.005,
    )  # fmt: skip

    page.heading("Cut-off")
    page.text(
        f"""Energy below which an electron counts as stopped. By convention electrons that
        leave with less than 50 eV are secondary electrons.
        {bench.electrons(CUTOFF_ELECTRONS):,} electrons each."""
    )
    rows = [
        [f"{layers}, {kev:g} keV", *(value(y.eta, y.error) for y in yields),
         *(percent(y.eta / yields[0].eta - 1) for y in yields[1:])]
        for (layers, kev), yields in cutoffs.items()
    ]  # fmt: skip
    shifts = [f"{c:g} eV, %" for c in CUTOFFS_EV[1:]]
    page.table(["η", *(f"{c:g} eV" for c in CUTOFFS_EV), *shifts], rows)

    page.heading("Number of electrons")
    page.text(
        f"""Gold at 2 keV, {REPEATS} runs with each number of electrons: the root mean square
        deviation from the best value is {", ".join(f"{r:.2f}" for r in scatter / expected)} times
        the binomial standard error, for N = {", ".join(f"{n:,}" for n in NUMBERS)} (1 is expected,
        with a standard error of {spread:.2f})."""
    )
    _steps(page, bench)
    return page


def structures() -> dict[str, Labels]:
    """Return small structures of gold in epoxy; two of them are three-dimensional."""
    wave = LeveledWave(
        shape=(20, 32, 32), voxel_size_nm=VOXEL_NM, ligament_diameter_nm=50, solid_fraction=0.5,
        waves=500,
    ).generate(seed=2)  # fmt: skip
    z, y, x = np.indices((12, 12, 12)) * VOXEL_NM + VOXEL_NM / 2
    ball = (z - 48) ** 2 + (y - 48) ** 2 + (x - 48) ** 2 < 40**2
    film = Layered(shape=(6, 8, 8), voxel_size_nm=VOXEL_NM, film_thickness_nm=VOXEL_NM)
    return {
        "leveled wave": wave,
        "ball": Labels(ball.astype(np.uint8), (VOXEL_NM,) * 3, phases={0: EPOXY, 1: GOLD}),
        "film": film.generate(),
    }


def _refined(labels: Labels, times: int) -> Labels:
    """Return the same structure on voxels so many times smaller."""
    data = labels.data
    for axis in range(3):
        data = np.repeat(data, times, axis)
    z, y, x = (v / times for v in labels.voxel_size_nm)
    return Labels(data, (z, y, x), phases=labels.phases)


def _refinements(bench: Bench) -> dict[tuple[str, float], list[Yield]]:
    """Return yields by structure and energy, one for each of `REFINED`."""
    found: dict[tuple[str, float], list[Yield]] = {}
    for name, labels in structures().items():
        for times in REFINED:
            fine = _refined(labels, times)
            yields = bench.mean_yields(fine, ENERGIES_KEV, VOXEL_ELECTRONS[name], seed=times)
            for kev, result in zip(ENERGIES_KEV, yields, strict=True):
                found.setdefault((name, kev), []).append(result)
    return found


def _draw_refinements(axis: Axes, found: dict[tuple[str, float], list[Yield]]) -> None:
    axis.axhspan(-0.5, 0.5, color=PALE, alpha=0.15)
    axis.axhline(0, color=PALE, linewidth=1)
    for i, ((name, kev), (coarse, *finer)) in enumerate(found.items()):
        x = np.arange(len(finer)) + (i - (len(found) - 1) / 2) * 0.09
        change = [100 * (y.eta / coarse.eta - 1) for y in finer]
        error = [100 * np.hypot(y.error, coarse.error) / coarse.eta for y in finer]
        label = name if kev == ENERGIES_KEV[0] else ""
        points(axis, x, change, error, SERIES[i // len(ENERGIES_KEV)], label)
    axis.set_xticks(range(len(REFINED) - 1), [f"h/{n}" for n in REFINED[1:]])
    axis.set_ylim(-1.2, 1.2)
    axis.set_title("voxel size")
    axis.set_ylabel("change of η against h / %")
    axis.legend(loc="upper center", ncols=3, columnspacing=0.6, handletextpad=0.0, fontsize=7)


def _cutoffs(bench: Bench) -> dict[tuple[str, float], list[Yield]]:
    """Return yields by material and energy, one for each of `CUTOFFS_EV`."""

    def yields(case: tuple[str, float]) -> list[Yield]:
        return [bench.engine(*case, CUTOFF_ELECTRONS, cutoff_ev=c) for c in CUTOFFS_EV]

    return dict(zip(CUTOFF_CASES, bench.each(yields, CUTOFF_CASES), strict=True))


def _draw_cutoffs(axis: Axes, found: dict[tuple[str, float], list[Yield]]) -> None:
    for i, ((layers, kev), yields) in enumerate(found.items()):
        change = [100 * (y.eta / yields[0].eta - 1) for y in yields]
        axis.plot(CUTOFFS_EV, change, "o-", color=SERIES[i], label=f"{layers}, {kev:g} keV")
    axis.set_title("cut-off")
    axis.set_xlabel("cut-off / eV")
    axis.set_xticks(CUTOFFS_EV)
    axis.set_ylabel("change of η / %")
    axis.legend(loc="lower left")


def _scatter(bench: Bench) -> tuple[np.ndarray, np.ndarray]:
    """Return the rms deviation of many runs by number of electrons, and the binomial one."""
    gold = NAMED["Au"]
    eta = bench.engine("Au", 2.0, 4e6).eta

    def deviation(number: int) -> float:
        seeds = (seed_of("numbers", number, i) for i in range(REPEATS))
        runs = [layered_yield(gold, gold, 0.0, 2.0, number, seed=seed).eta for seed in seeds]
        return float(np.sqrt(np.mean((np.array(runs) - eta) ** 2)))

    expected = np.sqrt(eta * (1 - eta) / np.array(NUMBERS))
    return np.array(bench.each(deviation, NUMBERS)), expected


def _steps(page: Section, bench: Bench) -> None:
    page.heading("Step rule")
    page.text(
        f"""The engine tracks the optical depth that remains until an electron stops. Energy loss
        and mean free path along a flight are therefore exact, and there is no step rule. The oracle
        takes steps by one of three rules: the stopping power at the start of a flight (Euler), at
        its middle (midpoint), or at the middle of flights that lose at most 0.5 % (fine).
        Deviation from the engine in percent; {bench.electrons(STEP_ELECTRONS):,} electrons for each
        rule. With Euler steps too much shines through the epoxy; bulk coefficients do not show this
        error."""
    )
    rows = []
    for layers, kev, thickness in STEP_CASES:
        engine = bench.engine(layers, kev, STEP_ENGINE_ELECTRONS, thickness_nm=thickness)
        row = [f"{layers}, {kev:g} keV" + (f", {thickness} nm" if thickness else "")]
        row.append(value(engine.eta, engine.error))
        for step in get_args(Step):
            found = bench.oracle(layers, kev, STEP_ELECTRONS, thickness_nm=thickness, step=step)
            error = np.hypot(found.standard_error, engine.error) / engine.eta
            row.append(f"{percent(found.eta / engine.eta - 1)} ± {100 * error:.1f}")
        rows.append(row)
    page.table(["", "engine, η", *get_args(Step)], rows)
