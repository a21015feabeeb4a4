"""Secondary electrons: yields against measurements, tilt, edges, holes."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from fib_plugins.electrons.emission import emission_of
from fib_plugins.electrons.layers import layered_yield
from fibcore import Labels
from fibcore.elements import elements
from fibcore.materials import EPOXY, GOLD, VACUUM, Material

from ..pages import percent
from .measured import SOURCES
from .page import Section
from .simulations import NAMED, Bench, seed_of
from .style import COLOURS, INK, PALE, energy_axis, panels

FILE = Path(__file__).with_name("secondary_measured.csv")
CLEAN = "bronstein1969"
"""The set on clean surfaces, whose shape is the requirement."""

LOW_KEV, HIGH_KEV = 0.5, 4.0
CURVE_KEV = (0.3, 0.4, 0.5, 0.6, 0.8, 1, 1.5, 2, 3, 4, 5, 7, 10, 15, 20, 30)
ELECTRONS = 200_000
TILTS_DEG = (0, 15, 30, 45, 60)
TILTED = {"C": 2.0, "Al": 5.0, "Cu": 5.0, "Au": 5.0}
ASPECTS = (0.25, 0.5, 1.0, 1.5, 2.0)
HOLE_VOXELS, HOLE_NM, HOLE_KEV = 24, 2.0, 1.0
EDGE_NM, EDGE_KEV = 1.0, 2.0


@dataclass(frozen=True)
class Scaled:
    """A measured curve beside the simulated one.

    Attributes:
        energy_kev: energies.
        measured: measured yields.
        simulated: simulated yields.
    """

    energy_kev: np.ndarray
    measured: np.ndarray
    simulated: np.ndarray

    @property
    def scale(self) -> float:
        """The factor of the simulated curve that makes its largest deviation smallest."""
        ratio = self.simulated / self.measured
        return 1.0 / math.sqrt(float(ratio.max() * ratio.min()))

    @property
    def deviations(self) -> np.ndarray:
        """Simulated over measured yields, less 1, after scaling."""
        return np.asarray(self.scale * self.simulated / self.measured - 1.0)


def section(bench: Bench) -> Section:
    """Return the section."""
    page = Section("Secondary electrons")
    page.text(
        """Yields \N{GREEK SMALL LETTER DELTA} of secondary electrons of thick samples at normal
        incidence, with the constants of `fib_plugins.electrons.emission`: the same rules for all
        elements. Measurements of one element differ by up to a factor of four with the state of
        its surface, so that only the shape of the curves is compared, with one scale for each set;
        the set of Bronstein and Fraiman is on clean surfaces."""
    )
    _yields(page, bench)
    _tilts(page, bench)
    _holes(page, bench)
    _edge(page, bench)
    page.text(
        """Not simulated: energies of secondary electrons, the work function and the fields of
        detectors, charging, secondary electrons from the chamber, and their reflection by walls of
        pores. Each open surface within reach takes its own share: at an edge an electron may leave
        through the face and through the wall of a pore."""
    )
    return page


def delta(bench: Bench, symbol: str, energy_kev: float, tilt_deg: float = 0.0) -> float:
    """Return the simulated yield of an element."""
    material = element(symbol)
    found = layered_yield(
        material,
        material,
        0.0,
        energy_kev,
        bench.electrons(ELECTRONS),
        seed=seed_of(symbol, energy_kev, tilt_deg, "secondary"),
        tilt_deg=tilt_deg,
        emissions={},
    )
    return found.delta


def element(symbol: str) -> Material:
    """Return an element as a material."""
    return NAMED.get(symbol) or Material.of_element(elements()[symbol])


def measured_yields(file: Path = FILE) -> dict[tuple[str, str], np.ndarray]:
    """Return element and source -> energies in keV and yields, (2, point)."""
    rows: dict[tuple[str, str], list[tuple[float, float]]] = {}
    with file.open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            key = row["element"], row["source"]
            rows.setdefault(key, []).append((float(row["energy_kev"]), float(row["delta"])))
    return {key: np.array(sorted(found)).T for key, found in rows.items()}


def compared(bench: Bench, symbol: str, energies: np.ndarray, measured: np.ndarray) -> Scaled:
    """Return a measured set of an element beside its simulation, from 0.5 to 4 keV."""
    within = (energies >= LOW_KEV) & (energies <= HIGH_KEV)
    simulated = bench.each(partial(delta, bench, symbol), energies[within].tolist())
    return Scaled(energies[within], measured[within], np.array(simulated))


def _yields(page: Section, bench: Bench) -> None:
    sets = measured_yields()
    symbols = sorted({symbol for symbol, _ in sets}, key=lambda s: element(s).mean_atomic_number)
    rows = []
    with panels(1, len(symbols), 3.0) as (figure, axes):
        for axis, symbol in zip(axes, symbols, strict=True):
            curve = bench.each(partial(delta, bench, symbol), CURVE_KEV)
            axis.plot(CURVE_KEV, curve, color=COLOURS[symbol], label="simulated")
            for (found, source), (energies, yields) in sets.items():
                if found != symbol:
                    continue
                colour = INK if source == CLEAN else PALE
                label = SOURCES[source].label
                axis.plot(energies, yields, SOURCES[source].marker, color=colour, label=label)
                both = compared(bench, symbol, energies, yields)
                if len(both.energy_kev) > 2:
                    off = " ".join(f"{100 * d:+.0f}" for d in both.deviations)
                    rows.append([symbol, label, f"{both.scale:.2f}", off])
                if source == CLEAN:
                    worst = float(np.abs(both.deviations).max())
                    page.check(
                        f"shape of \N{GREEK SMALL LETTER DELTA}(E) of {symbol}, 0.5 to 4 keV, one "
                        f"scale",
                        f"within 15 % of every point of {label}",
                        f"at most {percent(worst)} %", worst <= 0.15,
                    )  # fmt: skip
            axis.set_title(symbol)
            energy_axis(axis, 0.25)
            axis.set_xlabel("beam energy / keV")
            axis.set_ylim(bottom=0)
        axes[0].set_ylabel("\N{GREEK SMALL LETTER DELTA}")
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
        page.figure(
            figure, bench.pictures / "secondary.png", "Yields of secondary electrons by energy"
        )
    page.table(
        ["", "measured by", "scale", "simulated / measured, from low to high energy, %"], rows
    )


def _tilts(page: Section, bench: Bench) -> None:
    page.heading("Tilt")
    rows = []
    for symbol, energy in TILTED.items():
        found = bench.each(partial(delta, bench, symbol, energy), TILTS_DEG)
        relative = np.array(found) / found[0]
        secant = 1.0 / np.cos(np.radians(TILTS_DEG))
        power = float(np.log(relative[-1]) / np.log(secant[-1]))
        rows.append([f"{symbol}, {energy:g} keV", *(f"{r:.2f}" for r in relative), f"{power:.2f}"])
        if symbol == "Cu":
            worst = float(np.abs(relative / secant - 1).max())
            page.check(
                "tilt of a medium element (Cu, 5 keV), up to 60 degrees",
                "1 / cos within 15 %", f"at most {percent(worst)} %", worst <= 0.15,
            )  # fmt: skip
    page.table(["yield over that at 0", *(f"{tilt}°" for tilt in TILTS_DEG), "power"], rows)
    page.text(
        """The law 1 / cos holds where backscattered electrons matter little. The power of 1 / cos
        is larger for light elements, where tilt brings more of the track near the surface, and
        smaller for heavy ones, whose electrons come back from all directions anyway; L. Reimer
        (Scanning Electron Microscopy, Springer 1998) gives 1.3 to 0.65."""
    )


def _holes(page: Section, bench: Bench) -> None:
    page.heading("Holes")
    flat = _hole(bench, 0.0)
    rows, worst = [], 0.0
    for aspect in ASPECTS:
        found = _hole(bench, aspect) / flat
        open_share = 1.0 / (1.0 + (2.0 * aspect) ** 2)
        rows.append([f"{aspect:g}", f"{found:.3f}", f"{open_share:.3f}"])
        worst = max(worst, abs(found - open_share))
    page.table(["depth / diameter", "simulated", "1 / (1 + (2 depth / diameter)²)"], rows)
    page.text(
        f"""Secondary electrons that come out of a round hole in gold from the middle of its
        bottom, over those of a flat face; {HOLE_KEV:g} keV, {HOLE_VOXELS} voxels of
        {HOLE_NM:g} nm in diameter. Its walls emit none here. For emission by the cosine law, the
        share of the opening is that in the last column."""
    )
    page.check(
        "secondary electrons from the bottom of a round hole",
        "the share of the opening, within 0.03", f"within {worst:.3f}", worst <= 0.03,
    )  # fmt: skip


def _hole(bench: Bench, aspect: float) -> float:
    """Return the yield from the middle of the bottom of a hole."""
    edge, depth = 2 * HOLE_VOXELS + 16, round(aspect * HOLE_VOXELS)
    y, x = np.mgrid[:edge, :edge] + 0.5 - edge / 2
    data = np.full((depth + 32, edge, edge), 1, np.uint8)
    data[:depth] = np.where(np.hypot(y, x) < HOLE_VOXELS / 2, 0, 2)
    walls = GOLD.model_copy(update={"name": "walls"})
    labels = Labels(data, (HOLE_NM,) * 3, {0: VACUUM, 1: GOLD, 2: walls})
    middle = (edge // 2 - 2, edge // 2 + 2)
    image = bench.images(
        labels,
        [HOLE_KEV],
        bench.electrons(20_000),
        detectors=("se",),
        slices=(0, 1),
        region=(middle, middle),
        below="repeat",
        secondary={"walls": {"epsilon_ev": 1e9, "escape_nm": emission_of(GOLD).escape_nm}},
    )
    return float(image.mean())


def _edge(page: Section, bench: Bench) -> None:
    page.heading("Edge")
    width, depth = 64, 40
    data = np.ones((depth + 40, 8, 2 * width), np.uint8)
    data[:depth, :, :width] = 0
    rows = []
    with panels(1, 2, 2.4) as (figure, axes):
        for axis, filler in zip(axes, (VACUUM, EPOXY), strict=True):
            labels = Labels(data, (EDGE_NM,) * 3, {0: filler, 1: GOLD})
            image = bench.images(
                labels,
                [EDGE_KEV],
                bench.electrons(2000),
                detectors=("bse", "se"),
                slices=(0, 1),
                lateral="mirror",
                below="repeat",
            )
            profile = image[:, 0].mean(axis=1)
            far = profile[:, 2 * width - 16 :].mean(axis=1)
            place = EDGE_NM * (np.arange(2 * width) - width + 0.5)
            for signal, colour, label in zip(profile, (PALE, INK), ("BSE", "SE"), strict=True):
                axis.plot(place, signal, color=colour, label=label)
            axis.set_title(f"gold step in {filler.name}")
            axis.set_xlabel("distance from the edge / nm")
            axis.set_ylim(bottom=0)
            rim = profile[1, width : width + 2].mean() / far[1]
            foot = profile[1, width - 10 : width].mean() / far[1]
            rows.append([filler.name, f"{far[1]:.2f}", f"{rim:.2f}", f"{foot:.2f}"])
            if filler is VACUUM:
                page.check(
                    "bright rim of an edge (gold in vacuum, 2 keV)", "1.3 to 3 times the face",
                    f"{rim:.2f}", 1.3 <= rim <= 3,
                )  # fmt: skip
        axes[0].set_ylabel("yield")
        axes[0].legend()
        page.figure(
            figure, bench.pictures / "secondary_edge.png", "Yields across the edge of a step"
        )
    page.table(["step filled with", "face", "rim / face", "10 nm beside the edge / face"], rows)
