"""Results of the paper: Sardhara et al., Mach. Learn.: Sci. Technol. 6 (2025) 025023."""

from __future__ import annotations

from scipy import optimize

TABLE_2 = {1: (0.310, 1.251, 0.993), 2: (0.539, 2.415, 0.987), 4: (0.844, 3.583, 0.980)}
"""Trained and tested on sML, by kV: MP (%), MGP (%), MDS."""

TABLE_3_ADAPTED = {1: (0.401, 1.654, 0.991), 2: (0.833, 3.294, 0.980), 4: (1.809, 7.428, 0.958)}
"""Trained and tested on sMCDA."""

TABLE_3_PLAIN = {1: (0.245, 0.963, 0.994), 2: (0.654, 2.512, 0.985), 4: (1.407, 6.466, 0.967)}
"""Trained and tested on sMC."""

TABLE_4_ADAPTED = {1: (0.132, 0.047, 0.029), 2: (0.121, 0.096, 0.059), 4: (0.140, 0.038, 0.017)}
"""Real stacks, with adaptation: errors of two-point correlation, lineal path, diameter."""

TABLE_4_PLAIN = {1: (0.145, 0.059, 0.030), 2: (0.169, 0.091, 0.037), 4: (0.271, 0.181, 0.138)}
"""Real stacks, without."""

AGREEMENT_MDS = 0.83
"""Section 3.1: overlap of the results of sML- and sMC-trained networks for r-2kV."""

MEAN_GAIN_PERCENT = 20
"""Abstract: mean improvement by adaptation."""

OVERLAPS = [row for table in (TABLE_2, TABLE_3_ADAPTED, TABLE_3_PLAIN) for row in table.values()]
"""All MP, MGP, MDS of the paper."""


def solid_share(mp_percent: float, mgp_percent: float, mds: float) -> float:
    """Return the share of solid in the test slices implied by three of the paper's figures.

    With a share of solid f, missed solid is MGP f, invented solid MP - MGP f, both shares of all
    voxels; the mean of the Dice scores of both phases that follows grows with f.
    """
    mp, mgp = mp_percent / 100, mgp_percent / 100

    def too_much(solid: float) -> float:
        found, found_pores = solid * (1 - mgp), 1 - solid - (mp - mgp * solid)
        scores = (2 * right / (2 * right + mp) for right in (found, found_pores))
        return sum(scores) / 2 - mds

    return float(optimize.brentq(too_much, 0.01, 0.5))
