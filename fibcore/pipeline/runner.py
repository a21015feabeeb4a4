"""Runs a checked pipeline: starts each step when its inputs are finished, records how it ended."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import time
import traceback
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from fibcore.errors import FibError
from fibcore.events import (
    SERIOUS,
    RunEvent,
    RunFinished,
    RunStarted,
    StepFailed,
    StepFinished,
    StepLogged,
    StepStarted,
)
from fibcore.files import own_folder, write_whole
from fibcore.interrupts import held_back
from fibcore.pipeline.announce import Announcer
from fibcore.pipeline.check import document_text
from fibcore.pipeline.execute import Outcome
from fibcore.pipeline.failures import explain_failure
from fibcore.pipeline.keep import dropped_after, kept_by_others
from fibcore.pipeline.plan import Plan, PlannedStep
from fibcore.pipeline.provenance import Provenance, now, peak_memory_bytes
from fibcore.pipeline.records import PIPELINE, PROVENANCE, RESOLVED
from fibcore.pipeline.result import RunResult, StepError
from fibcore.pipeline.status import StepStatus, check_resources, is_current, statuses
from fibcore.pipeline.store import Entry, Store, make_writable
from fibcore.pipeline.task import about, task_of
from fibcore.pipeline.workers import Failure, OpenWorkers, ThisProcess, Workers


def run_pipeline(
    plan: Plan,
    *,
    out: Path = Path("runs"),
    cache: Path = Path(".fib-cache"),
    device: str = "auto",
    threads: int | None = None,
    start: str | None = None,
    stop: str | None = None,
    force: Collection[str] = (),
    check_memory_and_disk: bool = True,
    format: str = "auto",
    observers: Sequence[object] = (),
    command: Sequence[str] = (),
    workers: OpenWorkers | None = None,
) -> RunResult:
    """Run a plan: reuse finished steps, compute the others, write a run folder.

    Args:
        plan: plan returned by `check_pipeline`.
        out: folder for run folders; that of this run is ``<out>/<name>/<time>-<id>``.
        cache: folder of finished steps; several runs may share it at the same time.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        threads: number of CPU threads; default: all.
        start: first step that may run.
        stop: last step that runs.
        force: steps to run again.
        check_memory_and_disk: refuse a run that needs more than is free.
        format: format of volumes: ``tiff``, ``zarr``, or ``auto``, which is zarr above 4 GB.
        observers: objects with a ``fib_run_event`` hook, besides the installed observers.
        command: command line to record.
        workers: opens the workers that execute the steps, e.g. ``open_workers("local:4")`` of
            `fibcore.pipeline.workers`. Default: this process, one step at a time.

    Raises:
        UsageError, PipelineError: no step was run.
        StepError: a step failed; finished steps are kept.
        KeyboardInterrupt: interrupted; finished steps are kept, those in progress can be resumed.
    """
    store = Store(cache, volumes=format)
    make_writable(out.absolute())
    runs = own_folder(out.absolute() / plan.pipeline.name)
    make_writable(runs)
    planned = statuses(plan, store, start=start, stop=stop, force=force)
    if check_memory_and_disk:
        check_resources(plan, planned, store)
    with ExitStack() as resources:
        working = [item.step for item in planned if item.works]
        crew = ThisProcess() if workers is None else workers(working, store.root, device)
        resources.callback(crew.close)
        folder = _new_folder(runs)
        write_whole(folder / PIPELINE, document_text(plan.document), lasting=False)
        write_whole(folder / RESOLVED, json.dumps(plan.resolved(), indent=1) + "\n", lasting=False)
        threads = threads or os.cpu_count() or 1
        provenance = Provenance(
            folder / PROVENANCE, plan, device=device, threads=threads, command=command
        )
        announcer = Announcer(folder, provenance.record["warnings"], observers, command)
        run = _Run(plan, store, folder, provenance, announcer, crew, device, threads)
        resources.enter_context(store.run_at_work(folder))
        run.all(planned)
    return RunResult(folder, plan, run.finished, tuple(announcer.files))


@dataclass
class _Busy:
    """A step in progress, with its record in the provenance; `lock` holds its key."""

    step: PlannedStep
    record: dict[str, Any]
    clock: float
    lock: ExitStack = field(default_factory=ExitStack)


class _Run:
    def __init__(
        self,
        plan: Plan,
        store: Store,
        folder: Path,
        provenance: Provenance,
        announcer: Announcer,
        workers: Workers,
        device: str,
        threads: int,
    ) -> None:
        import psutil

        self.plan = plan
        self.store = store
        self.folder = folder
        self.provenance = provenance
        self.workers = workers
        self.device = device
        self.threads = threads
        self.announcer = announcer
        self.finished: dict[str, Entry] = {}
        self.computed: set[str] = set()
        self.busy: dict[str, _Busy] = {}
        self.failed: StepError | None = None
        self.memory = psutil.virtual_memory().available

    def all(self, planned: list[StepStatus]) -> None:
        started = time.monotonic()
        reused = tuple(item.step.id for item in planned if item.action == "reuse")
        steps = tuple(item.step.id for item in planned if item.action != "leave")
        name = self.plan.pipeline.name
        status = "failed"
        try:
            self.provenance.write()
            self.announcer.notify(
                RunStarted(run=self.folder, name=name, steps=steps, reused=reused)
            )
            self._work_off([item for item in planned if item.action != "leave"])
            status = "finished"
        except KeyboardInterrupt:
            status = "interrupted"
            raise
        finally:
            self._close(status)
            seconds = time.monotonic() - started
            known = len(self.announcer.warnings)
            self.announcer.notify(RunFinished(run=self.folder, status=status, seconds=seconds))
            if len(self.announcer.warnings) > known:
                self._close(status)

    def _close(self, status: str) -> None:
        """Record how the run ended; an error here does not replace the one that ended the run."""
        with held_back():
            try:
                self.provenance.close(status)
            except FibError:
                if status == "finished":
                    raise

    def _work_off(self, waiting: list[StepStatus]) -> None:
        """Start steps as soon as they can, in the order of the file; after a failure, no more.

        Raises:
            StepError: the first failure, when the other steps in progress have ended.
        """
        try:
            while (waiting and self.failed is None) or self.busy:
                if self.failed is None:
                    waiting = [item for item in waiting if not self._started(item, waiting)]
                if self.busy:
                    for task, result in self.workers.wait():
                        self._ended(self.busy[task.step], result)
        except KeyboardInterrupt:
            self.workers.close()
            for busy in list(self.busy.values()):
                self._note_end(busy, "interrupted")
            raise
        finally:
            for busy in self.busy.values():
                busy.lock.close()
        if self.failed is not None:
            raise self.failed

    def _started(self, item: StepStatus, waiting: Sequence[StepStatus]) -> bool:
        """Start or reuse a step if that is possible now; return whether it need not wait longer."""
        step = item.step
        ready = all(ref.step.id in self.finished for ref in step.sources)
        if self.failed is not None or not ready or not self._fits(step):
            return False
        busy = _Busy(step, self._begin_record(step), time.monotonic())
        try:
            if self.busy:
                if not busy.lock.enter_context(self.store.lock_if_free(step.key)):
                    busy.lock.close()
                    return False  # another run works on it: see again later
            else:
                busy.lock.enter_context(self.store.lock(step.key, lambda: self._log_waiting(step)))
            self.busy[step.id] = busy
            entry = self._reusable(item)
            if entry is None:
                self._compute(busy, waiting)
            else:
                self._finish(busy, entry, reused=True)
        except KeyboardInterrupt:
            self.busy[step.id] = busy
            raise
        except BaseException as error:
            self.busy[step.id] = busy
            self._fail(busy, self._failure(step, error))
        return True

    def _fits(self, step: PlannedStep) -> bool:
        """Return whether there is a free worker, and memory beside the steps in progress."""
        if len(self.busy) >= self.workers.slots:
            return False
        if not self.busy or self.workers.elsewhere:
            return True
        needed = sum(busy.step.expected.memory_bytes for busy in self.busy.values())
        return needed + step.expected.memory_bytes < self.memory

    def _compute(self, busy: _Busy, waiting: Sequence[StepStatus]) -> None:
        step = busy.step
        resumed = self.store.interrupted(step.key)
        if step.key in self.store.damaged:
            problem = self.store.damaged[step.key]
            self.announcer.warn(
                f"{step.id}: its result in the cache was damaged ({problem}); it is computed again"
            )
        self.announcer.notify(StepStarted(**self._about(step), resumed=resumed))
        task = task_of(
            step, self.finished, store=self.store.root, run=self.folder, device=self.device,
            threads=self._threads(waiting), started=busy.record["started"],
            format=self.store.volumes,
        )  # fmt: skip

        def notify(event: RunEvent) -> None:
            if isinstance(event, StepLogged) and event.level in SERIOUS:
                busy.record["warnings"].append(event.message)
            self.announcer.notify(event)

        self.workers.start(task, notify)

    def _threads(self, waiting: Sequence[StepStatus]) -> int:
        """Return the threads of a step: all, or its share if others can run beside it."""
        ready = sum(
            item.works and all(ref.step.id in self.finished for ref in item.step.sources)
            for item in waiting
            if item.step.id not in self.finished
        )
        return max(1, self.threads // max(1, min(ready, self.workers.slots)))

    def _ended(self, busy: _Busy, result: Outcome | Failure) -> None:
        if isinstance(result, Failure):
            self._fail(busy, result)
            return
        self.store.damaged.pop(busy.step.key, None)
        self.computed.add(busy.step.id)
        busy.record |= {
            "device": result.device,
            "peak_memory_bytes": result.peak_memory_bytes,
            **({"worker": result.worker} if result.worker else {}),
        }
        try:
            self._finish(busy, result.entry, reused=False)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            self._fail(busy, self._failure(busy.step, error))

    def _finish(self, busy: _Busy, entry: Entry, *, reused: bool) -> None:
        step, record = busy.step, busy.record
        _link(self.folder / step.folder, entry.folder)
        self.finished[step.id] = entry
        seconds = time.monotonic() - busy.clock
        record |= {
            "outcome": "reused" if reused else "finished",
            "seconds": round(seconds, 3),
            "peak_memory_bytes": record.get("peak_memory_bytes") or peak_memory_bytes(),
            "outputs": entry.manifest["artefacts"],
        }
        if reused:
            kept = ("started", "seconds", "warnings")
            record["computed"] = {name: entry.manifest.get(name) for name in kept}
        self.provenance.add_step(record)
        del self.busy[step.id]
        busy.lock.close()
        self.announcer.notify(
            StepFinished(**self._about(step), reused=reused, seconds=seconds, folder=step.folder)
        )
        self._drop()

    def _drop(self) -> None:
        """Delete volumes that this run has made, that are neither needed nor kept any more."""
        for step, names in dropped_after(self.plan, self.finished):
            entry = self.finished[step.id]
            names = [name for name in names if name in entry.manifest["artefacts"]]
            if step.id not in self.computed or set(names) <= entry.dropped:
                continue
            if step.key not in kept_by_others(self.store, self.folder):
                self.finished[step.id] = self.store.drop(entry, names)
                self.provenance.dropped(step.id, names)

    def _fail(self, busy: _Busy, failure: Failure) -> None:
        busy.record["error"] = failure.message
        self._note_end(busy, "failed")
        about = self._about(busy.step)
        self.announcer.notify(
            StepFailed(**about, message=failure.message, traceback=failure.traceback)
        )
        error = StepError(busy.step, failure.message, self.folder)
        error.__cause__ = failure.cause
        self.failed = self.failed or error

    def _note_end(self, busy: _Busy, outcome: str) -> None:
        busy.record |= {"outcome": outcome, "seconds": round(time.monotonic() - busy.clock, 3)}
        with (
            held_back(),
            contextlib.suppress(FibError),
        ):  # the cause is reported
            self.provenance.add_step(busy.record)
        self.busy.pop(busy.step.id, None)
        busy.lock.close()

    def _failure(self, step: PlannedStep, error: BaseException) -> Failure:
        """Return an error of the run itself, such as one of its folders, as that of a step."""
        gone = self.store.vanished(self.finished.values())
        if gone is None and not self.folder.is_dir():
            gone = self.folder
        details = "".join(traceback.format_exception(error))
        return Failure(explain_failure(step.work, error, gone), details, error)

    def _reusable(self, item: StepStatus) -> Entry | None:
        """Return the finished result of the step, which another run may just have made."""
        if item.forced:
            return None
        entry = self.store.find(item.step.key)
        if entry is None or not is_current(item.step, entry, self.store):
            return None
        if item.works and entry.dropped:
            return None
        self.store.used(entry)
        return entry

    def _begin_record(self, step: PlannedStep) -> dict[str, Any]:
        record: dict[str, Any] = {
            "id": step.id,
            "plugin": step.identifier,
            "outcome": "running",
            "key": step.key,
            "seed": step.key_parts.get("seed"),
            "params": dict(step.work.params),
            "started": now(),
            "inputs": {
                f"{ref.step.id}.{ref.artefact}": self.finished[ref.step.id].hash_of(ref.artefact)
                for ref in step.sources
                if ref.artefact in self.finished[ref.step.id].manifest["artefacts"]
            },
            "warnings": [],
        }
        files = step.work.files
        if files is not None:
            record["files"] = {"source": files.source, "sha256": files.sha256}
        return record

    def _about(self, step: PlannedStep) -> dict[str, Any]:
        return about(self.folder, step.id, step.index, step.identifier)

    def _log_waiting(self, step: PlannedStep) -> None:
        message = "another run is working on the same step; waiting for its result"
        self.announcer.notify(StepLogged(**self._about(step), level="INFO", message=message))


def _new_folder(runs: Path) -> Path:
    while True:
        stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
        folder = runs / f"{stamp}-{secrets.token_hex(2)}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder


def _link(place: Path, target: Path) -> None:
    """Link a finished step into the run folder; copy it if links are not supported."""
    try:
        place.symlink_to(os.path.relpath(target, place.parent), target_is_directory=True)
    except (OSError, ValueError, NotImplementedError):
        if not place.parent.is_dir():  # the run folder itself is gone
            raise
        shutil.copytree(target, place, dirs_exist_ok=True)
