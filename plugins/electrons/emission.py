"""Secondary electrons of materials: the energy that makes one, and the depth that it escapes from.

Fast electrons lose the energy `epsilon_ev` per secondary electron. One that is made at a distance d
from an open surface leaves through it with probability 0.5 exp(-d / `escape_nm`) (D. C. Joy, Monte
Carlo Modeling for Electron Microscopy and Microanalysis, Oxford 1995). Y. Lin and D. C. Joy (Surf.
Interface Anal. 37 (2005) 895) fitted the two constants to measurements of many elements. Neither
table could be read; the constants here come from rules, and their coefficients from measurements:

- **Metals and other elements**: 1 / escape_nm = 0.625 + 0.06 h per nm, with h the empty d states of
  an atom in the metal (11 minus the group, groups 3 to 10). That they shorten the paths of slow
  electrons in proportion to their number is the model of G. Schonhense and H. C. Siegmann, Ann.
  Phys. 505 (1993) 465. The first coefficient fits the shapes of delta(E) of Cu and Au (I. M.
  Bronstein and B. S. Fraiman 1969, clean surfaces), the second the energies at which delta of Ti,
  Fe, Ni, Nb, Mo, Ta, W and Pt is largest (CRC Handbook of Chemistry and Physics, Secondary electron
  emission), both with the transport of this package. `epsilon_ev` is 71 eV: the same set of
  Bronstein and Fraiman gives 67 eV for Al, 80 for Cu, and 67 for Au.
- **Compounds of non-metals** (oxides, polymers and so on; at least a tenth of the atoms are H, N,
  O, F, P, S, Cl, Se, Br or I): slow electrons cannot lose energy to the electrons of a filled band,
  and escape from larger depths (H. Seiler, J. Appl. Phys. 54 (1983) R1). 3 nm and 35 eV are
  estimates: they give largest yields of 2 to 3 at 300 to 500 eV, the order of those of glass,
  quartz and polymers.

**Accuracy.** Measured yields of one element differ by up to a factor of four with the state of its
surface, and so does `epsilon_ev`, which only sets the scale. Insulators vary most: their surface is
damaged by the ion beam and charged by the electrons, which is not simulated. A yield that matters
is to be set with the parameter `secondary` of the simulator.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from fibcore.elements import elements
from fibcore.materials import Material

EPSILON_EV = 71.0
PER_NM, PER_NM_AND_HOLE = 0.625, 0.06
INSULATOR_EPSILON_EV, INSULATOR_ESCAPE_NM = 35.0, 3.0

NON_METALS = frozenset({"H", "N", "O", "F", "P", "S", "Cl", "Se", "Br", "I"})
NON_METAL_SHARE = 0.1
"""Share of atoms from which on a material counts as a compound of non-metals."""

_ROWS_OF_D_METALS = ((21, 28), (39, 46), (72, 78))
"""First (group 3 or 4) and last (group 10) atomic number of the metals with an open d shell."""


class SecondaryEmission(BaseModel):
    """The emission of secondary electrons by a material."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    epsilon_ev: float = Field(gt=0, description="energy lost per secondary electron made, eV")
    escape_nm: float = Field(
        gt=0, le=100, description="mean distance from which secondary electrons escape, nm"
    )


def emission_of(material: Material) -> SecondaryEmission:
    """Return the emission of a material, by the rules of this module.

    Args:
        material: any but vacuum.
    """
    atoms = atom_fractions(material)
    if sum(share for symbol, share in atoms.items() if symbol in NON_METALS) >= NON_METAL_SHARE:
        return SecondaryEmission(epsilon_ev=INSULATOR_EPSILON_EV, escape_nm=INSULATOR_ESCAPE_NM)
    holes = sum(
        share * empty_d_states(elements()[symbol].atomic_number) for symbol, share in atoms.items()
    )
    return SecondaryEmission(
        epsilon_ev=EPSILON_EV, escape_nm=1.0 / (PER_NM + PER_NM_AND_HOLE * holes)
    )


def atom_fractions(material: Material) -> dict[str, float]:
    """Return element symbol -> share of the atoms; sums to 1."""
    amounts = {
        symbol: weight / elements()[symbol].atomic_weight_g_mol
        for symbol, weight in material.weight_fractions.items()
    }
    total = sum(amounts.values())
    return {symbol: amount / total for symbol, amount in amounts.items()}


def empty_d_states(atomic_number: int) -> int:
    """Return the empty d states of an atom in its metal: 11 minus its group, for groups 3 to 10."""
    if 57 <= atomic_number <= 71 or atomic_number >= 89:  # lanthanides and actinides: as group 3
        return 8
    for first, last in _ROWS_OF_D_METALS:
        if first <= atomic_number <= last:
            return last - atomic_number + 1
    return 0
