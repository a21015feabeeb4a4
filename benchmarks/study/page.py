"""The study page of the documentation, written from the results of the runs."""

from __future__ import annotations

import statistics
from pathlib import Path

from fibcore import Labels

from ..pages import EXPLANATION, front_matter
from ..pages import write as write_page
from . import aims, figures, published, simulation_tables, tables
from .cells import VOLTAGES
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
    drawn = figures.draw(study, page.with_suffix(""))
    cell = study.cells("simulation")[0]
    gold = study.runs[cell]["gold"]
    assert isinstance(gold, Labels)
    noise = study.cells("noise")
    volume, voxel = " x ".join(map(str, gold.shape)), f"{gold.voxel_size_nm[0]:g}"
    takes = f"hours; size `{size}`, {volume} voxels of {voxel} nm; a stopped run resumes"
    text = TEXT.read_text(encoding="utf-8").format(
        fraction=f"1/{_times_smaller(gold.shape):.0f}",
        seeds=len(study.cells("simulation")),
        aims=aims.table(study),
        **_solid(study),
        synthetic=tables.synthetic(study),
        quiet=f"{statistics.mean(study.values(noise, 'quiet_by_quiet_error', 'mp_percent')):.2f}",
        noisy=f"{statistics.mean(study.values(noise, 'mc_by_smc_error', 'mp_percent')):.2f}",
        likeness=simulation_tables.likeness(study),
        on_monte_carlo=simulation_tables.on_monte_carlo(study),
        on_twin=simulation_tables.on_twin(study),
        isotropy=simulation_tables.isotropy(study),
        times=simulation_tables.times(study),
        hours=f"{study.seconds(cell, 'mc') * _times_smaller(gold.shape) / 3600:.1f}",
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


def _times_smaller(shape: tuple[int, int, int]) -> float:
    """Return the number of voxels of the paper's volume, relative to that of a volume."""
    return 512**3 / (shape[0] * shape[1] * shape[2])
