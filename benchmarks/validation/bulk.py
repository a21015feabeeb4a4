"""Backscatter coefficients of thick samples against every measured set."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from fib_plugins.physics.hunger_kuchler import HungerKuchler

from ..pages import percent
from .measured import BEST, OUTLIERS, SOURCES, MeasuredSet, measured_sets
from .page import Section
from .simulations import NAMED, Bench, Yield
from .style import COLOURS, INK, PALE, SERIES, energy_axis, panels, points

ENERGIES_KEV = (0.5, 0.6, 0.8, 1, 1.25, 1.6, 2, 2.5, 3, 4, 5, 6.5, 8, 10, 12.5, 16, 20, 25, 30)
TABLE_KEV = (0.5, 1, 2, 3, 4, 5, 10, 20, 30)
ORACLE_KEV = (0.5, 1, 2, 5, 10, 20)
ELEMENTS = ("Au", "Ag", "Cu", "Si", "Al", "C")
ELECTRONS, ORACLE_ELECTRONS, GOLD_ELECTRONS = 300_000, 20_000, 2_000_000

GOLD_WINDOWS = {
    1: (0.39, 0.42), 2: (0.425, 0.455), 3: (0.44, 0.47), 4: (0.44, 0.465), 5: (0.44, 0.475),
    20: (0.48, 0.51),
}  # fmt: skip
"""Required coefficients of gold, from the spread of the best measurements."""

Curve = dict[float, Yield]


def section(bench: Bench) -> Section:
    """Return the section."""
    names = (*ELEMENTS, "epoxy")
    points_of = [(name, e) for e in reversed(ENERGIES_KEV) for name in names]
    yields = bench.each(lambda at: bench.engine(at[0], at[1], ELECTRONS), points_of)
    found = dict(zip(points_of, yields, strict=True))
    curves = {name: {e: found[name, e] for e in ENERGIES_KEV} for name in names}
    oracle = {
        name: {
            e: Yield(r.eta, r.standard_error)
            for e in ORACLE_KEV
            for r in [bench.oracle(name, e, ORACLE_ELECTRONS)]
        }
        for name in curves
    }
    sets = measured_sets()
    page = Section("Thick samples against measurements")
    page.text(
        f"""Lines: the engine, {bench.electrons(ELECTRONS):,} electrons per point (standard error
        at most {max(y.error for c in curves.values() for y in c.values()):.4f}). Open circles: the
        oracle. Small markers: all sets of D. C. Joy's collection; grey ones disagree with all
        others. Dotted, from 4 keV on: the law of Hunger and Küchler, fitted to their
        measurements; for silver there are no other data."""
    )
    _figure(page, bench, curves, oracle, sets)
    _yields(page, curves)
    _deviations(page, curves, sets)
    _checks(page, bench, curves, sets)
    _against_oracle(page, curves, oracle)
    page.facts["curves"] = curves
    return page


def _figure(
    page: Section,
    bench: Bench,
    curves: dict[str, Curve],
    oracle: dict[str, Curve],
    sets: list[MeasuredSet],
) -> None:
    law = HungerKuchler()
    fitted_kev = np.geomspace(4.0, 30.0, 50)
    with panels(2, 3, 6.6, sharex=True) as (figure, axes):
        used = [s for s in SOURCES if any(m.source == s for m in sets)]
        colour_of = {s: SERIES[i % len(SERIES)] for i, s in enumerate(used)}
        seen = {}
        for axis, element in zip(axes.flat, ELEMENTS, strict=True):
            for found in (m for m in sets if m.element == element):
                source = SOURCES[found.source]
                (drawn,) = axis.plot(
                    found.energy_kev, found.eta, source.marker, markersize=4.5,
                    color=PALE if found.outlier else colour_of[found.source],
                    alpha=0.9, linestyle="", label=source.label,
                )  # fmt: skip
                if found.source not in seen or not found.outlier:
                    seen[found.source] = drawn
            eta = law.coefficient(NAMED[element], fitted_kev)
            axis.plot(fitted_kev, eta, ":", color=PALE, linewidth=1.6, zorder=2)
            _curve(axis, curves[element], INK)
            _oracle(axis, oracle[element], INK)
            axis.set_title(element)
            energy_axis(axis)
        last = axes[-1, -1]
        high = last.get_ylim()[1]
        _curve(last, curves["epoxy"], COLOURS["epoxy"], "--")
        _oracle(last, oracle["epoxy"], COLOURS["epoxy"])
        last.set_ylim(0.03, high)
        last.set_title("C, and epoxy (dashed)")
        for axis in axes[1]:
            axis.set_xlabel("beam energy / keV")
        for axis in axes[:, 0]:
            axis.set_ylabel("backscatter coefficient η")
        handles = [seen[s] for s in used]
        figure.legend(handles=handles, loc="outside lower center", ncols=3, handletextpad=0.1)
        page.figure(
            figure, bench.pictures / "bulk.png",
            """Backscatter coefficient of gold, silver, copper, silicon, aluminium, carbon and epoxy
            against beam energy: engine, oracle and measurements""",
        )  # fmt: skip


def _curve(axis: Axes, curve: Curve, colour: str, style: str = "-") -> None:
    axis.plot(list(curve), [y.eta for y in curve.values()], style, color=colour, zorder=3)


def _oracle(axis: Axes, curve: Curve, colour: str) -> None:
    points(
        axis,
        list(curve),
        [y.eta for y in curve.values()],
        [y.error for y in curve.values()],
        colour,
    )


def simulated(curve: Curve, energy_kev: np.ndarray) -> np.ndarray:
    """Interpolate a curve linearly in log E."""
    eta = [y.eta for y in curve.values()]
    return np.interp(np.log(energy_kev), np.log(list(curve)), eta)


def _yields(page: Section, curves: dict[str, Curve]) -> None:
    page.text("Simulated coefficients:")
    page.table(
        ["keV", *(f"{e:g}" for e in TABLE_KEV)],
        [[name, *(f"{curve[e].eta:.3f}" for e in TABLE_KEV)] for name, curve in curves.items()],
    )


def _deviations(page: Section, curves: dict[str, Curve], sets: list[MeasuredSet]) -> None:
    page.text(
        """Deviation of the simulation from each set between 0.5 and 30 keV, in percent of the
        measured value: mean / root mean square (number of points)."""
    )

    def cell(of: list[MeasuredSet]) -> str:
        if not of:
            return ""
        off = np.concatenate([simulated(curves[m.element], m.energy_kev) / m.eta - 1 for m in of])
        note = "°" if of[0].outlier and len(of) == 1 else ""
        rms = 100 * np.sqrt(np.mean(off**2))
        return f"{percent(off.mean())} / {rms:.1f} ({off.size}){note}"

    rows = []
    for source, about in SOURCES.items():
        found = [m for m in sets if m.source == source]
        if found:
            row = [cell([m for m in found if m.element == e]) for e in ELEMENTS]
            rows.append([about.label, *row])
    fitted = np.geomspace(4.0, 30.0, 14)
    law = HungerKuchler()
    against = [
        cell([MeasuredSet(e, "hunger1979", fitted, law.coefficient(NAMED[e], fitted))])
        for e in ELEMENTS
    ]
    rows.append(["law of Hunger & Küchler, 4 to 30 keV", *against])
    good = [m for m in sets if not m.outlier]
    total = [cell([m for m in good if m.element == e]) for e in ELEMENTS]
    rows.append(["**all except °**", *(f"**{c}**" for c in total)])
    page.table(["measured by", *ELEMENTS], rows)
    outliers = "; ".join(
        f"{element} by {SOURCES[source].label}: {why}"
        for (element, source), why in OUTLIERS.items()
    )
    page.text(
        f"""° disagrees with all others: {outliers}. Laboratories differ by about 5 % for gold at
        2 keV and above, and by up to a factor of two for carbon at 1 keV. The set of El Gomati and
        Assad, on samples cleaned in ultra-high vacuum, is preferred up to 6 keV."""
    )
    page.parts.append(
        '??? note "Sources of the measurements"\n'
        + "\n".join(f"    - {s.label}: {s.paper}" for s in SOURCES.values())
        + "\n\n    All as collected by D. C. Joy, A database on electron-solid interactions, "
        "Scanning 17 (1995) 270, revision of 2001; the values are in "
        "`benchmarks/validation/backscatter_measured.csv`."
    )


def _checks(page: Section, bench: Bench, curves: dict[str, Curve], sets: list[MeasuredSet]) -> None:
    gold_yields = bench.each(
        lambda e: bench.engine("Au", e, GOLD_ELECTRONS, seed=e), sorted(GOLD_WINDOWS, reverse=True)
    )
    for energy, gold in zip(GOLD_WINDOWS, reversed(gold_yields), strict=True):
        low, high = GOLD_WINDOWS[energy]
        page.check(
            f"η of gold at {energy} keV", f"{low:.3f} to {high:.3f}",
            f"{gold.eta:.3f} ± {gold.error:.4f}", low <= gold.eta <= high,
        )  # fmt: skip
        if not low <= gold.eta <= high:
            _explain(page, bench, energy, gold, sets)
    for element in ("Cu", "Si", "C"):
        worst = 0.0
        for found in sets:
            if found.element == element and found.source in ("hunger1979", "heinrich1966"):
                within = (found.energy_kev >= 10) & (found.energy_kev <= 20.5)
                off = simulated(curves[element], found.energy_kev[within]) / found.eta[within] - 1
                worst = max([worst, *off.tolist()], key=abs)
        if element == "C":
            page.facts["carbon_deviation"] = worst
        else:
            page.check(
                f"η of {element} at 10 to 20 keV",
                "within 10 % of Hunger & Küchler and of Heinrich",
                f"at most {percent(worst)} %", abs(worst) <= 0.10,
            )  # fmt: skip
    for found in sets:
        if found.source == BEST[0]:
            off = simulated(curves[found.element], found.energy_kev) / found.eta - 1
            page.facts[f"cleaned_{found.element}"] = float(off.mean())
            page.facts[f"cleaned_lowest_{found.element}"] = found.energy_kev[0], float(off[0])


def _explain(
    page: Section, bench: Bench, energy_kev: float, gold: Yield, sets: list[MeasuredSet]
) -> None:
    """Add the values measured for gold at an energy at which the simulation misses its window."""
    measured = [
        f"{eta:g} ({SOURCES[m.source].label})"
        for m in sets
        if m.element == "Au" and not m.outlier
        for eta in m.eta[m.energy_kev == energy_kev]
    ]
    other = bench.engine("Au", energy_kev, GOLD_ELECTRONS, energy_loss="dielectric")
    page.text(
        f"""Gold at {energy_kev:g} keV, {gold.eta:.4f} ± {gold.error:.4f}, is outside the required
        window. Measured values: {", ".join(measured)}. With the dielectric model of
        energy loss it is {other.eta:.4f}."""
    )


def _against_oracle(page: Section, curves: dict[str, Curve], oracle: dict[str, Curve]) -> None:
    sigmas = np.array(
        [
            (curves[n][e].eta - o.eta) / np.hypot(curves[n][e].error, o.error)
            for n, curve in oracle.items()
            for e, o in curve.items()
        ]
    )
    page.text(
        f"""Engine and oracle differ by {np.abs(sigmas).max():.1f} standard errors at most, over
        {sigmas.size} pairs (root mean square {np.sqrt(np.mean(sigmas**2)):.2f}; 1 is expected)."""
    )
