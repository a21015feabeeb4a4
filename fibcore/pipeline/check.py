"""Checks a pipeline before any step runs, and reports all problems with their places."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from fibcore.errors import MOST_PROBLEMS, PipelineError, did_you_mean, listed
from fibcore.pipeline.explain import explain
from fibcore.pipeline.findings import Findings
from fibcore.pipeline.locate import LocatedJson, read_object
from fibcore.pipeline.plan import Plan
from fibcore.pipeline.spec import MOST_STEPS, Pipeline, Step
from fibcore.pipeline.steps import plan_step


def read_pipeline(path: Path) -> LocatedJson:
    """Read a pipeline file as located JSON.

    Raises:
        PipelineError: the file is missing, unreadable, or not a JSON object.
    """
    document = read_object(
        path, 'a pipeline is a JSON object: {"version": 1, "name": ..., "steps": [...]}'
    )
    if document.problems:
        raise PipelineError(document.problems, str(path))
    return document


def check_pipeline(
    document: Mapping[str, Any],
    *,
    base: Path = Path(),
    source: str = "pipeline",
    located: LocatedJson | None = None,
) -> Plan:
    """Check a pipeline and return the plan of its run.

    Args:
        document: content of a pipeline file.
        base: folder that paths in it are relative to.
        source: name of the pipeline in messages.
        located: the text that it was read from, for line numbers.

    Raises:
        PipelineError: reports all problems.
    """
    findings = Findings(base, located)
    pipeline = _parsed(document, findings)
    findings.ids = [step.id for step in pipeline.steps]
    for index, step in enumerate(pipeline.steps):
        if len(findings.problems) > MOST_PROBLEMS:
            break
        if step.id in findings.ids[:index]:
            first = findings.ids.index(step.id)
            message = f"id {step.id!r} is taken by steps[{first}]; ids are unique"
            findings.add(("steps", index, "id"), message)
        elif step.id not in findings.broken:
            planned = plan_step(findings, pipeline.seed, index, step)
            if planned is None:
                findings.broken.add(step.id)
            else:
                findings.done[step.id] = planned
    for number, name in enumerate(pipeline.keep if pipeline.keep != "all" else ()):
        if name not in findings.ids:
            hint = did_you_mean(name, findings.ids) or f" The steps: {listed(findings.ids)}."
            findings.add(("keep", number), f"there is no step {name!r}.{hint}")
    if findings.problems:
        ordered = sorted(findings.problems, key=lambda p: (p.line or 0, p.column or 0))
        raise PipelineError(ordered, source)
    return Plan(pipeline, document, base, tuple(findings.done.values()))


def _parsed(document: Mapping[str, Any], findings: Findings) -> Pipeline:
    """Return the pipeline; if it is invalid, one of its valid steps.

    The valid steps are then checked as well, so that all problems are reported at once.
    """
    try:
        pipeline = Pipeline.model_validate(document)
        findings.refuse_booleans(document, pipeline, ())
        return pipeline
    except ValidationError as error:
        for location, message in explain(error, Pipeline, document):
            findings.add(location, message)
    written = document.get("steps")
    steps = []
    for number, entry in enumerate(written[:MOST_STEPS] if isinstance(written, list) else []):
        try:
            steps.append(Step.model_validate(entry))
        except ValidationError:
            name = entry.get("id") if isinstance(entry, dict) else None
            identifier = name if isinstance(name, str) else f"step-{number}"
            findings.broken.add(identifier)
            steps.append(Step.model_construct(id=identifier))
    return Pipeline.model_construct(version=1, name="invalid", seed=0, steps=tuple(steps))


def document_text(document: Mapping[str, Any]) -> str:
    """Return a pipeline as the text of a file."""
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"
