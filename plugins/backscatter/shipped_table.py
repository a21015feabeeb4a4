"""The table of simulated backscatter coefficients that comes with fib, under any pore filler.

`tools/make_backscatter_table.py` makes it: `physics/monte_carlo_table` simulates the built-in
materials and the elements, from 0.5 to 30 keV, under 0 to half an electron range of epoxy. The file
(.npz, without code) holds

- ``material`` (m,): names; ``atomic_number`` (m,): mean Z over weight fractions;
- ``energy_kev`` (e,), ascending, and ``depth_nm`` (e, d), ascending along d from 0, the bare
  material, to the depth from which no electron returns;
- ``electrons``: number of incident electrons for each material, energy and depth;
- ``counts`` (m, e, d), uint32: number of electrons that were backscattered.
"""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from fib_plugins.backscatter.coefficient_lookup import CoefficientLookup
from fib_plugins.backscatter.coefficient_table import CoefficientTable
from fib_plugins.backscatter.electron_range import kanaya_okayama_range_nm
from fib_plugins.backscatter.table_range import TableRange
from fibcore import Material, Table
from fibcore.elements import element
from fibcore.materials import EPOXY

DATA = Path(__file__).with_name("data") / "backscatter.npz"

HEAVY = 10.0
"""Mean atomic number from which a filler differs so much from epoxy that a warning is logged."""

ALUMINIUM = Material.of_element(element("Al"))


def shipped_table(path: Path = DATA) -> Table:
    """Return the table, in the form of `physics/monte_carlo_table`."""
    with np.load(path, allow_pickle=False) as file:
        counts, electrons = file["counts"], int(file["electrons"])
        eta = counts / electrons
        columns = {
            "material": file["material"][:, None, None],
            "atomic_number": file["atomic_number"][:, None, None],
            "overlayer": np.array(EPOXY.name),
            "energy_kev": file["energy_kev"][:, None],
            "depth_nm": file["depth_nm"],
            "eta": eta,
            "standard_error": np.sqrt(eta * (1.0 - eta) / electrons),
        }
    return Table(
        {name: np.broadcast_to(values, counts.shape).ravel() for name, values in columns.items()}
    )


@cache
def shipped_lookup(asked: str) -> CoefficientLookup:
    """Return the lookup of the table; below its last depth eta is constant.

    Args:
        asked: identifier of the plugin that is used, for warnings.
    """
    table = CoefficientTable.of(shipped_table())
    covered = replace(TableRange.of(table), depth_nm=(0.0, math.inf))
    return CoefficientLookup.of_table(table, covered, asked)


def shipped_coefficient(
    asked: str, material: Material, energy_kev: np.ndarray, depth_nm: np.ndarray, filler: Material
) -> np.ndarray:
    """Return eta, 0 to 1, of a material under a layer of any filler; 0 for vacuum.

    Under epoxy it is that of the table. Layers of other fillers correspond to epoxy of the same
    fraction of the electron range: d of the filler to d' = d R_epoxy / R_filler of epoxy (range
    after Kanaya and Okayama, see `electron_range`):

        eta_filler(d) = eta(d') + (filler - epoxy) (eta(0) - eta(d')) / (eta(0) - epoxy)

    where filler and epoxy are the eta of either material by itself. The fraction, from 0 at the
    face to 1, is the degree to which epoxy hides the material. For materials lighter than
    aluminium, which hardly differ from epoxy, that of aluminium is used. In vacuum the range is
    infinite, so that d' = 0: the bare material.

    Args:
        asked: identifier of the plugin that is used, for warnings.
        material: the scattering material.
        energy_kev: beam energies, keV.
        depth_nm: thicknesses of the layer, nm, of the shape of the energies.
        filler: material of the layer.
    """
    table = shipped_lookup(asked)
    if material.composition:
        table.warn_outside(material, energy_kev, depth_nm)
    if not material.composition or filler == EPOXY:
        return table.at(material, energy_kev, depth_nm)
    ranges = kanaya_okayama_range_nm(EPOXY, 1.0) / kanaya_okayama_range_nm(filler, 1.0)
    if filler.mean_atomic_number >= HEAVY and np.any(depth_nm > 0):
        logging.getLogger("fib").warning(
            "%s: the table that comes with fib was simulated under epoxy; under %s its depths are "
            "converted by the electron range, with an error of eta from 0.01 (Si) to 0.03 (Pt). "
            "physics/monte_carlo_table makes a table for that overlayer",
            asked,
            filler.name,
        )
    energies, depths = np.stack([energy_kev] * 2), np.stack([ranges * depth_nm, 0.0 * depth_nm])
    eta = table.at(material, energies, depths)
    light = material.mean_atomic_number < ALUMINIUM.mean_atomic_number
    deep, bare = table.at(ALUMINIUM, energies, depths) if light else eta
    epoxy, other = (table.at(m, energy_kev, depths[1]) for m in (EPOXY, filler))
    hidden = (bare - deep) / (bare - epoxy)
    return np.asarray(np.clip(eta[0] + (other - epoxy) * hidden, 0.0, 1.0))
