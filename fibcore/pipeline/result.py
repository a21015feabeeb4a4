"""The result of a run: its finished steps, or the step that failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fibcore.artefacts import Artefact
from fibcore.errors import FibError, listed
from fibcore.pipeline.plan import Plan, PlannedStep
from fibcore.pipeline.store import Entry
from fibcore.text import shown


class StepError(FibError):
    """A step failed; finished steps are kept."""

    def __init__(self, step: PlannedStep, message: str, folder: Path) -> None:
        self.step = step
        self.folder = folder
        super().__init__(message)


@dataclass(frozen=True)
class RunResult:
    """A finished run.

    Attributes:
        folder: folder of the run.
        plan: the plan that was run.
        entries: step id -> finished step, for steps that ran or were reused.
        files: files that observers have written for the user.
    """

    folder: Path
    plan: Plan
    entries: Mapping[str, Entry]
    files: tuple[Path, ...] = ()

    def __repr__(self) -> str:
        return f"<RunResult of {listed(self.entries)} in {shown(self.folder)}>"

    def __getitem__(self, reference: str) -> Artefact:
        """Return the main artefact of a step (``"step"``), or another (``"step.artefact"``)."""
        identifier, _, artefact = reference.partition(".")
        step = next((s for s in self.plan.steps if s.id == identifier), None)
        if step is None or identifier not in self.entries:
            raise FibError(f"no finished step {identifier!r}; there are {', '.join(self.entries)}")
        name = artefact or next(iter(step.products))
        return self.entries[identifier].read(name, step.products[name].type)
