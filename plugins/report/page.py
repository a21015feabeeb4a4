"""Renders the page from the template, sections and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from markupsafe import Markup

from fib_plugins.report import flow, grids, wording
from fib_plugins.report.answer import Answer, answer
from fib_plugins.report.cards import card_face
from fib_plugins.report.collect import Run
from fib_plugins.report.sections import SectionMaker, VolumeView
from fib_plugins.report.slices import Pictures
from fib_plugins.report.viewer import ViewerMaker
from fibcore.errors import sized
from fibcore.text import escaped, message

HERE = Path(__file__).parent
RUN_FILES = ("pipeline.json", "resolved.json", "provenance.json", "log.jsonl")


def render(run: Run) -> str:
    """Return the page of a run as HTML."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=_fit,
    )
    environment.filters |= {
        "brief": lambda value: message(value) if isinstance(value, str) else value,
        "duration": wording.duration,
        "moment": wording.moment,
        "number": wording.number,
        "size": sized,
        "value": wording.value_text,
        "href": lambda path: quote(str(path)),
    }
    pictures = Pictures()
    maker = SectionMaker(run, ViewerMaker(pictures, _grey_channels(run)))
    sections = [maker.section(step) for step in run.steps]
    opening = _opening(run, maker)
    inline = _shown_first([view for section in sections for view in section.views], opening)
    parents = {step.id: [i for i in step.parents if i in run.by_id] for step in run.steps}
    return environment.get_template("page.html").render(
        run=run,
        provenance=run.provenance,
        status=str(run.provenance.get("status", "unknown")),
        seconds=wording.seconds_between(run.provenance.get("started"), run.provenance.get("ended")),
        counts=_counts(run),
        files=[name for name in RUN_FILES if (run.folder / name).is_file()],
        failed=[step for step in run.steps if step.outcome in ("failed", "interrupted")],
        answer=opening,
        metrics=grids.metric_grids(run),
        diagram=flow.diagram(parents),
        card_size=flow.CARD,
        faces={step.id: card_face(step) for step in run.steps},
        sections=sections,
        pictures=pictures.uris,
        in_script={k: uri for k, uri in pictures.uris.items() if k not in inline},
        style=Markup((HERE / "style.css").read_text(encoding="utf-8")),
        script=Markup((HERE / "viewer.js").read_text(encoding="utf-8")),
    )


def _fit(value: object) -> object:
    """Return a value for a template, with control characters escaped."""
    if isinstance(value, str):
        fit = escaped(value)
        return Markup(fit) if isinstance(value, Markup) else fit
    return value


def _counts(run: Run) -> str:
    outcomes = [step.outcome for step in run.steps]
    return ", ".join(f"{outcomes.count(name)} {name}" for name in dict.fromkeys(outcomes))


def _opening(run: Run, maker: SectionMaker) -> Answer | None:
    """Return the answer of the run; None if there is none, or if it cannot be shown."""
    try:
        return answer(run, maker.maker, maker.relations)
    except Exception:  # damaged content may raise any error; the step's section reports it
        return None


def _shown_first(views: Sequence[VolumeView], opening: Answer | None) -> set[str]:
    """Return the pictures embedded in the page, which are shown even if scripts are disabled."""
    if opening is not None and opening.view is not None:
        views = [opening.view, *views]
    return ({opening.picture} if opening is not None else set()) | {
        key
        for view in views
        for layer in (view.viewer.bases[0], *view.viewer.overlays)
        if layer is view.viewer.bases[0] or layer.shown
        for key in view.viewer.first(layer).values()
    }


def _grey_channels(run: Run) -> int:
    """Return the number of grey layers; a step that changes images also shows those before."""
    return sum(
        len(artefact.value.data) * (3 if "images" in step.inputs else 1)
        for step in run.steps
        for artefact in step.artefacts.values()
        if artefact.type == "Images" and artefact.value is not None
    )
