"""Aims of the study, and the results."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..pages import table as markdown
from . import published
from .cells import VOLTAGES, Cell
from .results import Study, ratio


@dataclass(frozen=True)
class Aim:
    """One aim: a quantity, the paper's value, and the bound for ours.

    Attributes:
        words: the quantity.
        paper: the paper's value.
        bound: the aim.
        ours: mean of our runs.
        more_is_better: whether the bound is a lower one.
        digits: decimals that are printed.
    """

    words: str
    paper: str
    bound: float
    ours: float
    more_is_better: bool
    digits: int = 3

    @property
    def met(self) -> bool:
        """Whether the aim is met."""
        return self.ours >= self.bound if self.more_is_better else self.ours <= self.bound

    def row(self) -> list[str]:
        """Return the line as cells of a table."""
        sign = "≥" if self.more_is_better else "≤"
        verdict = "met" if self.met else f"short by {abs(self.ours - self.bound):.{self.digits}f}"
        return [
            self.words,
            self.paper,
            f"{sign} {self.bound:.{self.digits}f}",
            f"{self.ours:.{self.digits}f}",
            verdict,
        ]


def aims(study: Study) -> Iterator[Aim]:
    """Yield the aims for which these runs have results."""
    for kv in VOLTAGES:
        mp, _, mds = published.TABLE_3_PLAIN[kv]
        for pipeline, step, words in (
            ("simulation", "mc_by_smc_long_error", "sMC"),
            ("solid_share", "sparse_by_sparse_long_error", "sMC as solid as the paper's"),
        ):
            if cells := study.cells(pipeline, kv):
                own = statistics.mean(study.values(cells, step, "mp_percent"))
                yield Aim(f"{words}, {kv} kV: MP (%)", f"{mp:.3f}", mp, own, False)
                own = statistics.mean(study.values(cells, step, "mds"))
                yield Aim(f"{words}, {kv} kV: MDS", f"{mds:.3f}", mds, own, True)
        if cells := study.cells("simulation", kv):
            mds = published.TABLE_2[kv][2]
            own = statistics.mean(study.values(cells, "sml_by_sml_long_error", "mds"))
            yield Aim(f"sML, {kv} kV: MDS", f"{mds:.3f}", mds, own, True)
    cells = study.cells("simulation")
    agreement = statistics.mean(study.values(cells, "agreement_varied", "mds"))
    yield Aim("agreement of sML- and sMC-trained networks, 2 kV: MDS",
              f"{published.AGREEMENT_MDS}", 0.95, agreement, True)  # fmt: skip
    for preset in ("typical", "bad"):
        if cells := study.cells("adaptation", 2, preset):
            for name, words in (("smcda", "CycleGAN"), ("random", "domain randomisation")):
                what = f"gain by {words}, {preset} twin, 2 kV (%)"
                paper = f"{published.MEAN_GAIN_PERCENT} (isotropy)"
                yield Aim(what, paper, 30.0, _gain_percent(study, cells, name), True, 1)


def _gain_percent(study: Study, cells: list[Cell], name: str) -> float:
    """Return the mean reduction of MP, misplaced solid and 1 - MDS by a way of adapting."""
    left = []
    for column in ("mp_percent", "mgp_percent", "mds"):
        own, plain = (
            np.array(study.values(cells, f"twin_by_{method}_error", column))
            for method in (name, "smc")
        )
        left.append(ratio(1.0 - own, 1.0 - plain) if column == "mds" else ratio(own, plain))
    return 100.0 * (1.0 - statistics.mean(left))


def table(study: Study) -> str:
    """Return all aims as a table."""
    head = ["", "paper", "aim", "ours", ""]
    return markdown(head, [aim.row() for aim in aims(study)])
