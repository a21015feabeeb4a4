"""The page: sections and pictures put into the template, written in one go."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from markupsafe import Markup

from fibcore.report import flow, grids, palette, wording
from fibcore.report.collect import Run, Step, collect
from fibcore.report.sections import Section, SectionMaker
from fibcore.report.slices import Pictures, grey_limits, nearest, reduced, take, to_grey
from fibcore.report.viewer import READ_PX, ViewerMaker
from fibcore.tables import Table
from fibcore.volumes import Images, Labels, Volume

HERE = Path(__file__).parent
THUMBNAIL_PX = (128, 304)
"""Rows and columns of the picture on a card of the diagram: twice what is shown."""
SPARKLINE = (120.0, 40.0)


def write_report(run: Path) -> Path:
    """Write ``report.html`` into a run folder, from what is there, and return its path.

    The page is one file that loads nothing: pictures, charts, styles and scripts are in it. It works
    for a run that failed half-way; what cannot be read is said in its place. The same folder
    always gives the same bytes.

    Raises:
        FibError: `run` is not the folder of a run.
    """
    text = render(collect(run))
    path = run / "report.html"
    part = path.with_name(f".report-{os.getpid()}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


def render(run: Run) -> str:
    """Return the page of a run as HTML."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {
        "duration": wording.duration,
        "moment": wording.moment,
        "number": wording.number,
        "size": wording.size,
        "value": wording.value_text,
        "href": lambda path: quote(str(path)),
    }
    pictures = Pictures()
    channels = sum(len(images.data) for images in _volumes(run.steps, Images))
    maker = SectionMaker(run, ViewerMaker(pictures, channels))
    sections = [maker.section(step) for step in run.steps]
    parents = {
        step.id: [source.step for _, source in step.sources if source.step in run.by_id]
        for step in run.steps
    }
    return environment.get_template("page.html").render(
        run=run,
        provenance=run.provenance,
        status=str(run.provenance.get("status", "unknown")),
        seconds=wording.seconds_between(
            run.provenance.get("started"), run.provenance.get("ended")
        ),
        failed=[step for step in run.steps if step.outcome in ("failed", "interrupted")],
        metrics=grids.metric_grids(run),
        diagram=flow.diagram(parents),
        card_size=flow.CARD,
        cards={section.step.id: _card(section.step) for section in sections},
        sections=sections,
        pictures=pictures.uris,
        style=Markup((HERE / "style.css").read_text(encoding="utf-8")),
        script=Markup((HERE / "viewer.js").read_text(encoding="utf-8")),
    )


@dataclass
class CardFace:
    """What the card of a step shows: a picture, a sparkline or a few figures."""

    picture: str = ""
    sparkline: str = ""
    figures: list[tuple[str, str]] = field(default_factory=list)


def _card(step: Step) -> CardFace:
    for artefact in step.artefacts.values():
        volume = artefact.value if artefact.type in ("Labels", "Images") else None
        if isinstance(volume, Volume):
            return CardFace(picture=_thumbnail(volume))
    for artefact in step.artefacts.values():
        table = artefact.value if artefact.type == "Table" else None
        if isinstance(table, Table) and len(table) > 1:
            line = _sparkline(table)
            if line:
                return CardFace(sparkline=line)
        elif isinstance(table, Table) and len(table) == 1:
            figures = [
                (wording.title(name), f"{wording.number(value)} {wording.split_unit(name)[1]}")
                for name, value in table.rows()[0].items()
                if isinstance(value, float)
            ]
            return CardFace(figures=figures[:3])
    return CardFace()
