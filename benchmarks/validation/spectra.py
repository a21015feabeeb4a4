"""Energies and directions of backscattered electrons."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from scipy.stats import chi2

from .page import Section
from .simulations import Bench
from .style import COLOURS, INK, PALE, panels, points

KEV = 2.0
CASES = {
    "Au": ("Au", 0.0), "Cu": ("Cu", 0.0), "C": ("C", 0.0),
    "Au, 20 nm epoxy": ("epoxy/Au", 20.0),
}  # fmt: skip
BINS = 20
ELECTRONS, ORACLE_ELECTRONS = 2_000_000, 200_000
HIGH = 0.8
"""Lower limit of a possible detector window, as a fraction of the beam energy."""


def section(bench: Bench) -> Section:
    """Return the section."""
    page = Section("Energies and angles of backscattered electrons")
    page.text(
        f"""{KEV:g} keV, normal incidence. Upper row: energies; lower row: cosines of the angle to
        the normal, for which the cosine law is a straight line. Engine
        ({bench.electrons(ELECTRONS):,} electrons) against oracle
        ({bench.electrons(ORACLE_ELECTRONS):,})."""
    )
    rows = []
    chances = []
    edges = np.linspace(0.0, 1.0, BINS + 1)
    with panels(2, 4, 4.4) as (figure, axes):
        for (name, (layers, thickness)), column in zip(CASES.items(), axes.T, strict=True):
            engine = bench.histograms(layers, KEV, ELECTRONS, thickness)
            oracle = bench.oracle(layers, KEV, ORACLE_ELECTRONS, thickness_nm=thickness)
            energy = oracle.energy_ev[oracle.escaped] / (1000 * KEV)
            cosine = oracle.exit_cosine
            for axis, counted, values in (
                (column[0], engine.energies, energy),
                (column[1], engine.cosines, cosine),
            ):
                of = counted.reshape(BINS, -1).sum(axis=1)
                drawn = np.histogram(values, edges)[0]
                _bins(axis, edges, of / engine.electrons, drawn, len(oracle.fate), name)
                chances.append(_chance(of, engine.electrons, drawn, len(oracle.fate)))
            column[1].plot([0, 1], [0, 2 * engine.eta], "--", color=PALE, label="cosine law")
            column[0].set_title(name)
            column[0].set_xlabel("energy / beam energy")
            column[1].set_xlabel("cosine of the polar angle")
            rows.append(
                [name, f"{engine.eta:.3f}", f"{energy.mean():.3f}",
                 f"{100 * np.mean(energy > HIGH):.0f}", f"{cosine.mean():.3f}"]
            )  # fmt: skip
        axes[0, 0].set_ylabel("dη / d(energy)")
        axes[1, 0].set_ylabel("dη / d(cosine)")
        axes[1, 0].legend(loc="upper left")
        page.figure(
            figure, bench.pictures / "spectra.png",
            "Distributions of energies and of cosines of backscattered electrons",
        )  # fmt: skip
    page.table(
        ["", "η", "mean E/E₀", f"above {HIGH:g} E₀ / %", "mean cosine (cosine law: 0.667)"], rows
    )
    page.text(
        """Electrons from heavy materials keep more of their energy. A detector that favours high
        energies therefore raises the contrast of gold in epoxy, and hides some of the deep solid.
        The detector window of `simulator/monte_carlo` serves this purpose."""
    )
    page.check(
        "energies and angles, engine against oracle",
        "equal within counting noise (chance > 0.001)",
        f"least chance of {len(chances)} histograms {min(chances):.3f}", min(chances) > 0.001,
    )  # fmt: skip
    return page


def _bins(
    axis: Axes, edges: np.ndarray, engine: np.ndarray, drawn: np.ndarray, electrons: int, name: str
) -> None:
    """Draw one histogram of the engine and one of the oracle, both per electron and bin width."""
    width = np.diff(edges)
    colour = COLOURS.get(name, COLOURS["epoxy"])
    axis.stairs(engine / width, edges, color=colour, linewidth=1.6, label="engine")
    middle = (edges[1:] + edges[:-1]) / 2
    error = np.sqrt(np.maximum(drawn, 1)) / electrons
    points(axis, middle, drawn / electrons / width, error / width, INK, "oracle")
    axis.set_ylim(bottom=0)


def _chance(engine: np.ndarray, sent: int, oracle: np.ndarray, followed: int) -> float:
    """Return the chance that equal distributions differ as much, by chi square of their bins."""
    there = (engine > 20) & (oracle > 20)
    difference = engine[there] / sent - oracle[there] / followed
    variance = engine[there] / sent**2 + oracle[there] / followed**2
    return float(chi2.sf(np.sum(difference**2 / variance), there.sum()))
