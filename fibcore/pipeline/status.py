"""Decides which steps of a plan run and which are reused, and gives the reasons."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from fibcore.artefacts import FOLDER_ABOVE_BYTES
from fibcore.errors import PipelineError, Problem, UsageError, did_you_mean, listed, sized
from fibcore.pipeline.keep import peak_bytes
from fibcore.pipeline.plan import Plan, PlannedStep
from fibcore.pipeline.store import Entry, Store


@dataclass(frozen=True)
class StepStatus:
    """What a run will do with a step.

    Attributes:
        step: the step.
        action: ``reuse``, ``run``, ``resume``, or ``leave`` (outside --from / --to).
        reason: reason for the action; empty for a step that is not finished.
        forced: whether it runs again although it is finished.
    """

    step: PlannedStep
    action: str
    reason: str
    forced: bool = False

    @property
    def works(self) -> bool:
        """Whether the step will compute something."""
        return self.action in ("run", "resume")


def statuses(
    plan: Plan,
    store: Store,
    *,
    start: str | None = None,
    stop: str | None = None,
    force: Collection[str] = (),
) -> list[StepStatus]:
    """Decide for every step whether it runs.

    Args:
        plan: the checked pipeline.
        store: finished steps.
        start: first step that may run; earlier ones must be finished.
        stop: last step that runs.
        force: steps that run again although they are finished.

    Raises:
        UsageError: an id is unknown, a step before `start` is not finished, or the store contains
            links or records of another shape.
    """
    ids = [step.id for step in plan.steps]
    for option, name in [("--from", start), ("--to", stop), *(("--force", f) for f in force)]:
        if name is not None and name not in ids:
            hint = did_you_mean(name, ids) or f" The steps: {listed(ids)}."
            raise UsageError(f"{option} {name}: there is no step of this id.{hint}")
    first = ids.index(start) if start is not None else 0
    last = ids.index(stop) if stop is not None else len(ids) - 1
    if first > last:
        raise UsageError(f"--from {start} comes after --to {stop}; nothing would run")
    found: list[StepStatus] = []
    redone: set[str] = set()
    for index, step in enumerate(plan.steps):
        if index > last:
            found.append(StepStatus(step, "leave", f"after --to {stop}"))
            continue
        store.check(step.key)
        entry = store.find(step.key)
        redone_inputs = sorted({ref.step.id for ref in step.sources if ref.step.id in redone})
        if step.id in force and index >= first:
            status = StepStatus(step, "run", "forced", forced=True)
        elif entry is not None and is_current(step, entry, store):
            if redone_inputs:
                reason = (
                    f"finished before; runs again if the result of {listed(redone_inputs)} changes"
                )
            else:
                reason = "finished before"
            status = StepStatus(step, "reuse", reason)
        elif index < first:
            raise UsageError(
                f"--from {start}: the earlier step {step.id!r} is not finished; start there, or "
                f"run the pipeline without --from"
            )
        elif store.interrupted(step.key):
            status = StepStatus(step, "resume", "interrupted before; will be resumed")
        elif step.key in store.damaged:
            status = StepStatus(step, "run", f"damaged: {store.damaged[step.key]}")
        else:
            status = StepStatus(step, "run", "" if entry is None else _outdated(step, entry))
        if status.works:
            redone.add(step.id)
        found.append(status)
    for index in reversed(range(len(found))):
        if _needs_dropped(plan, found, index, store):
            if index < first:
                raise UsageError(
                    f"--from {start}: volumes of the earlier step {found[index].step.id!r} were "
                    f"deleted after use; run the pipeline without --from"
                )
            found[index] = StepStatus(
                found[index].step, "run", "its volumes were deleted after use"
            )
    return found


def _needs_dropped(plan: Plan, found: Sequence[StepStatus], index: int, store: Store) -> bool:
    """Return whether volumes of a finished step are gone, and kept now or read by a later step."""
    step = found[index].step
    entry = store.find(step.key) if found[index].action == "reuse" else None
    if entry is None or not entry.dropped:
        return False
    later = [ref for item in found[index + 1 :] if item.works for ref in item.step.sources]
    return plan.keeps(step) or any(
        ref.step is step and ref.artefact in entry.dropped for ref in later
    )


def is_current(step: PlannedStep, entry: Entry, store: Store) -> bool:
    """Return whether a finished step has the result that it would have with its present inputs.

    The keys show this except in two cases: an input was forced to run again and its result changed,
    or the plugin now makes a result of another type.
    """
    main, product = next(iter(step.products.items()))
    if not entry.leaves(main, product.type):
        return False
    read = entry.manifest.get("read", {})
    for ref in step.sources:
        source = store.find(ref.step.key)
        name = f"{ref.step.key}/{ref.artefact}"
        if source is not None and name in read and read[name] != source.hash_of(ref.artefact):
            return False
    return True


def check_resources(plan: Plan, planned: Sequence[StepStatus], store: Store) -> None:
    """Refuse a run that needs more memory or disk than is free, as estimated by the plugins.

    Raises:
        PipelineError: names each step that needs too much.
    """
    import psutil

    problems = []
    memory = psutil.virtual_memory().available
    working = [status.step for status in planned if status.works]
    for step in working:
        if step.expected.memory_bytes > memory:
            message = (
                f"needs about {sized(step.expected.memory_bytes)} of memory, "
                f"{sized(memory)} are free: make the volume smaller, cut the inputs, close "
                f"other programs, or pass --no-resource-check to run anyway"
            )
            problems.append(Problem(f"step {step.id!r}", message))
    free = shutil.disk_usage(store.root).free
    sizes = {step.id: step.expected.disk_bytes for step in working}
    most = max(sizes.values(), default=0)
    limit = {"tiff": most, "zarr": 0}.get(store.volumes, FOLDER_ABOVE_BYTES)
    largest = min(limit, most)  # a TIFF of several channels is copied from scratch
    levels = {id: size // 7 for id, size in sizes.items() if size > limit}  # at most: coarser ones
    needed = peak_bytes(plan, {id: size + levels.get(id, 0) for id, size in sizes.items()})
    if needed + largest > free:
        message = (
            f"the results need about {sized(needed + largest)} in {store.root}, "
            f"{sized(free)} are free: free some, choose another disk with --cache, or pass "
            f"--no-resource-check to run anyway"
        )
        problems.append(Problem("disk", message))
    if problems:
        raise PipelineError(problems, plan.pipeline.name)


def _outdated(step: PlannedStep, entry: Entry) -> str:
    """Return why a finished step cannot be used."""
    main, product = next(iter(step.products.items()))
    if not entry.leaves(main, product.type):
        return f"its plugin now makes {product}"
    return "the result of an input changed"
