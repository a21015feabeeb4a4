"""Reads a run folder, which may be incomplete, into plain records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from fib_plugins.report.artefact import Artefact
from fib_plugins.report.records import PipelineRecord, ProvenanceRecord
from fib_plugins.report.wording import DASH
from fibcore.errors import FibError, UsageError
from fibcore.grid import AXES
from fibcore.kinds import KINDS
from fibcore.pipeline.records import (
    MANIFEST,
    PIPELINE,
    PROVENANCE,
    RESOLVED,
    Record,
    ResolvedRecord,
    StepRecord,
    read_record,
    read_text_and_record,
)
from fibcore.text import described, shown


@dataclass(frozen=True)
class Input:
    """One source of an input: an artefact of an earlier step, or a part of it.

    Attributes:
        step: id of the step that made it.
        artefact: its name in that step.
        cut: axis -> (start, stop) as fractions.
        kv: chosen voltages; None for all.
        detector: chosen detectors; None for all.
    """

    step: str
    artefact: str
    cut: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    kv: tuple[float, ...] | None = None
    detector: tuple[str, ...] | None = None

    @classmethod
    def of(cls, source: Mapping[str, Any]) -> Input:
        """Return the input that an entry of ``resolved.json`` describes."""
        cut = {axis: (source[axis][0], source[axis][1]) for axis in AXES if source.get(axis)}
        chosen = {
            name: tuple(source[name]) for name in ("kv", "detector") if source.get(name) is not None
        }
        return cls(source["from"], source["artefact"], cut, **chosen)

    def __str__(self) -> str:
        parts = [f"{axis} {start:g}{DASH}{stop:g}" for axis, (start, stop) in self.cut.items()]
        parts += [*(f"{kv:g} kV" for kv in self.kv or ()), *(self.detector or ())]
        return self.step + (f" ({', '.join(parts)})" if parts else "")


@dataclass
class Step:
    """One step: what was planned, and its outcome.

    Attributes:
        index: position in the pipeline, from 1.
        id: id of the step.
        verb: ``run``, ``fit``, ``apply`` or ``load``.
        plugin: ``kind/name``, or ``load``.
        folder: name of its folder in the run.
        key: SHA-256 of all that its result depends on.
        params: parameters, including defaults.
        given: names of the parameters that the pipeline file sets.
        inputs: input name -> sources.
        model: for an apply step, the model that it applies.
        source: for a load step, the files.
        note: its note in the pipeline file.
        outcome: ``finished``, ``reused``, ``failed``, ``interrupted`` or ``not run``.
        record: its entry in ``provenance.json``.
        artefacts: name -> result.
        problem: the reason why the results cannot be shown, if any.
    """

    index: int
    id: str
    verb: str
    plugin: str
    folder: str
    key: str
    params: dict[str, Any]
    given: set[str] = field(default_factory=set)
    inputs: dict[str, list[Input]] = field(default_factory=dict)
    model: Input | None = None
    source: str = ""
    note: str = ""
    outcome: str = "not run"
    record: dict[str, Any] = field(default_factory=dict)
    artefacts: dict[str, Artefact] = field(default_factory=dict)
    problem: str = ""

    @property
    def measures(self) -> bool:
        """Whether its main table holds figures that a run prints, as those of metrics do."""
        kind = KINDS.get(self.plugin.partition("/")[0])
        return kind is not None and kind.headline is not None

    @property
    def seconds(self) -> float | None:
        """Computing time of its results, in this run or in the run that computed them."""
        return (self.record.get("computed") or self.record).get("seconds")

    @property
    def warnings(self) -> list[str]:
        """Warnings issued when its results were computed."""
        computed = self.record.get("computed") or {}
        both = [*(computed.get("warnings") or []), *(self.record.get("warnings") or [])]
        return list(dict.fromkeys(map(str, both)))

    @property
    def read(self) -> list[tuple[str, Input]]:
        """All (input name, source) pairs."""
        return [(name, source) for name, group in self.inputs.items() for source in group]

    @property
    def parents(self) -> list[str]:
        """Ids of the steps whose results it reads or whose model it applies."""
        ids = [self.model.step] if self.model else []
        return ids + [source.step for _, source in self.read]


@dataclass
class Run:
    """A run folder.

    Attributes:
        folder: the folder.
        name: name of the pipeline.
        description: description of the pipeline.
        steps: steps in order.
        provenance: ``provenance.json``.
        document: text of ``pipeline.json``.
        resolved: text of ``resolved.json``.
        problems: files of the run that cannot be read.
    """

    folder: Path
    name: str
    description: str
    steps: list[Step]
    provenance: dict[str, Any]
    document: str
    resolved: str
    problems: list[str]

    @property
    def seed(self) -> int | None:
        """Seed of the pipeline."""
        return self.provenance.get("seed")

    @cached_property
    def by_id(self) -> dict[str, Step]:
        """Id -> step."""
        return {step.id: step for step in self.steps}

    def artefact(self, source: Input) -> Artefact | None:
        """Return the whole artefact of which an input is a part; None if it is missing."""
        step = self.by_id.get(source.step)
        return step.artefacts.get(source.artefact) if step else None


def collect(folder: Path) -> Run:
    """Read a run folder, even of a run that did not finish.

    Raises:
        UsageError: it is not the folder of a run, or its records have another shape.
    """
    problems: list[str] = []
    try:
        text, resolved = read_text_and_record(folder / RESOLVED, ResolvedRecord)
    except UsageError:
        raise
    except (OSError, FibError) as error:
        raise UsageError(
            f"{shown(folder)} is not the folder of a run: its {RESOLVED} cannot be read "
            f"({described(error)}); name a folder made by `fib run`"
        ) from error
    document, pipeline = _record(folder / PIPELINE, PipelineRecord, problems)
    _, provenance = _record(folder / PROVENANCE, ProvenanceRecord, problems)
    steps = [_planned(index, entry) for index, entry in enumerate(resolved["steps"], 1)]
    written = {entry["id"]: entry for entry in pipeline.get("steps", [])}
    records = {entry["id"]: entry for entry in provenance.get("steps", [])}
    for step in steps:
        entry = written.get(step.id, {})
        step.given = set(entry.get("params", ()))
        step.note = entry.get("note", "")
        step.record = records.get(step.id, {})
        step.outcome = step.record.get("outcome", "not run")
        if step.outcome in ("finished", "reused"):
            _read_manifest(folder, step)
    return Run(
        folder,
        resolved["name"],
        resolved.get("description") or "",
        steps,
        provenance,
        document,
        text,
        problems,
    )


def _planned(index: int, entry: Mapping[str, Any]) -> Step:
    model = entry.get("model")
    return Step(
        index,
        entry["id"],
        entry["verb"],
        entry["plugin"],
        entry["folder"],
        entry.get("key", ""),
        entry.get("params", {}),
        inputs={
            name: [Input.of(source) for source in group]
            for name, group in entry.get("inputs", {}).items()
        },
        model=Input.of(model) if model else None,
        source=entry.get("source") or "",
    )


def _read_manifest(run: Path, step: Step) -> None:
    folder = run / step.folder
    try:
        manifest = read_record(folder / MANIFEST, StepRecord)
    except (OSError, FibError) as error:
        step.problem = (
            f"the results of this step cannot be read ({described(error)}); they may have been "
            f"deleted from the cache. Run the pipeline again to restore them"
        )
        return
    seen, roles = manifest.get("seen", {}), manifest.get("roles", {})
    step.artefacts = {
        name: Artefact(
            name,
            entry["type"],
            entry["files"],
            entry["sha256"],
            folder,
            seen,
            roles.get(name, {}),
            entry.get("source"),
            entry.get("dropped", False),
        )
        for name, entry in manifest["artefacts"].items()
    }


def _record(path: Path, shape: type[Record], problems: list[str]) -> tuple[str, dict[str, Any]]:
    try:
        return read_text_and_record(path, shape)
    except UsageError:
        raise
    except (OSError, FibError) as error:
        problems.append(f"{path.name} cannot be read ({described(error)})")
        return "", {}
