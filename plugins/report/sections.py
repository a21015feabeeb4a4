"""Sections of the page, one for each step: its volumes, curves, tables and models."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from markupsafe import Markup

from fib_plugins.report import compare, curves, grids, palette, wording
from fib_plugins.report.collect import Artefact, Run, Step
from fib_plugins.report.declared import best_of
from fib_plugins.report.histograms import Histogram, histogram
from fib_plugins.report.panels import draw
from fib_plugins.report.relations import Place, Relations
from fib_plugins.report.viewer import Viewer, ViewerMaker
from fibcore.jsontext import read_json
from fibcore.tables import Table
from fibcore.volumes import Images, Labels, Volume


@dataclass
class Share:
    """A coloured part of a whole, for a phase or a kind of error."""

    colour: str
    name: str
    percent: float
    count: int | None = None


@dataclass
class VolumeView:
    """A volume: its viewer, its facts, its phases or histograms."""

    name: str
    viewer: Viewer
    facts: list[tuple[str, str]]
    shares: list[Share] = field(default_factory=list)
    histograms: list[Histogram] = field(default_factory=list)
    caption: str = ""


@dataclass
class ChartGroup:
    """The curves of one table, and what is the same in all its rows."""

    name: str
    charts: list[Markup]
    constants: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class ModelView:
    """A model: its numbers of weights and arrays, and its info."""

    name: str
    weights: int
    arrays: list[tuple[str, str]]
    info: dict[str, str]


@dataclass
class Section:
    """All that is shown of one step."""

    step: Step
    volumes: list[VolumeView] = field(default_factory=list)
    comparison: VolumeView | None = None
    compared_in: str = ""
    charts: list[ChartGroup] = field(default_factory=list)
    tables: list[grids.Grid] = field(default_factory=list)
    models: list[ModelView] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def views(self) -> list[VolumeView]:
        """All volumes with a viewer."""
        return [*self.volumes, *([self.comparison] if self.comparison else [])]

    @property
    def is_open(self) -> bool:
        """Whether it is initially expanded: if there is something to look at."""
        shown = self.volumes or self.comparison or self.charts or self.tables
        return bool(shown or self.problems or self.step.outcome == "failed")


class SectionMaker:
    """Makes the sections of one page.

    Args:
        run: the run.
        maker: maker of the viewers.
    """

    def __init__(self, run: Run, maker: ViewerMaker) -> None:
        self.run = run
        self.maker = maker
        self.relations = Relations(run)
        self._compared: dict[tuple[str, str], str] = {}

    def section(self, step: Step) -> Section:
        """Return the section of a step; artefacts that cannot be shown are listed as problems."""
        section = Section(step)
        if step.problem:
            section.problems.append(step.problem)
        for artefact in step.artefacts.values():
            if artefact.altered:
                section.problems.append(artefact.altered)
            try:
                self._add(section, artefact)
            except Exception as error:  # damaged content may raise any error
                section.problems.append(f"{artefact.name} cannot be shown: {error}")
        try:
            self._compare(section)
        except Exception as error:
            section.problems.append(f"prediction and truth cannot be compared: {error}")
        return section

    def _add(self, section: Section, artefact: Artefact) -> None:
        if artefact.type == "Model":
            model = model_view(artefact)
            if model.weights or model.info:
                section.models.append(model)
            return
        value, problem = artefact.read
        if problem:
            section.problems.append(problem)
        elif isinstance(value, Labels):
            section.volumes.append(self._labels(section.step, artefact, value))
        elif isinstance(value, Images):
            section.volumes.append(self._images(section.step, artefact, value))
        elif isinstance(value, Table):
            self._add_table(section, artefact.name, value)

    def _add_table(self, section: Section, name: str, table: Table) -> None:
        step = section.step
        panels = curves.panels(table) if curves.is_drawn(table) else []
        if panels:
            flat = [panel for panel in panels if curves.is_flat(panel)]
            drawn = [draw(panel, best_of(table)) for panel in panels if panel not in flat]
            constants = [(panel.y_label, curves.values_of(panel)) for panel in flat]
            section.charts.append(ChartGroup(name, drawn, constants))
        elif step.measures and name == next(iter(step.artefacts)):
            section.tables.append(grids.metric_grid(name, [(step, table)]))
        else:
            section.tables.append(grids.grid(name, table))

    # -- volumes -------------------------------------------------------------------------------

    def _labels(self, step: Step, artefact: Artefact, labels: Labels) -> VolumeView:
        viewer = self.maker.viewer(f"{step.id}-{artefact.name}", labels)
        viewer.bases.append(self.maker.phases(viewer, labels))
        if "images" in step.inputs:
            for images in self.relations.volumes_of(step, "images"):
                self._add_channels(viewer, images)
            prediction = self.maker.outline(
                viewer, labels, "prediction outline", palette.PREDICTION
            )
            viewer.overlays.append(prediction)
            place = self.relations.places[step.id, artefact.name]
            for _, truth in self._truth(place):
                viewer.overlays.append(
                    self.maker.outline(viewer, truth, "truth outline", palette.TRUTH)
                )
                viewer.overlays.append(self.maker.errors(viewer, labels, truth))
        shares = []
        for phase, part in compare.fractions(labels).items():
            material = labels.phases.get(phase)
            name = f"phase {phase}" + (f" · {material.name}" if material else "")
            shares.append(Share(palette.phase(phase), name, 100 * part))
        return VolumeView(artefact.name, viewer, grid_facts(labels), shares)

    def _images(self, step: Step, artefact: Artefact, images: Images) -> VolumeView:
        viewer = self.maker.viewer(f"{step.id}-{artefact.name}", images)
        self._add_channels(viewer, images)
        if artefact is next(iter(step.artefacts.values())):
            self._add_before(viewer, step, images)
        truth, caption = None, ""
        for origin, labels in self._truth(self.relations.places[step.id, artefact.name]):
            viewer.overlays.append(
                self.maker.outline(viewer, labels, "truth outline", palette.TRUTH)
            )
            truth, caption = labels, f"of the structure {origin.id}"
        drawn = [histogram(images, channel, truth) for channel in range(len(images.data))]
        facts = [
            *grid_facts(images),
            ("grey values", f"{images.data.dtype}, {images.quantity}"),
            ("shown", "from the 0.5 to the 99.5 percentile"),
        ]
        return VolumeView(artefact.name, viewer, facts, histograms=drawn, caption=caption)

    def _add_channels(self, viewer: Viewer, images: Volume) -> None:
        if isinstance(images, Images) and images.shape == viewer.size:
            for channel in range(len(images.data)):
                viewer.bases.append(self.maker.channel(viewer, images, channel))

    def _add_before(self, viewer: Viewer, step: Step, images: Images) -> None:
        """Add the images that a step was given, and what it changed, if the shape is the same."""
        given = self.relations.volumes_of(step, "images")
        before = given[0] if len(given) == 1 else None
        if not isinstance(before, Images) or before.names != images.names:
            return
        if before.data.shape != images.data.shape:
            return
        for channel, name in enumerate(images.names):
            ending = f" {name}" if len(images.names) > 1 else ""
            viewer.bases += [
                self.maker.channel(viewer, before, channel, f"before{ending}"),
                self.maker.difference(viewer, images, before, channel, f"difference{ending}"),
            ]

    def _truth(self, place: Place) -> list[tuple[Step, Labels]]:
        return list(self.relations.truths(place))[:1]

    # -- prediction and truth ------------------------------------------------------------------

    def _compare(self, section: Section) -> None:
        step = section.step
        place, other = (self.relations.place_of(step, slot) for slot in ("prediction", "truth"))
        if place is None or place != other or step.outcome not in ("finished", "reused"):
            return
        names = (str(step.inputs["prediction"][0]), str(step.inputs["truth"][0]))
        first = self._compared.setdefault(names, step.id)
        if first != step.id:
            section.compared_in = first
            return
        (prediction,) = self.relations.volumes_of(step, "prediction")
        (truth,) = self.relations.volumes_of(step, "truth")
        if isinstance(prediction, Labels) and isinstance(truth, Labels):
            section.comparison = self._comparison(step, prediction, truth, names)

    def _comparison(
        self, step: Step, prediction: Labels, truth: Labels, names: tuple[str, str]
    ) -> VolumeView:
        viewer = self.maker.viewer(f"{step.id}-comparison", prediction)
        source = step.inputs["prediction"][0]
        for images in self.relations.volumes_of(self.run.by_id[source.step], "images"):
            self._add_channels(viewer, images.cut(source.cut))
        viewer.bases.append(self.maker.phases(viewer, truth, "truth"))
        viewer.bases.append(self.maker.phases(viewer, prediction, "prediction"))
        errors = self.maker.errors(viewer, prediction, truth)
        errors.shown = True
        viewer.overlays += [
            errors,
            self.maker.outline(viewer, prediction, "prediction outline", palette.PREDICTION),
            self.maker.outline(viewer, truth, "truth outline", palette.TRUTH),
        ]
        counts = compare.confusion(prediction, truth)
        colours = {"missed solid": palette.MISSED, "false solid": palette.FALSE}
        voxels = prediction.data.size
        shares = [
            Share(colours.get(name, palette.phase(0)), name, 100 * count / voxels, count)
            for name, count in counts.items()
        ]
        caption = f"{names[0]} compared with {names[1]}"
        return VolumeView("errors", viewer, grid_facts(prediction), shares, caption=caption)


def grid_facts(volume: Volume) -> list[tuple[str, str]]:
    """Return size, voxel size and extent of a volume as text."""
    voxel = volume.voxel_size_nm
    same = np.allclose(voxel, voxel[0])
    sizes = f"{voxel[0]:g} nm" if same else wording.times(f"{v:g}" for v in voxel) + " nm"
    return [
        ("voxels (z, y, x)", wording.times(str(n) for n in volume.shape)),
        ("voxel size", sizes),
        ("extent", wording.times(wording.length(nm) for nm in volume.extent_nm)),
    ]


def model_view(artefact: Artefact) -> ModelView:
    """Return the view of a model; only names and shapes of its weights are read."""
    from safetensors import safe_open

    header: dict[str, Any] = read_json(artefact.folder / f"{artefact.name}.json")
    weights, arrays = 0, []
    with safe_open(artefact.folder / f"{artefact.name}.safetensors", framework="numpy") as file:
        for name in file.keys():  # noqa: SIM118  # not a mapping
            shape = file.get_slice(name).get_shape()
            weights += int(np.prod(shape))
            arrays.append((name, wording.times(map(str, shape)) or "scalar"))
    info = {name: wording.value_text(value) for name, value in (header.get("info") or {}).items()}
    return ModelView(artefact.name, weights, arrays, info)
