"""What is known to be off, or left out."""

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
            Neither model of energy loss cures it. Measurements of carbon differ among each other by
            more.""",
            f"""**Gold below 1 keV.** η falls from {gold[1].eta:.3f} at 1 keV to
            {gold[0.5].eta:.3f} at 0.5 keV, faster than on cleaned samples ({percent(lowest)} % at
            {lowest_kev:g} keV). Continuous slowing down, and a stopping power extrapolated to
            there, are not to be trusted.""",
            f"""**Stopping power: the largest uncertainty.** By the two models of energy loss the
            signal of gold falls to one half under {depths} of epoxy. Published stopping powers of
            one and the same solid differ by more than these two, by 5 to 20 % at the energies of
            this field: expect shine-through to be right to about 10 % in depth.""",
            """**Slowing down is continuous.** Real losses come in portions: straggling smears
            depths, and the peak of electrons that lost nothing is missing.""",
            """**No secondary electrons.** What a detector for secondary electrons sees, or an
            in-lens detector that mixes both, is not simulated.""",
            """**The detector is a window** on energy and polar angle, with a gain. No published
            acceptance of an in-lens detector is known to us: compare contrasts, not grey
            values.""",
            """**Atoms are free and anywhere.** Cross sections are those of neutral free atoms;
            there are no crystals, so no channelling and no contrast between grains. Below a few
            hundred eV neighbours matter too.""",
            """**The face is flat, clean and uncharged.** No topography, no contamination, no oxide,
            no losses to surface plasmons, no charging, no damage.""",
            """**Inside, surfaces are stairs of voxels.** Halving the voxels changes nothing at the
            same geometry, but a smooth surface cut into voxels is another geometry.""",
        ]
    )
    return page
