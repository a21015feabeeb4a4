"""The answer of a run, which opens its page: the reconstruction, and numbers with their intervals.

It is that of the last metric whose table has figures with limits (`fibcore.roles.Figure`). What
other metrics decide (a flag in a table of one row) is shown beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from fib_plugins.report import grids, palette, wording
from fib_plugins.report.collect import Run, Step
from fib_plugins.report.declared import named
from fib_plugins.report.relations import Relations
from fib_plugins.report.sections import VolumeView, grid_facts
from fib_plugins.report.solid_view import solid_picture
from fib_plugins.report.viewer import ViewerMaker
from fibcore.roles import Figure, Flag
from fibcore.tables import Table
from fibcore.volumes import Images, Labels


@dataclass(frozen=True)
class Judgement:
    """What a metric has decided.

    Attributes:
        step: id of its step.
        good: whether the flag is set.
        words: the flag with the texts of its row, and what the step warned of.
    """

    step: str
    good: bool
    words: tuple[str, ...]


@dataclass
class Answer:
    """All that is shown of the answer.

    Attributes:
        step: step of the metric with the intervals.
        of: id of the step that has made the labels.
        numbers: the figures with their limits, a row for each.
        picture: key of the picture of the solid in three dimensions; empty if there is none.
        view: planes of the labels with their outlines on the images.
        judgements: what other metrics have decided.
    """

    step: Step
    of: str
    numbers: grids.Grid
    picture: str = ""
    view: VolumeView | None = None
    judgements: list[Judgement] = field(default_factory=list)


def answer(run: Run, maker: ViewerMaker, relations: Relations) -> Answer | None:
    """Return the answer of a run; None if no metric has given figures with limits."""
    for step in reversed(run.steps):
        table = _table_of(step)
        if table is None or not any(_limits(table, name) for name in table.names):
            continue
        source = next(iter(step.inputs.get("prediction", [])), None)
        found = Answer(step, source.step if source else "", numbers(table))
        found.judgements = list(_judgements(run))
        labels = next(iter(relations.volumes_of(step, "prediction")), None)
        if isinstance(labels, Labels):
            found.picture = maker.pictures.add_picture(solid_picture(labels))
            images = next(iter(relations.volumes_of(step, "images")), None)
            found.view = _view(labels, images if isinstance(images, Images) else None, maker)
        return found
    return None


def numbers(table: Table) -> grids.Grid:
    """Return a table of figures with limits as a grid; figure and limits share a cell.

    Columns behind the last figure with limits are left to the section of the step.
    """
    limited = {name: _limits(table, name) for name in table.names if _limits(table, name)}
    ends = {end for pair in limited.values() for end in pair}
    shown = table.names[: 1 + max(map(table.names.index, limited))]
    names = [name for name in shown if name not in ends]
    rows = []
    for row in table.rows()[: grids.MOST_ROWS]:
        cells = []
        for name in names:
            cell = grids.cell(row[name])
            if name in limited and cell.is_number:
                low, high = (wording.number(row[end]) for end in limited[name])
                cell = grids.Cell(f"{cell.text}  [{low}, {high}]", cell.title, is_number=True)
            cells.append(cell)
        rows.append(tuple(cells))
    return grids.Grid("", tuple(grids.heading(table, name) for name in names), tuple(rows))


def _table_of(step: Step) -> Table | None:
    """Return the main table of a metric that has run."""
    if not step.measures or not step.artefacts:
        return None
    value = next(iter(step.artefacts.values())).value
    return value if isinstance(value, Table) else None


def _limits(table: Table, name: str) -> tuple[str, ...]:
    role = table.roles.get(name)
    limits = role.limits if isinstance(role, Figure) else ()
    return limits if set(limits) <= set(table.names) else ()


def _judgements(run: Run) -> Iterator[Judgement]:
    for step in run.steps:
        table = _table_of(step)
        if table is None or len(table) != 1:
            continue
        row = table.rows()[0]
        texts = [name for name in table.names if isinstance(row[name], str) and row[name]]
        for name in named(table, Flag):
            decided = f"{table.caption(name)}: {'yes' if row[name] else 'no'}"
            rest = [f"{table.caption(text)}: {row[text]}" for text in texts]
            yield Judgement(step.id, bool(row[name]), ("; ".join([decided, *rest]), *step.warnings))


def _view(labels: Labels, images: Images | None, maker: ViewerMaker) -> VolumeView:
    viewer = maker.viewer("answer", labels)
    if images is not None and images.shape == labels.shape:
        for channel in range(len(images.data)):
            viewer.bases.append(maker.channel(viewer, images, channel))
    outline = maker.outline(viewer, labels, "outline of the solid", palette.PREDICTION)
    outline.shown = bool(viewer.bases)
    viewer.bases.append(maker.phases(viewer, labels))
    viewer.overlays.append(outline)
    return VolumeView("reconstruction", viewer, grid_facts(labels))
