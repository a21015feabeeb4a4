"""Known deviations and omissions."""

from __future__ import annotations

from typing import Any

from ..pages import percent
from .page import Section


def section(facts: dict[str, Any]) -> Section:
    """Return the section; `facts` are those of the other sections."""
    page = Section("Known deviations")
    depths = "; ".join(
        f"{' or '.join(f'{d:.1f}' for d in by_model.values())} nm at {e} keV"
        for e, by_model in facts["half_depths_nm"].items()
    )
    gold = facts["curves"]["Au"]
    lowest_kev, lowest = facts["cleaned_lowest_Au"]
    page.points(
        [
            f"""**Carbon and epoxy.** Carbon deviates from the cleaned samples of El Gomati and
            Assad (1 to 5 keV) by {percent(facts["cleaned_C"])} % on average, and from Hunger &
            Küchler and Heinrich at 10 to 20 keV by up to {percent(facts["carbon_deviation"])} %.
            Neither model of energy loss removes the deviation. Measurements of carbon differ among
            each other by more.""",
            f"""**Gold below 1 keV.** η falls from {gold[1].eta:.3f} at 1 keV to
            {gold[0.5].eta:.3f} at 0.5 keV, faster than on cleaned samples ({percent(lowest)} % at
            {lowest_kev:g} keV). Continuous slowing down and the extrapolated stopping power are not
            reliable there.""",
            f"""**Stopping power: the largest uncertainty.** With the two models of energy loss the
            signal of gold falls to one half under {depths} of epoxy. Published stopping powers of
            the same solid differ by more than these two, by 5 to 20 % at the energies of
            this field. Expect depths of shine-through to be accurate to about 10 %.""",
            """**Slowing down is continuous.** Real losses are discrete: straggling smears
            depths, and the peak of electrons without energy loss is missing.""",
            """**Secondary electrons** have two constants per material, energy and depth of escape.
            The first sets their number, which in measurements of one element differs by up to a
            factor of four: compare contrasts and shapes, not yields. Their energies, the fields of
            detectors and charging are not simulated.""",
            """**The detector is a window** on energy and polar angle, with a gain. We know of no
            published acceptance of an in-lens detector: compare contrasts, not grey
            values.""",
            """**Atoms are free and at random positions.** Cross sections are those of neutral free
            atoms; there are no crystals, so no channelling and no contrast between grains. Below a
            few hundred eV neighbouring atoms also matter.""",
            """**The face is flat, clean and uncharged.** No topography, no contamination, no oxide,
            no losses to surface plasmons, no charging, no damage.""",
            """**Inside, surfaces are stairs of voxels.** Halving the voxels has no effect for the
            same geometry, but a smooth surface divided into voxels is a different geometry.""",
        ]
    )
    return page
