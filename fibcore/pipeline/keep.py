"""Volumes that are deleted after use: those of steps that a pipeline does not list in `keep`."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from fibcore.errors import FibError
from fibcore.pipeline.plan import Plan, PlannedStep
from fibcore.pipeline.records import RESOLVED, ResolvedRecord, read_record
from fibcore.pipeline.store import LOCKS, RUNS, Store
from fibcore.volumes import Volume


def dropped_after(plan: Plan, finished: Collection[str]) -> Iterator[tuple[PlannedStep, list[str]]]:
    """Yield steps and their volumes that no step needs any more and that are not kept.

    Args:
        plan: the pipeline.
        finished: ids of the finished steps.
    """
    for step in plan.steps:
        readers = {
            other.id for other in plan.steps if any(ref.step is step for ref in other.sources)
        }
        names = [name for name, item in step.products.items() if issubclass(item.type, Volume)]
        if names and readers and not plan.keeps(step) and readers | {step.id} <= set(finished):
            yield step, names


def peak_bytes(plan: Plan, sizes: Mapping[str, int]) -> int:
    """Return the largest size that volumes have at a time if the steps run one after the other.

    Args:
        plan: the pipeline.
        sizes: step id -> size of its volumes, of the steps that are computed.
    """
    last = {ref.step.id: step.id for step in plan.steps for ref in step.sources}
    gone = {reader: [id for id in last if last[id] == reader] for reader in set(last.values())}
    of = {step.id: step for step in plan.steps}
    held = peak = 0
    for step in plan.steps:
        held += sizes.get(step.id, 0)
        peak = max(peak, held)
        held -= sum(sizes.get(id, 0) for id in gone.get(step.id, ()) if not plan.keeps(of[id]))
    return peak


def kept_by_others(store: Store, run: Path) -> set[str]:
    """Return the keys of steps that other runs keep, or may still read.

    Args:
        store: the store.
        run: folder of this run.
    """
    found: set[str] = set()
    lines = (store.root / LOCKS / RUNS).read_text(encoding="utf-8", errors="replace").splitlines()
    for line in dict.fromkeys(lines):
        with contextlib.suppress(ValueError, TypeError, OSError, FibError):
            folder = (store.root / json.loads(line)).resolve()
            if folder == run.resolve():
                continue
            steps = read_record(folder / RESOLVED, ResolvedRecord)["steps"]
            with store.lock_if_free(folder.name) as ended:
                found |= {each["key"] for each in steps if each.get("keep", True) or not ended}
    return found
