"""Results of the comparison, as rows and as the printed table."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from fibcore import Table
from fibcore.formats import write_table

from ..pages import spread, table
from .methods import REFERENCE


@dataclass(frozen=True)
class Result:
    """Result of one way on one twin with one seed.

    Attributes:
        mp_percent: misplaced pixels of the whole stack, its ends included.
        mgp_percent: share of the solid that was missed.
        mds: mean Dice score.
        seconds: time for adaptation and training, without steps shared by all ways.
    """

    method: str
    twin: str
    seed: int
    mp_percent: float
    mgp_percent: float
    mds: float
    seconds: float


def write_rows(results: Sequence[Result], path: Path) -> None:
    """Write one row for each result as CSV."""
    write_table(Table.from_rows([asdict(result) for result in results]), path)


def markdown(results: Sequence[Result], methods: Iterable[str], twins: Sequence[str]) -> str:
    """Return the table: a row for each way; for each twin MP, its ratio to none, and the time.

    MP is mean +- standard deviation over seeds; the ratio is the mean over seeds of ratios.
    """
    head = ["adaptation"]
    for twin in twins:
        head += [f"MP, {twin} (%)", "to none", "training (s)"]
    rows = []
    for method in methods:
        cells = [method]
        for twin in twins:
            own = {r.seed: r for r in results if (r.method, r.twin) == (method, twin)}
            none = {r.seed: r for r in results if (r.method, r.twin) == (REFERENCE, twin)}
            both = own.keys() & none.keys()
            ratios = [own[seed].mp_percent / none[seed].mp_percent for seed in both]
            cells += [
                spread([result.mp_percent for result in own.values()]),
                f"{statistics.mean(ratios):.2f}" if ratios else "-",
                f"{statistics.mean(r.seconds for r in own.values()):.0f}" if own else "-",
            ]
        if any(cell != "-" for cell in cells[1:]):
            rows.append(cells)
    return table(head, rows)
