"""Materials of the field. Pure elements need no entry: their symbols and names are known."""

from __future__ import annotations

from fibcore.materials import EPOXY, VACUUM, Material

ALUMINA = Material(
    name="alumina",
    composition={"Al": 2, "O": 3},
    density_g_cm3=3.99,
    source="alpha-Al2O3 (corundum), X-ray density from a = 4.759, c = 12.991 angstrom, 6 formula "
    "units per hexagonal cell",
)
SILICA = Material(
    name="silica",
    composition={"Si": 1, "O": 2},
    density_g_cm3=2.20,
    source="vitreous SiO2, CRC Handbook of Chemistry and Physics",
)
LICOO2 = Material(
    name="LiCoO2",
    composition={"Li": 1, "Co": 1, "O": 2},
    density_g_cm3=5.05,
    source="fully lithiated, X-ray density from a = 2.816, c = 14.05 angstrom (R-3m), 3 formula "
    "units per hexagonal cell",
)
NMC811 = Material(
    name="NMC811",
    composition={"Li": 1, "Ni": 0.8, "Mn": 0.1, "Co": 0.1, "O": 2},
    density_g_cm3=4.78,
    source="LiNi0.8Mn0.1Co0.1O2, fully lithiated, X-ray density from a = 2.872, c = 14.20 angstrom "
    "(R-3m), 3 formula units per hexagonal cell",
)
YSZ = Material(
    name="YSZ",
    composition={"Zr": 0.92, "Y": 0.16, "O": 2.08},
    density_g_cm3=5.96,
    source="(Y2O3)0.08 (ZrO2)0.92, fluorite structure, X-ray density from a = 5.139 "
    "angstrom, 4 cations per cell",
)
CARBON_BLACK = Material(
    name="carbon black",
    composition={"C": 1},
    density_g_cm3=1.8,
    source="true density of carbon blacks, 1.7 to 1.9 g/cm3; pores between its particles are not "
    "included: give them as porosity of a mixture",
)
PVDF = Material(
    name="PVDF",
    composition={"C": 2, "H": 2, "F": 2},
    density_g_cm3=1.78,
    source="polyvinylidene fluoride, (C2 H2 F2)n, semicrystalline, as sold as binder",
)

CARBON_BINDER = Material(
    name="carbon binder",
    composition={"C": 0.6876, "H": 0.0157, "F": 0.2967},
    basis="weight",
    density_g_cm3=1.79,
    source="equal weights of carbon black and PVDF, without pores",
)

MATERIALS: tuple[Material, ...] = (
    VACUUM,
    EPOXY,
    ALUMINA,
    SILICA,
    LICOO2,
    NMC811,
    YSZ,
    CARBON_BLACK,
    PVDF,
    CARBON_BINDER,
)
"""The built-in materials."""
