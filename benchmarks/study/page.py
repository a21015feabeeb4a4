"""The study page of the documentation, written from what the runs left."""

from __future__ import annotations

import statistics
from pathlib import Path

from fibcore import Labels

from . import aims, figures, published, tables
from .cells import VOLTAGES
from .results import Study

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "study.md"

TEXT = Path(__file__).with_name("page.md")
"""The page without its figures: names in braces are filled in."""


def write(study: Study, page: Path, size: str) -> None:
    """Write the page, and the figures in a folder of its name beside it."""
    captions = figures.draw(study, page.with_suffix(""))
    cell = study.cells("simulation")[0]
    gold = study.runs[cell]["gold"]
    assert isinstance(gold, Labels)
    noise = study.cells("noise")
    text = TEXT.read_text(encoding="utf-8").format(
        size=size,
        volume=" x ".join(map(str, gold.shape)),
        voxel=f"{gold.voxel_size_nm[0]:g}",
        fraction=f"1/{_times_smaller(gold.shape):.0f}",
        seeds=len(study.cells("simulation")),
        aims=aims.table(study),
        **_solid(study),
        synthetic=tables.synthetic(study),
        quiet=f"{statistics.mean(study.values(noise, 'quiet_by_quiet_error', 'mp_percent')):.2f}",
        noisy=f"{statistics.mean(study.values(noise, 'mc_by_smc_error', 'mp_percent')):.2f}",
        simulations=tables.simulations(study),
        isotropy=tables.isotropy(study),
        times=tables.times(study),
        hours=f"{study.seconds(cell, 'mc') * _times_smaller(gold.shape) / 3600:.1f}",
        adapted=_adapted(study),
        segmenters=tables.segmenters(study),
        training_volume=tables.training_volume(study),
        voltages=tables.voltages(study),
        total=f"{study.hours():.1f}",
        rankings=tables.rankings(study),
        **{f"caption_{name.removesuffix('.png')}": words for name, words in captions.items()},
    )
    page.write_text(text, encoding="utf-8")


def _solid(study: Study) -> dict[str, str]:
    """Return how solid the test slices are, ours and the paper's."""
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
    return "\n".join(parts)


def _times_smaller(shape: tuple[int, int, int]) -> float:
    """Return how many times smaller a volume is than the paper's, in voxels."""
    return 512**3 / (shape[0] * shape[1] * shape[2])
