"""A step as a task: all that a process, here or on another machine, needs to execute it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fibcore.errors import FibError
from fibcore.pipeline.plan import InputRef, PlannedStep, Work
from fibcore.pipeline.spec import Source
from fibcore.pipeline.store import Entry


@dataclass(frozen=True)
class Read:
    """An artefact of a finished step that a task reads, or a part of it.

    Attributes:
        step: id of the finished step.
        entry: the finished step.
        artefact: name of the artefact.
        type: its type.
        part: part of the volume that is read.
    """

    step: str
    entry: Entry
    artefact: str
    type: type
    part: Source

    def __call__(self) -> Any:
        """Read the artefact.

        Raises:
            FibError: the step did not keep it, or its files have changed.
        """
        if self.artefact not in self.entry.manifest["artefacts"]:
            raise FibError(
                f"step {self.step!r} did not keep {self.artefact!r}; its parameters decide whether "
                f"it does"
            )
        return self.entry.read(self.artefact, self.type)


@dataclass(frozen=True)
class Task:
    """A step whose inputs are finished. It can be pickled.

    Attributes:
        step: id of the step.
        index: position in the pipeline, from 1.
        key: key of its result.
        key_parts: all that the result depends on.
        work: what it does.
        inputs: input name -> what it reads.
        model: the model that is applied, or None.
        store: folder of finished steps.
        run: folder of the run.
        device: device asked for.
        threads: number of CPU threads.
        started: time of the start, for the record.
        format: format of volumes, see `Store`.
    """

    step: str
    index: int
    key: str
    key_parts: Mapping[str, Any]
    work: Work
    inputs: Mapping[str, tuple[Read, ...]]
    model: Read | None
    store: Path
    run: Path
    device: str
    threads: int
    started: str
    format: str = "auto"

    @property
    def about(self) -> dict[str, Any]:
        """The attributes that all events of the step have."""
        return about(self.run, self.step, self.index, self.work.identifier)

    @property
    def folders(self) -> list[Path]:
        """The folders that exist while the task is executed."""
        reads = [each for group in self.inputs.values() for each in group]
        return [self.run, self.store, *(each.entry.folder for each in reads)]

    @property
    def read(self) -> dict[str, str]:
        """Hash of each artefact that is read, by key of its step and its name."""
        reads = [each for group in self.inputs.values() for each in group]
        reads += [self.model] if self.model is not None else []
        return {
            f"{each.entry.folder.name}/{each.artefact}": each.entry.hash_of(each.artefact)
            for each in reads
        }


def about(run: Path, step: str, index: int, plugin: str) -> dict[str, Any]:
    """Return the attributes that all events of a step have."""
    return {"run": run, "step": step, "index": index, "plugin": plugin}


def task_of(step: PlannedStep, finished: Mapping[str, Entry], **where: Any) -> Task:
    """Return a step as a task.

    Args:
        step: the step.
        finished: step id -> result, of all steps that it reads.
        where: the fields of a task from `store` on.
    """

    def read(ref: InputRef) -> Read:
        entry = finished[ref.step.id]
        return Read(ref.step.id, entry, ref.artefact, ref.product.type, ref.source)

    return Task(
        step=step.id,
        index=step.index,
        key=step.key,
        key_parts=step.key_parts,
        work=replace(step.work, model=None),  # it leads to the steps before
        inputs={name: tuple(map(read, refs)) for name, refs in step.inputs.items()},
        model=None if step.work.model is None else read(step.work.model),
        **where,
    )
