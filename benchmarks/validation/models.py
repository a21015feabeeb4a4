"""Effect of the models of elastic scattering and energy loss on the backscatter coefficient."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np

from fib_plugins.electrons.elastic import ElasticModel
from fib_plugins.electrons.stopping import EnergyLossModel, stopping_power_ev_per_nm

from ..pages import percent
from .bulk import Curve, simulated
from .measured import BEST, SOURCES, measured_sets
from .overlayer import THICKNESS_NM, film, half_depth
from .page import Section
from .simulations import NAMED, Bench
from .style import INK, PALE, SERIES, energy_axis, panels

ENERGIES_KEV = (0.5, 0.7, 1, 1.5, 2, 3, 5, 8, 12, 20, 30)
TABLE_KEV = (1, 2, 5, 20)
ELEMENTS = ("Au", "Cu", "Si", "C")
ELECTRONS, FILM_ELECTRONS = 200_000, 200_000
COLOURS = (INK, SERIES[1], SERIES[0])
NAMES = {
    "mott": "Mott",
    "browning": "Browning",
    "rutherford": "screened Rutherford",
    "joy_luo": "Joy & Luo",
    "dielectric": "dielectric",
}


def section(bench: Bench) -> Section:
    """Return the section."""
    page = Section("Models of scattering and of energy loss")
    page.text(
        f"""The first of each is the default. {bench.electrons(ELECTRONS):,} electrons per point.
        Grey markers: the best measurements ({", ".join(SOURCES[s].label for s in BEST)}); tables
        give deviations from those, in percent, as mean / root mean square."""
    )
    page.heading("Elastic scattering")
    _compared(page, bench, "elastic", get_args(ElasticModel))
    page.text(
        """Screened Rutherford scattering, an approximation for fast electrons and light atoms,
        fails for gold at the energies of this field. Browning's closed form was fitted to Mott
        cross sections, but combines its angles from two simple laws."""
    )
    page.heading("Energy loss")
    losses = get_args(EnergyLossModel)
    _stopping_powers(page, bench, losses)
    _compared(page, bench, "energy_loss", losses)
    depths = {
        e: {m: half_depth(film(bench, e, FILM_ELECTRONS, energy_loss=m)) for m in losses}
        for e in THICKNESS_NM
    }
    page.text("Thickness of epoxy under which the signal of gold falls to one half, in nm:")
    page.table(
        ["", *(f"{e} keV" for e in depths)],
        [[NAMES[m], *(f"{depths[e][m]:.1f}" for e in depths)] for m in losses],
    )
    page.facts["half_depths_nm"] = depths
    page.heading("Collisions with electrons of the atoms")
    _atomic_electrons(page, bench)
    return page


def _curve(bench: Bench, element: str, **options: Any) -> Curve:
    """Return the yields of an element by energy."""
    yields = bench.each(
        lambda e: bench.engine(element, e, ELECTRONS, **options), ENERGIES_KEV[::-1]
    )
    return dict(zip(ENERGIES_KEV, reversed(yields), strict=True))


def _compared(page: Section, bench: Bench, field: str, models: tuple[str, ...]) -> None:
    """Add a figure and a table of the results for each value of a field."""
    curves: dict[tuple[str, str], Curve] = {}
    for element in ELEMENTS:
        for model in models:
            curves[element, model] = _curve(bench, element, **{field: model})
    best = [m for m in measured_sets() if m.source in BEST]
    with panels(1, 4, 2.6) as (figure, axes):
        for axis, element in zip(axes, ELEMENTS, strict=True):
            for found in (m for m in best if m.element == element):
                marker = SOURCES[found.source].marker
                axis.plot(found.energy_kev, found.eta, marker, color=PALE, markersize=3.5)
            for model, colour in zip(models, COLOURS, strict=False):
                eta = [y.eta for y in curves[element, model].values()]
                axis.plot(ENERGIES_KEV, eta, color=colour, label=NAMES[model])
            axis.set_title(element)
            axis.set_xlabel("beam energy / keV")
            energy_axis(axis, ticks=(0.5, 2, 10, 30))
        axes[0].set_ylabel("backscatter coefficient η")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(models))
        page.figure(
            figure, bench.pictures / f"models_{field}.png",
            "Backscatter coefficients against energy with different models, and measurements",
        )  # fmt: skip
    rows = []
    for model in models:
        row = [NAMES[model]]
        for element in ELEMENTS:
            off = np.concatenate(
                [
                    simulated(curves[element, model], m.energy_kev) / m.eta - 1
                    for m in best
                    if m.element == element
                ]
            )
            row.append(f"{percent(off.mean())} / {100 * np.sqrt(np.mean(off**2)):.1f}")
        row += [f"{curves['Au', model][e].eta:.3f}" for e in TABLE_KEV]
        rows.append(row)
    page.table(["", *ELEMENTS, *(f"η of Au, {e} keV" for e in TABLE_KEV)], rows)


def _atomic_electrons(page: Section, bench: Bench) -> None:
    """Add the effect of deflection by single electrons, at low and high energy."""
    curves = {
        (element, on): _curve(bench, element, atomic_electrons=on)
        for element in ("Au", "Cu", "Si", "Al", "C")
        for on in (False, True)
    }
    low = [m for m in measured_sets() if m.source == "elgomati1997"]
    high = [m for m in measured_sets(8.0) if not m.outlier]
    rows: list[list[str]] = []
    towards: list[str] = []
    away: list[str] = []
    for element in dict.fromkeys(element for element, _ in curves):
        row = [element]
        for sets in (low, high):
            own = [m for m in sets if m.element == element]
            off = [
                np.concatenate(
                    [simulated(curves[element, on], m.energy_kev) / m.eta - 1 for m in own]
                ).mean()
                if own
                else np.nan
                for on in (False, True)
            ]
            row.append(f"{percent(off[0])} → {percent(off[1])}" if own else "")
            if sets is low and own:
                (towards if abs(off[1]) < abs(off[0]) else away).append(element)
        row += [
            f"{curves[element, False][e].eta:.3f} → {curves[element, True][e].eta:.3f}"
            for e in (1, 2, 3, 5)
        ]
        rows.append(row)
    page.text(
        f"""Option `atomic_electrons`: single electrons of the atoms deflect, too. Without → with
        it; mean deviations in percent from the samples cleaned by El Gomati and Assad (up to 6
        keV), and from all sets except outliers from 8 keV on. With the option
        {", ".join(towards) or "none"} agrees better with the cleaned samples, and
        {", ".join(away) or "none"} worse."""
    )
    page.table(
        ["", "cleaned, to 6 keV", "all, from 8 keV", *(f"η at {e} keV" for e in (1, 2, 3, 5))],
        rows,
    )


def _stopping_powers(page: Section, bench: Bench, models: tuple[EnergyLossModel, ...]) -> None:
    """Add a figure of the stopping powers, and their ratio in words."""
    energy = np.geomspace(100.0, 30_000.0, 200)
    words = []
    with panels(1, 2, 2.6) as (figure, axes):
        for axis, name in zip(axes, ("Au", "epoxy"), strict=True):
            losses = [stopping_power_ev_per_nm(m, NAMED[name], energy) for m in models]
            for model, loss, colour in zip(models, losses, COLOURS, strict=False):
                axis.plot(energy / 1000, loss, color=colour, label=NAMES[model])
            axis.set_title(name)
            axis.set_xlabel("energy / keV")
            axis.set_ylim(bottom=0)
            energy_axis(axis, low=0.1, ticks=(0.1, 0.5, 1, 2, 5, 10, 30))
            for other, loss in zip(models[1:], losses[1:], strict=True):
                ratio = np.interp([500, 1000, 2000, 4000], energy, loss / losses[0])
                words.append(
                    f"{NAMES[other]} over {NAMES[models[0]]} in {name}: "
                    + ", ".join(f"{r:.2f}" for r in ratio)
                )
        axes[0].set_ylabel("stopping power / eV/nm")
        axes[0].legend()
        page.figure(
            figure, bench.pictures / "stopping.png",
            "Stopping power of gold and of epoxy against energy, by model",
        )  # fmt: skip
    if words:
        page.text(f"At 0.5, 1, 2 and 4 keV, {'; '.join(words)}.")
