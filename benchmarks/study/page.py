"""The study page of the documentation, written from the results of the runs."""

from __future__ import annotations

import statistics
from pathlib import Path

from ..pages import EXPLANATION, front_matter
from ..pages import write as write_page
from . import aims, figures, published, tables
from .cells import VOLTAGES
from .drawing import draw
from .results import Study

PAGE = EXPLANATION / "study.md"

TEXT = Path(__file__).with_name("page.md")
"""The page without its front matter, tables and figures: names in braces are filled in."""
ABOUT = """
The three comparisons of Sardhara et al. (2025), with an open Monte Carlo in place of the commercial one.
*Twins* replace the real stacks, which are not public: stacks of another structure, with a truth
hidden from all training steps. They are recorded by [`adapter/twin`](../reference/plugins.md#adapter-twin),
an instrument unknown to all training steps. Further comparisons go beyond the paper.
"""  # noqa: E501


def write(study: Study, page: Path, size: str) -> None:
    """Write the page, and the figures into a folder of the same name."""
    drawn = draw(figures.FIGURES, study, page.with_suffix(""))
    cell = study.cells("simulation")[0]
    volume, voxel = study.volume(cell)
    noise = study.cells("noise")
    takes = f"hours; size `{size}`, {volume} voxels of {voxel} nm; a stopped run resumes"
    text = TEXT.read_text(encoding="utf-8").format(
        fraction=f"1/{study.times_smaller(cell):.0f}",
        seeds=len(study.cells("simulation")),
        aims=aims.table(study),
        **_solid(study),
        synthetic=tables.synthetic(study),
        quiet=f"{statistics.mean(study.values(noise, 'quiet_by_quiet_error', 'mp_percent')):.2f}",
        noisy=f"{statistics.mean(study.values(noise, 'mc_by_smc_error', 'mp_percent')):.2f}",
        adapted=_adapted(study),
        segmenters=tables.segmenters(study),
        training_volume=tables.training_volume(study),
        voltages=tables.voltages(study),
        total=f"{study.hours():.1f}",
        rankings=tables.rankings(study),
        **{f"figure_{name}": figure for name, figure in drawn.items()},
    )
    write_page(page, [front_matter("The paper's study", ABOUT, "study", takes), text])


def _solid(study: Study) -> dict[str, str]:
    """Return the share of solid in the test slices, ours and the paper's, in percent."""
    rows = [study.row(cell, "mc_by_smc_long_error") for cell in study.cells("simulation")]
    names = ("true_positives", "false_positives", "false_negatives", "true_negatives")
    ours = [
        (row["true_positives"] + row["false_negatives"]) / sum(row[name] for name in names)
        for row in rows
    ]
    paper = map(published.solid_share, *zip(*published.OVERLAPS, strict=True))
    return {
        "solid": f"{100 * statistics.mean(ours):.0f}",
        "paper_solid": f"{100 * statistics.mean(paper):.0f}",
    }


def _adapted(study: Study) -> str:
    parts = []
    for kv in VOLTAGES:
        for preset in ("typical", "bad"):
            if study.cells("adaptation", kv, preset):
                parts.append(f"### {kv} kV, {preset} twin\n\n{tables.adapted(study, kv, preset)}")
    return "\n\n".join(parts)
