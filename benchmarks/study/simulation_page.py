"""The page that compares simulations, written from the runs of the simulation pipeline."""

from __future__ import annotations

from pathlib import Path

from ..pages import EXPLANATION, front_matter
from ..pages import write as write_page
from . import simulation_figures, simulation_tables
from .drawing import draw
from .results import Study

PAGE = EXPLANATION / "simulations.md"

TEXT = Path(__file__).with_name("simulation_page.md")
"""The page without its front matter, tables and figures: names in braces are filled in."""
ABOUT = """
The ways of imaging a structure, compared by their images and by what segmentation networks learn from them: Monte Carlo,
the way of Sardhara et al. (2025) as printed and as we improved it, and a learned Monte Carlo.
"""  # noqa: E501


def write(study: Study, page: Path, size: str) -> None:
    """Write the page, and the figures into a folder of the same name."""
    drawn = draw(simulation_figures.FIGURES, study, page.with_suffix(""))
    cell = study.cells("simulation")[0]
    volume, voxel = study.volume(cell)
    takes = f"half an hour; size `{size}`, {volume} voxels of {voxel} nm; a stopped run resumes"
    text = TEXT.read_text(encoding="utf-8").format(
        total=f"{study.hours():.1f}",
        volume=volume,
        likeness=simulation_tables.likeness(study),
        times=simulation_tables.times(study),
        hours=f"{study.seconds(cell, 'mc') * study.times_smaller(cell) / 3600:.1f}",
        on_monte_carlo=simulation_tables.on_monte_carlo(study),
        on_their_own=simulation_tables.on_their_own(study),
        on_twin=simulation_tables.on_twin(study),
        isotropy=simulation_tables.isotropy(study),
        **{f"figure_{name}": figure for name, figure in drawn.items()},
    )
    write_page(page, [front_matter("Simulations compared", ABOUT, "simulations", takes), text])
