"""Measured backscatter coefficients and their reliability.

`backscatter_measured.csv` holds those of C, Al, Si, Cu and Au collected by D. C. Joy (A database
on electron-solid interactions, Scanning 17 (1995) 270; revision of 2001) from the papers below.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

FILE = Path(__file__).with_name("backscatter_measured.csv")


@dataclass(frozen=True)
class Source:
    """Where a set comes from.

    Attributes:
        label: short name.
        paper: reference.
        marker: for figures.
    """

    label: str
    paper: str
    marker: str


SOURCES = {
    "elgomati1997": Source(
        "El Gomati & Assad 1997",
        "M. M. El Gomati, A. M. D. Assad, Proc. 5th European Workshop on Microbeam Analysis (1997)",
        "o",
    ),
    "hunger1979": Source(
        "Hunger & Küchler 1979",
        "H.-J. Hunger, L. Küchler, Phys. Status Solidi A 56 (1979) K45",
        "s",
    ),
    "heinrich1966": Source(
        "Heinrich 1966",
        "K. F. J. Heinrich, Proc. 4th Int. Conf. X-ray Optics and Microanalysis (Hermann, Paris "
        "1966) 159",
        "D",
    ),
    "bishop1963": Source("Bishop 1963", "H. E. Bishop, thesis, Cambridge University (1963)", "^"),
    "reimer1980": Source(
        "Reimer & Tollkamp 1980", "L. Reimer, C. Tollkamp, Scanning 3 (1980) 35", "v"
    ),
    "neubert1980": Source(
        "Neubert & Rogaschewski 1980",
        "G. Neubert, S. Rogaschewski, Phys. Status Solidi A 59 (1980) 35",
        "<",
    ),
    "drescher1970": Source(
        "Drescher et al. 1970",
        "H. Drescher, L. Reimer, M. Seidel, Z. Angew. Phys. 29 (1970) 331",
        ">",
    ),
    "cosslett1965": Source(
        "Cosslett & Thomas 1965",
        "V. E. Cosslett, R. N. Thomas, Br. J. Appl. Phys. 16 (1965) 779",
        "p",
    ),
    "bongeler1993": Source(
        "Böngeler et al. 1993",
        "R. Böngeler, U. Golla, M. Käßens, L. Reimer, B. Schindler, R. Senkel, M. Spranck, "
        "Scanning 15 (1993) 1",
        "P",
    ),
    "moncrieff1976": Source(
        "Moncrieff & Barker 1978", "D. A. Moncrieff, P. R. Barker, Scanning 1 (1978) 195", "X"
    ),
    "koshikawa1973": Source(
        "Koshikawa & Shimizu 1973",
        "T. Koshikawa, R. Shimizu, J. Phys. D: Appl. Phys. 6 (1973) 1369",
        "h",
    ),
    "bronstein1969": Source(
        "Bronstein & Fraiman 1969",
        "I. M. Bronstein, B. S. Fraiman, Vtorichnaya Elektronnaya Emissiya (Nauka, Moscow 1969) "
        "340",
        "d",
    ),
    "joy1996_amorphous": Source(
        "Joy & Joy 1996 (amorphous)",
        "D. C. Joy, C. S. Joy, SEMATECH Report TT 96063130A-TR (1996)",
        "*",
    ),
    "palluel1947": Source(
        "Palluel 1947", "P. Palluel, C. R. Acad. Sci. Paris 224 (1947) 1492", "1"
    ),
    "sternglass1954": Source(
        "Sternglass 1954", "E. J. Sternglass, Phys. Rev. 95 (1954) 345", "2"
    ),
}  # fmt: skip

BEST = ("elgomati1997", "hunger1979", "heinrich1966")
"""Cleaned samples in ultra-high vacuum up to 6 keV, and the two sets that agree best above."""

OUTLIERS = {
    ("Au", "bongeler1993"): "below 2 keV it is lower than all others, as expected for a film of "
    "contamination on a heavy element",
    ("Cu", "koshikawa1973"): "above all others at every energy",
    ("C", "bronstein1969"): "nearly twice as high as all others at 1 keV, as expected for a light "
    "element and a low threshold that passes secondary electrons",
}
"""Sets that disagree with all others, and the reason."""


@dataclass(frozen=True)
class MeasuredSet:
    """One set: an element measured in one laboratory.

    Attributes:
        element: symbol.
        source: key of `SOURCES`.
        energy_kev: energies, rising.
        eta: backscatter coefficients.
    """

    element: str
    source: str
    energy_kev: np.ndarray
    eta: np.ndarray

    @property
    def outlier(self) -> bool:
        """Whether it disagrees with all others."""
        return (self.element, self.source) in OUTLIERS


def measured_sets(low_kev: float = 0.5, high_kev: float = 30.0) -> list[MeasuredSet]:
    """Return all sets with points in a range of energies, restricted to that range."""
    rows: dict[tuple[str, str], list[tuple[float, float]]] = {}
    with FILE.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            energy = float(row["energy_kev"])
            if low_kev <= energy <= high_kev:
                key = row["element"], row["source"]
                rows.setdefault(key, []).append((energy, float(row["eta"])))
    return [
        MeasuredSet(element, source, *np.array(sorted(found)).T)
        for (element, source), found in rows.items()
    ]
