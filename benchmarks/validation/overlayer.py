"""Gold under a film of epoxy: the depth that is visible."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from scipy.stats import chi2

from fib_plugins.physics.hunger_kuchler import HungerKuchler

from ..pages import percent, signed
from .page import SIGMA, Section
from .simulations import NAMED, Bench, Yield
from .style import COLOURS, INK, PALE, panels, points

THICKNESS_NM = {
    1: (0, 2, 4, 6, 8, 10, 12, 15, 20, 25, 30),
    2: (0, 5, 10, 15, 20, 25, 30, 35, 40, 50, 60, 75),
    4: (0, 10, 20, 35, 50, 65, 80, 95, 110, 125, 140, 160, 190),
}
ORACLE_NM = {1: (0, 4, 8, 12, 20), 2: (0, 10, 20, 30, 40, 60), 4: (0, 20, 50, 80, 110, 140, 190)}
ELECTRONS, ORACLE_ELECTRONS = 4_000_000, 600_000


def section(bench: Bench) -> Section:
    """Return the section."""
    logging.getLogger("fib").addHandler(logging.NullHandler())  # extrapolated below 4 keV: known
    engine = {e: film(bench, e, ELECTRONS) for e in THICKNESS_NM}
    oracle = {
        e: {
            t: Yield(r.eta, r.standard_error)
            for t in thicknesses
            for r in [bench.oracle("epoxy/Au", e, ORACLE_ELECTRONS, thickness_nm=t)]
        }
        for e, thicknesses in ORACLE_NM.items()
    }
    law = HungerKuchler()
    page = Section("Gold under epoxy")
    page.text(
        """This test is decisive for porous samples: it determines from which depth solid shines
        through the filled pores, and reveals errors in the energy loss that bulk coefficients
        hide."""
    )
    with panels(1, 3, 2.9, sharey=True) as (figure, axes):
        for axis, e in zip(axes, engine, strict=True):
            last = max(engine[e])
            fine = np.linspace(0, last, 200)
            axis.plot(
                fine,
                law.coefficient(NAMED["Au"], e, fine),
                "--",
                color=PALE,
                label="Hunger-Küchler",
            )
            axis.plot(
                list(engine[e]),
                [y.eta for y in engine[e].values()],
                color=COLOURS["Au"],
                label="engine",
            )
            y = oracle[e].values()
            points(axis, list(oracle[e]), [v.eta for v in y], [v.error for v in y], INK, "oracle")
            axis.set_title(f"{e} keV")
            axis.set_xlabel("thickness of epoxy / nm")
            axis.set_xlim(0, last)
        axes[0].set_ylim(0, 0.5)
        axes[0].set_ylabel("backscatter coefficient η")
        axes[0].legend()
        page.figure(
            figure, bench.pictures / "overlayer.png",
            "Backscatter coefficient of gold under epoxy against the thickness of the epoxy",
        )  # fmt: skip
    half = {e: half_depth(engine[e]) for e in engine}
    depths = ", ".join(f"{half[e]:.1f} nm at {e} keV" for e in engine)
    page.text(
        f"""The signal of gold falls to one half under {depths}. With the analytic law,
        `physics/hunger_kuchler`, solid is visible from too deep, and epoxy is too bright."""
    )
    rows, deviations = [], []
    for e in oracle:
        for t, expected in oracle[e].items():
            found = engine[e][t]
            off = (found.eta - expected.eta) / np.hypot(found.error, expected.error)
            deviations.append(off)
            analytic = float(law.coefficient(NAMED["Au"], e, t))
            rows.append(
                [f"{e} keV, {t} nm", f"{found.eta:.4f}", f"{expected.eta:.4f}",
                 percent(found.eta / expected.eta - 1), signed(off),
                 f"{analytic:.3f}"]
            )  # fmt: skip
    page.table(["", "engine", "oracle", "deviation / %", f"in {SIGMA}", "Hunger-Küchler"], rows)
    total = float(np.sum(np.square(deviations)))
    chance = float(chi2.sf(total, len(deviations)))
    page.text(
        f"""Engine: {bench.electrons(ELECTRONS):,} electrons per point; oracle:
        {bench.electrons(ORACLE_ELECTRONS):,}, with steps so fine that their error is negligible.
        χ² of the differences is {total:.1f} for {len(deviations)} points (chance of a larger one:
        {chance:.2f})."""
    )
    page.check(
        "gold under epoxy, engine against oracle", "equal within counting noise (chance > 0.001)",
        f"χ² {total:.1f} for {len(deviations)} points, chance {chance:.2f}", chance > 0.001,
    )  # fmt: skip
    _lean(page, {(e, t): (engine[e][t], oracle[e][t]) for e in oracle for t in oracle[e]})
    page.facts["half_depth_nm"] = half
    return page


def _lean(page: Section, pairs: dict[tuple[int, int], tuple[Yield, Yield]]) -> None:
    """Add the mean deviation of the engine from the oracle, in particular for thick films.

    χ² does not reveal a small error of the same sign everywhere.
    """
    groups = {
        "all": list(pairs),
        "films that transmit less than half of the gold's signal": [
            (e, t) for e, t in pairs if pairs[e, t][1].eta < 0.5 * pairs[e, 0][1].eta
        ],
        "1 keV": [(e, t) for e, t in pairs if e == 1],
    }
    rows = []
    for name, chosen in groups.items():
        off = np.array([pairs[at][0].eta / pairs[at][1].eta - 1.0 for at in chosen])
        error = np.array(
            [np.hypot(pairs[at][0].error, pairs[at][1].error) / pairs[at][1].eta for at in chosen]
        )
        weight = error**-2.0
        mean, spread = np.sum(weight * off) / weight.sum(), weight.sum() ** -0.5
        above = int(np.sum(off > 0))
        rows.append(
            [f"{name} ({len(chosen)})", str(above), f"{percent(mean)} ± {100 * spread:.2f}",
             signed(mean / spread)]
        )  # fmt: skip
        page.check(
            f"gold under epoxy, engine above oracle: {name}", f"mean within 3 {SIGMA} of 0",
            f"{percent(mean)} ± {100 * spread:.2f} %, {above} of {len(chosen)} above",
            abs(mean) < 3 * spread,
        )  # fmt: skip
    page.text("Systematic deviation of the engine:")
    page.table(["points", "above", "mean deviation / %", f"in {SIGMA}"], rows)


def film(bench: Bench, energy_kev: int, electrons: int, **options: Any) -> dict[int, Yield]:
    """Return the yield of gold by thickness of the epoxy on it."""

    def under(thickness_nm: int) -> Yield:
        return bench.engine("epoxy/Au", energy_kev, electrons, thickness_nm=thickness_nm, **options)

    thicknesses = THICKNESS_NM[energy_kev]
    return dict(zip(thicknesses, bench.each(under, thicknesses), strict=True))


def half_depth(curve: dict[int, Yield]) -> float:
    """Return the thickness at which eta is half-way between its first and its last value."""
    t, eta = np.array(list(curve), float), np.array([y.eta for y in curve.values()])
    return float(np.interp(-(eta[0] + eta[-1]) / 2, -eta, t))
